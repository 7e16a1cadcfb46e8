//! Carries requests out: what each endpoint demands, does and answers. Both kinds of template
//! take the same way; `Kind` has the words in which they differ.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::endpoint::{Action, Endpoint, Kind};
use super::lifecycle::{Announce, Poll};
use super::payload::Upload;
use super::refusal::{Refusal, refusal};
use super::shared::{Shared, unix_millis};
use super::template;

type Object = Map<String, Value>;

/// More uploads to a batch than this, while one request waits for its results, are not awaited.
const MOST_RESTARTS: usize = 16;

pub(super) enum Payload {
    Json(Object),
    Upload(Upload),
}

impl Payload {
    pub(super) fn fields(&self) -> &Object {
        match self {
            Self::Json(fields) => fields,
            Self::Upload(upload) => &upload.fields,
        }
    }
}

/// A successful answer.
pub(super) struct Reply {
    pub(super) body: Value,
    pub(super) announce: Announce,
}

impl From<Value> for Reply {
    fn from(body: Value) -> Self {
        Self { body, announce: Announce::default() }
    }
}

pub(super) async fn carry_out(
    shared: &Arc<Shared>,
    endpoint: &Endpoint,
    payload: Payload,
) -> Result<Reply, Refusal> {
    let kind = endpoint.kind;
    let fields = payload.fields();
    match endpoint.action {
        Action::Create => create(shared, kind, fields),
        Action::View => view(shared, kind, fields),
        Action::Update => update(shared, kind, fields),
        Action::Delete => delete(shared, kind, fields),
        Action::DeleteBatch => delete_batch(shared, kind, fields),
        Action::DeleteFiles => delete_files(shared, kind, fields),
        Action::Results => results(shared, kind, fields).await,
        Action::Credits => {
            Ok(json!({"status": "success", "credits": shared.state().credits}).into())
        }
        Action::Upload => match payload {
            Payload::Upload(upload) => receive(shared, kind, upload),
            Payload::Json(_) => refusal(400, "The body must be multipart/form-data"),
        },
    }
}

fn optional<'a>(fields: &'a Object, key: &str) -> Result<Option<&'a str>, Refusal> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => refusal(400, format!("{key} must be a string that is not empty")),
    }
}

fn required<'a>(fields: &'a Object, key: &str) -> Result<&'a str, Refusal> {
    optional(fields, key)?.map_or_else(|| refusal(400, format!("{key} is required")), Ok)
}

fn details(kind: Kind, fields: &Object, partial: bool) -> Result<&Object, Refusal> {
    let key = kind.details_key();
    match fields.get(key) {
        Some(Value::Object(details)) => {
            template::check(kind, details, partial)?;
            Ok(details)
        }
        None => refusal(400, format!("{key} is required")),
        Some(_) => refusal(400, format!("{key} must be an object")),
    }
}

fn create(shared: &Shared, kind: Kind, fields: &Object) -> Result<Reply, Refusal> {
    let details = details(kind, fields, false)?;
    let id = shared.state().create(kind, details.clone());
    Ok(json!({"status": "created", "createdAt": unix_millis(), kind.id_key(): id}).into())
}

fn view(shared: &Arc<Shared>, kind: Kind, fields: &Object) -> Result<Reply, Refusal> {
    let id = required(fields, kind.id_key())?;
    let mut state = shared.state();
    let template = state.template(kind, id)?;
    let mut details = Value::clone(&template.details);
    let batch_ids = template.batches.clone();
    if kind == Kind::Classification {
        let status = "success";
        return Ok(
            json!({"status": status, "classificationId": id, "classificationDetails": details})
                .into(),
        );
    }
    let mut batches = Object::new();
    for batch_id in batch_ids.into_iter().filter(|_| shared.settings.show_batches) {
        let Some(batch) = state.batches.get_mut(&batch_id) else { continue };
        let (status, last) = batch.status(&shared.settings);
        if last {
            shared.announce_when_due(batch_id.clone());
        }
        batches.insert(batch_id, json!({"status": status}));
    }
    if let (Some(details), false) = (details.as_object_mut(), batches.is_empty()) {
        details.insert("batches".to_owned(), Value::Object(batches));
    }
    Ok(json!({"extractionId": id, "extractionDetails": details}).into())
}

fn update(shared: &Shared, kind: Kind, fields: &Object) -> Result<Reply, Refusal> {
    let id = required(fields, kind.id_key())?;
    let changes = details(kind, fields, true)?.clone();
    let mut state = shared.state();
    let template = state.template(kind, id)?;
    if let Some(details) = Arc::make_mut(&mut template.details).as_object_mut() {
        details.extend(changes);
    }
    Ok(json!({"status": "updated", kind.id_key(): id, "updatedAt": unix_millis()}).into())
}

fn deleted(what: &str) -> Reply {
    json!({"status": "deleted", "message": format!("The {what} was deleted")}).into()
}

/// One endpoint deletes an extraction, a batch of it or a file of that; a classification has an
/// endpoint for each.
fn delete(shared: &Shared, kind: Kind, fields: &Object) -> Result<Reply, Refusal> {
    let id = required(fields, kind.id_key())?;
    if kind == Kind::Classification {
        shared.state().delete(kind, id)?;
        return Ok(deleted(kind.word()));
    }
    match (optional(fields, "batchId")?, optional(fields, "fileId")?) {
        (None, None) => {
            shared.state().delete(kind, id)?;
            Ok(deleted(kind.word()))
        }
        (Some(batch_id), None) => {
            shared.state().delete_batch(kind, id, batch_id)?;
            Ok(deleted("batch"))
        }
        (Some(batch_id), Some(file_id)) => {
            shared.state().delete_files(kind, id, batch_id, &[file_id])?;
            Ok(deleted("file"))
        }
        (None, Some(_)) => refusal(400, "batchId is required with fileId"),
    }
}

fn delete_batch(shared: &Shared, kind: Kind, fields: &Object) -> Result<Reply, Refusal> {
    let id = required(fields, kind.id_key())?;
    shared.state().delete_batch(kind, id, required(fields, "batchId")?)?;
    Ok(deleted("batch"))
}

fn delete_files(shared: &Shared, kind: Kind, fields: &Object) -> Result<Reply, Refusal> {
    let id = required(fields, kind.id_key())?;
    let batch_id = required(fields, "batchId")?;
    let ids = fields.get("fileIds").and_then(Value::as_array).filter(|ids| !ids.is_empty());
    let ids: Option<Vec<&str>> = ids.and_then(|ids| ids.iter().map(Value::as_str).collect());
    let Some(ids) = ids else {
        return refusal(400, "fileIds must be a list of strings that is not empty");
    };
    let all = shared.state().delete_files(kind, id, batch_id, &ids)?;
    let message = "The files were deleted";
    Ok(json!({"status": "deleted", "message": message, "deleteAll": all}).into())
}

fn receive(shared: &Arc<Shared>, kind: Kind, upload: Upload) -> Result<Reply, Refusal> {
    let Upload { fields, files } = upload;
    let id = required(&fields, kind.id_key())?;
    let batch_id = optional(&fields, "batchId")?;
    if files.is_empty() {
        return refusal(400, "files is required");
    }
    let (batch_id, files) = shared.state().upload(kind, id, batch_id, files)?;
    let body =
        json!({"status": "uploaded", kind.id_key(): id, "batchId": batch_id, "files": files});
    Ok(Reply { body, announce: Announce(Some((Arc::clone(shared), batch_id))) })
}

async fn results(shared: &Arc<Shared>, kind: Kind, fields: &Object) -> Result<Reply, Refusal> {
    let id = required(fields, kind.id_key())?;
    let batch_id = required(fields, "batchId")?;
    let file_id = optional(fields, "fileId")?;
    for _ in 0..MOST_RESTARTS {
        let poll = shared.state().batch(kind, id, batch_id)?.poll(&shared.settings, file_id)?;
        match poll {
            Poll::Due => shared.finish(batch_id).await,
            Poll::Waiting { last } => {
                let announce = last.then(|| (Arc::clone(shared), batch_id.to_owned()));
                return Ok(Reply { announce: Announce(announce), ..waiting() });
            }
            Poll::Finished(files) => return Ok(finished(kind, id, batch_id, file_id, files)),
        }
    }
    Ok(waiting())
}

fn waiting() -> Reply {
    json!({"status": "waiting"}).into()
}

/// As documented, a classification's answer has a `status` at its top, an extraction's has none.
fn finished(
    kind: Kind,
    id: &str,
    batch_id: &str,
    file_id: Option<&str>,
    files: Vec<Value>,
) -> Reply {
    let mut body = Map::new();
    if kind == Kind::Classification {
        body.insert("status".to_owned(), json!("processed"));
    }
    body.insert(kind.id_key().to_owned(), json!(id));
    body.insert("batchId".to_owned(), json!(batch_id));
    if let Some(file_id) = file_id {
        body.insert("fileId".to_owned(), json!(file_id));
    }
    body.insert("files".to_owned(), Value::Array(files));
    Value::Object(body).into()
}
