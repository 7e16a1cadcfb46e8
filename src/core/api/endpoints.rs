//! The fifteen endpoints of the API: method and path, as the vendor documents them.

use crate::core::http::{Endpoint, Verb};
use crate::core::model::Kind;

const fn at(verb: Verb, path: &'static str, operation: &'static str) -> Endpoint {
    Endpoint { verb, path, operation }
}

/// The operation of either kind of resource.
macro_rules! of {
    ($kind:expr, $verb:ident, $extraction:literal, $classification:literal, $operation:literal) => {
        match $kind {
            Kind::Extraction => at(Verb::$verb, $extraction, concat!("extractions.", $operation)),
            Kind::Classification => {
                at(Verb::$verb, $classification, concat!("classifications.", $operation))
            }
        }
    };
}

pub(super) const CREDITS: Endpoint = at(Verb::Get, "/credits", "credits");

pub(super) const fn create(kind: Kind) -> Endpoint {
    of!(kind, Post, "/createExtraction", "/documentClassification/createClassification", "create")
}

pub(super) const fn view(kind: Kind) -> Endpoint {
    of!(kind, Post, "/viewExtraction", "/documentClassification/viewClassification", "view")
}

pub(super) const fn update(kind: Kind) -> Endpoint {
    of!(kind, Patch, "/updateExtraction", "/documentClassification/updateClassification", "update")
}

pub(super) const fn delete(kind: Kind) -> Endpoint {
    of!(kind, Delete, "/deleteExtraction", "/documentClassification/deleteClassification", "delete")
}

pub(super) const fn delete_batch(kind: Kind) -> Endpoint {
    of!(kind, Delete, "/deleteExtraction", "/documentClassification/deleteBatch", "delete_batch")
}

pub(super) const fn delete_files(kind: Kind) -> Endpoint {
    of!(kind, Delete, "/deleteExtraction", "/documentClassification/deleteFiles", "delete_files")
}

pub(super) const fn upload(kind: Kind) -> Endpoint {
    of!(kind, Post, "/uploadFiles", "/documentClassification/uploadFiles", "upload")
}

pub(super) const fn results(kind: Kind) -> Endpoint {
    of!(kind, Post, "/getBatchResults", "/documentClassification/getResults", "results")
}

/// The endpoint, for a wait.
pub(super) const fn waiting(kind: Kind, endpoint: Endpoint) -> Endpoint {
    let operation = match kind {
        Kind::Extraction => "extractions.wait",
        Kind::Classification => "classifications.wait",
    };
    Endpoint { operation, ..endpoint }
}

/// Whether the endpoint is one that the vendor asks to call at most once in a while.
pub(super) fn is_results(endpoint: Endpoint) -> bool {
    [Kind::Extraction, Kind::Classification].iter().any(|kind| results(*kind).path == endpoint.path)
}
