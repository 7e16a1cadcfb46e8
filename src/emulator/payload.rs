//! Reads a request's body: JSON whole, multipart as a stream. Whatever is sent, only bounded
//! pieces of it stay in memory; a body that is refused is read to its end all the same, so that
//! the client sees the refusal and not a broken connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use multer::{Field, Multipart};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::disposition::{self, Disposition};
use super::record::Part;
use super::refusal::{Refusal, refusal};

const MOST_JSON: usize = 10 << 20;
const MOST_RECORDED: usize = 64 << 10;
const MOST_CONTENT: usize = 1 << 20;
const MOST_CONTENT_AT_ONCE: usize = 256 << 20;
const MOST_TEXT: usize = 4 << 10;
const MOST_PARTS: usize = 10_000;
/// What the multipart parser may hold while it looks for a boundary or the end of the headers.
const MOST_UNPARSED: usize = 4 << 20;

/// The client's connection broke; nobody is there to answer.
#[derive(Debug)]
pub(super) struct Broken;

#[derive(Debug)]
pub(super) struct Received<T> {
    pub(super) payload: Result<T, Refusal>,
    pub(super) body: Bytes,
    pub(super) parts: Vec<Part>,
}

/// The fields of a multipart upload.
#[derive(Debug, Default)]
pub(super) struct Upload {
    pub(super) fields: Map<String, Value>,
    pub(super) files: Vec<NewFile>,
}

#[derive(Clone, Debug)]
pub(super) struct NewFile {
    pub(super) name: String,
    pub(super) content: Arc<Content>,
}

/// How much file content is in memory.
pub(super) type Budget = AtomicUsize;

/// The beginning of a file; it gives its share of the budget back when it goes.
#[derive(Debug)]
pub(super) struct Content {
    bytes: Vec<u8>,
    budget: Arc<Budget>,
}

impl Content {
    fn new(budget: &Arc<Budget>) -> Self {
        Self { bytes: Vec::new(), budget: Arc::clone(budget) }
    }

    fn keep(&mut self, chunk: &[u8]) {
        let length = chunk.len().min(MOST_CONTENT - self.bytes.len());
        let reserved = self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            Some(used + length).filter(|used| *used <= MOST_CONTENT_AT_ONCE)
        });
        if reserved.is_ok() {
            self.bytes.extend_from_slice(&chunk[..length]);
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.budget.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// Reads a body that should be a JSON object.
pub(super) async fn read_json(body: &mut Incoming) -> Result<Received<Map<String, Value>>, Broken> {
    let mut text = Vec::new();
    let mut overlong = false;
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|_| Broken)?.into_data() {
            overlong |= text.len() + data.len() > MOST_JSON;
            if !overlong {
                text.extend_from_slice(&data);
            }
        }
    }
    let payload = if overlong {
        refusal(413, "The body is larger than 10 MB")
    } else {
        match serde_json::from_slice(&text) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => refusal(400, "The body must be a JSON object"),
            Err(error) => refusal(400, format!("The body is not JSON: {error}")),
        }
    };
    text.truncate(MOST_RECORDED);
    text.shrink_to_fit();
    Ok(Received { payload, body: text.into(), parts: Vec::new() })
}

/// Reads a multipart body; the files' beginnings are kept where `budget` is given.
pub(super) async fn read_upload(
    headers: &HeaderMap,
    body: &mut Incoming,
    budget: Option<&Arc<Budget>>,
) -> Result<Received<Upload>, Broken> {
    let mut received =
        Received { payload: Ok(Upload::default()), body: Bytes::new(), parts: Vec::new() };
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match multer::parse_boundary(content_type.unwrap_or_default()) {
        Ok(boundary) => read_parts(body, boundary, budget, &mut received).await?,
        Err(_) => received.payload = refusal(400, "The body must be multipart/form-data"),
    }
    while let Some(frame) = body.frame().await {
        frame.map_err(|_| Broken)?;
    }
    Ok(received)
}

async fn read_parts(
    body: &mut Incoming,
    boundary: String,
    budget: Option<&Arc<Budget>>,
    received: &mut Received<Upload>,
) -> Result<(), Broken> {
    let unparsed = AtomicUsize::new(0);
    let chunks = body.into_data_stream().map_err(|_| Failure::Broken).and_then(|chunk| {
        let held = unparsed.fetch_add(chunk.len(), Ordering::Relaxed);
        let fits = held == 0 || held + chunk.len() <= MOST_UNPARSED;
        std::future::ready(if fits { Ok(chunk) } else { Err(Failure::Overlong) })
    });
    let mut multipart = Multipart::new(chunks, boundary);
    loop {
        let part = match multipart.next_field().await {
            Ok(None) => return Ok(()),
            Ok(Some(_)) if received.parts.len() == MOST_PARTS => {
                received.payload = refusal(413, "The body has more than 10,000 parts");
                return Ok(());
            }
            Ok(Some(field)) => read_part(field, &unparsed, budget, received).await,
            Err(error) => Err(error),
        };
        if let Err(error) = part {
            received.payload = refused_multipart(&error)?;
            return Ok(());
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the connection broke")]
    Broken,
    #[error("a part's head is longer than 4 MB")]
    Overlong,
}

fn refused_multipart<T>(error: &multer::Error) -> Result<Result<T, Refusal>, Broken> {
    if let multer::Error::StreamReadFailed(cause) = error {
        return match cause.downcast_ref::<Failure>() {
            Some(Failure::Overlong) => Ok(refusal(400, "Bad multipart body: overlong part head")),
            Some(Failure::Broken) | None => Err(Broken),
        };
    }
    Ok(refusal(400, format!("Bad multipart body: {error}")))
}

async fn read_part(
    mut field: Field<'_>,
    unparsed: &AtomicUsize,
    budget: Option<&Arc<Budget>>,
    received: &mut Received<Upload>,
) -> Result<(), multer::Error> {
    let (found, mut part) = part_head(field.headers());
    let is_file = found.name.as_deref() == Some("files");
    let mut text = Vec::new();
    let mut content = budget.filter(|_| is_file).map(Content::new);
    let mut hash = Sha256::new();
    unparsed.store(0, Ordering::Relaxed);
    while let Some(chunk) = field.chunk().await? {
        unparsed.store(0, Ordering::Relaxed);
        hash.update(&chunk);
        part.size += chunk.len() as u64;
        if let Some(content) = &mut content {
            content.keep(&chunk);
        } else if !is_file {
            text.extend_from_slice(&chunk[..chunk.len().min(MOST_TEXT - text.len())]);
        }
    }
    unparsed.store(0, Ordering::Relaxed);
    if let Ok(upload) = &mut received.payload {
        let text = String::from_utf8_lossy(&text).into_owned();
        let content = content.unwrap_or_else(|| Content::new(&Arc::default()));
        let added = upload.add(&found, text, content);
        if let Err(refused) = added {
            received.payload = Err(refused);
        }
    }
    part.sha256 = hex(&hash.finalize());
    received.parts.push(part);
    Ok(())
}

fn part_head(headers: &HeaderMap) -> (Disposition, Part) {
    let header = |name| headers.get(name).map_or(&[][..], HeaderValue::as_bytes);
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let found = disposition::parse(header(CONTENT_DISPOSITION));
    let content_type = Some(header(CONTENT_TYPE)).filter(|value| !value.is_empty());
    let part = Part {
        name: found.name.clone(),
        file_name: found.file_name.clone(),
        content_type: content_type.map(text),
        size: 0,
        sha256: String::new(),
        content_disposition: text(header(CONTENT_DISPOSITION)),
    };
    (found, part)
}

impl Upload {
    fn add(&mut self, found: &Disposition, text: String, content: Content) -> Result<(), Refusal> {
        match (found.name.as_deref(), &found.file_name) {
            (Some("files"), Some(name)) if !name.is_empty() => {
                self.files.push(NewFile { name: name.clone(), content: Arc::new(content) });
            }
            (Some("files"), _) => return refusal(400, "A part 'files' has no file name"),
            (Some(key @ ("extractionId" | "classificationId" | "batchId")), _) => {
                self.fields.insert(key.to_owned(), Value::String(text));
            }
            _ => {}
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
