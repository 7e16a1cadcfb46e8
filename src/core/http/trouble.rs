//! Why there was no answer, as reqwest tells it.

use super::Ask;
use crate::core::error::Error;

/// What broke, and whether the request may have arrived by then.
pub(super) fn broken(ask: Ask<'_>, error: &reqwest::Error) -> Error {
    let call = ask.endpoint.call();
    // An error of connecting (DNS, TCP, TLS, proxy) comes before the first byte of a request.
    let sent = !error.is_connect();
    if error.is_timeout() && !sent {
        let limit = ask.options.timeouts.connect;
        return Error::Timeout { call, missing: "connection", sent, limit };
    }
    let detail = if sent { root_cause(error) } else { unreached(error) };
    Error::Connection { call, sent, detail }
}

/// Why there is no connection, and to which host.
fn unreached(error: &reqwest::Error) -> String {
    let reason = root_cause(error);
    let advice = if reason.contains("UnknownIssuer") {
        "; where you trust this server, pass the certificate of its issuer as ca_bundle"
    } else {
        ""
    };
    match error.url().and_then(reqwest::Url::host_str) {
        Some(host) => format!("cannot connect to {host}: {reason}{advice}"),
        None => format!("{reason}{advice}"),
    }
}

/// The innermost cause: the outer ones repeat the URL and say less.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
