//! The emulator's answers against `tests/vectors/answers.json`.

use std::collections::HashMap;

use extracta_rs::emulator::Settings;
use serde_json::{Value, json};

use super::{call, start, upload};

fn substituted(value: &Value, ids: &HashMap<String, String>) -> Value {
    match value {
        Value::String(text) => {
            let id = text.strip_prefix('$').and_then(|name| ids.get(name));
            json!(id.unwrap_or(text))
        }
        Value::Array(items) => items.iter().map(|item| substituted(item, ids)).collect(),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| (key.clone(), substituted(value, ids)));
            Value::Object(pairs.collect())
        }
        other => other.clone(),
    }
}

/// Checks a value against a documented shape; see the head of `answers.json`.
fn check(place: &str, shape: &Value, value: &Value, ids: &HashMap<String, String>) {
    match shape {
        Value::String(kind) => {
            if let Some(exact) = kind.strip_prefix('=') {
                return assert_eq!(&substituted(&json!(exact), ids), value, "{place}");
            }
            let found = match value {
                Value::String(_) => "string",
                Value::Number(_) => "number",
                Value::Bool(_) => "boolean",
                _ => "other",
            };
            assert_eq!(kind, found, "{place}");
        }
        Value::Array(items) => {
            let values = value.as_array().unwrap_or_else(|| panic!("{place}: no list"));
            assert!(!values.is_empty(), "{place}: empty");
            for value in values {
                check(&format!("{place}[]"), &items[0], value, ids);
            }
        }
        Value::Object(map) => {
            let values = value.as_object().unwrap_or_else(|| panic!("{place}: no object"));
            let mut known = Vec::new();
            for (key, shape) in map {
                let bare = substituted(&json!(key.trim_end_matches('?')), ids);
                let bare = bare.as_str().unwrap();
                known.push(bare.to_owned());
                match values.get(bare) {
                    Some(value) => check(&format!("{place}.{bare}"), shape, value, ids),
                    None => assert!(key.ends_with('?'), "{place}.{bare} is missing"),
                }
            }
            for key in values.keys() {
                assert!(known.contains(key), "{place}.{key} is not documented");
            }
        }
        _ => panic!("{place}: bad shape"),
    }
}

#[test]
fn every_endpoint_answers_as_documented() {
    let emulator = start(Settings { polls_until_finished: 1, ..Settings::default() });
    let script: Value = serde_json::from_str(include_str!("../../vectors/answers.json")).unwrap();
    let mut ids = HashMap::new();
    for entry in script["calls"].as_array().unwrap() {
        let endpoint = entry["endpoint"].as_str().unwrap();
        let answer = if let Some(parts) = entry["parts"].as_object() {
            let parts = substituted(&Value::Object(parts.clone()), &ids);
            let fields = parts.as_object().unwrap();
            let fields: Vec<_> =
                fields.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap())).collect();
            let names: Vec<_> =
                entry["files"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
            upload(&emulator, endpoint, &fields, &names)
        } else {
            let body = substituted(&entry["request"], &ids);
            call(&emulator, entry["method"].as_str().unwrap(), endpoint, &body)
        };
        let body = answer.json();
        assert_eq!(answer.status, 200, "{endpoint}: {body}");
        check(endpoint, &entry["answer"], &body, &ids);
        for (key, value) in body.as_object().unwrap() {
            if let (true, Some(id)) = (key.ends_with("Id"), value.as_str()) {
                ids.entry(key.clone()).insert_entry(id.to_owned());
            }
        }
        if let Some(id) = body["files"][0]["fileId"].as_str() {
            ids.insert("fileId".to_owned(), id.to_owned());
        }
    }
    assert!(emulator.requests().iter().all(|request| request.carried_out));
}
