//! Another process on the same store, played by the test.

use std::sync::Arc;
use std::time::Duration;

use partyline_domain::ports::{
    Accepted, Change, Entry, Intent, IntentKind, Journal as _, NewCall, Release, Store as _,
};
use partyline_domain::{AttemptId, CallId, CallRequest, NumberChoice, PhoneNumber, Priority, RunId, Timestamp};
use partyline_elevenlabs_adapter::BaseUrl;
use partyline_store_adapter::{Account, ProcessInfo, SqlStore, StoreOptions, sqlite};

use super::{KEY, Place, Provider};

/// A process that has the store open.
pub(crate) struct Neighbour {
    runtime: tokio::runtime::Runtime,
    store: SqlStore,
}

impl Neighbour {
    /// The process `batch` number 7 on the machine `sun`, which knows this provider's account.
    pub(crate) fn of(place: &Place, provider: &Provider) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let url = BaseUrl::parse(&provider.url()).expect("its own URL").to_string();
        let account = Arc::new(move |salt: &_| Account::of(salt, &url, KEY.as_bytes()));
        let process = ProcessInfo { host: "sun".to_owned(), pid: 7, command: "batch".to_owned() };
        let owner = RunId::parse("run-of-the-neighbour").expect("an id");
        let options = StoreOptions { process, ..StoreOptions::new(owner, account) };
        let store = runtime.block_on(sqlite::open(&place.store(), options)).unwrap_or_else(|why| panic!("{why}"));
        Self { runtime, store }
    }

    /// Hands in a call of an agent, which then waits.
    pub(crate) fn submit(&self, provider: &Provider, agent: usize) -> String {
        let id = CallId::parse("0198ffff-0000-7000-8000-000000000001").expect("an id");
        let request = CallRequest {
            id: id.clone(),
            agent: provider.agent(agent),
            numbers: NumberChoice::one(provider.number(0)),
            to: PhoneNumber::parse("+12025550148").expect("fictional"),
            priority: Priority::Normal,
            expires_at: None,
            options: Arc::default(),
            policies: Arc::default(),
        };
        let at = Timestamp::from_unix(Duration::from_secs(1_800_000_000));
        let new = NewCall { request, at, key: None, batch: None, repeats: None };
        let answers = self.runtime.block_on(self.store.submit(vec![new])).expect("the store answers");
        assert_eq!(answers, [Accepted::New]);
        id.to_string()
    }

    /// Takes the number for so long; its epoch.
    pub(crate) fn hold(&self, provider: &Provider, ttl: Duration) -> u64 {
        let taken = self.runtime.block_on(self.store.want(&provider.number(0), ttl)).expect("the store answers");
        taken.expect("nobody else has it").epoch
    }

    /// Writes down that the number is about to be assigned to an agent, and never what came of it.
    pub(crate) fn intend(&self, provider: &Provider, agent: usize, epoch: u64) {
        self.commit(Change::Intend(Intent {
            attempt: AttemptId::parse("attempt-of-the-neighbour").expect("an id"),
            kind: IntentKind::Assign,
            number: provider.number(0),
            agent: Some(provider.agent(agent)),
            epoch,
            send_by: Timestamp::from_unix(Duration::from_secs(1_800_000_000)),
            within: Duration::ZERO,
            lateness: Duration::ZERO,
        }));
    }

    /// Writes down that the number is to be given back to an agent.
    pub(crate) fn remember(&self, provider: &Provider, agent: usize) {
        self.commit(Change::Remember { number: provider.number(0), inbound: Some(provider.agent(agent)) });
    }

    fn commit(&self, change: Change) {
        let answers = self.runtime.block_on(self.store.commit(vec![Entry { changes: vec![change] }]));
        assert_eq!(answers, [Ok(())]);
    }

    /// Gives the number back.
    pub(crate) fn let_go(&self, provider: &Provider, epoch: u64) {
        let release = Release { numbers: vec![(provider.number(0), epoch)], ..Release::default() };
        self.runtime.block_on(self.store.release(release)).expect("the store answers");
    }
}
