//! The fifteen endpoints of the API: method and path, as the vendor documents them.

use crate::core::http::{Endpoint, Verb};
use crate::core::model::Kind;

const fn at(verb: Verb, path: &'static str) -> Endpoint {
    Endpoint { verb, path }
}

const fn of(
    kind: Kind,
    verb: Verb,
    extraction: &'static str,
    classification: &'static str,
) -> Endpoint {
    match kind {
        Kind::Extraction => at(verb, extraction),
        Kind::Classification => at(verb, classification),
    }
}

pub(super) const CREDITS: Endpoint = at(Verb::Get, "/credits");

pub(super) const fn create(kind: Kind) -> Endpoint {
    of(kind, Verb::Post, "/createExtraction", "/documentClassification/createClassification")
}

pub(super) const fn view(kind: Kind) -> Endpoint {
    of(kind, Verb::Post, "/viewExtraction", "/documentClassification/viewClassification")
}

pub(super) const fn update(kind: Kind) -> Endpoint {
    of(kind, Verb::Patch, "/updateExtraction", "/documentClassification/updateClassification")
}

pub(super) const fn delete(kind: Kind) -> Endpoint {
    of(kind, Verb::Delete, "/deleteExtraction", "/documentClassification/deleteClassification")
}

pub(super) const fn delete_batch(kind: Kind) -> Endpoint {
    of(kind, Verb::Delete, "/deleteExtraction", "/documentClassification/deleteBatch")
}

pub(super) const fn delete_files(kind: Kind) -> Endpoint {
    of(kind, Verb::Delete, "/deleteExtraction", "/documentClassification/deleteFiles")
}

pub(super) const fn upload(kind: Kind) -> Endpoint {
    of(kind, Verb::Post, "/uploadFiles", "/documentClassification/uploadFiles")
}

pub(super) const fn results(kind: Kind) -> Endpoint {
    of(kind, Verb::Post, "/getBatchResults", "/documentClassification/getResults")
}

/// Whether the endpoint is one that the vendor asks to call at most once in a while.
pub(super) fn is_results(endpoint: Endpoint) -> bool {
    [Kind::Extraction, Kind::Classification].iter().any(|kind| results(*kind).path == endpoint.path)
}
