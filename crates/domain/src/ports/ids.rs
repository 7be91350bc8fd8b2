//! New ids.
//!
//! Proved by the suite `partyline_tests::contract::ids`, which any adapter can be run against.

use crate::ids::{CallId, RunId};

/// Makes ids that nobody has had before.
pub trait Ids: Send + Sync {
    /// The id of a new call; unique over all processes and for all time.
    fn call_id(&self) -> CallId;

    /// The id of a new run of a dispatcher; unique over all processes and for all time.
    fn run_id(&self) -> RunId;
}
