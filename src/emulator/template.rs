//! Checks extraction and classification details as the documentation describes them. Keys that it
//! does not name are let through.

use serde_json::{Map, Value};

use super::endpoint::Kind;
use super::refusal::{Refusal, refusal};

type Object = Map<String, Value>;

/// Checks details; of a `partial` one (an update) only the keys that are there.
pub(super) fn check(kind: Kind, details: &Object, partial: bool) -> Result<(), Refusal> {
    let root = kind.details_key();
    let required: &[&str] = match kind {
        Kind::Extraction => &["name", "language", "fields"],
        Kind::Classification => &["name", "documentTypes"],
    };
    if let Some(key) = required.iter().find(|key| !partial && !details.contains_key(**key)) {
        return refusal(400, format!("{root}.{key} is required"));
    }
    for (key, value) in details {
        let place = format!("{root}.{key}");
        match (kind, key.as_str()) {
            (_, "name") | (Kind::Extraction, "language") => text(&place, value)?,
            (_, "description") => optional_text(&place, value)?,
            (Kind::Extraction, "options") => options(&place, value)?,
            (Kind::Extraction, "fields") => fields(&place, value)?,
            (Kind::Classification, "documentTypes") => document_types(&place, value)?,
            _ => {}
        }
    }
    Ok(())
}

fn text(place: &str, value: &Value) -> Result<(), Refusal> {
    match value {
        Value::String(text) if !text.is_empty() => Ok(()),
        _ => refusal(400, format!("{place} must be a string that is not empty")),
    }
}

fn optional_text(place: &str, value: &Value) -> Result<(), Refusal> {
    if value.is_string() || value.is_null() {
        return Ok(());
    }
    refusal(400, format!("{place} must be a string"))
}

fn options(place: &str, value: &Value) -> Result<(), Refusal> {
    if value.is_object() || value.is_null() {
        return Ok(());
    }
    refusal(400, format!("{place} must be an object"))
}

fn objects<'a>(place: &str, value: &'a Value) -> Result<Vec<&'a Object>, Refusal> {
    let items = value.as_array().filter(|items| !items.is_empty());
    let objects = items.and_then(|items| items.iter().map(Value::as_object).collect());
    objects.map_or_else(
        || refusal(400, format!("{place} must be a list of objects that is not empty")),
        Ok,
    )
}

fn fields(place: &str, value: &Value) -> Result<(), Refusal> {
    for field in objects(place, value)? {
        text(&format!("{place}[].key"), field.get("key").unwrap_or(&Value::Null))?;
        shape(place, field)?;
    }
    Ok(())
}

fn shape(place: &str, field: &Object) -> Result<(), Refusal> {
    match field.get("type").map(Value::as_str) {
        None | Some(Some("string" | "object" | "array")) => {}
        _ => return refusal(400, format!("{place}[].type must be string, object or array")),
    }
    if let Some(properties) = field.get("properties") {
        fields(&format!("{place}[].properties"), properties)?;
    }
    match field.get("items") {
        None => Ok(()),
        Some(Value::Object(items)) => shape(&format!("{place}[].items"), items),
        Some(_) => refusal(400, format!("{place}[].items must be an object")),
    }
}

fn document_types(place: &str, value: &Value) -> Result<(), Refusal> {
    for kind in objects(place, value)? {
        text(&format!("{place}[].name"), kind.get("name").unwrap_or(&Value::Null))?;
        let words = kind.get("uniqueWords").unwrap_or(&Value::Null);
        let good = words.as_array().is_some_and(|words| words.iter().all(Value::is_string));
        if !good && !words.is_null() {
            return refusal(400, format!("{place}[].uniqueWords must be a list of strings"));
        }
        if let Some(linked) = kind.get("extractionId") {
            optional_text(&format!("{place}[].extractionId"), linked)?;
        }
    }
    Ok(())
}
