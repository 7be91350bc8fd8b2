//! Time as the core sees it: always an argument, never asked for.
//!
//! `Now` is a pair. The monotonic half drives timers, deadlines and leases; the wall half is for what is
//! stored and for what is asked of the provider. Neither is ever compared with the other.

use std::fmt;
use std::time::Duration;

/// A point on the monotonic clock: nanoseconds since an origin that only this process knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The point `since_origin` after the clock's origin. Saturates after 584 years.
    pub fn from_origin(since_origin: Duration) -> Self {
        Self(nanoseconds(since_origin))
    }

    /// How long after the origin this is.
    pub fn since_origin(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// How long after `earlier` this is; zero where it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This point plus `delay`. Saturates.
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(delay)))
    }
}

/// A point on the wall clock: nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Timestamp(u64);

impl Timestamp {
    /// The point `since_epoch` after 1970-01-01T00:00:00Z.
    pub fn from_unix(since_epoch: Duration) -> Self {
        Self(nanoseconds(since_epoch))
    }

    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub fn unix_seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// Time since 1970-01-01T00:00:00Z.
    pub fn since_unix(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// This point minus `margin`; not before 1970.
    pub fn before(self, margin: Duration) -> Self {
        Self(self.0.saturating_sub(nanoseconds(margin)))
    }

    /// This point plus `delay`. Saturates.
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(delay)))
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Now {
    /// For timers, deadlines and leases.
    pub monotonic: Instant,
    /// For expiry, look-ups and stored times.
    pub wall: Timestamp,
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.since_origin())
    }
}
