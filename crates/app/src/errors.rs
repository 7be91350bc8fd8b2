//! An error as a person (or a script) meets it: what happened, whether a phone may have rung, what to do next.

use partyline_domain::flow::{Dialed, FailureReason, Stage};
use partyline_domain::{FailureKind, ProviderError, SideEffect};

use crate::exit::Exit;

/// Why a command ends otherwise than hoped. Holds no key and no whole phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppError {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// The step of a call it was at, where it was at one.
    pub(crate) stage: Option<Stage>,
    /// The reason as one word for JSON and logs.
    pub(crate) reason: &'static str,
    /// What happened, as a lowercase fragment.
    pub(crate) message: String,
    /// What may have happened at the other end, as a fragment.
    pub(crate) effect: Option<&'static str>,
    /// Lists and particulars, a line each.
    pub(crate) details: Vec<String>,
    /// What to do next, a line each.
    pub(crate) hints: Vec<String>,
}

/// The one word for what a user, or the system, has interrupted.
const CANCELLED: &str = "cancelled";
/// The one word for a connection that broke. "Interrupted" is kept for what users do.
pub(crate) const CONNECTION_LOST: &str = "connection_lost";
/// The one word for a call that was placed otherwise than asked.
pub(crate) const MISROUTED: &str = "misrouted";

/// The reason of a failed call as one word for JSON and logs.
pub(crate) fn reason_word(reason: &FailureReason) -> &'static str {
    if let FailureReason::Provider(kind) = reason {
        return kind_word(*kind);
    }
    let is_stopped = matches!(reason, FailureReason::Cancelled | FailureReason::ShutDown);
    if is_stopped { CANCELLED } else { reason.as_str() }
}

/// What kind of failure it was as one word for JSON and logs.
pub(crate) fn kind_word(kind: FailureKind) -> &'static str {
    if kind == FailureKind::Interrupted { CONNECTION_LOST } else { kind.as_str() }
}

impl AppError {
    /// An error with its exit code and its one word.
    pub(crate) fn new(exit: Exit, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            exit,
            stage: None,
            reason,
            message: message.into(),
            effect: None,
            details: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// Wrong usage or configuration.
    pub(crate) fn usage(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, reason, message)
    }

    /// Something that should not happen.
    pub(crate) fn unexpected(message: impl Into<String>) -> Self {
        Self::new(Exit::Unexpected, "unexpected", message)
    }

    /// A user's interruption, and what it left behind.
    pub(crate) fn interrupted(effect: &'static str) -> Self {
        Self::new(Exit::Interrupted, CANCELLED, "interrupted").effect(effect)
    }

    /// A provider request that failed while `doing` something for `stage`.
    pub(crate) fn provider(stage: Stage, doing: &str, error: &ProviderError, host: &str) -> Self {
        let exit = Exit::of_provider(stage, error.kind());
        let mut app = Self::new(exit, kind_word(error.kind()), format!("{doing}: {}", error.detail())).stage(stage);
        app.details.extend(error.request_id().map(|id| format!("request id for the provider's support: {id}")));
        if error.side_effect() == SideEffect::Possible {
            app.effect = Some("the request may have taken effect all the same");
        }
        app.hints.extend(remedy(error.kind(), error.detail(), host).map(str::to_owned));
        app
    }

    /// Adds the step it was at.
    pub(crate) fn stage(self, stage: Stage) -> Self {
        Self { stage: Some(stage), ..self }
    }

    /// Adds what may have happened at the other end.
    pub(crate) fn effect(self, effect: &'static str) -> Self {
        Self { effect: Some(effect), ..self }
    }

    /// Adds a line of particulars.
    pub(crate) fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// Adds many lines of particulars.
    pub(crate) fn details(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(lines);
        self
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, line: impl Into<String>) -> Self {
        self.hints.push(line.into());
        self
    }

    /// Adds what to do next, where there is something.
    pub(crate) fn hint_maybe(mut self, line: Option<&str>) -> Self {
        self.hints.extend(line.map(str::to_owned));
        self
    }
}

/// Whether a phone may have rung, as a fragment for people.
pub(crate) fn rang(dialed: Dialed) -> &'static str {
    match dialed {
        Dialed::No => "nothing was dialled",
        Dialed::Unknown => "the phone may have rung",
        Dialed::Yes => "the call was dialled",
    }
}

/// What a person can do about a failed request to `host`.
pub(crate) fn remedy(kind: FailureKind, detail: &str, host: &str) -> Option<&'static str> {
    let detail = detail.to_lowercase();
    // The second is what is said of an answer before the question.
    if detail.contains("invalid http") || detail.contains("unexpected message from connection") {
        return Some("this host does not answer like the provider: check the base URL");
    }
    if detail.contains("corrupt message") {
        return Some("this host does not answer like the provider: does it speak TLS (https)? check the base URL");
    }
    // The host is told beside the hint by the callers that know it; here it only decides the wording.
    let is_provider = host.contains("elevenlabs.io");
    match kind {
        FailureKind::Unreachable if is_provider => Some("check the network connection and try again"),
        FailureKind::Unreachable => {
            Some("check the network connection and the base URL (`ELEVENLABS_BASE_URL` or `--base-url`)")
        }
        FailureKind::TimedOut | FailureKind::Interrupted | FailureKind::Unavailable => {
            Some("the provider is in trouble or the network is slow: try again later")
        }
        FailureKind::Unreadable | FailureKind::Redirected if is_provider => {
            Some("this is not how the provider answers: a proxy may be in between")
        }
        FailureKind::Unreadable | FailureKind::Redirected => {
            Some("check the base URL (`ELEVENLABS_BASE_URL`): this host does not answer like the provider")
        }
        FailureKind::Unauthorized => Some("check `ELEVENLABS_API_KEY`: the provider does not accept this key"),
        FailureKind::MissingPermission => {
            Some("the key is right but lacks a permission: it needs `convai_read` and `convai_write`")
        }
        FailureKind::QuotaExceeded => Some("credits or quota are used up: see the plan of the account"),
        FailureKind::Forbidden => Some("the account or its plan does not allow this"),
        FailureKind::RateLimited => Some("too many requests or calls at once: try again later"),
        FailureKind::Conflict => Some("somebody else is changing the same thing: try again"),
        FailureKind::NotFound => Some("list what exists with `partyline agents` and `partyline numbers`"),
        FailureKind::TooLate => Some("the machine was too busy to send in time: try again"),
        FailureKind::NotBuilt | FailureKind::Invalid | FailureKind::Unexpected | _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_error_keeps_its_stage_and_its_doubt() {
        let error =
            ProviderError::in_doubt(FailureKind::TimedOut, "no answer in time").with_request_id(Some("r".into()));
        let app = AppError::provider(Stage::Assign, "could not assign the number", &error, "127.0.0.1:1");
        assert_eq!(app.exit, Exit::NotAssigned);
        assert_eq!(app.message, "could not assign the number: no answer in time");
        assert_eq!(app.effect, Some("the request may have taken effect all the same"));
        assert_eq!(app.details, ["request id for the provider's support: r"]);
    }

    #[test]
    fn a_missing_permission_is_not_called_a_wrong_key() {
        let error = ProviderError::permanent(FailureKind::MissingPermission, "lacks convai_write");
        let app = AppError::provider(Stage::Verify, "could not verify the agent", &error, "api.elevenlabs.io");
        assert_eq!(app.exit, Exit::Unauthorized);
        assert!(app.hints.iter().any(|hint| hint.contains("lacks a permission")), "{:?}", app.hints);
    }
}
