//! A batch in a world that is made up: the real dispatcher, virtual time, and no network. It shows in which order the
//! calls would be dialled and which requests that would take.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use partyline_domain::ports::{Ids as _, MemoryJournal, NumberProvider, Unlimited};
use partyline_domain::{
    AgentId, CallRequest, Driver, Instant, LinePolicy, NumberChoice, PhoneNumberId, Ports, Timestamp, Unobserved,
};
use partyline_fake_adapter::world::{AgentSpec, FICTIONAL_NUMBERS_MAX, Latency, NumberSpec, Operation};
use partyline_fake_adapter::{FakeProvider, SharedWorld, TestIds, VirtualClock, World, WorldConfig, clock};

use crate::errors::AppError;
use crate::settings::Limits;

/// How long each request takes in it; the mean of `scheduling.md` 2.1.
const LATENCY: Duration = Duration::from_millis(250);

/// The made-up world, with an agent and a number for each of those that are called from.
pub(crate) struct Rehearsal {
    time: VirtualClock,
    world: SharedWorld,
    agents: BTreeMap<AgentId, AgentId>,
    numbers: BTreeMap<PhoneNumberId, PhoneNumberId>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Rehearsed {
    /// In the order in which they were sent.
    pub(crate) dials: Vec<RehearsedDial>,
    /// How many requests of each kind there were without which no call is placed.
    pub(crate) core: BTreeMap<&'static str, usize>,
    /// How many there were that read conversations.
    pub(crate) proof: BTreeMap<&'static str, usize>,
    /// How long it took, where each request takes [`Rehearsed::latency`].
    pub(crate) took: Duration,
}

/// A dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RehearsedDial {
    /// Which of the calls.
    pub(crate) index: usize,
    /// The number that it left from.
    pub(crate) number: PhoneNumberId,
    /// When it was sent, from the beginning.
    pub(crate) at: Duration,
}

impl Rehearsed {
    /// How long each request takes.
    pub(crate) fn latency() -> Duration {
        LATENCY
    }
}

impl Rehearsal {
    /// A world for these calls. It begins at `wall`, with nobody assigned to any number.
    pub(crate) fn of<'a>(calls: impl Iterator<Item = &'a CallRequest>, wall: Timestamp) -> Self {
        let mut world = World::new(WorldConfig { latency: Latency::constant(LATENCY), ..WorldConfig::default() });
        let (mut agents, mut numbers) = (BTreeMap::new(), BTreeMap::new());
        for call in calls {
            if !agents.contains_key(&call.agent) {
                agents.insert(call.agent.clone(), world.add_agent(AgentSpec::named(call.agent.as_str())));
            }
            for number in &call.numbers {
                let index = numbers.len() % FICTIONAL_NUMBERS_MAX;
                if let Some(spec) = NumberSpec::fictional(index, NumberProvider::Twilio)
                    && !numbers.contains_key(number)
                {
                    numbers.insert(number.clone(), world.add_number(spec, None));
                }
            }
        }
        let world = SharedWorld::new(world);
        Self { time: VirtualClock::starting_at(wall), world, agents, numbers }
    }

    /// Places the calls in it.
    ///
    /// # Errors
    /// Exit code 1 where they cannot be placed to their end.
    pub(crate) fn run(
        self,
        calls: Vec<CallRequest>,
        policy: &LinePolicy,
        limits: Limits,
    ) -> Result<Rehearsed, AppError> {
        let ids = Arc::new(TestIds::default());
        let time = Arc::new(self.time.clone());
        let ports = Ports {
            provider: Arc::new(FakeProvider::new(self.world.clone(), &self.time)),
            clock: Arc::clone(&time) as Arc<_>,
            timer: time,
            ids: Arc::clone(&ids) as Arc<_>,
            journal: Arc::new(MemoryJournal::default()),
            permits: Arc::new(Unlimited),
        };
        let ports = super::paced(ports, limits);
        let (driver, handle) = Driver::new(ports, *policy, Arc::new(Unobserved));
        let mut places = BTreeMap::new();
        for (index, call) in calls.into_iter().enumerate() {
            let id = ids.call_id();
            places.insert(id.as_str().to_owned(), index);
            let made_up = self.made_up(CallRequest { id, ..call })?;
            handle.submit(made_up).map_err(|why| AppError::unexpected(why.to_string()))?;
        }
        drop(handle);
        let done = clock::run_within(&self.time, Duration::MAX, driver.run());
        done.map_err(|stuck| AppError::unexpected(format!("the calls cannot be placed to their end: {stuck}")))?;
        Ok(self.seen(&places))
    }

    fn made_up(&self, call: CallRequest) -> Result<CallRequest, AppError> {
        let lost = || AppError::unexpected("a call's agent or number is not in the made-up world");
        let agent = self.agents.get(&call.agent).cloned().ok_or_else(lost)?;
        let numbers = call.numbers.iter().filter_map(|number| self.numbers.get(number)).cloned();
        let numbers = NumberChoice::any_of(numbers).ok_or_else(lost)?;
        Ok(CallRequest { agent, numbers, ..call })
    }

    fn seen(&self, places: &BTreeMap<String, usize>) -> Rehearsed {
        let real: BTreeMap<_, _> = self.numbers.iter().map(|(real, made_up)| (made_up, real)).collect();
        let world = self.world.lock();
        let ledger = world.ledger();
        let sent: BTreeMap<u64, _> = ledger.requests.iter().map(|request| (request.id, request.arrived_at)).collect();
        let dials = ledger.dials.iter().filter_map(|dial| {
            let (call, _) = dial.attempt.as_ref()?.as_str().rsplit_once('.')?;
            let number = (*real.get(&dial.number)?).clone();
            let at = sent.get(&dial.request).map_or(Duration::ZERO, |at| at.since_origin());
            Some(RehearsedDial { index: *places.get(call)?, number, at })
        });
        let mut dials: Vec<_> = dials.collect();
        dials.sort_by_key(|dial| dial.at);
        let (mut core, mut proof) = (BTreeMap::new(), BTreeMap::new());
        let mut end = Instant::default();
        for request in &ledger.requests {
            let is_proof = matches!(request.operation, Operation::Conversation | Operation::Conversations);
            let kinds = if is_proof { &mut proof } else { &mut core };
            *kinds.entry(request.operation.as_str()).or_default() += 1;
            if !is_proof {
                end = end.max(request.answer_at.unwrap_or_default());
            }
        }
        Rehearsed { dials, core, proof, took: end.since_origin() }
    }
}
