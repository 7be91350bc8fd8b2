//! The production core in the world of the simulation: effects become requests, answers become inputs. The journal
//! and the permits answer at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use partyline_domain::dispatch::{Dispatcher, Effect, Input, Slot};
use partyline_domain::flow::Proof;
use partyline_domain::ports::{
    AgentProfile, AssignedAgent, ConversationStatus, ConversationSummary, DialAccepted, DialAnswer, Number,
    NumberProvider, Permit,
};
use partyline_domain::{
    AgentId, AttemptId, CallId, CallOptions, CallRequest, CallerId, ConversationId, Instant, Notice, Now, NumberChoice,
    PhoneNumber, PhoneNumberId, Policies, Priority, RunId, Timestamp,
};

use crate::engine::Dispatching;
use crate::scenario::Scenario;
use crate::time::NEVER;
use crate::world::{Answer, OUTSIDE, Occurrence, World, index};

/// When the first call is submitted, by the wall clock.
const EPOCH: Duration = Duration::from_secs(1_800_000_000);

/// The dispatcher and what it waits for.
pub(crate) struct Partyline {
    dispatcher: Dispatcher,
    /// Answers that come at once.
    inbox: VecDeque<Input>,
    names: Names,
    /// What each read is of; index = read.
    reads: Vec<Read>,
    /// Who was asked about; index = token.
    asked: Vec<Asked>,
    /// The assignments under way on each number.
    assigning: Vec<Vec<(u32, AttemptId)>>,
    /// The dial under way for each call.
    dialling: Vec<Option<(Slot, AttemptId)>>,
    calls: usize,
    ended: usize,
}

/// What a read is of.
enum Read {
    One(PhoneNumberId),
    All,
}

/// Who was asked about with one request.
enum Asked {
    One(AgentId),
    Many(Vec<AgentId>),
}

/// The ids of everything, by index.
struct Names {
    agents: Vec<AgentId>,
    outside: AgentId,
    numbers: Vec<PhoneNumberId>,
    conversations: Vec<ConversationId>,
    callees: Vec<PhoneNumber>,
    caller: CallerId,
    provider: NumberProvider,
    choice: NumberChoice,
    options: Arc<CallOptions>,
    policies: Arc<Policies>,
}

const AGENT: &str = "agent_";
const NUMBER: &str = "phnum_";
const CALL: &str = "call_";
const CONVERSATION: &str = "conv_";

impl Names {
    fn new(scenario: &Scenario) -> Self {
        let agents = (0..scenario.agents).map(|agent| id(AgentId::parse, AGENT, agent)).collect();
        let numbers: Vec<PhoneNumberId> =
            (0..scenario.numbers).map(|number| id(PhoneNumberId::parse, NUMBER, number)).collect();
        let callee = |line: u32| PhoneNumber::parse(&format!("+12025550{}", 100 + line)).expect("a number of films");
        Self {
            agents,
            outside: AgentId::parse("agent_outside").expect("a plain word"),
            choice: NumberChoice::any_of(numbers.iter().cloned()).expect("there is a number"),
            numbers,
            conversations: (0..scenario.calls).map(|call| id(ConversationId::parse, CONVERSATION, call)).collect(),
            callees: (0..100).map(callee).collect(),
            caller: CallerId::new(callee(0).e164()),
            provider: if scenario.network.pickup.is_some() { NumberProvider::SipTrunk } else { NumberProvider::Twilio },
            options: Arc::default(),
            policies: Arc::new(Policies { proof: scenario.proof, ..Policies::default() }),
        }
    }

    fn agent(&self, agent: u32) -> &AgentId {
        self.agents.get(agent as usize).unwrap_or(&self.outside)
    }

    fn profile(id: &AgentId) -> AgentProfile {
        AgentProfile { id: id.clone(), name: id.as_str().to_owned(), archived: false }
    }

    fn number(&self, number: u32, agent: u32) -> Number {
        Number {
            id: self.numbers[number as usize].clone(),
            caller_id: self.caller.clone(),
            label: String::new(),
            provider: self.provider.clone(),
            assigned: Some(AssignedAgent { id: self.agent(agent).clone(), name: String::new() }),
            inbound: true,
            outbound: true,
        }
    }

    fn request(&self, call: u32, agent: u32) -> CallRequest {
        CallRequest {
            id: id(CallId::parse, CALL, call),
            agent: self.agents[agent as usize].clone(),
            numbers: self.choice.clone(),
            to: self.callees[call as usize % self.callees.len()],
            priority: Priority::default(),
            expires_at: None,
            options: self.options.clone(),
            policies: self.policies.clone(),
        }
    }
}

fn id<T, E: std::fmt::Debug>(parse: impl Fn(&str) -> Result<T, E>, prefix: &str, index: u32) -> T {
    parse(&format!("{prefix}{index}")).expect("a word and a number make an id")
}

/// The index in an id that [`id`] made; an attempt id goes on after it.
fn index_in(text: &str, prefix: &str) -> Option<u32> {
    let digits = text.strip_prefix(prefix)?;
    digits.split('.').next()?.parse().ok()
}

fn now(at: u64) -> Now {
    let since = Duration::from_nanos(at);
    Now { monotonic: Instant::from_origin(since), wall: Timestamp::from_unix(EPOCH + since) }
}

fn wall(at: u64) -> Timestamp {
    now(at).wall
}

impl Partyline {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            dispatcher: Dispatcher::new(RunId::parse("simulation").expect("a plain word"), scenario.policy),
            inbox: VecDeque::new(),
            names: Names::new(scenario),
            reads: Vec::new(),
            asked: Vec::new(),
            assigning: vec![Vec::new(); scenario.numbers as usize],
            dialling: vec![None; scenario.calls as usize],
            calls: scenario.calls as usize,
            ended: 0,
        }
    }

    fn input(&mut self, occurrence: Occurrence, world: &mut World<'_>) -> Option<Input> {
        match occurrence {
            Occurrence::Arrival(call) => {
                let request = self.names.request(call, world.workload.agents[call as usize]);
                Some(Input::Submit(Box::new(request)))
            }
            Occurrence::Ended(call) => Some(Input::ConversationEnded(self.names.conversations[call as usize].clone())),
            Occurrence::Alarm => Some(Input::Wake),
            Occurrence::Answer(answer) => self.answered(answer, world),
        }
    }

    fn answered(&mut self, answer: Answer, world: &mut World<'_>) -> Option<Input> {
        match answer {
            Answer::Read(read) => {
                let seen = std::mem::take(&mut world.seen[read as usize]);
                let mut numbers = seen.iter().map(|(number, agent)| self.names.number(*number, *agent));
                Some(match &self.reads[read as usize] {
                    Read::One(id) => Input::NumberAnswered(id.clone(), Ok(numbers.next())),
                    Read::All => Input::NumbersListed(Ok(numbers.collect())),
                })
            }
            Answer::Verified(token) => Some(match &self.asked[token as usize] {
                Asked::One(id) => Input::AgentAnswered(id.clone(), Ok(Some(Names::profile(id)))),
                Asked::Many(ids) => {
                    let profiles: BTreeMap<AgentId, AgentProfile> =
                        ids.iter().map(|id| (id.clone(), Names::profile(id))).collect();
                    Input::AgentsAnswered(ids.clone(), Ok(profiles))
                }
            }),
            Answer::Assigned { number, agent } => {
                let assigning = &mut self.assigning[number as usize];
                let place = assigning.iter().position(|(of, _)| *of == agent)?;
                let (_, attempt) = assigning.remove(place);
                let id = self.names.numbers[number as usize].clone();
                Some(Input::AssignAnswered(id, attempt, Ok(self.names.number(number, agent))))
            }
            Answer::Dialled { call } => {
                let (slot, attempt) = self.dialling[call as usize].take()?;
                let conversation = self.names.conversations[call as usize].clone();
                let accepted = DialAccepted { conversation, provider_call_id: None };
                Some(Input::DialAnswered(slot, attempt, Ok(DialAnswer::Accepted(accepted))))
            }
            Answer::Surveyed(survey) => Some(Input::Surveyed(Ok(self.summaries(survey, world)))),
        }
    }

    /// What a survey found, newest first as the provider lists it.
    fn summaries(&self, survey: u32, world: &World<'_>) -> Vec<ConversationSummary> {
        let survey = &world.surveys[survey as usize];
        let summary = |talk: &crate::world::Talk| ConversationSummary {
            id: self.names.conversations[talk.call as usize].clone(),
            agent: self.names.agent(talk.agent).clone(),
            started_at: wall(talk.at),
            status: if world.is_over(talk.call) { ConversationStatus::Done } else { ConversationStatus::InProgress },
        };
        world.talks[survey.from..survey.to].iter().rev().map(summary).collect()
    }

    fn perform(&mut self, effect: Effect, world: &mut World<'_>) {
        match effect {
            Effect::Commit(ticket, _) => self.inbox.push_back(Input::Committed(ticket, Ok(()))),
            Effect::Tell(notice) => self.told(&notice, world),
            Effect::AskPermit(slot, request) => {
                self.inbox.push_back(Input::Permitted(slot, Permit { attempt: request.attempt }));
            }
            Effect::VerifyAgent(agent) => self.ask(Asked::One(agent), world),
            Effect::VerifyAgents(agents) => self.ask(Asked::Many(agents), world),
            Effect::ReadNumber(number) => {
                let place = index_in(number.as_str(), NUMBER).expect("the ids of numbers are ours");
                world.read([place]);
                self.reads.push(Read::One(number));
            }
            Effect::ListNumbers => {
                world.read(0..index(self.names.numbers.len()));
                self.reads.push(Read::All);
            }
            Effect::AssignNumber(order) => {
                let number = index_in(order.number.as_str(), NUMBER).expect("the ids of numbers are ours");
                let agent = order.agent.and_then(|agent| index_in(agent.as_str(), AGENT)).unwrap_or(OUTSIDE);
                self.assigning[number as usize].push((agent, order.attempt));
                world.patch(number, agent);
            }
            Effect::PlaceCall(slot, request) => {
                let call = index_in(request.attempt.as_str(), CALL).expect("attempt ids begin with their call's");
                let number = index_in(request.number.as_str(), NUMBER).expect("the ids of numbers are ours");
                self.dialling[call as usize] = Some((slot, request.attempt));
                world.post(call, number);
            }
            Effect::Survey { started_after, wanted } => {
                let since = Duration::from_secs(started_after.unix_seconds()).saturating_sub(EPOCH);
                let wanted = wanted.iter().filter_map(|id| index_in(id.as_str(), CONVERSATION)).collect();
                world.survey(u64::try_from(since.as_nanos()).unwrap_or(NEVER), wanted);
            }
            // Nothing fails here, so nothing is in doubt; and calls are proved by pages, if at all.
            Effect::LookUp(slot, look_up) => {
                self.inbox.push_back(Input::LookedUp(slot, look_up.attempt, Ok(None)));
            }
            Effect::Claim(_) | Effect::Renew(_) | Effect::Release(_) => unreachable!("nothing is shared here"),
            Effect::ReadConversation(slot, _) => self.inbox.push_back(Input::ConversationRead(slot, Ok(None))),
            Effect::DropDial(_) | Effect::DropPermit(_) | Effect::ReturnPermit(_) => {}
        }
    }

    fn ask(&mut self, asked: Asked, world: &mut World<'_>) {
        world.verify(index(self.asked.len()));
        self.asked.push(asked);
    }

    fn told(&mut self, notice: &Notice, world: &mut World<'_>) {
        if let Notice::Completed(report) = notice {
            self.ended += 1;
            let call = index_in(report.request.id.as_str(), CALL);
            if let (Some(checker), Some(call)) = (&mut world.checker, call) {
                checker.ended(call, world.now);
            }
        } else if let Notice::Audited { call, proof: Proof::Mismatch { .. }, .. } = notice
            && let Some(call) = index_in(call.as_str(), CALL)
        {
            let flagged = &mut world.truth.flagged[call as usize];
            *flagged = world.now.min(*flagged);
        }
    }
}

impl Dispatching for Partyline {
    fn take(&mut self, occurrence: Occurrence, world: &mut World<'_>) {
        let Some(input) = self.input(occurrence, world) else { return };
        self.inbox.push_back(input);
        if occurrence == Occurrence::Arrival(index(self.calls - 1)) {
            self.inbox.push_back(Input::Drain);
        }
        while let Some(input) = self.inbox.pop_front() {
            for effect in self.dispatcher.handle(input, now(world.now)) {
                self.perform(effect, world);
            }
        }
    }

    fn is_done(&self) -> bool {
        self.ended == self.calls && self.dispatcher.is_idle()
    }

    fn deadline(&self) -> Option<u64> {
        let deadline = self.dispatcher.deadline()?;
        u64::try_from(deadline.at.since_origin().as_nanos()).ok()
    }
}
