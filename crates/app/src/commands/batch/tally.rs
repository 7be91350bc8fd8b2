//! How far a batch is: each call's state, how many there are of each, and who is assigned to which number.

use std::collections::BTreeMap;

use partyline_domain::flow::{CallEvent, CallState};
use partyline_domain::{AgentId, CallId, CallReport, Notice, PhoneNumberId};

/// Where a call is, as the display knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Waiting,
    Verified,
    Dialling,
    InDoubt,
    Initiated,
    Failed,
}

/// How many calls there are in each place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) waiting: usize,
    pub(super) verified: usize,
    pub(super) dialling: usize,
    pub(super) in_doubt: usize,
    pub(super) initiated: usize,
    pub(super) failed: usize,
}

/// Counts the calls of a batch.
#[derive(Debug, Default)]
pub(super) struct Tally {
    open: BTreeMap<CallId, Place>,
    counts: Counts,
    numbers: BTreeMap<PhoneNumberId, AgentId>,
}

impl Counts {
    /// How many calls have not ended.
    pub(super) fn open(&self) -> usize {
        self.waiting + self.verified + self.dialling + self.in_doubt
    }

    fn of(&mut self, place: Place) -> &mut usize {
        match place {
            Place::Waiting => &mut self.waiting,
            Place::Verified => &mut self.verified,
            Place::Dialling => &mut self.dialling,
            Place::InDoubt => &mut self.in_doubt,
            Place::Initiated => &mut self.initiated,
            Place::Failed => &mut self.failed,
        }
    }
}

impl Tally {
    /// All these calls wait.
    pub(super) fn of<'a>(calls: impl Iterator<Item = &'a CallId>) -> Self {
        let open: BTreeMap<_, _> = calls.map(|call| (call.clone(), Place::Waiting)).collect();
        let counts = Counts { waiting: open.len(), ..Counts::default() };
        Self { open, counts, numbers: BTreeMap::new() }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Who was assigned to each number that was used, as far as the calls know.
    pub(super) fn numbers(&self) -> impl Iterator<Item = (&PhoneNumberId, &AgentId)> {
        self.numbers.iter()
    }

    /// Takes what the core tells.
    pub(super) fn notice(&mut self, notice: &Notice) {
        if let Notice::Recorded { call, recorded } = notice {
            if let Some(place) = place_after(&recorded.event) {
                self.put(call, place);
            }
        } else if let Notice::AssignmentStarted { number, agent, .. } = notice {
            if self.numbers.get(number) != Some(agent) {
                self.numbers.insert(number.clone(), agent.clone());
            }
        } else if let Notice::Completed(report) = notice {
            self.complete(report);
        }
    }

    /// Notes where a call is that has not ended.
    pub(super) fn put(&mut self, call: &CallId, place: Place) {
        if let Some(now) = self.open.get_mut(call) {
            *self.counts.of(*now) -= 1;
            *self.counts.of(place) += 1;
            *now = place;
        }
    }

    fn complete(&mut self, report: &CallReport) {
        let place = match &report.state {
            CallState::Initiated(_) => Place::Initiated,
            CallState::Requested(_) | CallState::Verified(_) | CallState::Assigned(_) | CallState::Failed(_) => {
                Place::Failed
            }
        };
        self.put(&report.request.id, place);
        self.open.remove(&report.request.id);
    }
}

/// Where an event leaves its call; `None` where it does not move it.
fn place_after(event: &CallEvent) -> Option<Place> {
    match event {
        CallEvent::AgentVerified { .. } | CallEvent::DialNotExecuted { .. } | CallEvent::DialGivenUp { .. } => {
            Some(Place::Verified)
        }
        CallEvent::DialIntended { .. } => Some(Place::Dialling),
        CallEvent::DialDoubted { .. } => Some(Place::InDoubt),
        CallEvent::CallInitiated { .. } => Some(Place::Initiated),
        CallEvent::VerificationFailed { .. }
        | CallEvent::AssignmentFailed { .. }
        | CallEvent::DialRefused { .. }
        | CallEvent::DialFailed { .. }
        | CallEvent::LookUpsEnded { .. }
        | CallEvent::CallWithdrawn { .. } => Some(Place::Failed),
        CallEvent::CallRequested { .. } | CallEvent::NumberAssigned { .. } | CallEvent::ProofRead { .. } | _ => None,
    }
}

#[cfg(test)]
mod tests {
    use partyline_domain::Timestamp;
    use partyline_domain::flow::{DoubtCause, Evidence, WithdrawReason};
    use partyline_domain::ports::Recorded;

    use super::*;

    fn call(name: &str) -> CallId {
        CallId::parse(name).expect("valid")
    }

    fn recorded(name: &str, event: CallEvent) -> Notice {
        let recorded = Recorded { version: 1, at: Timestamp::default(), event };
        Notice::Recorded { call: call(name), recorded }
    }

    #[test]
    fn every_call_is_counted_once_wherever_it_is() {
        let calls = [call("a"), call("b"), call("c")];
        let mut tally = Tally::of(calls.iter());
        let attempt = || partyline_domain::AttemptId::of_call(&call("a"), 1);
        let verified = CallEvent::AgentVerified { agent_name: "Hotel".to_owned(), evidence: Evidence::Fresh };
        tally.notice(&recorded("a", verified));
        tally.notice(&recorded("a", CallEvent::DialIntended { attempt: attempt() }));
        assert_eq!(tally.counts(), Counts { waiting: 2, dialling: 1, ..Counts::default() });
        let doubted = CallEvent::DialDoubted {
            attempt: attempt(),
            cause: DoubtCause::Interrupted,
            detail: "no answer".to_owned(),
        };
        tally.notice(&recorded("a", doubted));
        let withdrawn = CallEvent::CallWithdrawn { reason: WithdrawReason::ShutDown, detail: "stopped".to_owned() };
        tally.notice(&recorded("b", withdrawn.clone()));
        tally.notice(&recorded("nobody", withdrawn));
        assert_eq!(tally.counts(), Counts { waiting: 1, in_doubt: 1, failed: 1, ..Counts::default() });
        assert_eq!(tally.counts().open(), 2);
    }

    #[test]
    fn the_last_agent_of_a_number_is_known() {
        let mut tally = Tally::default();
        let number = PhoneNumberId::parse("phnum_1").expect("valid");
        for agent in ["agent_1", "agent_2"] {
            let agent = AgentId::parse(agent).expect("valid");
            tally.notice(&Notice::AssignmentStarted { call: call("a"), number: number.clone(), agent });
        }
        let numbers: Vec<_> = tally.numbers().map(|(_, agent)| agent.as_str()).collect();
        assert_eq!(numbers, ["agent_2"]);
    }
}
