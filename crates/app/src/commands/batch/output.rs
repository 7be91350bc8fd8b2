//! What a batch prints of a call that has ended: an object for programs, a line for people, a line of `--out`.

use partyline_domain::flow::{CallState, Dialed, Failed, FailureReason};
use partyline_domain::{AgentId, CallId, CallReport, ConversationId, PhoneNumber, PhoneNumberId};
use serde::Serialize;

use super::results;
use crate::commands::call::{self, CallOutput, Sums};
use crate::errors::reason_word;
use crate::printer::milliseconds;

/// The reason of a row that was not taken.
pub(super) const INVALID_ROW: &str = "invalid_row";

/// The object of `batch --json`: the row's line in the input, and the fields of `call --json`.
#[derive(Debug, Serialize)]
pub(super) struct RowOutput {
    row: u64,
    #[serde(flatten)]
    call: CallOutput,
}

/// The fields of a call that has ended, as all three kinds of output need them.
pub(super) struct Ended<'a> {
    pub(super) line: u64,
    /// The agent as the row names it.
    pub(super) agent: &'a str,
    pub(super) report: &'a CallReport,
    /// It is the outcome of an earlier call with the same key.
    pub(super) replayed: bool,
}

impl RowOutput {
    /// A row that was not taken.
    pub(super) fn not_taken(row: u64, error: String) -> Self {
        Self::refused(row, INVALID_ROW, error)
    }

    /// A row that no call was made of.
    pub(super) fn refused(row: u64, reason: &'static str, error: String) -> Self {
        Self { row, call: CallOutput::not_taken(reason, error) }
    }

    /// A call that is left where it is.
    pub(super) fn left(row: u64, left: &Left<'_>) -> Self {
        Self { row, call: CallOutput::left(left.call, left.state, left.dialed, left.agent, left.to) }
    }
}

/// A call that is left where it is: it waits in the store, or another process has it.
pub(super) struct Left<'a> {
    pub(super) call: &'a CallId,
    /// As one word.
    pub(super) state: &'static str,
    pub(super) dialed: Dialed,
    pub(super) agent: &'a AgentId,
    pub(super) to: PhoneNumber,
    pub(super) number: Option<&'a PhoneNumberId>,
}

impl Left<'_> {
    /// For the file of results.
    pub(super) fn result<'a>(&'a self, row: u64, agent: &'a str) -> results::Line<'a> {
        results::Line {
            row,
            agent,
            to: self.to.e164(),
            phone_number_id: self.number.map_or("", PhoneNumberId::as_str),
            state: self.state,
            dialed: self.dialed.as_str(),
            ..results::Line::default()
        }
    }
}

impl Ended<'_> {
    /// For programs.
    pub(super) fn object(&self) -> RowOutput {
        let sums = Sums { requests: None, elapsed_ms: milliseconds(self.report.elapsed), replayed: self.replayed };
        let call = CallOutput::of_report(self.report, sums, self.message().as_deref());
        RowOutput { row: self.line, call: call.with_reason(self.reason()) }
    }

    /// For people: data, so with whole phone numbers.
    pub(super) fn told(&self) -> String {
        let to = self.report.request.to.e164();
        let agent = self.report.agent_name.as_deref().unwrap_or(self.agent);
        let from = self.report.number.as_ref().map(|number| format!("{} -> ", number.caller_id.expose()));
        let ends = format!("({agent}, {}{to})", from.unwrap_or_default());
        match (self.conversation(), self.message()) {
            (Some(conversation), None) => format!("line {}: initiated: {conversation} {ends}", self.line),
            (_, message) => {
                let reason = self.reason().unwrap_or("initiated");
                let message = message.map(|message| format!(": {message}")).unwrap_or_default();
                format!("line {}: {}: {reason} {ends}{message}", self.line, self.state())
            }
        }
    }

    /// For the file of results.
    pub(super) fn result<'a>(&'a self, message: Option<&'a str>) -> results::Line<'a> {
        let failure = call::failed(self.report).map(Failed::failure);
        results::Line {
            row: self.line,
            agent: self.agent,
            to: self.report.request.to.e164(),
            phone_number_id: self.report.from.as_ref().map_or("", PhoneNumberId::as_str),
            state: self.state(),
            stage: failure.map_or("", |failure| failure.stage.as_str()),
            reason: self.reason().unwrap_or_default(),
            dialed: self.report.state.dialed().as_str(),
            conversation_id: self.conversation().map_or("", ConversationId::as_str),
            provider_call_id: call::provider_call_id(self.report).map_or("", |id| id.as_str()),
            error: message.unwrap_or_default(),
        }
    }

    /// Why it failed, as one word.
    pub(super) fn reason(&self) -> Option<&'static str> {
        let reason = &call::failed(self.report)?.failure().reason;
        Some(if *reason == FailureReason::ShutDown { reason.as_str() } else { reason_word(reason) })
    }

    /// Why it failed, for people.
    pub(super) fn message(&self) -> Option<String> {
        call::failed(self.report).map(|failed| call::message(failed.failure()))
    }

    /// Whether nobody knows if the phone rang.
    pub(super) fn is_unknown(&self) -> bool {
        self.report.state.dialed() == Dialed::Unknown
    }

    fn state(&self) -> &'static str {
        match &self.report.state {
            CallState::Initiated(_) => "initiated",
            CallState::Requested(_) | CallState::Verified(_) | CallState::Assigned(_) | CallState::Failed(_) => {
                "failed"
            }
        }
    }

    fn conversation(&self) -> Option<&ConversationId> {
        call::conversation(self.report)
    }
}
