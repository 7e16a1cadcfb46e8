//! What single looks at batches have shown, and what the next look asks for. Pure: the clock and
//! answers are arguments; `check` asks.
//!
//! Nothing here is ever a result: it spares requests, and forgetting it costs no more than some.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::decide::{Options, jittered};
use super::listing::listed;
use super::trust::{DISTRUST, SWEEPABLE, Trust};
use crate::core::model::{BatchAnswer, BatchKey, Counts, Target};

/// A batch that nobody looked at for so long does not count for that.
const RECENT: Duration = Duration::from_secs(120);
/// One look of so many is at a batch itself, lest the listing lies.
const CHECKED: u32 = 10;
/// So many batches are remembered.
const MOST: usize = 10_000;
/// How long, and how many bytes of, results wait to be fetched by whoever saw them finished.
const KEPT: Duration = Duration::from_secs(60);
const MOST_BYTES: usize = 32 << 20;

/// What to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing: what is known is fresh.
    Nothing,
    /// The batches of the target.
    Sweep,
    /// The batch itself.
    Poll,
}

/// A state of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) status: Option<String>,
    pub(super) counts: Option<Counts>,
}

#[derive(Default)]
pub(super) struct Memory {
    groups: HashMap<Target, Group>,
    size: usize,
    finished: VecDeque<(Instant, BatchAnswer)>,
}

#[derive(Default)]
struct Group {
    batches: HashMap<String, Known>,
    swept: Option<Instant>,
    looks: u32,
    trust: Trust,
    distrusted: Option<Instant>,
}

struct Known {
    first: Instant,
    asked: Instant,
    seen: Option<Seen>,
    /// When a listing showed it last, and whether as final.
    listed: Option<(Instant, bool)>,
    /// A listing said that it was finished, and it was not.
    misled: bool,
    /// When somebody was told to come back for it.
    promised: Option<Instant>,
}

impl Group {
    fn is_sweepable(&self, now: Instant) -> bool {
        let recent = |known: &&Known| now.duration_since(known.asked) < RECENT;
        self.distrusted.is_none_or(|until| until <= now)
            && self.batches.values().filter(recent).take(SWEEPABLE).count() == SWEEPABLE
    }

    fn distrust(&mut self, now: Instant) {
        (self.distrusted, self.trust) = (Some(now + DISTRUST), Trust::default());
    }
}

impl Memory {
    /// What to ask for to learn of a batch; a listing younger than `fresh` is not asked for again.
    pub(super) fn plan(&mut self, key: &BatchKey, now: Instant, fresh: Duration) -> Plan {
        let known = self.known(key, now);
        known.asked = now;
        let (misled, listed) = (known.misled, known.listed);
        let Some(group) = self.groups.get(&key.target) else { return Plan::Poll };
        if misled || !group.is_sweepable(now) || listed.is_some_and(|(_, is_final)| is_final) {
            return Plan::Poll;
        }
        match group.swept {
            Some(swept) if now.duration_since(swept) < fresh => {
                // The listing does not show it at all.
                let hidden = listed.is_none_or(|(at, _)| at != swept);
                if hidden { Plan::Poll } else { Plan::Nothing }
            }
            _ if group.looks % CHECKED == CHECKED - 1 => Plan::Poll,
            _ => Plan::Sweep,
        }
    }

    fn known(&mut self, key: &BatchKey, now: Instant) -> &mut Known {
        if self.size >= MOST {
            self.forget_abandoned(now);
        }
        let group = self.groups.entry(key.target.clone()).or_default();
        let size = &mut self.size;
        group.batches.entry(key.batch_id.clone()).or_insert_with(|| {
            *size += 1;
            Known {
                first: now,
                asked: now,
                seen: None,
                listed: None,
                misled: false,
                promised: None,
            }
        })
    }

    fn forget_abandoned(&mut self, now: Instant) {
        for group in self.groups.values_mut() {
            group.batches.retain(|_, known| now.duration_since(known.asked) < RECENT);
        }
        self.groups.retain(|_, group| !group.batches.is_empty());
        self.size = self.groups.values().map(|group| group.batches.len()).sum();
        if self.size > MOST / 2 {
            (self.groups, self.size) = (HashMap::new(), 0);
        }
    }

    /// Takes the answer to a request for a batch.
    pub(super) fn polled(&mut self, answer: &BatchAnswer, now: Instant) {
        let (status, counts) = answer.summary();
        let known = self.known(&answer.key, now);
        known.seen = Some(Seen { at: now, status, counts });
        let listed = known.listed;
        known.misled |= !answer.finished && listed.is_some_and(|(_, is_final)| is_final);
        let Some(group) = self.groups.get_mut(&answer.key.target) else { return };
        group.looks = group.looks.wrapping_add(1);
        if answer.finished {
            if listed.is_some_and(|(at, is_final)| !is_final && Some(at) == group.swept) {
                group.trust.doubt(answer.key.batch_id.clone());
            }
            self.forget(&answer.key);
            self.keep(answer.clone(), now);
        }
    }

    /// Takes a listing of a target's batches.
    pub(super) fn swept(&mut self, target: &Target, json: &[u8], now: Instant) {
        let Some(group) = self.groups.get_mut(target) else { return };
        let Some(batches) = listed(json).filter(|batches| !group.trust.is_broken_by(batches))
        else {
            group.distrust(now);
            return;
        };
        (group.swept, group.trust) = (Some(now), Trust::default());
        group.looks = group.looks.wrapping_add(1);
        for batch in batches {
            let Some(known) = group.batches.get_mut(&*batch.batch_id) else { continue };
            known.listed = Some((now, batch.is_final()));
            let counts = known.seen.take().and_then(|seen| seen.counts);
            let status = batch.status.map(std::borrow::Cow::into_owned);
            known.seen = Some(Seen { at: now, status, counts });
        }
    }

    /// A look at a target failed; one that no other look could mend is `fatal`.
    pub(super) fn sweep_failed(&mut self, target: &Target, fatal: bool, now: Instant) {
        let Some(group) = self.groups.get_mut(target) else { return };
        if group.trust.failed(fatal) {
            group.distrust(now);
        }
    }

    /// What was seen of a batch last.
    pub(super) fn seen(&self, key: &BatchKey) -> Option<&Seen> {
        self.groups.get(&key.target)?.batches.get(&key.batch_id)?.seen.as_ref()
    }

    /// Whether a listing sees to a batch; otherwise it needs a request of its own.
    pub(super) fn is_swept(&self, key: &BatchKey, now: Instant) -> bool {
        self.groups.get(&key.target).is_some_and(|group| {
            let known = group.batches.get(&key.batch_id);
            let shown = |known: &Known| match known.listed {
                Some((at, is_final)) => !is_final && Some(at) == group.swept,
                None => group.swept.is_none(),
            };
            group.is_sweepable(now) && known.is_some_and(|known| !known.misled && shown(known))
        })
    }

    /// When to look again at a batch that is in processing: the longer it has been, the later.
    pub(super) fn interval(
        &self,
        key: &BatchKey,
        waited: Duration,
        least: Duration,
        now: Instant,
        chance: f64,
    ) -> Duration {
        let known = self.groups.get(&key.target).and_then(|group| group.batches.get(&key.batch_id));
        let known = known.map_or(Duration::ZERO, |known| now.duration_since(known.first));
        // What `wait` comes to with its defaults.
        let longest = Options::default().max_poll_interval.max(least);
        jittered((waited.max(known) / 3).clamp(least, longest), chance)
    }

    /// How long until a request for a batch is likely to be let through: what was told before, for
    /// as long as that is to come, else what `promise` says.
    pub(super) fn slot(
        &mut self,
        key: &BatchKey,
        now: Instant,
        promise: impl FnOnce() -> Duration,
    ) -> Duration {
        let group = self.groups.get_mut(&key.target);
        let Some(known) = group.and_then(|group| group.batches.get_mut(&key.batch_id)) else {
            return promise();
        };
        let promised = known.promised.filter(|at| *at > now).unwrap_or_else(|| now + promise());
        known.promised = Some(promised);
        promised.duration_since(now)
    }

    /// Forgets a batch.
    pub(super) fn forget(&mut self, key: &BatchKey) {
        self.finished.retain(|(_, answer)| answer.key != *key);
        let Some(group) = self.groups.get_mut(&key.target) else { return };
        if group.batches.remove(&key.batch_id).is_some() {
            self.size -= 1;
        }
        if group.batches.is_empty() {
            self.groups.remove(&key.target);
        }
    }

    fn keep(&mut self, answer: BatchAnswer, now: Instant) {
        self.finished.push_back((now, answer));
        let mut bytes: usize = self.finished.iter().map(|(_, answer)| answer.json.len()).sum();
        while let Some((at, oldest)) = self.finished.front()
            && (bytes > MOST_BYTES || now.duration_since(*at) > KEPT)
        {
            bytes -= oldest.json.len();
            self.finished.pop_front();
        }
    }

    /// The results of a batch that was seen finished a moment ago; they are handed over once.
    pub(super) fn take(&mut self, key: &BatchKey, now: Instant) -> Option<BatchAnswer> {
        let place = self.finished.iter().position(|(_, answer)| answer.key == *key)?;
        let (at, answer) = self.finished.remove(place)?;
        (now.duration_since(at) <= KEPT).then_some(answer)
    }
}
