//! Objects, strings and numbers as the ECMAScript specification has them printed.

#![allow(clippy::format_push_string, reason = "plain before quick")]

use std::collections::HashMap;

pub type Units = Vec<u16>;

/// An object: indices first, of equal keys the last value at the first one's place.
pub fn object(members: Vec<(Units, String)>) -> String {
    let mut places: HashMap<Units, usize> = HashMap::new();
    let mut kept: Vec<(Option<u32>, Units, String)> = Vec::new();
    for (key, value) in members {
        if let Some(&place) = places.get(&key) {
            kept[place].2 = value;
        } else {
            places.insert(key.clone(), kept.len());
            kept.push((index(&key), key, value));
        }
    }
    // Stable: the other keys stay as they came.
    kept.sort_by_key(|(index, ..)| index.unwrap_or(u32::MAX));
    let member = |(_, key, value): &(_, Units, String)| format!("{}:{value}", quote(key));
    format!("{{{}}}", kept.iter().map(member).collect::<Vec<_>>().join(","))
}

fn index(key: &[u16]) -> Option<u32> {
    let key = String::from_utf16(key).ok()?;
    let index = key.parse::<u32>().ok()?;
    (index < u32::MAX && index.to_string() == key).then_some(index)
}

/// A string with the escapes of `JSON.stringify`.
pub fn quote(units: &[u16]) -> String {
    let mut out = String::from('"');
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok('"') => out += "\\\"",
            Ok('\\') => out += "\\\\",
            Ok('\x08') => out += "\\b",
            Ok('\t') => out += "\\t",
            Ok('\n') => out += "\\n",
            Ok('\x0c') => out += "\\f",
            Ok('\r') => out += "\\r",
            Ok(char @ '\0'..='\x1f') => out += &format!("\\u{:04x}", char as u32),
            Ok(char) => out.push(char),
            Err(lone) => out += &format!("\\u{:04x}", lone.unpaired_surrogate()),
        }
    }
    out + "\""
}

/// The double nearest to a number, with an exponent of any size.
pub fn double(text: &str) -> f64 {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let sign = if mantissa.starts_with('-') { -1.0 } else { 1.0 };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches('-');
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    if digits.is_empty() {
        return 0.0 * sign;
    }
    let huge = if exponent.starts_with('-') { i128::MIN / 2 } else { i128::MAX / 2 };
    let shift = whole.len() as i128 - (all.len() - digits.len()) as i128;
    match exponent.parse().unwrap_or(huge) + shift {
        ..-400 => 0.0 * sign,
        400.. => f64::INFINITY * sign,
        exponent => format!("0.{digits}e{exponent}").parse::<f64>().unwrap() * sign,
    }
}

/// A double as `JSON.stringify` prints it: `Number::toString` of ECMAScript.
pub fn printed(value: f64) -> String {
    if !value.is_finite() {
        return "null".into();
    }
    if value == 0.0 {
        return "0".into();
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let shortest = nearest(value.abs());
    let (mantissa, exponent) = shortest.split_once('e').unwrap();
    let digits = mantissa.replace('.', "");
    let point = exponent.parse::<i32>().unwrap() + 1;
    let count = i32::try_from(digits.len()).unwrap();
    let zeros = |count: i32| "0".repeat(count.try_into().unwrap());
    if count <= point && point <= 21 {
        return format!("{sign}{digits}{}", zeros(point - count));
    }
    if 0 < point && point <= 21 {
        let (whole, fraction) = digits.split_at(point.try_into().unwrap());
        return format!("{sign}{whole}.{fraction}");
    }
    if -6 < point && point <= 0 {
        return format!("{sign}0.{}{digits}", zeros(-point));
    }
    let (first, rest) = digits.split_at(1);
    let dot = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{dot}{rest}e{:+}", point - 1)
}

/// The fewest digits that read back as the same double; of several the nearest, of two as near
/// the even ones, for which Rust's own shortest digits do not care.
fn nearest(value: f64) -> String {
    let shortest = format!("{value:e}");
    let digits = shortest.bytes().take_while(|&byte| byte != b'e').filter(u8::is_ascii_digit);
    let nearest = format!("{value:.*e}", digits.count() - 1);
    if nearest.parse() == Ok(value) { nearest } else { shortest }
}

#[test]
fn of_two_numbers_as_near_the_even_one_is_printed() {
    assert_eq!(printed(7_205_759_403_792_794.0 / 8.0), "900719925474099.2");
    assert_eq!(printed(5e-324), "5e-324");
    assert_eq!(printed(9_007_199_254_740_993.0 * 2.0), "18014398509481984");
    assert_eq!(printed(2_f64.powi(-44)), "5.684341886080802e-14");
}
