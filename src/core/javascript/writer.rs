//! Writes what a reader read in the form of `JSON.stringify`: no spaces, the fewest escapes.

use super::number;
use super::reader::{Event, Reader};
use super::text::{Piece, Text};

/// How much is gathered before it is passed on.
const BLOCK: usize = 32 * 1024;
/// Room for what one event writes beside its text.
const SPARE: usize = 64;
/// What is shorter is copied in one piece of this length, of which the rest is written over.
const PIECE: usize = 64;

/// Takes the written text, in blocks.
pub trait Sink {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]);
    /// Forgets what it took.
    fn reset(&mut self);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn reset(&mut self) {
        self.clear();
    }
}

pub(super) struct Writer<'a, S> {
    text: &'a [u8],
    sink: &'a mut S,
    block: Vec<u8>,
    /// How much of the block is written.
    filled: usize,
    comma: bool,
}

impl<'a, S: Sink> Writer<'a, S> {
    pub(super) fn new(text: &'a str, sink: &'a mut S) -> Self {
        let block = vec![0; BLOCK.min(text.len() + 2 * SPARE)];
        Self { text: text.as_bytes(), sink, block, filled: 0, comma: false }
    }

    /// Writes the event that `reader` has just read.
    #[inline(always)]
    pub(super) fn write(&mut self, event: &Event<'a>, reader: &Reader<'a>) {
        let ends = matches!(event, Event::EndArray | Event::EndObject);
        if self.comma && !ends {
            self.push(b',');
        }
        self.comma = true;
        match *event {
            Event::Null => self.put(b"null"),
            Event::Bool(true) => self.put(b"true"),
            Event::Bool(false) => self.put(b"false"),
            Event::Number(text) if number::is_canonical(text.as_bytes()) => {
                self.copy(reader.start(), text.len());
            }
            Event::Number(text) => self.number(text),
            Event::String(text) => self.string(text, reader.start()),
            Event::Key(text) => {
                self.string(text, reader.start());
                self.push(b':');
                self.comma = false;
            }
            Event::StartArray => self.start(b'['),
            Event::StartObject => self.start(b'{'),
            Event::EndArray => self.push(b']'),
            Event::EndObject => self.push(b'}'),
        }
        if self.filled + SPARE >= self.block.len() {
            self.flush();
        }
    }

    pub(super) fn finish(mut self) {
        self.flush();
    }

    #[inline(always)]
    fn start(&mut self, bracket: u8) {
        self.push(bracket);
        self.comma = false;
    }

    #[inline(always)]
    fn string(&mut self, text: Text<'a>, start: usize) {
        if text.plain().is_some() {
            self.copy(start, text.raw().len() + 2);
        } else {
            self.escaped(text);
        }
    }

    #[inline(never)]
    fn number(&mut self, text: &str) {
        self.put(number::print(text, &mut ryu_js::Buffer::new()).as_bytes());
    }

    #[inline(never)]
    fn escaped(&mut self, text: Text<'a>) {
        self.push(b'"');
        for piece in text.pieces() {
            match piece {
                Piece::Plain(text) => self.put(text.as_bytes()),
                Piece::Char(char) => self.char(char),
                Piece::Surrogate(unit) => self.put(format!("\\u{unit:04x}").as_bytes()),
            }
        }
        self.push(b'"');
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

    #[inline(always)]
    fn push(&mut self, byte: u8) {
        if self.filled == self.block.len() {
            self.flush();
        }
        if let Some(place) = self.block.get_mut(self.filled) {
            *place = byte;
            self.filled += 1;
        }
    }

    /// Writes bytes of the text as they stand there.
    #[inline(always)]
    fn copy(&mut self, start: usize, len: usize) {
        let rest = self.text.get(start..).unwrap_or_default();
        let room = self.block.get_mut(self.filled..).unwrap_or_default();
        if len <= PIECE
            && let Some(piece) = rest.first_chunk::<PIECE>()
            && let Some(place) = room.first_chunk_mut::<PIECE>()
        {
            *place = *piece;
            self.filled += len;
        } else {
            self.put(rest.get(..len).unwrap_or_default());
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.filled + bytes.len() > self.block.len() {
            self.flush();
        }
        match self.block.get_mut(self.filled..self.filled + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.filled += bytes.len();
            }
            None => self.sink.put(bytes),
        }
    }

    fn flush(&mut self) {
        self.sink.put(self.block.get(..self.filled).unwrap_or_default());
        self.filled = 0;
    }
}
