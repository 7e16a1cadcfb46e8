//! The fifteen endpoints: their paths, verbs and what each does. Extractions and classifications
//! differ in words only, which `Kind` knows; everything else handles both alike.

pub(super) const BASE: &str = "/api/v1";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Extraction,
    Classification,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Extraction => "extraction",
            Self::Classification => "classification",
        }
    }

    pub(super) fn id_key(self) -> &'static str {
        match self {
            Self::Extraction => "extractionId",
            Self::Classification => "classificationId",
        }
    }

    pub(super) fn details_key(self) -> &'static str {
        match self {
            Self::Extraction => "extractionDetails",
            Self::Classification => "classificationDetails",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    View,
    Update,
    Delete,
    DeleteBatch,
    DeleteFiles,
    Upload,
    Results,
    Credits,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    /// The path below the base URL, without its leading slash; faults are added under it.
    pub(super) name: &'static str,
    method: &'static str,
    pub(super) kind: Kind,
    pub(super) action: Action,
}

const fn endpoint(
    method: &'static str,
    name: &'static str,
    kind: Kind,
    action: Action,
) -> Endpoint {
    Endpoint { name, method, kind, action }
}

use Action::{Create, Credits, Delete, DeleteBatch, DeleteFiles, Results, Update, Upload, View};
use Kind::{Classification as C, Extraction as E};

static ENDPOINTS: [Endpoint; 15] = [
    endpoint("POST", "createExtraction", E, Create),
    endpoint("POST", "viewExtraction", E, View),
    endpoint("PATCH", "updateExtraction", E, Update),
    endpoint("DELETE", "deleteExtraction", E, Delete),
    endpoint("POST", "uploadFiles", E, Upload),
    endpoint("POST", "getBatchResults", E, Results),
    endpoint("GET", "credits", E, Credits),
    endpoint("POST", "documentClassification/createClassification", C, Create),
    endpoint("POST", "documentClassification/viewClassification", C, View),
    endpoint("PATCH", "documentClassification/updateClassification", C, Update),
    endpoint("DELETE", "documentClassification/deleteClassification", C, Delete),
    endpoint("DELETE", "documentClassification/deleteBatch", C, DeleteBatch),
    endpoint("DELETE", "documentClassification/deleteFiles", C, DeleteFiles),
    endpoint("POST", "documentClassification/uploadFiles", C, Upload),
    endpoint("POST", "documentClassification/getResults", C, Results),
];

/// The path below the base URL, or None for a path elsewhere.
pub(super) fn below_base(path: &str) -> Option<&str> {
    path.strip_prefix(BASE).filter(|rest| rest.starts_with('/'))
}

pub(super) fn find(method: &str, path: &str) -> Option<&'static Endpoint> {
    let name = below_base(path)?.strip_prefix('/')?;
    ENDPOINTS.iter().find(|endpoint| endpoint.name == name && endpoint.method == method)
}

pub(super) fn is_name(name: &str) -> bool {
    ENDPOINTS.iter().any(|endpoint| endpoint.name == name)
}
