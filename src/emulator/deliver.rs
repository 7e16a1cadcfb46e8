//! Announces finished batches by signed webhooks: a few at a time, each repeated when it fails,
//! every attempt recorded. What a receiver does can only fail its own delivery.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::core::javascript::{SyntaxError, stringify};
use crate::core::webhook::sign;

use super::lock;
use super::record::{Delivery, Log};
use super::shared::Shared;

const AT_ONCE: usize = 32;
const ATTEMPTS: u32 = 4;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const SIGNATURE_HEADER: &str = "x-webhook-signature";

/// Where announcements go.
pub(super) struct Target {
    uri: Uri,
    address: (String, u16),
    gate: Semaphore,
}

impl Target {
    pub(super) fn new(url: &str, secret: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_| format!("{url:?} is not a URL"))?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("http"));
        let Some(host) = host else { return Err("webhook_url must begin with http://".to_owned()) };
        sign(b"[]", secret.as_bytes()).map_err(|error| format!("webhook_secret: {error}"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let address = (host, uri.port_u16().unwrap_or(80));
        Ok(Self { uri, address, gate: Semaphore::new(AT_ONCE) })
    }

    async fn post(&self, body: Bytes, signature: &str) -> Result<u16, String> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let host = self.uri.authority().map_or("", |authority| authority.as_str());
        let request = Request::post(path)
            .header(HOST, host)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "extracta-emulator")
            .header(SIGNATURE_HEADER, signature)
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let (host, port) = &self.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await;
        let stream = TokioIo::new(stream.map_err(|error| error.to_string())?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
            .await
            .map_err(|error| error.to_string())?;
        // It ends once `sender` is gone.
        tokio::spawn(connection);
        let response = sender.send_request(request).await;
        Ok(response.map_err(|error| error.to_string())?.status().as_u16())
    }
}

/// The attempts, and who waits for them.
#[derive(Default)]
pub(super) struct Outbox {
    log: Mutex<(Log<Delivery>, bool)>,
    changed: Condvar,
}

impl Outbox {
    fn push(&self, delivery: Delivery) {
        lock(&self.log).0.push(delivery);
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        lock(&self.log).1 = true;
        self.changed.notify_all();
    }

    /// Whether the emulator was stopped.
    pub(super) fn is_closed(&self) -> bool {
        lock(&self.log).1
    }

    pub(super) fn to_vec(&self) -> Vec<Delivery> {
        lock(&self.log).0.to_vec()
    }

    pub(super) fn wait_for(&self, count: usize, limit: Duration) -> bool {
        let began = Instant::now();
        let mut log = lock(&self.log);
        loop {
            let left = limit.saturating_sub(began.elapsed());
            if log.0.total() >= count || log.1 || left.is_zero() {
                return log.0.total() >= count;
            }
            let woken = self.changed.wait_timeout(log, left);
            log = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Delivers the announcement of a finished batch, if there is anybody to announce it to.
pub(super) async fn announce(shared: &Arc<Shared>, batch_id: &str) {
    let Some(target) = &shared.target else { return };
    let Ok(_permit) = target.gate.acquire().await else { return };
    let Some((event, files)) = shared.state().announcement(batch_id) else { return };
    let named = (!shared.settings.legacy_webhook).then_some(event.as_str());
    let Ok(body) = body(named, &files) else { return };
    let Ok(signature) = sign(&body, shared.settings.webhook_secret.as_bytes()) else { return };
    let mut backoff = FIRST_BACKOFF;
    for attempt in 1..=ATTEMPTS {
        let answer = match timeout(ANSWER_LIMIT, target.post(body.clone(), &signature)).await {
            Ok(answer) => answer,
            Err(_) => Err("no answer within 10 seconds".to_owned()),
        };
        shared.outbox.push(Delivery {
            time: shared.now(),
            url: target.uri.to_string(),
            event: event.clone(),
            batch_id: batch_id.to_owned(),
            attempt,
            status: answer.as_ref().ok().copied(),
            error: answer.as_ref().err().cloned(),
            body: body.clone(),
            signature: signature.clone(),
        });
        if answer.is_ok_and(|status| (200..300).contains(&status)) || attempt == ATTEMPTS {
            return;
        }
        sleep(backoff).await;
        backoff *= 2;
    }
}

/// The body as Node would write it, so that the bytes of `result` are those that are signed.
fn body(event: Option<&str>, files: &[Value]) -> Result<Bytes, SyntaxError> {
    let body = match event {
        Some(event) => json!({"event": event, "result": files}),
        None => json!({"result": files}),
    };
    stringify(body.to_string().as_bytes()).map(Bytes::from)
}
