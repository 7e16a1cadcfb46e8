//! A value of a cell, and its text: JSON with Python's spelling of numbers.

use serde::{Deserialize, Serialize};

use super::text::Text;

/// A cell with arrays or objects nested this deep is only kept as JSON, and objects that are nested
/// deeper are not flattened. What is done with the others may recurse.
pub const DEEPEST: usize = 32;

/// What a file has in a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Nothing, too, where a file has no such field.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// The digits of a whole number beyond 64 bits.
    Big(Box<str>),
    /// Any other number; NaN and the infinite ones are null in JSON.
    Float(f64),
    /// Text.
    Text(Text),
    /// An array.
    List(Vec<Value>),
    /// An object; no key comes twice.
    Object(Vec<(Text, Value)>),
    /// The JSON of a whole cell that is nested deeper than [`DEEPEST`].
    Json(Text),
}

impl Value {
    /// Text as it is, and anything else as JSON.
    #[must_use]
    pub fn into_text(self) -> Text {
        match self {
            Self::Text(text) | Self::Json(text) => text,
            other => other.to_json(),
        }
    }

    /// The JSON, in which halves of surrogate pairs stand as they are.
    #[must_use]
    pub fn to_json(&self) -> Text {
        let mut out = Vec::new();
        self.write_json(&mut out);
        Text::of(out)
    }

    /// Appends the JSON, in WTF-8.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Self::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Self::Big(digits) => out.extend_from_slice(digits.as_bytes()),
            Self::Float(value) => out.extend_from_slice(float(*value).as_bytes()),
            Self::Text(text) => text_to_json(text.wtf8(), out),
            Self::Json(text) => out.extend_from_slice(text.wtf8()),
            Self::List(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    comma(at, out);
                    item.write_json(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (at, (key, value)) in members.iter().enumerate() {
                    comma(at, out);
                    text_to_json(key.wtf8(), out);
                    out.push(b':');
                    value.write_json(out);
                }
                out.push(b'}');
            }
        }
    }

    /// How much there is to hold: bytes of text and values.
    #[must_use]
    pub fn weight(&self) -> usize {
        1 + match self {
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) => 0,
            Self::Big(digits) => digits.len(),
            Self::Text(text) | Self::Json(text) => text.wtf8().len(),
            Self::List(items) => items.iter().map(Self::weight).sum(),
            Self::Object(members) => {
                members.iter().map(|(key, value)| key.wtf8().len() + value.weight()).sum()
            }
        }
    }
}

fn comma(at: usize, out: &mut Vec<u8>) {
    if at > 0 {
        out.push(b',');
    }
}

/// Appends a string of JSON.
pub fn text_to_json(wtf8: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = wtf8;
    while let Some(at) = rest.iter().position(|&byte| matches!(byte, 0..=0x1f | b'"' | b'\\')) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        match special[0] {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        rest = &special[1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// A double as Python writes it: `1.0`, `1e+21`, `1e-07`.
fn float(value: f64) -> String {
    if !value.is_finite() {
        return "null".to_owned();
    }
    let shortest = format!("{value:?}");
    match shortest.split_once('e') {
        None => shortest,
        Some((digits, exponent)) => {
            let (sign, exponent) =
                exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
            format!("{digits}e{sign}{exponent:0>2}")
        }
    }
}
