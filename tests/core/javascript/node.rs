//! Random documents, compared with the machine's own Node.

#![allow(clippy::unwrap_used, clippy::format_push_string, reason = "tests")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use extracta_rs::core::javascript::stringify;

/// One document for each line of base64, one answer for each: base64, or `!` where it throws.
const NODE: &str = "
    const lines = require('fs').readFileSync(0, 'ascii').trim().split('\\n');
    const answer = line => {
        try { return btoa2(JSON.stringify(JSON.parse(Buffer.from(line, 'base64').toString()))); }
        catch { return '!'; }
    };
    const btoa2 = text => Buffer.from(text).toString('base64');
    process.stdout.write(lines.map(answer).join('\\n'));
";

#[test]
fn thousands_of_documents_come_out_as_from_node() {
    let mut documents = Documents(fastrand::Rng::with_seed(7));
    let texts: Vec<_> = (0..6000).map(|_| documents.text()).collect();
    let lines: Vec<_> = texts.iter().map(|text| STANDARD.encode(text)).collect();
    let Some(answers) = node(&lines.join("\n")) else { return };
    assert_eq!(answers.len(), texts.len());
    for (text, answer) in texts.iter().zip(&answers) {
        let ours = stringify(text.as_bytes()).map_or("!".into(), |out| STANDARD.encode(out));
        assert_eq!(&ours, answer, "{text}");
    }
    let accepted = answers.iter().filter(|answer| *answer != "!").count();
    assert!(accepted > 3500 && accepted < 5500, "{accepted}");
}

#[expect(clippy::print_stderr)]
fn node(input: &str) -> Option<Vec<String>> {
    let mut command = Command::new("node");
    let started = command.args(["-e", NODE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut node) = started else {
        eprintln!("SKIPPED: `node` is not installed, so nothing was compared with V8");
        return None;
    };
    node.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = String::from_utf8(node.wait_with_output().unwrap().stdout).unwrap();
    Some(output.lines().map(str::to_owned).collect())
}

struct Documents(fastrand::Rng);

impl Documents {
    /// A document; every third one with a character put wrong.
    fn text(&mut self) -> String {
        let mut text = String::new();
        self.value(&mut text, 4);
        if self.0.u8(..3) == 0 {
            let at = self.0.usize(..=text.chars().count());
            let mut chars: Vec<_> = text.chars().collect();
            if self.0.bool() && at < chars.len() {
                chars.remove(at);
            } else {
                chars.insert(
                    at,
                    self.pick(&['"', '\\', ',', ':', '{', ']', '0', '-', '.', 'e', '\u{1}', ' ']),
                );
            }
            text = chars.into_iter().collect();
        }
        text
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.0.usize(..from.len())]
    }

    fn space(&mut self, out: &mut String) {
        out.push_str(self.pick(&["", "", "", " ", "\n", "\t \r\n"]));
    }

    fn value(&mut self, out: &mut String, depth: u8) {
        self.space(out);
        match self.0.u8(..if depth == 0 { 5 } else { 9 }) {
            0 => out.push_str(self.pick(&["null", "true", "false"])),
            1 | 2 => self.number(out),
            3 | 4 => self.string(out),
            5 | 6 => self.container(out, depth, ['[', ']']),
            _ => self.container(out, depth, ['{', '}']),
        }
        self.space(out);
    }

    fn container(&mut self, out: &mut String, depth: u8, [open, close]: [char; 2]) {
        out.push(open);
        for place in 0..self.0.u8(..7) {
            out.push_str(if place > 0 { "," } else { "" });
            if open == '{' {
                self.space(out);
                self.key(out);
                self.space(out);
                out.push(':');
            }
            self.value(out, depth - 1);
        }
        self.space(out);
        out.push(close);
    }

    fn key(&mut self, out: &mut String) {
        match self.0.u8(..8) {
            0 => self.string(out),
            1 => *out += &format!("\"{}\"", self.0.u8(..12)),
            _ => out.push_str(self.pick(&[
                "\"\"",
                "\"a\"",
                "\"\\u0061\"",
                "\"b\"",
                "\"0\"",
                "\"\\u0030\"",
                "\"01\"",
                "\"-1\"",
                "\"4294967294\"",
                "\"4294967295\"",
                "\"4294967296\"",
                "\"99999999999\"",
                "\"1e3\"",
                "\"__proto__\"",
                "\"constructor\"",
                "\"toJSON\"",
                "\"length\"",
                "\"a_longer_key\"",
                "\"a_longer_kez\"",
                "\"\\ud800\"",
                "\"\\uD800\"",
                "\"é\"",
                "\"\\u00e9\"",
                "\"10\"",
            ])),
        }
    }

    fn number(&mut self, out: &mut String) {
        match self.0.u8(..5) {
            0 => out.push_str(self.pick(&["0", "-0", "-0.0", "1.0", "0.0000001", "0.000001"])),
            1 => out.push_str(&f64::from_bits(self.0.u64(..)).to_string().replace("inf", "1")),
            2 => out.push_str(&self.0.i64(..).to_string()),
            3 => *out += &format!("{}e{}", self.0.i32(..), self.0.i16(-400..400)),
            _ => {
                let digits = |rng: &mut fastrand::Rng| {
                    let len = rng.usize(1..30);
                    (0..len).map(|_| char::from(rng.u8(b'0'..=b'9'))).collect::<String>()
                };
                let whole = digits(&mut self.0);
                let whole = whole.trim_start_matches('0');
                out.push_str(if whole.is_empty() { "0" } else { whole });
                out.push('.');
                out.push_str(&digits(&mut self.0));
                out.push_str(self.pick(&["", "E+5", "e-20", "e0"]));
            }
        }
    }

    fn string(&mut self, out: &mut String) {
        out.push('"');
        for _ in 0..self.0.u8(..12) {
            match self.0.u8(..6) {
                0 => *out += &format!("\\u{:04x}", self.0.u16(..)),
                1 => *out += &format!("\\u{:04X}", self.0.u16(0xd7f0..0xe010)),
                2 => out.push_str(self.pick(&[
                    "\\n",
                    "\\/",
                    "\\\"",
                    "\\\\",
                    "\\u0000",
                    "\\t\\f\\b\\r",
                ])),
                3 => out.push(self.pick(&['é', '😀', '\u{2028}', '\u{7f}', '\u{feff}', '/', '\''])),
                _ => out.push_str(self.pick(&["a", "plain text", "0123456789abcdef"])),
            }
        }
        out.push('"');
    }
}
