//! What a port makes of an answer that is none: the class that a careful HTTP adapter would give
//! (issue 2; `style.md` E3). One table, so that it can be read against the real adapter's.

use std::time::Duration;

use partyline_domain::{FailureKind, ProviderError};

use crate::world::{Failure, Form, Operation};

/// What a request may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Read,
    /// Who answers a number, or that a phone rings.
    Write,
}

impl Access {
    /// What requests of this kind may have changed.
    pub fn of(operation: Operation) -> Self {
        if operation.is_read() { Self::Read } else { Self::Write }
    }
}

/// A request without a usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble<'a> {
    /// Another status than 200.
    Failed(&'a Failure),
    /// 200, but not what was to be expected.
    Unreadable,
    /// The connection broke, before or within the answer.
    Interrupted,
    /// No answer in time.
    TimedOut,
}

/// The error that a port returns.
pub fn provider_error(access: Access, trouble: Trouble<'_>) -> ProviderError {
    match trouble {
        Trouble::Failed(failure) => failed(access, failure),
        Trouble::Unreadable => useless(access, FailureKind::Unreadable, "the answer could not be understood"),
        Trouble::Interrupted => {
            lost(access, FailureKind::Interrupted, None, "the connection broke before the whole answer had come")
        }
        Trouble::TimedOut => lost(access, FailureKind::TimedOut, None, "no answer came in time"),
    }
}

fn failed(access: Access, failure: &Failure) -> ProviderError {
    let after = failure.retry_after;
    let detail = format!("the provider answered {}: {}", failure.status, failure.message);
    let error = match failure.status {
        429 if is_json(failure) => ProviderError::retryable(FailureKind::RateLimited, after, detail),
        429 => lost(access, FailureKind::RateLimited, after, detail),
        408 => lost(access, FailureKind::TimedOut, after, detail),
        409 => useless(access, FailureKind::Conflict, detail),
        401 if failure.legacy == "missing_permissions" => {
            ProviderError::permanent(FailureKind::MissingPermission, detail)
        }
        401 if failure.legacy == "quota_exceeded" => ProviderError::permanent(FailureKind::QuotaExceeded, detail),
        401 => ProviderError::permanent(FailureKind::Unauthorized, detail),
        402 => ProviderError::permanent(FailureKind::QuotaExceeded, detail),
        403 => ProviderError::permanent(FailureKind::Forbidden, detail),
        404 => ProviderError::permanent(FailureKind::NotFound, detail),
        400..500 => ProviderError::permanent(FailureKind::Invalid, detail),
        500..600 => lost(access, FailureKind::Unavailable, after, detail),
        _ => useless(access, FailureKind::Unexpected, detail),
    };
    error
        .with_status(failure.status)
        .with_code(code(failure))
        .with_request_id(failure.request_id.as_deref().map(str::to_owned))
}

/// A write may have had its effect; a read can simply be repeated.
fn lost(access: Access, kind: FailureKind, after: Option<Duration>, detail: impl Into<String>) -> ProviderError {
    match access {
        Access::Read => ProviderError::retryable(kind, after, detail),
        Access::Write => ProviderError::in_doubt(kind, detail),
    }
}

/// The same, where it would be the same again.
fn useless(access: Access, kind: FailureKind, detail: impl Into<String>) -> ProviderError {
    match access {
        Access::Read => ProviderError::permanent(kind, detail),
        Access::Write => ProviderError::in_doubt(kind, detail),
    }
}

fn is_json(failure: &Failure) -> bool {
    match failure.form {
        Form::Envelope | Form::Legacy | Form::Validation | Form::Framework => true,
        Form::Text | Form::Html => false,
    }
}

fn code(failure: &Failure) -> Option<String> {
    match failure.form {
        Form::Envelope => Some(failure.code.to_owned()),
        Form::Legacy => Some(failure.legacy.to_owned()),
        Form::Validation | Form::Text | Form::Html | Form::Framework => None,
    }
}
