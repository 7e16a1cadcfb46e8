//! What a template's answer tells of its batches. Pure.
//!
//! Whether `viewExtraction` shows `batches` at all, and what a status there means, nobody has
//! documented: it is a hint which batch to ask for, never a result.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::core::model::says_final;

/// A batch as the listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<'a> {
    /// The batch's id.
    pub batch_id: Cow<'a, str>,
    /// Its status, where one is told.
    pub status: Option<Cow<'a, str>>,
}

impl Listed<'_> {
    /// Whether the batch is shown as one that nothing more will come of.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.status.as_deref().is_some_and(says_final)
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, rename = "extractionDetails", alias = "classificationDetails")]
    details: Option<&'a RawValue>,
    #[serde(borrow)]
    batches: Option<&'a RawValue>,
}

/// The batches that an answer to `view` shows; `None` where it shows none.
#[must_use]
pub fn listed(json: &[u8]) -> Option<Vec<Listed<'_>>> {
    let top: Answer<'_> = serde_json::from_slice(json).ok()?;
    let inner = top.details.and_then(|raw| serde_json::from_str::<Answer<'_>>(raw.get()).ok());
    let batches = inner.and_then(|inner| inner.batches).or(top.batches)?;
    let Entries(entries) = serde_json::from_str(batches.get()).ok()?;
    Some(entries)
}

struct Entries<'a>(Vec<Listed<'a>>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of batches")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = Vec::new();
                while let Some((Text(batch_id), Shape(status))) = map.next_entry()? {
                    entries.push(Listed { batch_id, status });
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The status in whatever a batch is shown as.
struct Shape<'a>(Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Shape<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Object<'a> {
            #[serde(borrow)]
            status: Option<Cow<'a, str>>,
        }
        let raw = <&RawValue>::deserialize(deserializer)?;
        let object = serde_json::from_str::<Object<'de>>(raw.get()).ok();
        Ok(Self(object.and_then(|object| object.status)))
    }
}
