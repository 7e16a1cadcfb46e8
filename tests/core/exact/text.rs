//! What is asserted of every text.

use extracta_rs::core::javascript::{Event, MAX_DEPTH, Reader, stringify};
use fastrand::Rng;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::model::{self, Document};
use super::rewrite::rewrite;

/// The reader and the writer, against the model and against `serde_json`.
pub fn check_text(text: &[u8], rng: &mut Rng) {
    let ours = stringify(text);
    let document = model::read(text).filter(is_read);
    assert_eq!(ours.is_ok(), document.is_some(), "{ours:?}");
    assert_eq!(strings(text).is_some(), document.is_some());
    check_serde(text, &ours);
    let (Ok(ours), Some(document)) = (ours, document) else { return };
    let ours = String::from_utf8(ours).expect("the output is UTF-8");
    assert_eq!(ours, document.canonical);
    assert_eq!(strings(text).unwrap(), document.strings);
    assert_eq!(stringify(ours.as_bytes()).unwrap(), ours.as_bytes(), "canonical is not canonical");
    let other = rewrite(std::str::from_utf8(text).unwrap(), rng);
    assert_eq!(stringify(other.as_bytes()).unwrap(), ours.as_bytes(), "spelt otherwise: {other}");
}

/// Whether we read what V8 would read.
pub fn is_read(document: &Document) -> bool {
    document.depth <= MAX_DEPTH
}

/// `serde_json` accepts the same, but for the depth. Where it gives a value, the canonical text
/// has the same one.
fn check_serde(text: &[u8], ours: &Result<Vec<u8>, impl std::fmt::Debug>) {
    let Ok(text) = std::str::from_utf8(text) else { return assert!(ours.is_err()) };
    match (serde_json::from_str::<IgnoredAny>(text), ours) {
        (Ok(_), Ok(ours)) => {
            // It refuses lone surrogates, and numbers that are too large.
            if let Ok(value) = serde_json::from_str::<Value>(text) {
                assert!(same(&value, &serde_json::from_slice(ours).unwrap()), "{value}");
            }
        }
        (Err(_), Err(_)) => {}
        (Ok(_), Err(error)) => assert!(format!("{error:?}").contains("nested too deeply")),
        (Err(error), Ok(_)) => panic!("accepted, but {error}"),
    }
}

/// Numbers are equal as doubles, which `serde_json` does not always round correctly.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= a.abs() * 1e-15 + f64::MIN_POSITIVE
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// All strings in UTF-16 as the reader gives them, if it accepts the text.
fn strings(text: &[u8]) -> Option<Vec<Vec<u16>>> {
    let mut reader = Reader::new(text);
    let mut found = Vec::new();
    let mut end = 0;
    while let Some(event) = reader.next_event().ok()? {
        assert!(end <= reader.start() && reader.start() < reader.offset(), "events overlap");
        end = reader.offset();
        if let Event::String(text) | Event::Key(text) = event {
            let decoded = text.decode();
            if let Some(plain) = text.plain() {
                assert_eq!(plain.as_bytes(), &decoded[..]);
            }
            found.push(utf16(&decoded));
        }
    }
    Some(found)
}

/// UTF-16 from WTF-8: UTF-8 in which a lone surrogate takes three bytes.
fn utf16(wtf8: &[u8]) -> Vec<u16> {
    let mut units = Vec::new();
    let mut rest = wtf8;
    while let [first, ..] = rest {
        let len = match first {
            ..0x80 => 1,
            ..0xe0 => 2,
            ..0xf0 => 3,
            _ => 4,
        };
        let (char, behind) = rest.split_at(len);
        rest = behind;
        match std::str::from_utf8(char) {
            Ok(char) => units.extend(char.encode_utf16()),
            Err(_) => units.push(
                u16::from(char[0] & 15) << 12
                    | u16::from(char[1] & 63) << 6
                    | u16::from(char[2] & 63),
            ),
        }
    }
    units
}
