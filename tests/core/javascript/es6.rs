//! The test vectors of ECMAScript numbers that RFC 8785 (appendix B) names: a sequence of doubles
//! that anyone can generate, and published checksums of how they are printed.
//!
//! The sequence: the doubles of `es6_doubles.txt`; the 2,000 smallest normal ones; then what four doubles
//! each the digests of a chain of SHA-256 hold, little endian, less zeros and what is not finite.
//! The constants and the checksums are those that github.com/cyberphone/json-canonicalization
//! publishes in `testdata/README.md`.

use extracta_rs::core::javascript::stringify;
use sha2::{Digest as _, Sha256};

/// How many doubles are written as one JSON text.
const BATCH: usize = 1_000;

/// Lines, and the SHA-256 of so many of them: the double in hexadecimal, a comma, how it is printed.
const PUBLISHED: [(usize, &str); 5] = [
    (1_000, "be18b62b6f69cdab33a7e0dae0d9cfa869fda80ddc712221570f9f40a5878687"),
    (10_000, "b9f7a8e75ef22a835685a52ccba7f7d6bdc99e34b010992cbc5864cd12be6892"),
    (100_000, "22776e6d4b49fa294a0d0f349268e5c28808fe7e0cb2bcbe28f63894e494d4c7"),
    (1_000_000, "49415fee2c56c77864931bd3624faad425c3c577d6d74e89a83bc725506dad16"),
    (10_000_000, "b9f8a44a91d46813b21b9602e72f112613c91408db0b8341fb94603d9db135e0"),
];

/// The bits of the doubles that come first.
const LISTED: &str = include_str!("../../vectors/es6_doubles.txt");

#[test]
fn a_million_doubles_are_printed_as_published() {
    check(1_000_000);
}

#[test]
#[ignore = "takes a minute: cargo test --release --features emulator,journal -- --ignored"]
fn ten_million_doubles_are_printed_as_published() {
    check(10_000_000);
}

/// Prints so many doubles through `stringify`, each spelt in several ways, and checks the sums.
fn check(count: usize) {
    let mut doubles = Doubles::new();
    let mut sum = Sha256::new();
    let mut checked = 0;
    for done in (BATCH..=count).step_by(BATCH) {
        let batch: Vec<_> = doubles.by_ref().take(BATCH).collect();
        let printed = print(&batch, |value| format!("{value:e}"));
        // 17 digits are enough for any double, 20 have to be rounded.
        assert_eq!(print(&batch, |value| format!("{value:.16e}")), printed);
        assert_eq!(print(&batch, |value| format!("{value:.19E}")), printed);
        assert_eq!(print(&batch, f64::to_string), printed, "plainly");
        assert_eq!(stringify(printed.as_bytes()).unwrap(), printed.as_bytes(), "as printed");
        let numbers = printed.trim_matches(['[', ']']).split(',');
        for (value, text) in batch.iter().zip(numbers) {
            sum.update(format!("{:x},{text}\n", value.to_bits()));
        }
        if let Some((_, published)) = PUBLISHED.iter().find(|(lines, _)| *lines == done) {
            let sum = sum.clone().finalize();
            let hex = sum.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
            assert_eq!(hex, *published, "{done} lines");
            checked = done;
        }
    }
    assert_eq!(checked, count, "the last checksum was not compared");
}

/// What V8 would make of an array of the doubles as `spell` writes them.
fn print(doubles: &[f64], spell: impl Fn(&f64) -> String) -> String {
    let text = format!("[{}]", doubles.iter().map(spell).collect::<Vec<_>>().join(","));
    String::from_utf8(stringify(text.as_bytes()).unwrap()).unwrap()
}

struct Doubles {
    listed: Vec<u64>,
    place: usize,
    digest: [u8; 32],
    left: Vec<f64>,
}

impl Doubles {
    fn new() -> Self {
        let bits = |hex| u64::from_str_radix(hex, 16).unwrap();
        let listed = LISTED.split_whitespace().map(bits).collect();
        Self { listed, place: 0, digest: [0; 32], left: Vec::new() }
    }

    /// The next one of the chain, whatever it is.
    fn next_of_chain(&mut self) -> f64 {
        if self.left.is_empty() {
            self.digest = Sha256::digest(self.digest).into();
            let words = self.digest.as_chunks().0;
            self.left = words.iter().rev().map(|word| f64::from_le_bytes(*word)).collect();
        }
        self.left.pop().unwrap()
    }
}

impl Iterator for Doubles {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let place = self.place;
        self.place += 1;
        if let Some(bits) = self.listed.get(place) {
            return Some(f64::from_bits(*bits));
        }
        if let Some(place @ 0..2_000) = place.checked_sub(self.listed.len()) {
            return Some(f64::from_bits(f64::MIN_POSITIVE.to_bits() + place as u64));
        }
        std::iter::repeat_with(|| self.next_of_chain())
            .find(|value| value.is_finite() && *value != 0.0)
    }
}
