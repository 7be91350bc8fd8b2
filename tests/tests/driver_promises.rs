//! The whole driver against the fake world in virtual time, as a state machine: calls with every policy, faults of
//! every kind, an outsider who changes the number, agents that are put away, an interrupt. After each step the
//! world's ledger is compared with what was promised (U1, U2, U4, U9, U10 of the design); in the end the faults
//! stop and every call must come to its end (U3) with inbound calls answered as before (U8).
//!
//! A failure prints the shortest steps that lead to it; the same command tries them first from then on. Fresh cases:
//! `PROPTEST_RNG_SEED=<any number> PROPTEST_CASES=4000 cargo test -p partyline-tests --test driver_promises`.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use partyline_domain::flow::{CallState, Dialed, FoundBy, Proof};
use partyline_domain::ports::{Clock, Ids, MemoryJournal, NumberProvider, Timer, Unlimited};
use partyline_domain::{
    AfterCall, AgentId, AssignmentPolicy, CallId, CallReport, CallRequest, Driver, Handle, LinePolicy, LookUpPolicy,
    Notice, NumberChoice, Observer, PhoneNumber, PhoneNumberId, Policies, Ports, Priority, ProofPolicy, RestoreOutcome,
};
use partyline_fake_adapter::faults::{Count, Target};
use partyline_fake_adapter::world::{AssignmentEntry, Latency, Ledger, Writer};
use partyline_fake_adapter::{
    FakeProvider, Fault, FaultMix, FaultRule, SharedWorld, TestIds, VirtualClock, World, WorldConfig, clock,
};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

const AGENTS: usize = 3;
/// How long after an outsider's change a dial may still rely on what was read before it: the freshness of a
/// confirmation (5 s), the time a dial has to be sent (2 s), its latency, and a slow answer (2 s).
const OUTSIDER_WINDOW: Duration = Duration::from_millis(9_500);
/// How long after an outsider's change it may still be overwritten by a restore that compared before: a slow
/// answer to the read, then an assignment that lands late (9 s).
const COMPARE_WINDOW: Duration = Duration::from_secs(12);
const CALLEE: &str = "+12025550123";

/// What can be done to the system.
#[derive(Clone, Debug)]
enum Transition {
    Call {
        agent: usize,
        policies: Box<Policies>,
    },
    /// An outsider changes the number in the middle of a call.
    Intrusion {
        agent: usize,
        policies: Box<Policies>,
        after: u64,
        outsider: Option<usize>,
    },
    Fault(FaultRule),
    Mix {
        per_thousand: u16,
        seed: u64,
    },
    Outsider {
        agent: Option<usize>,
    },
    Archive {
        agent: usize,
    },
    PassTime {
        milliseconds: u64,
    },
    Interrupt,
}

/// What the promises allow, as far as the inputs decide it.
#[derive(Clone, Debug, Default)]
struct Model {
    provider: usize,
    calls: usize,
    interrupted: bool,
    /// Somebody else has changed the number: it need not be given back.
    outsider: bool,
}

const PROVIDERS: [NumberProvider; 3] = [NumberProvider::Twilio, NumberProvider::SipTrunk, NumberProvider::Exotel];

/// Every fault but those that no client can see through: an answer that lies about the assignment, and a 429
/// after the dial.
fn menu() -> Vec<Fault> {
    let fair = FaultMix::fair(0, 0).menu;
    let late = [Fault::Late(Duration::from_secs(9)), Fault::HangLate(Duration::from_secs(2))];
    fair.into_iter().chain(late).collect()
}

fn policies() -> impl Strategy<Value = Box<Policies>> {
    let assignment = prop_oneof![Just(AssignmentPolicy::IfDifferent), Just(AssignmentPolicy::Always)];
    let proof = prop_oneof![Just(ProofPolicy::Off), Just(ProofPolicy::Once), Just(ProofPolicy::Required)];
    let after_call = prop_oneof![Just(AfterCall::Keep), Just(AfterCall::Restore)];
    (assignment, proof, after_call, 0_u64..90, 0_u64..3).prop_map(|(assignment, proof, after_call, window, settle)| {
        Box::new(Policies {
            assignment,
            proof,
            after_call,
            look_up: LookUpPolicy { window: Duration::from_secs(window) },
            settle_after_post: Duration::from_secs(settle),
            ..Policies::default()
        })
    })
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Self> {
        (0..PROVIDERS.len()).prop_map(|provider| Self { provider, ..Self::default() }).boxed()
    }

    fn transitions(_state: &Self) -> BoxedStrategy<Transition> {
        let fault = (0..menu().len(), 0_u32..3).prop_map(|(index, skip)| {
            Transition::Fault(FaultRule { target: Target::Any, fault: menu()[index], count: Count::Times(1), skip })
        });
        prop_oneof![
            6 => (0..AGENTS, policies()).prop_map(|(agent, policies)| Transition::Call { agent, policies }),
            2 => (0..AGENTS, policies(), 100_u64..400, prop::option::of(0..AGENTS)).prop_map(
                |(agent, policies, after, outsider)| Transition::Intrusion { agent, policies, after, outsider }
            ),
            5 => fault,
            1 => (0_u16..400, any::<u64>()).prop_map(|(per_thousand, seed)| Transition::Mix { per_thousand, seed }),
            1 => prop::option::of(0..AGENTS).prop_map(|agent| Transition::Outsider { agent }),
            1 => (1..AGENTS).prop_map(|agent| Transition::Archive { agent }),
            6 => (0_u64..90_000).prop_map(|milliseconds| Transition::PassTime { milliseconds }),
            6 => (0_u64..900).prop_map(|milliseconds| Transition::PassTime { milliseconds }),
            1 => Just(Transition::Interrupt),
        ]
        .boxed()
    }

    fn apply(mut state: Self, transition: &Transition) -> Self {
        match transition {
            Transition::Call { .. } => state.calls += 1,
            Transition::Intrusion { .. } => {
                state.calls += 1;
                state.outsider = true;
            }
            Transition::Outsider { .. } => state.outsider = true,
            Transition::Interrupt => state.interrupted = true,
            Transition::Fault(_)
            | Transition::Mix { .. }
            | Transition::Archive { .. }
            | Transition::PassTime { .. } => {}
        }
        state
    }
}

#[derive(Default)]
struct Heard {
    reports: BTreeMap<CallId, CallReport>,
    restores: Vec<RestoreOutcome>,
}

struct Ear(Arc<Mutex<Heard>>);

impl Observer for Ear {
    fn notice(&self, notice: &Notice) {
        assert!(!format!("{notice:?}").contains(&CALLEE[1..]), "U10: a notice tells the whole number");
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Notice::Completed(report) = notice {
            let before = heard.reports.insert(report.request.id.clone(), (**report).clone());
            assert!(before.is_none(), "a call was reported twice");
        }
        if let Notice::InboundRestored { outcome, .. } = notice {
            heard.restores.push(outcome.clone());
        }
    }
}

struct System {
    clock: VirtualClock,
    world: SharedWorld,
    ids: TestIds,
    handle: Option<Handle>,
    driver: Pin<Box<dyn Future<Output = ()>>>,
    ended: bool,
    heard: Arc<Mutex<Heard>>,
    agents: Vec<AgentId>,
    number: PhoneNumberId,
    requests: BTreeMap<CallId, CallRequest>,
}

impl System {
    fn new(model: &Model) -> Self {
        let clock = VirtualClock::new();
        let mut config = WorldConfig::of(AGENTS + 1, 1, &PROVIDERS[model.provider]);
        config.latency = Latency::constant(Duration::from_millis(250));
        config.list_lag = Duration::from_secs(1);
        config.numbers[0].assigned = Some(AGENTS);
        let world = SharedWorld::new(World::new(config));
        let (agents, number) = {
            let world = world.lock();
            (world.agent_ids(), world.number_ids()[0].clone())
        };
        let heard = Arc::new(Mutex::new(Heard::default()));
        let ports = Ports {
            provider: Arc::new(FakeProvider::new(world.clone(), &clock)),
            clock: Arc::new(clock.clone()),
            timer: Arc::new(clock.clone()),
            ids: Arc::new(TestIds::default()),
            journal: Arc::new(MemoryJournal::new()),
            permits: Arc::new(Unlimited),
        };
        let (driver, handle) = Driver::new(ports, LinePolicy::default(), Arc::new(Ear(heard.clone())));
        Self {
            clock,
            world,
            ids: TestIds::default(),
            handle: Some(handle),
            driver: driver.run().boxed_local(),
            ended: false,
            heard,
            agents,
            number,
            requests: BTreeMap::new(),
        }
    }

    fn run(&mut self, time: Duration) {
        if self.ended {
            return;
        }
        let until = self.clock.now().monotonic.after(time);
        let timer = self.clock.clone();
        let sleep = timer.sleep_until(until);
        let race = select(&mut self.driver, sleep);
        if let Either::Left(_) = clock::run(&self.clock, race) {
            self.ended = true;
        }
    }

    fn call(&mut self, agent: usize, policies: Policies) {
        let request = CallRequest {
            id: self.ids.call_id(),
            agent: self.agents[agent].clone(),
            numbers: NumberChoice::one(self.number.clone()),
            to: PhoneNumber::parse(CALLEE).expect("valid"),
            priority: Priority::Normal,
            expires_at: None,
            options: Arc::default(),
            policies: Arc::new(policies),
        };
        self.requests.insert(request.id.clone(), request.clone());
        let handle = self.handle.as_ref().expect("the handle is kept to the end");
        handle.submit(request).expect("the driver runs as long as the handle is there");
    }

    fn outsider(&self, agent: Option<usize>) {
        let agent = agent.map(|index| self.agents[index].clone());
        let now = self.clock.now();
        self.world.lock().reassign(&self.number, agent.as_ref(), now).expect("the number exists");
    }

    fn check(&self) {
        let world = self.world.lock();
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        for dial in world.ledger().misroutes() {
            let recent = |entry: &AssignmentEntry| {
                entry.writer == Writer::Outsider && dial.at.monotonic.since(entry.at.monotonic) <= OUTSIDER_WINDOW
            };
            let excused = world.ledger().assignments_of(&self.number).any(recent);
            assert!(excused, "U1: {dial:?}");
        }
        self.check_restores(world.ledger());
        for call in self.requests.keys() {
            let dials: Vec<_> = world.ledger().dials_of_call(call).collect();
            assert!(dials.len() <= 1, "U2: {call} was dialled {} times", dials.len());
            let Some(report) = heard.reports.get(call) else { continue };
            match &report.state {
                CallState::Initiated(initiated) => {
                    // A dial that was refused while nobody listened leaves a record too, and is found by it.
                    let record = world.conversations().iter().find(|record| record.id == *initiated.conversation());
                    let of_call = record.and_then(|record| record.attempt.as_ref()).is_some_and(|attempt| {
                        attempt.as_str().rsplit_once('.').is_some_and(|(of, _)| of == call.as_str())
                    });
                    assert!(of_call, "U4: {call} is said to be initiated and the provider has no such conversation");
                    let executed = dials.iter().find(|dial| dial.conversation == *initiated.conversation());
                    assert!(
                        executed.is_some() || initiated.found_by() == FoundBy::LookUp,
                        "U4: {call} was not dialled"
                    );
                    let misrouted = executed.is_some_and(|dial| dial.is_misrouted());
                    match initiated.proof() {
                        Some(Proof::Mismatch { .. }) => assert!(misrouted, "U9: a false alarm"),
                        Some(Proof::Matches { .. }) => assert!(!misrouted, "U9: a misroute passed"),
                        Some(Proof::Absent) | None => {}
                    }
                }
                state @ (CallState::Requested(_)
                | CallState::Verified(_)
                | CallState::Assigned(_)
                | CallState::Failed(_)) => {
                    let said_no = state.dialed() == Dialed::No;
                    assert!(!said_no || dials.is_empty(), "U4: {call} is said not to be dialled and was");
                }
            }
        }
    }

    /// Nobody else ever assigns the inbound agent, so whoever assigns it gives the number back.
    fn check_restores(&self, ledger: &Ledger) {
        let entries: Vec<_> = ledger.assignments_of(&self.number).collect();
        for pair in entries.windows(2) {
            let [before, entry] = pair else { unreachable!("windows of two") };
            let restore = entry.writer != Writer::Outsider && entry.after.as_ref() == self.agents.get(AGENTS);
            // Comparing cannot tell an outsider's change to the call's own agent from ours.
            let ours = self.requests.values().any(|request| Some(&request.agent) == before.after.as_ref());
            let known_to_be_foreign = before.writer == Writer::Outsider
                && !ours
                && before.after != before.before
                && entry.at.monotonic.since(before.at.monotonic) > COMPARE_WINDOW;
            assert!(!(restore && known_to_be_foreign), "U8: {before:?} was overwritten by {entry:?}");
        }
    }

    fn finish(mut self, model: &Model) {
        self.world.lock().faults().clear();
        self.handle = None;
        self.run(Duration::from_secs(24 * 3600));
        assert!(self.ended, "U3: the driver still waits a day later");
        self.check();
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(heard.reports.len(), self.requests.len(), "U3: every call is reported");
        for (call, report) in &heard.reports {
            assert!(report.state.is_terminal(), "U3: {call} is {}", report.state.name());
        }
        if !model.outsider {
            let left = heard.restores.iter().find(|outcome| matches!(outcome, RestoreOutcome::LeftAlone { .. }));
            assert!(left.is_none(), "U8: nobody else changed the number, and yet {left:?}");
        }
        let wanted = self.requests.values().all(|request| request.policies.after_call == AfterCall::Restore);
        let done = heard.restores.iter().all(|outcome| matches!(outcome, RestoreOutcome::Restored { .. }));
        if wanted && done && !model.outsider {
            let assigned = self.world.lock().assigned(&self.number).cloned();
            assert_eq!(assigned.as_ref(), self.agents.get(AGENTS), "U8: inbound calls are answered as before");
        }
    }
}

struct Test;

impl StateMachineTest for Test {
    type SystemUnderTest = (System, Model);
    type Reference = Model;

    fn init_test(model: &Model) -> (System, Model) {
        (System::new(model), model.clone())
    }

    fn apply((mut system, _): (System, Model), model: &Model, transition: Transition) -> (System, Model) {
        match transition {
            Transition::Call { agent, policies } => system.call(agent, *policies),
            Transition::Fault(rule) => system.world.lock().faults().add(rule),
            Transition::Mix { per_thousand, seed } => {
                let mix = FaultMix { per_thousand, seed, menu: menu() };
                let plan = std::mem::take(system.world.lock().faults()).with_mix(mix);
                *system.world.lock().faults() = plan;
            }
            Transition::Intrusion { agent, policies, after, outsider } => {
                system.call(agent, *policies);
                system.run(Duration::from_millis(after));
                system.outsider(outsider);
            }
            Transition::Outsider { agent } => system.outsider(agent),
            Transition::Archive { agent } => {
                let now = system.clock.now();
                system.world.lock().archive(&system.agents[agent], true, now).expect("the agent exists");
            }
            Transition::PassTime { milliseconds } => system.run(Duration::from_millis(milliseconds)),
            Transition::Interrupt => system.handle.as_ref().expect("kept to the end").interrupt(),
        }
        (system, model.clone())
    }

    fn check_invariants((system, _): &(System, Model), _: &Model) {
        system.check();
    }

    fn teardown((system, _): (System, Model), model: Model) {
        system.finish(&model);
    }
}

/// The same cases in each run; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` bring others. A failure is kept beside this
/// file and tried first from then on.
fn config() -> ProptestConfig {
    let given = ProptestConfig::default();
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(20_261_123),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    let cases = if given.cases == 256 { 400 } else { given.cases };
    let failure_persistence = Some(Box::new(FileFailurePersistence::WithSource("regressions")) as Box<_>);
    ProptestConfig { cases, rng_seed, failure_persistence, ..given }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn the_promises_hold(sequential 1..40 => Test);
}
