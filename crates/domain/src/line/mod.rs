//! One number: who is believed to answer it, which requests are unresolved on it, and what must happen
//! before a call may dial.
//!
//! Owns the *pin rule* (`scheduling.md` 4.2): while a request of one agent is unresolved, only requests of
//! that agent may be sent on the number. (Calls that need no assignment, by policy or because the number cannot be
//! assigned, do not wait for others; others wait for them.) Knows nothing of flows, journals and calls beyond what a call
//! wants ([`Want`]); it decides, and the dispatcher acts. Tested in `tests.rs` beside this file.

mod adopt;
mod belief;
mod pins;
mod restore;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::error::{ProviderError, SideEffect};
use crate::flow::{AssignmentOutcome, Evidence, FailureReason};
use crate::ids::{AgentId, AttemptId, PhoneNumberId};
use crate::policy::{AssignmentPolicy, LinePolicy};
use crate::ports::{Number, NumberProvider};
use crate::time::Instant;

pub use belief::Belief;
pub use pins::Pins;
pub use restore::{Remembered, RestoreStep};

/// One number, as far as the dispatcher knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    id: PhoneNumberId,
    number: Option<Number>,
    belief: Belief,
    reading: Option<Instant>,
    change: Option<PendingChange>,
    changed_at: Option<Instant>,
    pins: Pins,
    remembered: Option<Remembered>,
    /// Since when the number is not trusted: a conversation was spoken by another agent than the call's.
    quarantined: Option<Instant>,
    /// The last read took longer than a confirmation is good for.
    slow: bool,
}

/// A change of the assignment that has been decided and is not answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PendingChange {
    /// Its id.
    pub attempt: AttemptId,
    /// Who is to answer the number.
    pub agent: Option<AgentId>,
    /// Whether this gives the number back.
    pub restore: bool,
    /// When it was decided; counts as when it was sent, since it cannot be sent earlier.
    pub since: Instant,
}

/// What a call needs of a line before it may dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want<'a> {
    /// The call's agent.
    pub agent: &'a AgentId,
    /// When the number is to be assigned.
    pub assignment: AssignmentPolicy,
    /// Whether the number is to be given back afterwards.
    pub restore: bool,
    /// When the call was submitted; what was asked since then is fresh.
    pub since: Instant,
}

/// What a line says to a call that wants to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The call may dial now.
    Admit {
        /// What that took.
        outcome: AssignmentOutcome,
        /// Whether the provider was asked for this call.
        evidence: Evidence,
    },
    /// The number must be read first.
    Read,
    /// The number must be assigned to the call's agent first, and may be.
    Assign,
    /// Something unresolved is in the way, until then at the latest (`None`: until it is answered).
    Wait {
        /// When the last obstacle ends by itself.
        until: Option<Instant>,
    },
    /// The number is of no use to any call.
    Reject {
        /// Why.
        reason: FailureReason,
        /// The same for people.
        detail: String,
    },
}

/// What the answer to a change means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The answer names the agent that was asked for.
    Confirmed,
    /// The answer names somebody else, or nobody.
    Different {
        /// Whom it names.
        now: Option<AgentId>,
    },
    /// There is no such answer.
    Failed(ProviderError),
}

impl Line {
    /// A number of which nothing is known.
    pub fn new(id: PhoneNumberId) -> Self {
        Self {
            id,
            number: None,
            belief: Belief::Unknown,
            reading: None,
            change: None,
            changed_at: None,
            pins: Pins::default(),
            remembered: None,
            quarantined: None,
            slow: false,
        }
    }

    /// The number's id.
    pub fn id(&self) -> &PhoneNumberId {
        &self.id
    }

    /// The number as it was last seen.
    pub fn number(&self) -> Option<&Number> {
        self.number.as_ref()
    }

    /// The unresolved requests.
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// The change that is under way.
    pub fn change(&self) -> Option<&PendingChange> {
        self.change.as_ref()
    }

    /// Whether a read is under way.
    pub fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Notes that the number is being read.
    pub fn begin_read(&mut self, now: Instant) {
        self.reading = Some(now);
    }

    /// Takes over what somebody else read; `sent` is when that read was sent. What is known better stays.
    pub fn know(&mut self, number: Number, sent: Instant) {
        let overtaken = self.is_overtaken(sent) || self.belief.confirmed_at().is_some_and(|at| at >= sent);
        if !overtaken && self.quarantined.is_none() {
            self.belief = Belief::told(number.assigned_id().cloned(), sent);
        }
        self.number.get_or_insert(number);
    }

    /// Whether a read that was sent then says nothing about the assignment, because a change came in between.
    fn is_overtaken(&self, sent: Instant) -> bool {
        self.change.is_some() || self.changed_at.is_some_and(|changed| sent < changed)
    }

    /// Stops trusting the number: it is read again before it is used, once nothing is unresolved on it.
    pub fn quarantine(&mut self, now: Instant) {
        self.belief = Belief::Unknown;
        self.quarantined = Some(now);
    }

    /// Whether the number is not trusted.
    pub fn is_quarantined(&self) -> bool {
        self.quarantined.is_some()
    }

    /// Takes the answer of a read. A read that was sent before a change was answered says nothing about the
    /// assignment, however late it comes.
    ///
    /// Returns who answered it, as far as was known, and who does, where somebody else has changed that.
    pub fn read_answered(
        &mut self,
        number: Option<Number>,
        now: Instant,
        policy: &LinePolicy,
    ) -> Option<(Option<AgentId>, Option<AgentId>)> {
        let sent = self.reading.take()?;
        let Some(number) = number else {
            self.number = None;
            self.belief = Belief::Unknown;
            return None;
        };
        let mut outside = None;
        if !self.is_overtaken(sent) {
            self.quarantined.take_if(|since| *since <= sent);
            let is = number.assigned_id();
            // While a request of ours may still take effect, a change may be our own.
            outside = match self.belief.agent() {
                Some(was) if was != is && self.pins.is_settled() => Some((was.cloned(), is.cloned())),
                Some(_) | None => None,
            };
            let slow = now.since(sent) > policy.freshness;
            self.belief = if std::mem::replace(&mut self.slow, slow) && slow {
                Belief::asked_of_the_slow(is.cloned(), now, policy.freshness)
            } else {
                Belief::asked(is.cloned(), sent)
            };
        }
        self.number = Some(number);
        outside
    }

    /// Whether the read that is under way was sent then.
    pub fn is_reading_since(&self, sent: Instant) -> bool {
        self.reading == Some(sent)
    }

    /// Who answers the number, as far as is known; the outer `None` = unknown.
    pub fn answers(&self) -> Option<Option<&AgentId>> {
        self.belief.agent()
    }

    /// Whether the number cannot be assigned, so that calls of all agents may be placed from it at once.
    pub fn is_outbound_only(&self) -> bool {
        self.number.as_ref().is_some_and(|number| !number.inbound)
    }

    /// Whether requests of `agent` may be sent on the number, as far as others are concerned that are unresolved.
    pub fn is_free_for(&self, agent: &AgentId, policy: &LinePolicy) -> bool {
        self.is_outbound_only() || (self.change.is_none() && self.obstacle(agent, policy).is_none())
    }

    /// Whether a request for somebody else that will not be answered any more may still take effect.
    pub fn is_held_against(&self, agent: &AgentId) -> bool {
        !self.is_outbound_only() && self.pins.are_held_by_others(agent)
    }

    fn obstacle(&self, agent: &AgentId, policy: &LinePolicy) -> Option<pins::Obstacle> {
        #[cfg(feature = "mutations")]
        if policy.mutation == Some(crate::policy::Mutation::NoPinRule) {
            return None;
        }
        let _ = policy;
        self.pins.others(Some(agent))
    }

    /// Whether who answers the number is known well enough for a dial.
    pub fn is_confirmed(&self, now: Instant, policy: &LinePolicy) -> bool {
        #[cfg(feature = "mutations")]
        if policy.mutation == Some(crate::policy::Mutation::NoFreshness) {
            return self.belief.agent().is_some();
        }
        self.belief.is_fresh(now, policy.freshness)
    }

    /// Whether it is time to read the number again while it is being used, so that no dial has to wait for that: half
    /// of the time has passed for which a confirmation is good.
    pub fn is_ageing(&self, now: Instant, freshness: Duration) -> bool {
        self.reading.is_none() && self.change.is_none() && !self.belief.is_fresh(now, freshness / 2)
    }

    /// Notes that a read failed.
    pub fn read_failed(&mut self) {
        self.reading = None;
    }

    /// What a call that wants to dial has to do now.
    pub fn decide(&self, want: &Want<'_>, now: Instant, policy: &LinePolicy) -> Decision {
        let Some(number) = &self.number else { return Decision::Read };
        if let Some((reason, detail)) = useless(number) {
            return Decision::Reject { reason, detail };
        }
        if want.assignment == AssignmentPolicy::Never || !number.inbound {
            let evidence = self.belief.evidence(want.since);
            return Decision::Admit { outcome: AssignmentOutcome::Skipped, evidence };
        }
        if self.change.as_ref().is_some_and(|change| !self.is_renewed_by(change, want, now, policy)) {
            return Decision::Wait { until: None };
        }
        if self.quarantined.is_some() {
            return self.pins.any().map_or(Decision::Read, |obstacle| Decision::Wait { until: obstacle.until });
        }
        if let Some(obstacle) = self.obstacle(want.agent, policy) {
            return Decision::Wait { until: obstacle.until };
        }
        let fresh = self.is_confirmed(now, policy);
        let has_agent = self.belief.agent() == Some(Some(want.agent));
        let lacks_memory = want.restore && self.remembered.is_none();
        match (want.assignment, has_agent, fresh) {
            (AssignmentPolicy::IfDifferent, true, true) => {
                let evidence = self.belief.evidence(want.since);
                Decision::Admit { outcome: AssignmentOutcome::Already, evidence }
            }
            (AssignmentPolicy::IfDifferent, true, false) => Decision::Read,
            (_, _, false) if lacks_memory => Decision::Read,
            (_, _, _) => Decision::Assign,
        }
    }

    /// Whether a change that is under way only says once more what is known: the number has the call's agent.
    fn is_renewed_by(&self, change: &PendingChange, want: &Want<'_>, now: Instant, policy: &LinePolicy) -> bool {
        let same = !change.restore && change.agent.as_ref() == Some(want.agent);
        let has_agent = self.belief.agent() == Some(Some(want.agent)) && self.is_confirmed(now, policy);
        same && has_agent && want.assignment == AssignmentPolicy::IfDifferent && self.quarantined.is_none()
    }

    /// Whether a call that was admitted may still dial: the number has its agent by a confirmation that is
    /// young enough, and nothing else is unresolved.
    pub fn still_admits(&self, want: &Want<'_>, now: Instant, policy: &LinePolicy) -> bool {
        let assignment = match want.assignment {
            AssignmentPolicy::Never => AssignmentPolicy::Never,
            AssignmentPolicy::Always | AssignmentPolicy::IfDifferent => AssignmentPolicy::IfDifferent,
        };
        matches!(self.decide(&Want { assignment, ..*want }, now, policy), Decision::Admit { .. })
    }

    /// Notes that a change has been decided: from now on it is unresolved.
    pub fn begin_change(&mut self, attempt: AttemptId, agent: Option<AgentId>, restore: bool, now: Instant) {
        self.pins.add(attempt.clone(), agent.clone());
        self.change = Some(PendingChange { attempt, agent, restore, since: now });
    }

    /// Takes the answer to the change `attempt`; `None` where it is not the one that is under way.
    pub fn change_answered(
        &mut self,
        attempt: &AttemptId,
        answer: Result<Number, ProviderError>,
        now: Instant,
        policy: &LinePolicy,
    ) -> Option<(PendingChange, Changed)> {
        let change = self.change.take_if(|change| change.attempt == *attempt)?;
        self.changed_at = Some(now);
        let changed = match answer {
            Ok(number) => {
                self.pins.remove(attempt);
                let assigned = number.assigned_id().cloned();
                self.belief = Belief::asked(assigned.clone(), change.since);
                self.number = Some(number);
                if assigned == change.agent { Changed::Confirmed } else { Changed::Different { now: assigned } }
            }
            Err(error) => {
                match error.side_effect() {
                    SideEffect::None => self.pins.remove(attempt),
                    SideEffect::Possible => self.pins.hold_until(attempt, now.after(policy.lateness)),
                }
                self.belief = Belief::Unknown;
                Changed::Failed(error)
            }
        };
        Some((change, changed))
    }

    /// Notes a dial for `agent` as unresolved.
    pub fn pin(&mut self, attempt: AttemptId, agent: AgentId) {
        self.pins.add(attempt, Some(agent));
    }

    /// Notes that a dial is resolved, now or at `until`.
    pub fn unpin(&mut self, attempt: &AttemptId, until: Option<Instant>) {
        match until {
            Some(until) => self.pins.hold_until(attempt, until),
            None => self.pins.remove(attempt),
        }
    }

    /// Forgets requests that can no longer take effect, and says which they were. One for somebody else may have taken
    /// effect after the number was read: then that is forgotten too.
    pub fn expire(&mut self, now: Instant) -> Vec<AttemptId> {
        if let Some(agent) = self.belief.agent()
            && self.pins.end_for_others(agent, now)
        {
            self.belief = Belief::Unknown;
        }
        self.pins.expire(now)
    }
}

fn useless(number: &Number) -> Option<(FailureReason, String)> {
    match &number.provider {
        NumberProvider::Other(kind) => Some((
            FailureReason::NumberUnsupported,
            format!(
                "the number's provider is {kind:?}, and calls can be placed from twilio, sip_trunk and exotel numbers"
            ),
        )),
        NumberProvider::Twilio | NumberProvider::SipTrunk | NumberProvider::Exotel if !number.outbound => Some((
            FailureReason::NumberUnsupported,
            "the provider says that no calls can be placed from this number".into(),
        )),
        NumberProvider::Twilio | NumberProvider::SipTrunk | NumberProvider::Exotel => None,
    }
}
