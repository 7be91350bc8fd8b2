//! What a handle offers beside submitting: the events of a call while they happen, stopping, and rates.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use partyline_domain::flow::{CallState, FailureReason};
use partyline_domain::ports::{Clock as _, Ids as _, MemoryJournal, NumberProvider, Paced, Permits, Rate, Unlimited};
use partyline_domain::{
    AttemptId, CallRequest, Driver, Handle, LinePolicy, NumberChoice, PhoneNumber, Policies, Ports, Priority,
    ProofPolicy, SubmitError, Unobserved,
};
use partyline_fake_adapter::world::Latency;
use partyline_fake_adapter::{FakeProvider, SharedWorld, TestIds, VirtualClock, World, WorldConfig, clock};

/// One agent, one number that has it, and every request takes a quarter of a second.
struct Bench {
    time: VirtualClock,
    world: SharedWorld,
    ids: Arc<TestIds>,
}

impl Bench {
    fn new() -> Self {
        let mut config = WorldConfig::of(1, 1, &NumberProvider::Twilio);
        config.latency = Latency::constant(Duration::from_millis(250));
        config.numbers[0].assigned = Some(0);
        Self { time: VirtualClock::new(), world: SharedWorld::new(World::new(config)), ids: Arc::default() }
    }

    fn driver(&self, permits: Arc<dyn Permits>, policy: &LinePolicy) -> (Driver, Handle) {
        let ports = Ports {
            provider: Arc::new(FakeProvider::new(self.world.clone(), &self.time)),
            clock: Arc::new(self.time.clone()),
            timer: Arc::new(self.time.clone()),
            ids: self.ids.clone(),
            journal: Arc::new(MemoryJournal::new()),
            permits,
        };
        Driver::new(ports, *policy, Arc::new(Unobserved))
    }

    fn request(&self) -> CallRequest {
        let world = self.world.lock();
        CallRequest {
            id: self.ids.call_id(),
            agent: world.agent_ids()[0].clone(),
            numbers: NumberChoice::any_of(world.number_ids()).expect("there is a number"),
            to: PhoneNumber::parse("+12025550123").expect("valid"),
            priority: Priority::Normal,
            expires_at: None,
            options: Arc::default(),
            policies: Arc::new(Policies { proof: ProofPolicy::Off, ..Policies::default() }),
        }
    }

    fn elapsed(&self) -> Duration {
        self.time.now().monotonic.since_origin()
    }
}

#[test]
fn the_events_of_a_call_are_numbered_and_complete_whenever_one_begins_to_listen() {
    let bench = Bench::new();
    let (driver, handle) = bench.driver(Arc::new(Unlimited), &LinePolicy::default());
    let request = bench.request();
    let call = request.id.clone();
    handle.submit(request).expect("taken");
    let early = handle.events(&call).collect::<Vec<_>>();
    let late_handle = handle.clone();
    drop(handle);
    let late = async {
        let events = late_handle.events(&call);
        drop(late_handle);
        events.collect::<Vec<_>>().await
    };
    let (early, late, ()) = clock::run(&bench.time, async { futures_util::join!(early, late, driver.run()) });
    let names = |events: &[Result<partyline_domain::ports::Recorded, _>]| -> Vec<(u64, &'static str)> {
        let events = events.iter().map(|event| event.as_ref().expect("the journal can be read"));
        events.map(|event| (event.version, event.event.name())).collect()
    };
    let expected = ["CallRequested", "AgentVerified", "NumberAssigned", "DialIntended", "CallInitiated"];
    assert_eq!(names(&early), (1..).zip(expected).collect::<Vec<_>>());
    assert_eq!(names(&late), names(&early));
}

#[test]
fn the_events_of_a_call_that_has_ended_end() {
    let bench = Bench::new();
    let (driver, handle) = bench.driver(Arc::new(Unlimited), &LinePolicy::default());
    let request = bench.request();
    let call = request.id.clone();
    let placed = handle.submit(request).expect("taken");
    let listen = async {
        placed.report().await.expect("a report");
        let events = handle.events(&call);
        drop(handle);
        events.count().await
    };
    let (count, ()) = clock::run(&bench.time, async { futures_util::join!(listen, driver.run()) });
    assert_eq!(count, 5);
}

#[test]
fn dials_leave_no_faster_than_their_rate_and_in_the_order_of_asking() {
    let bench = Bench::new();
    let time = Arc::new(bench.time.clone());
    let rate = Rate::per_second(2.0).expect("positive");
    let permits = Arc::new(Paced::new(time.clone(), time, Some(rate), None));
    let (driver, handle) = bench.driver(permits, &LinePolicy::default());
    let calls: Vec<CallRequest> = (0..10).map(|_| bench.request()).collect();
    for call in &calls {
        handle.submit(call.clone()).expect("taken");
    }
    drop(handle);
    clock::run(&bench.time, driver.run());
    let world = bench.world.lock();
    let sent: Vec<Duration> = world.ledger().dials.iter().map(|dial| dial.at.monotonic.since_origin()).collect();
    assert_eq!(sent.len(), 10);
    for pair in sent.windows(2) {
        assert!(pair[1].saturating_sub(pair[0]) >= Duration::from_millis(500), "{sent:?}");
    }
    let order: Vec<&str> =
        world.ledger().dials.iter().filter_map(|dial| dial.attempt.as_ref()).map(AttemptId::as_str).collect();
    let asked: Vec<String> = calls.iter().map(|call| format!("{}.1", call.id)).collect();
    assert_eq!(order, asked);
}

#[test]
fn every_request_keeps_to_the_rate_of_requests() {
    let bench = Bench::new();
    let time = Arc::new(bench.time.clone());
    let rate = Rate::per_second(1.0).expect("positive");
    let permits = Arc::new(Paced::new(time.clone(), time, None, Some(rate)));
    let (driver, handle) =
        bench.driver(permits, &LinePolicy { freshness: Duration::from_secs(3600), ..LinePolicy::default() });
    for _ in 0..3 {
        handle.submit(bench.request()).expect("taken");
    }
    drop(handle);
    clock::run(&bench.time, driver.run());
    // One verification, one read, three dials: the last of five leaves after four seconds.
    assert_eq!(bench.elapsed(), Duration::from_millis(4250));
}

#[test]
fn a_full_driver_says_so_and_loses_nothing() {
    let bench = Bench::new();
    let (driver, handle) = bench.driver(Arc::new(Unlimited), &LinePolicy { calls_max: 2, ..LinePolicy::default() });
    let first = handle.submit(bench.request()).expect("taken");
    handle.submit(bench.request()).expect("taken");
    assert_eq!(handle.submit(bench.request()).err(), Some(SubmitError::Full));
    let third = bench.request();
    let again = async move {
        first.report().await.expect("a report");
        let again = handle.submit(third).map(drop);
        drop(handle);
        again
    };
    let (again, ()) = clock::run(&bench.time, async { futures_util::join!(again, driver.run()) });
    assert_eq!(again, Ok(()));
}

#[test]
fn a_shut_down_finishes_what_is_dialled_and_starts_nothing() {
    let bench = Bench::new();
    let policy = LinePolicy { in_flight_max: 1, ..LinePolicy::default() };
    let (driver, handle) = bench.driver(Arc::new(Unlimited), &policy);
    let placed: Vec<_> = (0..3).map(|_| handle.submit(bench.request()).expect("taken")).collect();
    let timer = bench.time.clone();
    let stop = async {
        use partyline_domain::ports::Timer as _;
        timer.sleep_until(partyline_domain::Instant::from_origin(Duration::from_millis(300))).await;
        handle.shut_down();
        drop(handle);
    };
    let ((), ()) = clock::run(&bench.time, async { futures_util::join!(stop, driver.run()) });
    let reports: Vec<_> =
        placed.into_iter().map(|placed| placed.report().now_or_never().flatten().expect("a report")).collect();
    assert!(matches!(reports[0].state, CallState::Initiated(_)), "its dial was open");
    for report in &reports[1..] {
        let CallState::Failed(failed) = &report.state else { panic!("{:?} was dialled", report.state) };
        assert_eq!(failed.failure().reason, FailureReason::ShutDown);
    }
    assert_eq!(bench.world.lock().ledger().dials.len(), 1);
}

#[test]
fn a_call_that_gives_up_its_place_costs_nobody_a_turn() {
    let bench = Bench::new();
    let time = Arc::new(bench.time.clone());
    let rate = Rate::per_second(1.0).expect("positive");
    let permits = Arc::new(Paced::new(time.clone(), time, Some(rate), None));
    let (driver, handle) = bench.driver(permits, &LinePolicy::default());
    let start = bench.time.now().wall;
    for expires in [None, Some(500), Some(500), Some(500), Some(1500)] {
        let expires_at = expires.map(|after| start.after(Duration::from_millis(after)));
        handle.submit(CallRequest { expires_at, ..bench.request() }).expect("taken");
    }
    drop(handle);
    clock::run(&bench.time, driver.run());
    assert_eq!(bench.world.lock().ledger().dials.len(), 2, "the first and the last");
}
