//! The contract of [`Ids`].
#![expect(clippy::unused_async, reason = "cases of every suite are asynchronous, so that one macro runs them all")]

use std::collections::BTreeSet;
use std::sync::Arc;

use partyline_domain::AttemptId;
use partyline_domain::ports::Ids;

use crate::contract::Harness;

/// Sources of ids.
pub trait IdsHarness: Harness {
    /// A source as another process would have it. Called more than once.
    fn ids(&self) -> Arc<dyn Ids>;
}

const MANY: usize = 2000;

/// No call id comes twice, also not from another source.
pub async fn call_ids_are_unique(harness: &impl IdsHarness) {
    let (one, other) = (harness.ids(), harness.ids());
    let ids: BTreeSet<_> = (0..MANY).flat_map(|_| [one.call_id(), other.call_id()]).collect();
    assert_eq!(ids.len(), 2 * MANY);
}

/// No run id comes twice, also not from another source.
pub async fn run_ids_are_unique(harness: &impl IdsHarness) {
    let (one, other) = (harness.ids(), harness.ids());
    let ids: BTreeSet<_> = (0..MANY).flat_map(|_| [one.run_id(), other.run_id()]).collect();
    assert_eq!(ids.len(), 2 * MANY);
}

/// The attempts made from calls and runs are all different: a dial is found by its attempt id alone.
pub async fn attempts_made_from_them_are_unique(harness: &impl IdsHarness) {
    let ids = harness.ids();
    let mut attempts = BTreeSet::new();
    for _ in 0..100 {
        let (call, run) = (ids.call_id(), ids.run_id());
        attempts.extend((1..=5).map(|ordinal| AttemptId::of_call(&call, ordinal)));
        attempts.extend((1..=5).map(|ordinal| AttemptId::of_run(&run, ordinal)));
    }
    assert_eq!(attempts.len(), 1000);
}

/// An id is short and plain enough to travel as a user id, a variable and a URL parameter.
pub async fn ids_travel_anywhere(harness: &impl IdsHarness) {
    let ids = harness.ids();
    let plain = |text: &str| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    for text in [ids.call_id().to_string(), ids.run_id().to_string()] {
        assert!(plain(&text), "{text:?} needs escaping somewhere, or is long");
    }
}
