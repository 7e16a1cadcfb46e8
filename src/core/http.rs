//! One request out, one bounded answer in. The only file that names reqwest.
//!
//! Never follows a redirect (the API key would go along), never reads more than a limit, and tells
//! of each failure whether the request may have reached the service.

mod answer;
mod authorities;
mod build;
mod flight;
mod link;
mod opening;
mod trouble;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use reqwest::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER,
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{sleep_until, timeout};

use super::config::{CallOptions, Config};
use super::error::{Call, Error, Result};
use super::key::ApiKey;
use super::observe::Server;
use super::retry::parse_retry_after;
use super::stats::Counters;
use super::upload::{Activity, Multipart};
pub(crate) use answer::Answer;
use answer::redirected;
use build::{bearer, cannot_use_base_url};
use flight::{Flight, Seen};
use link::Link;
use opening::requesting;
use trouble::broken;

/// The largest answer that is read, in bytes once decompressed.
pub(crate) const MAX_ANSWER: usize = 64 << 20;
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The most that is reserved for a body because its length was announced.
const MAX_TRUSTED: usize = 1 << 20;

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
    /// The method of the client that asks.
    pub operation: &'static str,
}

impl Endpoint {
    pub(crate) fn call(self) -> Call {
        Call { method: self.verb.name(), path: self.path }
    }
}

/// A request that is to be sent, without its body.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub endpoint: Endpoint,
    /// 1 for the first time.
    pub attempt: u32,
    pub options: &'a CallOptions,
}

/// What goes out with a request.
pub(crate) enum Body {
    Empty,
    Json(Bytes),
    Multipart(Multipart),
}

/// The connection to the service.
pub(crate) struct Http {
    client: reqwest::Client,
    server: Arc<Server>,
    /// The addresses that were asked for, parsed.
    urls: Mutex<HashMap<&'static str, reqwest::Url>>,
    authorization: HeaderValue,
    connect_timeout: Duration,
    under_way: Arc<Semaphore>,
    api_key: ApiKey,
    pub(crate) counters: Arc<Counters>,
}

impl Http {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let counters = Arc::default();
        let (client, server) = build::client(config, &counters)?;
        Ok(Self {
            client,
            server: Arc::new(server),
            urls: Mutex::default(),
            authorization: bearer(&config.api_key)?,
            connect_timeout: config.options.timeouts.connect,
            api_key: config.api_key.clone(),
            under_way: Arc::new(Semaphore::new(
                config.max_connections.clamp(1, Semaphore::MAX_PERMITS),
            )),
            counters,
        })
    }

    /// The address below which the endpoints are.
    pub(crate) fn base_url(&self) -> &str {
        &self.server.base_url
    }

    /// Waits until one more request may be under way.
    pub(crate) async fn place(&self, ask: Ask<'_>) -> Result<SemaphorePermit<'_>> {
        if let Ok(place) = self.under_way.try_acquire() {
            return Ok(place);
        }
        let _queued = self.counters.queue();
        let place = self.under_way.acquire();
        let place = match ask.options.timeouts.pool {
            None => place.await,
            Some(limit) => timeout(limit, place).await.map_err(|_| {
                let missing = "place among max_connections";
                let error =
                    Error::Timeout { call: ask.endpoint.call(), missing, sent: false, limit };
                self.counters.failed(&error);
                error
            })?,
        };
        place.map_err(|_| Error::Closed("the client is closed"))
    }

    /// Whether `place` would wait.
    pub(crate) fn is_full(&self) -> bool {
        self.under_way.available_permits() == 0
    }

    /// Sends one request, once.
    pub(crate) async fn send(
        &self,
        _place: SemaphorePermit<'_>,
        ask: Ask<'_>,
        body: Body,
    ) -> Result<Answer> {
        let call = ask.endpoint.call();
        let url = self.url(ask.endpoint)?;
        let mut request = reqwest::Request::new(ask.endpoint.verb.method(), url);
        let link = self.link(ask.options, matches!(body, Body::Multipart(_)));
        let upload = self.load(&mut request, body, link.as_ref())?;
        let flight = Flight::begin(self, ask).await;
        let headers = request.headers_mut();
        for (name, value) in ask.options.headers.iter().chain(flight.headers()) {
            headers.insert(name, value.clone());
        }
        headers.insert(AUTHORIZATION, self.authorization.clone());
        // Boxed, for it is large and thousands of waits would hold it while they only wait.
        let exchange = Box::pin(self.exchange(ask, request, link.as_deref(), &flight.seen));
        let result = if let Some(link) = &link {
            link.clone().run(while_in_time(call, link, exchange)).await
        } else {
            let limit = ask.options.timeouts.total;
            timeout(limit, exchange).await.unwrap_or_else(|_| {
                Err(Error::Timeout { call, missing: "answer", sent: true, limit })
            })
        };
        // A source that could not be read explains the broken connection that followed from it.
        let result = match upload.and_then(|activity| activity.take_failure()) {
            Some(failure) => Err(failure),
            None => result,
        };
        flight.ended(&result);
        result
    }

    /// Puts in the body; one of an upload tells how it goes.
    fn load(
        &self,
        request: &mut reqwest::Request,
        body: Body,
        link: Option<&Arc<Link>>,
    ) -> Result<Option<Activity>> {
        match body {
            Body::Empty => Ok(None),
            Body::Json(json) => {
                request.headers_mut().insert(CONTENT_TYPE, JSON);
                *request.body_mut() = Some(json.into());
                Ok(None)
            }
            Body::Multipart(multipart) => {
                let headers = request.headers_mut();
                headers.insert(CONTENT_TYPE, form_header(&multipart.content_type())?);
                if let Some(length) = multipart.length() {
                    headers.insert(CONTENT_LENGTH, length.into());
                }
                let (activity, length) = (multipart.activity(), multipart.length());
                let body = self.counted(multipart.into_stream(), length, link.cloned());
                *request.body_mut() = Some(body);
                Ok(Some(activity))
            }
        }
    }

    /// Where a limit of the total or of connecting is all there is, nothing else need be watched.
    fn link(&self, options: &CallOptions, is_upload: bool) -> Option<Arc<Link>> {
        let timeouts = options.timeouts;
        let watched =
            is_upload || timeouts.read.is_some() || timeouts.connect != self.connect_timeout;
        watched.then(|| Link::new(timeouts, is_upload))
    }

    /// The body of an upload, which tells how it goes. Where its length is known nobody asks for
    /// what comes after its last byte.
    fn counted(
        &self,
        body: impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send + 'static,
        length: Option<u64>,
        link: Option<Arc<Link>>,
    ) -> reqwest::Body {
        let counters = self.counters.clone();
        let done = link.clone();
        let end = futures_util::stream::poll_fn(move |_| {
            if let Some(link) = &done {
                link.reads();
            }
            std::task::Poll::Ready(None)
        });
        let mut sent = 0;
        let moving = body.inspect(move |chunk| {
            let Ok(chunk) = chunk else { return };
            counters.sent(chunk.len());
            sent += chunk.len() as u64;
            if let Some(link) = &link {
                if length == Some(sent) { link.reads() } else { link.sends() }
            }
        });
        reqwest::Body::wrap_stream(moving.chain(end))
    }

    /// Parsing an address takes as long as all else that a request needs before it is sent.
    fn url(&self, endpoint: Endpoint) -> Result<reqwest::Url> {
        let mut urls = self.urls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(url) = urls.get(endpoint.path) {
            return Ok(url.clone());
        }
        let url = reqwest::Url::parse(&format!("{}{}", self.server.base_url, endpoint.path));
        let url = url.map_err(|error| cannot_use_base_url(&format!("is not a URL: {error}")))?;
        urls.insert(endpoint.path, url.clone());
        Ok(url)
    }

    /// An answer as if it had come.
    pub(crate) fn answer(&self, call: Call, status: u16, body: Bytes) -> Answer {
        let (api_key, counters) = (self.api_key.clone(), self.counters.clone());
        Answer { call, status, body, api_key, counters }
    }

    async fn exchange(
        &self,
        ask: Ask<'_>,
        request: reqwest::Request,
        link: Option<&Link>,
        seen: &Seen,
    ) -> Result<Answer> {
        let call = ask.endpoint.call();
        let mut response =
            requesting(self.client.execute(request)).await.map_err(|error| broken(ask, &error))?;
        let status = response.status().as_u16();
        seen.head(status, response.headers(), &self.api_key);
        if let Some(link) = link {
            link.reads();
        }
        let retry_after = header(&response, &RETRY_AFTER)
            .and_then(|value| parse_retry_after(&value, SystemTime::now()));
        let location = header(&response, &LOCATION);
        let announced = response.content_length().unwrap_or_default();
        // Announced, not there yet: a server that lies gets no more than this.
        let capacity = usize::try_from(announced).unwrap_or(usize::MAX).min(MAX_TRUSTED);
        let mut body = BytesMut::with_capacity(capacity);
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(ask, &error))? {
            self.counters.received(chunk.len());
            seen.received(chunk.len());
            if let Some(link) = link {
                link.moved();
            }
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
}

/// Bounds a request by how long it takes and by how long it stands still.
async fn while_in_time(
    call: Call,
    link: &Link,
    mut exchange: impl Future<Output = Result<Answer>> + Unpin,
) -> Result<Answer> {
    loop {
        let limit = link.limit();
        tokio::select! {
            answer = &mut exchange => return answer,
            () = link.changed() => {}
            () = sleep_until(limit.at) => {
                if link.limit() == limit {
                    let link::Limit { missing, sent, length: limit, .. } = limit;
                    return Err(Error::Timeout { call, missing, sent, limit });
                }
            }
        }
    }
}

fn form_header(content_type: &str) -> Result<HeaderValue> {
    HeaderValue::try_from(content_type)
        .map_err(|_| Error::Input(format!("{content_type:?} cannot be sent in a header")))
}

fn header(response: &reqwest::Response, name: &reqwest::header::HeaderName) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}
