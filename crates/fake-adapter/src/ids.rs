//! Ids for tests: counted, so that a failure names the same call every time.

use std::sync::atomic::{AtomicU64, Ordering};

use partyline_domain::ports::Ids;
use partyline_domain::{CallId, RunId};

/// Counts calls and runs: `call_000001`, `run_000001` and so on.
///
/// Two of them that stand for two processes need different seeds, or they give the same ids.
///
/// ```
/// use partyline_domain::ports::Ids;
/// let ids = partyline_fake_adapter::TestIds::default();
/// assert_eq!(ids.call_id().as_str(), "call_000001");
/// assert_eq!(ids.call_id().as_str(), "call_000002");
/// ```
#[derive(Debug, Default)]
pub struct TestIds {
    calls: AtomicU64,
    runs: AtomicU64,
}

impl TestIds {
    /// Ids that begin after `seed`.
    pub fn new(seed: u64) -> Self {
        Self { calls: AtomicU64::new(seed), runs: AtomicU64::new(seed) }
    }
}

impl Ids for TestIds {
    fn call_id(&self) -> CallId {
        let count = self.calls.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        CallId::parse(&format!("call_{count:06}")).expect("letters and digits")
    }

    fn run_id(&self) -> RunId {
        let count = self.runs.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        RunId::parse(&format!("run_{count:06}")).expect("letters and digits")
    }
}
