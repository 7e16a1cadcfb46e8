//! Which files the latest uploads of a client put into batches that nobody waits for (yet): they tell
//! whether a webhook brings all of them.

use std::collections::{HashMap, VecDeque};

use crate::core::model::BatchKey;

/// Of so many batches; the oldest are forgotten.
const REMEMBERED: usize = 1_000;

#[derive(Default)]
pub(super) struct Uploads {
    files: HashMap<BatchKey, Vec<String>>,
    order: VecDeque<BatchKey>,
}

impl Uploads {
    pub(super) fn remember(&mut self, key: &BatchKey, file_ids: Vec<String>) {
        if let Some(known) = self.files.get_mut(key) {
            known.extend(file_ids);
            return;
        }
        self.files.insert(key.clone(), file_ids);
        self.order.push_back(key.clone());
        while self.files.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.files.remove(&oldest);
        }
        // Most were waited for since.
        if self.order.len() > 2 * REMEMBERED {
            self.order.retain(|key| self.files.contains_key(key));
        }
    }

    /// The files of a batch that is waited for from now on.
    pub(super) fn take(&mut self, key: &BatchKey) -> Vec<String> {
        self.files.remove(key).unwrap_or_default()
    }
}
