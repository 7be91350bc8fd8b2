//! One call as the dispatcher holds it: its flow, and what it waits for.

use std::time::Duration;

use crate::dispatch::effect::Slot;
use crate::dispatch::queue::Turn;
use crate::flow::{AssignmentOutcome, CallState, Proof};
use crate::ids::{AttemptId, PhoneNumberId};
use crate::line::Want;
use crate::notice::{CallReport, RestoreOutcome};
use crate::policy::{AfterCall, AssignmentPolicy};
use crate::ports::{Number, Permit};
use crate::request::{CallRequest, Priority};
use crate::time::{Instant, Timestamp};

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Record {
    pub(super) request: CallRequest,
    pub(super) state: CallState,
    pub(super) version: u64,
    pub(super) step: Step,
    pub(super) since: Instant,
    /// The number whose turn it takes; the only one, or else the first until that is decided.
    pub(super) at: PhoneNumberId,
    pub(super) assignment: Option<AssignmentOutcome>,
    pub(super) announced: bool,
    pub(super) sends: u32,
    /// Assignments for this call that got no clear answer.
    pub(super) unclear_assigns: u32,
    /// Assignments for this call that were dropped unsent because it was too late for them.
    pub(super) unsent_assigns: u32,
    /// The journal has refused something of this call: nothing more is written, and nothing more is sent.
    pub(super) unjournalled: bool,
    /// Boxed, so that a waiting call is small.
    turned: Option<Box<Turned>>,
    /// A dial that was given up has been followed by another.
    pub(super) redialled: bool,
    /// It is not dialled after this.
    pub(super) expires: Option<Instant>,
}

/// What a call has only once its turn has come; most of those that wait in a long queue have none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Turned {
    /// The number that has just been assigned for it.
    pub(super) ready: Option<PhoneNumberId>,
    pub(super) permit: Option<Permit>,
    pub(super) first_sent: Option<Instant>,
    pub(super) ended_at: Option<Instant>,
    pub(super) restore: Option<RestoreOutcome>,
    /// A page of the conversation list will prove it, when it has ended here.
    pub(super) paged: bool,
}

/// What a call waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// Its agent's verification.
    Verification,
    /// Its number.
    Line,
    /// Its number's assignment, which is under way for it.
    Assignment,
    /// A permit to dial.
    Permit,
    /// The journal's answer to its intent to dial, which is not sent after this.
    Intent(AttemptId, Instant),
    /// The answer to its dial.
    Answer(Box<Sent>),
    /// The time at which it tries for its number, or its dial, again.
    Retry(Instant),
    /// Evidence of a dial in doubt.
    Evidence(Box<Doubt>),
    /// The provider's record of its conversation.
    Proof(Box<Proving>),
    /// Its number being given back.
    Restore,
}

impl Step {
    /// Why a timer of a call in this step is set.
    pub(super) fn why(&self) -> &'static str {
        match self {
            Self::Retry(_) => "a request that did not succeed is sent again",
            Self::Evidence(_) => "a dial in doubt is looked up",
            Self::Proof(_) => "a conversation is read back",
            Self::Verification
            | Self::Line
            | Self::Assignment
            | Self::Permit
            | Self::Intent(..)
            | Self::Answer(_)
            | Self::Restore => "a call that no longer waits for time",
        }
    }
}

/// A dial that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    pub(super) attempt: AttemptId,
    pub(super) at: Instant,
    /// Its first byte does not leave after this.
    pub(super) not_after: Instant,
    pub(super) wall: Timestamp,
}

/// A dial in doubt and its look-ups.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Doubt {
    pub(super) sent: Sent,
    pub(super) since: Instant,
    pub(super) done: u32,
    pub(super) due: Option<Instant>,
    /// How many of them failed, and how the last of those did.
    pub(super) failed: u32,
    pub(super) trouble: Option<String>,
}

impl Doubt {
    /// How many look-ups there were, and what came of them.
    pub(super) fn summary(&self) -> String {
        let doubt = "the dial may have been executed";
        let count = |count: u32| if count == 1 { "once".to_owned() } else { format!("{count} times") };
        match (self.done, &self.trouble) {
            (0, _) => format!("{doubt}, and it was not looked up"),
            (done, Some(trouble)) if self.failed == done => {
                format!("{doubt}, and it could not be looked up: {trouble}")
            }
            (done, Some(trouble)) => {
                let (found, failed) = (count(done - self.failed), count(self.failed));
                format!(
                    "{doubt}; it was looked up {found} and not found, and could not be looked up {failed}: {trouble}"
                )
            }
            (done, None) => format!("{doubt}; it was looked up {} and not found", count(done)),
        }
    }
}

/// The reads of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Proving {
    /// The most that any read has said.
    pub(super) best: Proof,
    pub(super) since: Instant,
    pub(super) done: u32,
    pub(super) due: Option<Instant>,
}

impl Record {
    pub(super) fn new(request: CallRequest, expires: Option<Instant>, now: Instant) -> Self {
        let at = request.numbers.iter().next().expect("a choice is never empty").clone();
        Self {
            request,
            at,
            state: CallState::requested(),
            version: 0,
            step: Step::Verification,
            since: now,
            assignment: None,
            announced: false,
            sends: 0,
            unclear_assigns: 0,
            unsent_assigns: 0,
            unjournalled: false,
            turned: None,
            redialled: false,
            expires,
        }
    }

    /// Its place in the order of waiting: urgent calls count as asked for `ahead` earlier.
    pub(super) fn turn(&self, slot: Slot, ahead: Duration) -> Turn {
        let since = match self.request.priority {
            Priority::Normal => self.since.after(ahead),
            Priority::Urgent => self.since,
        };
        Turn { since, slot }
    }

    /// What it has since its turn came.
    pub(super) fn turned(&self) -> Option<&Turned> {
        self.turned.as_deref()
    }

    pub(super) fn turned_mut(&mut self) -> &mut Turned {
        self.turned.get_or_insert_default()
    }

    pub(super) fn wants_restore(&self) -> bool {
        self.request.policies.after_call == AfterCall::Restore
    }

    fn is_ready(&self, number: &PhoneNumberId) -> bool {
        self.turned().is_some_and(|turned| turned.ready.as_ref() == Some(number))
    }

    /// What it needs of a number.
    pub(super) fn want(&self, number: &PhoneNumberId) -> Want<'_> {
        let assignment = match self.request.policies.assignment {
            // It has just been assigned for this call.
            AssignmentPolicy::Always if self.is_ready(number) => AssignmentPolicy::IfDifferent,
            assignment @ (AssignmentPolicy::Always | AssignmentPolicy::IfDifferent | AssignmentPolicy::Never) => {
                assignment
            }
        };
        Want { agent: &self.request.agent, assignment, restore: self.wants_restore(), since: self.since }
    }

    /// A number that differs between calls, also between those of other processes: their ids do.
    pub(super) fn spread(&self) -> u64 {
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.request.id.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, fold) >> 32
    }

    pub(super) fn next_attempt(&self) -> AttemptId {
        AttemptId::of_call(&self.request.id, self.sends + 1)
    }

    /// Until when a dial that was decided then may be sent.
    pub(super) fn send_by(&self, decided: Instant) -> Instant {
        let send_by = decided.after(self.request.policies.dial.send_within);
        self.expires.map_or(send_by, |expires| send_by.min(expires))
    }

    /// How long the agent must stay after a dial's answer.
    pub(super) fn settle_until(&self, now: Instant) -> Option<Instant> {
        let settle = self.request.policies.settle_after_post;
        (settle > Duration::ZERO).then(|| now.after(settle))
    }

    pub(super) fn report(self, agent_name: Option<String>, number: Option<Number>) -> CallReport {
        let Turned { ended_at, restore, .. } = self.turned.map_or_else(Turned::default, |turned| *turned);
        let elapsed = ended_at.map_or(Duration::ZERO, |at| at.since(self.since));
        let from = match &self.state {
            CallState::Assigned(call) => Some(call.number().clone()),
            CallState::Initiated(call) => Some(call.number().clone()),
            CallState::Failed(_) if self.assignment.is_some() => Some(self.at),
            CallState::Requested(_) | CallState::Verified(_) | CallState::Failed(_) => {
                self.request.numbers.only().cloned()
            }
        };
        let number = number.filter(|number| from.as_ref() == Some(&number.id));
        CallReport {
            from,
            request: self.request,
            state: self.state,
            agent_name,
            number,
            assignment: self.assignment,
            restore,
            elapsed,
        }
    }
}
