//! What a run does about uploads whose answer was lost: it looks for them until it is sure.

use std::time::Duration;

use tokio::time::Instant;

use super::{Driver, Shared};
use crate::core::error::Result;
use crate::core::journal::{Row, State};
use crate::core::model::BatchKey;
use crate::core::run::intake::Prepared;
use crate::core::run::look::{self, Verdict};
use crate::core::run::seek::Found;

/// A batch that cannot be read for so long makes a lost upload unknown, once nothing else is left.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// An upload that is looked for.
pub(super) struct Lost {
    since: Instant,
    pub(super) prepared: Vec<Prepared>,
}

impl Driver {
    /// Looks for an upload from now on. What passed since it was sent is not counted: the wall clock
    /// may have jumped ahead, and an absence that is believed too early is paid twice.
    pub(super) fn seek(&mut self, row: Row, prepared: Vec<Prepared>) {
        let since = Instant::now();
        log::info!(
            target: "extracta_rs",
            "the answer to an upload of {} was lost: it is looked for, for up to {:.0} s before it \
             counts as not carried out", self.shared.target, self.options.settle.as_secs_f64()
        );
        self.known.insert(row);
        self.lost.insert(row, Lost { since, prepared });
        self.look = Some((since, look::FIRST_PAUSE));
    }

    /// From when on the absence of a lost upload counts.
    fn settled(&self, lost: &Lost) -> Instant {
        lost.since + self.options.settle
    }

    pub(super) async fn sought(&mut self, found: Found) -> Result<()> {
        self.names = found.names;
        let now = Instant::now();
        // As long as there is other work, looking on costs nothing.
        let idle = self.is_idle();
        for (row, verdict) in found.verdicts {
            let Some(lost) = self.lost.get(&row) else { continue };
            let settled = found.began >= self.settled(lost);
            match verdict {
                Verdict::Found(batch_id) => {
                    self.lost.remove(&row);
                    log::info!(target: "extracta_rs", "a lost upload is batch {batch_id}");
                    let key = BatchKey::new(self.shared.target.clone(), batch_id)?;
                    let id = key.batch_id.clone();
                    let keep = move |shared: &Shared| shared.journal.uploaded(row, &id, None);
                    self.shared.blocking(keep).await?;
                    self.wait_for(row, key);
                }
                Verdict::Absent if settled => {
                    log::info!(target: "extracta_rs", "a lost upload was not carried out");
                    let prepared = self.lost.remove(&row).map_or_else(Vec::new, |l| l.prepared);
                    self.known.remove(&row);
                    self.shared.blocking(move |shared| shared.journal.release(row, None)).await?;
                    self.admit_again(row, prepared).await?;
                }
                Verdict::Undecided if settled => {
                    if self.moved(row).await? {
                        self.look_again(row).await?;
                    } else {
                        self.give_up_on(row).await?;
                    }
                }
                Verdict::NotYet if settled && idle && now - lost.since > PATIENCE => {
                    self.give_up_on(row).await?;
                }
                Verdict::Absent | Verdict::Undecided | Verdict::NotYet => {}
            }
        }
        self.look = self.next_look(now);
        Ok(())
    }

    /// Soon at first, then ever more rarely, but as soon as the answer would count.
    fn next_look(&self, now: Instant) -> Option<(Instant, Duration)> {
        let (_, pause) = self.look?;
        let settled =
            self.lost.values().map(|lost| self.settled(lost)).filter(|at| *at > now).min();
        Some(look::next(now, pause, settled))
    }

    /// Whether it is not open any more: who sent it lived, or another run looked for it, too.
    async fn moved(&self, row: Row) -> Result<bool> {
        let intent = self.shared.blocking(move |shared| shared.journal.intent(row)).await?;
        let open = |state| matches!(state, State::Uploading | State::Lost | State::Unknown);
        Ok(intent.is_some_and(|intent| !open(intent.state)))
    }

    async fn look_again(&mut self, row: Row) -> Result<()> {
        let prepared = self.lost.remove(&row).map_or_else(Vec::new, |lost| lost.prepared);
        self.known.remove(&row);
        self.look_at(row, prepared).await
    }

    async fn give_up_on(&mut self, row: Row) -> Result<()> {
        self.lost.remove(&row);
        let reason = "the answer to its upload was lost, and what the service shows does not tell \
                      whether it was carried out";
        self.shared.blocking(move |shared| shared.journal.unknown(row, reason)).await?;
        self.unknown(row, reason).await
    }
}
