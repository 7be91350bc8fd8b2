//! Many calls for many agents over one number: the exact figures of `scheduling.md` 2.5 (a backlog of 1 000 calls,
//! call i for agent i mod A, every request 250 ms, effect in the middle), by the real driver in virtual time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use partyline_domain::flow::CallEvent;
use partyline_domain::ports::{Clock, Ids, MemoryJournal, NumberProvider, Recorded, Unlimited};
use partyline_domain::{
    CallId, CallRequest, Driver, LinePolicy, Notice, NumberChoice, Observer, PhoneNumber, Policies, Ports, Priority,
    ProofPolicy, Timestamp,
};
use partyline_fake_adapter::world::{AgentSpec, Latency, Operation};
use partyline_fake_adapter::{FakeProvider, SharedWorld, TestIds, VirtualClock, World, WorldConfig, clock};

const CALLS: usize = 1_000;

/// What one run came to.
#[derive(Debug, PartialEq)]
struct Figures {
    requests: u64,
    assignments: usize,
    misroutes: usize,
    dials: usize,
    makespan: Duration,
    /// The most calls that arrived later and were dialled earlier than one call.
    overtaking_max: usize,
}

/// Notes in which order the dials were decided.
#[derive(Clone, Default)]
struct Order(Arc<Mutex<Vec<(Timestamp, CallId)>>>);

impl Observer for Order {
    fn notice(&self, notice: &Notice) {
        if let Notice::Recorded { call, recorded: Recorded { at, event: CallEvent::DialIntended { .. }, .. } } = notice
        {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((*at, call.clone()));
        }
    }
}

fn run(agents: usize, numbers: usize, policy: &LinePolicy) -> Figures {
    let time = VirtualClock::new();
    let mut config = WorldConfig::of(agents, numbers, &NumberProvider::Twilio);
    config.latency = Latency::constant(Duration::from_millis(250));
    // The numbers begin with an agent that no call is for.
    config.agents.push(AgentSpec::named("Reception"));
    for number in &mut config.numbers {
        number.assigned = Some(agents);
    }
    let world = SharedWorld::new(World::new(config));
    let provider = FakeProvider::new(world.clone(), &time);
    let ids = Arc::new(TestIds::default());
    let ports = Ports {
        provider: Arc::new(provider.clone()),
        clock: Arc::new(time.clone()),
        timer: Arc::new(time.clone()),
        ids: ids.clone(),
        journal: Arc::new(MemoryJournal::new()),
        permits: Arc::new(Unlimited),
    };
    let order = Order::default();
    let (driver, handle) = Driver::new(ports, *policy, Arc::new(order.clone()));
    let calls = submit_all(&handle, &world, &ids, agents);
    drop(handle);
    clock::run(&time, driver.run());
    let world = world.lock();
    Figures {
        requests: provider.requests(),
        assignments: world.ledger().requests_of(Operation::Assign).count(),
        misroutes: world.ledger().misroutes().count(),
        dials: world.ledger().dials.len(),
        makespan: time.now().monotonic.since_origin(),
        overtaking_max: overtaking_max(&calls, &order.0.lock().unwrap_or_else(PoisonError::into_inner)),
    }
}

fn submit_all(
    handle: &partyline_domain::Handle,
    world: &SharedWorld,
    ids: &TestIds,
    agents: usize,
) -> BTreeMap<CallId, usize> {
    let (agent_ids, numbers) = {
        let world = world.lock();
        (world.agent_ids(), NumberChoice::any_of(world.number_ids()).expect("there is a number"))
    };
    let policies = Arc::new(Policies { proof: ProofPolicy::Off, ..Policies::default() });
    let mut calls = BTreeMap::new();
    for index in 0..CALLS {
        let request = CallRequest {
            id: ids.call_id(),
            agent: agent_ids[index % agents].clone(),
            numbers: numbers.clone(),
            to: PhoneNumber::parse("+12025550123").expect("valid"),
            priority: Priority::Normal,
            expires_at: None,
            options: Arc::default(),
            policies: policies.clone(),
        };
        calls.insert(request.id.clone(), index);
        handle.submit(request).expect("the driver is there");
    }
    calls
}

fn overtaking_max(calls: &BTreeMap<CallId, usize>, order: &[(Timestamp, CallId)]) -> usize {
    let dials: Vec<(Timestamp, usize)> = order.iter().map(|(at, call)| (*at, calls[call])).collect();
    let overtaken = |(at, arrival): &(Timestamp, usize)| {
        dials.iter().filter(|(earlier, later)| earlier < at && later > arrival).count()
    };
    dials.iter().map(overtaken).max().unwrap_or(0)
}

/// The figures are without re-reads of the number, which longer sessions would need every 5 s.
fn policy(in_flight_max: usize, quantum: Option<usize>) -> LinePolicy {
    LinePolicy { in_flight_max, quantum, freshness: Duration::from_secs(3600), ..LinePolicy::default() }
}

fn expect(agents: usize, policy: &LinePolicy, assignments: usize, makespan: f64, overtaking_max: usize) {
    expect_on(1, agents, policy, assignments, makespan, overtaking_max);
}

fn expect_on(
    numbers: usize,
    agents: usize,
    policy: &LinePolicy,
    assignments: usize,
    makespan: f64,
    overtaking_max: usize,
) {
    let requests = u64::try_from(1 + agents + assignments + CALLS).expect("small");
    let makespan = Duration::from_secs_f64(makespan);
    let expected = Figures { requests, assignments, misroutes: 0, dials: CALLS, makespan, overtaking_max };
    assert_eq!(run(agents, numbers, policy), expected, "A = {agents}, K = {numbers}");
}

#[test]
fn twelve_agents_share_one_number() {
    // S1: 1 025 requests, 21.25 s. No session is so long that the default freshness matters.
    expect(12, &policy(16, None), 12, 21.25, 906);
    expect(12, &LinePolicy::default(), 12, 21.25, 906);
}

#[test]
fn three_and_fifty_agents_share_one_number() {
    expect(3, &policy(16, None), 3, 16.75, 665);
    expect(50, &policy(16, None), 50, 37.75, 931);
}

#[test]
fn more_dials_in_flight_take_less_time() {
    expect(12, &policy(1, None), 12, 253.25, 906);
    expect(12, &policy(64, None), 12, 9.25, 906);
}

#[test]
fn a_quantum_bounds_overtaking_and_costs_time() {
    // S3: at most (12 - 1) * 32 = 352.
    expect(12, &policy(16, Some(32)), 36, 27.25, 341);
    expect(12, &policy(16, Some(64)), 24, 24.25, 693);
}

#[test]
fn two_numbers_hide_each_other_s_assignments() {
    // S2: U = 1000 * 0.25 s / (16 * 16.25 s) = 0.96.
    let policy = LinePolicy { in_flight_total: Some(16), ..policy(16, None) };
    expect_on(2, 3, &policy, 3, 16.25, 655);
    expect_on(2, 12, &policy, 12, 16.25, 901);
    expect_on(2, 50, &policy, 50, 19.25, 927);
}

#[test]
fn four_numbers_serve_four_agents_at_once() {
    let policy = LinePolicy { replicate: false, ..policy(16, None) };
    expect_on(4, 3, &policy, 3, 5.75, 0);
    expect_on(4, 12, &policy, 12, 5.50, 660);
    expect_on(4, 50, &policy, 50, 10.00, 912);
}
