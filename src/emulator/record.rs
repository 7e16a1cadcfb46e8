//! What came in and what went out, kept for the tests that ask. The memory it takes is bounded:
//! beyond the limits the oldest entries are forgotten.

use std::collections::VecDeque;

use bytes::Bytes;

const MOST_ENTRIES: usize = 200_000;
const MOST_BYTES: usize = 256 << 20;

/// A request as it came in.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// The HTTP method.
    pub method: String,
    /// The path below the base URL (`/getBatchResults`), or the whole path of a request elsewhere.
    pub path: String,
    /// The endpoint's name as faults use it (`getBatchResults`), or None for an unknown route.
    pub endpoint: Option<&'static str>,
    /// When the request's head had arrived: seconds since the emulator's start, monotonic.
    pub time: f64,
    /// The same as seconds since 1970.
    pub unix_time: f64,
    /// The status of the answer; None while there is none and where the connection was cut.
    pub status: Option<u16>,
    /// The headers in their order, `authorization` among them.
    pub headers: Vec<(String, String)>,
    /// The first 64 KiB of the body; empty for a multipart body, see `parts`.
    pub body: Bytes,
    /// The parts of a multipart body.
    pub parts: Vec<Part>,
    /// The extraction that the request named or created.
    pub extraction_id: Option<String>,
    /// The classification that the request named or created.
    pub classification_id: Option<String>,
    /// The batch that the request named or created.
    pub batch_id: Option<String>,
    /// The files that the request named or created.
    pub file_ids: Vec<String>,
    /// Whether the request took effect; false for a refused one and for one a fault kept back.
    pub carried_out: bool,
}

/// One part of a multipart body.
#[derive(Clone, Debug)]
pub struct Part {
    /// The form field's name.
    pub name: Option<String>,
    /// The file name, decoded.
    pub file_name: Option<String>,
    /// The part's `Content-Type`.
    pub content_type: Option<String>,
    /// The content's size in bytes.
    pub size: u64,
    /// The content's SHA-256, hexadecimal.
    pub sha256: String,
    /// The part's `Content-Disposition` as it was sent.
    pub content_disposition: String,
}

/// One attempt to deliver a webhook.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// When the attempt ended: seconds since the emulator's start, monotonic.
    pub time: f64,
    /// The URL that was called.
    pub url: String,
    /// The event, also where the legacy generation does not send it.
    pub event: String,
    /// The batch that was finished.
    pub batch_id: String,
    /// 1 for the first attempt; a failed one is repeated up to three times.
    pub attempt: u32,
    /// The receiver's status, where it answered.
    pub status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<String>,
    /// The body that was sent.
    pub body: Bytes,
    /// The `x-webhook-signature` that was sent.
    pub signature: String,
}

pub(super) trait Weigh {
    /// Roughly the bytes of memory it takes.
    fn weight(&self) -> usize;
}

impl Weigh for Recorded {
    fn weight(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(k, v)| k.len() + v.len() + 48).sum();
        let parts: usize = self
            .parts
            .iter()
            .map(|part| part.content_disposition.len() * 3 + part.sha256.len() + 200)
            .sum();
        size_of::<Self>() + headers + parts + self.body.len() + self.file_ids.len() * 48
    }
}

impl Weigh for Delivery {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.body.len() + self.url.len() + 100
    }
}

#[derive(Debug)]
pub(super) struct Log<T> {
    items: VecDeque<T>,
    forgotten: usize,
    weight: usize,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), forgotten: 0, weight: 0 }
    }
}

impl<T: Weigh + Clone> Log<T> {
    /// Adds an entry and returns its number, which stays valid when older ones are forgotten.
    pub(super) fn push(&mut self, item: T) -> usize {
        self.weight += item.weight();
        self.items.push_back(item);
        self.trim();
        self.total() - 1
    }

    pub(super) fn update(&mut self, number: usize, change: impl FnOnce(&mut T)) {
        let place = number.checked_sub(self.forgotten);
        if let Some(item) = place.and_then(|place| self.items.get_mut(place)) {
            self.weight = self.weight.saturating_sub(item.weight());
            change(item);
            self.weight += item.weight();
        }
        self.trim();
    }

    /// How many entries there ever were.
    pub(super) fn total(&self) -> usize {
        self.forgotten + self.items.len()
    }

    pub(super) fn to_vec(&self) -> Vec<T> {
        self.items.iter().cloned().collect()
    }

    /// The entries from a number on, and the number of the first of them.
    pub(super) fn from(&self, number: usize) -> (usize, Vec<T>) {
        let skipped = number.saturating_sub(self.forgotten).min(self.items.len());
        (self.forgotten + skipped, self.items.iter().skip(skipped).cloned().collect())
    }

    fn trim(&mut self) {
        while self.items.len() > MOST_ENTRIES || (self.weight > MOST_BYTES && self.items.len() > 1)
        {
            if let Some(oldest) = self.items.pop_front() {
                self.weight = self.weight.saturating_sub(oldest.weight());
                self.forgotten += 1;
            }
        }
    }
}
