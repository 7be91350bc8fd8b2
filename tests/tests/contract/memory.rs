//! The adapters that live in the domain: the memory journal and the permits without limits.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use partyline_domain::ports::{Journal, MemoryJournal, Permits, Unlimited};
use partyline_tests::contract::Harness;
use partyline_tests::contract::journal::JournalHarness;
use partyline_tests::contract::permits::PermitsHarness;

struct Memory;

impl Harness for Memory {
    fn run(&self, case: impl Future<Output = ()>) {
        case.now_or_never().expect("memory never waits");
    }
}

#[async_trait]
impl JournalHarness for Memory {
    async fn journal(&self) -> Arc<dyn Journal> {
        Arc::new(MemoryJournal::new())
    }

    async fn reopened(&self, journal: Arc<dyn Journal>) -> Arc<dyn Journal> {
        journal
    }
}

#[async_trait]
impl PermitsHarness for Memory {
    async fn permits(&self) -> Arc<dyn Permits> {
        Arc::new(Unlimited)
    }

    fn limit(&self) -> Option<usize> {
        None
    }
}

partyline_tests::journal_contract!(Memory);
partyline_tests::permits_contract!(Memory);
