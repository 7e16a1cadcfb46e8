//! Numbers as ECMAScript prints them: the shortest digits that read back as the same double.

use std::borrow::Cow;

/// Doubles keep this many decimal digits whole, so a number with no more of them that is written
/// plainly is already the shortest way to write its double.
const WHOLE_DIGITS: usize = 15;
/// No double needs more digits than this to be rounded correctly.
const DECISIVE_DIGITS: usize = 800;

/// Prints the number `text` as `JSON.stringify(JSON.parse(text))` does: a number that is too large
/// for a double is Infinity there, and so `null`.
pub(super) fn print<'b>(text: &str, buffer: &'b mut ryu_js::Buffer) -> &'b str {
    let value = shortened(text).parse().unwrap_or(f64::NAN);
    if value.is_finite() { buffer.format_finite(value) } else { "null" }
}

/// Whether the number is surely printed as it is written; false where that takes a closer look.
#[inline]
pub(super) fn is_canonical(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.len() > WHOLE_DIGITS {
        return false;
    }
    match digits.iter().position(|byte| !byte.is_ascii_digit()) {
        None => text != b"-0",
        Some(point) if digits[point] == b'.' => {
            let fraction = &digits[point + 1..];
            fraction.last() != Some(&b'0')
                && fraction.iter().all(u8::is_ascii_digit)
                && !(digits.starts_with(b"0.") && fraction.starts_with(b"000000"))
        }
        Some(_) => false,
    }
}

/// The same number in fewer digits where it has very many. The standard library stops counting
/// exponents at some 65,000, which only digits as many could bring back into range.
fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= DECISIVE_DIGITS {
        return Cow::Borrowed(text);
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    let zeros = digits().take_while(|&digit| digit == b'0').count();
    let mut kept: String = digits().skip(zeros).take(DECISIVE_DIGITS).map(char::from).collect();
    if kept.is_empty() {
        return Cow::Borrowed("0");
    }
    if digits().skip(zeros + DECISIVE_DIGITS).any(|digit| digit != b'0') {
        kept.push('1');
    }
    let shift = signed(whole.len()).saturating_sub(signed(zeros));
    let exponent = saturating(exponent).saturating_add(shift);
    Cow::Owned(format!("{sign}0.{kept}e{exponent}"))
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// An exponent; one that is beyond 64 bits is as good as the largest.
fn saturating(exponent: &str) -> i64 {
    let beyond = if exponent.starts_with('-') { i64::MIN } else { i64::MAX };
    exponent.parse().unwrap_or(beyond)
}
