//! A journal as what keeps the line of those who share it.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Journal;
use crate::core::limit::on_thread;
use crate::core::line::{Shared, Step, StepResult};

impl Shared for Journal {
    fn step(&self, line: &str, least: Duration, step: Step) -> BoxFuture<'static, StepResult> {
        let (journal, line) = (self.clone(), line.to_owned());
        on_thread(move || Some(journal.pace(&line, least, step).map_err(|error| error.to_string())))
    }
}
