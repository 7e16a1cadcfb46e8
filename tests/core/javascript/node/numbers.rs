//! Numbers by chance, where reading or printing them is hardest.

use fastrand::Rng;

type Make = fn(&mut Rng) -> String;

pub const KINDS: &[(&str, Make)] = &[
    ("small integers", |rng| rng.i32(-2000..2000).to_string()),
    ("integers about 2^53", |rng| {
        format!("{}{}", sign(rng), (1_u64 << 53).wrapping_add_signed(rng.i64(-40..40)))
    }),
    ("integers of 16 to 20 digits", |rng| rng.i64(..).to_string()),
    ("integers of up to 39 digits", |rng| {
        let shift = rng.u32(..128);
        (rng.u128(..) >> shift).to_string()
    }),
    ("17 and more digits", |rng| {
        let (whole, fraction) = (rng.usize(1..24), rng.usize(1..24));
        format!("{}{}.{}", sign(rng), integer(rng, whole), digits(rng, fraction))
    }),
    ("halfway between two doubles", |rng| halfway(rng, "")),
    ("as near to two shortest ones", |rng| {
        let fraction = pick(rng, &["125", "25", "375", "5", "625", "75", "875"]);
        format!("{}{}.{fraction}", sign(rng), rng.u64(1 << 46..1 << 53))
    }),
    ("just above halfway", |rng| halfway(rng, "0000000000000000000000000000001")),
    ("subnormals", |rng| format!("{:e}", f64::from_bits(rng.u64(..1 << 52)))),
    ("subnormals with 17 digits", |rng| format!("{:.16e}", f64::from_bits(rng.u64(..1 << 52)))),
    ("about the smallest double", |rng| {
        format!("{}{}e-324", pick(rng, &["", "-"]), pick(rng, &["1", "2", "2.4", "2.5", "3", "5"]))
    }),
    ("about the largest double", |rng| {
        format!("1.797693134862315{}e+308", pick(rng, &["7", "8", "80", "81", "9", "708145274"]))
    }),
    ("any double, shortest", |rng| format!("{:e}", any(rng))),
    ("any double, plainly", |rng| any(rng).to_string()),
    ("any double, 17 digits", |rng| format!("{:.16e}", any(rng))),
    ("any double, 20 digits", |rng| format!("{:.19e}", any(rng))),
    ("exponents of three digits", |rng| {
        format!("{}E{}{}", rng.i32(..), pick(rng, &["+", "-", ""]), rng.u16(..400))
    }),
    ("exponents of hundreds of digits", |rng| {
        let count = rng.usize(4..1200);
        let zeros = if rng.bool() { "0".repeat(count) } else { String::new() };
        let count = if zeros.is_empty() { count } else { rng.usize(1..4) };
        format!("{}e{}{zeros}{}", rng.u8(..), pick(rng, &["+", "-", ""]), integer(rng, count))
    }),
    ("zeros of both signs", |rng| {
        pick(rng, &["0", "-0", "-0.0", "0.0", "0e5", "-0E-7", "0.000e99999", "-0e+400"]).into()
    }),
    ("too large, and so null", |rng| {
        format!("{}{}e{}", sign(rng), pick(rng, &["1", "9.5", "0.1"]), rng.u32(310..100_000))
    }),
    ("too small, and so zero", |rng| format!("{}7.5e-{}", sign(rng), rng.u32(326..100_000))),
    ("about 1e21 and 1e-7", |rng| {
        let near = [1e21, 1e20, 1e22, 1e-6, 1e-7, 1e-5][rng.usize(..6)];
        let value = f64::from_bits(f64::to_bits(near).wrapping_add_signed(rng.i64(-3..4)));
        if rng.bool() { value.to_string() } else { format!("{value:e}") }
    }),
    ("up to 15 digits", |rng| {
        let whole = rng.usize(1..=15);
        let fraction = rng.usize(..=15 - whole);
        let dot = if fraction == 0 { "" } else { "." };
        format!("{}{}{dot}{}", sign(rng), integer(rng, whole), digits(rng, fraction))
    }),
    ("zeros behind the point", |rng| {
        let (zeros, count) = (rng.usize(..12), rng.usize(1..10));
        format!("{}0.{}{}", sign(rng), "0".repeat(zeros), digits(rng, count))
    }),
    ("zeros at the end", |rng| {
        let zeros = rng.usize(1..20);
        format!("{}{}.5{}", sign(rng), rng.u16(..), "0".repeat(zeros))
    }),
    ("hundreds and thousands of digits", |rng| {
        let most = if rng.u8(..20) == 0 { 6000 } else { 900 };
        let (whole, fraction) = (rng.usize(1..most), rng.usize(1..most));
        let exponent = rng.i64(..300) - i64::try_from(whole).unwrap();
        format!("{}.{}e{exponent}", integer(rng, whole), digits(rng, fraction))
    }),
    ("digits that the exponent moves far", |rng| {
        let zeros = rng.usize(1..3000);
        if rng.bool() {
            format!("{}0.{}{}e{zeros}", sign(rng), "0".repeat(zeros), integer(rng, 17))
        } else {
            format!("{}{}{}e-{zeros}", sign(rng), integer(rng, 17), "0".repeat(zeros))
        }
    }),
];

fn sign(rng: &mut Rng) -> &'static str {
    pick(rng, &["", "-"])
}

fn pick(rng: &mut Rng, from: &[&'static str]) -> &'static str {
    from[rng.usize(..from.len())]
}

fn digits(rng: &mut Rng, count: usize) -> String {
    (0..count).map(|_| char::from(rng.u8(b'0'..=b'9'))).collect()
}

fn integer(rng: &mut Rng, count: usize) -> String {
    format!("{}{}", rng.u8(1..10), digits(rng, count - 1))
}

fn any(rng: &mut Rng) -> f64 {
    let value = f64::from_bits(rng.u64(..));
    if value.is_finite() { value } else { any(rng) }
}

/// The number in the middle of a double and the next one, in all its digits, and some more.
fn halfway(rng: &mut Rng, more: &str) -> String {
    // Mostly where few digits suffice, sometimes anywhere.
    let anywhere = rng.u8(..30) == 0;
    let exponent = if anywhere { rng.i32(-1074..960) } else { rng.i32(-70..80) };
    let mantissa = if exponent == -1074 { rng.u64(..1 << 52) } else { rng.u64(1 << 52..1 << 53) };
    let mut decimal = Decimal::new(u128::from(mantissa) * 2 + 1);
    for _ in 0..(exponent - 1).abs() {
        // A half is five tenths.
        decimal.multiply(if exponent > 0 { 2 } else { 5 });
    }
    let places = usize::try_from(1 - exponent).unwrap_or(0);
    format!("{}{}", sign(rng), decimal.text(places, more))
}

/// A natural number in decimal digits, the lowest first.
struct Decimal(Vec<u8>);

impl Decimal {
    fn new(value: u128) -> Self {
        Self(value.to_string().bytes().rev().map(|digit| digit - b'0').collect())
    }

    fn multiply(&mut self, by: u8) {
        let mut carry = 0;
        for digit in &mut self.0 {
            let product = *digit * by + carry;
            (*digit, carry) = (product % 10, product / 10);
        }
        if carry > 0 {
            self.0.push(carry);
        }
    }

    /// With the last so many digits behind the point, and with more digits behind them.
    fn text(&self, places: usize, more: &str) -> String {
        let mut digits: String =
            self.0.iter().rev().map(|digit| char::from(digit + b'0')).collect();
        if digits.len() <= places {
            digits = format!("{}{digits}", "0".repeat(places + 1 - digits.len()));
        }
        let (whole, fraction) = digits.split_at(digits.len() - places);
        if places == 0 && more.is_empty() {
            return whole.into();
        }
        format!("{whole}.{fraction}{more}")
    }
}

#[test]
fn the_middle_of_two_doubles_is_written_in_full() {
    let mut decimal = Decimal::new(3);
    decimal.multiply(5);
    assert_eq!((decimal.text(1, ""), decimal.text(3, "01")), ("1.5".into(), "0.01501".into()));
    assert_eq!(Decimal::new(9_007_199_254_740_993).text(0, ""), "9007199254740993");
    assert_eq!(Decimal::new(7).text(0, "1"), "7.1");
}
