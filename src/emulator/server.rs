//! Connections, and the way of one request: record it, read it, let a fault strike, carry it out,
//! answer. The order matters: a request is in the record from its head on, whatever happens then.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::answer::{AnswerBody, CutOff, error_body, respond};
use super::endpoint::{self, Action, Endpoint, Kind};
use super::faults::{Cut, Fault};
use super::lifecycle::Announce;
use super::lock;
use super::payload::{self, Broken, Received};
use super::record::Recorded;
use super::refusal::{Refusal, refusal};
use super::routes::{self, Payload, Reply};
use super::shared::{Shared, unix_time};

type Answered = Result<Response<AnswerBody<Announce>>, CutOff>;

const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(20);

pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, Arc::clone(&shared)));
            }
            // Too many open files: those that are open will close.
            Err(_) => sleep(AFTER_FAILED_ACCEPT).await,
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // Without it a dripping body comes in lumps; that it fails is no reason to refuse anybody.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
    // An error is the client's leaving or a fault that was ordered; the record has it.
    let _ = http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Answered {
    let (head, mut body) = request.into_parts();
    let endpoint = endpoint::find(head.method.as_str(), head.uri.path());
    let number = arrived(&shared, &head.method, head.uri.path(), &head.headers, endpoint);
    let received = read(&shared, &head.headers, &mut body, endpoint).await.map_err(|_| CutOff)?;
    let record = |change: &mut dyn FnMut(&mut Recorded)| {
        lock(&shared.requests).update(number, |recorded| change(recorded));
    };
    let Received { payload, body, parts } = received;
    record(&mut |recorded| {
        recorded.body = body.clone();
        recorded.parts.clone_from(&parts);
        if let (Ok(payload), Some(endpoint)) = (&payload, endpoint) {
            note(recorded, endpoint.kind, payload.fields());
        }
    });
    let named = payload.as_ref().ok().and_then(|payload| payload.fields().get("batchId"));
    let fault = shared.faults.take(endpoint.map(|e| e.name), named.and_then(Value::as_str));
    let mut outcome = Ok(Value::Null.into());
    if fault.as_ref().is_none_or(Fault::carries_out) {
        outcome = dispatch(&shared, &head.headers, endpoint, payload).await;
        record(&mut |recorded| {
            recorded.carried_out = outcome.is_ok();
            if let (Ok(Reply { body: Value::Object(body), .. }), Some(e)) = (&outcome, endpoint) {
                note_made(recorded, e, body);
            }
        });
    }
    let (status, response) = faulty(outcome, fault).await?;
    record(&mut |recorded| recorded.status = Some(status));
    Ok(response)
}

fn arrived(
    shared: &Shared,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    endpoint: Option<&'static Endpoint>,
) -> usize {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    lock(&shared.requests).push(Recorded {
        method: method.to_string(),
        path: endpoint::below_base(path).unwrap_or(path).to_owned(),
        endpoint: endpoint.map(|endpoint| endpoint.name),
        time: shared.now(),
        unix_time: unix_time(),
        headers: headers.iter().map(|(k, v)| (k.to_string(), text(v.as_bytes()))).collect(),
        ..Recorded::default()
    })
}

async fn read(
    shared: &Shared,
    headers: &HeaderMap,
    body: &mut Incoming,
    endpoint: Option<&Endpoint>,
) -> Result<Received<Payload>, Broken> {
    let Some(Endpoint { action: Action::Upload, kind, .. }) = endpoint else {
        let Received { mut payload, body, parts } = payload::read_json(body).await?;
        if endpoint.is_some_and(|endpoint| endpoint.action == Action::Credits) {
            payload = Ok(Map::new());
        }
        return Ok(Received { payload: payload.map(Payload::Json), body, parts });
    };
    let source = shared.settings.results.as_ref();
    let keeps =
        source.is_some_and(|source| source.reads_content()) || *kind == Kind::Classification;
    let budget = keeps.then_some(&shared.budget);
    let Received { payload, body, parts } = payload::read_upload(headers, body, budget).await?;
    Ok(Received { payload: payload.map(Payload::Upload), body, parts })
}

async fn dispatch(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    endpoint: Option<&Endpoint>,
    payload: Result<Payload, Refusal>,
) -> Result<Reply, Refusal> {
    let Some(endpoint) = endpoint else { return refusal(404, "No such endpoint") };
    let given = headers.get(AUTHORIZATION).map(hyper::header::HeaderValue::as_bytes);
    let key = given.and_then(|value| value.strip_prefix(b"Bearer "));
    if key != Some(shared.settings.api_key.as_bytes()) {
        return refusal(401, "The API key is missing or wrong");
    }
    routes::carry_out(shared, endpoint, payload?).await
}

/// Builds the answer, or ends the connection, as the fault says.
async fn faulty(
    outcome: Result<Reply, Refusal>,
    fault: Option<Fault>,
) -> Result<(u16, Response<AnswerBody<Announce>>), CutOff> {
    let (mut status, mut body, announce) = match outcome {
        Ok(Reply { body, announce }) => (200, body, announce),
        Err(Refusal { status, message }) => (status, error_body(&message), Announce::default()),
    };
    if let Some(fault) = &fault {
        sleep(fault.delay).await;
        if matches!(fault.cut, Some(Cut::Before | Cut::After)) {
            return Err(CutOff);
        }
        if let Some(ordered) = fault.status {
            status = ordered;
        }
        if (fault.status.is_some() && status >= 400) || !fault.carries_out() {
            body = error_body(&format!("The emulator was told to answer {status}"));
        }
    }
    Ok((status, respond(status, &body, fault.as_ref(), announce)))
}

fn text(fields: &Map<String, Value>, key: &str) -> Option<String> {
    fields.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// Records the ids that a request names.
fn note(recorded: &mut Recorded, kind: Kind, fields: &Map<String, Value>) {
    let id = text(fields, kind.id_key());
    match kind {
        Kind::Extraction => recorded.extraction_id = id,
        Kind::Classification => recorded.classification_id = id,
    }
    recorded.batch_id = text(fields, "batchId");
    let list = fields.get("fileIds").and_then(Value::as_array).into_iter().flatten();
    let ids = fields.get("fileId").into_iter().chain(list);
    recorded.file_ids = ids.filter_map(Value::as_str).map(str::to_owned).collect();
}

/// Records the ids that a request made.
fn note_made(recorded: &mut Recorded, endpoint: &Endpoint, body: &Map<String, Value>) {
    match endpoint.action {
        Action::Create => note(recorded, endpoint.kind, body),
        Action::Upload => {
            note(recorded, endpoint.kind, body);
            let files = body.get("files").and_then(Value::as_array).into_iter().flatten();
            let ids = files.filter_map(|file| file.get("fileId")?.as_str());
            recorded.file_ids = ids.map(str::to_owned).collect();
        }
        _ => {}
    }
}
