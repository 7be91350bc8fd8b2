//! How often an agent is called: recent calls count more (least recently and frequently used, `scheduling.md` 1.5).

use std::time::Duration;

use crate::time::Instant;

/// After so long a call counts half (`scheduling.md` 2.8).
const HALF_LIFE: Duration = Duration::from_secs(60);
/// What one call counts.
const ONE: u64 = 1 << 24;

/// A decaying count of calls. In whole numbers, so that equal histories are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Frequency {
    value: u64,
    at: Instant,
}

impl Frequency {
    /// What the count has come down to.
    pub(super) fn at(self, now: Instant) -> u64 {
        let passed = now.since(self.at).as_nanos();
        let half_life = HALF_LIFE.as_nanos();
        let halvings = u32::try_from(passed / half_life).unwrap_or(u32::MAX);
        let whole = self.value.checked_shr(halvings).unwrap_or(0);
        // Between two halvings a straight line is near enough to the curve.
        let part = u128::from(whole) * (passed % half_life) / (2 * half_life);
        whole - u64::try_from(part).unwrap_or(0)
    }

    /// The count with one more call.
    pub(super) fn used(self, now: Instant) -> Self {
        Self { value: self.at(now).saturating_add(ONE), at: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_counts_half_after_each_half_life() {
        let at = |seconds| Instant::from_origin(Duration::from_secs(seconds));
        let once = Frequency::default().used(at(0));
        assert_eq!(once.at(at(0)), ONE);
        assert_eq!(once.at(at(30)), ONE * 3 / 4);
        assert_eq!(once.at(at(60)), ONE / 2);
        assert_eq!(once.at(at(120)), ONE / 4);
        assert_eq!(once.at(at(100_000)), 0);
        assert!(once.used(at(1)).at(at(1)) > once.at(at(1)));
    }
}
