//! The one place that sends. It knows the key, the limits and how far a request got; what a failure means
//! is decided in [`crate::classify`], and whether it is repeated in [`crate::retry`].
//!
//! Tests are in `tests/socket/`, against a raw socket.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method};
use partyline_domain::ports::Clock;
use partyline_domain::{Instant, Now, Timestamp};
use tracing::field::Empty;
use tracing::{Instrument, Span, debug, info_span};
use url::Url;

use crate::classify::{Answer, Purpose, Transport};
use crate::config::{ApiKey, BaseUrl, Settings};
use crate::deadline::{self, TimelyBody};

/// The header that carries the key (`elevenlabs-api.md`, "Global").
const KEY_HEADER: &str = "xi-api-key";
/// The headers under which the provider names a request, the most telling first (section 6).
const REQUEST_ID_HEADERS: [&str; 3] = ["x-trace-id", "request-id", "x-request-id"];
/// The longest request id that is taken over; those seen have 32 characters.
const REQUEST_ID_BYTES_MAX: usize = 128;
/// A longer wait than this is shortened to it; every budget is shorter anyway.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// A shorter key is not looked for in answers: it would be found in innocent ones. Real keys have 32 or more.
const ECHOED_KEY_BYTES_MIN: usize = 8;

/// The adapter could not be set up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// Plain `http` to another machine.
    #[error("the base URL is not encrypted and {host} is not this machine: use https, or allow it explicitly")]
    Insecure {
        /// The host.
        host: String,
    },
    /// The HTTP client could not be built, for example because no root certificates were found.
    #[error("the HTTP client could not be set up: {why}")]
    Client {
        /// What was missing.
        why: String,
    },
}

/// One request, ready but for key and headers.
pub(crate) struct Outgoing {
    pub(crate) purpose: Purpose,
    pub(crate) method: Method,
    /// The route before its id was filled in, for logs.
    pub(crate) route: &'static str,
    pub(crate) url: Url,
    pub(crate) body: Option<Bytes>,
    pub(crate) timeout: Duration,
    pub(crate) not_after: Option<Instant>,
    /// Counted from 1.
    pub(crate) attempt: u32,
}

pub(crate) struct Client {
    http: reqwest::Client,
    base: BaseUrl,
    key: ApiKey,
    clock: Arc<dyn Clock>,
    sent: AtomicU32,
    server_date: Mutex<Option<(Timestamp, Now)>>,
    body_bytes_max: usize,
    redirects_max: u32,
}

impl Client {
    pub(crate) fn new(settings: &Settings, key: ApiKey, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let base = settings.base_url.clone();
        if !base.is_https() && !base.is_loopback() && !settings.allow_insecure {
            return Err(SetupError::Insecure { host: base.host() });
        }
        let http = http_client(settings).map_err(|error| SetupError::Client { why: root_cause(&error) })?;
        let (body_bytes_max, redirects_max) = (settings.body_bytes_max, settings.redirects_max);
        let (sent, server_date) = (AtomicU32::new(0), Mutex::new(None));
        Ok(Self { http, base, key, clock, sent, server_date, body_bytes_max, redirects_max })
    }

    pub(crate) fn base(&self) -> &BaseUrl {
        &self.base
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// The last `Date` that came, and when it came.
    pub(crate) fn server_date(&self) -> Option<(Timestamp, Now)> {
        *self.server_date.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_date(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|value| http_date(value.to_str().ok()?));
        if let Some(date) = date {
            let seen = Some((date, self.clock.now()));
            *self.server_date.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        }
    }

    /// Sends one request and, for a read, follows redirects within the provider's own host.
    pub(crate) async fn send(&self, mut outgoing: Outgoing) -> Result<Answer, Transport> {
        let end = self.clock.now().monotonic.after(outgoing.timeout);
        let mut followed = 0;
        loop {
            let answer = self.exchange(&outgoing).await?;
            let target = match (outgoing.purpose, answer.location()) {
                (Purpose::Read, Some(location)) => outgoing.url.join(location),
                (Purpose::Read | Purpose::Assign | Purpose::Dial, _) => return Ok(answer),
            };
            match target {
                Ok(url) if !self.base.is_home_of(&url) => {
                    let host = url.host_str().unwrap_or("nowhere");
                    return Err(Transport::Redirected(format!("to {host}, where the key is not sent")));
                }
                Ok(_) if followed == self.redirects_max => {
                    return Err(Transport::Redirected(format!("more than {followed} times")));
                }
                Ok(url) => {
                    outgoing.url = url;
                    outgoing.timeout = end.since(self.clock.now().monotonic);
                }
                Err(_) => return Err(Transport::Redirected("to something that is no URL".to_owned())),
            }
            followed += 1;
        }
    }

    /// One request, one answer, one span.
    async fn exchange(&self, outgoing: &Outgoing) -> Result<Answer, Transport> {
        let span = info_span!(
            "request",
            method = %outgoing.method,
            route = outgoing.route,
            attempt = outgoing.attempt,
            status = Empty,
            elapsed_ms = Empty,
            request_id = Empty,
        );
        self.timed(outgoing).instrument(span).await
    }

    async fn timed(&self, outgoing: &Outgoing) -> Result<Answer, Transport> {
        let began = self.clock.now().monotonic;
        let outcome = self.exchange_whole(outgoing).await;
        let elapsed = self.clock.now().monotonic.since(began);
        let span = Span::current();
        span.record("elapsed_ms", u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        match &outcome {
            Ok(answer) => {
                span.record("status", answer.status);
                span.record("request_id", answer.request_id.as_deref());
                debug!("answered");
            }
            Err(failure) => debug!(failure = failure.as_str(), "not answered"),
        }
        outcome
    }

    async fn exchange_whole(&self, outgoing: &Outgoing) -> Result<Answer, Transport> {
        let request = self.request(outgoing);
        if outgoing.not_after.is_some_and(|instant| self.clock.now().monotonic > instant) {
            return Err(Transport::TooLate);
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        let sent = self.http.execute(request).await;
        let mut response = sent.map_err(|error| self.transport(&error, outgoing.timeout))?;
        self.note_date(response.headers());
        if response.content_length().is_some_and(|length| length > self.body_bytes_max as u64) {
            return Err(Transport::TooLarge { bytes_max: self.body_bytes_max });
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.transport(&error, outgoing.timeout))? {
            if body.len() + chunk.len() > self.body_bytes_max {
                return Err(Transport::TooLarge { bytes_max: self.body_bytes_max });
            }
            body.extend_from_slice(&chunk);
        }
        let headers = response.headers();
        Ok(Answer {
            status: response.status().as_u16(),
            request_id: self.request_id(headers),
            retry_after: headers.get(RETRY_AFTER).and_then(|value| retry_after(value, self.clock.now().wall)),
            location: headers.get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            body: self.without_key(body.freeze()),
        })
    }

    fn request(&self, outgoing: &Outgoing) -> reqwest::Request {
        let mut request = reqwest::Request::new(outgoing.method.clone(), outgoing.url.clone());
        *request.timeout_mut() = Some(outgoing.timeout);
        request.headers_mut().insert(KEY_HEADER, self.key.header());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(body) = &outgoing.body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(match outgoing.not_after {
                Some(not_after) => {
                    reqwest::Body::wrap(TimelyBody::new(body.clone(), not_after, Arc::clone(&self.clock)))
                }
                None => body.clone().into(),
            });
        }
        request
    }

    /// How far a request got that has no whole answer. What is not known for certain counts as sent.
    fn transport(&self, error: &reqwest::Error, timeout: Duration) -> Transport {
        if deadline::is_late(error) {
            Transport::TooLate
        } else if error.is_builder() {
            Transport::NotBuilt(root_cause(error))
        } else if error.is_connect() {
            let why = if error.is_timeout() { "timed out".to_owned() } else { root_cause(error) };
            Transport::NoConnection { host: self.base.host(), why }
        } else if error.is_timeout() {
            Transport::TimedOut(timeout)
        } else {
            Transport::Interrupted(root_cause(error))
        }
    }

    fn request_id(&self, headers: &HeaderMap) -> Option<String> {
        let value = REQUEST_ID_HEADERS.iter().find_map(|name| headers.get(*name))?.to_str().ok()?;
        let fit = (1..=REQUEST_ID_BYTES_MAX).contains(&value.len())
            && value.bytes().all(|byte| byte.is_ascii_graphic())
            && !holds(value.as_bytes(), self.key.bytes());
        fit.then(|| value.to_owned())
    }

    /// A server that repeats the key in its answer must not bring it into an error.
    fn without_key(&self, body: Bytes) -> Bytes {
        let key = self.key.bytes();
        if key.len() < ECHOED_KEY_BYTES_MIN || !holds(&body, key) {
            return body;
        }
        let mut clean = Vec::with_capacity(body.len());
        let mut rest = &body[..];
        while let Some(at) = position(rest, key) {
            clean.extend_from_slice(&rest[..at]);
            clean.extend_from_slice(b"***");
            rest = &rest[at + key.len()..];
        }
        clean.extend_from_slice(rest);
        Bytes::from(clean)
    }
}

fn http_client(settings: &Settings) -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("partyline/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .http1_only()
        .https_only(settings.base_url.is_https())
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(settings.pool_idle_timeout);
    if settings.base_url.is_https() {
        builder.build()
    } else {
        // Nothing is ever encrypted here, so the system's root certificates need not be read: that takes
        // longer than a whole call to an emulator.
        builder.tls_certs_only([]).build()
    }
}

/// `Retry-After` in seconds or as a date, seen from `now`.
fn retry_after(value: &HeaderValue, now: Timestamp) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        http_date(text)?.since_unix().saturating_sub(now.since_unix())
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// A date in a header; `None` where it is none, or one before 1970.
fn http_date(text: &str) -> Option<Timestamp> {
    let at = httpdate::parse_http_date(text).ok()?;
    at.duration_since(std::time::UNIX_EPOCH).ok().map(Timestamp::from_unix)
}

/// The innermost cause: the others only say that something went wrong. Holds no URL, so no id and no query.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    let mut text = "no cause given".to_owned();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    crate::text::shortened(&text, 200)
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    position(text, part).is_some()
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    let first = *part.first()?;
    let candidates = text.iter().enumerate().filter(|(_, byte)| **byte == first);
    candidates.map(|(at, _)| at).find(|at| text[*at..].starts_with(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(text: &'static str) -> Option<u64> {
        // 1994-11-06T08:49:37Z
        let now = Timestamp::from_unix(Duration::from_secs(784_111_777));
        retry_after(&HeaderValue::from_static(text), now).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(wait("0"), Some(0));
        assert_eq!(wait(" 7 "), Some(7));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:49 GMT"), Some(12));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0));
        assert_eq!(wait("99999999999"), Some(3600));
        assert_eq!(wait("Sat, 06 Nov 2094 08:49:00 GMT"), Some(3600));
        for text in ["", "-1", "soon", "1.5"] {
            assert_eq!(wait(text), None, "{text}");
        }
    }

    #[test]
    fn parts_are_found() {
        assert_eq!(position(b"aab", b"ab"), Some(1));
        assert_eq!(position(b"aa", b"ab"), None);
        assert_eq!(position(b"a", b"ab"), None);
        assert_eq!(position(b"", b"ab"), None);
    }
}
