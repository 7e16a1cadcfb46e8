//! `verify` and `sign`, against a model of V8 and against `serde_json`.
#![no_main]

#[path = "../../tests/core/exact/mod.rs"]
#[allow(dead_code)]
mod exact;

libfuzzer_sys::fuzz_target!(|data: &[u8]| exact::invariants::verify_holds(data));
