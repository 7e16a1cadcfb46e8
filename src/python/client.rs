//! Binding of the client: arguments in, a `Call` out.

use std::sync::Arc;

use futures_util::FutureExt as _;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio_util::sync::CancellationToken;

use super::arguments::{
    Id, OptionsArgument, batch_key, batch_keys, call_options, callback, json_of, kind_of, seconds,
    setting, target, wait_options,
};
use super::base::Base;
use super::call::Call;
use super::hooks::{Heard, Hooks};
use super::limiter::Limiter;
use super::progress::Progress;
use super::unwrapped::Unwrapped;
use super::waiting::WaitMany;
use super::{errors, files, load, runtime, stats};
use crate::core::api;
use crate::core::config::{CallOptions, Config};
use crate::core::error::{Error, Result};
use crate::core::key::ApiKey;
use crate::core::line::Shared;
use crate::core::model::Target;
use crate::core::poll;

/// The client behind `Client` and `AsyncClient`, or a copy with options of its own.
#[pyclass(frozen, module = "extracta_rs._core")]
pub(super) struct Client {
    base: Arc<Base>,
    options: Arc<CallOptions>,
    closed: CancellationToken,
}

impl Client {
    fn core(&self, py: Python<'_>) -> PyResult<api::Client> {
        if self.closed.is_cancelled() {
            return Err(errors::closed("the client is closed"));
        }
        Ok(self.base.core(py)?.with_options(self.options.clone()))
    }

    /// The core for a call that is made here and now, and who is told of its requests.
    fn observed(&self, py: Python<'_>) -> PyResult<(api::Client, Option<Arc<Heard>>)> {
        let core = self.core(py)?;
        let Some(observers) = self.base.observers(py)? else { return Ok((core, None)) };
        let heard = observers.heard.clone();
        let mut options = CallOptions::clone(&self.options);
        options.observer = Some(Arc::new(observers));
        Ok((core.with_options(Arc::new(options)), heard))
    }

    pub(super) fn call<T, F>(
        &self,
        py: Python<'_>,
        operation: impl FnOnce(api::Client) -> F,
        progress: Option<Arc<Progress>>,
        convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Call>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (core, heard) = self.observed(py)?;
        // Boxed before it is wrapped: each wrapping would hold it twice.
        let mut operation = operation(core).boxed();
        let closed = self.closed.clone();
        let operation = async move {
            tokio::select! {
                result = &mut operation => result,
                () = closed.cancelled() => Err(Error::Closed("the client was closed")),
            }
        };
        Call::new(py, operation, progress, heard, convert)
    }
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (*, api_key, base_url, options, min_poll_spacing, limiter, max_connections,
                        proxy, ca_bundle, user_agent, allow_insecure_http, asyncio, on_request,
                        on_response))]
    #[allow(clippy::too_many_arguments)] // The settings of a client, by name.
    fn new(
        py: Python<'_>,
        api_key: &str,
        base_url: String,
        options: OptionsArgument,
        min_poll_spacing: f64,
        limiter: Option<Bound<'_, PyAny>>,
        max_connections: usize,
        proxy: Option<String>,
        ca_bundle: Option<std::path::PathBuf>,
        user_agent: Option<&str>,
        allow_insecure_http: bool,
        asyncio: bool,
        on_request: Option<Bound<'_, PyAny>>,
        on_response: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let build = || {
            let mut config = Config::new(ApiKey::new(api_key)?);
            config.base_url = base_url;
            config.options = call_options(options)?;
            config.min_poll_spacing = setting("min_poll_spacing", min_poll_spacing)?;
            config.limiter =
                limiter.map(|limiter| -> Arc<dyn Shared> { Arc::new(Limiter::new(limiter)) });
            config.max_connections = max_connections;
            config.proxy = proxy;
            config.ca_bundle = ca_bundle;
            config.user_agent = full_user_agent(py, &config.user_agent, user_agent);
            config.allow_insecure_http = allow_insecure_http;
            let core = api::Client::new(&config)?;
            Ok((config, core))
        };
        let (config, core) = build().map_err(|error| errors::to_python(py, error))?;
        let options = Arc::new(config.options.clone());
        let base = Base::new(config, core, Hooks::new(on_request, on_response, asyncio));
        Ok(Self { base, options, closed: CancellationToken::new() })
    }

    /// A copy that sends requests like this; all else is shared.
    fn with_options(&self, py: Python<'_>, options: OptionsArgument) -> PyResult<Self> {
        let options = call_options(options).map_err(|error| errors::to_python(py, error))?;
        let (base, closed) = (self.base.clone(), self.closed.clone());
        Ok(Self { base, options: Arc::new(options), closed })
    }

    /// Trace the requests of this client and its copies from now on, or do not.
    fn set_tracer(&self, tracer: Option<Py<PyAny>>) {
        self.base.set_tracer(tracer);
    }

    /// What was counted, in the order of `ClientStats`.
    fn stats(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        stats::counted(py, &self.base.core(py)?.stats())
    }

    /// Close the client; what is under way ends with `ClientClosedError`.
    fn close(&self) {
        self.closed.cancel();
    }

    /// Whether `close` was called.
    #[getter]
    fn closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    fn credits(&self, py: Python<'_>) -> PyResult<Call> {
        let operation = |core: api::Client| async move { core.credits().await };
        self.call(py, operation, None, |py, credits| {
            Ok(credits.into_pyobject(py)?.into_any().unbind())
        })
    }

    fn create(&self, py: Python<'_>, kind: &str, details: &Bound<'_, PyDict>) -> PyResult<Call> {
        let kind = kind_of(kind)?;
        let (text, value) = json_of(details)?;
        let operation = move |core: api::Client| async move { core.create(kind, &value).await };
        self.call(py, operation, None, move |py, (id, json)| {
            load::resource(py, &Target { kind, id }, &json, Some(text.as_bytes()))
        })
    }

    fn view(&self, py: Python<'_>, kind: &str, resource_id: Id) -> PyResult<Call> {
        let target = target(py, kind, resource_id)?;
        let shown = target.clone();
        let operation = move |core: api::Client| async move { core.view(&target).await };
        self.call(py, operation, None, move |py, json| load::resource(py, &shown, &json, None))
    }

    fn update(
        &self,
        py: Python<'_>,
        kind: &str,
        resource_id: Id,
        details: &Bound<'_, PyDict>,
    ) -> PyResult<Call> {
        let target = target(py, kind, resource_id)?;
        let (text, value) = json_of(details)?;
        let shown = target.clone();
        let operation = move |core: api::Client| async move { core.update(&target, &value).await };
        self.call(py, operation, None, move |py, json| {
            load::resource(py, &shown, &json, Some(text.as_bytes()))
        })
    }

    fn delete(&self, py: Python<'_>, kind: &str, resource_id: Id) -> PyResult<Call> {
        let target = target(py, kind, resource_id)?;
        let operation = move |core: api::Client| async move { core.delete(&target).await };
        self.call(py, operation, None, |py, ()| Ok(py.None()))
    }

    fn delete_batch(
        &self,
        py: Python<'_>,
        kind: &str,
        resource_id: Id,
        batch_id: Id,
    ) -> PyResult<Call> {
        let key = batch_key(py, kind, resource_id, batch_id)?;
        let operation = move |core: api::Client| async move { core.delete_batch(&key).await };
        self.call(py, operation, None, |py, ()| Ok(py.None()))
    }

    fn delete_files(
        &self,
        py: Python<'_>,
        kind: &str,
        resource_id: Id,
        batch_id: Id,
        file_ids: Vec<String>,
    ) -> PyResult<Call> {
        let key = batch_key(py, kind, resource_id, batch_id)?;
        let operation =
            move |core: api::Client| async move { core.delete_files(&key, &file_ids).await };
        self.call(py, operation, None, |py, ()| Ok(py.None()))
    }

    fn upload(
        &self,
        py: Python<'_>,
        kind: &str,
        resource_id: Id,
        files: &Bound<'_, PyAny>,
        batch_id: Option<String>,
        on_progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Call> {
        let target = target(py, kind, resource_id)?;
        let drafts = files::drafts(files)?;
        let progress = callback(on_progress)?.map(|callback| Arc::new(Progress::new(callback)));
        let tell = progress.clone().map(|progress| -> crate::core::upload::Progress {
            Arc::new(move |sent, total| {
                progress.note(move |py| Ok((sent, total).into_pyobject(py)?.unbind()));
            })
        });
        let operation = move |core: api::Client| async move {
            let files = files::open(drafts).await?;
            core.upload(&target, batch_id.as_deref(), &files, tell).await
        };
        self.call(py, operation, progress, |py, answer| load::upload(py, &answer))
    }

    fn results(
        &self,
        py: Python<'_>,
        kind: &str,
        resource_id: Id,
        batch_id: Id,
        file_id: Option<String>,
    ) -> PyResult<Call> {
        let key = batch_key(py, kind, resource_id, batch_id)?;
        let operation =
            move |core: api::Client| async move { core.results(&key, file_id.as_deref()).await };
        self.call(py, operation, None, |py, answer| load::results(py, &answer))
    }

    #[pyo3(signature = (kind, resource_id, batch_id, options, on_progress))]
    fn wait(
        &self,
        py: Python<'_>,
        kind: &str,
        resource_id: Id,
        batch_id: Id,
        options: (Option<f64>, f64, f64, f64),
        on_progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Call> {
        let key = batch_key(py, kind, resource_id, batch_id)?;
        let options = wait_options(py, options)?;
        let progress = callback(on_progress)?.map(|callback| Arc::new(Progress::new(callback)));
        let tell = progress.clone().map(|progress| -> poll::OnAnswer {
            Arc::new(move |answer| {
                let answer = answer.clone();
                progress
                    .note(move |py| Ok((load::results(py, &answer)?,).into_pyobject(py)?.unbind()));
            })
        });
        let operation = move |core| poll::wait(core, key, options, tell);
        self.call(py, operation, progress, |py, answer| load::results(py, &answer))
    }

    /// End waits with the signed files of a delivery; returns how many.
    fn deliver(&self, py: Python<'_>, unwrapped: &Unwrapped) -> PyResult<usize> {
        let core = self.core(py)?;
        let message = unwrapped.message(py);
        Ok(py.detach(|| poll::deliver(&core, message)))
    }

    fn wait_many(
        &self,
        py: Python<'_>,
        batches: Vec<(String, String, String)>,
        options: (Option<f64>, f64, f64, f64),
    ) -> PyResult<WaitMany> {
        let keys = batch_keys(py, batches)?;
        let runtime = runtime::current(py)?;
        let _inside = runtime.handle().enter();
        let (core, heard) = self.observed(py)?;
        let many = poll::Many::new(&core, wait_options(py, options)?);
        many.add(keys);
        WaitMany::new(py, many, self.closed.clone(), heard)
    }

    #[allow(clippy::too_many_arguments)] // The arguments of `run_many`, by place.
    fn run_many(
        &self,
        py: Python<'_>,
        kind: &str,
        resource_id: Id,
        files: &Bound<'_, PyAny>,
        journal: &super::journal::Journal,
        concurrency: usize,
        max_files_per_batch: usize,
        settle_time: f64,
        options: (Option<f64>, f64, f64, f64),
    ) -> PyResult<super::journal::RunMany> {
        let target = target(py, kind, resource_id)?;
        let settle = seconds(py, "settle_time", settle_time)?;
        let options = crate::core::run::Options {
            concurrency,
            max_files: max_files_per_batch,
            settle,
            wait: wait_options(py, options)?,
        };
        let planned = files::planned(files)?;
        let journal = journal.core(py)?;
        let runtime = runtime::current(py)?;
        let _inside = runtime.handle().enter();
        let ((core, heard), closed) = (self.observed(py)?, self.closed.clone());
        let run = crate::core::run::Run::start(core, journal, target, planned, options, closed);
        let run = run.map_err(|error| errors::to_python(py, error))?;
        super::journal::RunMany::new(py, run, self.closed.clone(), heard)
    }
}

/// What is named first names versions; a proxy's log shows who asks.
fn full_user_agent(py: Python<'_>, core: &str, users: Option<&str>) -> String {
    let version = py.version_info();
    let python = format!("python/{}.{}.{}", version.major, version.minor, version.patch);
    let platform = format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH);
    let users = users.map(|users| format!(" {users}")).unwrap_or_default();
    format!("{core} {python} {platform}{users}")
}
