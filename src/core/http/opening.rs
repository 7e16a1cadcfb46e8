//! When a new connection is opened: only where none is about to become free.
//!
//! The pool asks for a new connection whenever none is idle, and waits for one that becomes idle at
//! the same time; where that one comes first, it finishes the other in the background. Left alone,
//! there would be more connections than requests: one whose answer was just read is not idle yet,
//! and one in the background is nobody's. Here both are waited for. With at most N requests at once
//! there are at most N connections.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::Notify;
use tokio::task::{futures::TaskLocalFuture, yield_now};
use tower_layer::Layer;
use tower_service::Service;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What an ended request leaves behind needs so many rounds of the scheduler: one that closes its
/// connection or gives it back, two more for one that was finished in the background.
const ROUNDS: usize = 3;

tokio::task_local! {
    static REQUEST: ();
}

/// Runs a request. What goes on outside of it goes on in the background.
pub(super) fn requesting<F: Future>(request: F) -> TaskLocalFuture<(), F> {
    REQUEST.scope((), request)
}

/// What the connections of a client know of each other.
#[derive(Debug, Default)]
struct Shared {
    counts: Mutex<Counts>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    /// Requests that have no connection and have not begun to open one.
    waiting: usize,
    /// Connections that are being opened, while their request goes on with another.
    in_background: usize,
}

impl Shared {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One more of a kind, until it is dropped.
struct Counted<'a>(&'a Shared, fn(&mut Counts) -> &mut usize);

impl<'a> Counted<'a> {
    fn new(shared: &'a Shared, kind: fn(&mut Counts) -> &mut usize) -> Self {
        *kind(&mut shared.counts()) += 1;
        shared.changed.notify_waiters();
        Self(shared, kind)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        *self.1(&mut self.0.counts()) -= 1;
        self.0.changed.notify_waiters();
    }
}

/// Stands around what opens the connections of one client.
#[derive(Debug, Clone, Default)]
pub(super) struct Sparing(Arc<Shared>);

impl<S> Layer<S> for Sparing {
    type Service = Spared<S>;

    fn layer(&self, connect: S) -> Spared<S> {
        Spared { connect, shared: self.0.clone() }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Spared<S> {
    connect: S,
    shared: Arc<Shared>,
}

impl<S, T> Service<T> for Spared<S>
where
    S: Service<T, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
    T: Send + 'static,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.connect.poll_ready(context)
    }

    fn call(&mut self, to: T) -> Self::Future {
        let mut connect = self.connect.clone();
        // The one that was ready is used.
        std::mem::swap(&mut connect, &mut self.connect);
        let shared = self.shared.clone();
        Box::pin(async move {
            needed(&shared).await?;
            counted(&shared, connect.call(to)).await
        })
    }
}

fn in_background() -> bool {
    REQUEST.try_with(|()| ()).is_err()
}

/// Waits until there is no connection under way that the request could have; an error where it has
/// one by now.
async fn needed(shared: &Shared) -> Result<(), Error> {
    let _waiting = Counted::new(shared, |counts| &mut counts.waiting);
    let mut turn = pin!(async {
        loop {
            let changed = shared.changed.notified();
            for _ in 0..ROUNDS {
                yield_now().await;
            }
            let needed = {
                let counts = shared.counts();
                counts.waiting > counts.in_background
            };
            if needed {
                return;
            }
            changed.await;
        }
    });
    poll_fn(|context| match turn.as_mut().poll(context) {
        _ if in_background() => Poll::Ready(Err("another connection became free".into())),
        turn => turn.map(Ok),
    })
    .await
}

/// Opens the connection, and counts it while it does so in the background.
async fn counted<T>(shared: &Shared, connect: impl Future<Output = T>) -> T {
    let mut connect = pin!(connect);
    let mut counted = None;
    poll_fn(|context| {
        if counted.is_none() && in_background() {
            counted = Some(Counted::new(shared, |counts| &mut counts.in_background));
        }
        connect.as_mut().poll(context)
    })
    .await
}
