//! The steps of a call as people see them, each with its time, on stderr.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

use partyline_domain::flow::{AssignmentOutcome, CallEvent, FoundBy, Proof};
use partyline_domain::{AfterCall, AgentId, AssignmentPolicy, CallRequest, LookUpOutcome, Notice, RestoreOutcome};

use super::verdict::Heard;
use crate::printer::{Printer, seconds};

/// How far the dial is, as far as an interruption is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Progress {
    NotDialled = 0,
    Dialling = 1,
    Answered = 2,
    /// The dial is no longer waited for, whatever became of it.
    Over = 3,
}

/// Tells people what happens to one call.
pub(super) struct Steps {
    printer: Printer,
    to: String,
    never_assigned: bool,
    restores: bool,
    progress: AtomicU8,
    heard: Mutex<Heard>,
}

impl Steps {
    /// For this call.
    pub(super) fn new(printer: Printer, request: &CallRequest) -> Self {
        let never_assigned = request.policies.assignment == AssignmentPolicy::Never;
        let progress = AtomicU8::new(Progress::NotDialled as u8);
        let restores = request.policies.after_call == AfterCall::Restore;
        let to = request.to.to_string();
        Self { printer, to, never_assigned, restores, progress, heard: Mutex::default() }
    }

    /// How far the dial is.
    pub(super) fn progress(&self) -> Progress {
        match self.progress.load(Ordering::Relaxed) {
            0 => Progress::NotDialled,
            1 => Progress::Dialling,
            2 => Progress::Answered,
            _ => Progress::Over,
        }
    }

    /// What was told that the report does not say.
    pub(super) fn heard(&self) -> Heard {
        self.heard.lock().expect("nobody panics while holding it").clone()
    }

    fn hear(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut self.heard.lock().expect("nobody panics while holding it"));
    }

    /// Tells what is not a step of the call.
    pub(super) fn note(&self, text: &str) {
        self.printer.note(text);
    }

    /// Tells what the core tells.
    pub(super) fn notice(&self, notice: &Notice) {
        let text = match notice {
            Notice::Recorded { recorded, .. } => self.recorded(&recorded.event),
            Notice::RetryScheduled { after, detail, .. } => {
                Some(format!("not dialled ({detail}); trying again in {}", seconds(*after)))
            }
            Notice::AssignRetryScheduled { after, detail, .. } => {
                Some(format!("no clear answer to the assignment ({detail}); trying again in {}", seconds(*after)))
            }
            Notice::LookedUp { count, outcome, next, .. } => Some(looked_up(*count, outcome, next.map(seconds))),
            Notice::RecordUnread { detail, .. } => {
                self.hear(|heard| heard.unread = Some(detail.clone()));
                Some(format!("proof: the record could not be read: {detail}"))
            }
            Notice::InboundRestored { outcome, .. } => Some(restored(outcome)),
            Notice::RestoreDelayed { after, .. } => {
                Some(format!("the number is given back in {}: a request may still take effect", seconds(*after)))
            }
            Notice::DialAnswered { request_id, .. } => {
                self.hear(|heard| heard.request_id.clone_from(request_id));
                None
            }
            Notice::VerificationStarted { .. }
            | Notice::AssignmentStarted { .. }
            // Told by the error at the end.
            | Notice::NumberQuarantined { .. }
            | Notice::Completed(_)
            | _ => None,
        };
        if let Some(text) = text {
            self.printer.step(&text);
        }
    }

    fn recorded(&self, event: &CallEvent) -> Option<String> {
        match event {
            CallEvent::AgentVerified { agent_name, .. } => Some(format!("agent verified: {agent_name}")),
            CallEvent::NumberAssigned { outcome, .. } => Some(self.assigned(*outcome).to_owned()),
            CallEvent::DialIntended { .. } => {
                self.set(Progress::Dialling);
                Some(format!("dialling {}", self.to))
            }
            CallEvent::DialNotExecuted { .. } => {
                self.set(Progress::NotDialled);
                None
            }
            CallEvent::DialDoubted { detail, .. } => {
                Some(format!("no clear answer to the dial ({detail}); looking whether it was placed"))
            }
            CallEvent::CallInitiated { conversation, found_by, .. } => {
                self.set(Progress::Answered);
                let found = match found_by {
                    FoundBy::Answer => "",
                    FoundBy::LookUp => " (found by looking it up)",
                };
                Some(format!("call initiated: {conversation}{found}"))
            }
            // Told when it could not be read.
            CallEvent::ProofRead { proof: Proof::Absent } if self.heard().unread.is_some() => None,
            CallEvent::ProofRead { proof } => proof_read(proof),
            CallEvent::LookUpsEnded { .. } => {
                self.set(Progress::Over);
                // Otherwise the error comes at once, and says more.
                self.restores.then(|| "outcome unknown: nobody knows whether the phone rang".to_owned())
            }
            CallEvent::DialRefused { .. } | CallEvent::DialFailed { .. } => {
                self.set(Progress::Over);
                None
            }
            CallEvent::CallRequested { .. }
            | CallEvent::VerificationFailed { .. }
            | CallEvent::AssignmentFailed { .. }
            | CallEvent::CallWithdrawn { .. }
            | _ => None,
        }
    }

    fn assigned(&self, outcome: AssignmentOutcome) -> &'static str {
        match outcome {
            AssignmentOutcome::Assigned => "number assigned",
            AssignmentOutcome::Already => "number already has the agent",
            AssignmentOutcome::Skipped if self.never_assigned => "assignment skipped (`--assignment never`)",
            AssignmentOutcome::Skipped => "assignment skipped (outbound-only number)",
        }
    }

    fn set(&self, progress: Progress) {
        self.progress.store(progress as u8, Ordering::Relaxed);
    }
}

fn looked_up(count: u32, outcome: &LookUpOutcome, next: Option<String>) -> String {
    let told = match outcome {
        LookUpOutcome::Found => return format!("look-up {count}: found"),
        LookUpOutcome::NotFound => "not found".to_owned(),
        LookUpOutcome::Failed { detail } => format!("could not look ({detail})"),
    };
    match next {
        Some(next) => format!("look-up {count}: {told}; the next one in {next}"),
        None => format!("look-up {count}: {told}; that was the last one"),
    }
}

fn proof_read(proof: &Proof) -> Option<String> {
    match proof {
        Proof::Matches { complete: true } => {
            Some("proof: the provider's record names agent, number and callee".to_owned())
        }
        Proof::Matches { complete: false } => {
            Some("proof: the provider's record names the agent, but not yet number and callee".to_owned())
        }
        Proof::Absent => Some("proof: the provider has no record yet".to_owned()),
        // Told by the error at the end.
        Proof::Mismatch { .. } => None,
    }
}

fn restored(outcome: &RestoreOutcome) -> String {
    let name = |agent: &Option<AgentId>| agent.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string);
    match outcome {
        RestoreOutcome::Restored { to } => format!("number given back: answered by {}", name(to)),
        RestoreOutcome::LeftAlone { now } => {
            format!("number not given back: somebody else has changed it meanwhile, it is answered by {}", name(now))
        }
        RestoreOutcome::Failed { to, detail } => {
            format!("number NOT given back ({detail}): it should be answered by {}", name(to))
        }
    }
}
