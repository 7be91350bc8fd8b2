//! A store as a journal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use partyline_domain::RunId;
use partyline_domain::ports::{Claim, Intent, IntentKind, Journal, NewCall, Store};

use super::samples::{at, new_call};
use super::{LONG, StoreHarness, StoreWorld};
use crate::contract::Harness;
use crate::contract::journal::JournalHarness;

/// The journal's harness for a store: every journal is the view of one process of a store of its own.
pub struct AsJournal<H> {
    harness: H,
    current: Mutex<Option<Current>>,
    processes: AtomicU64,
}

#[derive(Clone)]
struct Current {
    world: Arc<dyn StoreWorld>,
    store: Arc<dyn Store>,
}

impl<H: StoreHarness> AsJournal<H> {
    /// The stores of this harness as journals.
    pub fn new(harness: H) -> Self {
        Self { harness, current: Mutex::default(), processes: AtomicU64::new(0) }
    }

    fn owner(&self) -> RunId {
        let count = self.processes.fetch_add(1, Ordering::Relaxed);
        RunId::parse(&format!("run_{count}")).expect("an id")
    }

    fn current(&self) -> Current {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.clone().expect("a case asks for its journal first")
    }
}

impl<H: StoreHarness> Harness for AsJournal<H> {
    fn run(&self, case: impl Future<Output = ()>) {
        self.harness.run(case);
    }
}

#[async_trait]
impl<H: StoreHarness> JournalHarness for AsJournal<H> {
    async fn journal(&self) -> Arc<dyn Journal> {
        let world: Arc<dyn StoreWorld> = Arc::from(self.harness.store().await);
        let store = world.member(self.owner()).await;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Current { world, store: store.clone() });
        store
    }

    async fn reopened(&self, _journal: Arc<dyn Journal>) -> Arc<dyn Journal> {
        self.current().world.member(self.owner()).await
    }

    /// Takes the number, and for a dial the call, for the process whose journal it is.
    async fn allowed(&self, intent: Intent) -> Intent {
        let store = self.current().store;
        let taken = store.want(&intent.number, LONG).await.expect("the store answers");
        if let IntentKind::Dial(call) = &intent.kind {
            let asked = new_call(call.as_str(), &[intent.number.as_str()]);
            store.submit(vec![NewCall { at: at(0), ..asked }]).await.expect("the store answers");
            let claim = Claim { ordinal: 1, answered: 0, ttl: LONG, numbers: None, calls_max: 1000 };
            store.claim(&claim).await.expect("the store answers");
        }
        Intent { epoch: taken.expect("nobody else is there").epoch, ..intent }
    }

    fn knows_repetitions(&self) -> bool {
        true
    }
}
