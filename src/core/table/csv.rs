//! CSV as RFC 4180 has it, in UTF-8.

use std::borrow::Cow;

use super::chunk::Chunk;
use super::value::Value;

/// The line with the names of the columns.
///
/// `excel` puts a byte order mark in front, by which Excel knows UTF-8, and `'` in front of names
/// that spreadsheet programs take for formulas.
#[must_use]
pub fn header(names: &[&str], excel: bool) -> Vec<u8> {
    let mut out = if excel { "\u{feff}".as_bytes().to_vec() } else { Vec::new() };
    line(names.iter().map(|name| Cow::Borrowed(*name)), excel, &mut out);
    out
}

/// The lines of rows, with the columns that stand at these places; `excel` as for the header.
#[must_use]
pub fn lines(chunk: &Chunk, places: &[usize], excel: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for row in 0..chunk.height() {
        line(places.iter().map(|&place| cell(chunk.get(place, row))), excel, &mut out);
    }
    out
}

fn cell(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None => Cow::Borrowed(""),
        Some(Value::Text(text) | Value::Json(text)) => text.lossy(),
        Some(other) => Cow::Owned(other.to_json().lossy().into_owned()),
    }
}

fn line<'a>(cells: impl Iterator<Item = Cow<'a, str>>, excel: bool, out: &mut Vec<u8>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let quote = if excel && is_formula(&cell) { "'" } else { "" };
        if cell.contains([',', '"', '\r', '\n']) {
            out.push(b'"');
            out.extend_from_slice(quote.as_bytes());
            out.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(quote.as_bytes());
            out.extend_from_slice(cell.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// What spreadsheet programs take for a formula; `-12,50` and `+49 30 1234` are none.
fn is_formula(cell: &str) -> bool {
    let number = |rest: &str| {
        let digits = rest.strip_suffix('%').unwrap_or(rest);
        digits.chars().all(|char| char.is_ascii_digit() || ".,  \u{a0}".contains(char))
    };
    let mut chars = cell.chars();
    match chars.next() {
        Some(
            '=' | '@' | '\t' | '\r' | '\n' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}',
        ) => true,
        Some('+' | '-') => !number(chars.as_str()),
        _ => false,
    }
}
