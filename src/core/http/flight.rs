//! A request under way: counted, logged, and told to whoever observes it, however it ends. One that
//! is dropped half-way (cancelled, past a deadline) has ended, too.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;
use tokio::time::Instant;

use super::{Answer, Ask, Http};
use crate::core::error::{Call, Error, Result};
use crate::core::headers::Header;
use crate::core::key::ApiKey;
use crate::core::observe::{Asked, Begun, Ended, shown};
use crate::core::stats::{CANCELLED, Guard, kind};

/// What has been seen of an answer; nothing is kept where nobody observes.
pub(super) struct Seen(Option<Mutex<Head>>);

#[derive(Default)]
struct Head {
    status: Option<u16>,
    headers: Vec<(String, String)>,
    received: u64,
}

impl Seen {
    fn lock(&self) -> Option<MutexGuard<'_, Head>> {
        Some(self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn head(&self, status: u16, headers: &HeaderMap, key: &ApiKey) {
        if let Some(mut head) = self.lock() {
            let shown = |name: &str, value: &[u8]| (name.to_owned(), shown(name, value, key));
            head.headers = headers.iter().map(|(n, v)| shown(n.as_str(), v.as_bytes())).collect();
            head.status = Some(status);
        }
    }

    pub(super) fn received(&self, bytes: usize) {
        if let Some(mut head) = self.lock() {
            head.received += bytes as u64;
        }
    }
}

pub(super) struct Flight {
    call: Call,
    under_way: Guard,
    begun: Option<Begun>,
    started: Instant,
    landed: bool,
    pub(super) seen: Seen,
}

impl Flight {
    /// Tells the observer, who may take a moment to say what to send along.
    pub(super) async fn begin(http: &Http, ask: Ask<'_>) -> Self {
        let begun = match &ask.options.observer {
            None => None,
            Some(observer) => {
                let asked = Asked {
                    call: ask.endpoint.call(),
                    operation: ask.endpoint.operation,
                    attempt: ask.attempt,
                    server: http.server.clone(),
                    at: SystemTime::now(),
                };
                Some(observer.begin(&asked).await)
            }
        };
        let seen = Seen(begun.is_some().then(Mutex::default));
        Self {
            call: ask.endpoint.call(),
            under_way: http.counters.begin(),
            begun,
            started: Instant::now(),
            landed: false,
            seen,
        }
    }

    /// Headers of the observer's.
    pub(super) fn headers(&self) -> impl Iterator<Item = &Header> {
        self.begun.iter().flat_map(|begun| begun.headers.iter())
    }

    /// It came to this.
    pub(super) fn ended(mut self, result: &Result<Answer>) {
        let took = self.land(|| result.as_ref().err().map(|e| (kind(e), e.to_string())));
        match result {
            Ok(answer) => log::debug!(
                target: "extracta_rs",
                "{}: {} in {:.3} s, {} bytes",
                self.call, answer.status, took.as_secs_f64(), answer.body.len()
            ),
            Err(error) => {
                log::debug!(
                    target: "extracta_rs",
                    "{}: failed in {:.3} s: {error}", self.call, took.as_secs_f64()
                );
                // What an answer is not was counted where it was seen.
                if !matches!(error, Error::Format { .. }) {
                    self.under_way.counters().failed(error);
                }
            }
        }
    }

    fn land(&mut self, failure: impl FnOnce() -> Option<(&'static str, String)>) -> Duration {
        let took = self.started.elapsed();
        self.landed = true;
        self.under_way.counters().ended(took);
        if let Some(begun) = self.begun.take() {
            let head = self.seen.lock().map(|mut head| std::mem::take(&mut *head));
            let Head { status, headers, received } = head.unwrap_or_default();
            (begun.end)(Ended { status, headers, received, took, failure: failure() });
        }
        took
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.landed {
            self.under_way.counters().cancelled();
            self.land(|| Some((CANCELLED, "given up before it had ended".to_owned())));
        }
    }
}
