//! Where a journal is: a file, or a database that a URL names.

use std::path::Path;

use crate::core::error::Error;

/// The URL, where it is one of `PostgreSQL`: told by its scheme.
pub(super) fn url(place: &Path) -> Option<&str> {
    let text = place.to_str()?;
    let schemes = ["postgresql://", "postgres://"];
    schemes.iter().any(|scheme| text.starts_with(scheme)).then_some(text)
}

/// The URL as it may be shown: without what is or may be a password.
pub(super) fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return String::new() };
    let (whole, query) = rest.split_once('?').map_or((rest, ""), |(whole, query)| (whole, query));
    let named = match whole.rsplit_once('@') {
        Some((user, host)) => format!("{}@{host}", user.split(':').next().unwrap_or_default()),
        None => whole.to_owned(),
    };
    let harmless: Vec<_> = query
        .split('&')
        .filter(|option| {
            let name = option.split('=').next().unwrap_or_default();
            !(option.is_empty() || name.contains("password") || name.contains('%'))
        })
        .collect();
    let mark = if harmless.is_empty() { "" } else { "?" };
    format!("{scheme}://{named}{mark}{}", harmless.join("&"))
}

pub(super) fn failed(place: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::Journal { path: place.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_password_is_never_shown() {
        for (url, told) in [
            ("postgresql://me:secret@db/x", "postgresql://me@db/x"),
            ("postgres://me@db", "postgres://me@db"),
            ("postgresql://me:se@cret@db:1/x?a=b", "postgresql://me@db:1/x?a=b"),
            ("postgresql://me:se/cret@db/x", "postgresql://me@db/x"),
            ("postgresql:///x?password=secret&host=/run", "postgresql:///x?host=/run"),
            ("postgresql://db/x?host=/run&password=secret", "postgresql://db/x?host=/run"),
            ("postgresql://db/x?p%61ssword=secret&sslpassword=secret", "postgresql://db/x"),
        ] {
            assert_eq!(shown(url), told);
        }
    }
}
