//! Whole flows per second with a durable store, beside the same with a journal in memory: handed in, claimed, verified,
//! assigned, dialled, proved, closed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use partyline_domain::ports::{Provider, Store as _};
use partyline_domain::{Driver, LinePolicy, NumberChoice, Observer, Ports, ProofPolicy, SharingPolicy};
use partyline_elevenlabs_adapter::{ApiKey, BaseUrl, ElevenLabs, Settings};
use partyline_fake_adapter::clock::RealClock;
use partyline_fake_adapter::emulator::Key;
use partyline_fake_adapter::world::LedgerDetail;
use partyline_fake_adapter::{Emulator, FakeProvider, SharedWorld};
use tokio::runtime::Runtime;

use crate::stage::{Cast, Database, PlainTime, Servers, Sizes, Tally, open, ports, runtime, timed, world};
use crate::table::{Figures, Table, figure};

const KEY: &str = "test-key-benchmark";
const AGENTS: usize = 3;

/// Who answers the requests, without any latency.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// The fake, in this thread.
    Fake,
    /// The emulator over HTTP, in a thread of its own.
    Emulator,
}

/// One row of the table.
struct Subject {
    answers: Answers,
    /// `None`: a journal in memory.
    database: Option<Database>,
    proof: ProofPolicy,
    rates: Figures,
}

pub(crate) fn measure(servers: &Servers, sizes: Sizes) -> String {
    let (calls, rounds) = (sizes.of(4_000, 100), sizes.of(5, 1));
    let runtime = runtime();
    let mut subjects = subjects();
    // In turn, so that a busy moment of the machine meets all of them; the first round only warms up.
    for round in 0..=rounds {
        for subject in &mut subjects {
            let took = once(&runtime, servers, subject, calls);
            if let (Some(took), true) = (took, round > 0) {
                subject.rates.add(figure(calls) / took.as_secs_f64());
            }
        }
    }
    format!("{}\n{calls} calls in each of {rounds} runs.\n", table(&subjects).text())
}

fn subjects() -> Vec<Subject> {
    let mut subjects = Vec::new();
    for answers in [Answers::Fake, Answers::Emulator] {
        for proof in [ProofPolicy::Off, ProofPolicy::Once] {
            for database in [None, Some(Database::Sqlite), Some(Database::Postgres)] {
                subjects.push(Subject { answers, database, proof, rates: Figures::default() });
            }
        }
    }
    subjects
}

fn table(subjects: &[Subject]) -> Table {
    let titles = ["provider", "proof", "journal", "flows a second", "min..max", "of that in memory"];
    let mut table = Table::new(&titles);
    for subject in subjects.iter().filter(|subject| subject.rates.count() > 0) {
        let alike = |other: &&Subject| {
            other.database.is_none() && other.answers == subject.answers && other.proof == subject.proof
        };
        let memory = subjects.iter().find(alike).expect("it is among them");
        table.row(&[
            (if subject.answers == Answers::Fake { "fake" } else { "emulator, HTTP" }).to_owned(),
            (if subject.proof == ProofPolicy::Off { "off" } else { "once" }).to_owned(),
            subject.database.map_or("memory", Database::name).to_owned(),
            format!("{:.0}", subject.rates.median()),
            subject.rates.range(0),
            format!("{:.0} %", 100.0 * subject.rates.median() / memory.rates.median()),
        ]);
    }
    table
}

/// From the calls being handed over to the last report; `None` where there is no such database.
fn once(runtime: &Runtime, servers: &Servers, subject: &Subject, calls: usize) -> Option<Duration> {
    let home = subject.database.map(|database| servers.home(database).ok_or(())).transpose().ok()?;
    let ledger = if subject.answers == Answers::Fake { LedgerDetail::Nothing } else { LedgerDetail::Effects };
    let world = world(AGENTS, 1, Duration::ZERO, ledger);
    let number = NumberChoice::one(world.lock().number_ids()[0].clone());
    let mut cast = Cast::new(&world, vec![number], subject.proof, 0);
    let emulated = (subject.answers == Answers::Emulator).then(|| Emulated::start(world.clone()));
    let took = runtime.block_on(async {
        let time = PlainTime::default();
        let provider: Arc<dyn Provider> = match &emulated {
            Some(emulated) => Arc::new(adapter(&emulated.url)),
            None => Arc::new(FakeProvider::with_time(world.clone(), Arc::new(time.clone()), Arc::new(time.clone()))),
        };
        let ports = ports(provider, &time, 0);
        match &home {
            Some(home) => shared(ports, &home.place, &mut cast, calls).await,
            None => unshared(ports, &mut cast, calls).await,
        }
    });
    assert_eq!(world.lock().ledger().misroutes().count(), 0, "calls were misrouted");
    if let Some(emulated) = emulated {
        emulated.stop();
    }
    Some(took)
}

/// The real adapter at an emulator's address.
pub(crate) fn adapter(url: &str) -> ElevenLabs {
    let base = BaseUrl::parse(url).expect("a URL");
    let key = ApiKey::parse(KEY).expect("a key");
    ElevenLabs::new(Settings::new(base), key, Arc::new(RealClock::default())).expect("an adapter")
}

async fn unshared(ports: Ports, cast: &mut Cast, calls: usize) -> Duration {
    let tally = Arc::new(Tally::default());
    let (driver, handle) = Driver::new(ports, LinePolicy::default(), tally.clone() as Arc<dyn Observer>);
    let requests = cast.take(calls);
    let script = timed(async {
        for call in requests {
            // The tally hears how it ends.
            drop(handle.submit(call.request).expect("the driver is there"));
        }
        tally.reached(calls).await;
        drop(handle);
    });
    join(driver.run(), script).await.1.0
}

async fn shared(ports: Ports, place: &str, cast: &mut Cast, calls: usize) -> Duration {
    let store = Arc::new(open(place).await);
    let tally = Arc::new(Tally::default());
    let observer = tally.clone() as Arc<dyn Observer>;
    let (policy, sharing) = (LinePolicy::default(), SharingPolicy::default());
    let (driver, handle) = Driver::shared(ports, store.clone(), policy, sharing, observer);
    handle.serve(None);
    let new = cast.take(calls);
    let (driving, took) = join(driver.run(), async {
        let (took, ()) = timed(async {
            store.submit(new).await.expect("the store answers");
            handle.nudge();
            tally.reached(calls).await;
        })
        .await;
        handle.leave();
        drop(handle);
        took
    })
    .await;
    let () = driving;
    if let Some(store) = Arc::into_inner(store) {
        store.close().await;
    }
    took
}

/// An emulator with a thread and a runtime of its own.
pub(crate) struct Emulated {
    pub(crate) url: String,
    stop: tokio::sync::oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Emulated {
    pub(crate) fn start(world: SharedWorld) -> Self {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            runtime().block_on(async {
                let emulator = Emulator::of(world, Some(Key::new(KEY)), "127.0.0.1:0").await;
                let emulator = emulator.expect("a port is free").spawn();
                tell.send(emulator.url()).expect("somebody waits for it");
                // Whoever stops it may also just go away.
                let _ = stopped.await;
                emulator.shutdown().await;
            });
        });
        let url = told.recv().expect("the emulator says where it listens");
        Self { url, stop, thread }
    }

    pub(crate) fn stop(self) {
        // It may have ended by itself only by a panic, which the join tells of.
        let _ = self.stop.send(());
        self.thread.join().expect("the emulator ends in peace");
    }
}
