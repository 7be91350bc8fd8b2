//! What a queued call takes of memory: in the dispatcher, and in the whole driver with its handle.
//!
//! `cargo bench -p partyline-tests --bench memory`
//!
//! Bytes are those asked of the allocator (its own rounding is not in them). The call's variables and options are
//! shared by all calls here and so not counted; ids are as long as in production.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]
#![expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]

mod backlog;
#[path = "../page/mod.rs"]
mod page;

use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::select;
use partyline_domain::dispatch::Input;
use partyline_domain::ports::{
    Clock as _, Entry, Intent, Journal, MemoryJournal, NumberProvider, Recorded, Timer as _, Unlimited,
};
use partyline_domain::{
    AgentId, CallId, Driver, JournalError, LinePolicy, NumberChoice, PhoneNumberId, Ports, Unobserved,
};
use partyline_fake_adapter::world::{Latency, LedgerDetail};
use partyline_fake_adapter::{FakeProvider, SharedWorld, TestIds, VirtualClock, World, WorldConfig, clock};
use peak_alloc::PeakAlloc;

use backlog::{AGENTS, Backlog, Cast};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const QUEUED: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// What the issue asks for, of the dispatcher.
const AIM: f64 = 500.0;
/// In virtual time: agents are verified, the number is assigned, the first dials are under way.
const SETTLED: Duration = Duration::from_millis(600);

fn main() {
    // Under `cargo test --all-targets` nothing is to be measured.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run me with `cargo bench -p partyline-tests --bench memory`");
        return;
    }
    let mut text =
        format!("bytes for each queued call, its variables aside; the aim for the dispatcher: below {AIM:.0}\n");
    let titles = ["queued", "dispatcher", "four numbers", "driver, handle, reports", "with memory journal"];
    line(&mut text, titles.map(str::to_owned), "");
    for queued in QUEUED {
        let (one, four) = (dispatcher(queued, 1), dispatcher(queued, 4));
        let forgetful = driver(queued, Arc::new(Forgetful));
        let whole = driver(queued, Arc::new(MemoryJournal::new()));
        let verdict = if one < AIM && four < AIM { "" } else { "  ABOVE THE AIM" };
        let [one, four, forgetful, whole] = [one, four, forgetful, whole].map(|bytes| format!("{bytes:.0}"));
        line(&mut text, [queued.to_string(), one, four, forgetful, whole], verdict);
    }
    let _ = write!(text, "a request before it is handed over: {:.0}, of which {CALL_ID_BYTES} are its id", request());
    page::publish("memory", &text);
}

fn line(text: &mut String, [queued, one, four, driver, journal]: [String; 5], verdict: &str) {
    let _ = writeln!(text, "{queued:>8} {one:>11} {four:>13} {driver:>24} {journal:>20}{verdict}");
}

/// A reference-counted text of 36 bytes, as far as it is asked of the allocator.
const CALL_ID_BYTES: usize = 36 + 2 * size_of::<usize>();

fn per_call(queued: usize, used: usize) -> f64 {
    used as f64 / queued as f64
}

fn used_since(before: usize) -> usize {
    ALLOCATOR.current_usage().saturating_sub(before)
}

fn dispatcher(queued: usize, numbers: usize) -> f64 {
    let before = ALLOCATOR.current_usage();
    let mut backlog = Backlog::new(numbers, &LinePolicy::default());
    for _ in 0..queued {
        let request = Box::new(backlog.cast.request());
        hand_over(&mut backlog, Input::Submit(request));
        while backlog.is_busy() {
            turn(&mut backlog);
        }
    }
    while backlog.accepted == 0 || backlog.is_busy() {
        turn(&mut backlog);
    }
    // Only what belongs to the calls: the benchmark's own lists are short by now.
    per_call(queued, used_since(before))
}

fn turn(backlog: &mut Backlog) {
    let input = backlog.next();
    hand_over(backlog, input);
}

fn hand_over(backlog: &mut Backlog, input: Input) {
    let now = backlog.now();
    for effect in backlog.dispatcher.handle(input, now) {
        backlog.perform(effect);
    }
}

fn driver(queued: usize, journal: Arc<dyn Journal>) -> f64 {
    let time = VirtualClock::new();
    let latency = Latency::constant(Duration::from_millis(250));
    let config = WorldConfig::of(AGENTS, 1, &NumberProvider::Twilio);
    let world = SharedWorld::new(World::new(WorldConfig { ledger: LedgerDetail::Nothing, latency, ..config }));
    let ports = Ports {
        provider: Arc::new(FakeProvider::new(world.clone(), &time)),
        clock: Arc::new(time.clone()),
        timer: Arc::new(time.clone()),
        ids: Arc::new(TestIds::default()),
        journal,
        permits: Arc::new(Unlimited),
    };
    let agents = world.lock().agent_ids();
    let numbers = NumberChoice::any_of(world.lock().number_ids()).expect("there is a number");
    let mut cast = Cast::new(1);
    let before = ALLOCATOR.current_usage();
    let (driver, handle) = Driver::new(ports, LinePolicy::default(), Arc::new(Unobserved));
    clock::run(&time, async {
        let mut running = pin!(driver.run());
        let mut placed = Vec::with_capacity(queued);
        for index in 0..queued {
            let request = cast.request();
            let agent = agents[index % AGENTS].clone();
            let request = partyline_domain::CallRequest { agent, numbers: numbers.clone(), ..request };
            placed.push(handle.submit(request).expect("the driver is there"));
        }
        let settled = time.now().monotonic.after(SETTLED);
        select(running.as_mut(), time.sleep_until(settled)).await;
        let used = used_since(before);
        assert_eq!(placed.len(), queued);
        per_call(queued, used)
    })
}

fn request() -> f64 {
    let mut cast = Cast::new(1);
    let before = ALLOCATOR.current_usage();
    let requests: Vec<_> = (0..1000).map(|_| cast.request()).collect();
    per_call(requests.len(), used_since(before))
}

/// A journal that keeps nothing, so that what the driver itself keeps can be seen.
struct Forgetful;

#[async_trait]
impl Journal for Forgetful {
    async fn commit(&self, entries: Vec<Entry>) -> Vec<Result<(), JournalError>> {
        entries.iter().map(|_| Ok(())).collect()
    }

    async fn events(&self, _call: &CallId, _after: u64) -> Result<Vec<Recorded>, JournalError> {
        Ok(Vec::new())
    }

    async fn open_intents(&self) -> Result<Vec<Intent>, JournalError> {
        Ok(Vec::new())
    }

    async fn remembered(&self, _number: &PhoneNumberId) -> Result<Option<Option<AgentId>>, JournalError> {
        Ok(None)
    }
}
