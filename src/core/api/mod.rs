//! The client: one method an operation, the same for extractions and classifications.
//!
//! Each method names its endpoint, its body and what a repetition would do; sending, retrying and
//! pacing are in `send` below, waiting for a batch in `poll`.

mod endpoints;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::config::{CallOptions, Config};
use super::error::{Error, Result};
use super::http::{Answer, Ask, Body, Endpoint, Http, Verb};
use super::limit::{Gate, Turn};
use super::line;
use super::model::{BatchAnswer, BatchKey, Kind, Target, UploadAnswer, describe};
use super::poll::{Checks, Watches, delivered};
use super::retry::{self, Repeat};
use super::stats::{Counters, Stats};
use super::upload::{Multipart, Progress, Upload};
use endpoints as at;

/// A client; clones share their connections, the gate and the counters.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    options: Arc<CallOptions>,
}

struct Shared {
    http: Http,
    gate: Arc<Gate>,
    max_connections: usize,
    watches: Watches,
    checks: Checks,
}

impl Client {
    /// Builds a client; nothing is sent.
    pub fn new(config: &Config) -> Result<Self> {
        let http = Http::new(config)?;
        let line = line::name(&config.api_key, http.base_url());
        let gate = Gate::in_line(config.min_poll_spacing, line, config.limiter.clone());
        Ok(Self {
            shared: Arc::new(Shared {
                http,
                gate: Arc::new(gate),
                max_connections: config.max_connections,
                watches: Watches::default(),
                checks: Checks::default(),
            }),
            options: Arc::new(config.options.clone()),
        })
    }

    /// The same client, whose requests are sent like this.
    #[must_use]
    pub fn with_options(&self, options: Arc<CallOptions>) -> Self {
        Self { shared: self.shared.clone(), options }
    }

    /// How its requests are sent.
    #[must_use]
    pub fn options(&self) -> &Arc<CallOptions> {
        &self.options
    }

    /// What it has counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.http.counters.read()
    }

    /// How many credits are left.
    pub async fn credits(&self) -> Result<i64> {
        let answer = self.send(at::CREDITS, None, Repeat::Harmless).await?;
        let credits = object(&answer)?.get("credits").and_then(|raw| raw.get().parse().ok());
        let credits: Value = credits.unwrap_or_default();
        #[allow(clippy::cast_possible_truncation)] // Checked: whole and far within i64.
        let whole =
            credits.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64);
        credits.as_i64().or(whole).ok_or_else(|| answer.wrong("`credits` is not a whole number"))
    }

    /// Creates a template; returns its id and the vendor's JSON.
    pub async fn create(&self, kind: Kind, details: &Value) -> Result<(String, Bytes)> {
        let body = json!({ kind.details_key(): details });
        let answer = self.send(at::create(kind), Some(&body), Repeat::OnlyIfRefused).await?;
        let id = id(&object(&answer)?, kind.id_key());
        let id = id.ok_or_else(|| answer.wrong(format!("no `{}`", kind.id_key())))?;
        Ok((id, answer.body))
    }

    /// Shows a template.
    pub async fn view(&self, target: &Target) -> Result<Bytes> {
        let body = json!({ target.kind.id_key(): target.id });
        let answer = self.send(at::view(target.kind), Some(&body), Repeat::Harmless).await?;
        object(&answer)?;
        Ok(answer.body)
    }

    /// Changes the given keys of a template.
    pub async fn update(&self, target: &Target, details: &Value) -> Result<Bytes> {
        let body = json!({
            target.kind.id_key(): target.id,
            target.kind.details_key(): details,
        });
        let answer = self.send(at::update(target.kind), Some(&body), Repeat::Harmless).await?;
        object(&answer)?;
        Ok(answer.body)
    }

    /// Deletes a template and all that belongs to it.
    pub async fn delete(&self, target: &Target) -> Result<()> {
        let body = json!({ target.kind.id_key(): target.id });
        self.delete_at(at::delete(target.kind), &body).await
    }

    /// Deletes a batch.
    pub async fn delete_batch(&self, key: &BatchKey) -> Result<()> {
        let Target { kind, id } = &key.target;
        let body = json!({ kind.id_key(): id, "batchId": key.batch_id });
        self.delete_at(at::delete_batch(*kind), &body).await
    }

    /// Deletes files of a batch: in one request where the API can, else one request a file.
    pub async fn delete_files(&self, key: &BatchKey, file_ids: &[String]) -> Result<()> {
        if file_ids.is_empty() || file_ids.iter().any(|id| id.trim().is_empty()) {
            // An empty fileId would delete the whole batch.
            return Err(Error::Input("file_ids must be file ids, at least one".to_owned()));
        }
        let Target { kind, id } = &key.target;
        let endpoint = at::delete_files(*kind);
        if *kind == Kind::Classification {
            let body = json!({ kind.id_key(): id, "batchId": key.batch_id, "fileIds": file_ids });
            return self.delete_at(endpoint, &body).await;
        }
        for file_id in file_ids {
            let body = json!({ kind.id_key(): id, "batchId": key.batch_id, "fileId": file_id });
            self.delete_at(endpoint, &body).await?;
        }
        Ok(())
    }

    /// Deletes. The answer may be empty; a page that something on the way answered is none.
    async fn delete_at(&self, endpoint: Endpoint, body: &Value) -> Result<()> {
        let answer = self.send(endpoint, Some(body), Repeat::Harmless).await?;
        if answer.body.is_empty() { Ok(()) } else { object(&answer).map(drop) }
    }

    /// Asks once for the results of a batch, or of one file of it.
    pub async fn results(&self, key: &BatchKey, file_id: Option<&str>) -> Result<BatchAnswer> {
        let body = results_body(key, file_id)?;
        let endpoint = at::results(key.target.kind);
        let answer = self.send(endpoint, Some(&body), Repeat::Harmless).await?;
        read_results(key, &answer)
    }

    /// The waits of this client.
    pub(crate) fn watches(&self) -> &Watches {
        &self.shared.watches
    }

    /// What single looks have shown.
    pub(crate) fn checks(&self) -> &Checks {
        &self.shared.checks
    }

    /// Whether another request would have to wait for a connection.
    pub(crate) fn is_full(&self) -> bool {
        self.shared.http.is_full()
    }

    /// How many requests may be under way at once.
    pub(crate) fn max_connections(&self) -> usize {
        self.shared.max_connections
    }

    /// The limiter of requests for results.
    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.shared.gate
    }

    /// Asks for the results with a single request: a failed poll is the waiter's to judge.
    pub(crate) async fn poll(&self, turn: Turn, key: &BatchKey) -> Result<BatchAnswer> {
        let body = results_body(key, None)?;
        let kind = key.target.kind;
        let endpoint = at::waiting(kind, at::results(kind));
        let answer = self.send_in_turn(turn, endpoint, &body, Counters::polled).await?;
        read_results(key, &answer)
    }

    /// Looks at a template with a single request, in the place of many for results.
    pub(crate) async fn sweep(&self, turn: Turn, target: &Target) -> Result<Bytes> {
        let body = json!({ target.kind.id_key(): target.id });
        let endpoint = at::waiting(target.kind, at::view(target.kind));
        Ok(self.send_in_turn(turn, endpoint, &body, Counters::swept).await?.body)
    }

    /// Uploads files as a new batch, or into an existing one. Starts paid work.
    pub async fn upload(
        &self,
        target: &Target,
        batch_id: Option<&str>,
        files: &[Upload],
        progress: Option<Progress>,
    ) -> Result<UploadAnswer> {
        if files.is_empty() {
            return Err(Error::Input("there are no files to upload".to_owned()));
        }
        if batch_id.is_some_and(|id| id.trim().is_empty()) {
            return Err(Error::Input("batch_id is empty; leave it out for a new batch".to_owned()));
        }
        let mut fields = vec![(target.kind.id_key(), target.id.as_str())];
        fields.extend(batch_id.map(|id| ("batchId", id)));
        let sent = self.send_files(at::upload(target.kind), &fields, files, progress).await;
        let outcome = sent.and_then(|answer| read_upload(target, &answer));
        if let Ok(answer) = &outcome {
            self.shared.http.counters.uploaded(files.len());
            self.shared.watches.uploaded(&answer.key, delivered::file_ids(&answer.json));
            self.shared.checks.forget(&answer.key);
        }
        match outcome {
            Err(error) if !retry::surely_refused(&error) => {
                Err(outcome_unknown(target, batch_id, files, error).await)
            }
            outcome => outcome,
        }
    }

    async fn send_files(
        &self,
        endpoint: Endpoint,
        fields: &[(&str, &str)],
        files: &[Upload],
        progress: Option<Progress>,
    ) -> Result<Answer> {
        let mut attempt = 1;
        loop {
            let body = Multipart::new(fields, files, progress.clone());
            let touched = body.activity();
            let error = match self.send_once(endpoint, attempt, Body::Multipart(body)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !self.pause(&error, Repeat::OnlyIfRefused, attempt).await {
                return Err(error);
            }
            if touched.started() {
                for file in files {
                    if !file.rewind().await? {
                        return Err(error);
                    }
                }
            }
            attempt += 1;
        }
    }

    async fn send(
        &self,
        endpoint: Endpoint,
        body: Option<&Value>,
        repeat: Repeat,
    ) -> Result<Answer> {
        let body = body.map(|body| Bytes::from(body.to_string()));
        let mut attempt = 1;
        let mut perhaps_done = false;
        loop {
            let body = body.clone().map_or(Body::Empty, Body::Json);
            match self.send_once(endpoint, attempt, body).await {
                // The attempt whose answer was lost has deleted it.
                Err(Error::Status { status: 404, call, .. })
                    if perhaps_done && endpoint.verb == Verb::Delete =>
                {
                    return Ok(self.shared.http.answer(call, 404, Bytes::new()));
                }
                Err(error) if self.pause(&error, repeat, attempt).await => {
                    perhaps_done |= !retry::surely_refused(&error);
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// A connection is only taken when the turn has come, and the turn is only used up when there
    /// is a connection: requests for results that waited for one must not go out in a row.
    async fn send_once(&self, endpoint: Endpoint, attempt: u32, body: Body) -> Result<Answer> {
        let Shared { http, gate, .. } = &*self.shared;
        let ask = Ask { endpoint, attempt, options: &self.options };
        if !at::is_results(endpoint) {
            return http.send(http.place(ask).await?, ask, body).await;
        }
        let turn = gate.turn().await;
        let place = http.place(ask).await?;
        turn.run(http.send(place, ask, body)).await
    }

    async fn send_in_turn(
        &self,
        turn: Turn,
        endpoint: Endpoint,
        body: &Value,
        count: fn(&Counters),
    ) -> Result<Answer> {
        let http = &self.shared.http;
        let ask = Ask { endpoint, attempt: 1, options: &self.options };
        let place = http.place(ask).await?;
        count(&http.counters);
        turn.run(http.send(place, ask, Body::Json(body.to_string().into()))).await
    }

    /// Waits before the next attempt; `false` where there shall be none.
    async fn pause(&self, error: &Error, repeat: Repeat, attempt: u32) -> bool {
        if attempt > self.options.max_retries {
            return false;
        }
        let Some(delay) = retry::delay(error, repeat, attempt - 1, fastrand::f64()) else {
            return false;
        };
        log::info!(
            target: "extracta_rs",
            "{error}; trying again in {:.1} s (retry {} of {})",
            delay.as_secs_f64(), attempt, self.options.max_retries
        );
        sleep(delay).await;
        self.shared.http.counters.retried();
        true
    }
}

fn results_body(key: &BatchKey, file_id: Option<&str>) -> Result<Value> {
    let Target { kind, id } = &key.target;
    let mut body = json!({ kind.id_key(): id, "batchId": key.batch_id });
    if let Some(file_id) = file_id {
        if file_id.trim().is_empty() {
            return Err(Error::Input("file_id is empty; leave it out for all files".to_owned()));
        }
        body["fileId"] = file_id.into();
    }
    Ok(body)
}

fn read_results(key: &BatchKey, answer: &Answer) -> Result<BatchAnswer> {
    BatchAnswer::parse(key.clone(), answer.body.clone()).map_err(|reason| answer.wrong(reason))
}

fn read_upload(target: &Target, answer: &Answer) -> Result<UploadAnswer> {
    let batch_id = id(&object(answer)?, "batchId");
    let batch_id = batch_id.ok_or_else(|| answer.wrong("no `batchId`"))?;
    let key = BatchKey::new(target.clone(), &*batch_id)?;
    log::info!(target: "extracta_rs", "uploaded to {target}: batch {batch_id}");
    Ok(UploadAnswer { key, json: answer.body.clone() })
}

/// What is told of an upload that may have been carried out.
pub(crate) async fn outcome_unknown(
    target: &Target,
    batch_id: Option<&str>,
    files: &[Upload],
    cause: Error,
) -> Error {
    let mut sha256 = Vec::with_capacity(files.len());
    for file in files {
        sha256.push(file.sha256().await);
    }
    Error::UploadOutcomeUnknown {
        target: target.clone(),
        batch_id: batch_id.map(str::to_owned),
        file_names: files.iter().map(|file| file.name().to_owned()).collect(),
        sha256,
        cause: Box::new(cause),
    }
}

/// The values of an object by their keys, each unread: a value of a shape that Rust cannot hold
/// (deep nesting, half an emoji) must not spoil the rest of the answer.
fn object(answer: &Answer) -> Result<HashMap<String, &RawValue>> {
    serde_json::from_slice(&answer.body).map_err(|error| answer.wrong(describe(&error)))
}

fn id(object: &HashMap<String, &RawValue>, key: &str) -> Option<String> {
    serde_json::from_str(object.get(key)?.get()).ok().filter(|id: &String| !id.trim().is_empty())
}
