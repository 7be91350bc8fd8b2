//! What every part needs: fresh stores on a real disk, calls to hand in, a driver that serves them.

use std::cell::OnceCell;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{Clock, MemoryJournal, NewCall, NumberProvider, Provider, Timer, Unlimited};
use partyline_domain::{
    AgentId, CallId, CallRequest, Instant, Notice, Now, NumberChoice, Observer, PhoneNumber, Policies, Ports, Priority,
    ProofPolicy, RunId,
};
use partyline_fake_adapter::clock::RealClock;
use partyline_fake_adapter::world::{Latency, LedgerDetail};
use partyline_fake_adapter::{SharedWorld, TestIds, World, WorldConfig};
use partyline_store_adapter::{Account, Place, ProcessInfo, SqlStore, StoreOptions};
use partyline_tests::postgres::{self, Durability, PostgresServer};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// How much is done.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) small: bool,
}

impl Sizes {
    pub(crate) fn of<T>(self, full: T, small: T) -> T {
        if self.small { small } else { full }
    }
}

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

impl Database {
    pub(crate) const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// The server that all parts share, started when it is first asked for. It syncs to the disk as in production.
#[derive(Default)]
pub(crate) struct Servers(OnceCell<Option<PostgresServer>>);

impl Servers {
    /// Where a fresh store can be made; `None` where no such server is installed, which is told.
    pub(crate) fn home(&self, database: Database) -> Option<Home> {
        match database {
            Database::Sqlite => Some(Home::file()),
            Database::Postgres => {
                let server = self.0.get_or_init(|| postgres::required(Durability::Full)).as_ref()?;
                Some(Home { place: server.database(), folder: None })
            }
        }
    }
}

/// Where a store is. A file is thrown away with it.
pub(crate) struct Home {
    /// As text, so that another process can be told.
    pub(crate) place: String,
    folder: Option<TempDir>,
}

impl Home {
    fn file() -> Self {
        // Not the folder for temporary files, which may be in memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("cargo has made the folder");
        let path = folder.path().join("store.db");
        Self { place: path.to_str().expect("paths of this project are Unicode").to_owned(), folder: Some(folder) }
    }

    /// The file, where it is one.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().join("store.db"))
    }
}

/// Opens the store at a place, as a process that nobody was before.
pub(crate) async fn open(place: &str) -> SqlStore {
    static OPENED: AtomicUsize = AtomicUsize::new(0);
    let (pid, count) = (std::process::id(), OPENED.fetch_add(1, Ordering::Relaxed));
    let owner = RunId::parse(&format!("run_{pid}_{count}")).expect("a word and numbers");
    let account = Arc::new(|salt: &_| Account::of(salt, "http://localhost", b"test-key"));
    let process = ProcessInfo { host: "localhost".into(), pid, command: "bench".into() };
    let options = StoreOptions { process, ..StoreOptions::new(owner, account) };
    let place = Place::parse(place).expect("a path or an address");
    place.open(options).await.unwrap_or_else(|why| panic!("{why}"))
}

/// A runtime like that of `partyline call` and `partyline batch`.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A world of so many agents and numbers. Worlds of the same numbers have the same ids, also in other processes.
pub(crate) fn world(agents: usize, numbers: usize, latency: Duration, ledger: LedgerDetail) -> SharedWorld {
    let config = WorldConfig::of(agents, numbers, &NumberProvider::Twilio);
    SharedWorld::new(World::new(WorldConfig { latency: Latency::constant(latency), ledger, ..config }))
}

/// One choice for each number of a world.
pub(crate) fn each_number(world: &SharedWorld) -> Vec<NumberChoice> {
    world.lock().number_ids().into_iter().map(NumberChoice::one).collect()
}

/// Makes calls for the agents of a world in turn, each from the next choice of numbers.
pub(crate) struct Cast {
    agents: Vec<AgentId>,
    choices: Vec<NumberChoice>,
    policies: Arc<Policies>,
    /// Keeps the ids of several casts apart.
    stock: u16,
    made: usize,
}

impl Cast {
    pub(crate) fn new(world: &SharedWorld, choices: Vec<NumberChoice>, proof: ProofPolicy, stock: u16) -> Self {
        let policies = Arc::new(Policies { proof, ..Policies::default() });
        Self { agents: world.lock().agent_ids(), choices, policies, stock, made: 0 }
    }

    /// The next call; its id is as long as those of production, and as much in order.
    pub(crate) fn next(&mut self) -> NewCall {
        let (made, stock) = (self.made, self.stock);
        self.made += 1;
        let request = CallRequest {
            id: CallId::parse(&format!("0199c0de-{stock:04x}-7000-8000-{made:012x}")).expect("digits"),
            agent: self.agents[made % self.agents.len()].clone(),
            numbers: self.choices[made % self.choices.len()].clone(),
            to: PhoneNumber::parse(&format!("+120255501{:02}", made % 100)).expect("a number of films"),
            priority: Priority::Normal,
            expires_at: None,
            options: Arc::default(),
            policies: self.policies.clone(),
        };
        let at = RealClock::default().now().wall;
        NewCall { request, at, key: None, batch: None, repeats: None }
    }

    pub(crate) fn take(&mut self, count: usize) -> Vec<NewCall> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// Ports of a driver that keeps its journal in memory, unless it is made to share.
pub(crate) fn ports<T: Clock + Timer + Clone + 'static>(provider: Arc<dyn Provider>, time: &T, seed: u64) -> Ports {
    Ports {
        provider,
        clock: Arc::new(time.clone()),
        timer: Arc::new(time.clone()),
        ids: Arc::new(TestIds::new(seed)),
        journal: Arc::new(MemoryJournal::new()),
        permits: Arc::new(Unlimited),
    }
}

/// Real time by the runtime's own timer. It may be two milliseconds late, but burns no processor to be exact.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlainTime(RealClock);

impl Clock for PlainTime {
    fn now(&self) -> Now {
        self.0.now()
    }
}

#[async_trait]
impl Timer for PlainTime {
    async fn sleep_until(&self, at: Instant) {
        tokio::time::sleep(at.since(self.0.now().monotonic)).await;
    }
}

/// Counts calls that have ended, all of them well.
#[derive(Default)]
pub(crate) struct Tally {
    ended: AtomicUsize,
    news: Notify,
}

impl Tally {
    pub(crate) fn ended(&self) -> usize {
        self.ended.load(Ordering::Acquire)
    }

    /// Waits until so many have ended.
    pub(crate) async fn reached(&self, count: usize) {
        while self.ended() < count {
            self.news.notified().await;
        }
    }
}

impl Observer for Tally {
    fn notice(&self, notice: &Notice) {
        if let Notice::Completed(report) = notice {
            assert_eq!(report.state.name(), "Initiated", "{report:?}");
            self.ended.fetch_add(1, Ordering::AcqRel);
            self.news.notify_one();
        }
    }
}

/// How long some work takes.
pub(crate) async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let began = tokio::time::Instant::now();
    let output = work.await;
    (began.elapsed(), output)
}
