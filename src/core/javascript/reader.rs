//! Reads JSON text, event by event, exactly as V8's `JSON.parse` accepts it.
//!
//! Nothing is copied and nothing recurses. Two inputs that Node would take are refused: text that
//! is not UTF-8 (Node's body parsers put U+FFFD in its place, so other bytes would be signed than
//! came in) and more than [`MAX_DEPTH`] levels of nesting (V8's `JSON.stringify` gives up, too).

use thiserror::Error;

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
enum Container {
    Array,
    Object,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Value,
    FirstElement,
    FirstKey,
    Key,
    AfterValue,
    Done,
    Refused(SyntaxError),
}

/// A pull reader of one JSON text.
pub struct Reader<'a> {
    text: &'a str,
    start: usize,
    at: usize,
    state: State,
    open: Vec<Container>,
}

impl<'a> Reader<'a> {
    /// Starts reading `text`, which is checked to be UTF-8.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        match std::str::from_utf8(text) {
            Ok(text) => Self::of(text),
            Err(error) => {
                let offset = error.valid_up_to();
                let refused = SyntaxError { offset, what: "not UTF-8" };
                Self { state: State::Refused(refused), ..Self::of("") }
            }
        }
    }

    /// Starts reading text that is known to be UTF-8.
    #[must_use]
    pub fn of(text: &'a str) -> Self {
        Self { text, start: 0, at: 0, state: State::Value, open: Vec::new() }
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
        self.open.len()
    }

    /// Reads on; `None` once the whole text was read. An error is given again at every call.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event<'a>>, SyntaxError> {
        let event = self.step();
        if let Err(error) = event {
            self.state = State::Refused(error);
        }
        event
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

    fn step(&mut self) -> Result<Option<Event<'a>>, SyntaxError> {
        let mut next = self.skip_space();
        if self.state == State::AfterValue {
            match (next, self.open.last()) {
                (Some(b','), Some(Container::Array)) => self.state = State::Value,
                (Some(b','), Some(Container::Object)) => self.state = State::Key,
                (Some(b']'), Some(Container::Array)) | (Some(b'}'), Some(Container::Object)) => {
                    return Ok(Some(self.close()));
                }
                _ => return Err(self.error("expected a comma or the end")),
            }
            self.at += 1;
            next = self.skip_space();
        }
        match (self.state, next) {
            (State::Done, None) => Ok(None),
            (State::Done, Some(_)) => Err(self.error("something behind the value")),
            (State::Refused(error), _) => Err(error),
            (_, None) => Err(self.error("the text ends too early")),
            (State::Key | State::FirstKey, Some(b'"')) => self.key().map(Some),
            (State::FirstElement, Some(b']')) | (State::FirstKey, Some(b'}')) => {
                Ok(Some(self.close()))
            }
            (State::Key | State::FirstKey, Some(_)) => Err(self.error("expected a key")),
            (_, Some(byte)) => self.value(byte).map(Some),
        }
    }

    fn skip_space(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    fn value(&mut self, first: u8) -> Result<Event<'a>, SyntaxError> {
        self.start = self.at;
        let event = match first {
            b'"' => Event::String(self.string()?),
            b'-' | b'0'..=b'9' => Event::Number(self.number()?),
            b'{' => return self.open(Container::Object),
            b'[' => return self.open(Container::Array),
            b't' => self.word("true", Event::Bool(true))?,
            b'f' => self.word("false", Event::Bool(false))?,
            b'n' => self.word("null", Event::Null)?,
            _ => return Err(self.error("expected a value")),
        };
        self.value_ended();
        Ok(event)
    }

    fn value_ended(&mut self) {
        self.state = if self.open.is_empty() { State::Done } else { State::AfterValue };
    }

    fn open(&mut self, container: Container) -> Result<Event<'a>, SyntaxError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        self.open.push(container);
        self.at += 1;
        let (state, event) = match container {
            Container::Array => (State::FirstElement, Event::StartArray),
            Container::Object => (State::FirstKey, Event::StartObject),
        };
        self.state = state;
        Ok(event)
    }

    fn close(&mut self) -> Event<'a> {
        self.start = self.at;
        self.at += 1;
        let container = self.open.pop();
        self.value_ended();
        if container == Some(Container::Object) { Event::EndObject } else { Event::EndArray }
    }

    fn key(&mut self) -> Result<Event<'a>, SyntaxError> {
        self.start = self.at;
        let key = self.string()?;
        if self.skip_space() != Some(b':') {
            return Err(self.error("expected a colon"));
        }
        self.at += 1;
        self.state = State::Value;
        Ok(Event::Key(key))
    }

    fn word(&mut self, word: &str, event: Event<'a>) -> Result<Event<'a>, SyntaxError> {
        if self.text.as_bytes().get(self.at..self.at + word.len()) != Some(word.as_bytes()) {
            return Err(self.error("expected a value"));
        }
        self.at += word.len();
        Ok(event)
    }

    fn string(&mut self) -> Result<Text<'a>, SyntaxError> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut escaped = false;
        self.at = start;
        loop {
            self.at = scan::special(bytes, self.at);
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.error("a control character in a string")),
                None => return Err(self.error("the text ends in a string")),
            }
            escaped = true;
        }
        let raw = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Text::new(raw, escaped))
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        let rest = self.text.as_bytes().get(self.at + 1..).unwrap_or_default();
        self.at += match rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|hex| hex.is_ascii_hexdigit()) => 6,
            _ => return Err(self.error("an escape that JSON does not know")),
        };
        Ok(())
    }

    fn number(&mut self) -> Result<&'a str, SyntaxError> {
        let start = self.at;
        match scan::number(self.text.as_bytes(), start) {
            Ok(end) => self.at = end,
            Err(bad) => {
                self.at = bad;
                return Err(self.error("expected a digit"));
            }
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    fn error(&self, what: &'static str) -> SyntaxError {
        SyntaxError { offset: self.at, what }
    }
}
