//! What the tests hand in.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use partyline_domain::flow::{AssignmentOutcome, CallEvent, Evidence};
use partyline_domain::ports::{Change, Claim, Entry, Intent, IntentKind, NewCall, Recorded, Store};
use partyline_domain::{
    AgentId, AttemptId, CallId, CallRequest, NumberChoice, PhoneNumber, PhoneNumberId, Priority, RunId, Timestamp,
};
use partyline_store_adapter::{Account, SqlStore, StoreOptions, StoreTrouble, sqlite};

pub(crate) const KEY: &str = "test-key-that-must-not-be-stored";
pub(crate) const TTL: Duration = Duration::from_secs(600);

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder can be made"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("deep/er/calls.db")
    }
}

pub(crate) fn options(name: &str, key: &'static str) -> StoreOptions {
    let account = Arc::new(move |salt: &_| Account::of(salt, "http://localhost", key.as_bytes()));
    StoreOptions::new(RunId::parse(name).expect("an id"), account)
}

pub(crate) async fn open(file: &Path, name: &str) -> SqlStore {
    sqlite::open(file, options(name, KEY)).await.unwrap_or_else(|why| panic!("{why}"))
}

/// Opens with a list that everything told of trouble goes to.
pub(crate) async fn open_told(
    file: &Path,
    name: &str,
    patience: Duration,
) -> (SqlStore, Arc<Mutex<Vec<StoreTrouble>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = told.clone();
    let trouble = Arc::new(move |trouble| list.lock().expect("not poisoned").push(trouble));
    let options = StoreOptions { trouble, patience, ..options(name, KEY) };
    (sqlite::open(file, options).await.unwrap_or_else(|why| panic!("{why}")), told)
}

pub(crate) fn call(name: &str) -> CallId {
    CallId::parse(name).expect("an id")
}

pub(crate) fn number(name: &str) -> PhoneNumberId {
    PhoneNumberId::parse(name).expect("an id")
}

pub(crate) fn at(second: u64) -> Timestamp {
    Timestamp::from_unix(Duration::new(1_790_000_000 + second, 123_456_789))
}

pub(crate) fn new_call(name: &str, on: &str) -> NewCall {
    let request = CallRequest {
        id: call(name),
        agent: AgentId::parse("agent_1").expect("an id"),
        numbers: NumberChoice::one(number(on)),
        to: PhoneNumber::parse("+12025550123").expect("a fictional number"),
        priority: Priority::Normal,
        expires_at: None,
        options: Arc::default(),
        policies: Arc::default(),
    };
    NewCall { request, at: at(1), key: None, batch: None, repeats: None }
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

pub(crate) fn dial(attempt: &str, of: &str, on: &str, epoch: u64) -> Change {
    Change::Intend(Intent {
        attempt: AttemptId::parse(attempt).expect("an id"),
        kind: IntentKind::Dial(call(of)),
        number: number(on),
        agent: AgentId::parse("agent_1").ok(),
        epoch,
        send_by: at(60),
        within: Duration::from_secs(2),
        lateness: Duration::from_secs(90),
    })
}

pub(crate) async fn commit(store: &impl Store, changes: Vec<Change>) -> Result<(), partyline_domain::JournalError> {
    store.commit(vec![Entry { changes }]).await.pop().expect("an answer")
}
