//! An answer, and what is said of one that is not what was asked for. The key is never repeated.

use std::sync::Arc;

use bytes::Bytes;

use crate::core::error::{Call, Error};
use crate::core::key::ApiKey;
use crate::core::stats::Counters;

const EXCERPT: usize = 2048;
/// The largest body that is looked into for an error's message.
const MAX_MESSAGE: usize = 1 << 20;

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub call: Call,
    pub status: u16,
    pub body: Bytes,
    pub(super) api_key: ApiKey,
    pub(super) counters: Arc<Counters>,
}

impl Answer {
    /// The error for an answer that is not what the API promises.
    pub(crate) fn wrong(&self, reason: impl Into<String>) -> Error {
        let error = Error::Format {
            call: self.call,
            status: self.status,
            reason: reason.into(),
            body: self.excerpt(),
        };
        self.counters.failed(&error);
        error
    }

    /// The beginning of the body, without the key, which some services repeat when they refuse it.
    pub(super) fn excerpt(&self) -> String {
        let whole = &self.body[..self.body.len().min(EXCERPT + self.api_key.expose().len())];
        match self.api_key.hidden_in(&String::from_utf8_lossy(whole)) {
            Some(hidden) => hidden.chars().take(EXCERPT).collect(),
            None => String::from_utf8_lossy(&whole[..whole.len().min(EXCERPT)]).into_owned(),
        }
    }

    pub(super) fn message(&self) -> String {
        let message = message(self.status, &self.body);
        let message = self.api_key.hidden_in(&message).unwrap_or(message);
        message.chars().take(500).collect()
    }
}

pub(super) fn redirected(location: Option<&str>) -> String {
    // Only the host is named: a signed address may follow it.
    let host = location
        .and_then(|location| reqwest::Url::parse(location).ok())
        .and_then(|url| Some(url.host_str()?.to_owned()));
    format!(
        "a redirect to {}; redirects are not followed because the API key would go along: \
         check base_url",
        host.as_deref().unwrap_or("another path")
    )
}

fn message(status: u16, body: &[u8]) -> String {
    let body = if body.len() > MAX_MESSAGE { &[] } else { body };
    let json = serde_json::from_slice::<serde_json::Value>(body).ok();
    let said = json.as_ref().and_then(|json| {
        ["message", "error"].iter().find_map(|key| {
            let value = &json[*key];
            value.as_str().or_else(|| value["message"].as_str())
        })
    });
    let reason = reqwest::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
    said.or(reason).unwrap_or("error").to_owned()
}
