//! The log events that are promises (`design.md` section 6), from what the core tells.
//!
//! A call that goes well logs exactly eight at info level. What is worth knowing beside them is logged at
//! debug level where all is well, and as a warning or an error where it is not.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use partyline_domain::flow::{CallEvent, CallState, DoubtCause, Evidence, FoundBy, Proof};
use partyline_domain::ports::{ProviderCallId, Recorded};
use partyline_domain::{AgentId, CallId, CallReport, Failing, Notice, PhoneNumber, PhoneNumberId, RestoreOutcome};

use crate::errors::{AppError, kind_word, reason_word};
use crate::printer::milliseconds;

/// Logs calls.
pub(crate) struct CallLog {
    requests: Box<dyn Fn() -> u32 + Send + Sync>,
    elapsed_ms: Box<dyn Fn() -> u64 + Send + Sync>,
    sandbox: bool,
    /// The calls that have not ended.
    calls: Mutex<BTreeMap<CallId, Logged>>,
}

/// What the log says again at the end of a call.
struct Logged {
    agent: AgentId,
    verification: Option<Evidence>,
    assignment: Option<Evidence>,
}

macro_rules! log_event {
    ($level:ident, $event:literal, $call:expr, $($fields:tt)*) => {
        tracing::$level!(target: "partyline::call", event = $event, call_id = %$call, $($fields)*)
    };
}

impl CallLog {
    /// A log that asks `requests` how many have been sent and `elapsed_ms` how long the command has run, of calls that are placed in a `sandbox` or not.
    pub(crate) fn new(
        requests: Box<dyn Fn() -> u32 + Send + Sync>,
        elapsed_ms: Box<dyn Fn() -> u64 + Send + Sync>,
        sandbox: bool,
    ) -> Self {
        Self { requests, elapsed_ms, sandbox, calls: Mutex::default() }
    }

    /// Logs what the core tells.
    pub(crate) fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Recorded { call, recorded } => self.recorded(call, recorded),
            Notice::VerificationStarted { call, agent } => {
                log_event!(info, "agent_verification", call, agent_id = %agent);
            }
            Notice::AssignmentStarted { call, number, agent } => {
                log_event!(info, "phone_number_assignment", call, phone_number_id = %number, agent_id = %agent);
            }
            Notice::DialAnswered { call, attempt, verdict, status, request_id, took } => log_event!(
                info,
                "elevenlabs_api_response",
                call,
                attempt_id = %attempt,
                verdict = verdict.as_str(),
                status = *status,
                request_id = request_id.as_deref(),
                elapsed_ms = milliseconds(*took),
            ),
            Notice::RetryScheduled { call, after, detail } => {
                log_event!(
                    warn,
                    "dial_retry_scheduled",
                    call,
                    after_ms = milliseconds(*after),
                    detail = detail.as_str()
                );
            }
            Notice::AssignRetryScheduled { call, after, detail } => {
                log_event!(
                    warn,
                    "assignment_retry_scheduled",
                    call,
                    after_ms = milliseconds(*after),
                    detail = detail.as_str()
                );
            }
            Notice::LookedUp { call, attempt, count, outcome, next } => log_event!(
                warn,
                "dial_looked_up",
                call,
                attempt_id = %attempt,
                count = *count,
                outcome = outcome.as_str(),
                next_ms = next.map(milliseconds),
            ),
            Notice::RecordUnread { call, detail } => {
                log_event!(warn, "proof_unread", call, detail = detail.as_str());
            }
            Notice::NumberQuarantined { call, number, seen } => log_event!(
                error,
                "phone_number_quarantined",
                call,
                phone_number_id = %number,
                agent_id = seen.as_ref().map(AgentId::as_str),
            ),
            Notice::Audited { call, proof, .. } => proof_read(call, proof),
            Notice::InboundRestored { number, outcome } => restored(number.as_str(), outcome),
            Notice::RestoreDelayed { number, after } => tracing::warn!(
                target: "partyline::call",
                event = "phone_number_restore_delayed",
                phone_number_id = %number,
                after_ms = milliseconds(*after),
            ),
            Notice::Completed(report) => self.completed(report),
            Notice::OutsideChange { .. }
            | Notice::NumberStopped { .. }
            | Notice::NumberTrusted { .. }
            | Notice::DiallingStopped { .. }
            | Notice::BreakerOpened { .. }
            | Notice::BreakerClosed { .. }
            | Notice::SurveyFailed { .. }
            | _ => of_many(notice),
        }
    }

    fn calls(&self) -> MutexGuard<'_, BTreeMap<CallId, Logged>> {
        // It is whole after each change.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps something of a call for the end, and returns its agent.
    fn note(&self, call: &CallId, keep: impl FnOnce(&mut Logged)) -> Option<AgentId> {
        let mut calls = self.calls();
        let logged = calls.get_mut(call)?;
        keep(logged);
        Some(logged.agent.clone())
    }

    fn recorded(&self, call: &CallId, recorded: &Recorded) {
        match &recorded.event {
            CallEvent::CallRequested { request } => {
                log_event!(
                    info,
                    "call_attempt",
                    call,
                    agent_id = %request.agent,
                    phone_number_id = request.numbers.only().map(PhoneNumberId::as_str),
                    to = %request.to,
                    sandbox = self.sandbox.then_some(true),
                );
                let logged = Logged { agent: request.agent.clone(), verification: None, assignment: None };
                self.calls().insert(call.clone(), logged);
            }
            CallEvent::AgentVerified { agent_name, evidence } => {
                let agent = self.note(call, |logged| logged.verification = Some(*evidence));
                log_event!(
                    info,
                    "agent_verified",
                    call,
                    agent_id = agent.as_ref().map(AgentId::as_str),
                    agent_name = agent_name.as_str(),
                    evidence = evidence_word(*evidence),
                );
            }
            CallEvent::NumberAssigned { number, outcome, evidence } => {
                let agent = self.note(call, |logged| logged.assignment = Some(*evidence));
                log_event!(
                    info,
                    "phone_number_assigned",
                    call,
                    phone_number_id = %number,
                    agent_id = agent.as_ref().map(AgentId::as_str),
                    outcome = outcome.as_str(),
                    evidence = evidence_word(*evidence),
                );
            }
            CallEvent::DialDoubted { attempt, cause, detail } => log_event!(
                warn,
                "dial_in_doubt",
                call,
                attempt_id = %attempt,
                cause = cause_word(cause),
                detail = detail.as_str(),
            ),
            CallEvent::CallInitiated { attempt, conversation, provider_call_id, found_by } => log_event!(
                info,
                "call_initiated",
                call,
                conversation_id = %conversation,
                provider_call_id = provider_call_id.as_ref().map(ProviderCallId::as_str),
                attempt_id = %attempt,
                found_by = found_by_word(*found_by),
            ),
            CallEvent::ProofRead { proof } => proof_read(call, proof),
            // Told by the event that ends the call.
            CallEvent::VerificationFailed { .. }
            | CallEvent::AssignmentFailed { .. }
            | CallEvent::DialIntended { .. }
            | CallEvent::DialNotExecuted { .. }
            | CallEvent::DialRefused { .. }
            | CallEvent::DialFailed { .. }
            | CallEvent::LookUpsEnded { .. }
            | CallEvent::CallWithdrawn { .. }
            | _ => {}
        }
    }

    fn completed(&self, report: &CallReport) {
        let (call, elapsed_ms) = (&report.request.id, (self.elapsed_ms)());
        let logged = self.calls().remove(call);
        let requests = (self.requests)();
        match &report.state {
            CallState::Initiated(initiated) => log_event!(
                info,
                "call_flow_completed",
                call,
                state = "initiated",
                dialed = "yes",
                conversation_id = %initiated.conversation(),
                assignment = initiated.outcome().as_str(),
                verification_evidence = logged.as_ref().and_then(|logged| logged.verification).map(evidence_word),
                assignment_evidence = logged.as_ref().and_then(|logged| logged.assignment).map(evidence_word),
                requests,
                elapsed_ms,
            ),
            CallState::Failed(failed) => {
                let failure = failed.failure();
                log_event!(
                    info,
                    "call_failed",
                    call,
                    stage = failure.stage.as_str(),
                    reason = reason_word(&failure.reason),
                    dialed = failure.dialed.as_str(),
                    detail = failure.detail.as_str(),
                    requests,
                    elapsed_ms,
                );
            }
            CallState::Requested(_) | CallState::Verified(_) | CallState::Assigned(_) => {}
        }
    }
}

/// Logs a call that failed before the core was asked.
pub(crate) fn failed_early(
    call: &CallId,
    agent: &str,
    to: Option<PhoneNumber>,
    sandbox: bool,
    error: &AppError,
    requests: u32,
    elapsed_ms: u64,
) {
    let to = to.map(|to| to.to_string());
    log_event!(info, "call_attempt", call, agent, to = to.as_deref(), sandbox = sandbox.then_some(true));
    log_event!(
        info,
        "call_failed",
        call,
        stage = error.stage.map(partyline_domain::flow::Stage::as_str),
        reason = error.reason,
        dialed = "no",
        detail = error.message.as_str(),
        requests,
        elapsed_ms,
    );
}

/// What concerns more than one call.
fn of_many(notice: &Notice) {
    if let Notice::OutsideChange { number, was, now } = notice {
        tracing::warn!(
            target: "partyline::call",
            event = "phone_number_changed_by_others",
            phone_number_id = %number,
            before = was.as_ref().map(AgentId::as_str),
            agent_id = now.as_ref().map(AgentId::as_str),
        );
    } else if let Notice::NumberStopped { number, detail } = notice {
        tracing::error!(
            target: "partyline::call",
            event = "phone_number_stopped",
            phone_number_id = %number,
            detail = detail.as_str(),
        );
    } else if let Notice::DiallingStopped { kind, detail } = notice {
        tracing::error!(
            target: "partyline::call",
            event = "dialling_stopped",
            reason = kind_word(*kind),
            detail = detail.as_str(),
        );
    } else if let Notice::BreakerOpened { of, pause, detail } = notice {
        tracing::warn!(
            target: "partyline::call",
            event = "breaker_opened",
            of = failing(of),
            pause_ms = milliseconds(*pause),
            detail = detail.as_str(),
        );
    } else if let Notice::BreakerClosed { of } = notice {
        tracing::warn!(target: "partyline::call", event = "breaker_closed", of = failing(of));
    } else if let Notice::NumberTaken { number, epoch, unresolved, settles_in } = notice {
        tracing::debug!(
            target: "partyline::call",
            event = "phone_number_taken",
            phone_number_id = %number,
            epoch = *epoch,
            unresolved = *unresolved,
            settles_in_ms = milliseconds(*settles_in),
        );
    } else if let Notice::NumberReleased { number } = notice {
        tracing::debug!(target: "partyline::call", event = "phone_number_released", phone_number_id = %number);
    } else if let Notice::NumberLost { number } = notice {
        tracing::warn!(target: "partyline::call", event = "phone_number_lost", phone_number_id = %number);
    } else if let Notice::HandedBack { call } = notice {
        log_event!(debug, "call_handed_back", call,);
    } else if let Notice::SurveyFailed { detail } = notice {
        tracing::warn!(target: "partyline::call", event = "survey_failed", detail = detail.as_str());
    }
}

fn failing(of: &Failing) -> &str {
    match of {
        Failing::Agent(agent) => agent.as_str(),
        Failing::Number(number) => number.as_str(),
    }
}

fn proof_read(call: &CallId, proof: &Proof) {
    match proof {
        Proof::Matches { complete } => log_event!(debug, "proof_read", call, proof = "matches", complete = *complete),
        Proof::Absent => log_event!(debug, "proof_read", call, proof = "absent"),
        Proof::Mismatch { agent, number, callee } => log_event!(
            error,
            "proof_mismatch",
            call,
            agent_id = agent.as_ref().map(AgentId::as_str),
            phone_number_id = number.as_ref().map(PhoneNumberId::as_str),
            callee_differs = *callee,
        ),
    }
}

fn restored(number: &str, outcome: &RestoreOutcome) {
    let name = |agent: &Option<AgentId>| agent.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string);
    match outcome {
        RestoreOutcome::Restored { to } => tracing::debug!(
            target: "partyline::call", event = "phone_number_restored", phone_number_id = number, agent_id = name(to)
        ),
        RestoreOutcome::LeftAlone { now } => tracing::warn!(
            target: "partyline::call", event = "phone_number_left_alone", phone_number_id = number, agent_id = name(now)
        ),
        RestoreOutcome::Failed { to, detail } => tracing::error!(
            target: "partyline::call",
            event = "phone_number_restore_failed",
            phone_number_id = number,
            agent_id = name(to),
            detail = detail.as_str()
        ),
    }
}

fn cause_word(cause: &DoubtCause) -> &'static str {
    match cause {
        DoubtCause::Provider(kind) => kind_word(*kind),
        DoubtCause::Interrupted | DoubtCause::Recovered | _ => cause.as_str(),
    }
}

fn evidence_word(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Fresh => "fresh",
        Evidence::Cached => "cached",
    }
}

fn found_by_word(found_by: FoundBy) -> &'static str {
    match found_by {
        FoundBy::Answer => "answer",
        FoundBy::LookUp => "look_up",
    }
}
