//! What the fuzzer found worth keeping, through the invariants of its targets.

use std::path::Path;

use crate::exact::invariants::{unwrap_holds, verify_holds};

#[test]
fn what_the_fuzzer_found_holds() {
    let targets = [("verify", verify_holds as fn(&[u8])), ("unwrap", unwrap_holds)];
    for (target, holds) in targets {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
        let mut count = 0;
        for seed in seeds.read_dir().unwrap() {
            let path = seed.unwrap().path();
            let data = std::fs::read(&path).unwrap();
            let held = std::panic::catch_unwind(|| holds(&data));
            assert!(held.is_ok(), "{}", path.display());
            count += 1;
        }
        assert!(count >= 200, "{target}: {count} seeds");
    }
}
