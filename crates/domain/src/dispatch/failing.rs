//! What keeps failing is left alone for a while: an agent, a number, or the whole account.

use std::time::Duration;

use crate::dispatch::breaker::Opened;
use crate::dispatch::effect::{Effect, Slot};
use crate::dispatch::record::Step;
use crate::dispatch::{Dispatcher, TimerKey};
use crate::error::{FailureKind, ProviderError};
use crate::flow::{CallEvent, CallState, FailureReason};
use crate::ids::{AgentId, PhoneNumberId};
use crate::notice::{Failing, Notice};
use crate::time::{Instant, Now};

/// For so long calls fail at once after the account has been refused.
const HALT: Duration = Duration::from_secs(10);

/// The account cannot dial.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Halt {
    until: Instant,
    kind: FailureKind,
    detail: String,
}

/// Whom a failure speaks against.
struct Blame {
    agent: bool,
    number: bool,
}

fn blame(kind: FailureKind) -> Blame {
    match kind {
        FailureKind::Invalid | FailureKind::NotFound => Blame { agent: true, number: false },
        FailureKind::Unreachable
        | FailureKind::TimedOut
        | FailureKind::Interrupted
        | FailureKind::Unreadable
        | FailureKind::Redirected
        | FailureKind::Forbidden
        | FailureKind::Conflict
        | FailureKind::Unavailable
        | FailureKind::Unexpected => Blame { agent: true, number: true },
        FailureKind::NotBuilt
        | FailureKind::TooLate
        | FailureKind::RateLimited
        | FailureKind::Unauthorized
        | FailureKind::MissingPermission
        | FailureKind::QuotaExceeded => Blame { agent: false, number: false },
    }
}

/// Whether an error concerns the whole account: every further request would meet it too.
pub(super) fn halts(error: &ProviderError) -> bool {
    matches!(error.kind(), FailureKind::Unauthorized | FailureKind::MissingPermission | FailureKind::QuotaExceeded)
}

impl Dispatcher {
    /// Stops dialling where the key is refused or the quota is used up: calls that wait fail at once.
    pub(super) fn halt_on(&mut self, error: &ProviderError, now: Now) {
        if !halts(error) {
            return;
        }
        let (kind, detail) = (error.kind(), error.detail().to_owned());
        let news = self.halted.as_ref().is_none_or(|halt| halt.until <= now.monotonic || halt.kind != kind);
        self.halted = Some(Halt { until: now.monotonic.after(HALT), kind, detail: detail.clone() });
        if news {
            self.outbox.push(Effect::Tell(Notice::DiallingStopped { kind, detail: detail.clone() }));
        }
        let waiting = |step: &Step| matches!(step, Step::Line | Step::Retry(_) | Step::Permit);
        let calls = self.calls.iter().filter(|(_, record)| waiting(&record.step));
        let calls: Vec<Slot> = calls.map(|(slot, _)| *slot).collect();
        for slot in calls {
            if self.record(slot).step == Step::Permit {
                self.outbox.push(Effect::DropPermit(slot));
            }
            self.fail_assignment(slot, FailureReason::Provider(kind), detail.clone(), now);
        }
    }

    fn halt(&self, now: Now) -> Option<(FailureKind, String)> {
        let halt = self.halted.as_ref().filter(|halt| halt.until > now.monotonic)?;
        Some((halt.kind, halt.detail.clone()))
    }

    /// Fails a call that has just come while the account cannot dial.
    pub(super) fn is_halted(&mut self, slot: Slot, now: Now) -> bool {
        let Some((kind, detail)) = self.halt(now) else { return false };
        let reason = FailureReason::Provider(kind);
        if matches!(self.record(slot).state, CallState::Requested(_)) {
            self.write(slot, CallEvent::VerificationFailed { reason, detail }, now);
            self.end(slot, now);
        } else {
            self.fail_assignment(slot, reason, detail, now);
        }
        true
    }

    /// Notes that a call is tried with its agent and a number, where one of them is being tried after failures.
    pub(super) fn try_with(&mut self, slot: Slot, agent: &AgentId, number: &PhoneNumberId) {
        if let Some(breaker) = self.agent_breakers.get_mut(agent) {
            breaker.started(slot);
        }
        if let Some(breaker) = self.number_breakers.get_mut(number) {
            breaker.started(slot);
        }
    }

    pub(super) fn dial_counts_as_failed(&mut self, slot: Slot, error: &ProviderError, now: Now) {
        self.halt_on(error, now);
        let record = self.record(slot);
        let (agent, number) = (record.request.agent.clone(), record.at.clone());
        if error.kind() == FailureKind::NotFound {
            self.agents.forget(&agent);
        }
        let Blame { agent: agent_is_to_blame, number: number_is_to_blame } = blame(error.kind());
        if agent_is_to_blame {
            self.agent_failed(slot, &agent, error, now);
        }
        if number_is_to_blame {
            self.number_failed(slot, &number, error, now);
        }
        self.breakers_let_go(slot);
    }

    pub(super) fn assign_failed(&mut self, slot: Slot, number: &PhoneNumberId, error: &ProviderError, now: Now) {
        self.halt_on(error, now);
        let agent = self.record(slot).request.agent.clone();
        if error.kind() == FailureKind::NotFound {
            self.agents.forget(&agent);
        }
        // It was its turn all the same.
        self.count_served(number, &agent);
        let to_blame = blame(error.kind());
        if to_blame.agent {
            self.agent_failed(slot, &agent, error, now);
        }
        if to_blame.number {
            self.number_failed(slot, number, error, now);
        }
    }

    pub(super) fn dial_counts_as_placed(&mut self, slot: Slot, _now: Now) {
        let record = self.record(slot);
        let (agent, number) = (record.request.agent.clone(), record.at.clone());
        if self.agent_breakers.remove(&agent).is_some_and(|breaker| !breaker.is_closed()) {
            self.outbox.push(Effect::Tell(Notice::BreakerClosed { of: Failing::Agent(agent.clone()) }));
            let index = self.queue.index(&agent);
            self.queue.pause(index, false);
            self.dirty.extend(self.queue.open_on(index).iter().cloned());
        }
        if self.number_breakers.remove(&number).is_some_and(|breaker| !breaker.is_closed()) {
            self.outbox.push(Effect::Tell(Notice::BreakerClosed { of: Failing::Number(number.clone()) }));
            self.dirty.insert(number);
        }
        self.restless = true;
    }

    /// Notes that a call that was being tried says nothing about its agent or number.
    pub(super) fn breakers_let_go(&mut self, slot: Slot) {
        if self.agent_breakers.is_empty() && self.number_breakers.is_empty() {
            return;
        }
        let breakers = self.agent_breakers.values_mut().chain(self.number_breakers.values_mut());
        let gone = breakers.map(|breaker| breaker.gone(slot)).filter(|gone| *gone).count();
        if gone > 0 {
            self.everything_may_go_on();
        }
    }

    fn agent_failed(&mut self, slot: Slot, agent: &AgentId, error: &ProviderError, now: Now) {
        let breaker = self.agent_breakers.entry(agent.clone()).or_default();
        let Some(opened) = breaker.failed(slot, &self.policy.breaker, now.monotonic) else { return };
        self.tell_opened(Failing::Agent(agent.clone()), opened, error);
        let index = self.queue.index(agent);
        self.queue.pause(index, true);
        if opened.hopeless {
            let calls = self.queue.all(|waiting, _| waiting == agent);
            for slot in calls {
                let detail = format!("calls of the agent {agent} keep failing: {}", error.detail());
                self.fail_assignment(slot, FailureReason::AgentFailing, detail, now);
            }
        }
    }

    fn number_failed(&mut self, slot: Slot, number: &PhoneNumberId, error: &ProviderError, now: Now) {
        let breaker = self.number_breakers.entry(number.clone()).or_default();
        let Some(opened) = breaker.failed(slot, &self.policy.breaker, now.monotonic) else { return };
        self.tell_opened(Failing::Number(number.clone()), opened, error);
        self.put_aside(number, now);
    }

    fn tell_opened(&mut self, of: Failing, opened: Opened, error: &ProviderError) {
        self.timers.insert((opened.until, TimerKey::Anything));
        let detail = error.detail().to_owned();
        self.outbox.push(Effect::Tell(Notice::BreakerOpened { of, pause: opened.pause, detail }));
        self.restless = true;
    }

    /// The time has come for something that was held back.
    pub(super) fn try_again(&mut self, now: Now) {
        self.lingered(now);
        let due: Vec<AgentId> = self
            .agent_breakers
            .iter()
            .filter(|(_, breaker)| breaker.admits(now.monotonic))
            .map(|(agent, _)| agent.clone())
            .collect();
        for agent in due {
            let index = self.queue.index(&agent);
            self.queue.pause(index, false);
        }
        self.everything_may_go_on();
    }

    fn everything_may_go_on(&mut self) {
        self.dirty.extend(self.desks.keys().cloned());
        self.restless = true;
    }
}
