//! A journal as what keeps the line of those who share it.

use std::future::pending;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::task::spawn_blocking;

use super::Journal;
use crate::core::line::{Shared, Step, StepResult};

impl Shared for Journal {
    fn step(&self, line: &str, least: Duration, step: Step) -> BoxFuture<'static, StepResult> {
        let (journal, line) = (self.clone(), line.to_owned());
        let step = spawn_blocking(move || journal.pace(&line, least, step));
        async move {
            match step.await {
                Ok(told) => told.map_err(|error| error.to_string()),
                Err(error) if error.is_panic() => {
                    Err("internal error: please report it".to_owned())
                }
                // The process is ending: nobody waits for this any more.
                Err(_) => pending().await,
            }
        }
        .boxed()
    }
}
