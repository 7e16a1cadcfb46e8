//! Where a request stands (connecting, sending, awaiting the answer), and what it may still take.
//!
//! The making of connections is counted here, and held to the limit of the request that it is made
//! for: reqwest's own limit is one for a whole client. What a request's task connects is told from
//! what another's does by a task-local.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tower_layer::Layer;
use tower_service::Service;

use crate::core::config::Timeouts;
use crate::core::stats::Counters;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

tokio::task_local! {
    static LINK: Arc<Link>;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Sending,
    Reading,
}

/// A request on its way.
pub(super) struct Link {
    timeouts: Timeouts,
    is_upload: bool,
    stands: Mutex<Stand>,
    changed: Notify,
}

struct Stand {
    phase: Phase,
    /// When something was sent or came.
    moved: Instant,
    /// What the limit of the whole counts from: for an upload, its last byte.
    since: Instant,
}

/// What passes next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) at: Instant,
    pub(super) length: Duration,
    pub(super) missing: &'static str,
    /// Whether the service may have got something by then.
    pub(super) sent: bool,
}

impl Link {
    pub(super) fn new(timeouts: Timeouts, is_upload: bool) -> Arc<Self> {
        let now = Instant::now();
        let phase = if is_upload { Phase::Sending } else { Phase::Reading };
        let stands = Mutex::new(Stand { phase, moved: now, since: now });
        Arc::new(Self { timeouts, is_upload, stands, changed: Notify::new() })
    }

    /// Runs a request; connections that it makes are this one's.
    pub(super) async fn run<T>(self: Arc<Self>, request: impl Future<Output = T>) -> T {
        LINK.scope(self, request).await
    }

    /// Something came.
    pub(super) fn moved(&self) {
        self.lock().moved = Instant::now();
    }

    /// Something of an upload is sent.
    pub(super) fn sends(&self) {
        self.enter(Phase::Sending);
    }

    /// All is sent, or connected, or an answer begins.
    pub(super) fn reads(&self) {
        self.turn(Phase::Reading);
    }

    fn turn(&self, phase: Phase) {
        self.enter(phase);
        self.changed.notify_one();
    }

    fn enter(&self, phase: Phase) {
        let now = Instant::now();
        let mut stand = self.lock();
        if self.is_upload && stand.phase != Phase::Reading {
            stand.since = now;
        }
        (stand.phase, stand.moved) = (phase, now);
    }

    fn lock(&self) -> MutexGuard<'_, Stand> {
        self.stands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when another limit may be the next.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What passes next, as things stand. Who makes a connection has a limit of its own.
    pub(super) fn limit(&self) -> Limit {
        let Stand { phase, moved, since } = *self.lock();
        let Timeouts { total, read, write, .. } = self.timeouts;
        let still = |length, missing| Limit { at: moved + length, length, missing, sent: true };
        let whole = Limit { at: since + total, length: total, missing: "answer", sent: true };
        match phase {
            // Its body has not been asked for.
            Phase::Connecting if self.is_upload => {
                Limit { sent: false, ..still(total, "connection") }
            }
            Phase::Connecting => whole,
            Phase::Sending => still(write.unwrap_or(total), "byte of the upload taken"),
            Phase::Reading => read
                .map(|read| still(read, "byte of the answer"))
                .filter(|still| still.at < whole.at)
                .unwrap_or(whole),
        }
    }
}

/// Counts connections and bounds the making of each.
#[derive(Clone)]
pub(super) struct Connecting {
    pub(super) limit: Duration,
    pub(super) counters: Arc<Counters>,
}

impl<S> Layer<S> for Connecting {
    type Service = Connector<S>;

    fn layer(&self, inner: S) -> Connector<S> {
        Connector { inner, with: self.clone() }
    }
}

#[derive(Clone)]
pub(super) struct Connector<S> {
    inner: S,
    with: Connecting,
}

impl<S, R> Service<R> for Connector<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let made_for = LINK.try_with(Made::new).ok();
        let limit = made_for.as_ref().map_or(self.with.limit, |made| made.link.timeouts.connect);
        let connecting = self.inner.call(target);
        let counters = self.with.counters.clone();
        Box::pin(async move {
            let connected = timeout(limit, connecting).await;
            drop(made_for);
            let connected = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            counters.connected();
            Ok(connected)
        })
    }
}

/// A connection that is being made for a request.
struct Made {
    link: Arc<Link>,
    before: Phase,
}

impl Made {
    fn new(link: &Arc<Link>) -> Self {
        let before = link.lock().phase;
        link.turn(Phase::Connecting);
        Self { link: link.clone(), before }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // A pooled connection may have come free first, and the request gone on with that.
        if self.link.lock().phase == Phase::Connecting {
            self.link.turn(self.before);
        }
    }
}
