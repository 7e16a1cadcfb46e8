//! What of Python's observes the requests of a call: hooks and a tracer.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::hooks::{Event, Heard};
use super::trace::Traced;
use crate::core::headers::Headers;
use crate::core::observe::{Asked, Begun, Observer};

/// The observers of a call, of which there is at least one.
#[derive(Clone)]
pub(super) struct Observers {
    pub(super) heard: Option<Arc<Heard>>,
    pub(super) traced: Option<Arc<Traced>>,
}

impl Observer for Observers {
    fn begin(&self, asked: &Asked) -> BoxFuture<'static, Begun> {
        let (Self { heard, traced }, asked) = (self.clone(), asked.clone());
        async move {
            let span = match traced {
                Some(traced) => traced.start(&asked).await,
                None => None,
            };
            // Not told before there is somebody to tell of its end.
            if let Some(heard) = &heard {
                heard.push(Event::Asked(asked.clone()));
            }
            let headers = span.as_ref().map_or_else(Headers::default, |span| span.headers.clone());
            let end = move |ended| {
                if let Some(span) = span {
                    span.end(&ended);
                }
                if let Some(heard) = heard {
                    heard.push(Event::Ended(asked, ended));
                }
            };
            Begun { headers, end: Box::new(end) }
        }
        .boxed()
    }
}
