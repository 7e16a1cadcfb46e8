//! The signed files of a webhook, as the results of the batches that they belong to. Pure.
//!
//! A delivery may hold only some of a batch's files (a second upload, one that a person edited):
//! it ends a wait only where every file that is known of the batch has been delivered.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::core::model::{BatchAnswer, BatchKey, Kind, Target};

/// The files of one batch by their ids, each as it was signed.
pub type Files = BTreeMap<String, Box<RawValue>>;

#[derive(Deserialize)]
struct Names {
    #[serde(rename = "extractionId")]
    extraction: Option<String>,
    #[serde(rename = "classificationId")]
    classification: Option<String>,
    #[serde(rename = "batchId")]
    batch: Option<String>,
    #[serde(rename = "fileId")]
    file: Option<String>,
}

/// The files of a signed message by their batches; those that name no batch are left out.
#[must_use]
pub fn by_batch(message: &[u8]) -> Vec<(BatchKey, Files)> {
    let files: Vec<&RawValue> = serde_json::from_slice(message).unwrap_or_default();
    let mut batches: Vec<(BatchKey, Files)> = Vec::new();
    for raw in files {
        let Some((key, file_id)) = named(raw) else { continue };
        let place = batches.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            batches.push((key, Files::new()));
            batches.len() - 1
        });
        batches[place].1.insert(file_id, raw.to_owned());
    }
    batches
}

fn named(raw: &RawValue) -> Option<(BatchKey, String)> {
    let names: Names = serde_json::from_str(raw.get()).ok()?;
    let (kind, id) = match (names.extraction, names.classification) {
        (Some(id), _) => (Kind::Extraction, id),
        (None, Some(id)) => (Kind::Classification, id),
        (None, None) => return None,
    };
    Some((BatchKey::new(Target::new(kind, id).ok()?, names.batch?).ok()?, names.file?))
}

#[derive(Deserialize)]
struct Answer {
    files: Option<Vec<FileName>>,
}

#[derive(Deserialize)]
struct FileName {
    #[serde(rename = "fileId")]
    file_id: Option<String>,
}

/// The ids of the files that an answer about a batch names.
#[must_use]
pub fn file_ids(json: &[u8]) -> Vec<String> {
    let answer: Option<Answer> = serde_json::from_slice(json).ok();
    let files = answer.and_then(|answer| answer.files).unwrap_or_default();
    files.into_iter().filter_map(|file| file.file_id).collect()
}

/// The delivered files as an answer about their batch, if they are all that are known of it and
/// final.
#[must_use]
pub fn answer(key: &BatchKey, known: &[String], delivered: &Files) -> Option<BatchAnswer> {
    if known.is_empty() || known.iter().any(|id| !delivered.contains_key(id)) {
        return None;
    }
    let Target { kind, id } = &key.target;
    // In the order of the upload, then what was delivered beside it.
    let others = delivered.keys().filter(|id| !known.contains(id));
    let files: Vec<_> = known.iter().chain(others).filter_map(|id| delivered.get(id)).collect();
    let mut json = serde_json::Map::new();
    json.insert(kind.id_key().to_owned(), id.as_str().into());
    json.insert("batchId".to_owned(), key.batch_id.as_str().into());
    let mut text = serde_json::Value::Object(json).to_string();
    text.pop();
    text.push_str(",\"files\":[");
    for (place, file) in files.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(file.get());
    }
    text.push_str("]}");
    BatchAnswer::parse(key.clone(), Bytes::from(text)).ok().filter(|answer| answer.finished)
}
