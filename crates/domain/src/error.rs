//! What can go wrong at a port. Every error answers two questions: is it sensible to try again
//! ([`Remedy`]), and may something have happened ([`SideEffect`])? Errors are data: they can be stored,
//! compared, and told to people long after the connection is gone.

use std::fmt;
use std::time::Duration;

use crate::ids::{CallId, PhoneNumberId};

/// Whether trying again is sensible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// It is; not before `after`, where the other side names a time.
    Retry {
        /// What the other side asked for (`Retry-After`).
        after: Option<Duration>,
    },
    /// The same request would fail the same way.
    GiveUp,
}

/// Whether the request may have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SideEffect {
    /// It certainly has not.
    None,
    /// It may have.
    Possible,
}

/// The two answers in one word. Only [`Class::Retryable`] may lead to a second dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// No effect, and trying again is sensible.
    Retryable {
        /// What the other side asked for.
        after: Option<Duration>,
    },
    /// No effect, and trying again is useless.
    Permanent,
    /// Something may have happened.
    InDoubt,
}

/// What kind of failure a provider request met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum FailureKind {
    /// The request could not be built; nothing was sent.
    NotBuilt,
    /// Its time to be sent had passed; nothing was sent.
    TooLate,
    /// No connection: name not found, refused, TLS failed. Nothing was sent.
    Unreachable,
    /// No whole answer in time.
    TimedOut,
    /// The connection broke, or the request was dropped, after it was sent.
    Interrupted,
    /// An answer that cannot be understood.
    Unreadable,
    /// The provider points elsewhere; writes are never sent there.
    Redirected,
    /// The key is missing or wrong.
    Unauthorized,
    /// The key is right but lacks a permission.
    MissingPermission,
    /// Credits or quota are used up.
    QuotaExceeded,
    /// Not allowed for this account.
    Forbidden,
    /// The thing named in the request does not exist.
    NotFound,
    /// The provider finds the request wrong.
    Invalid,
    /// Too many requests, or too many calls at once.
    RateLimited,
    /// The request collides with another.
    Conflict,
    /// The provider is in trouble (5xx).
    Unavailable,
    /// Anything else.
    Unexpected,
}

impl FailureKind {
    /// The kind as one word for logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotBuilt => "not_built",
            Self::TooLate => "too_late",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Interrupted => "interrupted",
            Self::Unreadable => "unreadable",
            Self::Redirected => "redirected",
            Self::Unauthorized => "unauthorized",
            Self::MissingPermission => "missing_permission",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Invalid => "invalid",
            Self::RateLimited => "rate_limited",
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::Unexpected => "unexpected",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A provider request that did not succeed.
///
/// An adapter builds it with [`ProviderError::retryable`], [`ProviderError::permanent`] or
/// [`ProviderError::in_doubt`], and so has to answer the two questions. For a read the effect is always none.
///
/// ```
/// use partyline_domain::{Class, FailureKind, ProviderError, SideEffect};
/// let error = ProviderError::in_doubt(FailureKind::Unavailable, "the provider answered 504").with_status(504);
/// assert_eq!(error.class(), Class::InDoubt);
/// assert_eq!(error.side_effect(), SideEffect::Possible);
/// assert_eq!(error.to_string(), "the provider answered 504");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{detail}")]
pub struct ProviderError {
    kind: FailureKind,
    remedy: Remedy,
    effect: SideEffect,
    detail: String,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
}

impl ProviderError {
    fn new(kind: FailureKind, remedy: Remedy, effect: SideEffect, detail: impl Into<String>) -> Self {
        Self { kind, remedy, effect, detail: detail.into(), status: None, code: None, request_id: None }
    }

    /// It certainly had no effect, and may be tried again.
    pub fn retryable(kind: FailureKind, after: Option<Duration>, detail: impl Into<String>) -> Self {
        Self::new(kind, Remedy::Retry { after }, SideEffect::None, detail)
    }

    /// It certainly had no effect, and trying again is useless.
    pub fn permanent(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self::new(kind, Remedy::GiveUp, SideEffect::None, detail)
    }

    /// It may have had an effect.
    pub fn in_doubt(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self::new(kind, Remedy::GiveUp, SideEffect::Possible, detail)
    }

    /// Adds when trying again is sensible, as the other side says. What may have happened stays as it is: an
    /// error in doubt is still in doubt.
    pub fn with_retry_after(self, after: Option<Duration>) -> Self {
        Self { remedy: Remedy::Retry { after }, ..self }
    }

    /// Adds the HTTP status.
    pub fn with_status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Adds the provider's own error code.
    pub fn with_code(self, code: Option<String>) -> Self {
        Self { code, ..self }
    }

    /// Adds the id under which the provider's support finds the request.
    pub fn with_request_id(self, request_id: Option<String>) -> Self {
        Self { request_id, ..self }
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Whether trying again is sensible.
    pub fn remedy(&self) -> Remedy {
        self.remedy
    }

    /// Whether the request may have taken effect.
    pub fn side_effect(&self) -> SideEffect {
        self.effect
    }

    /// Both answers in one word.
    pub fn class(&self) -> Class {
        match (self.effect, self.remedy) {
            (SideEffect::Possible, _) => Class::InDoubt,
            (SideEffect::None, Remedy::Retry { after }) => Class::Retryable { after },
            (SideEffect::None, Remedy::GiveUp) => Class::Permanent,
        }
    }

    /// What happened, as a lowercase fragment for people. Holds no key and no whole phone number.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The HTTP status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The provider's own error code, where it gave one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The id under which the provider's support finds the request.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

/// A journal that did not take an entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The call has moved on: another writer was there. Nothing of the entry was written.
    #[error("call {call} is at version {actual}, not {expected}: another process has moved it on")]
    Conflict {
        /// The call whose version did not fit.
        call: CallId,
        /// The version the entry was written for.
        expected: u64,
        /// The version the journal has.
        actual: u64,
    },
    /// The number's lease, or the claim of the call, is another process's by now. Nothing of the entry was written.
    #[error("another process has the number {number} by now")]
    Fenced {
        /// The number that the entry's intent concerns.
        number: PhoneNumberId,
    },
    /// The store did not answer as it should. The entry may or may not have been written, as `effect` says.
    #[error("the journal is not available: {detail}")]
    Unavailable {
        /// What happened, as a lowercase fragment.
        detail: String,
        /// Whether the entry may have been written all the same.
        effect: SideEffect,
    },
}

impl JournalError {
    /// Whether the entry may have been written.
    pub fn side_effect(&self) -> SideEffect {
        match self {
            Self::Conflict { .. } | Self::Fenced { .. } => SideEffect::None,
            Self::Unavailable { effect, .. } => *effect,
        }
    }

    /// Whether writing the same entry again is sensible.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Conflict { .. } | Self::Fenced { .. } => Remedy::GiveUp,
            Self::Unavailable { .. } => Remedy::Retry { after: None },
        }
    }
}
