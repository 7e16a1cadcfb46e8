//! What goes wrong with a server, in words that say what to do. Nothing here tells a password: the
//! driver's errors hold none, and the details of the server's (values of rows) are left out.

use std::error::Error as _;
use std::fmt::Write as _;
use std::time::Duration;

use ::postgres::Error as Driver;
use ::postgres::error::SqlState;

use super::address::Address;
use crate::core::error::Error;
use crate::core::journal::place::failed;

/// How long a server is tried to be reached that is restarted, or takes no more connections; no
/// longer than a lease, after which a run must not upload anyway.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// The same where a journal is opened: a wrong address is more likely then.
pub(super) const SHORT_PATIENCE: Duration = Duration::from_secs(3);

const PASSWORD: &str =
    "give the user's password in PGPASSWORD or a password file (PGPASSFILE, ~/.pgpass)";

#[derive(Debug)]
pub(super) enum Trouble {
    Sql(Driver),
    Unreadable(&'static str),
    Refused(String),
}

impl From<Driver> for Trouble {
    fn from(error: Driver) -> Self {
        Self::Sql(error)
    }
}

pub(super) fn done<T>(outcome: Result<T, Driver>) -> Result<(), Trouble> {
    outcome.map(drop).map_err(Trouble::Sql)
}

impl Trouble {
    /// Whether the same step may succeed soon.
    pub(super) fn passes(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        match error.code() {
            Some(code) => {
                is_about_connection(code)
                    || *code == SqlState::T_R_DEADLOCK_DETECTED
                    || *code == SqlState::T_R_SERIALIZATION_FAILURE
                    || *code == SqlState::LOCK_NOT_AVAILABLE
                    || *code == SqlState::TOO_MANY_CONNECTIONS
            }
            // No answer of the server: the connection broke or could not be made. Not so for what
            // can only be mended: an address, a certificate, a password.
            None => error.is_closed() || cause(error).is_some_and(is_passing),
        }
    }

    pub(super) fn explained(&self, address: &Address) -> Error {
        let reason = match self {
            Self::Refused(reason) => reason.clone(),
            Self::Unreadable(what) => {
                format!("its tables hold no {what} that this release knows: upgrade extracta_rs")
            }
            Self::Sql(error) => reason(error),
        };
        failed(address.shown(), &reason)
    }
}

fn is_about_connection(code: &SqlState) -> bool {
    code.code().starts_with("08") || code.code().starts_with("57P") || code.code() == "25P03"
}

fn cause(error: &Driver) -> Option<&std::io::Error> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return Some(io);
        }
        source = inner.source();
    }
    None
}

fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as Kind;
    // A server's socket is not there while it restarts.
    matches!(
        error.kind(),
        Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::UnexpectedEof
            | Kind::TimedOut
            | Kind::NotFound
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
    )
}

/// The error with what it came from.
pub(super) fn told(error: &Driver) -> String {
    if let Some(answer) = error.as_db_error() {
        return answer.message().to_owned();
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            let _ = write!(text, ": {inner_text}");
        }
        source = inner.source();
    }
    text
}

fn reason(error: &Driver) -> String {
    let text = told(error);
    let Some(code) = error.code() else {
        return if text.contains("password missing") {
            format!("the server asks for a password: {PASSWORD}")
        } else {
            unreachable(&text)
        };
    };
    let advice = match code.code() {
        "28P01" | "28000" => PASSWORD,
        "3D000" => "create the database first",
        "42501" => "the user must own the tables named extracta_*, or have all rights on them",
        "25006" => "the server is a read-only copy: name the primary",
        "53100" => {
            "the server's disk is full; nothing was written by halves. Make room, then go on"
        }
        "42P01" | "42703" => "its tables were changed or removed: take another database",
        "XX001" | "XX002" => {
            "the server's files are damaged: keep them, and restore a backup that \
                              is not older than the last upload"
        }
        _ if is_about_connection(code) => return unreachable(&text),
        _ => return text,
    };
    format!("{text}: {advice}")
}

fn unreachable(text: &str) -> String {
    let advice = if text.contains("certificate") {
        "its certificate is always verified: name the authority with sslrootcert=FILE, or take \
         sslmode=disable where the network is trusted"
    } else {
        "no step was kept by halves. See that the server runs and can be reached, then go on with \
         the same journal"
    };
    format!("the server cannot be reached ({text}): {advice}")
}
