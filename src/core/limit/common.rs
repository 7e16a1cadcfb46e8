//! A client's part in a line that other processes stand in, too (`line`), through whatever keeps
//! it.
//!
//! What keeps it may hang or be gone. Then the client goes on at its own pace, says so once, and
//! asks again later: results that were paid for must not wait for a limit that is a request.

use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex as Lock, MutexGuard as LockGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use crate::core::line::{Shared, Step, StepResult, Told};
use crate::core::pace::Load;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it is left alone once it did not answer.
const REST: Duration = Duration::from_secs(15);

pub(super) struct Common {
    /// The name of the line.
    name: String,
    least: Duration,
    /// Whether what keeps the line was chosen for good.
    chosen: bool,
    /// Those that keep it; the first is asked.
    keepers: Lock<Vec<Arc<dyn Shared>>>,
    state: Lock<State>,
    /// Held while it is asked: one that hangs is not asked again.
    asking: Arc<Mutex<()>>,
}

#[derive(Default)]
struct State {
    /// When leave was given that was not used.
    leave: Option<Instant>,
    /// Since when the client waits for leave.
    since: Option<Instant>,
    /// When leave is likely to be given.
    next: Option<Instant>,
    /// Nothing is asked before this.
    resting: Option<Instant>,
    lost: bool,
}

impl Common {
    pub(super) fn new(name: String, least: Duration, chosen: Option<Arc<dyn Shared>>) -> Arc<Self> {
        Arc::new(Self {
            name,
            least,
            chosen: chosen.is_some(),
            keepers: Lock::new(chosen.into_iter().collect()),
            state: Lock::default(),
            asking: Arc::default(),
        })
    }

    fn state(&self) -> LockGuard<'_, State> {
        // Each assignment leaves it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keepers(&self) -> LockGuard<'_, Vec<Arc<dyn Shared>>> {
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who keeps the line now; nobody while it is left alone.
    fn keeper(&self) -> Option<Arc<dyn Shared>> {
        let keeper = self.keepers().first().cloned()?;
        let resting = self.state().resting.is_some_and(|until| until > Instant::now());
        (!resting).then_some(keeper)
    }

    /// When leave is likely to be given, as far as is known.
    pub(super) fn next(&self) -> Option<Instant> {
        self.state().next
    }

    /// Asks for leave to send a request; `spacing`: how long one that was not used is good for.
    /// `None`: there is no such line now.
    pub(super) async fn take(self: &Arc<Self>, spacing: Duration) -> Option<Told> {
        let keeper = self.keeper()?;
        let now = Instant::now();
        let waited = {
            let mut state = self.state();
            if state.leave.is_some_and(|leave| now < leave + spacing) {
                return Some(Told { wait: Duration::ZERO, spacing });
            }
            now.duration_since(*state.since.get_or_insert(now))
        };
        self.step(keeper, Step::Take { waited }).await
    }

    /// The leave is used now.
    pub(super) fn sends(&self) {
        self.state().leave = None;
    }

    /// Tells what became of a request that was sent then. Nobody waits for it.
    pub(super) fn tell(self: &Arc<Self>, sent: Instant, load: Load) {
        let Some(keeper) = self.keeper() else { return };
        let common = self.clone();
        tokio::spawn(async move {
            common.step(keeper, Step::Answered { age: sent.elapsed(), load }).await;
        });
    }

    /// Makes a step. Whoever asked may go: what is given then is kept.
    async fn step(self: &Arc<Self>, keeper: Arc<dyn Shared>, step: Step) -> Option<Told> {
        let common = self.clone();
        let asked = tokio::spawn(async move {
            let _asking = common.asking.lock().await;
            let told = keeper.step(&common.name, common.least, step).await;
            if let (Ok(told), Step::Take { .. }) = (&told, step) {
                common.taken(*told);
            }
            told
        });
        let told = match timeout(PATIENCE, asked).await {
            Ok(Ok(told)) => told,
            Ok(Err(error)) if error.is_panic() => {
                Err("internal error: please report it".to_owned())
            }
            // The process is ending.
            Ok(Err(_)) => return None,
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        self.found(told)
    }

    fn taken(&self, told: Told) {
        let now = Instant::now();
        let mut state = self.state();
        if told.wait.is_zero() {
            (state.leave, state.since, state.next) = (Some(now), None, None);
        } else {
            // One that is a mistake must not be waited for without end.
            state.next = now.checked_add(told.wait);
        }
    }

    fn found(&self, told: Result<Told, String>) -> Option<Told> {
        let mut state = self.state();
        let lost = std::mem::replace(&mut state.lost, told.is_err());
        match told {
            Ok(told) => {
                drop(state);
                if lost {
                    log::info!(
                        target: "extracta_rs",
                        "the limiter that is shared with other processes answers again"
                    );
                }
                Some(told)
            }
            Err(reason) => {
                state.resting = Some(Instant::now() + REST);
                state.next = None;
                drop(state);
                if !lost {
                    log::warn!(
                        target: "extracta_rs",
                        "the limiter that is shared with other processes fails, requests for \
                         results go out at this client's own pace until it answers: {reason}"
                    );
                }
                None
            }
        }
    }
}

impl fmt::Debug for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Common").field("least", &self.least).finish_non_exhaustive()
    }
}

/// Makes a step on a thread that may block. `None`: the process is ending, so that nobody waits for
/// what comes of it any more.
pub fn on_thread(
    step: impl FnOnce() -> Option<StepResult> + Send + 'static,
) -> BoxFuture<'static, StepResult> {
    let step = spawn_blocking(step);
    async move {
        match step.await {
            Ok(Some(told)) => told,
            Err(error) if error.is_panic() => Err("internal error: please report it".to_owned()),
            Ok(None) | Err(_) => pending().await,
        }
    }
    .boxed()
}

/// Makes a client stand in a line, until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Joined(Option<Joining>);

struct Joining {
    common: Arc<Common>,
    keeper: Arc<dyn Shared>,
}

impl fmt::Debug for Joining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.common.fmt(f)
    }
}

impl Joined {
    /// Where something was chosen to keep the line, that goes on keeping it.
    pub(super) fn new(common: &Arc<Common>, keeper: Arc<dyn Shared>) -> Self {
        if common.chosen {
            return Self(None);
        }
        common.keepers().push(keeper.clone());
        Self(Some(Joining { common: common.clone(), keeper }))
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let Some(Joining { common, keeper }) = &self.0 else { return };
        let mut keepers = common.keepers();
        if let Some(at) = keepers.iter().position(|other| Arc::ptr_eq(other, keeper)) {
            keepers.remove(at);
            if at == 0 {
                // What the first one said is nothing to the next.
                *common.state() = State::default();
            }
        }
    }
}
