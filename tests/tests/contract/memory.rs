//! The adapters that live in the domain: the memory journal, and the permits without limits and with rates.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use partyline_domain::ports::{Journal, MemoryJournal, Paced, Permits, Unlimited};
use partyline_fake_adapter::{VirtualClock, clock};
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

/// Permits with rates that are never reached.
struct Unhurried;

impl Harness for Unhurried {
    fn run(&self, case: impl Future<Output = ()>) {
        clock::run(&VirtualClock::new(), case);
    }
}

#[async_trait]
impl PermitsHarness for Unhurried {
    async fn permits(&self) -> Arc<dyn Permits> {
        let time = Arc::new(VirtualClock::new());
        Arc::new(Paced::new(time.clone(), time, None, None))
    }

    fn limit(&self) -> Option<usize> {
        None
    }
}

partyline_tests::journal_contract!(Memory);
partyline_tests::permits_contract!(Memory);

mod paced {
    use super::Unhurried;
    partyline_tests::permits_contract!(Unhurried);
}
