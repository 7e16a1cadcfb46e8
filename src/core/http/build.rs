//! From settings to a connection: addresses, certificates, proxies, headers. What is unusable is told
//! by the setting's name; nothing that may hold a password is repeated.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;

use super::authorities;
use super::link::Connecting;
use super::opening::Sparing;
use super::trouble::root_cause;
use crate::core::config::Config;
use crate::core::error::{Error, Result};
use crate::core::key::ApiKey;
use crate::core::observe::Server;
use crate::core::stats::Counters;

/// Below the 5 s after which a Node.js server closes an idle connection: a request that meets the
/// closing would leave its outcome unknown.
const IDLE: Duration = Duration::from_secs(4);
/// What the system takes at most is some 24 days.
#[cfg(any(target_os = "android", target_os = "linux"))]
const LONGEST_STALL: Duration = Duration::from_secs(24 * 60 * 60);
const PROXIES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// The client of reqwest's, and the address it is for.
pub(super) fn client(
    config: &Config,
    counters: &Arc<Counters>,
) -> Result<(reqwest::Client, Server)> {
    let (server, reach) = check_base_url(config)?;
    // Fails where a provider is installed already, which is just as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let connecting =
        Connecting { limit: config.options.timeouts.connect, counters: counters.clone() };
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connector_layer(connecting)
        .connector_layer(Sparing::default())
        .pool_max_idle_per_host(config.max_connections)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .user_agent(user_agent(config)?);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    {
        builder = builder.tcp_user_timeout(stall(config));
    }
    if let Some(proxy) = &config.proxy {
        builder = builder.proxy(parse_proxy("proxy", proxy)?);
    } else if reach.loopback {
        builder = builder.no_proxy();
    } else {
        check_environment(&reach)?;
    }
    let builder = trust(builder, config, &reach)?;
    let client = builder.build().map_err(|error| cannot_build(&error))?;
    Ok((client, server))
}

/// How long the system keeps what it shall send and the service does not read, also for an upload that
/// was given up: what was handed to the system is sent, or fails to be, before a connection ends.
#[cfg(any(target_os = "android", target_os = "linux"))]
fn stall(config: &Config) -> Duration {
    let timeouts = &config.options.timeouts;
    timeouts.write.unwrap_or(timeouts.total).min(LONGEST_STALL)
}

fn cannot_build(error: &reqwest::Error) -> Error {
    let reason = root_cause(error);
    if reason.contains("CA certificates") {
        let reason = "this system has no CA certificates: install its package ca-certificates, \
                      or pass ca_bundle (such as certifi.where())";
        return Error::Config { setting: "ca_bundle", reason: reason.to_owned() };
    }
    Error::Config { setting: "client", reason }
}

pub(super) fn cannot_use_base_url(reason: &str) -> Error {
    Error::Config { setting: "base_url", reason: reason.to_owned() }
}

/// Whom to trust: what OpenSSL's variables name instead of the system's store, and the bundle.
fn trust(
    builder: reqwest::ClientBuilder,
    config: &Config,
    reach: &Reach,
) -> Result<reqwest::ClientBuilder> {
    let bundle = config.ca_bundle.as_deref().map(read_certificates).transpose()?;
    if bundle.is_none() && !reach.encrypted && config.proxy.is_none() {
        // Nothing will be encrypted: the system's certificates are not even read.
        return Ok(builder.tls_certs_only([]));
    }
    let bundle = bundle.unwrap_or_default();
    Ok(match authorities::of_environment()? {
        Some(named) => builder.tls_certs_only(named.into_iter().chain(bundle)),
        None if bundle.is_empty() => builder,
        None => builder.tls_certs_merge(bundle),
    })
}

/// How far a base URL leads.
struct Reach {
    loopback: bool,
    encrypted: bool,
}

fn check_base_url(config: &Config) -> Result<(Server, Reach)> {
    let wrong = cannot_use_base_url;
    let url = reqwest::Url::parse(config.base_url.trim())
        .map_err(|error| wrong(&format!("is not a URL: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a user name or password; pass the key as api_key"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a query or fragment; give only scheme, host and path"));
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if loopback || config.allow_insecure_http => {}
        "http" => {
            return Err(wrong(
                "is plain http, which would show the API key to everyone on the way; use https, \
                 or allow_insecure_http=True where the network is your own",
            ));
        }
        _ => return Err(wrong("must begin with https://")),
    }
    let reach = Reach { loopback, encrypted: url.scheme() == "https" };
    let server = Server {
        base_url: url.as_str().trim_end_matches('/').to_owned(),
        host: host.to_owned(),
        port: url.port_or_known_default().unwrap_or_default(),
    };
    Ok((server, reach))
}

fn user_agent(config: &Config) -> Result<HeaderValue> {
    HeaderValue::try_from(config.user_agent.as_str()).map_err(|_| Error::Config {
        setting: "user_agent",
        reason: "has characters that a header cannot carry".to_owned(),
    })
}

fn parse_proxy(setting: &'static str, proxy: &str) -> Result<reqwest::Proxy> {
    // The error of the parser is not shown: it may repeat a password.
    let wrong = |()| Error::Config {
        setting,
        reason: "is not a proxy's URL, such as http://user:password@host:3128 or socks5h://host"
            .to_owned(),
    };
    let scheme = proxy.split_once("://").map_or("http", |(scheme, _)| scheme);
    if !PROXIES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        // A scheme that is not known there would be gone around without a word.
        return Err(wrong(()));
    }
    reqwest::Proxy::all(proxy).map_err(|_| wrong(()))
}

/// The proxy of the environment is used by reqwest, which goes around one that it cannot read.
fn check_environment(reach: &Reach) -> Result<()> {
    if !reach.encrypted && std::env::var_os("REQUEST_METHOD").is_some() {
        // Within CGI HTTP_PROXY is a header of whoever asks, and not used.
        return Ok(());
    }
    let own =
        if reach.encrypted { ["HTTPS_PROXY", "https_proxy"] } else { ["HTTP_PROXY", "http_proxy"] };
    let variables = own.into_iter().chain(["ALL_PROXY", "all_proxy"]);
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match variables.into_iter().find_map(|name| Some((name, set(name)?))) {
        Some((name, proxy)) => parse_proxy(name, &proxy).map(drop),
        None => Ok(()),
    }
}

fn read_certificates(path: &Path) -> Result<Vec<reqwest::Certificate>> {
    let wrong = |reason: String| Error::Config {
        setting: "ca_bundle",
        reason: format!("{}: {reason}", path.display()),
    };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem)
        .map_err(|error| wrong(format!("not PEM certificates: {}", root_cause(&error))))?;
    if certificates.is_empty() {
        return Err(wrong("holds no PEM certificate".to_owned()));
    }
    Ok(certificates)
}

pub(super) fn bearer(key: &ApiKey) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose())).map_err(|_| {
        Error::Config { setting: "api_key", reason: "cannot be sent in a header".to_owned() }
    })?;
    value.set_sensitive(true);
    Ok(value)
}
