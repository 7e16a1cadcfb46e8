//! Who is told of each request that a client sends, and what is told. Nothing where nobody asked.
//!
//! Observers are called on the runtime's threads, which they must not block. No secret is told:
//! the key is not in the address, and what may hold one of an answer's headers is hidden.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;

use super::error::Call;
use super::headers::Headers;
use super::key::ApiKey;

/// Headers of an answer that may hold a secret, or a signed address.
const HIDDEN: [&str; 5] =
    ["set-cookie", "location", "authorization", "proxy-authorization", "authentication-info"];
const STARS: &str = "***";
/// A server that sends long headers shall not fill the memory with those that wait to be told.
const LONGEST: usize = 256;

/// Where requests go.
#[derive(Debug, PartialEq, Eq)]
pub struct Server {
    /// The address below which the endpoints are.
    pub base_url: String,
    /// The host's name or address.
    pub host: String,
    /// The port, the scheme's own where none is named.
    pub port: u16,
}

/// A request that is about to be sent.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Method and path.
    pub call: Call,
    /// What it is for, in the words of the API of this client: `extractions.upload`.
    pub operation: &'static str,
    /// 1 for the first time, 2 for the first repetition.
    pub attempt: u32,
    /// Where it goes.
    pub server: Arc<Server>,
    /// When.
    pub at: SystemTime,
}

/// What became of a request.
#[derive(Debug)]
pub struct Ended {
    /// The status of the answer, where one came.
    pub status: Option<u16>,
    /// The answer's headers; what may be secret is hidden.
    pub headers: Vec<(String, String)>,
    /// How many bytes the answer's body had, once decompressed, as far as it was read.
    pub received: u64,
    /// From sending to the end of the answer.
    pub took: Duration,
    /// What went wrong: the name of the kind of error, and its text.
    pub failure: Option<(&'static str, String)>,
}

/// What an observer wants of a request.
pub struct Begun {
    /// Headers to send along.
    pub headers: Headers,
    /// Is told once what became of it, wherever it ends.
    pub end: Box<dyn FnOnce(Ended) + Send>,
}

/// Is told of each request.
pub trait Observer: Send + Sync {
    /// A request is about to be sent; it is sent when this has ended.
    fn begin(&self, asked: &Asked) -> BoxFuture<'static, Begun>;
}

/// A header's value as it may be shown.
#[must_use]
pub fn shown(name: &str, value: &[u8], key: &ApiKey) -> String {
    if HIDDEN.contains(&name) {
        return STARS.to_owned();
    }
    let value = String::from_utf8_lossy(value);
    let value = key.hidden_in(&value).unwrap_or_else(|| value.into_owned());
    value.chars().take(LONGEST).collect()
}
