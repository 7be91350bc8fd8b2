//! What a report means for a person: the error, if it is one, and what to do next.

use partyline_domain::flow::{CallState, Failed, Failure, FailureReason, Proof, Stage};
use partyline_domain::{AssignmentPolicy, AttemptId, CallReport, RestoreOutcome};

use crate::errors::{AppError, rang, remedy};
use crate::exit::{Exit, is_unproven};
use crate::printer::seconds;
use crate::resolve::Resolver;

/// The error that a report amounts to; `None` where all went well. May read lists to be more helpful.
pub(super) async fn error(report: &CallReport, agent: &str, resolver: &Resolver<'_>) -> Option<AppError> {
    let exit = Exit::of_report(report);
    let error = match &report.state {
        CallState::Initiated(_) => match report.proof() {
            Some(Proof::Mismatch { .. }) => Some(misrouted(report)),
            Some(Proof::Matches { .. } | Proof::Absent) | None if is_unproven(report) => Some(unproven(report)),
            Some(Proof::Matches { .. } | Proof::Absent) | None => None,
        },
        CallState::Failed(failed) => Some(match &failed.failure().reason {
            FailureReason::AgentNotFound => resolver.unknown_agent_listed(agent).await,
            FailureReason::NumberNotFound => resolver.unknown_number_listed(report.request.number.as_str()).await,
            FailureReason::AgentArchived
            | FailureReason::NumberUnsupported
            | FailureReason::NotAssigned
            | FailureReason::Refused
            | FailureReason::Provider(_)
            | FailureReason::Journal
            | FailureReason::Cancelled
            | FailureReason::ShutDown
            | FailureReason::OutcomeUnknown
            | _ => of_failure(report, failed, resolver.host),
        }),
        CallState::Requested(_) | CallState::Verified(_) | CallState::Assigned(_) => {
            Some(AppError::unexpected(format!("the call ended while it was {}", report.state.name())))
        }
    };
    let error = error.map(|error| AppError { exit, ..error });
    error.map(|error| if is_not_restored(report) { error.hint(NOT_RESTORED) } else { error })
}

/// What to do about a number that was not given back.
pub(super) const NOT_RESTORED: &str = "the number was not given back: see who answers the number with `partyline numbers` and set it with `partyline numbers assign`";

fn of_failure(report: &CallReport, failed: &Failed, host: &str) -> AppError {
    let failure = failed.failure();
    let error = AppError::new(Exit::of_failure(failure), failure.reason.as_str(), message(failure))
        .stage(failure.stage)
        .effect(rang(failure.dialed));
    match &failure.reason {
        FailureReason::Provider(kind) => {
            let error = if failure.stage == Stage::Verify { error.detail(format!("host: {host}")) } else { error };
            error.hint_maybe(remedy(*kind, host))
        }
        FailureReason::Refused => match failed.conversation() {
            Some(conversation) => error
                .detail(format!("the provider opened a conversation all the same: {conversation}"))
                .hint("a busy line is refused this way: look at the conversation before you call again"),
            None => error.hint(
                "these are the words of the telephony side: see the number's settings in the provider's dashboard",
            ),
        },
        FailureReason::AgentArchived => error.hint("take the agent out of the archive in the provider's dashboard"),
        FailureReason::NumberUnsupported => {
            error.hint("choose another number with `--number`: they are listed by `partyline numbers`")
        }
        FailureReason::NotAssigned => error.hint("see who answers the number with `partyline numbers` and try again"),
        FailureReason::OutcomeUnknown => unknown(error, report, failed.open_attempt()),
        FailureReason::AgentNotFound
        | FailureReason::NumberNotFound
        | FailureReason::Journal
        | FailureReason::Cancelled
        | FailureReason::ShutDown
        | _ => error,
    }
}

fn message(failure: &Failure) -> String {
    let doing = match (&failure.reason, failure.stage) {
        (FailureReason::Refused, _) => "the provider refused the call",
        (FailureReason::Cancelled | FailureReason::ShutDown, _) => return "interrupted before the dial".to_owned(),
        (FailureReason::OutcomeUnknown, _) => return "nobody knows whether the call was placed".to_owned(),
        (_, Stage::Verify) => "the agent could not be verified",
        (_, Stage::Assign) => "the number could not be assigned",
        (_, Stage::Initiate) => "the call could not be dialled",
    };
    format!("{doing}: {}", failure.detail)
}

fn unknown(error: AppError, report: &CallReport, attempt: Option<&AttemptId>) -> AppError {
    let user = match (&report.request.options.user_id, attempt) {
        (Some(user), _) => Some(user.as_str()),
        (None, attempt) => attempt.map(AttemptId::as_str),
    };
    let error = error
        .detail(format!("it was looked up for {} and not found", seconds(report.request.policies.look_up.window)))
        .hint("do not call again before you know: look at the newest conversations in the provider's dashboard");
    match user {
        Some(user) => error.hint(format!("the call carries the user id {user}")),
        None => error,
    }
}

fn misrouted(report: &CallReport) -> AppError {
    let mut error = AppError::new(Exit::Misrouted, "misrouted", "the call was placed, but not as asked")
        .effect("the call was dialled")
        .hint(if report.request.policies.assignment == AssignmentPolicy::Never {
            "the number is somebody else's and was left so: let it be assigned with `--assignment if-different`"
        } else {
            "somebody else may be changing this number: see `partyline numbers`, and do not trust it until you know"
        });
    if let Some(Proof::Mismatch { agent, number, callee }) = report.proof() {
        if let Some(agent) = agent {
            error =
                error.detail(format!("the provider's record names the agent {agent}, not {}", report.request.agent));
        }
        if let Some(number) = number {
            error =
                error.detail(format!("the provider's record names the number {number}, not {}", report.request.number));
        }
        if *callee {
            error = error.detail("the provider's record names another callee");
        }
    }
    error
}

fn unproven(report: &CallReport) -> AppError {
    let window = seconds(report.request.policies.look_up.window);
    AppError::new(Exit::Unknown, "proof_absent", "the call was placed, but the proof that was required never came")
        .effect("the call was dialled")
        .detail(format!("the provider showed no complete record of the conversation within {window}"))
        .hint("look at the conversation in the provider's dashboard, or allow more time with `--lookup-window`")
}

/// Whether the number should have been given back and was not.
pub(super) fn is_not_restored(report: &CallReport) -> bool {
    matches!(report.restore, Some(RestoreOutcome::Failed { .. }))
}
