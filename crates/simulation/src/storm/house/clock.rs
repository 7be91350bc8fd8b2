//! A process's own clock: it begins somewhere, runs a little too fast or too slow, and its wall clock is wrong and jumps.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{Clock, Timer};
use partyline_domain::{Instant, Now, Timestamp};
use partyline_fake_adapter::VirtualClock;

/// How many parts a second has, as far as drift goes.
const PARTS: i128 = 10_000;

/// See the module. Clones are the same clock.
#[derive(Clone)]
pub(super) struct ProcessClock {
    truth: VirtualClock,
    /// Where its monotonic half begins.
    origin: Duration,
    /// How much faster it runs, in parts of ten thousand.
    drift: i64,
    wall_error: Arc<AtomicI64>,
}

impl ProcessClock {
    pub(super) fn new(truth: VirtualClock, origin: Duration, drift: i64, wall_error_seconds: i64) -> Self {
        Self { truth, origin, drift, wall_error: Arc::new(AtomicI64::new(wall_error_seconds)) }
    }

    /// The wall clock is set to be this much wrong.
    pub(super) fn jump(&self, wall_error_seconds: i64) {
        self.wall_error.store(wall_error_seconds, Ordering::Relaxed);
    }

    /// The true time at which this clock shows `own`. Never earlier.
    pub(super) fn truly(&self, own: Instant) -> Instant {
        let shown = nanoseconds(own.since_origin()) - nanoseconds(self.origin);
        let true_time = (shown.max(0) * PARTS + PARTS + i128::from(self.drift) - 1) / (PARTS + i128::from(self.drift));
        Instant::from_origin(duration(true_time))
    }
}

impl Clock for ProcessClock {
    fn now(&self) -> Now {
        let truth = self.truth.now();
        let elapsed = nanoseconds(truth.monotonic.since_origin());
        let shown = elapsed * (PARTS + i128::from(self.drift)) / PARTS;
        let error = i128::from(self.wall_error.load(Ordering::Relaxed)) * 1_000_000_000;
        let wall = nanoseconds(truth.wall.since_unix()) + error;
        Now {
            monotonic: Instant::from_origin(self.origin + duration(shown)),
            wall: Timestamp::from_unix(duration(wall.max(0))),
        }
    }
}

#[async_trait]
impl Timer for ProcessClock {
    async fn sleep_until(&self, at: Instant) {
        self.truth.sleep_until(self.truly(at)).await;
    }
}

fn nanoseconds(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX / PARTS / 2)
}

fn duration(nanoseconds: i128) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}
