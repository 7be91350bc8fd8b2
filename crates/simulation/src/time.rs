//! Virtual time: whole nanoseconds since the first moment of a run.

/// A second.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// A moment that has not come.
pub(crate) const NEVER: u64 = u64::MAX;

/// Whole nanoseconds, nearest.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and time is not negative")]
pub(crate) fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

/// For people and for JSON.
#[expect(clippy::cast_precision_loss, reason = "a double holds 104 days of nanoseconds exactly")]
pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}
