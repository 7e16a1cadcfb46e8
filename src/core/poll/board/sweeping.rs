//! Looks at whole targets: when they begin, what they tell of the waits, when they are given up.

use bytes::Bytes;
use tokio::time::Instant;

use super::Board;
use crate::core::error::Result;
use crate::core::model::Target;
use crate::core::poll::decide::{Options, is_fatal};
use crate::core::poll::listing::listed;
use crate::core::poll::sweep::Sweep;
use crate::core::poll::timers::Event;
use crate::core::poll::trust::{DISTRUST, SWEEPABLE};

impl Board {
    pub(super) fn sweep_of(&mut self, target: &Target) -> Option<&mut Sweep> {
        self.groups.get_mut(target)?.sweep.as_mut()
    }

    /// Sees to it that a target with enough waits is swept by the time a new one is due.
    pub(super) fn begin_sweeping(&mut self, target: &Target, options: Options, due: Instant) {
        let Some(group) = self.groups.get_mut(target) else { return };
        if group.swept < SWEEPABLE || group.distrusted {
            return;
        }
        let sweep = group.sweep.get_or_insert_with(|| Sweep::new(options));
        if let Some(when) = sweep.hasten(options, due) {
            self.timers.at(when, Event::Sweep(target.clone()));
        }
    }

    pub(super) fn trust_again(&mut self, target: &Target, now: Instant, chance: f64) {
        let Some(group) = self.groups.get_mut(target) else { return };
        group.distrusted = false;
        let any = group.batches.values().find_map(|batch| batch.waits.first().copied());
        if let Some(wait) = any.and_then(|id| self.waits.get(&id)) {
            let (options, due) = (wait.watch.options(), wait.watch.first(now, chance));
            self.begin_sweeping(target, options, due);
        }
    }

    /// Takes what a look at a target came to.
    pub(in crate::core::poll) fn swept(
        &mut self,
        target: &Target,
        answer: &Result<Bytes>,
        now: Instant,
        chance: f64,
    ) {
        let Some(sweep) = self.sweep_of(target) else { return };
        let batches = match answer {
            Ok(json) => listed(json),
            Err(error) if sweep.trust.failed(is_fatal(error)) => None,
            Err(_) => {
                let next = sweep.next(now, answer.as_ref().err(), chance);
                self.timers.at(next, Event::Sweep(target.clone()));
                return;
            }
        };
        let told_wrong = batches.as_ref().is_some_and(|batches| sweep.trust.is_broken_by(batches));
        let number = sweep.answered();
        let Some(batches) = batches.filter(|_| !told_wrong) else {
            log::debug!(target: "extracta_rs", "{target} does not show its batches: each is asked for");
            self.distrust(target, now, chance);
            return;
        };
        let Some(group) = self.groups.get(target) else { return };
        let mut final_ones = Vec::new();
        for listed in &batches {
            let Some(batch) = group.batches.get(&*listed.batch_id) else { continue };
            let is_final = listed.is_final();
            for id in &batch.waits {
                if let Some(wait) = self.waits.get_mut(id) {
                    (wait.seen, wait.running) = (number, !is_final);
                }
            }
            if is_final {
                final_ones.extend(batch.waits.first());
            }
        }
        let hidden: Vec<_> = group
            .batches
            .values()
            .flat_map(|batch| &batch.waits)
            .copied()
            .filter(|id| self.waits.get(id).is_some_and(|wait| wait.seen != number))
            .collect();
        for id in final_ones {
            if self.waits.get(&id).is_some_and(|wait| wait.swept && !wait.misled) {
                self.ask(id);
            }
        }
        for id in hidden {
            self.poll_later(id, now, chance);
        }
        self.check_one(target);
        self.sweep_again(target, now, chance);
    }

    fn sweep_again(&mut self, target: &Target, now: Instant, chance: f64) {
        if self.groups.get(target).is_some_and(|group| group.swept < SWEEPABLE) {
            self.stop_sweeping(target, now, chance);
        } else if let Some(sweep) = self.sweep_of(target) {
            let next = sweep.next(now, None, chance);
            self.timers.at(next, Event::Sweep(target.clone()));
        }
    }

    /// A batch that sweeps show as running is asked for itself now and then, lest they lie.
    fn check_one(&mut self, target: &Target) {
        let Some(group) = self.groups.get_mut(target) else { return };
        let Some(sweep) = &mut group.sweep else { return };
        let all = || group.batches.values().flat_map(|batch| &batch.waits).copied();
        if let Some(id) = sweep.check(all) {
            self.ask(id);
        }
    }

    fn distrust(&mut self, target: &Target, now: Instant, chance: f64) {
        if let Some(group) = self.groups.get_mut(target) {
            group.distrusted = true;
            self.timers.at(now + DISTRUST, Event::TrustAgain(target.clone()));
        }
        self.stop_sweeping(target, now, chance);
    }

    fn stop_sweeping(&mut self, target: &Target, now: Instant, chance: f64) {
        let Some(group) = self.groups.get_mut(target) else { return };
        group.sweep = None;
        let mut ids: Vec<_> =
            group.batches.values().flat_map(|batch| &batch.waits).copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.poll_later(id, now, chance);
        }
    }
}
