//! Opens a delivery: verifies it; and sees whether what was signed is a list of files.
//!
//! What is handed out is the message that was signed, never another text with the same message:
//! where it had to be rebuilt, other numbers may stand in the body, `1e400` for `null`, 2^53 + 1
//! for 2^53.

use std::fmt;

use thiserror::Error;

use super::secret::UnusableSecret;
use super::verify::{Matched, Refusal, Verified, verify};
use crate::core::javascript::{Event, Reader, SyntaxError, stringify};

/// A delivery whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where the signed bytes and the event are in the body.
    pub verified: Verified,
    /// The signed message, where the body has it in another form.
    pub rebuilt: Option<Vec<u8>>,
}

/// Why a body cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unopened {
    /// The signature does not hold.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It holds, but this is no delivery.
    #[error(transparent)]
    WrongShape(#[from] WrongShape),
}

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

/// Verifies a body and tells what in it is authentic. Whether that is a list of files, whoever
/// reads it sees, or asks [`check_files`].
///
/// The outer error is the caller's: a secret that cannot be used. The inner one is the sender's.
pub fn open(
    body: &[u8],
    header: Option<&[u8]>,
    secrets: &[&[u8]],
) -> Result<Result<Delivery, Unopened>, UnusableSecret> {
    let verified = verify(body, header, secrets)?;
    Ok(verified.map_err(Unopened::from).and_then(|verified| shaped(body, verified)))
}

fn shaped(body: &[u8], verified: Verified) -> Result<Delivery, Unopened> {
    let signed = body.get(verified.signed.clone()).unwrap_or_default();
    let rebuilt = match verified.matched {
        Matched::Raw => None,
        Matched::Canonical => Some(stringify(signed).map_err(WrongShape::from)?),
    };
    let event = verified.event.clone().and_then(|event| body.get(event));
    check_event(event.unwrap_or(b"null"))?;
    Ok(Delivery { verified, rebuilt })
}

fn check_event(event: &[u8]) -> Result<(), WrongShape> {
    match Reader::new(event).next_event()?.and_then(kind) {
        Some(Kind::String | Kind::Null) | None => Ok(()),
        Some(other) => Err(WrongShape::Event(other)),
    }
}

/// Reads a signed message to its end, and tells what in it is no list of files.
pub fn check_files(message: &[u8]) -> Result<(), WrongShape> {
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
