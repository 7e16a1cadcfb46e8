//! Documents that something is wrong with.

use super::documents::{Documents, Kind};

/// Where something wrong is put.
#[derive(Clone, Copy)]
enum Place {
    /// In front of the document.
    Before,
    /// Behind it.
    Behind,
    /// In place of a value of an array: of several, by chance.
    Value,
    /// In place of a member of an object.
    Member,
    /// In a string.
    Inside,
}

/// What `JSON.parse` never takes.
#[rustfmt::skip]
const BREAKS: &[(&str, Place, &[&[u8]])] = &[
    ("a BOM", Place::Before, &[b"\xef\xbb\xbf"]),
    ("white space of other kinds", Place::Before, &[
        b"\xc2\xa0", b"\x0b", b"\x0c", b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\xe3\x80\x80",
        b"\xc2\x85", b"\xe1\x9a\x80", b"\0", b"\x1f",
    ]),
    ("white space of other kinds, behind", Place::Behind, &[
        b"\xc2\xa0", b"\x0b", b"\x0c", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\0",
    ]),
    ("NaN and Infinity", Place::Value, &[
        b"NaN", b"Infinity", b"-Infinity", b"-NaN", b"nan", b"inf", b"1e999Infinity",
    ]),
    ("undefined and other words", Place::Value, &[
        b"undefined", b"None", b"True", b"NULL", b"nul", b"truex", b"fals", b"tru e",
    ]),
    ("single quotes", Place::Value, &[b"'a'", b"''", b"`a`", b"\"a'"]),
    ("trailing and double commas", Place::Value, &[b"1,", b"[1,]", b"[,1]", b"[1,,2]", b"", b"[,]"]),
    ("trailing commas in objects", Place::Member, &[b"\"a\":1,", b",\"a\":1", b"\"a\":1,,\"b\":2"]),
    ("members without a part", Place::Member, &[
        b"\"a\"", b"\"a\":", b":1", b"\"a\" 1", b"\"a\"::1", b"\"a\":1 \"b\":2", b"\"a\",1",
    ]),
    ("keys that are no strings", Place::Member, &[
        b"a:1", b"1:1", b"null:1", b"[]:1", b"{}:1", b"'a':1", b"$:1", b"__proto__:1",
    ]),
    ("control characters in strings", Place::Inside, &[
        b"\0", b"\x01", b"\t", b"\n", b"\r", b"\x1f", b"\x0b", b"\x08", b"\\\n",
    ]),
    ("a minus alone", Place::Value, &[b"-", b"- 1", b"--1", b"-a", b"-.5", b"-[]", b"1-", b"-\"1\""]),
    ("leading zeros", Place::Value, &[b"01", b"-01", b"00", b"00.5", b"-00", b"0123e1"]),
    ("numbers of other languages", Place::Value, &[
        b"+1", b"0x10", b"0b1", b"0o7", b"1_000", b"1n", b"1f", b"1L", b"1,5.", b"\xef\xbc\x91",
    ]),
    ("numbers without a part", Place::Value, &[
        b".5", b"1.", b"1.e1", b"1e", b"1e+", b"1e-", b"1E.5", b"1.5.5", b"e5", b"1ee5", b"1e5.0",
    ]),
    ("comments", Place::Before, &[b"//a\n", b"/**/", b"#a\n", b"<!--\n", b"/* */ "]),
    ("unknown escapes", Place::Inside, &[
        b"\\x41", b"\\a", b"\\'", b"\\0", b"\\v", b"\\ ", b"\\U0041", b"\\u12", b"\\u12g4",
        b"\\u+123", b"\\u 123", b"\\u{41}", b"\\ud83d\\u", b"\\u\xef\xbc\x91000", b"\\",
    ]),
    ("bytes that are not UTF-8", Place::Inside, &[
        b"\xff", b"\xfe", b"\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xe2\x82", b"\xe0\x80\x80",
        b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80", b"\xf0\x9f\x98",
        b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xc3",
    ]),
    ("bytes that are not UTF-8, outside", Place::Behind, &[b"\xff", b"\x80", b"\xc2", b"\xe2\x80"]),
    ("something behind the value", Place::Behind, &[
        b"1", b"]", b"}", b",", b" null", b"\"", b";", b":", b"[]", b"\\n",
    ]),
];

impl Documents {
    /// A document that is not JSON for a reason with a name, which is counted.
    pub fn broken(&mut self) -> Vec<u8> {
        let (name, place, wrongs) = self.pick(BREAKS);
        self.count(name);
        let wrong = self.pick(wrongs);
        let text = self.text(Kind::Mixed);
        let around =
            |before: &str, behind: &str| [before.as_bytes(), wrong, behind.as_bytes()].concat();
        match place {
            Place::Before => around("", &text),
            Place::Behind => around(&format!("[{text}]"), ""),
            Place::Value => around(&format!("[{text},"), self.pick(&["]", ",null]", " , []]"])),
            Place::Member => around(&format!("[{text},{{"), "}]"),
            Place::Inside => {
                let string = self.pick(&["\"", "\"plain", "\"\\n", "\"é", "{\"k", "\"0123456"]);
                let end = if string.starts_with('{') { "\":1}]" } else { "\"]" };
                around(&format!("[{text},{string}"), end)
            }
        }
    }

    /// A document with a few bytes changed, which may be JSON or not.
    pub fn mutated(&mut self, kind: Kind) -> Vec<u8> {
        let mut text = self.text(kind).into_bytes();
        for _ in 0..self.rng.u8(1..3) {
            let at = self.rng.usize(..=text.len());
            match self.rng.u8(..6) {
                0 if at < text.len() => drop(text.remove(at)),
                1 if at < text.len() => text[at] ^= 1 << self.rng.u8(..8),
                2 => text.truncate(at),
                3 if at < text.len() => {
                    let end = self.rng.usize(at..text.len());
                    let piece = text[at..end.min(at + 40)].to_vec();
                    let to = self.rng.usize(..=text.len());
                    text.splice(to..to, piece);
                }
                _ => {
                    let byte = self.pick(b"\"\\,:{}[]0-.eE+ \n\x01\x7fau\xff\x80/'");
                    text.insert(at, byte);
                }
            }
        }
        text
    }
}

/// What broken documents have to reach.
pub fn items() -> impl Iterator<Item = &'static str> {
    BREAKS.iter().map(|(name, ..)| *name)
}
