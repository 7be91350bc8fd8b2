//! The menu of faults: what can go wrong with a request, when it is to go wrong, and how that is written.
//!
//! A rule is written `<operation>:<fault>[:<count>[@<skip>]]`: `dial:504-after`, `assign:ignored:2`,
//! `number:429:*`, `any:502-html:3@10`. What a fault does to the world is in [`crate::world`], what a port makes of
//! it in [`crate::provider_error`]. Tests: `tests/fault_grammar.rs`, `tests/faults_port.rs`, `tests/faults_http.rs`.

mod grammar;
mod plan;

use std::time::Duration;

pub use grammar::FaultParseError;
pub use plan::{Count, FaultMix, FaultPlan, FaultRule, Target};

use crate::world::Operation;

/// Whether a request has had its effect when it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// It goes wrong first and never has an effect.
    Before,
    /// It has had its effect, and only then goes wrong.
    After,
}

/// A status with which a request can fail on either side of its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailStatus {
    /// 408.
    RequestTimeout,
    /// 409.
    Conflict,
    /// 429. After the effect it is a lie that no client can see through.
    TooManyRequests,
    /// 500.
    InternalError,
    /// 502.
    BadGateway,
    /// 503.
    Unavailable,
    /// 504.
    GatewayTimeout,
}

/// A refusal that never has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Denial {
    /// 401: the key is wrong.
    BadKey,
    /// 401: the key lacks a permission.
    MissingPermission,
    /// 402: out of credits.
    PaymentRequired,
    /// 403: not allowed.
    Forbidden,
    /// 404: the thing named does not exist.
    NotFound,
    /// 422: the request does not validate.
    Unprocessable,
}

/// One way for a request to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// `504-after` and the like: an answer with this status and a JSON body.
    Status(FailStatus, When),
    /// `429`, `429-retry-5s`: refused for its rate, before the effect, with a JSON body.
    RateLimited {
        /// What `Retry-After` says, in whole seconds.
        retry_after: Option<Duration>,
    },
    /// `429-text`: 429 with a body that is not JSON, before the effect.
    RateLimitedText,
    /// `502-html`, `502-html-after`: the page of a gateway.
    Html(When),
    /// `401`, `401-permission`, `402`, `403`, `404`, `422`.
    Denied(Denial),
    /// `hang-before`, `hang-after`: never answered.
    Hang(When),
    /// `reset-before`, `reset-after`: the connection is cut.
    Reset(When),
    /// `half`: the effect, then half of the answer.
    Half,
    /// `garbage`: the effect, then 200 with nonsense.
    Garbage,
    /// `refused`: 200 with `success: false` and no conversation; a failed record is left behind all the same
    /// (`elevenlabs-api.md` section 3).
    Refused,
    /// `refused-with-conversation`: the phone rang, then 200 with `success: false` and a conversation.
    RefusedWithConversation,
    /// `no-conversation-id`: the effect, then 200 with `success: true` and no conversation.
    NoConversationId,
    /// `ignored`: the change is answered 200, is not made, and the answer shows that.
    Ignored,
    /// `lying`: nothing is done, and the answer says that it was.
    Lying,
    /// `unknown-enum`: words and fields that no client knows.
    UnknownEnum,
    /// `missing-optional`: everything that may be left out is left out.
    MissingOptional,
    /// `legacy`: an error, where there is one, is written in the form of before 2026.
    Legacy,
    /// `slow-2s`: the effect as usual, the answer that much later.
    Slow(Duration),
    /// `late-2s`: answered 504 as usual, executed that much later.
    Late(Duration),
    /// `hang-late-2s`: never answered, executed that much later.
    HangLate(Duration),
    /// `twice-2s`: the effect and the answer as usual, and the effect once more that much later.
    Twice(Duration),
    /// `page-missing`: a page of the list of conversations is empty and the last.
    PageMissing,
    /// `page-shuffled`: a page of the list of conversations is in the wrong order.
    PageShuffled,
    /// `untagged`: a conversation is shown without the attempt id it was opened with.
    Untagged,
}

impl Fault {
    /// Every fault, those with a duration once each.
    pub fn menu() -> Vec<Self> {
        let timed = [
            Self::RateLimited { retry_after: Some(Duration::from_secs(1)) },
            Self::Slow(Duration::from_secs(2)),
            Self::Late(Duration::from_secs(2)),
            Self::HangLate(Duration::from_secs(2)),
            Self::Twice(Duration::from_secs(2)),
        ];
        grammar::NAMED.iter().map(|(_, fault)| *fault).chain(timed).collect()
    }

    /// Whether this can happen to a request of this kind.
    pub fn applies_to(self, operation: Operation) -> bool {
        match self {
            Self::Refused | Self::RefusedWithConversation | Self::NoConversationId => operation == Operation::Dial,
            Self::Ignored => operation == Operation::Assign,
            Self::PageMissing | Self::PageShuffled => operation == Operation::Conversations,
            Self::Untagged => operation == Operation::Conversation,
            Self::Lying | Self::Late(_) | Self::HangLate(_) | Self::Twice(_) => {
                matches!(operation, Operation::Assign | Operation::Dial)
            }
            Self::Status(..)
            | Self::RateLimited { .. }
            | Self::RateLimitedText
            | Self::Html(_)
            | Self::Denied(_)
            | Self::Hang(_)
            | Self::Reset(_)
            | Self::Half
            | Self::Garbage
            | Self::UnknownEnum
            | Self::MissingOptional
            | Self::Legacy
            | Self::Slow(_) => true,
        }
    }

    /// Whether it breaks what the core relies on (a lie, an effect long after the answer or a second one, a list
    /// that hides what is there), so that no client can keep all promises under it.
    pub fn breaks_assumptions(self) -> bool {
        match self {
            Self::Lying
            | Self::Late(_)
            | Self::HangLate(_)
            | Self::Twice(_)
            | Self::PageMissing
            | Self::PageShuffled
            | Self::Untagged
            | Self::Status(FailStatus::TooManyRequests, When::After) => true,
            Self::Status(..)
            | Self::RateLimited { .. }
            | Self::RateLimitedText
            | Self::Html(_)
            | Self::Denied(_)
            | Self::Hang(_)
            | Self::Reset(_)
            | Self::Half
            | Self::Garbage
            | Self::Refused
            | Self::RefusedWithConversation
            | Self::NoConversationId
            | Self::Ignored
            | Self::UnknownEnum
            | Self::MissingOptional
            | Self::Legacy
            | Self::Slow(_) => false,
        }
    }
}
