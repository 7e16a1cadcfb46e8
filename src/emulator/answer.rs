//! The bodies of answers, whole or faulty: dripping, truncated, cut off in the middle.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Sleep, sleep};

use super::faults::{Cut, Fault};

/// Time for hyper to send what it has before the connection ends.
const BEFORE_CUT: Duration = Duration::from_millis(20);
const DRIPS: usize = 20;

/// Ends the connection.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut, as a fault orders or because the client went")]
pub(super) struct CutOff;

impl From<Infallible> for CutOff {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

pub(super) fn error_body(message: &str) -> Value {
    json!({"status": "error", "message": message})
}

/// Builds the answer; `sent` is dropped once it is sent or given up.
pub(super) fn respond<T>(
    status: u16,
    body: &Value,
    fault: Option<&Fault>,
    sent: T,
) -> Response<AnswerBody<T>> {
    let mut bytes = match fault.and_then(|fault| fault.body.clone()) {
        Some(bytes) => bytes,
        None => body.to_string().into(),
    };
    if fault.is_some_and(|fault| fault.malformed) {
        bytes.truncate(bytes.len() / 2);
    }
    let cut = fault.is_some_and(|fault| fault.cut == Some(Cut::Mid));
    let slow = fault.map_or(Duration::ZERO, |fault| fault.slow_body);
    let mut response = Response::new(AnswerBody::new(bytes, slow, cut, sent));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    if let Some(fault) = fault {
        let retry_after = fault.retry_after.iter().map(|value| (RETRY_AFTER.as_str(), value));
        let more = fault.headers.iter().map(|(name, value)| (name.as_str(), value));
        for (name, value) in retry_after.chain(more) {
            // `Faults::add` has refused what is no header.
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                headers.insert(name, value);
            }
        }
    }
    response
}

/// A body with its length announced; `_sent` goes with it.
#[derive(Debug)]
pub(super) struct AnswerBody<T> {
    chunks: VecDeque<Bytes>,
    announced: u64,
    pause: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    cut: bool,
    _sent: T,
}

impl<T> AnswerBody<T> {
    fn new(mut bytes: Bytes, slow: Duration, cut: bool, sent: T) -> Self {
        let announced = bytes.len() as u64;
        if cut {
            bytes.truncate(bytes.len() / 2);
        }
        let pieces = if slow.is_zero() { 1 } else { DRIPS };
        let step = bytes.len().div_ceil(pieces).max(1);
        let mut chunks = VecDeque::new();
        while !bytes.is_empty() {
            chunks.push_back(bytes.split_to(step.min(bytes.len())));
        }
        let pause = u32::try_from(chunks.len()).map_or(slow, |count| slow / count.max(1));
        let mut body = Self { chunks, announced, pause, sleep: None, cut, _sent: sent };
        body.rest();
        body
    }

    fn rest(&mut self) {
        let pause = if self.chunks.is_empty() {
            if self.cut { BEFORE_CUT } else { Duration::ZERO }
        } else {
            self.pause
        };
        self.sleep = (!pause.is_zero()).then(|| Box::pin(sleep(pause)));
    }
}

impl<T: Unpin> Body for AnswerBody<T> {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = self.get_mut();
        if let Some(sleep) = &mut this.sleep {
            std::task::ready!(sleep.as_mut().poll(context));
            this.sleep = None;
        }
        match this.chunks.pop_front() {
            Some(chunk) => {
                this.rest();
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            None if this.cut => Poll::Ready(Some(Err(CutOff))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty() && !self.cut
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}
