//! Both kinds of store, and what the tests hand in.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use partyline_domain::flow::{AssignmentOutcome, CallEvent, Evidence, FoundBy, Proof};
use partyline_domain::ports::{
    BatchRow, Change, Claim, Entry, Intent, IntentKind, NewCall, ProviderCallId, Recorded, Store as _, StoredCall,
};
use partyline_domain::{
    AgentId, AttemptId, BatchId, CallId, CallRequest, ConversationId, IdempotencyKey, JournalError, NumberChoice,
    PhoneNumber, PhoneNumberId, Priority, RunId, Timestamp,
};
use partyline_store_adapter::{Account, NewBatch, Place, ProcessInfo, SqlStore, StoreOptions, StoreTrouble};
use partyline_tests::postgres;
use tempfile::TempDir;

/// Where a fresh store is.
pub(crate) struct World {
    pub(crate) place: Place,
    _folder: Option<TempDir>,
}

/// What was told of trouble.
pub(crate) type Told = Arc<Mutex<Vec<StoreTrouble>>>;

impl World {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let place = Place::Sqlite(folder.path().join("calls.db"));
        Self { place, _folder: Some(folder) }
    }

    pub(crate) fn postgres() -> Option<Self> {
        postgres::shared().map(|server| Self::at(&server.database()))
    }

    pub(crate) fn at(address: &str) -> Self {
        Self { place: Place::parse(address).expect("an address"), _folder: None }
    }

    /// The view of a process.
    pub(crate) async fn open(&self, name: &str) -> SqlStore {
        self.open_with(options(name)).await
    }

    pub(crate) async fn open_with(&self, options: StoreOptions) -> SqlStore {
        self.place.open(options).await.unwrap_or_else(|why| panic!("{why}"))
    }

    /// The view of a process, and what is told of trouble.
    pub(crate) async fn open_told(&self, name: &str) -> (SqlStore, Told) {
        let told = Told::default();
        let list = told.clone();
        let trouble = Arc::new(move |trouble| list.lock().expect("not poisoned").push(trouble));
        (self.open_with(StoreOptions { trouble, ..options(name) }).await, told)
    }

    /// The file, where it is one.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Sqlite(path) => Some(path.clone()),
            Place::Postgres(_) => None,
        }
    }
}

/// Runs a test on a fresh store of each kind.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$name($crate::world::World::sqlite()).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    if let Some(world) = $crate::world::World::postgres() {
                        super::$name(world).await;
                    }
                }
            )*
        }
    };
}
pub(crate) use on_both;

pub(crate) fn options(name: &str) -> StoreOptions {
    let account = Arc::new(|salt: &_| Account::of(salt, "http://localhost", b"test-key"));
    let process = ProcessInfo { host: "here".into(), pid: 7, command: format!("test {name}") };
    StoreOptions { process, ..StoreOptions::new(RunId::parse(name).expect("an id"), account) }
}

pub(crate) const TTL: Duration = Duration::from_secs(600);

pub(crate) fn call(name: &str) -> CallId {
    CallId::parse(name).expect("an id")
}

pub(crate) fn number(name: &str) -> PhoneNumberId {
    PhoneNumberId::parse(name).expect("an id")
}

pub(crate) fn agent(name: &str) -> AgentId {
    AgentId::parse(name).expect("an id")
}

pub(crate) fn attempt(name: &str) -> AttemptId {
    AttemptId::parse(name).expect("an id")
}

pub(crate) fn batch(name: &str) -> BatchId {
    BatchId::parse(name).expect("an id")
}

pub(crate) fn at(second: u64) -> Timestamp {
    Timestamp::from_unix(Duration::new(1_790_000_000 + second, 123_456_789))
}

pub(crate) fn phone(last: u32) -> PhoneNumber {
    PhoneNumber::parse(&format!("+1202555{last:04}")).expect("a fictional number")
}

pub(crate) fn new_call(name: &str, on: &[&str]) -> NewCall {
    let request = CallRequest {
        id: call(name),
        agent: agent("agent_1"),
        numbers: NumberChoice::any_of(on.iter().map(|name| number(name))).expect("at least one"),
        to: phone(123),
        priority: Priority::Normal,
        expires_at: None,
        options: Arc::default(),
        policies: Arc::default(),
    };
    NewCall { request, at: at(1), key: None, batch: None, repeats: None }
}

pub(crate) fn in_batch(new: NewCall, name: &str, line: u64) -> NewCall {
    let row = BatchRow { batch: batch(name), line, agent: "restaurant".into() };
    NewCall { batch: Some(row), ..new }
}

pub(crate) fn keyed(new: NewCall, key: &str) -> NewCall {
    NewCall { key: IdempotencyKey::parse(key).ok(), ..new }
}

pub(crate) fn new_batch(name: &str, rows: u64) -> NewBatch {
    NewBatch { id: batch(name), file: format!("{name}.csv"), rows, options: "{\"x\":1}".into(), created_at: at(0) }
}

pub(crate) fn claim(ordinal: u64, calls_max: usize) -> Claim {
    Claim { ordinal, answered: ordinal - 1, ttl: TTL, numbers: None, calls_max }
}

pub(crate) fn append(name: &str, expected: u64, event: CallEvent) -> Change {
    let version = expected + 1;
    Change::Append { call: call(name), expected, events: vec![Recorded { version, at: at(version), event }] }
}

pub(crate) fn verified() -> CallEvent {
    CallEvent::AgentVerified { agent_name: "Restaurant".into(), evidence: Evidence::Fresh }
}

pub(crate) fn assigned(on: &str) -> CallEvent {
    let outcome = AssignmentOutcome::Assigned;
    CallEvent::NumberAssigned { number: number(on), outcome, evidence: Evidence::Fresh }
}

pub(crate) fn intended(name: &str) -> CallEvent {
    CallEvent::DialIntended { attempt: attempt(name) }
}

pub(crate) fn initiated(name: &str) -> CallEvent {
    CallEvent::CallInitiated {
        attempt: attempt(name),
        conversation: ConversationId::parse("conv_1").expect("an id"),
        provider_call_id: ProviderCallId::new("CA1"),
        found_by: FoundBy::Answer,
    }
}

pub(crate) fn proven() -> CallEvent {
    CallEvent::ProofRead { proof: Proof::Matches { complete: true } }
}

pub(crate) fn intent(name: &str, kind: IntentKind, on: &str, epoch: u64, within: Duration) -> Change {
    Change::Intend(Intent {
        attempt: attempt(name),
        kind,
        number: number(on),
        agent: Some(agent("agent_1")),
        epoch,
        send_by: at(60),
        within,
        lateness: Duration::from_secs(90),
    })
}

pub(crate) fn dial(name: &str, of: &str, on: &str, epoch: u64) -> Change {
    intent(name, IntentKind::Dial(call(of)), on, epoch, Duration::from_secs(2))
}

pub(crate) async fn commit(store: &SqlStore, changes: Vec<Change>) -> Result<(), JournalError> {
    use partyline_domain::ports::Journal as _;
    store.commit(vec![Entry { changes }]).await.pop().expect("an answer")
}

pub(crate) async fn write(store: &SqlStore, changes: Vec<Change>) {
    assert_eq!(commit(store, changes).await, Ok(()));
}

/// Brings a claimed call to its good end, in four entries.
pub(crate) async fn succeed(store: &SqlStore, name: &str, on: &str, epoch: u64) {
    let dialled = format!("{name}.1");
    write(store, vec![append(name, 1, verified())]).await;
    write(store, vec![append(name, 2, assigned(on))]).await;
    write(store, vec![append(name, 3, intended(&dialled)), dial(&dialled, name, on, epoch)]).await;
    let end = Change::Resolve(attempt(&dialled));
    write(store, vec![append(name, 4, initiated(&dialled)), end, Change::Close(call(name))]).await;
}

pub(crate) async fn submit(store: &SqlStore, calls: Vec<NewCall>) {
    store.submit(calls).await.expect("the store answers");
}

/// The id of a call that was claimed.
pub(crate) fn id_of(stored: &StoredCall) -> String {
    let CallEvent::CallRequested { request } = &stored.events[0].event else { panic!("it begins with its request") };
    request.id.to_string()
}
