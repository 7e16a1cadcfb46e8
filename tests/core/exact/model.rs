//! `JSON.stringify(JSON.parse(text))` from the ECMAScript specification, plainly: every value is
//! kept, strings are UTF-16, numbers go through Rust's own shortest digits.

use std::ops::Range;

use super::spell::{Units, double, object, printed, quote};

/// A JSON text that was accepted.
pub struct Document {
    /// What V8 would write.
    pub canonical: String,
    /// Where the whole value is.
    pub range: Range<usize>,
    pub top: Top,
    /// All strings and keys, as they came.
    pub strings: Vec<Units>,
    /// How many arrays and objects stand in each other.
    pub depth: usize,
}

/// The outermost value.
pub enum Top {
    Array(Vec<Range<usize>>),
    Object(Vec<(Units, Range<usize>)>),
    Scalar,
}

impl Document {
    /// Where the value of a member of the object at the top is: of several the last one.
    pub fn member(&self, name: &str) -> Option<Range<usize>> {
        let Top::Object(members) = &self.top else { return None };
        let named = |(key, _): &&(Units, _)| key.iter().copied().eq(name.encode_utf16());
        members.iter().rev().find(named).map(|(_, range)| range.clone())
    }

    /// What is signed of a body.
    pub fn signed(&self) -> Option<Range<usize>> {
        match &self.top {
            Top::Array(_) => Some(self.range.clone()),
            _ => self.member("result"),
        }
    }
}

/// Reads a text; `None` where it is not JSON.
pub fn read(text: &[u8]) -> Option<Document> {
    let text = std::str::from_utf8(text).ok()?;
    Parser { text, at: 0, strings: Vec::new(), depth: 0 }.document()
}

enum Open {
    Array(Vec<String>),
    Object(Vec<(Units, String)>, Units),
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    strings: Vec<Units>,
    depth: usize,
}

impl Parser<'_> {
    fn document(mut self) -> Option<Document> {
        let mut open = Vec::new();
        self.space();
        let start = self.at;
        let mut top = match self.peek()? {
            b'[' => Top::Array(Vec::new()),
            b'{' => Top::Object(Vec::new()),
            _ => Top::Scalar,
        };
        let mut from = start;
        loop {
            self.space();
            if open.len() == 1 {
                from = self.at;
            }
            let Some(mut value) = self.value(&mut open)? else { continue };
            loop {
                let end = self.at;
                self.space();
                match (open.first(), &mut top) {
                    _ if open.len() > 1 => {}
                    (Some(Open::Array(_)), Top::Array(found)) => found.push(from..end),
                    (Some(Open::Object(_, key)), Top::Object(found)) => {
                        found.push((key.clone(), from..end));
                    }
                    _ => {
                        let Self { text, at, strings, depth } = self;
                        let range = start..end;
                        let document = Document { canonical: value, range, top, strings, depth };
                        return (at == text.len()).then_some(document);
                    }
                }
                match self.put(value, &mut open)? {
                    Some(whole) => value = whole,
                    None => break,
                }
            }
        }
    }

    /// A value; or nothing, where a container was opened and its first value follows.
    #[allow(clippy::option_option, reason = "the outer one is the syntax error")]
    fn value(&mut self, open: &mut Vec<Open>) -> Option<Option<String>> {
        let first = self.peek()?;
        if first == b'"' {
            let units = self.string()?;
            return Some(Some(quote(&units)));
        }
        if first != b'[' && first != b'{' {
            return self.word().or_else(|| self.number()).map(Some);
        }
        self.depth = self.depth.max(open.len() + 1);
        self.at += 1;
        self.space();
        if first == b'[' {
            if self.eat(b']') {
                return Some(Some("[]".into()));
            }
            open.push(Open::Array(Vec::new()));
        } else {
            if self.eat(b'}') {
                return Some(Some("{}".into()));
            }
            let key = self.key()?;
            open.push(Open::Object(Vec::new(), key));
        }
        Some(None)
    }

    /// Puts a value into the innermost container; gives that one where it ends behind it.
    #[allow(clippy::option_option, reason = "the outer one is the syntax error")]
    fn put(&mut self, value: String, open: &mut Vec<Open>) -> Option<Option<String>> {
        match open.last_mut()? {
            Open::Array(values) => {
                values.push(value);
                if self.eat(b',') {
                    return Some(None);
                }
            }
            Open::Object(members, key) => {
                members.push((std::mem::take(key), value));
                if self.eat(b',') {
                    self.space();
                    *key = self.key()?;
                    return Some(None);
                }
            }
        }
        let whole = match open.pop()? {
            Open::Array(values) if self.eat(b']') => format!("[{}]", values.join(",")),
            Open::Object(members, _) if self.eat(b'}') => object(members),
            _ => return None,
        };
        Some(Some(whole))
    }

    fn key(&mut self) -> Option<Units> {
        let key = self.string()?;
        self.space();
        self.eat(b':').then_some(key)
    }

    fn string(&mut self) -> Option<Units> {
        if !self.eat(b'"') {
            return None;
        }
        let mut units = Vec::new();
        loop {
            let char = self.text[self.at..].chars().next()?;
            self.at += char.len_utf8();
            match char {
                '"' => break,
                '\\' => units.push(self.escape()?),
                '\0'..='\x1f' => return None,
                _ => units.extend(char.encode_utf16(&mut [0; 2]).iter()),
            }
        }
        self.strings.push(units.clone());
        Some(units)
    }

    fn escape(&mut self) -> Option<u16> {
        let char = self.peek()?;
        self.at += 1;
        let unit = match char {
            b'"' | b'\\' | b'/' => char,
            b'b' => 8,
            b't' => 9,
            b'n' => 10,
            b'f' => 12,
            b'r' => 13,
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                self.at += 4;
                let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                return u16::from_str_radix(digits, 16).ok().filter(|_| plain);
            }
            _ => return None,
        };
        Some(unit.into())
    }

    fn word(&mut self) -> Option<String> {
        let rest = &self.text[self.at..];
        let word = ["null", "true", "false"].into_iter().find(|word| rest.starts_with(word))?;
        self.at += word.len();
        Some(word.into())
    }

    fn number(&mut self) -> Option<String> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Some(printed(double(&self.text[start..self.at])))
    }

    fn digits(&mut self) -> Option<()> {
        let count = self.text[self.at..].bytes().take_while(u8::is_ascii_digit).count();
        self.at += count;
        (count > 0).then_some(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }
}
