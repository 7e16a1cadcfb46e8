//! Where the server is, and how it is talked to: a URL as libpq takes it, with what libpq reads
//! from the environment about passwords and encryption.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::postgres::config::{Host, SslMode, TargetSessionAttrs};
use ::postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::passfile;
use super::tls;
use super::trouble::Trouble;
use crate::core::error::Result;
use crate::core::journal::place::{failed, shown};

const LEASE: Duration = Duration::from_secs(30);
const LEASES: std::ops::RangeInclusive<u64> = 3..=3600;
/// The driver's default, which is no limit where a network falls silent.
const TOO_LONG: Duration = Duration::from_secs(2 * 60 * 60);
const SETTINGS: &str = "
    SET lock_timeout = '15s';
    SET statement_timeout = '120s';
    SET idle_in_transaction_session_timeout = '30s';
    SET client_min_messages = 'warning';
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off'";

pub(super) struct Address {
    shown: PathBuf,
    config: Config,
    tls: Option<MakeRustlsConnect>,
    lease: Duration,
}

/// What the driver does not know of, or calls by another name.
#[derive(Default)]
struct Own {
    lease: Option<String>,
    ssl_mode: Option<String>,
    authorities: Option<PathBuf>,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self> {
        let place = PathBuf::from(shown(url));
        Self::read(url, &place).map_err(|reason| failed(&place, &reason))
    }

    fn read(url: &str, place: &Path) -> std::result::Result<Self, String> {
        let (rest, own) = split(url);
        if rest.split(['/', '?']).nth(2).is_some_and(|whole| whole.matches('@').count() > 1) {
            return Err("write @ in a user or password as %40".to_owned());
        }
        // The driver's error may quote a part of the password.
        let mut config: Config = rest.parse().map_err(|_| {
            "no URL that can be read: postgresql://user@host:port/database, other characters \
             than letters and digits percent-encoded, and options that libpq knows"
                .to_owned()
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err("it names no host: postgresql://user@host/database, or \
                        ?host=/folder/of/the/socket"
                .to_owned());
        }
        let environment = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(mode) = own.ssl_mode.or_else(|| environment("PGSSLMODE")) {
            config.ssl_mode(ssl_mode(&mode)?);
        }
        let authorities =
            own.authorities.or_else(|| environment("PGSSLROOTCERT").map(PathBuf::from));
        let lease = own.lease.map_or(Ok(LEASE), |text| lease(&text))?;
        Self::complete(&mut config, lease);
        if config.get_password().is_none()
            && let Some(password) =
                environment("PGPASSWORD").or_else(|| passfile::password(&config))
        {
            config.password(password);
        }
        let only_sockets = config.get_hostaddrs().is_empty()
            && config.get_hosts().iter().all(|host| !matches!(host, Host::Tcp(_)));
        let plain = config.get_ssl_mode() == SslMode::Disable || only_sockets;
        let tls = if plain { None } else { Some(tls::connector(&config, authorities.as_deref())?) };
        Ok(Self { shown: place.to_owned(), config, tls, lease })
    }

    /// Nothing waits for ever for a network that fell silent.
    fn complete(config: &mut Config, lease: Duration) {
        if config.get_connect_timeout().is_none() {
            config.connect_timeout((lease / 3).min(Duration::from_secs(5)));
        }
        if config.get_keepalives_idle() == TOO_LONG {
            config.keepalives_idle(Duration::from_secs(10));
            config.keepalives_interval(Duration::from_secs(5)).keepalives_retries(3);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(30));
        }
        if config.get_application_name().is_none() {
            config.application_name("extracta_rs");
        }
        let several = config.get_hosts().len() > 1 || config.get_hostaddrs().len() > 1;
        if several && config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
    }

    /// The URL, without its password.
    pub(super) fn shown(&self) -> &Path {
        &self.shown
    }

    pub(super) fn lease(&self) -> Duration {
        self.lease
    }

    pub(super) fn connect(&self) -> std::result::Result<Client, Trouble> {
        let mut client = match &self.tls {
            Some(tls) => self.config.connect(tls.clone())?,
            None => self.config.connect(NoTls)?,
        };
        client.batch_execute(SETTINGS)?;
        Ok(client)
    }
}

/// Takes the options out of the URL that are not the driver's.
fn split(url: &str) -> (String, Own) {
    let mut own = Own::default();
    let Some((front, query)) = url.split_once('?') else { return (url.to_owned(), own) };
    let mut rest = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "lease" => own.lease = Some(value.to_owned()),
            "sslmode" => own.ssl_mode = Some(value.to_owned()),
            "sslrootcert" => own.authorities = Some(PathBuf::from(decoded(value))),
            _ => rest.push(option),
        }
    }
    let mark = if rest.is_empty() { "" } else { "?" };
    (format!("{front}{mark}{}", rest.join("&")), own)
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A certificate is always verified where there is one, with its name.
fn ssl_mode(name: &str) -> std::result::Result<SslMode, String> {
    match name {
        "disable" => Ok(SslMode::Disable),
        "allow" | "prefer" => Ok(SslMode::Prefer),
        "require" | "verify-ca" | "verify-full" => Ok(SslMode::Require),
        _ => Err("sslmode must be disable, prefer, require or verify-full".to_owned()),
    }
}

fn lease(text: &str) -> std::result::Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| LEASES.contains(seconds));
    let wrong = || format!("lease must be {} to {} seconds", LEASES.start(), LEASES.end());
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    fn wrong(url: &str) -> String {
        Address::parse(url).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_is_told_without_a_password() {
        for (url, reason) in [
            ("postgresql://me:secret@h/d?nonsense=secret", "no URL that can be read"),
            ("postgresql://me:se@cret@h/d", "%40"),
            ("postgresql://me:secret@h:secret/d", "no URL that can be read"),
            ("postgresql:///d?password=secret", "names no host"),
            ("postgresql://me:secret@h/d?lease=1", "3 to 3600 seconds"),
            ("postgresql://me:secret@h/d?sslmode=maybe", "sslmode must be"),
            ("postgresql://me:secret@h/d?sslrootcert=/none", "/none"),
        ] {
            let text = wrong(url);
            assert!(text.contains(reason), "{text}");
            let told = text.rsplit("reason").next().unwrap_or_default();
            assert!(!told.contains("me:secret"), "{text}");
        }
    }

    #[test]
    fn a_password_is_in_no_debug_output() {
        let address = Address::parse("postgresql://me:secret@h/d?sslmode=disable&lease=5");
        let text = format!("{:?}", address.ok());
        assert!(text.contains("me@h/d") && !text.contains("secret"), "{text}");
    }
}
