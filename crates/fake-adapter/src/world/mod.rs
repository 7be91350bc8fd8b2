//! The provider's truth: agents, numbers, conversations, and a ledger of what really happened.
//!
//! It is synchronous and deterministic. A request is *begun* at one time; its effect happens at another, by itself,
//! whenever anybody next looks; and its answer is claimed at a third. So the ports (virtual time) and the routes
//! (real time) share it, and a client that goes away changes nothing of what it has sent. It must not know who
//! asks, nor read a clock. Tests: `tests/world_*.rs`.

mod config;
mod conversation;
mod effect;
mod failure;
mod flight;
pub(crate) mod identity;
mod latency;
mod ledger;
mod request;
mod schedule;

use std::collections::BTreeMap;
use std::sync::Arc;

use partyline_domain::ports::{AgentProfile, AssignedAgent, Number, NumberProvider};
use partyline_domain::{AgentId, CallerId, Instant, Now, PhoneNumberId};

pub use config::{AgentSpec, FICTIONAL_NUMBERS_MAX, Mode, NumberSpec, WorldConfig};
pub use conversation::{CallModel, ConversationRecord, ConversationView, Fate};
pub use failure::{Failure, Form};
pub use flight::{Begun, Pending, Sent, SharedWorld, Ticket};
pub use latency::{EffectPosition, Latency, Spread};
pub use ledger::{AssignmentEntry, DialEntry, Ledger, LedgerDetail, RequestEntry, RequestOutcome, Writer};
pub use request::{AssignOrder, Assignee, Body, ClientData, DialOrder, Dialed, Dress, Operation, Reply, Request};

use crate::faults::{Fault, FaultPlan};

/// The whole world. See [`SharedWorld`] for many clients.
#[derive(Clone, Debug)]
pub struct World {
    initial: Arc<WorldConfig>,
    config: WorldConfig,
    agents: BTreeMap<AgentId, Agent>,
    numbers: BTreeMap<PhoneNumberId, Line>,
    conversations: Vec<ConversationRecord>,
    ledger: Ledger,
    flights: BTreeMap<u64, Option<Reply>>,
    events: BTreeMap<(Instant, u64), Event>,
    agents_made: u64,
    numbers_made: u64,
    events_made: u64,
    requests_made: u64,
}

#[derive(Clone, Debug)]
struct Agent {
    count: u64,
    name: String,
    archived: bool,
}

#[derive(Clone, Debug)]
struct Line {
    count: u64,
    caller_id: Arc<CallerId>,
    label: String,
    provider: NumberProvider,
    inbound: bool,
    outbound: bool,
    assigned: Option<AgentId>,
}

#[derive(Clone, Debug)]
enum Event {
    /// A request has its effect; its answer is kept for whoever waits.
    Execute { id: u64, request: Request, fault: Option<Fault> },
    /// A request that was answered long ago has its effect.
    ExecuteLate { id: u64, request: Request },
    /// The agent of a call is bound.
    Bind { id: u64, conversation: usize },
}

/// An agent or a number that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {0}")]
pub struct Unknown(pub String);

impl World {
    /// A world as configured.
    pub fn new(config: WorldConfig) -> Self {
        let mut world = Self {
            agents: BTreeMap::new(),
            numbers: BTreeMap::new(),
            conversations: Vec::new(),
            ledger: Ledger::default(),
            flights: BTreeMap::new(),
            events: BTreeMap::new(),
            agents_made: 0,
            numbers_made: 0,
            events_made: 0,
            requests_made: 0,
            initial: Arc::new(config.clone()),
            config,
        };
        let (agents, numbers) = (world.config.agents.clone(), world.config.numbers.clone());
        let ids: Vec<AgentId> = agents.into_iter().map(|agent| world.add_agent(agent)).collect();
        for number in numbers {
            let assigned = number.assigned.and_then(|index| ids.get(index)).cloned();
            world.add_number(number, assigned);
        }
        world
    }

    /// Makes it as it was when new, with all its faults; what is on its way is forgotten.
    pub fn reset(&mut self) {
        *self = Self::new(WorldConfig::clone(&self.initial));
    }

    /// The seed it was made with.
    pub fn seed(&self) -> u64 {
        self.config.seed
    }

    /// Adds an agent.
    pub fn add_agent(&mut self, spec: AgentSpec) -> AgentId {
        let count = self.agents_made;
        self.agents_made += 1;
        let id = identity::agent_id(self.config.seed, count);
        self.agents.insert(id.clone(), Agent { count, name: spec.name, archived: spec.archived });
        id
    }

    /// Adds a number that `assigned` answers.
    pub fn add_number(&mut self, spec: NumberSpec, assigned: Option<AgentId>) -> PhoneNumberId {
        let count = self.numbers_made;
        self.numbers_made += 1;
        let id = identity::number_id(self.config.seed, count);
        let NumberSpec { number, label, provider, inbound, outbound, .. } = spec;
        let caller_id = Arc::new(CallerId::new(number.e164()));
        self.numbers.insert(id.clone(), Line { count, caller_id, label, provider, inbound, outbound, assigned });
        id
    }

    /// The agents in the order in which they were added.
    pub fn agent_ids(&self) -> Vec<AgentId> {
        let mut agents: Vec<_> = self.agents.iter().collect();
        agents.sort_by_key(|(_, agent)| agent.count);
        agents.into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// The numbers in the order in which they were added.
    pub fn number_ids(&self) -> Vec<PhoneNumberId> {
        let mut numbers: Vec<_> = self.numbers.iter().collect();
        numbers.sort_by_key(|(_, line)| line.count);
        numbers.into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// An agent as the provider would show it.
    pub fn agent(&self, id: &AgentId) -> Option<AgentProfile> {
        self.agents.get(id).map(|agent| agent.profile(id))
    }

    /// A number as the provider would show it.
    pub fn number(&self, id: &PhoneNumberId) -> Option<Number> {
        self.numbers.get(id).map(|line| self.show(id, line))
    }

    /// Who answers a number now.
    pub fn assigned(&self, id: &PhoneNumberId) -> Option<&AgentId> {
        self.numbers.get(id).and_then(|line| line.assigned.as_ref())
    }

    /// All conversations, oldest first.
    pub fn conversations(&self) -> &[ConversationRecord] {
        &self.conversations
    }

    /// The conversations that are not over.
    pub fn active(&self, now: Instant) -> impl Iterator<Item = &ConversationRecord> {
        let model = self.config.calls;
        self.conversations.iter().filter(move |record| !record.status(model, now).is_over())
    }

    /// What really happened.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// How many requests arrived.
    pub fn requests(&self) -> u64 {
        self.requests_made
    }

    /// What is to go wrong.
    pub fn faults(&mut self) -> &mut FaultPlan {
        &mut self.config.faults
    }

    /// How calls go from now on.
    pub fn calls(&mut self) -> &mut CallModel {
        &mut self.config.calls
    }

    /// How long requests take from now on.
    pub fn latency(&mut self) -> &mut Latency {
        &mut self.config.latency
    }

    /// When the next effect happens by itself; `None` where nothing is on its way.
    pub fn next_event(&self) -> Option<Instant> {
        self.events.keys().next().map(|(at, _)| *at)
    }

    /// Somebody else changes who answers a number, past our interfaces.
    ///
    /// # Errors
    /// [`Unknown`] where there is no such number or agent.
    pub fn reassign(&mut self, id: &PhoneNumberId, agent: Option<&AgentId>, now: Now) -> Result<(), Unknown> {
        self.advance(now);
        if let Some(agent) = agent.filter(|agent| !self.agents.contains_key(*agent)) {
            return Err(Unknown(agent.to_string()));
        }
        if self.numbers.contains_key(id) {
            self.write(id, agent.cloned(), Writer::Outsider, now);
            Ok(())
        } else {
            Err(Unknown(id.to_string()))
        }
    }

    /// Somebody else's call begins on a number, with the agent that answers it or else the first one; it takes its
    /// place among the calls there may be at once.
    ///
    /// # Errors
    /// [`Unknown`] where there is no such number, or no agent at all.
    pub fn foreign_call(&mut self, id: &PhoneNumberId, now: Now) -> Result<(), Unknown> {
        self.advance(now);
        let line = self.numbers.get(id).ok_or_else(|| Unknown(id.to_string()))?;
        let agent = line.assigned.clone().or_else(|| self.agent_ids().into_iter().next());
        let agent = agent.ok_or_else(|| Unknown("agent".into()))?;
        let order = DialOrder {
            route: line.provider.clone(),
            agent,
            number: id.clone(),
            to: None,
            attempt: None,
            client: ClientData::Json(Arc::new(serde_json::Value::Null)),
            ringing_timeout: std::time::Duration::ZERO,
        };
        self.open(order, None, Fate::Answered, now);
        Ok(())
    }

    /// Somebody puts an agent away, or takes it out again.
    ///
    /// # Errors
    /// [`Unknown`] where there is no such agent.
    pub fn archive(&mut self, id: &AgentId, archived: bool, now: Now) -> Result<(), Unknown> {
        self.advance(now);
        let agent = self.agents.get_mut(id).ok_or_else(|| Unknown(id.to_string()))?;
        agent.archived = archived;
        Ok(())
    }

    /// Somebody deletes an agent; the numbers it answered are nobody's then.
    ///
    /// # Errors
    /// [`Unknown`] where there is no such agent.
    pub fn delete_agent(&mut self, id: &AgentId, now: Now) -> Result<(), Unknown> {
        self.advance(now);
        self.agents.remove(id).ok_or_else(|| Unknown(id.to_string()))?;
        for number in self.number_ids() {
            if self.assigned(&number) == Some(id) {
                self.write(&number, None, Writer::Outsider, now);
            }
        }
        Ok(())
    }

    /// Somebody deletes a number.
    ///
    /// # Errors
    /// [`Unknown`] where there is no such number.
    pub fn delete_number(&mut self, id: &PhoneNumberId, now: Now) -> Result<(), Unknown> {
        self.advance(now);
        self.numbers.remove(id).map(|_| ()).ok_or_else(|| Unknown(id.to_string()))
    }

    /// Changes who answers a number that exists, and writes that down.
    fn write(&mut self, id: &PhoneNumberId, after: Option<AgentId>, writer: Writer, at: Now) {
        let Some(line) = self.numbers.get_mut(id) else { return };
        let before = std::mem::replace(&mut line.assigned, after.clone());
        if self.config.ledger >= LedgerDetail::Effects {
            self.ledger.assignments.push(AssignmentEntry { number: id.clone(), before, after, at, writer });
        }
    }

    fn show(&self, id: &PhoneNumberId, line: &Line) -> Number {
        let assigned = line.assigned.as_ref().map(|agent| AssignedAgent {
            id: agent.clone(),
            name: self.agents.get(agent).map(|agent| agent.name.clone()).unwrap_or_default(),
        });
        Number {
            id: id.clone(),
            caller_id: CallerId::clone(&line.caller_id),
            label: line.label.clone(),
            provider: line.provider.clone(),
            assigned,
            inbound: line.inbound,
            outbound: line.outbound,
        }
    }
}

impl Agent {
    fn profile(&self, id: &AgentId) -> AgentProfile {
        AgentProfile { id: id.clone(), name: self.name.clone(), archived: self.archived }
    }
}
