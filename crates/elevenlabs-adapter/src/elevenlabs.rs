//! The provider as one value, and the few ways in which its ports send.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use partyline_domain::ports::Clock;
use partyline_domain::{Instant, Now, ProviderError, Timestamp};
use serde::de::DeserializeOwned;

use crate::classify::{self, Answer, Purpose};
use crate::client::{Client, Outgoing, SetupError};
use crate::config::{ApiKey, Repeats, Settings};
use crate::convert::{self, Unusable};
use crate::retry::{self, Attempt};

/// The ElevenLabs Agents API. Cheap to clone; clones share connections and the count of requests.
///
/// See the [crate's documentation](crate) for an example.
#[derive(Clone)]
pub struct ElevenLabs {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    repeats: Repeats,
    read_timeout: Duration,
    dial_margin: Duration,
    summaries_missing: AtomicBool,
}

/// The parameters of a URL.
pub(crate) type Query = Vec<(&'static str, String)>;

impl ElevenLabs {
    /// Sets the client up; sends nothing. `clock` is what `not_after` is compared with.
    ///
    /// # Errors
    /// [`SetupError`] where the base URL would show the key to the network, or the system has no usable TLS.
    pub fn new(settings: Settings, key: ApiKey, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let client = Client::new(&settings, key, clock)?;
        let Settings { repeats, read_timeout, dial_margin, .. } = settings;
        let summaries_missing = AtomicBool::new(false);
        Ok(Self { inner: Arc::new(Inner { client, repeats, read_timeout, dial_margin, summaries_missing }) })
    }

    /// How many HTTP requests have been started so far: repeated and redirected ones count, and so do those
    /// that found no connection.
    pub fn requests(&self) -> u32 {
        self.inner.client.sent()
    }

    /// The server's time by the newest `Date` header that came, in whole seconds, and our own clocks when it
    /// came; `None` while none has. It may come with any answer, also with a refusal.
    pub fn server_date(&self) -> Option<(Timestamp, Now)> {
        self.inner.client.server_date()
    }

    /// Whether the host has shown that it has no route for summaries of agents.
    pub(crate) fn has_no_summaries(&self) -> bool {
        self.inner.summaries_missing.load(Ordering::Relaxed)
    }

    pub(crate) fn note_no_summaries(&self) {
        self.inner.summaries_missing.store(true, Ordering::Relaxed);
    }

    /// Reads until there is a 200, a verdict, or no budget left.
    pub(crate) async fn read(&self, route: &'static str, id: &str, query: &Query) -> Result<Answer, ProviderError> {
        let purpose = Purpose::Read;
        let mut url = self.url(route, id)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let send = |attempt: Attempt| {
            let timeout = self.inner.read_timeout.min(attempt.remaining);
            let (url, attempt) = (url.clone(), attempt.ordinal);
            let method = Method::GET;
            self.send(Outgoing { purpose, method, route, url, body: None, timeout, not_after: None, attempt })
        };
        retry::repeated(&self.inner.repeats, self.inner.client.clock(), None, send).await
    }

    /// Changes a number; repeated while `not_after` has not passed and every send so far provably had no effect.
    pub(crate) async fn patch(
        &self,
        route: &'static str,
        id: &str,
        body: Bytes,
        not_after: Instant,
    ) -> Result<Answer, ProviderError> {
        let purpose = Purpose::Assign;
        let url = self.url(route, id)?;
        let not_after = Some(not_after);
        let send = |attempt: Attempt| {
            let timeout = self.inner.read_timeout.min(attempt.remaining);
            let (url, body, attempt) = (url.clone(), Some(body.clone()), attempt.ordinal);
            self.send(Outgoing { purpose, method: Method::PATCH, route, url, body, timeout, not_after, attempt })
        };
        retry::repeated(&self.inner.repeats, self.inner.client.clock(), not_after, send).await
    }

    /// Sends a dial, once. `ringing` is how long the answer may wait for the callee.
    pub(crate) async fn post_dial(
        &self,
        route: &'static str,
        body: Bytes,
        ringing: Duration,
        not_after: Instant,
    ) -> Result<Answer, ProviderError> {
        let url = self.url(route, "")?;
        let timeout = ringing.saturating_add(self.inner.dial_margin);
        let (purpose, method, body, not_after) = (Purpose::Dial, Method::POST, Some(body), Some(not_after));
        self.send(Outgoing { purpose, method, route, url, body, timeout, not_after, attempt: 1 }).await
    }

    /// One request; only a 200 is an answer.
    async fn send(&self, outgoing: Outgoing) -> Result<Answer, ProviderError> {
        let purpose = outgoing.purpose;
        match self.inner.client.send(outgoing).await {
            Ok(answer) if answer.status == 200 => Ok(answer),
            Ok(answer) => Err(classify::refusal(purpose, &answer)),
            Err(failure) => Err(classify::transport(purpose, failure)),
        }
    }

    fn url(&self, route: &'static str, id: &str) -> Result<url::Url, ProviderError> {
        self.inner.client.base().route(route, id).map_err(|why| classify::not_built(&why.to_string()))
    }
}

/// Reads the body of a 200 with `convert`.
pub(crate) fn understood<W: DeserializeOwned, T>(
    purpose: Purpose,
    answer: &Answer,
    convert: impl FnOnce(W) -> Result<T, Unusable>,
) -> Result<T, ProviderError> {
    let read = convert::parsed(&answer.body).and_then(convert);
    read.map_err(|why| classify::unreadable(purpose, answer, &why.to_string()))
}

impl fmt::Debug for ElevenLabs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = &self.inner.client;
        f.debug_struct("ElevenLabs")
            .field("base_url", client.base())
            .field("requests", &client.sent())
            .finish_non_exhaustive()
    }
}
