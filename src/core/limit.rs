//! The gate that keeps requests for results apart, one for each client.
//!
//! The spacing is counted from the moment the previous answer came: only then is it certain that
//! the service has seen that request. A request that hangs holds the others for one spacing more.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

/// Lets one request through at a time, first come, first served, each `spacing` after the last.
#[derive(Debug)]
pub struct Gate {
    spacing: Duration,
    last: Mutex<Option<Instant>>,
}

impl Gate {
    /// A gate with this spacing; zero lets everything through.
    #[must_use]
    pub fn new(spacing: Duration) -> Self {
        Self { spacing, last: Mutex::new(None) }
    }

    /// Runs `request` when its turn comes.
    pub async fn pass<T>(&self, request: impl Future<Output = T>) -> T {
        if self.spacing.is_zero() {
            return request.await;
        }
        let mut request = pin!(request);
        {
            let mut last = self.last.lock().await;
            if let Some(next) = last.and_then(|last| last.checked_add(self.spacing)) {
                sleep_until(next).await;
            }
            // Written before the request starts, so that one that is dropped half-way counts.
            *last = Some(Instant::now());
            tokio::select! {
                answer = &mut request => {
                    *last = Some(Instant::now());
                    return answer;
                }
                () = sleep(self.spacing) => *last = Some(Instant::now()),
            }
        }
        request.await
    }
}
