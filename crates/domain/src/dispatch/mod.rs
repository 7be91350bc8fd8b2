//! Many calls over their lines: inputs in, effects out.
//!
//! The dispatcher is a synchronous state machine. [`Dispatcher::handle`] takes one [`Input`] and the time
//! and returns the [`Effect`]s in the order in which they were decided; whoever runs them feeds the answers
//! back. [`Dispatcher::deadline`] says when it wants to be woken and why. It does no IO, reads no clock and
//! draws no random number, so the same code runs in production, in property tests and in simulations.
//!
//! Two laws hold for whoever runs it: journal entries are written in the order of their tickets, and a
//! write to the provider is carried out only when it comes out as an effect, which is after the journal's
//! answer to its intent came in.
//!
//! One placed call is its smallest case: one line, one call.

mod agents;
mod assign;
mod desk;
mod dial;
mod effect;
mod journal;
mod proof;
mod record;
mod restore;
mod session;
mod stop;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque, btree_map};

use crate::error::ProviderError;
use crate::flow::{CallEvent, Evidence, FailureReason};
use crate::ids::{AgentId, CallId, PhoneNumberId, RunId};
use crate::line::{Decision, Line};
use crate::notice::Notice;
use crate::policy::LinePolicy;
use crate::ports::AgentProfile;
use crate::request::CallRequest;
use crate::time::{Instant, Now};

use agents::Agents;
use desk::Desk;
use journal::Release;
use record::{Record, Step};
use stop::Stopping;

pub use effect::{Deadline, Effect, Input, LookUp, Slot, Ticket};
pub use proof::compare;

/// Places calls: see the module's documentation.
///
/// ```
/// use partyline_domain::dispatch::{Dispatcher, Effect, Input};
/// use partyline_domain::{AgentId, CallId, CallRequest, LinePolicy, Now, NumberChoice, PhoneNumber, PhoneNumberId, RunId};
///
/// let mut dispatcher = Dispatcher::new(RunId::parse("run_1")?, LinePolicy::default());
/// let request = CallRequest {
///     id: CallId::parse("call_1")?,
///     agent: AgentId::parse("agent_restaurant")?,
///     numbers: NumberChoice::one(PhoneNumberId::parse("phnum_1")?),
///     to: PhoneNumber::parse("+12025550123")?,
///     priority: Default::default(),
///     expires_at: None,
///     options: Default::default(),
///     policies: Default::default(),
/// };
/// let effects = dispatcher.handle(Input::Submit(Box::new(request)), Now::default());
/// // Verification and reading the number run side by side.
/// assert!(effects.iter().any(|effect| matches!(effect, Effect::VerifyAgent(_))));
/// assert!(effects.iter().any(|effect| matches!(effect, Effect::ReadNumber(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dispatcher {
    run: RunId,
    policy: LinePolicy,
    arrivals: u64,
    changes: u64,
    tickets: u64,
    // Boxed, since a tree keeps room for eleven of each and moves them about.
    calls: BTreeMap<Slot, Box<Record>>,
    slots: BTreeMap<CallId, Slot>,
    agents: Agents,
    desks: BTreeMap<PhoneNumberId, Box<Desk>>,
    dirty: BTreeSet<PhoneNumberId>,
    timers: BTreeSet<(Instant, TimerKey)>,
    /// In the order of their tickets, which is the order in which they are answered.
    commits: VecDeque<(Ticket, Release)>,
    stopping: Stopping,
    outbox: Vec<Effect>,
}

/// Whom a timer wakes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum TimerKey {
    Call(Slot),
    Line(PhoneNumberId),
}

impl Dispatcher {
    /// A dispatcher without calls. `run` must never have been used before: attempt ids begin with it.
    pub fn new(run: RunId, policy: LinePolicy) -> Self {
        Self {
            run,
            policy,
            arrivals: 0,
            changes: 0,
            tickets: 0,
            calls: BTreeMap::new(),
            slots: BTreeMap::new(),
            agents: Agents::default(),
            desks: BTreeMap::new(),
            dirty: BTreeSet::new(),
            timers: BTreeSet::new(),
            commits: VecDeque::new(),
            stopping: Stopping::No,
            outbox: Vec::new(),
        }
    }

    /// Takes one input and says what is to be done. Answers that nobody waits for any more are ignored.
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Effect> {
        self.take(input, now);
        std::mem::take(&mut self.outbox)
    }

    /// The same into a list that is empty, so that one list serves many inputs.
    pub(crate) fn handle_into(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        self.take(input, now);
        std::mem::swap(&mut self.outbox, effects);
    }

    fn take(&mut self, input: Input, now: Now) {
        self.wake(now);
        match input {
            Input::Submit(request) => self.submit(*request, now),
            Input::KnowAgent(profile, sent) => self.agents.know(profile, sent),
            Input::KnowNumber(number, sent) => self.desk(&number.id.clone()).line.know(number, sent),
            Input::Cancel(call) => self.cancel(&call, now),
            Input::ShutDown => self.shut_down(now),
            Input::Interrupt => self.interrupt(now),
            Input::Abandon => self.abandon(now),
            Input::Wake => {}
            Input::Committed(ticket, answer) => self.committed(ticket, answer, now),
            Input::Permitted(slot, permit) => self.permitted(slot, permit, now),
            Input::AgentAnswered(agent, answer) => self.agent_answered(&agent, &answer, now),
            Input::AgentsAnswered(..)
            | Input::NumbersListed(_)
            | Input::Surveyed(_)
            | Input::ConversationEnded(_)
            | Input::Trust(_) => {}
            Input::NumberAnswered(number, answer) => self.number_answered(&number, answer, now),
            Input::AssignAnswered(number, attempt, answer) => self.assign_answered(&number, &attempt, answer, now),
            Input::DialAnswered(slot, attempt, answer) => self.dial_answered(slot, &attempt, answer, now),
            Input::LookedUp(slot, attempt, answer) => self.looked_up(slot, &attempt, answer, now),
            Input::ConversationRead(slot, answer) => self.conversation_read(slot, answer, now),
        }
        while let Some(number) = self.dirty.pop_first() {
            self.serve(&number, now);
        }
    }

    /// When it wants to be woken with [`Input::Wake`], and why. `None`: it waits for answers or calls only.
    pub fn deadline(&self) -> Option<Deadline> {
        let (at, key) = self.timers.first()?;
        let why = match key {
            TimerKey::Call(slot) => self.calls.get(slot).map_or("a call that has ended", |record| record.step.why()),
            TimerKey::Line(_) => "an unresolved request of a number runs out",
        };
        Some(Deadline { at: *at, why })
    }

    /// Whether every call has ended with all that belongs to it, and every number is as it is to be left.
    pub fn is_idle(&self) -> bool {
        // After an interrupt nobody waits for an assignment that no restore depends on.
        let waited_for = self.stopping == Stopping::No;
        let busy = |line: &Line| line.owes_restore() || (waited_for && line.change().is_some());
        self.calls.is_empty() && (self.stopping == Stopping::Abandoned || !self.lines().any(busy))
    }

    /// Whether a call of this id is in the dispatcher.
    pub fn knows(&self, call: &CallId) -> bool {
        self.slots.contains_key(call)
    }

    /// The lines, by the ids of their numbers, for checks and displays.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.desks.values().map(|desk| &desk.line)
    }

    fn submit(&mut self, request: CallRequest, now: Now) {
        let (call, agent) = (request.id.clone(), request.agent.clone());
        let btree_map::Entry::Vacant(place) = self.slots.entry(call.clone()) else { return };
        self.arrivals += 1;
        let slot = Slot(self.arrivals);
        place.insert(slot);
        self.calls.insert(slot, Box::new(Record::new(request.clone(), now.monotonic)));
        self.append(slot, CallEvent::CallRequested { request }, now);
        let number = self.record(slot).at.clone();
        self.join(slot, &number);
        if self.stopping != Stopping::No {
            self.withdraw_for_stop(slot, now);
            return;
        }
        self.outbox.push(Effect::Tell(Notice::VerificationStarted { call, agent: agent.clone() }));
        let known = self.agents.find(&agent, now.monotonic, self.policy.verified_for).cloned();
        match known {
            Some(profile) => self.verified(slot, profile, Evidence::Cached, now),
            None if self.agents.ask(&agent, slot) => self.outbox.push(Effect::VerifyAgent(agent)),
            None => {}
        }
        self.read_ahead(slot, &number, now);
    }

    /// Reads the number while the agent is being verified, where it will be needed.
    fn read_ahead(&mut self, slot: Slot, number: &PhoneNumberId, now: Now) {
        let Some(record) = self.calls.get(&slot) else { return };
        let Some(desk) = self.desks.get(number) else { return };
        if desk.line.decide(&record.want(), now.monotonic, &self.policy) == Decision::Read {
            self.read(number, now);
        }
    }

    fn agent_answered(&mut self, agent: &AgentId, answer: &Result<Option<AgentProfile>, ProviderError>, now: Now) {
        let waiting = self.agents.answered(agent);
        if let Ok(Some(profile)) = answer {
            self.agents.know(profile.clone(), now.monotonic);
        }
        for slot in waiting {
            match answer {
                Ok(Some(profile)) => self.verified(slot, profile.clone(), Evidence::Fresh, now),
                Ok(None) => {
                    let detail = format!("the provider knows no agent {agent}");
                    self.unverified(slot, FailureReason::AgentNotFound, detail, now);
                }
                Err(error) => {
                    self.unverified(slot, FailureReason::Provider(error.kind()), error.detail().to_owned(), now);
                }
            }
        }
    }

    fn verified(&mut self, slot: Slot, profile: AgentProfile, evidence: Evidence, now: Now) {
        let Some(record) = self.waiting_for_verification(slot) else { return };
        record.agent_name = Some(profile.name.clone());
        if profile.archived {
            let detail = format!("the agent {} ({}) is archived", profile.name, profile.id);
            self.unverified(slot, FailureReason::AgentArchived, detail, now);
            return;
        }
        self.write(slot, CallEvent::AgentVerified { agent_name: profile.name, evidence }, now);
        self.queue(slot, now);
    }

    fn unverified(&mut self, slot: Slot, reason: FailureReason, detail: String, now: Now) {
        if self.waiting_for_verification(slot).is_some() {
            self.write(slot, CallEvent::VerificationFailed { reason, detail }, now);
            self.end(slot, now);
        }
    }

    fn waiting_for_verification(&mut self, slot: Slot) -> Option<&mut Record> {
        self.calls.get_mut(&slot).map(Box::as_mut).filter(|record| record.step == Step::Verification)
    }

    fn record(&self, slot: Slot) -> &Record {
        self.calls.get(&slot).expect("slots are taken from the map they are looked up in")
    }

    fn record_mut(&mut self, slot: Slot) -> &mut Record {
        self.calls.get_mut(&slot).expect("slots are taken from the map they are looked up in")
    }

    fn wake_call_at(&mut self, slot: Slot, at: Instant) {
        self.timers.insert((at, TimerKey::Call(slot)));
    }

    /// Fires every timer that is due. A timer that has become pointless does no harm.
    fn wake(&mut self, now: Now) {
        while let Some((at, key)) = self.timers.pop_first() {
            if at > now.monotonic {
                self.timers.insert((at, key));
                return;
            }
            match key {
                TimerKey::Call(slot) => self.call_due(slot, now),
                TimerKey::Line(number) => {
                    self.dirty.insert(number);
                }
            }
        }
    }

    fn call_due(&mut self, slot: Slot, now: Now) {
        let Some(record) = self.calls.get(&slot) else { return };
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now.monotonic);
        if let Step::Retry(at) = record.step
            && is_due(Some(at))
        {
            self.queue(slot, now);
        } else if let Step::Evidence(doubt) = &record.step
            && is_due(doubt.due)
        {
            self.look_up(slot);
        } else if let Step::Proof(proving) = &record.step
            && is_due(proving.due)
        {
            self.read_back(slot);
        }
    }
}
