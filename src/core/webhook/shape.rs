//! Whether what was signed is a delivery: a list of files, and an `event` that is a word.

use std::fmt;

use thiserror::Error;

use crate::core::javascript::{Event, Reader, SyntaxError};

/// The kinds of JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        })
    }
}

/// Why a body whose signature holds is no delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WrongShape {
    /// `event` is something else.
    #[error("`event` is {0}, not a string")]
    Event(Kind),
    /// `result` is something else.
    #[error("`result` is {0}, not a list of files")]
    Result(Kind),
    /// An element of `result` is something else.
    #[error("`result` has {0} among its files")]
    File(Kind),
    /// The signer signed what is not JSON, or nested too deeply.
    #[error("the signed bytes cannot be read: {0}")]
    Unreadable(#[from] SyntaxError),
}

/// Tells whether a signed message, and the event that came with it, are a delivery. Reads the
/// message to its end, so that reading it again does not fail.
pub fn check_shape(message: &[u8], event: Option<&[u8]>) -> Result<(), WrongShape> {
    if let Some(event) = event {
        match Reader::new(event).next_event()?.and_then(kind) {
            Some(Kind::String | Kind::Null) | None => {}
            Some(other) => return Err(WrongShape::Event(other)),
        }
    }
    let mut reader = Reader::new(message);
    match reader.next_event()?.and_then(kind) {
        Some(Kind::Array) | None => {}
        Some(other) => return Err(WrongShape::Result(other)),
    }
    loop {
        // Looked at where it is: moving it costs more than all the rest.
        let event = match &reader.next_event() {
            Ok(Some(event)) => *event,
            Ok(None) => return Ok(()),
            Err(error) => return Err((*error).into()),
        };
        let file = match (reader.depth(), event) {
            (1, Event::EndArray | Event::EndObject) => None,
            (1, _) | (2, Event::StartArray) => kind(event),
            _ => None,
        };
        if let Some(other) = file {
            return Err(WrongShape::File(other));
        }
    }
}

fn kind(first: Event<'_>) -> Option<Kind> {
    Some(match first {
        Event::Null => Kind::Null,
        Event::Bool(_) => Kind::Bool,
        Event::Number(_) => Kind::Number,
        Event::String(_) => Kind::String,
        Event::StartArray => Kind::Array,
        Event::StartObject => Kind::Object,
        Event::Key(_) | Event::EndArray | Event::EndObject => return None,
    })
}
