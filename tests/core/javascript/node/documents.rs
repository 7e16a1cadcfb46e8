//! Documents by chance, of several kinds; each counts what it is made of.

#![allow(clippy::format_push_string, reason = "plain before quick")]

use std::collections::BTreeMap;

use fastrand::Rng;

use super::numbers;

/// What kind of documents to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Mixed,
    Numbers,
    Strings,
    Keys,
    Spaces,
    Deep,
}

/// Makes documents and remembers which items they reached.
pub struct Documents {
    pub rng: Rng,
    pub reached: BTreeMap<&'static str, usize>,
}

type Item = (&'static str, &'static [&'static str]);

const SCALARS: &[Item] = &[("null, true, false", &["null", "true", "false"])];

const PIECES: &[Item] = &[
    ("plain text", &["a", "plain text", "0123456789abcdef", "seven..", "eight..."]),
    ("text beyond ASCII", &["é", "Łódź", "日本", "\u{ffff}", "\u{fffd}", "\u{80}", "\u{9f}"]),
    ("text beyond 16 bits", &["😀", "\u{10000}", "\u{10ffff}"]),
    ("U+2028 and U+2029", &["\u{2028}", "\u{2029}"]),
    ("U+2028 escaped", &["\\u2028", "\\u2029"]),
    ("DEL", &["\u{7f}"]),
    ("DEL escaped", &["\\u007f", "\\u007F"]),
    ("U+FEFF inside", &["\u{feff}", "\\ufeff"]),
    ("NUL escaped", &["\\u0000"]),
    ("short escapes", &["\\n", "\\r", "\\t", "\\b", "\\f", "\\\"", "\\\\", "\\/"]),
    (
        "short escapes spelt long",
        &["\\u000a", "\\u000D", "\\u0009", "\\u0008", "\\u000c", "\\u0022", "\\u005C", "\\u002f"],
    ),
    ("other control characters", &["\\u0001", "\\u001f", "\\u001F", "\\u000b", "\\u000B"]),
    ("letters escaped", &["\\u0041", "\\u00e9", "\\u20AC", "\\uffff"]),
    ("surrogate pairs by escapes", &["\\ud83d\\ude00", "\\uD800\\uDC00", "\\udbff\\uDFFF"]),
    ("lone high surrogates", &["\\ud83d", "\\uD800x", "\\udbff\\n", "\\ud800\\ud800"]),
    ("lone low surrogates", &["\\ude00", "\\uDC00", "\\udfff\\ud83d"]),
    ("high surrogate, then a raw letter", &["\\ud83dé", "\\ud83d😀", "\\ud83d\\u0041"]),
    ("slash and quotes that need no escape", &["/", "'", "`", "<!-- </script>"]),
];

const KEYS: &[Item] = &[
    ("small indices", &["0", "1", "2", "10", "9", "100"]),
    ("indices escaped", &["\\u0030", "1\\u0030", "\\u0031"]),
    ("the last index", &["4294967294", "4294967293"]),
    ("numbers beyond the last index", &["4294967295", "4294967296", "99999999999"]),
    ("numbers that are no index", &["01", "00", "-1", "-0", "1.0", "1e3", "+1", " 1", "1 "]),
    ("__proto__", &["__proto__", "\\u005f_proto__"]),
    ("toJSON", &["toJSON"]),
    ("constructor", &["constructor", "hasOwnProperty", "valueOf", "length", "prototype"]),
    ("the empty key", &[""]),
    ("equal once unescaped", &["a", "\\u0061", "é", "\\u00e9", "\\u00E9", "/", "\\/"]),
    ("lone surrogates in keys", &["\\ud800", "\\uD800", "\\udc00", "\\ud83d\\ude00", "😀"]),
    ("keys of one hash", &["ilhanvlqa", "dwohvfvhh"]),
    ("usual keys", &["fileId", "result", "status", "a_longer_key", "a_longer_kez", "b"]),
];

const SPACES: &[Item] = &[
    ("space", &[" ", "    "]),
    ("line feed", &["\n", "\n\n"]),
    ("carriage return", &["\r", "\r\n"]),
    ("tab", &["\t", "\t \r\n"]),
];

impl Documents {
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), reached: BTreeMap::new() }
    }

    /// A document that is JSON.
    pub fn text(&mut self, kind: Kind) -> String {
        let mut out = String::new();
        match kind {
            Kind::Mixed => self.value(&mut out, 4, kind),
            Kind::Numbers => self.list(&mut out, 1..7, Self::number),
            Kind::Strings => self.list(&mut out, 1..6, Self::string),
            Kind::Keys => self.object(&mut out, kind, 3),
            Kind::Spaces => self.value(&mut out, 3, kind),
            Kind::Deep => self.deep(&mut out),
        }
        out
    }

    pub fn count(&mut self, name: &'static str) {
        *self.reached.entry(name).or_default() += 1;
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(..from.len())]
    }

    fn item(&mut self, from: &[Item], out: &mut String) {
        let (name, texts) = self.pick(from);
        self.count(name);
        out.push_str(self.pick(texts));
    }

    fn list(
        &mut self,
        out: &mut String,
        range: std::ops::Range<u8>,
        each: fn(&mut Self, &mut String),
    ) {
        out.push('[');
        for place in 0..self.rng.u8(range) {
            out.push_str(if place > 0 { "," } else { "" });
            each(self, out);
        }
        out.push(']');
    }

    fn space(&mut self, out: &mut String, kind: Kind) {
        let often = if kind == Kind::Spaces { 2 } else { 6 };
        if self.rng.u8(..often) == 0 {
            self.item(SPACES, out);
        }
    }

    fn value(&mut self, out: &mut String, depth: u8, kind: Kind) {
        self.space(out, kind);
        match self.rng.u8(..if depth == 0 { 5 } else { 9 }) {
            0 => self.item(SCALARS, out),
            1 | 2 => self.number(out),
            3 | 4 => self.string(out),
            5 | 6 => self.array(out, kind, depth),
            _ => self.object(out, kind, depth),
        }
        self.space(out, kind);
    }

    fn array(&mut self, out: &mut String, kind: Kind, depth: u8) {
        out.push('[');
        self.space(out, kind);
        for place in 0..self.rng.u8(..7) {
            out.push_str(if place > 0 { "," } else { "" });
            self.value(out, depth - 1, kind);
        }
        out.push(']');
    }

    fn object(&mut self, out: &mut String, kind: Kind, depth: u8) {
        let many = kind == Kind::Keys && self.rng.u8(..40) == 0;
        let count = if many { self.rng.u16(17..300) } else { self.rng.u16(..9) };
        if many {
            self.count("objects of many members");
        }
        let mut keys = Vec::new();
        out.push('{');
        self.space(out, kind);
        for place in 0..count {
            out.push_str(if place > 0 { "," } else { "" });
            self.space(out, kind);
            let key = self.key(many, &keys);
            if keys.contains(&key) {
                self.count("keys that come twice");
            }
            *out += &format!("\"{key}\"");
            keys.push(key);
            self.space(out, kind);
            out.push(':');
            if many || depth == 0 || (kind == Kind::Keys && self.rng.bool()) {
                *out += &place.to_string();
            } else {
                self.value(out, depth - 1, kind);
            }
        }
        out.push('}');
    }

    fn key(&mut self, many: bool, before: &[String]) -> String {
        let mut key = String::new();
        match self.rng.u8(..if many { 40 } else { 12 }) {
            0 => {
                self.string(&mut key);
                key.pop();
                key.remove(0);
            }
            1 => key += &self.rng.u32(..).to_string(),
            2 if !before.is_empty() => key.clone_from(&before[self.rng.usize(..before.len())]),
            3..12 => self.item(KEYS, &mut key),
            _ => key += &format!("k{}", self.rng.u16(..)),
        }
        key
    }

    fn number(&mut self, out: &mut String) {
        let (name, make) = self.pick(numbers::KINDS);
        self.count(name);
        out.push_str(&make(&mut self.rng));
    }

    fn string(&mut self, out: &mut String) {
        out.push('"');
        match self.rng.u16(..4000) {
            0 => {
                self.count("strings of 70,000 characters");
                *out += &"a long text ".repeat(6_000);
            }
            1..400 => {
                self.count("any 16 bits escaped");
                *out += &format!("\\u{:04x}\\u{:04X}", self.rng.u16(..), self.rng.u16(..));
            }
            400..800 => {
                self.count("escapes about the surrogates");
                for _ in 0..self.rng.u8(1..5) {
                    *out += &format!("\\u{:04x}", self.rng.u16(0xd7f0..0xe010));
                }
            }
            _ => {}
        }
        for _ in 0..self.rng.u8(..8) {
            self.item(PIECES, out);
        }
        out.push('"');
    }

    fn deep(&mut self, out: &mut String) {
        const DEPTHS: [(&str, usize, usize); 3] = [
            ("hundreds of levels", 100, 1_000),
            ("thousands of levels", 1_000, 10_000),
            ("ten thousand levels", 10_000, 10_001),
        ];
        let (name, least, most) = DEPTHS[[0, 0, 0, 0, 0, 0, 1, 1, 2][self.rng.usize(..9)]];
        self.count(name);
        let mut behind = Vec::new();
        for _ in 0..self.rng.usize(least..most) {
            let (open, close) = match self.rng.u8(..16) {
                0 => ("[0,", "]"),
                1 => ("{\"a\":1,\"a\":", "}"),
                2 => ("{\"a\":", ",\"0\":1}"),
                3 => ("{\"\": ", ",\"b\":2 }"),
                4..10 => ("{\"k\":", "}"),
                _ => ("[", "]"),
            };
            out.push_str(open);
            behind.push(close);
        }
        out.push('1');
        out.extend(behind.into_iter().rev());
    }
}

/// What documents of all kinds together have to reach.
pub fn items() -> impl Iterator<Item = &'static str> {
    let others = [
        "objects of many members",
        "keys that come twice",
        "strings of 70,000 characters",
        "any 16 bits escaped",
        "escapes about the surrogates",
        "hundreds of levels",
        "thousands of levels",
        "ten thousand levels",
    ];
    let lists = [SCALARS, PIECES, KEYS, SPACES].into_iter().flatten().map(|(name, _)| *name);
    lists.chain(numbers::KINDS.iter().map(|(name, _)| *name)).chain(others)
}
