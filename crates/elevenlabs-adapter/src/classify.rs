//! What a failure means: the error table. Pure; it knows statuses and bodies, but sends nothing.
//!
//! The two questions of [`ProviderError`] are answered here and nowhere else. What is unknown or
//! contradictory fails closed: a dial or an assignment is then in doubt. Sources: `elevenlabs-api.md`
//! section 6, `scheduling.md` 4.4. Tests are in `classify/tests.rs`, as a table.

mod body;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use partyline_domain::{FailureKind, ProviderError};

use body::{Body, Reason};

/// What a request is for; it decides what its failure may have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Changes nothing, whatever happens.
    Read,
    /// Changes who answers a number; the same again does no harm.
    Assign,
    /// Calls somebody.
    Dial,
}

/// A whole HTTP answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) request_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) location: Option<String>,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Where a redirect points.
    pub(crate) fn location(&self) -> Option<&str> {
        matches!(self.status, 301 | 302 | 303 | 307 | 308).then_some(self.location.as_deref()).flatten()
    }
}

/// A request without a whole answer, and how far it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// It could not be built.
    NotBuilt(String),
    /// Its time had passed; nothing was sent.
    TooLate,
    /// Nothing was sent, since there was no connection.
    NoConnection { host: String, why: String },
    /// Nothing came in this time.
    TimedOut(Duration),
    /// The connection broke.
    Interrupted(String),
    /// The answer was larger than is read.
    TooLarge { bytes_max: usize },
    /// A redirect of a read that is not followed.
    Redirected(String),
}

impl Transport {
    /// The failure as one word for logs.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::NotBuilt(_) => "not_built",
            Self::TooLate => "too_late",
            Self::NoConnection { .. } => "no_connection",
            Self::TimedOut(_) => "timed_out",
            Self::Interrupted(_) => "interrupted",
            Self::TooLarge { .. } => "too_large",
            Self::Redirected(_) => "redirected",
        }
    }
}

/// What a request without a whole answer means.
pub(crate) fn transport(purpose: Purpose, failure: Transport) -> ProviderError {
    match failure {
        Transport::NotBuilt(why) => not_built(&why),
        Transport::TooLate => ProviderError::retryable(
            FailureKind::TooLate,
            None,
            "the time to send the request had passed; nothing was sent",
        ),
        Transport::NoConnection { host, why } => {
            ProviderError::retryable(FailureKind::Unreachable, None, format!("no connection to {host}: {why}"))
        }
        Transport::TimedOut(timeout) => {
            unfinished(purpose, FailureKind::TimedOut, format!("no whole answer within {:.1} s", timeout.as_secs_f64()))
        }
        Transport::Interrupted(why) => unfinished(
            purpose,
            FailureKind::Interrupted,
            format!("the connection broke before the answer was whole: {why}"),
        ),
        Transport::TooLarge { bytes_max } => {
            useless(purpose, FailureKind::Unreadable, format!("the answer is larger than {bytes_max} bytes"))
        }
        Transport::Redirected(whither) => {
            useless(purpose, FailureKind::Redirected, format!("the provider redirects {whither}"))
        }
    }
}

/// A request that cannot be sent at all.
pub(crate) fn not_built(why: &str) -> ProviderError {
    ProviderError::permanent(FailureKind::NotBuilt, format!("the request could not be built: {why}"))
}

/// What a whole answer means that is not the 200 that was hoped for.
pub(crate) fn refusal(purpose: Purpose, answer: &Answer) -> ProviderError {
    let body = Body::parse(&answer.body);
    let reason = body.reason();
    let kind = kind(answer.status, &body, &reason);
    let detail = format!("the provider answered {}{}{}", answer.status, body.told(&reason), hint(kind, &reason));
    let error = match verdict(purpose, answer, &body, &reason) {
        Verdict::Again => ProviderError::retryable(kind, answer.retry_after, detail),
        Verdict::Final => ProviderError::permanent(kind, detail),
        Verdict::Doubt if may_go_away(purpose, answer.status) => {
            ProviderError::in_doubt(kind, detail).with_retry_after(answer.retry_after)
        }
        Verdict::Doubt => ProviderError::in_doubt(kind, detail),
    };
    let request_id = answer.request_id.clone().or(reason.request_id);
    error.with_status(answer.status).with_code(reason.code.or(reason.status)).with_request_id(request_id)
}

/// What a 200 means whose body is not what it should be. `why` quotes nothing of it.
pub(crate) fn unreadable(purpose: Purpose, answer: &Answer, why: &str) -> ProviderError {
    let body = Body::parse(&answer.body);
    let seen = match &body {
        Body::Json(_) => why.to_owned(),
        Body::Empty | Body::Html { .. } | Body::Other => {
            let told = body.told(&Reason::default());
            format!("the provider answered {}{told}, not with JSON: check the base URL", answer.status)
        }
    };
    useless(purpose, FailureKind::Unreadable, seen)
        .with_status(answer.status)
        .with_request_id(answer.request_id.clone())
}

/// No whole answer to something that was sent.
fn unfinished(purpose: Purpose, kind: FailureKind, detail: String) -> ProviderError {
    match purpose {
        Purpose::Read => ProviderError::retryable(kind, None, detail),
        Purpose::Assign | Purpose::Dial => ProviderError::in_doubt(kind, detail),
    }
}

/// An answer that says nothing about what was done, and would be the same again.
fn useless(purpose: Purpose, kind: FailureKind, detail: String) -> ProviderError {
    match purpose {
        Purpose::Read => ProviderError::permanent(kind, detail),
        Purpose::Assign | Purpose::Dial => ProviderError::in_doubt(kind, detail),
    }
}

enum Verdict {
    Again,
    Final,
    Doubt,
}

fn verdict(purpose: Purpose, answer: &Answer, body: &Body, reason: &Reason) -> Verdict {
    match (purpose, answer.status) {
        (Purpose::Read, 408 | 429 | 500..=599) => Verdict::Again,
        (Purpose::Assign | Purpose::Dial, _) if contradicts(answer.status, body, reason) => Verdict::Doubt,
        // Without JSON it may come from something in between that has passed the request on.
        (Purpose::Assign | Purpose::Dial, 429) if body.is_object() => Verdict::Again,
        // 424 was seen by one integrator when the carrier refused; whether it had dialled is not known.
        (Purpose::Assign | Purpose::Dial, 408 | 409 | 424 | 425 | 429) => Verdict::Doubt,
        (Purpose::Read, _) | (Purpose::Assign | Purpose::Dial, 400..=499) => Verdict::Final,
        (Purpose::Assign | Purpose::Dial, _) => Verdict::Doubt,
    }
}

/// Whether a write in doubt is worth sending again once the core has seen to the doubt. Never so for a dial.
fn may_go_away(purpose: Purpose, status: u16) -> bool {
    match purpose {
        Purpose::Assign => matches!(status, 408 | 429 | 500..=599),
        Purpose::Read | Purpose::Dial => false,
    }
}

/// Whether the body speaks of something else than the status does.
fn contradicts(status: u16, body: &Body, reason: &Reason) -> bool {
    let words = ["internal_error", "service_unavailable", "upstream_service_error"];
    let trouble = words.iter().any(|word| reason.names(word));
    body.has("success") || ((400..=499).contains(&status) && trouble)
}

fn kind(status: u16, body: &Body, reason: &Reason) -> FailureKind {
    let quota = reason.names("quota_exceeded") || reason.names("insufficient_credits");
    match status {
        // A key that lacks a permission is answered with 401, not 403 (`elevenlabs-api.md` section 6).
        401 | 403 if reason.names("missing_permissions") => FailureKind::MissingPermission,
        400 | 401 | 403 if quota => FailureKind::QuotaExceeded,
        401 => FailureKind::Unauthorized,
        402 => FailureKind::QuotaExceeded,
        403 => FailureKind::Forbidden,
        404 if body.is_from_the_route() => FailureKind::NotFound,
        400 | 413 | 414 | 415 | 422 => FailureKind::Invalid,
        408 => FailureKind::TimedOut,
        409 => FailureKind::Conflict,
        429 => FailureKind::RateLimited,
        500..=599 => FailureKind::Unavailable,
        300..=399 => FailureKind::Redirected,
        200..=299 => FailureKind::Unreadable,
        _ => FailureKind::Unexpected,
    }
}

/// What is worth knowing beside the provider's own words.
fn hint(kind: FailureKind, reason: &Reason) -> String {
    match (kind, reason.permission()) {
        (FailureKind::MissingPermission, Some(permission)) => format!(" (the key lacks the permission {permission})"),
        (FailureKind::MissingPermission, None) => " (the key is right but lacks a permission)".to_owned(),
        (FailureKind::Unauthorized, _) => " (each residency host has keys of its own)".to_owned(),
        (FailureKind::Unexpected, _) if reason.is_route_missing => " (the base URL may be wrong)".to_owned(),
        _ => String::new(),
    }
}
