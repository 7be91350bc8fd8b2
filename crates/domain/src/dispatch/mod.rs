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
mod audit;
mod breaker;
mod desk;
mod dial;
mod effect;
mod failing;
mod frequency;
mod giving;
mod journal;
mod live;
mod proof;
mod queue;
mod record;
mod restore;
mod resume;
mod schedule;
mod session;
mod sharing;
mod stop;
#[cfg(test)]
mod tests;
mod trust;
mod verify;

use std::collections::{BTreeMap, BTreeSet, VecDeque, btree_map};

use crate::flow::CallEvent;
use crate::ids::{AgentId, CallId, PhoneNumberId, RunId};
use crate::line::{Decision, Line};
use crate::notice::Notice;
use crate::policy::{LinePolicy, SharingPolicy};
use crate::request::{CallRequest, NumberChoice};
use crate::time::{Instant, Now};

use agents::Agents;
use audit::Audit;
use breaker::Breaker;
use desk::Desk;
use failing::Halt;
use journal::Release;
use live::Live;
use queue::Queue;
use record::{Record, Step};
use sharing::Sharing;
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
    queue: Queue,
    desks: BTreeMap<PhoneNumberId, Box<Desk>>,
    /// Calls that may still need a number of a choice.
    open: BTreeMap<NumberChoice, usize>,
    /// Numbers that something has happened to.
    dirty: BTreeSet<PhoneNumberId>,
    /// Something has happened that may concern any number.
    restless: bool,
    /// A call had to wait for others on other numbers.
    capped: bool,
    sessions: u64,
    live: Live,
    audit: Audit,
    agent_breakers: BTreeMap<AgentId, Breaker>,
    number_breakers: BTreeMap<PhoneNumberId, Breaker>,
    halted: Option<Halt>,
    /// When the list of numbers was asked for, where it is not answered.
    listing: Option<Instant>,
    timers: BTreeSet<(Instant, TimerKey)>,
    /// In the order of their tickets, which is the order in which they are answered.
    commits: VecDeque<(Ticket, Release)>,
    stopping: Stopping,
    /// Where numbers are shared with other processes.
    sharing: Option<Box<Sharing>>,
    outbox: Vec<Effect>,
}

/// Whom a timer wakes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum TimerKey {
    Call(Slot),
    Line(PhoneNumberId),
    /// A call is not to be dialled any more.
    Expiry(Slot),
    /// A dial can no longer bind its number's agent.
    Bound(Slot),
    /// Agents are asked about together.
    Verify,
    /// The conversation list is read.
    Survey,
    /// A breaker may be tried, or a place among the live calls becomes free.
    Anything,
    /// Leases are prolonged, calls claimed, or something given back.
    Sharing,
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
            queue: Queue::default(),
            desks: BTreeMap::new(),
            open: BTreeMap::new(),
            dirty: BTreeSet::new(),
            restless: false,
            capped: false,
            sessions: 0,
            live: Live::default(),
            audit: Audit::default(),
            agent_breakers: BTreeMap::new(),
            number_breakers: BTreeMap::new(),
            halted: None,
            listing: None,
            timers: BTreeSet::new(),
            commits: VecDeque::new(),
            stopping: Stopping::No,
            sharing: None,
            outbox: Vec::new(),
        }
    }

    /// A dispatcher that shares its numbers with other processes through a store, as one of which `run` names it.
    pub fn shared(run: RunId, policy: LinePolicy, sharing: SharingPolicy) -> Self {
        Self { sharing: Some(Box::new(Sharing::new(sharing))), ..Self::new(run, policy) }
    }

    /// Takes one input and says what is to be done. Answers that nobody waits for any more are ignored.
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Effect> {
        self.take(input, now);
        std::mem::take(&mut self.outbox)
    }

    /// The same into a list that is empty, so that one list serves many inputs. What was in it is lost.
    pub fn handle_into(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        effects.clear();
        std::mem::swap(&mut self.outbox, effects);
        self.take(input, now);
        std::mem::swap(&mut self.outbox, effects);
    }

    fn take(&mut self, input: Input, now: Now) {
        self.wake(now);
        match input {
            Input::Submit(request) => self.submit(*request, now),
            Input::SubmitAll(requests) => {
                for request in requests {
                    self.submit(request, now);
                }
            }
            Input::KnowAgent(profile, sent) => self.agents.know(profile, sent),
            Input::KnowNumber(number, sent) => self.desk(&number.id.clone()).line.know(number, sent),
            Input::Cancel(call) => self.cancel(&call, now),
            Input::Drain => {
                self.drain();
                self.leave_store();
            }
            Input::Serve(numbers) => self.serve_numbers(numbers),
            Input::Nudge { own } => self.nudge(own),
            Input::Leave => self.leave_store(),
            Input::Claimed(answer) => self.claimed(answer, now),
            Input::Renewed(answer) => self.renewed(answer, now),
            Input::Released(answer) => self.released(&answer, now),
            Input::ShutDown => self.shut_down(now),
            Input::Interrupt => self.interrupt(now),
            Input::Abandon => self.abandon(now),
            Input::Wake => {}
            Input::Committed(ticket, answer) => self.committed(ticket, answer, now),
            Input::Permitted(slot, permit) => self.permitted(slot, permit, now),
            Input::AgentAnswered(agent, answer) => self.agent_answered(&agent, &answer, now),
            Input::AgentsAnswered(agents, answer) => self.agents_answered(&agents, &answer, now),
            Input::NumbersListed(answer) => self.numbers_listed(&answer, now),
            Input::Surveyed(answer) => self.surveyed(answer, now),
            Input::ConversationEnded(conversation) => self.conversation_ended(&conversation),
            Input::Trust(number) => self.trust(&number),
            Input::NumberAnswered(number, answer) => self.number_answered(&number, answer, now),
            Input::AssignAnswered(number, attempt, answer) => self.assign_answered(&number, &attempt, answer, now),
            Input::DialAnswered(slot, attempt, answer) => self.dial_answered(slot, &attempt, answer, now),
            Input::LookedUp(slot, attempt, answer) => self.looked_up(slot, &attempt, answer, now),
            Input::ConversationRead(slot, answer) => self.conversation_read(slot, answer, now),
        }
        self.schedule(now);
        self.plan_sharing(now);
    }

    /// When it wants to be woken with [`Input::Wake`], and why. `None`: it waits for answers or calls only.
    pub fn deadline(&self) -> Option<Deadline> {
        let (at, key) = self.timers.first()?;
        let why = match key {
            TimerKey::Call(slot) => self.calls.get(slot).map_or("a call that has ended", |record| record.step.why()),
            TimerKey::Line(_) => "an unresolved request of a number runs out",
            TimerKey::Expiry(_) => "a call expires",
            TimerKey::Bound(_) => "a dial can no longer bind its number's agent",
            TimerKey::Verify => "agents are asked about together",
            TimerKey::Survey => "the conversation list is read",
            TimerKey::Anything => "something that was held back may be tried",
            TimerKey::Sharing => "leases are prolonged, calls claimed, or something given back",
        };
        Some(Deadline { at: *at, why })
    }

    /// Whether every call has ended with all that belongs to it, and every number is as it is to be left.
    pub fn is_idle(&self) -> bool {
        // After an interrupt nobody waits for an assignment that no restore depends on.
        let waited_for = self.stopping == Stopping::No;
        let busy = |line: &Line| line.owes_restore() || (waited_for && line.change().is_some());
        // What is owed on a number that another process has is that process's to settle.
        let ours = |desk: &Desk| self.sharing.is_none() || desk.held.is_some();
        let settled = || !self.audit.is_waiting() && !self.desks.values().any(|desk| ours(desk) && busy(&desk.line));
        self.calls.is_empty() && (self.stopping == Stopping::Abandoned || (settled() && self.has_left()))
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
        let (call, agent, numbers) = (request.id.clone(), request.agent.clone(), request.numbers.clone());
        let btree_map::Entry::Vacant(place) = self.slots.entry(call.clone()) else { return };
        self.arrivals += 1;
        let slot = Slot(self.arrivals);
        place.insert(slot);
        let expires = expiry(&request, now);
        let record = Record::new(request.clone(), expires, now.monotonic);
        self.calls.insert(slot, Box::new(record));
        self.append(slot, CallEvent::CallRequested { request }, now);
        self.join(&numbers);
        if self.stopping != Stopping::No {
            self.withdraw_for_stop(slot, now);
            return;
        }
        if let Some(at) = expires {
            self.timers.insert((at, TimerKey::Expiry(slot)));
            if at <= now.monotonic {
                self.expire(slot, now);
                return;
            }
        }
        if self.is_halted(slot, now) {
            return;
        }
        self.outbox.push(Effect::Tell(Notice::VerificationStarted { call, agent: agent.clone() }));
        self.verify(slot, &agent, now);
        self.read_ahead(slot, &numbers, now);
    }

    /// Reads the numbers while the agent is being verified, where that will be needed.
    fn read_ahead(&mut self, slot: Slot, numbers: &NumberChoice, now: Now) {
        let Some(record) = self.calls.get(&slot) else { return };
        let desks = || numbers.iter().filter_map(|number| self.desks.get(number));
        if let Some(number) = numbers.only() {
            let needed =
                |desk: &Desk| desk.line.decide(&record.want(number), now.monotonic, &self.policy) == Decision::Read;
            if self.holds(number, now.monotonic) && desks().any(|desk| needed(desk)) {
                self.read(number, now);
            }
            return;
        }
        let unread = desks().filter(|desk| desk.line.number().is_none() && !desk.line.is_reading());
        let unread =
            unread.filter(|desk| !desk.is_out_of_use(now.monotonic) && self.holds(desk.line.id(), now.monotonic));
        let unread: Vec<PhoneNumberId> = unread.map(|desk| desk.line.id().clone()).collect();
        if unread.len() > 1 && self.listing.is_none() {
            self.list_numbers(now);
        } else {
            for number in unread {
                self.read(&number, now);
            }
        }
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
                TimerKey::Expiry(slot) => self.expire(slot, now),
                TimerKey::Bound(slot) => self.bound(slot, now),
                TimerKey::Verify => self.ask_about_agents(),
                // Whether it is still wanted is seen when everything else has been.
                TimerKey::Survey | TimerKey::Sharing => {}
                TimerKey::Anything => self.try_again(now),
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

/// When a call is not to be dialled any more, by the monotonic clock.
fn expiry(request: &CallRequest, now: Now) -> Option<Instant> {
    let left = |at: crate::time::Timestamp| at.since_unix().saturating_sub(now.wall.since_unix());
    request.expires_at.map(|at| now.monotonic.after(left(at)))
}
