//! Reads JSON text, event by event, exactly as V8's `JSON.parse` accepts it.
//!
//! Nothing is copied and nothing recurses. Two inputs that Node would take are refused: text that
//! is not UTF-8 (Node's body parsers put U+FFFD in its place, so other bytes would be signed than
//! came in) and more than [`MAX_DEPTH`] levels of nesting (V8's `JSON.stringify` gives up, too).

mod skip;

use thiserror::Error;

use super::nesting::{Container, Nesting};
use super::scan;
use super::text::Text;

/// The deepest nesting of arrays and objects that is read.
pub const MAX_DEPTH: usize = 10_000;

/// The text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{what} at byte {offset}")]
pub struct SyntaxError {
    /// Where, in bytes from the start of the text.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// What a [`Reader`] came across.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it is written.
    Number(&'a str),
    /// A string value.
    String(Text<'a>),
    /// A key and its colon; the value follows.
    Key(Text<'a>),
    /// `[`
    StartArray,
    /// `]`
    EndArray,
    /// `{`
    StartObject,
    /// `}`
    EndObject,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Value,
    FirstElement,
    FirstKey,
    Key,
    AfterValue,
    Done,
    Refused,
}

/// What reading on gives.
pub type Next<'a> = Result<Option<Event<'a>>, SyntaxError>;

/// The reader's `error` tells why: results are kept small, for copying them slows reading down.
struct Refusal;

/// A pull reader of one JSON text.
pub struct Reader<'a> {
    text: &'a str,
    start: usize,
    at: usize,
    state: State,
    /// What to say in the state `Refused`.
    error: SyntaxError,
    open: Nesting,
    /// Whether the last string has escapes.
    escaped: bool,
}

impl<'a> Reader<'a> {
    /// Starts reading `text`, which is checked to be UTF-8.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        let offset = match std::str::from_utf8(text) {
            Ok(text) => return Self::of(text),
            Err(error) => error.valid_up_to(),
        };
        let error = SyntaxError { offset, what: "not UTF-8" };
        Self { state: State::Refused, error, ..Self::of("") }
    }

    /// Starts reading text that is known to be UTF-8.
    #[must_use]
    pub fn of(text: &'a str) -> Self {
        let error = SyntaxError { offset: 0, what: "" };
        let open = Nesting::default();
        Self { text, start: 0, at: 0, state: State::Value, error, open, escaped: false }
    }

    /// Starts reading what is left of a text behind the value of a member of an object, which is
    /// read as if it stood at the top.
    #[must_use]
    pub fn behind_member(rest: &'a str) -> Self {
        let mut open = Nesting::default();
        open.push(Container::Object);
        Self { state: State::AfterValue, open, ..Self::of(rest) }
    }

    /// The offset of the first byte of the last event.
    #[must_use]
    pub fn start(&self) -> usize {
        self.start
    }

    /// The offset just behind the last event.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// How many arrays and objects are open.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.open.depth()
    }

    /// Reads on at the member that starts at `offset` of the innermost object, which is open.
    pub(super) fn go_to_member(&mut self, offset: usize) {
        self.at = offset;
        self.state = State::Key;
    }

    /// Reads on behind the innermost object, which is open and ends in front of `offset`.
    pub(super) fn leave_object(&mut self, offset: usize) {
        self.open.pop();
        self.at = offset;
        self.value_ended();
    }

    /// Reads on; `None` once the whole text was read. An error is given again at every call.
    #[inline]
    pub fn next_event(&mut self) -> Next<'a> {
        let mut next = self.skip_space();
        if self.state == State::AfterValue {
            match (next, self.open.last()) {
                (Some(b','), Some(Container::Array)) => self.state = State::Value,
                (Some(b','), Some(Container::Object)) => self.state = State::Key,
                (Some(b']'), Some(Container::Array)) | (Some(b'}'), Some(Container::Object)) => {
                    return self.close();
                }
                _ => return self.refuse("expected a comma or the end"),
            }
            self.at += 1;
            next = self.skip_space();
        }
        match (self.state, next) {
            (State::Done, None) => Ok(None),
            (State::Done, Some(_)) => self.refuse("something behind the value"),
            (State::Refused, _) => Err(self.error),
            (_, None) => self.refuse("the text ends too early"),
            (State::Key | State::FirstKey, Some(b'"')) => self.key(),
            (State::FirstElement, Some(b']')) | (State::FirstKey, Some(b'}')) => self.close(),
            (State::Key | State::FirstKey, Some(_)) => self.refuse("expected a key"),
            (_, Some(byte)) => self.value(byte),
        }
    }

    /// The last event as it stands in the text: of a string with its quotes, of a key also with
    /// its colon.
    #[must_use]
    #[inline]
    pub fn spelling(&self) -> &'a str {
        self.text.get(self.start..self.at).unwrap_or_default()
    }

    #[inline]
    fn skip_space(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    #[inline]
    fn value(&mut self, first: u8) -> Next<'a> {
        self.start = self.at;
        match first {
            b'"' => {
                let Ok(raw) = self.string() else { return Err(self.error) };
                self.value_ended();
                Ok(Some(Event::String(Text::new(raw, self.escaped))))
            }
            b'-' | b'0'..=b'9' => {
                let Ok(number) = self.number() else { return Err(self.error) };
                self.value_ended();
                Ok(Some(Event::Number(number)))
            }
            b'{' => self.open(Container::Object),
            b'[' => self.open(Container::Array),
            b't' => self.word("true", Event::Bool(true)),
            b'f' => self.word("false", Event::Bool(false)),
            b'n' => self.word("null", Event::Null),
            _ => self.refuse("expected a value"),
        }
    }

    #[inline]
    fn value_ended(&mut self) {
        self.state = if self.open.depth() == 0 { State::Done } else { State::AfterValue };
    }

    fn open(&mut self, container: Container) -> Next<'a> {
        if self.open.depth() >= MAX_DEPTH {
            return self.refuse("nested too deeply");
        }
        self.open.push(container);
        self.at += 1;
        if container == Container::Array {
            self.state = State::FirstElement;
            return Ok(Some(Event::StartArray));
        }
        self.state = State::FirstKey;
        Ok(Some(Event::StartObject))
    }

    #[expect(clippy::unnecessary_wraps, reason = "made where it is returned")]
    fn close(&mut self) -> Next<'a> {
        self.start = self.at;
        self.at += 1;
        let container = self.open.pop();
        self.value_ended();
        if container == Some(Container::Object) {
            return Ok(Some(Event::EndObject));
        }
        Ok(Some(Event::EndArray))
    }

    #[inline(always)]
    fn key(&mut self) -> Next<'a> {
        self.start = self.at;
        let Ok(raw) = self.string() else { return Err(self.error) };
        if self.skip_space() != Some(b':') {
            return self.refuse("expected a colon");
        }
        self.at += 1;
        self.state = State::Value;
        Ok(Some(Event::Key(Text::new(raw, self.escaped))))
    }

    fn word(&mut self, word: &str, event: Event<'a>) -> Next<'a> {
        if self.text.as_bytes().get(self.at..self.at + word.len()) != Some(word.as_bytes()) {
            return self.refuse("expected a value");
        }
        self.at += word.len();
        self.value_ended();
        Ok(Some(event))
    }

    #[inline(always)]
    fn string(&mut self) -> Result<&'a str, Refusal> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        self.escaped = false;
        self.at = start;
        loop {
            self.at = scan::special(bytes, self.at);
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.error("a control character in a string")),
                None => return Err(self.error("the text ends in a string")),
            }
            self.escaped = true;
        }
        let raw = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(raw)
    }

    fn escape(&mut self) -> Result<(), Refusal> {
        match scan::escape(self.text.as_bytes(), self.at) {
            Some(length) => self.at += length,
            None => return Err(self.error(scan::UNKNOWN_ESCAPE)),
        }
        Ok(())
    }

    #[inline]
    fn number(&mut self) -> Result<&'a str, Refusal> {
        let start = self.at;
        let end = scan::number(self.text.as_bytes(), start);
        self.at = end.unwrap_or_else(|bad| bad);
        if end.is_err() {
            return Err(self.error("expected a digit"));
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    fn refuse(&mut self, what: &'static str) -> Next<'a> {
        self.error(what);
        Err(self.error)
    }

    #[cold]
    fn error(&mut self, what: &'static str) -> Refusal {
        self.state = State::Refused;
        self.error = SyntaxError { offset: self.at, what };
        Refusal
    }
}
