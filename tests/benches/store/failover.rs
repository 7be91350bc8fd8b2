//! How long it takes until another process dials on a number whose owner was killed.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use partyline_domain::ports::{Clock as _, Store as _};
use partyline_domain::{AgentId, Driver, Handle, LinePolicy, NumberChoice, ProofPolicy, SharingPolicy, Unobserved};
use partyline_fake_adapter::emulator::Key;
use partyline_fake_adapter::world::{LedgerDetail, Operation};
use partyline_fake_adapter::{Emulator, RunningEmulator, SharedWorld};
use partyline_store_adapter::SqlStore;
use tokio::runtime::Builder;

use crate::flows::adapter;
use crate::stage::{Cast, Database, PlainTime, Servers, Sizes, open, ports, runtime, world};
use crate::table::{Figures, Table, milliseconds};

const KEY: &str = "test-key-benchmark";
/// How long a lease holds here, and how often it is renewed: the proportions of the defaults.
const LEASE: Duration = Duration::from_secs(2);
const RENEWAL: Duration = Duration::from_millis(600);
/// How long after it was sent a request may still take effect.
const LATENESS: Duration = Duration::from_secs(3);
/// How long after its intent a dial may still be sent: `DialPolicy::send_within`.
const SEND_WITHIN: Duration = Duration::from_secs(2);
/// How often the world is looked at.
const LOOK: Duration = Duration::from_millis(1);
/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the process has open when it is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// Nothing that could take effect: it is asking about an agent.
    Nothing,
    /// A dial for another agent, which is never executed and never answered.
    Dial,
}

pub(crate) fn measure(servers: &Servers, sizes: Sizes) -> String {
    let runs = sizes.of(9, 2);
    let mut table = Table::new(&[
        "database",
        "open at the kill",
        "from the kill to the next dial, s",
        "min..max",
        "from the open dial's sending, s",
        "what is waited for",
    ]);
    for database in Database::ALL {
        for open in [Open::Nothing, Open::Dial] {
            let (mut killed, mut sent) = (Figures::default(), Figures::default());
            for run in 0..runs {
                let part = u32::try_from(run).expect("few") * RENEWAL / u32::try_from(runs).expect("few");
                let Some((since_kill, since_open)) = once(servers, database, open, part) else { break };
                killed.add(since_kill.as_secs_f64());
                sent.add(since_open.as_secs_f64());
            }
            if killed.count() == 0 {
                continue;
            }
            let (name, waits, since) = match open {
                Open::Nothing => ("nothing", "the rest of the lease", "-".to_owned()),
                Open::Dial => {
                    let since = format!("{:.2} ({})", sent.median(), sent.range(2));
                    ("a dial for another agent", "the time to send, and the lateness bound", since)
                }
            };
            let cells = [database.name(), name, &format!("{:.2}", killed.median()), &killed.range(2), &since, waits];
            table.row(&cells);
        }
    }
    format!(
        "{}\n{runs} runs each. Configured: lease {} s, renewed every {} ms; a dial may be sent within {} s of its intent; \
         lateness bound {} s. So at most {} s after the kill where nothing is open, and {} s after the intent of an open \
         dial.\n",
        table.text(),
        LEASE.as_secs(),
        RENEWAL.as_millis(),
        SEND_WITHIN.as_secs(),
        LATENESS.as_secs(),
        LEASE.as_secs(),
        (SEND_WITHIN + LATENESS).as_secs()
    )
}

/// From the kill to the next dial, and from the open request's arrival to it; `None` where there is no such database.
fn once(servers: &Servers, database: Database, open: Open, part: Duration) -> Option<(Duration, Duration)> {
    let home = servers.home(database)?;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let world = world(2, 1, Duration::ZERO, LedgerDetail::Everything);
    let rule = match open {
        Open::Nothing => "summaries:hang-before:*",
        Open::Dial => "dial:hang-before:1",
    };
    world.lock().faults().add(rule.parse().expect("a fault"));
    Some(runtime.block_on(async {
        let emulator = Emulator::of(world.clone(), Some(Key::new(KEY)), "127.0.0.1:0").await;
        let emulator = emulator.expect("a port is free").spawn();
        let times = take_over(&home.place, &emulator, &world, open, part).await;
        emulator.shutdown().await;
        times
    }))
}

async fn take_over(
    place: &str,
    emulator: &RunningEmulator,
    world: &SharedWorld,
    open_at_kill: Open,
    part: Duration,
) -> (Duration, Duration) {
    let number = NumberChoice::one(world.lock().number_ids()[0].clone());
    let mut cast = Cast::new(world, vec![number], ProofPolicy::Off, 0);
    let (first, second) = (cast.next(), cast.next());
    let agent = second.request.agent.clone();
    let store = Arc::new(open(place).await);
    store.submit(vec![first]).await.expect("the store answers");
    let mut victim = start(place, &emulator.url());
    let operation = if open_at_kill == Open::Dial { Operation::Dial } else { Operation::Summaries };
    let arrived = until(|| {
        let world = world.lock();
        world.ledger().requests_of(operation).next().map(|request| request.arrived_at)
    })
    .await;
    // From now on there is a second process, which has a call of its own for the number.
    store.submit(vec![second]).await.expect("the store answers");
    let (driver, handle) = server(&store, &emulator.url());
    let driving = tokio::spawn(driver.run());
    tokio::time::sleep(LEASE / 4 + part).await;
    let killed = emulator.clock().now().monotonic;
    victim.kill();
    world.lock().faults().clear();
    let dialled = until(|| first_dial(world, &agent, open_at_kill)).await;
    // What is in doubt is looked up for a long time.
    handle.abandon();
    drop(handle);
    driving.await.expect("it ends in peace");
    (dialled.since(killed), dialled.since(arrived))
}

/// When the first dial was executed that the successor sent: for its own agent, where the other's is in doubt.
fn first_dial(world: &SharedWorld, agent: &AgentId, open: Open) -> Option<partyline_domain::Instant> {
    let world = world.lock();
    let mut dials = world.ledger().dials.iter();
    dials.find(|dial| open == Open::Nothing || dial.requested == *agent).map(|dial| dial.at.monotonic)
}

async fn until<T>(look: impl Fn() -> Option<T>) -> T {
    let began = tokio::time::Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < PATIENCE, "it has not happened within {:.0} ms", milliseconds(PATIENCE));
        tokio::time::sleep(LOOK).await;
    }
}

/// A driver that serves all numbers, with short leases.
fn server(store: &Arc<SqlStore>, url: &str) -> (Driver, Handle) {
    let policy = LinePolicy { lateness: LATENESS, ..LinePolicy::default() };
    let sharing = SharingPolicy {
        ttl: LEASE,
        margin: LEASE / 20,
        renew_every: RENEWAL,
        retry_after: LEASE / 20,
        ..SharingPolicy::default()
    };
    let time = PlainTime::default();
    let ports = ports(Arc::new(adapter(url)), &time, 0);
    let (driver, handle) = Driver::shared(ports, store.clone(), policy, sharing, Arc::new(Unobserved));
    handle.serve(None);
    (driver, handle)
}

/// The process that is killed, at the latest when this is dropped.
struct Victim(Child);

impl Victim {
    fn kill(&mut self) {
        // It may be gone already where something has failed, which is told elsewhere.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.kill();
    }
}

fn start(place: &str, url: &str) -> Victim {
    let mut command = Command::new(std::env::current_exe().expect("it is running"));
    command.args(["--child", "victim", place, url]).stdin(Stdio::null());
    Victim(command.spawn().expect("it can be started"))
}

/// What the process does that is killed: it serves all numbers.
pub(crate) fn victim(words: &[&str]) {
    let [place, url] = words else { panic!("a place and an address are wanted") };
    runtime().block_on(async {
        let store = Arc::new(open(place).await);
        let (driver, handle) = server(&store, url);
        driver.run().await;
        // It is killed before it could end.
        drop(handle);
    });
}
