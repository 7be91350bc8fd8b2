//! What a report means for a person: the error, if it is one, and what to do next.

use partyline_domain::flow::{CallState, Failed, Failure, FailureReason, Proof, Stage};
use partyline_domain::{AgentId, AssignmentPolicy, AttemptId, CallReport, PhoneNumberId, RestoreOutcome};

use crate::errors::{AppError, rang, reason_word, remedy};
use crate::exit::{Exit, is_unproven};
use crate::printer::seconds;
use crate::resolve::Resolver;

/// What was told on the way and is not in a report.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// The request id of the last answer to a dial that was no success.
    pub(super) request_id: Option<String>,
    /// Why the provider's record could not be read.
    pub(super) unread: Option<String>,
}

/// What the core says of an assignment that a withdrawn call left open.
const MAY_BE_ASSIGNED: &str = "; the number may have been assigned all the same";

/// The error that a report amounts to; `None` where all went well. May read lists to be more helpful, until
/// `interrupted` ends.
pub(super) async fn error(
    report: &CallReport,
    heard: &Heard,
    agent: &str,
    resolver: &Resolver<'_>,
    interrupted: impl Future<Output = ()>,
) -> Option<AppError> {
    let exit = Exit::of_report(report);
    let error = match &report.state {
        CallState::Initiated(_) => match report.proof() {
            Some(Proof::Mismatch { .. }) => Some(misrouted(report)),
            Some(Proof::Matches { .. } | Proof::Absent) | None if is_unproven(report) => Some(unproven(report, heard)),
            Some(Proof::Matches { .. } | Proof::Absent) | None => None,
        },
        CallState::Failed(failed) => Some(match &failed.failure().reason {
            FailureReason::AgentNotFound => tokio::select! {
                biased;
                () = interrupted => resolver.unknown_agent(agent, Err("interrupted")),
                error = resolver.unknown_agent_listed(agent) => error,
            },
            FailureReason::NumberNotFound => {
                let number = number_of(report);
                tokio::select! {
                    biased;
                    () = interrupted => resolver.unknown_number(number, &[]),
                    error = resolver.unknown_number_listed(number) => error,
                }
            }
            FailureReason::AgentArchived
            | FailureReason::NumberUnsupported
            | FailureReason::NotAssigned
            | FailureReason::Refused
            | FailureReason::Provider(_)
            | FailureReason::Journal
            | FailureReason::Cancelled
            | FailureReason::ShutDown
            | FailureReason::OutcomeUnknown
            | _ => of_failure(report, heard, failed, resolver.host),
        }),
        CallState::Requested(_) | CallState::Verified(_) | CallState::Assigned(_) => {
            Some(AppError::unexpected(format!("the call ended while it was {}", report.state.name())))
        }
    };
    error.map(|error| AppError { exit, ..error })
}

/// What people should worry about beside the outcome of the call, a line each.
pub(super) fn warnings(report: &CallReport) -> Vec<String> {
    let incomplete = is_unproven(report) && is_incomplete(report);
    let proof = incomplete.then(|| "the record names the agent, but not yet number and callee".to_owned());
    let restore = not_restored(report).map(|(to, why)| {
        let number = number_of(report);
        let (who, command) = match to {
            Some(agent) => (agent.as_str(), format!("assign {number} {agent}")),
            None => ("nobody", format!("release {number}")),
        };
        format!(
            "the number was NOT given back ({why}): it should be answered by {who}; see who answers it with \
             `partyline numbers`, and set it with `partyline numbers {command}`"
        )
    });
    proof.into_iter().chain(restore).collect()
}

/// The number that the call was placed from, or was to be.
pub(super) fn number_of(report: &CallReport) -> &str {
    report.from.as_ref().map_or("one of several", PhoneNumberId::as_str)
}

/// Who should answer the number (`None` = nobody) and why it was not given back, where it should have been.
pub(super) fn not_restored(report: &CallReport) -> Option<(Option<&AgentId>, &str)> {
    match &report.restore {
        Some(RestoreOutcome::Failed { to, detail }) => Some((to.as_ref(), detail)),
        Some(RestoreOutcome::Restored { .. } | RestoreOutcome::LeftAlone { .. }) | None => None,
    }
}

fn is_incomplete(report: &CallReport) -> bool {
    matches!(report.proof(), Some(Proof::Matches { complete: false }))
}

fn of_failure(report: &CallReport, heard: &Heard, failed: &Failed, host: &str) -> AppError {
    let failure = failed.failure();
    let id = heard.request_id.as_ref().filter(|_| failure.stage == Stage::Initiate);
    let error = AppError::new(Exit::of_failure(failure), reason_word(&failure.reason), message(failure))
        .stage(failure.stage)
        .effect(rang(failure.dialed))
        .details(id.map(|id| format!("request id for the provider's support: {id}")));
    let error = if may_be_assigned(failure) { error.hint(mend(report)) } else { error };
    match &failure.reason {
        FailureReason::Provider(kind) => {
            let error = if failure.stage == Stage::Verify { error.detail(format!("host: {host}")) } else { error };
            error.hint_maybe(remedy(*kind, &failure.detail, host))
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
        FailureReason::OutcomeUnknown => unknown(error, report, failed),
        FailureReason::AgentNotFound
        | FailureReason::NumberNotFound
        | FailureReason::Journal
        | FailureReason::Cancelled
        | FailureReason::ShutDown
        | _ => error,
    }
}

/// Why a call failed, for people.
pub(in crate::commands) fn message(failure: &Failure) -> String {
    let doing = match (&failure.reason, failure.stage) {
        (FailureReason::Refused, _) => "the provider refused the call",
        (FailureReason::Cancelled | FailureReason::ShutDown, _) => {
            let number = if may_be_assigned(failure) { MAY_BE_ASSIGNED } else { "" };
            return format!("interrupted before the dial{number}");
        }
        (
            FailureReason::Expired
            | FailureReason::AgentFailing
            | FailureReason::NumberFailing
            | FailureReason::NumberStopped,
            _,
        ) => "the call was not dialled",
        (FailureReason::OutcomeUnknown, _) => return "nobody knows whether the call was placed".to_owned(),
        (_, Stage::Verify) => "the agent could not be verified",
        (_, Stage::Assign) => "the number could not be assigned",
        (_, Stage::Initiate) => "the call could not be dialled",
    };
    format!("{doing}: {}", failure.detail)
}

/// Whether the number may have been changed by an assignment that was not answered.
fn may_be_assigned(failure: &Failure) -> bool {
    failure.detail.contains("may have been assigned")
}

/// How to see and mend a number that may have been changed.
fn mend(report: &CallReport) -> String {
    let number = number_of(report);
    format!(
        "see who answers the number with `partyline numbers`; mend it with `partyline numbers assign {number} <AGENT>` \
         or `partyline numbers release {number}`"
    )
}

/// What helps where a read failed for want of a permission.
fn permission(trouble: &str) -> Option<&'static str> {
    trouble.contains("permission").then_some("the key lacks a permission: reading conversations needs `convai_read`")
}

fn unknown(error: AppError, report: &CallReport, failed: &Failed) -> AppError {
    let attempt: Option<&AttemptId> = failed.open_attempt();
    let detail = &failed.failure().detail;
    let user = match (&report.request.options.user_id, attempt) {
        (Some(user), _) => Some(user.as_str()),
        (None, attempt) => attempt.map(AttemptId::as_str),
    };
    let error = error
        .detail(detail.clone())
        .hint_maybe(permission(detail))
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
            error = error.detail(format!("the provider's record names the number {number}, not {}", number_of(report)));
        }
        if *callee {
            error = error.detail("the provider's record names another callee");
        }
    }
    error
}

fn unproven(report: &CallReport, heard: &Heard) -> AppError {
    let window = seconds(report.request.policies.look_up.window);
    let (reason, message) = if is_incomplete(report) {
        ("proof_incomplete", "the call was placed, but the proof that was required never became complete")
    } else if heard.unread.is_some() {
        ("proof_unread", "the call was placed, but the proof that was required could not be read")
    } else {
        ("proof_absent", "the call was placed, but the proof that was required never came")
    };
    let detail = match &heard.unread {
        Some(why) => format!("the record could not be read: {why}"),
        None => format!("the provider showed no complete record of the conversation within {window}"),
    };
    AppError::new(Exit::Unknown, reason, message)
        .effect("the call was dialled")
        .detail(detail)
        .hint_maybe(heard.unread.as_deref().and_then(permission))
        .hint("look at the conversation in the provider's dashboard, or allow more time with `--lookup-window`")
}
