//! Faults to order: what goes wrong with the next calls of an endpoint. Here is decided which
//! fault strikes which request; `server` and `answer` carry it out.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};

use super::{endpoint, lock};

/// Where the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before the request is carried out; nothing is answered.
    Before,
    /// After the request was carried out; nothing is answered.
    After,
    /// Within the answer's body, after half of it.
    Mid,
}

/// What goes wrong; the parts can be combined.
#[derive(Clone, Debug, Default)]
pub struct Fault {
    /// The endpoint: its path below the base URL, such as `getBatchResults` or
    /// `documentClassification/getResults`; `*` for every request.
    pub endpoint: String,
    /// Only requests that name this batch.
    pub batch_id: Option<String>,
    /// How many requests are struck; None: all until `Faults::clear`. Zero counts as one.
    pub times: Option<u32>,
    /// The status of the answer, 200 to 599. With an error status the request is not carried out.
    pub status: Option<u16>,
    /// The answer's `Retry-After`: a number of seconds or an HTTP date.
    pub retry_after: Option<String>,
    /// More headers of the answer; they replace those of the same name.
    pub headers: Vec<(String, String)>,
    /// The body of the answer, instead of its JSON.
    pub body: Option<Bytes>,
    /// How long the answer is held back, after the request was carried out.
    pub delay: Duration,
    /// Where the connection is closed.
    pub cut: Option<Cut>,
    /// Whether the body ends in the middle, as if it were whole.
    pub malformed: bool,
    /// The time over which the body drips.
    pub slow_body: Duration,
    /// Whether the request is carried out, where that shall differ from what `status` implies: a
    /// gateway's 502 after the service did the work.
    pub carry_out: Option<bool>,
}

impl Fault {
    pub(super) fn carries_out(&self) -> bool {
        if self.cut == Some(Cut::Before) {
            return false;
        }
        self.carry_out.unwrap_or(self.status.is_none_or(|status| status < 400))
    }

    fn is_idle(&self) -> bool {
        self.status.is_none()
            && self.retry_after.is_none()
            && self.headers.is_empty()
            && self.body.is_none()
            && self.delay.is_zero()
            && self.cut.is_none()
            && !self.malformed
            && self.slow_body.is_zero()
    }

    fn check(&self) -> Result<(), String> {
        if self.endpoint != "*" && !endpoint::is_name(&self.endpoint) {
            return Err(format!("no endpoint is called {:?}", self.endpoint));
        }
        if self.status.is_some_and(|status| !(200..=599).contains(&status)) {
            return Err("status must be from 200 to 599".to_owned());
        }
        for (name, value) in &self.headers {
            let header = HeaderName::try_from(name).map_err(|_| format!("bad header {name:?}"))?;
            HeaderValue::try_from(value).map_err(|_| format!("bad value of header {name:?}"))?;
            if ["content-length", "transfer-encoding", "connection"].contains(&header.as_str()) {
                return Err(format!("header {name:?} cannot be replaced"));
            }
        }
        if self.retry_after.as_ref().is_some_and(|value| HeaderValue::try_from(value).is_err()) {
            return Err("bad value of retry_after".to_owned());
        }
        if self.carry_out == Some(false) && self.status.is_none() && self.cut.is_none() {
            return Err("a request that is not carried out needs a status or a cut".to_owned());
        }
        if self.is_idle() {
            return Err("the fault does nothing: give a status, a delay, a cut, ...".to_owned());
        }
        Ok(())
    }
}

/// The faults that are still to strike.
#[derive(Debug, Default)]
pub struct Faults {
    queue: Mutex<Vec<Fault>>,
}

impl Faults {
    /// Orders a fault. Of several that fit a request the one added first strikes, alone.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the fault.
    pub fn add(&self, mut fault: Fault) -> Result<(), String> {
        if fault.endpoint.starts_with('/') {
            fault.endpoint.remove(0);
        }
        fault.check()?;
        lock(&self.queue).push(fault);
        Ok(())
    }

    /// How many requests are still to be struck; an endless fault counts as one.
    pub fn pending(&self) -> usize {
        let count = |fault: &Fault| fault.times.map_or(1, |times| times.max(1) as usize);
        lock(&self.queue).iter().map(count).sum()
    }

    /// Forgets all faults.
    pub fn clear(&self) {
        lock(&self.queue).clear();
    }

    pub(super) fn take(&self, endpoint: Option<&str>, batch_id: Option<&str>) -> Option<Fault> {
        let mut queue = lock(&self.queue);
        let place = queue.iter().position(|fault| {
            (fault.endpoint == "*" || endpoint == Some(&fault.endpoint))
                && (fault.batch_id.is_none() || fault.batch_id.as_deref() == batch_id)
        })?;
        match &mut queue[place].times {
            Some(0 | 1) => return Some(queue.remove(place)),
            Some(times) => *times -= 1,
            None => {}
        }
        Some(queue[place].clone())
    }
}
