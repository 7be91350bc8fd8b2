//! What a call prints on stdout: one JSON object, or one line for people.

use partyline_domain::flow::{AssignmentOutcome, CallState, Dialed, Failed, Proof, Stage};
use partyline_domain::ports::{Number, ProviderCallId};
use partyline_domain::{AgentId, CallId, CallReport, ConversationId, PhoneNumber, PhoneNumberId, RestoreOutcome};
use serde::Serialize;

use super::verdict;
use crate::errors::{AppError, reason_word};

/// What a call took, from the start of the command to its report: looking things up, proof and restore included.
#[derive(Clone, Copy, Debug)]
pub(in crate::commands) struct Sums {
    /// `None` where the requests of many calls cannot be told apart.
    pub(in crate::commands) requests: Option<u32>,
    pub(in crate::commands) elapsed_ms: u64,
    /// It is the outcome of an earlier call with the same key.
    pub(in crate::commands) replayed: bool,
}

/// The object of `call --json`. Its keys are promises; `null` = not known.
#[derive(Debug, Default, Serialize)]
pub(in crate::commands) struct CallOutput {
    call_id: Option<String>,
    state: &'static str,
    stage: Option<&'static str>,
    reason: Option<&'static str>,
    dialed: &'static str,
    agent: AgentOutput,
    number: NumberOutput,
    to: Option<String>,
    conversation_id: Option<String>,
    provider_call_id: Option<String>,
    assignment: Option<&'static str>,
    replayed: bool,
    requests: Option<u32>,
    elapsed_ms: u64,
    proof: Option<ProofOutput>,
    after_call: Option<RestoreOutput>,
    error: Option<String>,
}

/// An agent in JSON.
#[derive(Debug, Default, Serialize)]
pub(super) struct AgentOutput {
    pub(super) agent_id: Option<String>,
    pub(super) name: Option<String>,
}

/// A number in JSON.
#[derive(Debug, Default, Serialize)]
pub(super) struct NumberOutput {
    pub(super) phone_number_id: Option<String>,
    pub(super) phone_number: Option<String>,
    pub(super) provider: Option<String>,
}

/// What the provider's record says; the ids are those that differ from the call's.
#[derive(Debug, Default, Serialize)]
struct ProofOutput {
    verdict: &'static str,
    complete: bool,
    agent_id: Option<String>,
    phone_number_id: Option<String>,
    callee_differs: bool,
}

/// What came of giving the number back.
#[derive(Debug, Serialize)]
struct RestoreOutput {
    outcome: &'static str,
    agent_id: Option<String>,
    detail: Option<String>,
}

impl NumberOutput {
    /// A number that was read.
    pub(super) fn of(number: &Number) -> Self {
        Self {
            phone_number_id: Some(number.id.to_string()),
            phone_number: Some(number.caller_id.expose().to_owned()),
            provider: Some(number.provider.as_str().to_owned()),
        }
    }
}

impl CallOutput {
    /// A call that the core has ended; `error` where it did not end well.
    pub(in crate::commands) fn of_report(report: &CallReport, sums: Sums, error: Option<&str>) -> Self {
        let request = &report.request;
        let failed = failed(report);
        let read = report.number.as_ref().map(NumberOutput::of);
        let number = NumberOutput {
            phone_number_id: report.from.as_ref().map(PhoneNumberId::to_string),
            ..NumberOutput::default()
        };
        Self {
            call_id: Some(request.id.to_string()),
            state: if failed.is_some() { "failed" } else { "initiated" },
            stage: failed.map(|failed| failed.failure().stage.as_str()),
            reason: failed.map(|failed| reason_word(&failed.failure().reason)),
            dialed: report.state.dialed().as_str(),
            agent: AgentOutput { agent_id: Some(request.agent.to_string()), name: report.agent_name.clone() },
            number: read.unwrap_or(number),
            to: Some(request.to.e164().to_owned()),
            conversation_id: conversation(report).map(ToString::to_string),
            provider_call_id: provider_call_id(report).map(|id| id.as_str().to_owned()),
            assignment: report.assignment.map(AssignmentOutcome::as_str),
            replayed: sums.replayed,
            requests: sums.requests,
            elapsed_ms: sums.elapsed_ms,
            proof: report.proof().map(ProofOutput::of),
            after_call: report.restore.as_ref().map(RestoreOutput::of),
            error: error.map(str::to_owned),
        }
    }

    /// The same with another word for why it failed.
    pub(in crate::commands) fn with_reason(self, reason: Option<&'static str>) -> Self {
        Self { reason, ..self }
    }

    /// A call that was not taken at all.
    pub(in crate::commands) fn not_taken(reason: &'static str, error: String) -> Self {
        let dialed = Dialed::No.as_str();
        Self { state: "failed", reason: Some(reason), dialed, error: Some(error), ..Self::default() }
    }

    /// A call that has not ended.
    pub(in crate::commands) fn left(
        call: &CallId,
        state: &'static str,
        dialed: Dialed,
        agent: &AgentId,
        to: PhoneNumber,
    ) -> Self {
        Self {
            call_id: Some(call.to_string()),
            state,
            dialed: dialed.as_str(),
            agent: AgentOutput { agent_id: Some(agent.to_string()), name: None },
            to: Some(to.e164().to_owned()),
            ..Self::default()
        }
    }

    /// A call that failed before the core was asked.
    pub(super) fn of_error(
        call: Option<&CallId>,
        to: Option<PhoneNumber>,
        requests: u32,
        ms: u64,
        error: &AppError,
    ) -> Self {
        Self {
            call_id: call.map(ToString::to_string),
            state: "failed",
            stage: error.stage.map(Stage::as_str),
            reason: Some(error.reason),
            dialed: Dialed::No.as_str(),
            to: to.map(|to| to.e164().to_owned()),
            requests: Some(requests),
            elapsed_ms: ms,
            error: Some(error.message.clone()),
            ..Self::default()
        }
    }
}

impl ProofOutput {
    fn of(proof: &Proof) -> Self {
        match proof {
            Proof::Matches { complete } => Self { verdict: "matches", complete: *complete, ..Self::default() },
            Proof::Absent => Self { verdict: "absent", ..Self::default() },
            Proof::Mismatch { agent, number, callee } => Self {
                verdict: "mismatch",
                complete: false,
                agent_id: agent.as_ref().map(ToString::to_string),
                phone_number_id: number.as_ref().map(ToString::to_string),
                callee_differs: *callee,
            },
        }
    }
}

impl RestoreOutput {
    fn of(outcome: &RestoreOutcome) -> Self {
        let text = |agent: &Option<AgentId>| agent.as_ref().map(ToString::to_string);
        match outcome {
            RestoreOutcome::Restored { to } => Self { outcome: "restored", agent_id: text(to), detail: None },
            RestoreOutcome::LeftAlone { now } => Self { outcome: "left_alone", agent_id: text(now), detail: None },
            RestoreOutcome::Failed { to, detail } => {
                Self { outcome: "failed", agent_id: text(to), detail: Some(detail.clone()) }
            }
        }
    }
}

/// The closing line for people: data, so with whole phone numbers.
pub(super) fn closing_line(report: &CallReport, sums: Sums) -> String {
    let conversation = conversation(report).map_or("unknown", ConversationId::as_str);
    let agent = report.agent_name.as_deref().unwrap_or(report.request.agent.as_str());
    let from = report.number.as_ref().map_or(verdict::number_of(report), |number| number.caller_id.expose());
    let restore = verdict::not_restored(report).map(|(to, _)| {
        format!("; the number was NOT given back: it should be answered by {}", to.map_or("nobody", AgentId::as_str))
    });
    let requests = sums.requests.unwrap_or_default();
    let plural = if requests == 1 { "" } else { "s" };
    format!(
        "initiated: {conversation} ({agent}, {from} -> {}; {requests} request{plural}, {} ms){}{}",
        report.request.to.e164(),
        sums.elapsed_ms,
        if sums.replayed { " (replayed)" } else { "" },
        restore.unwrap_or_default()
    )
}

/// How a call failed, where it did.
pub(in crate::commands) fn failed(report: &CallReport) -> Option<&Failed> {
    match &report.state {
        CallState::Failed(failed) => Some(failed),
        CallState::Requested(_) | CallState::Verified(_) | CallState::Assigned(_) | CallState::Initiated(_) => None,
    }
}

/// The conversation, also of a refused dial.
pub(in crate::commands) fn conversation(report: &CallReport) -> Option<&ConversationId> {
    match &report.state {
        CallState::Initiated(initiated) => Some(initiated.conversation()),
        CallState::Failed(failed) => failed.conversation(),
        CallState::Requested(_) | CallState::Verified(_) | CallState::Assigned(_) => None,
    }
}

/// The telephony side's id of the call.
pub(in crate::commands) fn provider_call_id(report: &CallReport) -> Option<&ProviderCallId> {
    match &report.state {
        CallState::Initiated(initiated) => initiated.provider_call_id(),
        CallState::Requested(_) | CallState::Verified(_) | CallState::Assigned(_) | CallState::Failed(_) => None,
    }
}
