//! What becomes of a file: its result, invented from the template so that equal seeds, names and
//! templates give equal results, or its failure. Templates come from clients, and lists within
//! lists multiply: a result's size is bounded.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::endpoint::Kind;
use super::shared::Shared;

const MOST_VALUES: usize = 10_000;
const MOST_BYTES: usize = 1 << 20;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Processed(Arc<Value>),
    Failed(String),
}

pub(super) fn outcome(
    shared: &Shared,
    kind: Kind,
    file_name: &str,
    content: &[u8],
    details: &Value,
) -> Outcome {
    if shared.fail_files.contains(file_name) {
        return Outcome::Failed("The file could not be processed".to_owned());
    }
    if let Some(source) = &shared.settings.results {
        match source.result(file_name, content, details) {
            Ok(Some(result)) => return Outcome::Processed(result),
            Ok(None) => {}
            Err(reason) => return Outcome::Failed(reason),
        }
    }
    let seed = shared.settings.seed;
    Outcome::Processed(Arc::new(match kind {
        Kind::Extraction => extraction(seed, file_name, details),
        Kind::Classification => classification(seed, file_name, content, details),
    }))
}

/// The extraction that the chosen document type is linked to.
pub(super) fn linked_extraction<'a>(details: &'a Value, result: &Value) -> Option<&'a str> {
    let chosen = result.get("documentType")?;
    let types = details.get("documentTypes")?.as_array()?;
    types.iter().find(|kind| kind.get("name") == Some(chosen))?.get("extractionId")?.as_str()
}

fn extraction(seed: u64, file_name: &str, details: &Value) -> Value {
    let mut sampler = Sampler { seed, file_name, values: MOST_VALUES, bytes: MOST_BYTES };
    sampler.object(details.get("fields"), "")
}

struct Sampler<'a> {
    seed: u64,
    file_name: &'a str,
    values: usize,
    bytes: usize,
}

impl Sampler<'_> {
    fn object(&mut self, fields: Option<&Value>, path: &str) -> Value {
        let mut result = Map::new();
        for field in fields.and_then(Value::as_array).into_iter().flatten() {
            let Some(key) = field.get("key").and_then(Value::as_str) else { continue };
            if self.values == 0 || self.bytes < key.len() {
                break;
            }
            self.bytes -= key.len();
            let value = self.value(field, key, &format!("{path}.{key}"));
            result.insert(key.to_owned(), value);
        }
        Value::Object(result)
    }

    fn value(&mut self, field: &Value, key: &str, path: &str) -> Value {
        self.values = self.values.saturating_sub(1);
        let example = field.get("example").filter(|example| !example.is_null());
        match (field.get("type").and_then(Value::as_str), example) {
            (Some("object"), Some(Value::Object(_))) | (Some("array"), Some(Value::Array(_))) => {
                self.example(example)
            }
            (Some("object"), _) => self.object(field.get("properties"), path),
            (Some("array"), _) => self.array(field.get("items"), key, path),
            (_, Some(Value::String(text))) if text.is_empty() => self.text(key, path),
            (_, Some(_)) => self.example(example),
            (_, None) => self.text(key, path),
        }
    }

    fn array(&mut self, items: Option<&Value>, key: &str, path: &str) -> Value {
        let length = 1 + rng(self.seed, &[self.file_name, path]).usize(..3);
        let mut result = Vec::new();
        while result.len() < length && self.values > 0 {
            let path = format!("{path}.{}", result.len());
            result.push(self.value(items.unwrap_or(&Value::Null), key, &path));
        }
        Value::Array(result)
    }

    fn text(&mut self, key: &str, path: &str) -> Value {
        let number = rng(self.seed, &[self.file_name, path]).u32(1000..10_000);
        self.spend(key.len() + 5, || json!(format!("{key} {number}")))
    }

    fn example(&mut self, example: Option<&Value>) -> Value {
        let size = example.map_or(0, |example| example.to_string().len());
        self.spend(size, || example.cloned().unwrap_or_default())
    }

    fn spend(&mut self, size: usize, make: impl FnOnce() -> Value) -> Value {
        match self.bytes.checked_sub(size) {
            Some(left) => {
                self.bytes = left;
                make()
            }
            None => json!(""),
        }
    }
}

fn classification(seed: u64, file_name: &str, content: &[u8], details: &Value) -> Value {
    let types = details.get("documentTypes").and_then(Value::as_array).map_or(&[][..], |t| t);
    let text = String::from_utf8_lossy(content).to_lowercase();
    let hits = |kind: &Value| {
        let words = kind.get("uniqueWords").and_then(Value::as_array).into_iter().flatten();
        words
            .filter_map(Value::as_str)
            .filter(|word| !word.is_empty() && text.contains(&word.to_lowercase()))
            .count()
    };
    let mut random = rng(seed, &[file_name, "documentType"]);
    // Of equally many hits the first type wins, as `max_by_key` would take the last.
    let found = types.iter().rev().map(|kind| (hits(kind), kind)).max_by_key(|(count, _)| *count);
    let chosen = match found {
        Some((1.., kind)) => Some(kind),
        _ => types.get(random.usize(..types.len().max(1))),
    };
    let confidence = f64::from(random.u32(80..100)) / 100.0;
    let name = chosen.and_then(|kind| kind.get("name")).cloned().unwrap_or_default();
    json!({"confidence": confidence, "documentType": name})
}

fn rng(seed: u64, words: &[&str]) -> fastrand::Rng {
    const PRIME: u64 = 0x0100_0000_01b3;
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for word in words {
        for byte in word.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }
    fastrand::Rng::with_seed(hash)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{classification, extraction};

    #[test]
    fn results_follow_the_template_the_seed_and_the_name() {
        let details = json!({"fields": [
            {"key": "number", "example": "12"}, {"key": "total"},
            {"key": "seller", "type": "object", "properties": [{"key": "name"}]},
            {"key": "lines", "type": "array", "items": {"type": "object", "properties": [
                {"key": "text", "example": "bread"}]}},
            {"key": "tags", "type": "array", "items": {"type": "string"}},
        ]});
        let result = extraction(1, "a.pdf", &details);
        assert_eq!(result["number"], "12");
        assert!(result["total"].as_str().unwrap().starts_with("total "));
        assert!(result["seller"]["name"].is_string());
        assert_eq!(result["lines"][0]["text"], "bread");
        assert!(result["tags"][0].is_string());
        assert_eq!(result, extraction(1, "a.pdf", &details));
        assert_ne!(result, extraction(2, "a.pdf", &details));
        assert_ne!(result, extraction(1, "b.pdf", &details));
    }

    #[test]
    fn lists_within_lists_stay_small() {
        let mut items = json!({"type": "string"});
        for _ in 0..40 {
            items = json!({"type": "array", "items": items});
        }
        let details = json!({"fields": [{"key": "k", "type": "array", "items": items}]});
        for seed in 0..20 {
            assert!(extraction(seed, "a", &details).to_string().len() < 1 << 20);
        }
    }

    #[test]
    fn unique_words_decide_the_document_type() {
        let details = json!({"documentTypes": [
            {"name": "resume", "uniqueWords": ["Education", "Skills"]},
            {"name": "invoice", "uniqueWords": ["Total due"]},
        ]});
        let kind = |content: &str| classification(0, "x", content.as_bytes(), &details);
        assert_eq!(kind("TOTAL DUE: 3")["documentType"], "invoice");
        assert_eq!(kind("skills, education, total due")["documentType"], "resume");
        assert!(kind("")["documentType"].is_string());
        assert!(classification(0, "x", b"", &json!({}))["documentType"].is_null());
    }
}
