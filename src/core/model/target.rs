//! Names: the two kinds of resource, one resource, one batch of it, and the token of a batch.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::core::error::{Error, Result};

/// The two kinds of resource; their endpoints are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Fields are extracted from documents.
    Extraction,
    /// Documents are told apart by their type.
    Classification,
}

impl Kind {
    /// The kind in a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Extraction => "extraction",
            Self::Classification => "classification",
        }
    }

    /// The JSON key of a resource's id.
    #[must_use]
    pub fn id_key(self) -> &'static str {
        match self {
            Self::Extraction => "extractionId",
            Self::Classification => "classificationId",
        }
    }

    /// The JSON key of a resource's template.
    #[must_use]
    pub fn details_key(self) -> &'static str {
        match self {
            Self::Extraction => "extractionDetails",
            Self::Classification => "classificationDetails",
        }
    }
}

/// One extraction or classification.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Its kind.
    pub kind: Kind,
    /// Its id: opaque, may begin with `-`.
    pub id: String,
}

impl Target {
    /// Names a resource.
    pub fn new(kind: Kind, id: impl Into<String>) -> Result<Self> {
        let id = id.into();
        require(kind.id_key(), &id)?;
        Ok(Self { kind, id })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.id)
    }
}

/// One batch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BatchKey {
    /// What the batch belongs to.
    pub target: Target,
    /// Its id.
    pub batch_id: String,
}

/// The token's form; the version lets later releases read old tokens.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    v: u32,
    kind: Kind,
    id: String,
    batch_id: String,
}

const TOKEN_VERSION: u32 = 1;

impl BatchKey {
    /// Names a batch.
    pub fn new(target: Target, batch_id: impl Into<String>) -> Result<Self> {
        let batch_id = batch_id.into();
        require("batchId", &batch_id)?;
        Ok(Self { target, batch_id })
    }

    /// The batch as a short JSON text without secrets, for [`BatchKey::from_token`].
    #[must_use]
    pub fn token(&self) -> String {
        serde_json::json!(Token {
            v: TOKEN_VERSION,
            kind: self.target.kind,
            id: self.target.id.clone(),
            batch_id: self.batch_id.clone(),
        })
        .to_string()
    }

    /// Reads what [`BatchKey::token`] wrote, in this or another process.
    pub fn from_token(token: &str) -> Result<Self> {
        let parsed: Token = serde_json::from_str(token)
            .map_err(|error| Error::Input(format!("not the token of a batch: {error}")))?;
        if parsed.v != TOKEN_VERSION {
            let text = format!(
                "the token has version {}, this release reads {TOKEN_VERSION}: upgrade extracta_rs",
                parsed.v
            );
            return Err(Error::Input(text));
        }
        Self::new(Target::new(parsed.kind, parsed.id)?, parsed.batch_id)
    }
}

fn require(what: &str, id: &str) -> Result<()> {
    if id.trim().is_empty() {
        return Err(Error::Input(format!("{what} is empty: pass the id that the service gave")));
    }
    Ok(())
}
