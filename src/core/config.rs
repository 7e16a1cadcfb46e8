//! What a client is built from: limits and times; and what may differ from call to call.
//!
//! The address and the proxy are checked where the connection is built, in `http`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::headers::Headers;
use super::key::ApiKey;
use super::line::Shared;
use super::observe::Observer;

/// The vendor's address.
pub const VENDOR_BASE_URL: &str = "https://api.extracta.ai/api/v1";

/// How long each phase of a request may take. What has no limit of its own has that of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// The whole request; for an upload, how long it may stand still.
    pub total: Duration,
    /// Making a connection: name, TCP, proxy, TLS.
    pub connect: Duration,
    /// Without a byte of the answer, once the request is sent.
    pub read: Option<Duration>,
    /// Without the service taking a byte of an upload.
    pub write: Option<Duration>,
    /// For another request to end, where as many are under way as may be.
    pub pool: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            total: Duration::from_secs(60),
            connect: Duration::from_secs(10),
            read: None,
            write: None,
            pool: None,
        }
    }
}

/// How the requests of a call are sent.
#[derive(Clone, Default)]
pub struct CallOptions {
    /// How long they may take.
    pub timeouts: Timeouts,
    /// How often a failed request is repeated, where it may be.
    pub max_retries: u32,
    /// Headers to send along.
    pub headers: Headers,
    /// Who is told of each.
    pub observer: Option<Arc<dyn Observer>>,
}

/// The settings of a client.
#[derive(Clone)]
pub struct Config {
    /// The key.
    pub api_key: ApiKey,
    /// The address below which the endpoints are.
    pub base_url: String,
    /// How requests are sent, unless a call says otherwise.
    pub options: CallOptions,
    /// The least time between two requests for results.
    pub min_poll_spacing: Duration,
    /// What keeps them apart from those of other processes with the same key.
    pub limiter: Option<Arc<dyn Shared>>,
    /// How many requests may be under way, and connections open, at once.
    pub max_connections: usize,
    /// A proxy's URL; without one the environment's.
    pub proxy: Option<String>,
    /// A file of PEM certificates to trust besides the system's.
    pub ca_bundle: Option<PathBuf>,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// Whether plain HTTP may leave this machine.
    pub allow_insecure_http: bool,
}

impl Config {
    /// The defaults with this key.
    #[must_use]
    pub fn new(api_key: ApiKey) -> Self {
        Self {
            api_key,
            base_url: VENDOR_BASE_URL.to_owned(),
            options: CallOptions { max_retries: 2, ..CallOptions::default() },
            min_poll_spacing: Duration::from_secs(2),
            limiter: None,
            max_connections: 100,
            proxy: None,
            ca_bundle: None,
            user_agent: concat!("extracta_rs/", env!("CARGO_PKG_VERSION")).to_owned(),
            allow_insecure_http: false,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The proxy's URL is left out: it may hold a password.
        f.debug_struct("Config").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}
