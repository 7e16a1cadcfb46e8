//! The API key, which no output shows.

use std::fmt;

use super::error::{Error, Result};

const SHORTEST_KEY: usize = 8;

/// An API key that no output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Checks that the key can be sent in a header.
    pub fn new(key: &str) -> Result<Self> {
        let key = key.trim();
        let problem = if key.is_empty() {
            "is empty"
        } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            "has characters that no API key has (white space, control or non-ASCII characters)"
        } else {
            return Ok(Self(key.to_owned()));
        };
        Err(Error::Config { setting: "api_key", reason: format!("{problem}; copy it anew") })
    }

    /// The key itself, for the one header that carries it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text with the key hidden; `None` where it is not in it. A key that is shorter than any
    /// real one is not looked for: it might be part of a word.
    #[must_use]
    pub fn hidden_in(&self, text: &str) -> Option<String> {
        (self.0.len() >= SHORTEST_KEY && text.contains(&self.0))
            .then(|| text.replace(&self.0, "***"))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}
