//! A million calls that wait: what it costs to claim and to dispatch one of them, beside a thousand; and how long a process
//! takes to start, and how much memory, where so many wait.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use partyline_domain::ports::{Claim, Store as _};
use partyline_domain::{Driver, LinePolicy, NumberChoice, Observer, ProofPolicy, SharingPolicy};
use partyline_fake_adapter::world::LedgerDetail;
use partyline_fake_adapter::{FakeProvider, SharedWorld, VirtualClock};
use partyline_store_adapter::SqlStore;

use crate::stage::{Cast, Database, Home, Servers, Sizes, Tally, open, ports, runtime, timed, world};
use crate::table::{Figures, Table, figure, met, milliseconds};
use crate::virtual_time::{self, Gauge, Gauged};

const AGENTS: usize = 12;
const NUMBERS: usize = 4;
/// In virtual time.
const LATENCY: Duration = Duration::from_millis(250);
/// As many are claimed at once, and dispatched in one round.
const ROUND: usize = 1_000;
/// As many are handed in at once while the queue is filled.
const FILL: usize = 2_000;
/// What the issue asks for.
const COST_AIM: f64 = 2.0;
const START_AIM: Duration = Duration::from_secs(5);
const PEAK_AIM_MB: f64 = 1_000.0;

/// The costs of one call in milliseconds.
#[derive(Default)]
struct Costs {
    claims: Figures,
    commits: Figures,
    whole: Figures,
    processor: Figures,
}

/// One start.
struct Start {
    opened: f64,
    claimed: f64,
    dialled: f64,
    peak_mb: f64,
}

pub(crate) fn measure(servers: &Servers, sizes: Sizes) -> String {
    let (many, rounds) = (sizes.of(1_000_000, 6_000), sizes.of(9, 2));
    let mut costs = Table::new(&[
        "database",
        "queued",
        "claim, ms a call",
        "commits, ms a call",
        "all, ms a call",
        "min..max",
        "processor, ms a call",
        "of that at 1 000",
        "within 2x",
    ]);
    let mut starts = Table::new(&[
        "database",
        "queued",
        "filled at, calls a second",
        "opened after ms",
        "first claim answered after ms",
        "first call ended after ms",
        "peak MB",
        "under 5 s and 1 GB",
    ]);
    for database in Database::ALL {
        let mut few_cost = None;
        for queued in [ROUND, many] {
            let Some((cost, filled, start)) = of(servers, database, queued, rounds) else { continue };
            let few = *few_cost.get_or_insert(cost.whole.median());
            let ratio = cost.whole.median() / few;
            costs.row(&[
                database.name().to_owned(),
                queued.to_string(),
                format!("{:.3}", cost.claims.median()),
                format!("{:.3}", cost.commits.median()),
                format!("{:.3}", cost.whole.median()),
                cost.whole.range(3),
                format!("{:.3}", cost.processor.median()),
                format!("{ratio:.2}"),
                met(ratio <= COST_AIM),
            ]);
            let in_time = start.claimed < milliseconds(START_AIM) && start.peak_mb < PEAK_AIM_MB;
            starts.row(&[
                database.name().to_owned(),
                queued.to_string(),
                format!("{filled:.0}"),
                format!("{:.1}", start.opened),
                format!("{:.1}", start.claimed),
                format!("{:.1}", start.dialled),
                format!("{:.0}", start.peak_mb),
                met(in_time),
            ]);
        }
    }
    format!(
        "{}\nMedians of {rounds} rounds of {ROUND} calls each, four numbers, {} ms a request in virtual time.\n\n{}",
        costs.text(),
        LATENCY.as_millis(),
        starts.text()
    )
}

fn of(servers: &Servers, database: Database, queued: usize, rounds: usize) -> Option<(Costs, f64, Start)> {
    let mut home = servers.home(database)?;
    let mut filled = fill(&home, queued);
    let start = start(&home);
    let mut costs = Costs::default();
    // The first round only warms up.
    for round in 0..=rounds {
        if queued == ROUND {
            // Some of it, or all, is gone.
            home = servers.home(database)?;
            filled = fill(&home, queued);
        }
        let drained = drain(&home);
        if round > 0 {
            let each = |took: Duration| milliseconds(took) / figure(ROUND);
            costs.claims.add(each(drained.claims));
            costs.commits.add(each(drained.commits));
            costs.whole.add(each(drained.whole));
            costs.processor.add(each(drained.processor));
        }
    }
    Some((costs, filled, start))
}

fn scene(latency: Duration) -> (SharedWorld, NumberChoice) {
    let world = world(AGENTS, NUMBERS, latency, LedgerDetail::Nothing);
    let numbers = NumberChoice::any_of(world.lock().number_ids()).expect("there are some");
    (world, numbers)
}

/// How many calls a second were handed in.
fn fill(home: &Home, queued: usize) -> f64 {
    let (world, numbers) = scene(LATENCY);
    let mut cast = Cast::new(&world, vec![numbers], ProofPolicy::Off, 0);
    let runtime = runtime();
    runtime.block_on(async {
        let store = open(&home.place).await;
        let (took, ()) = timed(async {
            let mut left = queued;
            while left > 0 {
                let part = left.min(FILL);
                store.submit(cast.take(part)).await.expect("the store answers");
                left -= part;
            }
        })
        .await;
        store.close().await;
        figure(queued) / took.as_secs_f64()
    })
}

struct Drained {
    claims: Duration,
    commits: Duration,
    whole: Duration,
    processor: Duration,
}

/// Brings the first calls of the queue to their ends.
fn drain(home: &Home) -> Drained {
    let (world, _) = scene(LATENCY);
    let (time, gauge, tally) = (VirtualClock::new(), Arc::new(Gauge::default()), Arc::new(Tally::default()));
    runtime().block_on(async {
        let store = open(&home.place).await;
        let gauged = Arc::new(Gauged { store: store.clone(), gauge: gauge.clone() });
        let ports = ports(Arc::new(FakeProvider::new(world, &time)), &time, 0);
        let sharing = SharingPolicy { calls_max: ROUND, ..SharingPolicy::default() };
        let observer = tally.clone() as Arc<dyn Observer>;
        let (driver, handle) = Driver::shared(ports, gauged, LinePolicy::default(), sharing, observer);
        handle.serve(None);
        let script = async {
            let before = processor();
            let (whole, ()) = timed(tally.reached(ROUND)).await;
            let (claims, commits) = (gauge.claims.took(), gauge.commits.took());
            let drained = Drained { claims, commits, whole, processor: processor().saturating_sub(before) };
            handle.leave();
            drop(handle);
            drained
        };
        let ((), drained) = virtual_time::run(&time, &gauge, join(driver.run(), script)).await;
        store.close().await;
        drained
    })
}

/// The time that the processors have spent on this process, from its `stat` in clock ticks of 10 ms
/// (proc(5); Linux has 100 a second everywhere).
fn processor() -> Duration {
    let stat = fs_err::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

/// A process that starts where the queue is as it is.
fn start(home: &Home) -> Start {
    let program = std::env::current_exe().expect("it is running");
    let mut command = Command::new(program);
    command.args(["--child", "start-up", &home.place]).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().expect("it can be started");
    assert!(output.status.success(), "the process that was started has failed");
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [opened, claimed, dialled, peak_mb] = figures[..] else { panic!("it said {text:?}") };
    Start { opened, claimed, dialled, peak_mb }
}

/// What that process does: opens the store, claims what it would claim, brings some calls to their ends, and gives
/// everything back.
#[expect(clippy::print_stdout, reason = "this is how it tells its parent")]
pub(crate) fn start_up(words: &[&str]) {
    let [place] = words else { panic!("a place is wanted") };
    let figures = runtime().block_on(async {
        let (opened, store) = timed(open(place)).await;
        let (claimed, first) = timed(first_claim(&store)).await;
        let (ended, ()) = timed(end_some(place, &store)).await;
        assert!(first > 0, "calls wait");
        store.close().await;
        [opened, opened + claimed, opened + ended].map(milliseconds)
    });
    let [opened, claimed, ended] = figures;
    println!("{opened} {claimed} {ended} {}", peak_mb());
}

/// How many calls the usual first claim brings. They are given back.
async fn first_claim(store: &SqlStore) -> usize {
    let sharing = SharingPolicy::default();
    let claim = Claim { ordinal: 1, answered: 0, ttl: sharing.ttl, numbers: None, calls_max: sharing.calls_max };
    store.claim(&claim).await.expect("the store answers").calls.len()
}

/// The same with a driver, in another view of the store, until the first call has ended.
async fn end_some(place: &str, first: &SqlStore) {
    give_back(first).await;
    let (world, _) = scene(Duration::ZERO);
    let time = crate::stage::PlainTime::default();
    let provider = FakeProvider::with_time(world, Arc::new(time.clone()), Arc::new(time.clone()));
    let tally = Arc::new(Tally::default());
    let store = Arc::new(open(place).await);
    let observer = tally.clone() as Arc<dyn Observer>;
    let ports = ports(Arc::new(provider), &time, 0);
    let (driver, handle) =
        Driver::shared(ports, store.clone(), LinePolicy::default(), SharingPolicy::default(), observer);
    handle.serve(None);
    join(driver.run(), async {
        tally.reached(1).await;
        handle.leave();
        drop(handle);
    })
    .await;
}

async fn give_back(store: &SqlStore) {
    use partyline_domain::ports::Release;
    let numbers = store.renew(SharingPolicy::default().ttl).await.expect("the store answers").leases;
    store.release(Release { numbers, ..Release::default() }).await.expect("the store answers");
}

/// The greatest resident set of this process.
fn peak_mb() -> f64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kibibytes: f64 = line.split_whitespace().next().and_then(|figure| figure.parse().ok()).unwrap_or(f64::NAN);
    kibibytes * 1024.0 / 1e6
}
