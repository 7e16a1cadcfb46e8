//! One request out, one bounded answer in. The only file that names reqwest.
//!
//! Never follows a redirect (the API key would go along), never reads more than a limit, and tells
//! of each failure whether the request may have reached the service.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER,
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout};

use super::config::{ApiKey, Config};
use super::error::{Call, Error, Result};
use super::opening::{Sparing, requesting};
use super::retry::parse_retry_after;
use super::upload::{Activity, Multipart};

/// The largest answer that is read, in bytes once decompressed.
pub(crate) const MAX_ANSWER: usize = 64 << 20;
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The most that is reserved for a body because its length was announced.
const MAX_TRUSTED: usize = 1 << 20;
const EXCERPT: usize = 2048;
/// The largest body that is looked into for an error's message.
const MAX_MESSAGE: usize = 1 << 20;
/// Below the 5 s after which a Node.js server closes an idle connection: a request that meets the
/// closing would leave its outcome unknown.
const IDLE: Duration = Duration::from_secs(4);

/// The HTTP methods that the API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
    Patch,
    Delete,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn method(self) -> reqwest::Method {
        match self {
            Self::Get => reqwest::Method::GET,
            Self::Post => reqwest::Method::POST,
            Self::Patch => reqwest::Method::PATCH,
            Self::Delete => reqwest::Method::DELETE,
        }
    }
}

/// An operation of the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endpoint {
    pub verb: Verb,
    pub path: &'static str,
}

impl Endpoint {
    pub(crate) fn call(self) -> Call {
        Call { method: self.verb.name(), path: self.path }
    }
}

/// What goes out with a request.
pub(crate) enum Body {
    Empty,
    Json(Bytes),
    Multipart(Multipart),
}

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub call: Call,
    pub status: u16,
    pub body: Bytes,
    api_key: ApiKey,
}

impl Answer {
    /// The error for an answer that is not what the API promises.
    pub(crate) fn wrong(&self, reason: impl Into<String>) -> Error {
        Error::Format {
            call: self.call,
            status: self.status,
            reason: reason.into(),
            body: self.excerpt(),
        }
    }

    /// The beginning of the body, without the key, which some services repeat when they refuse it.
    fn excerpt(&self) -> String {
        let whole = &self.body[..self.body.len().min(EXCERPT + self.api_key.expose().len())];
        match self.api_key.hidden_in(&String::from_utf8_lossy(whole)) {
            Some(hidden) => hidden.chars().take(EXCERPT).collect(),
            None => String::from_utf8_lossy(&whole[..whole.len().min(EXCERPT)]).into_owned(),
        }
    }

    fn message(&self) -> String {
        let message = message(self.status, &self.body);
        let message = self.api_key.hidden_in(&message).unwrap_or(message);
        message.chars().take(500).collect()
    }
}

/// The connection to the service.
pub(crate) struct Http {
    client: reqwest::Client,
    base_url: String,
    /// The addresses that were asked for, parsed.
    urls: Mutex<HashMap<&'static str, reqwest::Url>>,
    authorization: HeaderValue,
    timeout: Duration,
    connect_timeout: Duration,
    under_way: Arc<Semaphore>,
    api_key: ApiKey,
}

impl Http {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let (base_url, reach) = check_base_url(config)?;
        // Fails where a provider is installed already, which is just as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(config.connect_timeout)
            .pool_max_idle_per_host(config.max_connections)
            .pool_idle_timeout(IDLE)
            .connector_layer(Sparing::default())
            .tcp_nodelay(true)
            .user_agent(user_agent(config)?);
        if let Some(proxy) = &config.proxy {
            builder = builder.proxy(parse_proxy(proxy)?);
        } else if reach.loopback {
            builder = builder.no_proxy();
        }
        if let Some(path) = &config.ca_bundle {
            builder = builder.tls_certs_merge(read_certificates(path)?);
        } else if !reach.encrypted && config.proxy.is_none() {
            // Nothing will be encrypted: the system's certificates are not even read.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| cannot_build(&error))?;
        Ok(Self {
            client,
            base_url,
            urls: Mutex::default(),
            authorization: bearer(&config.api_key)?,
            timeout: config.timeout,
            connect_timeout: config.connect_timeout,
            api_key: config.api_key.clone(),
            under_way: Arc::new(Semaphore::new(
                config.max_connections.clamp(1, Semaphore::MAX_PERMITS),
            )),
        })
    }

    /// Waits until one more request may be under way.
    pub(crate) async fn place(&self) -> Result<SemaphorePermit<'_>> {
        self.under_way.acquire().await.map_err(|_| Error::Closed("the client is closed"))
    }

    /// Sends one request, once.
    pub(crate) async fn send(
        &self,
        _place: SemaphorePermit<'_>,
        endpoint: Endpoint,
        body: Body,
    ) -> Result<Answer> {
        let call = endpoint.call();
        let mut request = reqwest::Request::new(endpoint.verb.method(), self.url(endpoint)?);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        let mut upload = None;
        match body {
            Body::Empty => {}
            Body::Json(json) => {
                headers.insert(CONTENT_TYPE, JSON);
                *request.body_mut() = Some(json.into());
            }
            Body::Multipart(multipart) => {
                upload = Some(multipart.activity());
                headers.insert(CONTENT_TYPE, form_header(&multipart.content_type())?);
                if let Some(length) = multipart.length() {
                    headers.insert(CONTENT_LENGTH, length.into());
                }
                *request.body_mut() = Some(reqwest::Body::wrap_stream(multipart.into_stream()));
            }
        }
        let started = Instant::now();
        // Boxed, for it is large and thousands of waits would hold it while they only wait.
        let exchange = Box::pin(self.exchange(call, request));
        let result = match &upload {
            Some(activity) => self.while_active(call, activity, exchange).await,
            None => {
                timeout(self.timeout, exchange).await.unwrap_or_else(|_| Err(self.timed_out(call)))
            }
        };
        log_outcome(call, started.elapsed(), &result);
        // A source that could not be read explains the broken connection that followed from it.
        match upload.and_then(|activity| activity.take_failure()) {
            Some(failure) => Err(failure),
            None => result,
        }
    }

    /// Parsing an address takes as long as all else that a request needs before it is sent.
    fn url(&self, endpoint: Endpoint) -> Result<reqwest::Url> {
        let mut urls = self.urls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(url) = urls.get(endpoint.path) {
            return Ok(url.clone());
        }
        let url = reqwest::Url::parse(&format!("{}{}", self.base_url, endpoint.path));
        let url = url.map_err(|error| cannot_use_base_url(&format!("is not a URL: {error}")))?;
        urls.insert(endpoint.path, url.clone());
        Ok(url)
    }

    /// An answer as if it had come.
    pub(crate) fn answer(&self, call: Call, status: u16, body: Bytes) -> Answer {
        Answer { call, status, body, api_key: self.api_key.clone() }
    }

    fn timed_out(&self, call: Call) -> Error {
        Error::Timeout { call, sent: true, limit: self.timeout }
    }

    /// Bounds an upload by how long it stands still, not by how long it takes.
    async fn while_active(
        &self,
        call: Call,
        activity: &Activity,
        mut exchange: impl Future<Output = Result<Answer>> + Unpin,
    ) -> Result<Answer> {
        loop {
            let limit = activity.last() + self.timeout;
            tokio::select! {
                answer = &mut exchange => return answer,
                () = sleep_until(limit) => {
                    if activity.last() + self.timeout <= limit {
                        return Err(self.timed_out(call));
                    }
                }
            }
        }
    }

    async fn exchange(&self, call: Call, request: reqwest::Request) -> Result<Answer> {
        let response = requesting(self.client.execute(request)).await;
        let mut response = response.map_err(|error| self.broken(call, &error))?;
        let status = response.status().as_u16();
        let retry_after = header(&response, &RETRY_AFTER)
            .and_then(|value| parse_retry_after(&value, SystemTime::now()));
        let location = header(&response, &LOCATION);
        let announced = response.content_length().unwrap_or_default();
        // Announced, not there yet: a server that lies gets no more than this.
        let capacity = usize::try_from(announced).unwrap_or(usize::MAX).min(MAX_TRUSTED);
        let mut body = BytesMut::with_capacity(capacity);
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(call, &error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                let answer = self.answer(call, status, body.freeze());
                return Err(answer.wrong(format!(
                    "the answer is larger than {} MiB; it was not read further",
                    MAX_ANSWER >> 20
                )));
            }
            body.extend_from_slice(&chunk);
        }
        let answer = self.answer(call, status, body.freeze());
        match status {
            200..=299 => Ok(answer),
            300..=399 => Err(answer.wrong(redirected(location.as_deref()))),
            _ => Err(Error::Status {
                call,
                status,
                message: answer.message(),
                body: answer.excerpt(),
                retry_after,
            }),
        }
    }

    fn broken(&self, call: Call, error: &reqwest::Error) -> Error {
        // An error of connecting (DNS, TCP, TLS, proxy) comes before the first byte of a request.
        let sent = !error.is_connect();
        if error.is_timeout() && !sent {
            return Error::Timeout { call, sent, limit: self.connect_timeout };
        }
        let detail = if sent { root_cause(error) } else { unreached(error) };
        Error::Connection { call, sent, detail }
    }
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

fn log_outcome(call: Call, took: Duration, result: &Result<Answer>) {
    match result {
        Ok(answer) => log::debug!(
            target: "extracta_rs",
            "{call}: {} in {:.3} s, {} bytes", answer.status, took.as_secs_f64(), answer.body.len()
        ),
        Err(error) => log::debug!(
            target: "extracta_rs", "{call}: failed in {:.3} s: {error}", took.as_secs_f64()
        ),
    }
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

fn cannot_use_base_url(reason: &str) -> Error {
    Error::Config { setting: "base_url", reason: reason.to_owned() }
}

/// How far a base URL leads.
struct Reach {
    loopback: bool,
    encrypted: bool,
}

fn check_base_url(config: &Config) -> Result<(String, Reach)> {
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
    Ok((url.as_str().trim_end_matches('/').to_owned(), reach))
}

fn user_agent(config: &Config) -> Result<HeaderValue> {
    HeaderValue::try_from(config.user_agent.as_str()).map_err(|_| Error::Config {
        setting: "user_agent",
        reason: "has characters that a header cannot carry".to_owned(),
    })
}

fn parse_proxy(proxy: &str) -> Result<reqwest::Proxy> {
    // The error of the parser is not shown: it may repeat a password.
    let wrong = |()| Error::Config {
        setting: "proxy",
        reason: "is not a proxy's URL, such as http://user:password@host:3128".to_owned(),
    };
    let scheme = proxy.split_once("://").map_or("http", |(scheme, _)| scheme);
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        // A scheme that is not known there would be gone around without a word.
        return Err(wrong(()));
    }
    reqwest::Proxy::all(proxy).map_err(|_| wrong(()))
}

fn read_certificates(path: &std::path::Path) -> Result<Vec<reqwest::Certificate>> {
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

fn bearer(key: &ApiKey) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose())).map_err(|_| {
        Error::Config { setting: "api_key", reason: "cannot be sent in a header".to_owned() }
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn form_header(content_type: &str) -> Result<HeaderValue> {
    HeaderValue::try_from(content_type)
        .map_err(|_| Error::Input(format!("{content_type:?} cannot be sent in a header")))
}

fn header(response: &reqwest::Response, name: &reqwest::header::HeaderName) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}

fn redirected(location: Option<&str>) -> String {
    // Only the host is named: a signed address may follow it.
    let host = location
        .and_then(|location| reqwest::Url::parse(location).ok())
        .and_then(|url| Some(url.host_str()?.to_owned()));
    format!(
        "a redirect to {}; redirects are not followed because the API key would go along: \
         check base_url",
        host.as_deref().unwrap_or("another path")
    )
}

fn message(status: u16, body: &[u8]) -> String {
    let body = if body.len() > MAX_MESSAGE { &[] } else { body };
    let json = serde_json::from_slice::<serde_json::Value>(body).ok();
    let said = json.as_ref().and_then(|json| {
        ["message", "error"].iter().find_map(|key| {
            let value = &json[*key];
            value.as_str().or_else(|| value["message"].as_str())
        })
    });
    let reason = reqwest::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
    said.or(reason).unwrap_or("error").to_owned()
}

/// The innermost cause: the outer ones repeat the URL and say less.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
