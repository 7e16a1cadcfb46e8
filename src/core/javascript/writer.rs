//! Writes what a reader read in the form of `JSON.stringify`: no spaces, the fewest escapes.

use super::number;
use super::reader::{Event, Reader};
use super::text::{Piece, Text};

/// How much is gathered before it is passed on.
const BLOCK: usize = 32 * 1024;

/// Takes the written text, in blocks.
pub trait Sink {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

pub(super) struct Writer<'a, S> {
    text: &'a str,
    sink: S,
    block: Vec<u8>,
    comma: bool,
}

impl<'a, S: Sink> Writer<'a, S> {
    pub(super) fn new(text: &'a str, sink: S) -> Self {
        Self { text, sink, block: Vec::with_capacity(BLOCK.min(text.len() + 64)), comma: false }
    }

    /// Writes the event that `reader` has just read.
    #[inline]
    pub(super) fn write(&mut self, event: &Event<'a>, reader: &Reader<'a>) {
        let ends = matches!(event, Event::EndArray | Event::EndObject);
        if self.comma && !ends {
            self.block.push(b',');
        }
        self.comma = true;
        match *event {
            Event::Null => self.put(b"null"),
            Event::Bool(true) => self.put(b"true"),
            Event::Bool(false) => self.put(b"false"),
            Event::Number(text) => number::write(text, &mut self.block),
            Event::String(text) => self.string(text, reader.start()),
            Event::Key(text) => {
                self.string(text, reader.start());
                self.block.push(b':');
                self.comma = false;
            }
            Event::StartArray => self.start(b'['),
            Event::StartObject => self.start(b'{'),
            Event::EndArray => self.block.push(b']'),
            Event::EndObject => self.block.push(b'}'),
        }
        if self.block.len() >= BLOCK - 64 {
            self.flush();
        }
    }

    pub(super) fn finish(mut self) -> S {
        self.flush();
        self.sink
    }

    fn start(&mut self, bracket: u8) {
        self.block.push(bracket);
        self.comma = false;
    }

    fn string(&mut self, text: Text<'a>, start: usize) {
        if text.plain().is_some() {
            let quoted = self.text.as_bytes().get(start..start + text.raw().len() + 2);
            return self.put(quoted.unwrap_or_default());
        }
        self.block.push(b'"');
        for piece in text.pieces() {
            match piece {
                Piece::Plain(text) => self.put(text.as_bytes()),
                Piece::Char(char) => self.char(char),
                Piece::Surrogate(unit) => self.put(format!("\\u{unit:04x}").as_bytes()),
            }
        }
        self.block.push(b'"');
    }

    fn char(&mut self, char: char) {
        match char {
            '"' => self.put(b"\\\""),
            '\\' => self.put(b"\\\\"),
            '\u{8}' => self.put(b"\\b"),
            '\u{c}' => self.put(b"\\f"),
            '\n' => self.put(b"\\n"),
            '\r' => self.put(b"\\r"),
            '\t' => self.put(b"\\t"),
            '\0'..='\u{1f}' => self.put(format!("\\u{:04x}", u32::from(char)).as_bytes()),
            _ => self.put(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.block.len() + bytes.len() > BLOCK {
            self.flush();
        }
        if bytes.len() > BLOCK {
            self.sink.put(bytes);
        } else {
            self.block.extend_from_slice(bytes);
        }
    }

    fn flush(&mut self) {
        self.sink.put(&self.block);
        self.block.clear();
    }
}
