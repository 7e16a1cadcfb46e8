//! Headers of the user's own that go out with each request. Their values are never shown.
//!
//! What the client writes itself, and what frames a message, is refused: a header that is there
//! twice is read differently by each server on the way.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::error::{Error, Result};

/// Headers that are refused, and what to do instead.
const REFUSED: [(&str, &str); 16] = [
    ("authorization", "pass the key as api_key"),
    ("content-type", "the client writes it"),
    ("content-length", "the client writes it"),
    ("content-encoding", "the client writes it"),
    ("accept-encoding", "the client writes it"),
    ("user-agent", "pass user_agent"),
    ("host", "pass base_url"),
    ("proxy-authorization", "pass user and password in proxy"),
    ("connection", "it belongs to the connection"),
    ("keep-alive", "it belongs to the connection"),
    ("proxy-connection", "it belongs to the connection"),
    ("te", "it belongs to the connection"),
    ("trailer", "it belongs to the connection"),
    ("transfer-encoding", "it belongs to the connection"),
    ("upgrade", "it belongs to the connection"),
    ("expect", "the client would not wait for it"),
];

/// A name with its value.
pub type Header = (HeaderName, HeaderValue);

/// Headers by their names, each once.
#[derive(Clone, Default)]
pub struct Headers(Arc<Vec<Header>>);

impl Headers {
    /// Checks names and values; of two with one name the last counts.
    pub fn new<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let mut checked = Vec::new();
        for (name, value) in headers {
            put(&mut checked, check(name, value)?);
        }
        Ok(Self(Arc::new(checked)))
    }

    /// Each name with its value, which is marked as not to be shown.
    pub fn iter(&self) -> impl Iterator<Item = &Header> {
        self.0.iter()
    }
}

fn put(headers: &mut Vec<Header>, header: Header) {
    headers.retain(|(name, _)| *name != header.0);
    headers.push(header);
}

fn check(name: &str, value: &str) -> Result<Header> {
    let wrong = |reason: String| Error::Config { setting: "headers", reason };
    let known = HeaderName::try_from(name)
        .map_err(|_| wrong(format!("{name:?} is no name of a header")))?;
    if let Some((_, advice)) = REFUSED.iter().find(|(refused, _)| known == *refused) {
        return Err(wrong(format!("{known} cannot be set here: {advice}")));
    }
    let mut value = HeaderValue::try_from(value)
        .ok()
        .filter(|value| value.to_str().is_ok())
        .ok_or_else(|| wrong(format!("the value of {known} has characters beyond ASCII's")))?;
    value.set_sensitive(true);
    Ok((known, value))
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
