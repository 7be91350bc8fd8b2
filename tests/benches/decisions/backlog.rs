//! A dispatcher with many calls queued, and a provider that answers everything after the same time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use partyline_domain::dispatch::{Dispatcher, Effect, Input};
use partyline_domain::ports::{AgentProfile, AssignedAgent, DialAccepted, DialAnswer, Number, NumberProvider, Permit};
use partyline_domain::{
    AgentId, CallId, CallOptions, CallRequest, CallerId, ConversationId, Instant, LinePolicy, Now, NumberChoice,
    PhoneNumber, PhoneNumberId, Policies, Priority, ProofPolicy, RunId, Timestamp,
};

/// How many agents the calls are for, in turn.
pub(crate) const AGENTS: usize = 12;
/// How long every request takes.
const LATENCY: Duration = Duration::from_millis(250);
/// How long a conversation lasts.
const TALK: Duration = Duration::from_secs(2);
const EPOCH: Duration = Duration::from_secs(1_800_000_000);

/// Whose calls they are, and where they are placed.
pub(crate) struct Cast {
    agents: Vec<AgentId>,
    numbers: Vec<PhoneNumberId>,
    choice: NumberChoice,
    to: PhoneNumber,
    options: Arc<CallOptions>,
    policies: Arc<Policies>,
    made: usize,
}

impl Cast {
    pub(crate) fn new(numbers: usize) -> Self {
        let agents = (0..AGENTS).map(|agent| format!("agent_{agent:028}"));
        let numbers = (0..numbers).map(|number| format!("phnum_{number:028}"));
        let numbers: Vec<PhoneNumberId> =
            numbers.map(|id| PhoneNumberId::parse(&id).expect("a word and a number")).collect();
        Self {
            agents: agents.map(|id| AgentId::parse(&id).expect("a word and a number")).collect(),
            choice: NumberChoice::any_of(numbers.iter().cloned()).expect("there is a number"),
            numbers,
            to: PhoneNumber::parse("+12025550123").expect("a number of films"),
            options: Arc::default(),
            policies: Arc::new(Policies { proof: ProofPolicy::Off, ..Policies::default() }),
            made: 0,
        }
    }

    /// The next call. Its id is as long as a UUID.
    pub(crate) fn request(&mut self) -> CallRequest {
        let made = self.made;
        self.made += 1;
        CallRequest {
            id: CallId::parse(&format!("call_{made:031}")).expect("a word and a number"),
            agent: self.agents[made % AGENTS].clone(),
            numbers: self.choice.clone(),
            to: self.to,
            priority: Priority::Normal,
            expires_at: None,
            options: self.options.clone(),
            policies: self.policies.clone(),
        }
    }

    fn number(&self, id: &PhoneNumberId, agent: Option<&AgentId>) -> Number {
        Number {
            id: id.clone(),
            caller_id: CallerId::new(self.to.e164()),
            label: String::new(),
            provider: NumberProvider::Twilio,
            assigned: agent.map(|agent| AssignedAgent { id: agent.clone(), name: String::new() }),
            inbound: true,
            outbound: true,
        }
    }
}

/// A dispatcher in the middle of its work.
pub(crate) struct Backlog {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) cast: Cast,
    now: Duration,
    assigned: BTreeMap<PhoneNumberId, AgentId>,
    /// What is answered at once.
    inbox: VecDeque<Input>,
    /// What is answered after [`LATENCY`], in that order.
    answers: VecDeque<(Duration, Input)>,
    /// The conversations that end.
    talks: VecDeque<(Duration, ConversationId)>,
    /// How many dials were accepted.
    pub(crate) accepted: usize,
}

impl Backlog {
    pub(crate) fn new(numbers: usize, policy: &LinePolicy) -> Self {
        let run = RunId::parse(&format!("run_{:032}", 1)).expect("a word and a number");
        Self {
            dispatcher: Dispatcher::new(run, *policy),
            cast: Cast::new(numbers),
            now: Duration::ZERO,
            assigned: BTreeMap::new(),
            inbox: VecDeque::new(),
            answers: VecDeque::new(),
            talks: VecDeque::new(),
            accepted: 0,
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now { monotonic: Instant::from_origin(self.now), wall: Timestamp::from_unix(EPOCH + self.now) }
    }

    /// Whether something is answered without time passing.
    pub(crate) fn is_busy(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// What the dispatcher is told next; time goes by where nothing is to be told now.
    pub(crate) fn next(&mut self) -> Input {
        if let Some(input) = self.inbox.pop_front() {
            return input;
        }
        let alarm = self.dispatcher.deadline().map(|deadline| deadline.at.since_origin());
        let answer = self.answers.front().map(|(at, _)| *at);
        let ended = self.talks.front().map(|(at, _)| *at);
        let due = [alarm, answer, ended].into_iter().flatten().min().expect("calls are under way");
        self.now = self.now.max(due);
        if answer == Some(due) {
            let (_, input) = self.answers.pop_front().expect("it was just looked at");
            self.accepted += usize::from(matches!(input, Input::DialAnswered(..)));
            return input;
        }
        if ended == Some(due) {
            let (_, conversation) = self.talks.pop_front().expect("it was just looked at");
            return Input::ConversationEnded(conversation);
        }
        Input::Wake
    }

    /// Does what the dispatcher wants done.
    pub(crate) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Commit(ticket, _) => self.inbox.push_back(Input::Committed(ticket, Ok(()))),
            Effect::AskPermit(slot, request) => {
                self.inbox.push_back(Input::Permitted(slot, Permit { attempt: request.attempt }));
            }
            Effect::VerifyAgent(agent) => {
                let profile = profile(&agent);
                self.answer(Input::AgentAnswered(agent, Ok(Some(profile))));
            }
            Effect::VerifyAgents(agents) => {
                let profiles = agents.iter().map(|agent| (agent.clone(), profile(agent))).collect();
                self.answer(Input::AgentsAnswered(agents, Ok(profiles)));
            }
            Effect::ReadNumber(number) => {
                let read = self.cast.number(&number, self.assigned.get(&number));
                self.answer(Input::NumberAnswered(number, Ok(Some(read))));
            }
            Effect::ListNumbers => {
                let numbers = self.cast.numbers.iter();
                let numbers = numbers.map(|id| self.cast.number(id, self.assigned.get(id))).collect();
                self.answer(Input::NumbersListed(Ok(numbers)));
            }
            Effect::AssignNumber(order) => {
                let number = self.cast.number(&order.number, order.agent.as_ref());
                self.assigned.extend(order.agent.map(|agent| (order.number.clone(), agent)));
                self.answer(Input::AssignAnswered(order.number, order.attempt, Ok(number)));
            }
            Effect::PlaceCall(slot, request) => {
                let conversation = ConversationId::parse(request.attempt.as_str()).expect("an id is an id");
                self.talks.push_back((self.now + LATENCY + TALK, conversation.clone()));
                let accepted = DialAccepted { conversation, provider_call_id: None };
                self.answer(Input::DialAnswered(slot, request.attempt, Ok(DialAnswer::Accepted(accepted))));
            }
            Effect::Survey { .. } => self.answer(Input::Surveyed(Ok(Vec::new()))),
            Effect::LookUp(..) | Effect::ReadConversation(..) => unreachable!("nothing is in doubt, or proved"),
            Effect::Claim(_) | Effect::Renew(_) | Effect::Release(_) => unreachable!("nothing is shared here"),
            Effect::Tell(_) | Effect::DropDial(_) | Effect::DropPermit(_) | Effect::ReturnPermit(_) => {}
        }
    }

    fn answer(&mut self, input: Input) {
        self.answers.push_back((self.now + LATENCY, input));
    }
}

fn profile(agent: &AgentId) -> AgentProfile {
    AgentProfile { id: agent.clone(), name: agent.as_str().to_owned(), archived: false }
}
