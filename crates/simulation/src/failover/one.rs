//! One failover: two processes, one number, two agents, a call every quarter of a second.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::{Either, join, select};
use partyline_domain::flow::{CallEvent, Proof};
use partyline_domain::ports::{Clock, NewCall, NumberProvider, Store, Timer, Unlimited};
use partyline_domain::{
    AgentId, CallId, CallRequest, Driver, Handle, Instant, NumberChoice, PhoneNumber, PhoneNumberId, Policies, Ports,
    Priority, RunId, SharingPolicy, Unobserved,
};
use partyline_fake_adapter::clock::run_within;
use partyline_fake_adapter::store::StoreConfig;
use partyline_fake_adapter::world::{DialEntry, EffectPosition, Latency as Taking, LedgerDetail, Spread};
use partyline_fake_adapter::{FakeProvider, FakeStore, SharedWorld, TestIds, VirtualClock, World, WorldConfig};

use super::network::{Departure, Network, Wire};
use super::{Afterwards, Ending, Failover, LateOf};
use crate::random::{Draw, Kind};
use crate::scenario::{Latency, Scenario};

const CALLEE: &str = "+12025550123";
/// Between two calls.
const GAP: Duration = Duration::from_millis(250);
/// How many calls in a row are for the same agent.
const TURN: u32 = 8;
/// The holder fails at some moment of this time: turns last 2 s and leases are renewed every 3 s, so every
/// combination is as likely.
const FAILS_WITHIN_S: f64 = 6.0;
const RENEWAL_S: f64 = 3.0;
/// And not before this.
const WARM_UP: Duration = Duration::from_secs(6);
/// The same where requests may be late from the beginning.
const LONG_WARM_UP: Duration = Duration::from_secs(36);
/// The other process begins then.
const SECOND_BEGINS: Duration = Duration::from_secs(4);
/// What is executed within this time after the failure counts.
const COUNTED: Duration = Duration::from_secs(60);
/// After that no more calls come, and misroutes have so long to be found: look-ups of the last dial in doubt, and a page.
const FOUND_WITHIN: Duration = Duration::from_secs(75);
/// One commit of the store.
const STORE_LATENCY: Duration = Duration::from_millis(2);
/// The median of a pause and the deviation of its logarithm.
const PAUSE: (f64, f64) = (10.0, 1.0);

/// What came of a failover.
#[derive(Clone, Debug, Default)]
pub(super) struct Aftermath {
    /// From the failure to the first dial of whoever took over.
    taken: Option<Duration>,
    /// The same to the first for the agent of the requests that were open then, and to the first for the other one.
    pub(super) taken_by_same: Option<Duration>,
    pub(super) taken_by_other: Option<Duration>,
    /// How many dials were executed.
    pub(super) dials: usize,
    /// From each misroute to its alarm; `None` where there was none.
    pub(super) misroutes: Vec<Option<Duration>>,
    /// Calls that were dialled twice.
    pub(super) doubles: usize,
    /// Whether requests were open at the failure.
    was_open: bool,
}

impl Aftermath {
    /// How long the failover took where no request was open.
    pub(super) fn taken_freely(&self) -> Option<Duration> {
        self.taken.filter(|_| !self.was_open)
    }
}

/// What both processes share.
struct House<'a> {
    scenario: &'a Scenario,
    failover: &'a Failover,
    draw: Draw,
    clock: VirtualClock,
    world: SharedWorld,
    store: FakeStore,
    network: Arc<Network>,
    agents: Vec<AgentId>,
    number: PhoneNumberId,
    fails_at: Instant,
    /// The agent whose requests were open at the failure.
    open: OnceLock<AgentId>,
    /// When the failing process had failed, and was back where it comes back.
    over_since: OnceLock<Instant>,
}

pub(super) fn run(scenario: &Scenario, failover: &Failover, seed: u64) -> Aftermath {
    let (draw, clock) = (Draw::new(seed), VirtualClock::new());
    let warm_up = if failover.late.of == LateOf::LastTurn { WARM_UP } else { LONG_WARM_UP };
    let moment = FAILS_WITHIN_S * draw.uniform(Kind::Failure, 0, 0);
    let fails_at = Instant::from_origin(warm_up + Duration::from_secs_f64(moment));
    let (network, carrier) = Network::new(clock.clone(), draw, failover.late, late_from(failover, fails_at));
    let world = SharedWorld::new(world(scenario, seed));
    let (agents, number) = {
        let world = world.lock();
        (world.agent_ids(), world.number_ids().remove(0))
    };
    let config = StoreConfig { latency: STORE_LATENCY, ..StoreConfig::default() };
    let store = FakeStore::with_config(&clock, config);
    let house = House {
        scenario,
        failover,
        draw,
        clock,
        world,
        store,
        network,
        agents,
        number,
        fails_at,
        open: OnceLock::new(),
        over_since: OnceLock::new(),
    };
    let limit = warm_up + COUNTED + FOUND_WITHIN + Duration::from_secs(60);
    let all = select(Box::pin(house.play()), Box::pin(carrier));
    match run_within(&house.clock, limit, all).expect("a run ends when its time is over") {
        Either::Left((aftermath, _)) => aftermath,
        Either::Right(_) => unreachable!("the network never ends"),
    }
}

/// Requests may be late from then on.
fn late_from(failover: &Failover, fails_at: Instant) -> Instant {
    match failover.late.of {
        LateOf::LastTurn => Instant::from_origin(GAP * TURN * turn_at(fails_at)),
        LateOf::Failing | LateOf::Everyone => Instant::default(),
    }
}

/// How many turns are over.
fn turn_at(at: Instant) -> u32 {
    u32::try_from(at.since_origin().as_nanos() / (GAP * TURN).as_nanos()).expect("a run lasts minutes")
}

fn world(scenario: &Scenario, seed: u64) -> World {
    let mut config = WorldConfig::of(scenario.agents as usize, 1, &NumberProvider::Twilio);
    config.seed = seed;
    config.ledger = LedgerDetail::Effects;
    config.latency = match scenario.network.latency {
        Latency::Constant { seconds } => Taking::constant(Duration::from_secs_f64(seconds)),
        Latency::Lognormal { seconds, sigma } => Taking {
            spread: Spread::LogNormal(sigma),
            effect: EffectPosition::Between(20, 80),
            ..Taking::constant(Duration::from_secs_f64(seconds))
        },
    };
    World::new(config)
}

fn owner_of(process: usize) -> RunId {
    RunId::parse(&format!("run_{process}")).expect("letters and digits")
}

impl House<'_> {
    async fn sleep(&self, time: Duration) {
        self.clock.sleep_until(self.clock.now().monotonic.after(time)).await;
    }

    /// Everything that happens, and what came of it.
    async fn play(&self) -> Aftermath {
        // Renewals come at any time within a turn.
        let begins = Duration::from_secs_f64(RENEWAL_S * self.draw.uniform(Kind::Failure, 0, 1));
        let processes = join(self.mortal(0, begins), self.mortal(1, SECOND_BEGINS));
        let played = select(Box::pin(self.people()), Box::pin(processes)).await;
        match played {
            Either::Left(((), _)) => self.aftermath(),
            Either::Right(_) => unreachable!("one of them stays"),
        }
    }

    fn process(&self, process: usize) -> (Driver, Handle) {
        let member = self.store.member(owner_of(process));
        let inner = FakeProvider::new(self.world.clone(), &self.clock);
        let ports = Ports {
            provider: Arc::new(Wire { network: self.network.clone(), inner, process }),
            clock: Arc::new(self.clock.clone()),
            timer: Arc::new(self.clock.clone()),
            ids: Arc::new(TestIds::default()),
            journal: member.clone(),
            permits: Arc::new(Unlimited),
        };
        let policy = self.scenario.policy;
        let (driver, handle) = Driver::shared(ports, member, policy, SharingPolicy::default(), Arc::new(Unobserved));
        handle.serve(None);
        (driver, handle)
    }

    /// A process: where it has the number when the time has come, up to its failure, and beyond where it comes back.
    async fn mortal(&self, process: usize, begins: Duration) {
        self.sleep(begins).await;
        let (driver, handle) = self.process(process);
        let running = Box::pin(driver.run());
        let running = match select(running, Box::pin(self.clock.sleep_until(self.fails_at))).await {
            Either::Left(_) => unreachable!("a driver with a handle goes on"),
            Either::Right(((), running)) => running,
        };
        if self.network.fails(|| self.holder()) != process {
            running.await;
            return;
        }
        if let Some(open) = self.open_agent().filter(|_| self.failover.ending != Ending::Release) {
            self.open.get_or_init(|| open);
        }
        let now = || self.clock.now().monotonic;
        match self.failover.ending {
            Ending::Crash => {
                drop(running);
                self.over_since.get_or_init(now);
            }
            Ending::Pause => {
                self.sleep(self.pause()).await;
                self.over_since.get_or_init(now);
                running.await;
            }
            Ending::Release => {
                handle.leave();
                drop(handle);
                running.await;
                self.over_since.get_or_init(now);
            }
        }
    }

    /// The process that has the number. Where none has, because it was idle and was given back a moment ago, the first.
    fn holder(&self) -> usize {
        let owner = self.store.with(|state| state.leases().next().map(|(_, lease)| lease.owner.clone()));
        usize::from(owner.is_some_and(|owner| owner == owner_of(1)))
    }

    /// How long the holder is paused: longer than its lease holds.
    fn pause(&self) -> Duration {
        let now = self.clock.now().monotonic;
        let left = self.store.with(|state| state.leases().map(|(_, lease)| lease.expires_at.since(now)).max());
        let (median, sigma) = PAUSE;
        let mean = median * (sigma * sigma / 2.0).exp();
        let drawn = (1..).map(|count| self.draw.lognormal(Kind::Failure, count, 0, mean, sigma));
        let mut drawn = drawn.map(Duration::from_secs_f64);
        drawn.find(|pause| Some(*pause) > left).expect("some pause is long enough")
    }

    /// Hands in the calls, and ends when all has been seen.
    async fn people(&self) {
        let client = self.store.member(RunId::parse("run_people").expect("letters"));
        let end = self.fails_at.after(COUNTED);
        let times = (0..).map(|call| (call, Instant::from_origin(GAP * call)));
        for (call, at) in times.take_while(|(_, at)| *at <= end) {
            self.clock.sleep_until(at).await;
            if self.is_settled() {
                break;
            }
            let request = self.request(call, self.agent_of(call));
            let new = NewCall { request, at: self.clock.now().wall, key: None, batch: None, repeats: None };
            client.submit(vec![new]).await.expect("nothing happens to the store");
        }
        if self.misroutes().next().is_some() {
            self.sleep(FOUND_WITHIN).await;
        }
    }

    /// Whether the failure can have no consequence any more: whoever is to take over has, and everything that the failing
    /// process sent took effect so long ago that the number and a page were read since.
    fn is_settled(&self) -> bool {
        let may_be_late = self.failover.late.of == LateOf::Everyone;
        let over_since = self.over_since.get().copied().zip(self.network.silent_since());
        let Some((over, silent)) = over_since.filter(|_| !may_be_late) else { return false };
        let served = self.takeover(|dial| self.open.get() != Some(&dial.agent)).is_some();
        let policy = self.scenario.policy;
        let noticed = over.max(silent).after(policy.freshness).after(policy.survey_every * 2);
        served && self.clock.now().monotonic >= noticed
    }

    /// The agent whose requests are open, by the store.
    fn open_agent(&self) -> Option<AgentId> {
        self.store.with(|state| state.open_intents().into_iter().find_map(|intent| intent.agent))
    }

    fn agent_of(&self, call: u32) -> AgentId {
        let is_before = Instant::from_origin(GAP * call) < self.fails_at;
        let turn = match self.failover.afterwards {
            Afterwards::Other if !is_before => turn_at(self.fails_at) + 1,
            Afterwards::Other | Afterwards::Alternate => call / TURN,
        };
        let place = (turn % self.scenario.agents) as usize;
        self.agents[place].clone()
    }

    fn request(&self, call: u32, agent: AgentId) -> CallRequest {
        CallRequest {
            id: CallId::parse(&format!("call_{call:04}")).expect("letters and digits"),
            agent,
            numbers: NumberChoice::one(self.number.clone()),
            to: PhoneNumber::parse(CALLEE).expect("a fictional number"),
            priority: Priority::Normal,
            expires_at: None,
            options: Arc::default(),
            policies: Arc::new(Policies { proof: self.scenario.proof, ..Policies::default() }),
        }
    }
}

impl House<'_> {
    /// The dials that count and went to the wrong agent.
    fn misroutes(&self) -> impl Iterator<Item = DialEntry> {
        let end = self.fails_at.after(COUNTED);
        // A world that nobody asks stands still.
        let mut world = self.world.lock();
        world.advance(self.clock.now());
        let misroutes: Vec<_> = world.ledger().misroutes().filter(|dial| dial.at.monotonic <= end).cloned().collect();
        misroutes.into_iter()
    }

    fn aftermath(&self) -> Aftermath {
        let open = self.open.get();
        let misroutes = self.misroutes().map(|dial| self.flagged(&dial)).collect();
        let taken_by_same = open.and_then(|open| self.takeover(|dial| dial.agent == *open));
        let taken_by_other = open.and_then(|open| self.takeover(|dial| dial.agent != *open));
        let (dials, doubles) = self.executed();
        Aftermath {
            taken: self.takeover(|_| true),
            taken_by_same,
            taken_by_other,
            dials,
            misroutes,
            doubles,
            was_open: open.is_some(),
        }
    }

    /// How long it took from the failure to the first dial of this kind by the other process.
    fn takeover(&self, is_meant: impl Fn(&Departure) -> bool) -> Option<Duration> {
        let dials = self.network.dials_since(self.fails_at);
        dials.into_iter().find(|dial| is_meant(dial)).map(|dial| dial.at.since(self.fails_at))
    }

    /// How many dials were executed, and how many calls were dialled more than once.
    fn executed(&self) -> (usize, usize) {
        let world = self.world.lock();
        let attempts = world.ledger().dials.iter().filter_map(|dial| dial.attempt.as_ref());
        let mut calls: Vec<_> = attempts.map(|attempt| attempt.as_str().split('.').next().map(str::to_owned)).collect();
        let dials = calls.len();
        calls.sort();
        calls.dedup();
        (dials, dials - calls.len())
    }

    /// How long after a misroute the history of its call says so.
    fn flagged(&self, dial: &DialEntry) -> Option<Duration> {
        let call = dial.attempt.as_ref()?.as_str().split('.').next()?;
        let call = CallId::parse(call).ok()?;
        self.store.with(|state| {
            let says_so = |event: &CallEvent| matches!(event, CallEvent::ProofRead { proof: Proof::Mismatch { .. } });
            let alarm = state.call(&call)?.history.iter().find(|recorded| says_so(&recorded.event))?;
            Some(alarm.at.since_unix().saturating_sub(dial.at.wall.since_unix()))
        })
    }
}
