//! The invariants of `scheduling.md` 4.5 that one process without a store can break; each is a function that says what
//! is wrong. They read a finished run. As everything in it has its place, that says no less than a look at each event.
//!
//! "Clean" and the exceptions are those of 4.5, and each says which it makes.

mod calls;
mod numbers;
mod order;
mod writes;

use std::fmt;

use serde::Serialize;

use super::evidence::Evidence;

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Its id in `scheduling.md` 4.5.
    pub invariant: &'static str,
    /// What happened, in one sentence.
    pub sentence: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.sentence)
    }
}

type Verdict = Result<(), Violation>;
type Check = fn(&Evidence<'_>) -> Verdict;

fn broken<T>(invariant: &'static str, sentence: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { invariant, sentence: sentence.into() })
}

/// In the order in which they are told; a run that did not end is judged by everything that does not need its end.
const CHECKS: [Check; 16] = [
    writes::i6_write_ahead,
    writes::i2_exclusion,
    writes::i3_pin,
    calls::i5_at_most_once,
    calls::i15_safe_retry,
    numbers::i12_freshness,
    numbers::i1_right_agent,
    numbers::i13_convergence,
    calls::i9_cap,
    calls::i7_conservation,
    calls::i8_truth,
    calls::i16_liveness,
    calls::i17_shutdown,
    order::i10_overtaking,
    order::i11_no_thrash,
    calls::i14_audit,
];

/// The first invariant that is broken.
pub(super) fn judge(evidence: &Evidence<'_>) -> Option<Violation> {
    CHECKS.iter().find_map(|check| check(evidence).err())
}

/// How many dials were executed once more because a request was executed twice (F4): what 4.5 tolerates in I5 as long
/// as it is reported.
pub(super) fn surplus(evidence: &Evidence<'_>) -> usize {
    evidence.ledger().dials.iter().filter(|dial| evidence.is_second(dial)).count()
}
