//! Spells a JSON text otherwise: other white space, other escapes, other ways to write a number.

use fastrand::Rng;

/// The same JSON, written otherwise. `text` has to be JSON.
pub fn rewrite(text: &str, rng: &mut Rng) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        space(&mut out, rng);
        let len = match first {
            '"' => string(rest, &mut out, rng),
            '-' | '0'..='9' => number(rest, &mut out, rng),
            ' ' | '\t' | '\n' | '\r' => 1,
            'a'..='z' => {
                let len = rest.bytes().take_while(u8::is_ascii_lowercase).count();
                out.push_str(&rest[..len]);
                len
            }
            _ => {
                out.push(first);
                1
            }
        };
        rest = &rest[len..];
    }
    space(&mut out, rng);
    out
}

fn space(out: &mut String, rng: &mut Rng) {
    while rng.u8(..4) == 0 {
        out.push([' ', '\t', '\n', '\r'][rng.usize(..4)]);
    }
}

/// Writes the string that `text` begins with; gives its length.
fn string(text: &str, out: &mut String, rng: &mut Rng) -> usize {
    out.push('"');
    let mut at = 1;
    loop {
        let char = text[at..].chars().next().unwrap();
        at += char.len_utf8();
        match char {
            '"' => break,
            '\\' => {
                let len = if text[at..].starts_with('u') { 5 } else { 1 };
                let escape = &text[at..at + len];
                out.push('\\');
                out.push_str(escape);
                at += len;
            }
            _ if rng.u8(..8) == 0 => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    let upper = format!("\\u{unit:04X}");
                    out.push_str(&if rng.bool() { upper } else { upper.to_lowercase() });
                }
            }
            '/' if rng.bool() => out.push_str("\\/"),
            _ => out.push(char),
        }
    }
    out.push('"');
    at
}

/// Writes the number that `text` begins with; gives its length.
fn number(text: &str, out: &mut String, rng: &mut Rng) -> usize {
    let part = |byte: &u8| matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E' | b'0'..=b'9');
    let len = text.bytes().take_while(part).count();
    let number = &text[..len];
    out.push_str(number);
    if number.contains(['e', 'E']) {
        return len;
    }
    match rng.u8(..6) {
        0 if number.contains('.') => out.push_str("00"),
        0 => out.push_str(".000"),
        1 => out.push_str("e0"),
        2 => out.push_str("E+00"),
        3 => out.push_str("e-0"),
        _ => {}
    }
    len
}
