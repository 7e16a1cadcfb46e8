//! What `unwrap` rests on: the parts of a verified body, and the keys of its files.
#![no_main]

#[path = "../../tests/core/exact/mod.rs"]
#[allow(dead_code)]
mod exact;

libfuzzer_sys::fuzz_target!(|data: &[u8]| exact::invariants::unwrap_holds(data));
