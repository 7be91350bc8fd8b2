//! Whole flows per second over the in-memory provider, on one core and without waiting: what the core itself costs.
//! What a world and a journal full of calls take to be thrown away is not measured: a process does that once.
//! `cargo bench -p partyline-tests --bench flows`

use std::sync::Arc;

use partyline_domain::ports::{MemoryJournal, NumberProvider, Unlimited};
use partyline_domain::{
    CallRequest, Driver, Known, LinePolicy, NumberChoice, PhoneNumber, Policies, Ports, Priority, ProofPolicy,
    Unobserved, place,
};
use partyline_fake_adapter::world::LedgerDetail;
use partyline_fake_adapter::{FakeProvider, SharedWorld, TestIds, VirtualClock, World, WorldConfig, clock};

const CALLS: usize = 1_000;

fn main() {
    divan::main();
}

fn ports(time: &VirtualClock) -> (Ports, SharedWorld) {
    let config = WorldConfig { ledger: LedgerDetail::Nothing, ..WorldConfig::of(3, 1, &NumberProvider::Twilio) };
    let world = SharedWorld::new(World::new(config));
    let ports = Ports {
        provider: Arc::new(FakeProvider::new(world.clone(), time)),
        clock: Arc::new(time.clone()),
        timer: Arc::new(time.clone()),
        ids: Arc::new(TestIds::default()),
        journal: Arc::new(MemoryJournal::new()),
        permits: Arc::new(Unlimited),
    };
    (ports, world)
}

fn requests(ports: &Ports, world: &SharedWorld, proof: ProofPolicy) -> Vec<CallRequest> {
    let agent = world.lock().agent_ids()[0].clone();
    let number = world.lock().number_ids()[0].clone();
    let policies = Arc::new(Policies { proof, ..Policies::default() });
    let to = PhoneNumber::parse("+12025550123").expect("valid");
    let request = |_| CallRequest {
        id: ports.ids.call_id(),
        agent: agent.clone(),
        numbers: NumberChoice::one(number.clone()),
        to,
        priority: Priority::Normal,
        expires_at: None,
        options: Arc::default(),
        policies: policies.clone(),
    };
    (0..CALLS).map(request).collect()
}

/// What one sample needs, made outside the measured time.
fn inputs(proof: &str) -> (VirtualClock, Ports, Vec<CallRequest>) {
    let proof = if proof == "off" { ProofPolicy::Off } else { ProofPolicy::Once };
    let time = VirtualClock::new();
    let (ports, world) = ports(&time);
    let requests = requests(&ports, &world, proof);
    (time, ports, requests)
}

/// Each call is a driver of its own, as in `partyline call`: verify, read, assign or not, dial, read back.
#[divan::bench(args = ["off", "once"])]
fn one_call_at_a_time(bencher: divan::Bencher<'_, '_>, proof: &str) {
    bencher.counter(divan::counter::ItemsCount::new(CALLS)).with_inputs(|| inputs(proof)).bench_values(
        |(time, ports, requests)| {
            for request in requests {
                let report = clock::run(&time, place(ports.clone(), request, Known::default(), Arc::new(Unobserved)));
                assert_eq!(report.state.name(), "Initiated");
            }
            ports
        },
    );
}

/// All calls through one driver, which verifies the agent and reads the number once.
#[divan::bench(args = ["off", "once"])]
fn through_one_driver(bencher: divan::Bencher<'_, '_>, proof: &str) {
    bencher.counter(divan::counter::ItemsCount::new(CALLS)).with_inputs(|| inputs(proof)).bench_values(
        |(time, ports, requests)| {
            let (driver, handle) = Driver::new(ports.clone(), LinePolicy::default(), Arc::new(Unobserved));
            for request in requests {
                handle.submit(request).expect("the driver is there");
            }
            drop(handle);
            clock::run(&time, driver.run());
            ports
        },
    );
}
