//! An offline server of the Extracta.ai API, with state, faults to order and signed webhooks.
//!
//! It is a real HTTP server on 127.0.0.1, on threads of its own. It knows nothing of the client:
//! what it believes of the API comes from the documentation, see `tests/vectors/answers.json`.

mod answer;
mod deliver;
mod disposition;
mod endpoint;
mod faults;
mod identity;
mod lifecycle;
mod payload;
mod record;
mod refusal;
mod routes;
mod sample;
mod server;
mod shared;
mod state;
mod template;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::{Builder, Handle, Runtime};

pub use faults::{Cut, Fault, Faults};
pub use record::{Delivery, Part, Recorded};

use shared::Shared;

const STOP_LIMIT: Duration = Duration::from_secs(1);

/// Gives files results of your own.
pub trait ResultSource: Send + Sync {
    /// Returns the `result` of a file, or None for the default one; an error fails the file with
    /// that text.
    ///
    /// `content` is the file's beginning: 1 MiB at most, less where many large files wait at the
    /// same time. `template` is the extraction's or classification's details.
    fn result(
        &self,
        file_name: &str,
        content: &[u8],
        template: &Value,
    ) -> Result<Option<Arc<Value>>, String>;

    /// Whether `result` looks at `content`; it is not kept otherwise.
    fn reads_content(&self) -> bool {
        true
    }
}

/// Results by file name; the files of a name share theirs.
impl<S: std::hash::BuildHasher + Send + Sync> ResultSource for HashMap<String, Arc<Value>, S> {
    fn result(&self, name: &str, _: &[u8], _: &Value) -> Result<Option<Arc<Value>>, String> {
        Ok(self.get(name).cloned())
    }

    fn reads_content(&self) -> bool {
        false
    }
}

/// How an emulator behaves.
#[derive(Clone)]
pub struct Settings {
    /// The port on 127.0.0.1; 0 for any that is free.
    pub port: u16,
    /// The key that requests must carry.
    pub api_key: String,
    /// Where finished batches are announced; an `http://` URL.
    pub webhook_url: Option<String>,
    /// The secret that announcements are signed with.
    pub webhook_secret: String,
    /// The time from an upload until its batch is finished.
    pub processing_time: Duration,
    /// How many looks at a batch (requests for its results, or views that show it) are answered
    /// "waiting" before it is finished.
    pub polls_until_finished: u32,
    /// Whether `viewExtraction` shows the batches.
    pub show_batches: bool,
    /// The names of files whose processing fails.
    pub fail_files: Vec<String>,
    /// Varies ids and default results; equal seeds give equal ones.
    pub seed: u64,
    /// Whether webhooks are of the generation without `event`.
    pub legacy_webhook: bool,
    /// Results instead of the default ones.
    pub results: Option<Arc<dyn ResultSource>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 0,
            api_key: "test-key".to_owned(),
            webhook_url: None,
            webhook_secret: "E_AI_K_test".to_owned(),
            processing_time: Duration::ZERO,
            polls_until_finished: 0,
            show_batches: true,
            fail_files: Vec::new(),
            seed: 0,
            legacy_webhook: false,
            results: None,
        }
    }
}

/// A running server; it ends with `stop` or when dropped.
///
/// A process forked from the one that started it has no server: there `stop` does nothing, and the
/// other methods may block for ever on a lock that a thread held at the fork.
pub struct Emulator {
    shared: Arc<Shared>,
    runtime: Mutex<Option<Runtime>>,
    pid: u32,
}

impl Emulator {
    /// Starts a server on 127.0.0.1.
    ///
    /// # Errors
    /// `InvalidInput` for a webhook URL or secret that cannot be used; else what the system says.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("extracta-emulator")
            .enable_all()
            .build()?;
        let shared = Arc::new(Shared::new(settings, port, runtime.handle().clone())?);
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        runtime.spawn(server::run(listener, Arc::clone(&shared)));
        Ok(Self { shared, runtime: Mutex::new(Some(runtime)), pid: std::process::id() })
    }

    /// `http://127.0.0.1:PORT/api/v1`
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.shared.port, endpoint::BASE)
    }

    /// The requests so far, in the order of their arrival; of very many only the latest.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.shared.requests).to_vec()
    }

    /// The requests from a number on, and the number of the first of them: they are counted from 0
    /// since the start.
    pub fn requests_from(&self, number: usize) -> (usize, Vec<Recorded>) {
        lock(&self.shared.requests).from(number)
    }

    /// The faults to order.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// The webhook attempts so far, in the order in which they ended.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.outbox.to_vec()
    }

    /// Waits until there are `count` deliveries; false where `timeout` or `stop` came first.
    pub fn wait_for_deliveries(&self, count: usize, timeout: Duration) -> bool {
        self.shared.outbox.wait_for(count, timeout)
    }

    /// Whether `stop` was called, or the server belongs to the parent process.
    pub fn is_stopped(&self) -> bool {
        self.is_inherited() || lock(&self.runtime).is_none()
    }

    /// Whether another process started the server, of which this one is a fork.
    pub fn is_inherited(&self) -> bool {
        self.pid != std::process::id()
    }

    /// Ends the server and its threads; takes a second at most, and nothing the second time.
    pub fn stop(&self) {
        if self.is_inherited() {
            return;
        }
        self.shared.outbox.close();
        let runtime = lock(&self.runtime).take();
        if let Some(runtime) = runtime {
            // Tokio panics where a thread of a runtime blocks on the end of another one.
            if Handle::try_current().is_ok() {
                runtime.shutdown_background();
            } else {
                runtime.shutdown_timeout(STOP_LIMIT);
            }
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let runtime = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            if self.is_inherited() {
                // The threads stayed in the parent process; there is nothing to join here.
                std::mem::forget(runtime);
            } else {
                self.shared.outbox.close();
                runtime.shutdown_background();
            }
        }
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Emulator")
            .field("base_url", &self.base_url())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
