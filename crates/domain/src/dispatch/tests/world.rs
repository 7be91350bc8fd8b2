//! A small world in virtual time: a provider, a journal and permits that answer after a while. For what shows only
//! over many calls; the effects are carried out when they come out, and their answers arrive later.

use super::several::{number_of, phnum};
use super::*;
use crate::dispatch::effect::Slot;
use crate::policy::Guarantee;
use crate::ports::{AssignNumber, DialRequest};

/// Says whether a request that leaves at that time fails.
pub(super) type Fault = Box<dyn FnMut(&Effect, Duration) -> Option<ProviderError>>;

/// More inputs than any of the tests needs.
const INPUTS_MAX: usize = 200_000;

/// How long answers take.
#[derive(Clone, Copy)]
pub(super) struct Latency {
    pub(super) journal: Duration,
    pub(super) permit: Duration,
    pub(super) dial: Duration,
    /// Every other request to the provider.
    pub(super) request: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Self { journal: millis(1), permit: millis(1), dial: millis(250), request: millis(250) }
    }
}

/// A dial that left.
pub(super) struct Dial {
    pub(super) at: Duration,
    pub(super) call: CallId,
    pub(super) agent: AgentId,
}

/// What a call came to.
pub(super) struct Ending {
    pub(super) at: Duration,
    pub(super) report: CallReport,
}

/// A dial whose conversation takes the agent that its number has at some time before `until`.
struct Unbound {
    slot: Slot,
    number: PhoneNumberId,
    agent: AgentId,
    sent: Duration,
    until: Duration,
}

struct Talk {
    agent: AgentId,
    started: Timestamp,
    ends: Duration,
}

/// See the module.
pub(super) struct World {
    pub(super) dispatcher: Dispatcher,
    pub(super) now: Duration,
    pub(super) latency: Latency,
    pub(super) fault: Fault,
    /// How long people talk.
    pub(super) talk: Duration,
    /// Whether the conversation list is up to date; otherwise it is empty.
    pub(super) list_shows: bool,
    /// Numbers that have no inbound agent, so that only the dial names one.
    pub(super) outbound_only: BTreeSet<PhoneNumberId>,
    /// Which agent each number has.
    pub(super) assigned: BTreeMap<PhoneNumberId, Option<AgentId>>,
    pub(super) dials: Vec<Dial>,
    pub(super) endings: Vec<Ending>,
    /// Assignments that were sent, and reads of one number.
    pub(super) assignments: usize,
    pub(super) reads: usize,
    /// Dials whose number had another agent than theirs, or got one while they could still bind it.
    pub(super) misrouted: usize,
    /// Dials that may have been a second one of their call, where only one was allowed.
    pub(super) rung_twice: usize,
    /// Permits that were granted and not given back.
    pub(super) permits: BTreeSet<AttemptId>,
    lateness: Duration,
    binding: Option<Duration>,
    arriving: BTreeMap<(Duration, usize), Input>,
    sent: usize,
    inputs: usize,
    unbound: Vec<Unbound>,
    rung: BTreeSet<CallId>,
    talks: BTreeMap<ConversationId, Talk>,
}

pub(super) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(super) fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

impl World {
    /// A world with these numbers and their agents, where nothing fails.
    pub(super) fn new(policy: &LinePolicy, numbers: &[(u8, Option<&str>)]) -> Self {
        Self {
            dispatcher: Dispatcher::new(RunId::parse("run").expect("valid"), *policy),
            now: Duration::ZERO,
            latency: Latency::default(),
            fault: Box::new(|_, _| None),
            talk: millis(1000),
            list_shows: true,
            outbound_only: BTreeSet::new(),
            assigned: numbers.iter().map(|(index, of)| (phnum(*index), of.map(agent))).collect(),
            dials: Vec::new(),
            endings: Vec::new(),
            assignments: 0,
            reads: 0,
            misrouted: 0,
            rung_twice: 0,
            permits: BTreeSet::new(),
            lateness: policy.lateness,
            binding: policy.binding,
            arriving: BTreeMap::new(),
            sent: 0,
            inputs: 0,
            unbound: Vec::new(),
            rung: BTreeSet::new(),
            talks: BTreeMap::new(),
        }
    }

    pub(super) fn submit(&mut self, request: CallRequest) {
        self.input(Input::Submit(Box::new(request)));
    }

    pub(super) fn input(&mut self, input: Input) {
        self.inputs += 1;
        assert!(
            self.inputs < INPUTS_MAX,
            "it does not come to rest: {:?} at {:?}",
            self.dispatcher.deadline(),
            self.now
        );
        if let Input::Permitted(_, permit) = &input {
            self.permits.insert(permit.attempt.clone());
        }
        let now = Now { monotonic: self.instant(), wall: self.wall() };
        for effect in self.dispatcher.handle(input, now) {
            self.carry_out(effect);
        }
    }

    /// Lets everything happen that happens up to then.
    pub(super) fn run_until(&mut self, end: Duration) {
        loop {
            let answer = self.arriving.first_key_value().map(|((at, _), _)| *at);
            let wake = self.dispatcher.deadline().map(|deadline| deadline.at.since_origin());
            let Some(next) = answer.into_iter().chain(wake).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            let input = match self.arriving.first_entry() {
                Some(entry) if entry.key().0 <= next => entry.remove(),
                Some(_) | None => Input::Wake,
            };
            self.input(input);
        }
        self.now = self.now.max(end);
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    /// When a call was first dialled.
    pub(super) fn dialled(&self, call: &str) -> Option<Duration> {
        self.dials.iter().find(|dial| dial.call.as_str() == call).map(|dial| dial.at)
    }

    /// What a call came to, if it has ended.
    pub(super) fn ending(&self, call: &str) -> Option<&Ending> {
        self.endings.iter().find(|ending| ending.report.request.id.as_str() == call)
    }

    /// How many calls were placed.
    pub(super) fn initiated(&self) -> usize {
        self.endings.iter().filter(|ending| matches!(ending.report.state, CallState::Initiated(_))).count()
    }

    fn instant(&self) -> Instant {
        Instant::from_origin(self.now)
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_unix(self.now)
    }

    fn arrives(&mut self, after: Duration, input: Input) {
        self.sent += 1;
        self.arriving.insert((self.now + after, self.sent), input);
    }

    fn carry_out(&mut self, effect: Effect) {
        let failure = (self.fault)(&effect, self.now);
        let Latency { journal, permit, dial: _, request } = self.latency;
        match effect {
            Effect::Commit(ticket, _) => self.arrives(journal, Input::Committed(ticket, Ok(()))),
            Effect::Tell(Notice::Completed(report)) => self.endings.push(Ending { at: self.now, report: *report }),
            Effect::Tell(_) => {}
            Effect::AskPermit(slot, asked) => {
                self.arrives(permit, Input::Permitted(slot, Permit { attempt: asked.attempt }));
            }
            Effect::DropPermit(slot) => {
                self.arriving.retain(|_, input| !matches!(input, Input::Permitted(asked, _) if *asked == slot));
            }
            Effect::ReturnPermit(permit) => {
                self.permits.remove(&permit.attempt);
            }
            Effect::VerifyAgent(agent) => {
                let answer = failure.map_or_else(|| Ok(Some(profile(&agent))), Err);
                self.arrives(request, Input::AgentAnswered(agent, answer));
            }
            Effect::VerifyAgents(agents) => {
                let profiles = || agents.iter().map(|agent| (agent.clone(), profile(agent))).collect();
                let answer = failure.map_or_else(|| Ok(profiles()), Err);
                self.arrives(request, Input::AgentsAnswered(agents, answer));
            }
            Effect::ListNumbers => {
                let numbers = || self.assigned.keys().filter_map(|id| self.number(id)).collect();
                let answer = failure.map_or_else(|| Ok(numbers()), Err);
                self.arrives(request, Input::NumbersListed(answer));
            }
            Effect::ReadNumber(id) => {
                self.reads += 1;
                let answer = failure.map_or_else(|| Ok(self.number(&id)), Err);
                self.arrives(request, Input::NumberAnswered(id, answer));
            }
            Effect::Survey { started_after, .. } => {
                let answer = failure.map_or_else(|| Ok(self.page(started_after)), Err);
                self.arrives(request, Input::Surveyed(answer));
            }
            Effect::AssignNumber(order) => self.assign(order, failure),
            Effect::PlaceCall(slot, dial) => self.dial(slot, &dial, failure),
            Effect::DropDial(slot) => self.drop_dial(slot),
            Effect::LookUp(slot, look_up) => self.arrives(request, Input::LookedUp(slot, look_up.attempt, Ok(None))),
            Effect::Claim(_) | Effect::Renew(_) | Effect::Release(_) => unreachable!("nothing is shared here"),
            Effect::ReadConversation(slot, _) => self.arrives(request, Input::ConversationRead(slot, Ok(None))),
        }
    }

    fn number(&self, id: &PhoneNumberId) -> Option<Number> {
        let assigned = self.assigned.get(id)?.as_ref().map(AgentId::as_str);
        Some(Number { inbound: !self.outbound_only.contains(id), ..number_of(id, assigned) })
    }

    fn page(&self, started_after: Timestamp) -> Vec<ConversationSummary> {
        let shown = self.talks.iter().filter(|(_, talk)| self.list_shows && talk.started >= started_after);
        let summary = |(id, talk): (&ConversationId, &Talk)| ConversationSummary {
            id: id.clone(),
            agent: talk.agent.clone(),
            started_at: talk.started,
            status: if talk.ends <= self.now { ConversationStatus::Done } else { ConversationStatus::InProgress },
        };
        shown.map(summary).collect()
    }

    fn assign(&mut self, order: AssignNumber, failure: Option<ProviderError>) {
        self.assignments += 1;
        let takes_effect = failure.as_ref().is_none_or(|failure| failure.side_effect() == SideEffect::Possible);
        if takes_effect {
            let now = self.now;
            self.unbound.retain(|dial| dial.until > now);
            let harmed = |dial: &&Unbound| dial.number == order.number && Some(&dial.agent) != order.agent.as_ref();
            self.misrouted += self.unbound.iter().filter(harmed).count();
            self.assigned.insert(order.number.clone(), order.agent.clone());
        }
        let answer = number_of(&order.number, order.agent.as_ref().map(AgentId::as_str));
        let answer = failure.map_or(Ok(answer), Err);
        self.arrives(self.latency.request, Input::AssignAnswered(order.number, order.attempt, answer));
    }

    fn dial(&mut self, slot: Slot, dial: &DialRequest, failure: Option<ProviderError>) {
        let takes = self.latency.dial;
        let attempt = dial.attempt.clone();
        if self.instant() > dial.not_after {
            let late = ProviderError::retryable(FailureKind::TooLate, None, "too late");
            self.arrives(takes, Input::DialAnswered(slot, attempt, Err(late)));
            return;
        }
        let call = self.dispatcher.record(slot).request.id.clone();
        self.dials.push(Dial { at: self.now, call, agent: dial.agent.clone() });
        let answer = match failure {
            None => {
                let agent = self.ring(slot, dial, takes);
                Ok(self.talk(&attempt, agent))
            }
            Some(failure) if failure.side_effect() == SideEffect::Possible => {
                self.ring(slot, dial, self.lateness);
                Err(failure)
            }
            Some(failure) => Err(failure),
        };
        self.arrives(takes, Input::DialAnswered(slot, attempt, answer));
    }

    /// A phone rings, or may ring up to `within` from now. Says who speaks.
    fn ring(&mut self, slot: Slot, dial: &DialRequest, within: Duration) -> AgentId {
        let CallRequest { id, policies, .. } = self.dispatcher.record(slot).request.clone();
        let is_second = !self.rung.insert(id);
        self.rung_twice += usize::from(is_second && policies.dial.guarantee == Guarantee::AtMostOnce);
        let (number, agent) = (dial.number.clone(), dial.agent.clone());
        if policies.assignment == AssignmentPolicy::Never || self.outbound_only.contains(&number) {
            return agent;
        }
        let speaks = self.assigned.get(&number).cloned().flatten().unwrap_or_else(|| agent.clone());
        self.misrouted += usize::from(self.assigned.get(&number) != Some(&Some(agent.clone())));
        let within = self.binding.map_or(within, |binding| within.min(binding));
        self.unbound.push(Unbound { slot, number, agent, sent: self.now, until: self.now + within });
        speaks
    }

    fn talk(&mut self, attempt: &AttemptId, agent: AgentId) -> DialAnswer {
        let conversation = ConversationId::parse(&format!("conv_{attempt}")).expect("valid");
        let takes = self.latency.dial + self.talk;
        self.arrives(takes, Input::ConversationEnded(conversation.clone()));
        self.talks.insert(conversation.clone(), Talk { agent, started: self.wall(), ends: self.now + takes });
        DialAnswer::Accepted(DialAccepted { conversation, provider_call_id: None })
    }

    fn drop_dial(&mut self, slot: Slot) {
        self.arriving.retain(|_, input| !matches!(input, Input::DialAnswered(dial, ..) if *dial == slot));
        for dial in self.unbound.iter_mut().filter(|dial| dial.slot == slot) {
            dial.until = dial.sent + self.lateness;
        }
    }
}

fn profile(agent: &AgentId) -> AgentProfile {
    AgentProfile { id: agent.clone(), name: agent.as_str().to_uppercase(), archived: false }
}
