//! S1 of `scheduling.md` 3.2 over real HTTP: 1 000 calls for 12 agents over one number, 16 dials in flight, by the
//! real driver and the real adapter against the emulator, where every request takes 25 ms instead of 250 ms.
//!
//! `cargo bench -p partyline-tests --bench over_http`
//!
//! The emulator has a thread and a runtime of its own in this process and is asked over the loopback address. Beside
//! Partyline stand the same waves of waiting without any HTTP, and the same requests without Partyline. The counts are
//! asserted; times are only told.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

#[path = "../page/mod.rs"]
mod page;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::join_all;
use partyline_domain::ports::{Ids as _, MemoryJournal, NumberProvider, Timer as _, Unlimited};
use partyline_domain::{
    AgentId, CallRequest, Driver, LinePolicy, NumberChoice, PhoneNumber, PhoneNumberId, Policies, Ports, Priority,
    ProofPolicy, Unobserved,
};
use partyline_elevenlabs_adapter::{ApiKey, BaseUrl, ElevenLabs, Settings};
use partyline_fake_adapter::clock::RealClock;
use partyline_fake_adapter::emulator::Key;
use partyline_fake_adapter::world::{AgentSpec, Latency, Operation};
use partyline_fake_adapter::{Emulator, SharedWorld, TestIds, World, WorldConfig};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

const CALLS: usize = 1_000;
const AGENTS: usize = 12;
const IN_FLIGHT: usize = 16;
const LATENCY: Duration = Duration::from_millis(25);
const RUNS: usize = 5;
/// A tenth of the 21.25 s that S1 takes where a request takes 250 ms: a read, then for each agent an assignment and
/// six waves of dials.
const VIRTUAL: Duration = Duration::from_millis(2_125);
/// How much longer it may take.
const SLACK: f64 = 0.15;
const KEY: &str = "test-key-benchmark";
const CALLEE: &str = "+12025550123";

/// How many requests of each kind arrived.
type Requests = BTreeMap<Operation, usize>;

/// What one run came to.
struct Run {
    makespan: Duration,
    requests: Requests,
}

/// One row of the table.
struct Subject {
    name: &'static str,
    kind: Kind,
    /// The requests it has to take, those for safety aside.
    expected: Option<usize>,
    runs: Vec<Run>,
}

#[derive(Clone, Copy)]
enum Kind {
    /// The waves as sleeps of the runtime's timer, which counts whole milliseconds.
    Sleeps,
    /// The waves as sleeps of the emulator's timer.
    ExactSleeps,
    /// The same requests by a plain HTTP client.
    Bare,
    /// With agents that are asked about within this time sharing one request.
    Partyline(Duration, ProofPolicy),
}

fn subjects() -> Vec<Subject> {
    let (each, together) = (Duration::ZERO, Duration::from_millis(1));
    let row = |name, kind, expected| Subject { name, kind, expected, runs: Vec::new() };
    vec![
        row("bare sleeps, tokio's timer", Kind::Sleeps, None),
        row("bare sleeps, the emulator's timer", Kind::ExactSleeps, None),
        row("bare HTTP, the same requests", Kind::Bare, Some(1_025)),
        row("partyline", Kind::Partyline(each, ProofPolicy::Off), Some(1_025)),
        row("partyline, agents verified together", Kind::Partyline(together, ProofPolicy::Off), Some(1_014)),
        row("partyline, proof by pages", Kind::Partyline(each, ProofPolicy::Pages), Some(1_025)),
    ]
}

fn main() {
    // Under `cargo test --all-targets` nothing is to be measured.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run me with `cargo bench -p partyline-tests --bench over_http`");
        return;
    }
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut subjects = subjects();
    // In turn, so that a busy moment of the machine meets all of them; the first round only warms up.
    for round in 0..=RUNS {
        for subject in &mut subjects {
            let run = once(&runtime, subject.kind);
            if let Some(core) = subject.expected {
                assert_eq!(counts(&run.requests).0, core, "{}: {:?}", subject.name, run.requests);
            }
            if round > 0 {
                subject.runs.push(run);
            }
        }
    }
    page::publish("over_http", &text(&subjects));
}

/// How many requests the calls need, and how many are for safety.
fn counts(requests: &Requests) -> (usize, usize) {
    let of = |operation: Operation| requests.get(&operation).copied().unwrap_or_default();
    let reads = of(Operation::Number) + of(Operation::Numbers);
    let verified = of(Operation::Agent) + of(Operation::Agents) + of(Operation::Summaries);
    let core = reads.min(1) + verified + of(Operation::Assign) + of(Operation::Dial);
    (core, requests.values().sum::<usize>() - core)
}

fn once(runtime: &Runtime, kind: Kind) -> Run {
    let stage = Stage::open();
    let makespan = match kind {
        Kind::Sleeps => runtime.block_on(timed(waves(|| tokio::time::sleep(LATENCY)))),
        Kind::ExactSleeps => runtime.block_on(async {
            let clock = RealClock::default();
            timed(waves(|| exact_sleep(&clock))).await
        }),
        Kind::Bare => runtime.block_on(bare(&stage)),
        Kind::Partyline(verify_window, proof) => runtime.block_on(partyline(&stage, verify_window, proof)),
    };
    let requests = stage.requests();
    stage.close();
    Run { makespan, requests }
}

async fn exact_sleep(clock: &RealClock) {
    let now = partyline_domain::ports::Clock::now(clock).monotonic;
    clock.sleep_until(now.after(LATENCY)).await;
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let began = tokio::time::Instant::now();
    work.await;
    began.elapsed()
}

/// How many calls an agent has, where call `i` is for agent `i mod A`.
fn calls_of(agent: usize) -> usize {
    CALLS / AGENTS + usize::from(agent < CALLS % AGENTS)
}

/// A read; then for each agent an assignment, and its dials, as many at once as may be in flight.
async fn waves<F: Future>(request: impl Fn() -> F) {
    request().await;
    for agent in 0..AGENTS {
        request().await;
        at_once(calls_of(agent), &request).await;
    }
}

async fn at_once<F: Future>(count: usize, request: impl Fn() -> F) {
    let left = AtomicUsize::new(count);
    let worker = || async {
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            request().await;
        }
    };
    join_all((0..IN_FLIGHT).map(|_| worker())).await;
}

/// An emulator with a thread and a runtime of its own.
struct Stage {
    url: String,
    world: SharedWorld,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Stage {
    fn open() -> Self {
        let mut config = WorldConfig::of(AGENTS, 1, &NumberProvider::Twilio);
        config.latency = Latency::constant(LATENCY);
        // The number begins with an agent that no call is for.
        config.agents.push(AgentSpec::named("Reception"));
        for number in &mut config.numbers {
            number.assigned = Some(AGENTS);
        }
        let world = SharedWorld::new(World::new(config));
        let served = world.clone();
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let emulator = Emulator::of(served, Some(Key::new(KEY)), "127.0.0.1:0").await;
                let emulator = emulator.expect("a port is free").spawn();
                tell.send(emulator.url()).expect("somebody waits for it");
                // Whoever stops it may also just go away.
                let _ = stopped.await;
                emulator.shutdown().await;
            });
        });
        let url = told.recv().expect("the emulator says where it listens");
        Self { url, world, stop, thread }
    }

    fn ids(&self) -> (Vec<AgentId>, Vec<PhoneNumberId>) {
        let world = self.world.lock();
        (world.agent_ids(), world.number_ids())
    }

    fn requests(&self) -> Requests {
        let world = self.world.lock();
        let mut requests = Requests::new();
        for request in &world.ledger().requests {
            *requests.entry(request.operation).or_default() += 1;
        }
        let dials = &world.ledger().dials;
        assert!(dials.is_empty() || dials.len() == CALLS, "{} dials", dials.len());
        assert_eq!(world.ledger().misroutes().count(), 0, "calls were misrouted");
        requests
    }

    fn close(self) {
        // It may have ended by itself only by a panic, which the join tells of.
        let _ = self.stop.send(());
        self.thread.join().expect("the emulator ends in peace");
    }
}

async fn bare(stage: &Stage) -> Duration {
    let client = reqwest::Client::builder().no_proxy().http1_only().tls_certs_only([]).build().expect("a client");
    let (agents, numbers) = stage.ids();
    let number = &numbers[0];
    let url = |path: String| format!("{}/v1/convai/{path}", stage.url);
    let send = async |request: reqwest::RequestBuilder| {
        let request = request.header("xi-api-key", KEY).timeout(Duration::from_secs(60));
        let answer = request.send().await.expect("the emulator answers");
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.bytes().await.expect("the answer is whole");
    };
    let (client, send) = (&client, &send);
    timed(async {
        let reads = agents[..AGENTS].iter().map(|agent| url(format!("agents/{agent}")));
        let reads = reads.chain([url(format!("phone-numbers/{number}"))]);
        join_all(reads.map(|url| send(client.get(url)))).await;
        for (index, agent) in agents[..AGENTS].iter().enumerate() {
            let assign = client.patch(url(format!("phone-numbers/{number}")));
            send(assign.json(&json!({ "agent_id": agent.as_str() }))).await;
            let dial = json!({
                "agent_id": agent.as_str(),
                "agent_phone_number_id": number.as_str(),
                "to_number": CALLEE,
            });
            let dial = &dial;
            let url = url("twilio/outbound-call".to_owned());
            at_once(calls_of(index), || send(client.post(&url).json(dial))).await;
        }
    })
    .await
}

/// From the first call that is handed over to the last report.
async fn partyline(stage: &Stage, verify_window: Duration, proof: ProofPolicy) -> Duration {
    let clock = Arc::new(RealClock::default());
    let base = BaseUrl::parse(&stage.url).expect("a URL");
    let key = ApiKey::parse(KEY).expect("a key");
    let provider = ElevenLabs::new(Settings::new(base), key, clock.clone()).expect("an adapter");
    let ids = Arc::new(TestIds::default());
    let ports = Ports {
        provider: Arc::new(provider),
        clock: clock.clone(),
        timer: clock,
        ids: ids.clone(),
        journal: Arc::new(MemoryJournal::new()),
        permits: Arc::new(Unlimited),
    };
    let (agents, numbers) = stage.ids();
    let numbers = NumberChoice::any_of(numbers).expect("there is a number");
    let policies = Arc::new(Policies { proof, ..Policies::default() });
    let request = |index: usize| CallRequest {
        id: ids.call_id(),
        agent: agents[index % AGENTS].clone(),
        numbers: numbers.clone(),
        to: PhoneNumber::parse(CALLEE).expect("a number of films"),
        priority: Priority::Normal,
        expires_at: None,
        options: Arc::default(),
        policies: policies.clone(),
    };
    let policy = LinePolicy { verify_window, ..LinePolicy::default() };
    let (driver, handle) = Driver::new(ports, policy, Arc::new(Unobserved));
    let driving = tokio::spawn(driver.run());
    let makespan = timed(async {
        let submit = |index| handle.submit(request(index)).expect("the driver is there");
        let placed: Vec<_> = (0..CALLS).map(submit).collect();
        for placed in placed {
            let report = placed.report().await.expect("the driver reports every call");
            assert_eq!(report.state.name(), "Initiated", "{report:?}");
        }
    })
    .await;
    drop(handle);
    driving.await.expect("the driver ends in peace");
    makespan
}

/// How many requests for safety there were: one figure, or the least and the most.
fn safety(subject: &Subject) -> String {
    let counted = || subject.runs.iter().map(|run| counts(&run.requests).1);
    match (counted().min(), counted().max()) {
        (Some(least), Some(most)) if least < most => format!("{least}..{most}"),
        (least, _) => least.unwrap_or_default().to_string(),
    }
}

fn text(subjects: &[Subject]) -> String {
    let (latency, aim) = (LATENCY.as_millis(), VIRTUAL.as_millis());
    let mut text = format!("S1 over HTTP at {latency} ms a request, {RUNS} runs each; a tenth of S1 is {aim} ms\n");
    let titles = ["requests", "safety", "median ms", "min..max ms", "above"];
    line(&mut text, "", titles.map(str::to_owned));
    for subject in subjects {
        let mut makespans: Vec<u128> = subject.runs.iter().map(|run| run.makespan.as_millis()).collect();
        makespans.sort_unstable();
        let median = makespans[RUNS / 2];
        let above = f64::from(u32::try_from(median).expect("seconds")) / VIRTUAL.as_secs_f64() / 1000.0 - 1.0;
        let verdict = if above > SLACK { " BEYOND THE AIM" } else { "" };
        let (core, safety) = subject.expected.map_or_else(Default::default, |core| (core.to_string(), safety(subject)));
        let range = format!("{}..{}", makespans[0], makespans[RUNS - 1]);
        let cells = [core, safety, median.to_string(), range, format!("{:.1}%{verdict}", 100.0 * above)];
        line(&mut text, subject.name, cells);
    }
    let _ = write!(text, "The aim: at most {:.0}% above.", 100.0 * SLACK);
    text
}

fn line(text: &mut String, name: &str, [core, safety, median, range, above]: [String; 5]) {
    let _ = writeln!(text, "{name:<35} {core:>9} {safety:>7} {median:>10} {range:>13} {above:>7}");
}
