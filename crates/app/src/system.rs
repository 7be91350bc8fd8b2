//! The machine's clock, timer and randomness behind the domain's ports.

use std::time::{Duration, Instant as SystemInstant, SystemTime};

use async_trait::async_trait;
use partyline_domain::ports::{Clock, Ids, Timer};
use partyline_domain::{CallId, Instant, Now, RunId, Timestamp};
use uuid::{Builder, Uuid};

use crate::errors::AppError;

/// So long before it was made lies a clock's origin: what is learned from others that happened before this process
/// began has a place on its clock too.
const HEAD_START: Duration = Duration::from_secs(60 * 60);

/// The system's clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock {
    made: SystemInstant,
}

impl SystemClock {
    /// A clock that begins now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock behind the port")]
    pub(crate) fn new() -> Self {
        Self { made: SystemInstant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock behind the port")]
    fn now(&self) -> Now {
        // A wall clock before 1970 is not set at all.
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let monotonic = Instant::from_origin(HEAD_START.saturating_add(self.made.elapsed()));
        Now { monotonic, wall: Timestamp::from_unix(wall) }
    }
}

/// tokio's timer on a [`SystemClock`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokioTimer {
    clock: SystemClock,
}

impl TokioTimer {
    /// A timer for `clock`'s points in time.
    pub(crate) fn new(clock: SystemClock) -> Self {
        Self { clock }
    }
}

#[async_trait]
impl Timer for TokioTimer {
    async fn sleep_until(&self, at: Instant) {
        // Never early: tokio rounds up to whole milliseconds.
        let Some(since_made) = at.since_origin().checked_sub(HEAD_START) else { return };
        match self.clock.made.checked_add(since_made) {
            Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
            None => std::future::pending().await,
        }
    }
}

/// UUIDs of version 7: sorted by time, unique over all machines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UuidIds {
    clock: SystemClock,
}

impl UuidIds {
    /// Ids that carry `clock`'s wall time.
    ///
    /// # Errors
    /// Exit code 1 where the system has no randomness to give.
    pub(crate) fn new(clock: SystemClock) -> Result<Self, AppError> {
        let failed = |why| AppError::unexpected(format!("the system gives no random bytes: {why}"));
        getrandom::fill(&mut [0; 10]).map_err(failed)?;
        Ok(Self { clock })
    }

    fn next(self) -> Uuid {
        let mut random = [0; 10];
        getrandom::fill(&mut random).expect("the source of randomness worked when this was made");
        let since_unix: Duration = self.clock.now().wall.since_unix();
        let milliseconds = u64::try_from(since_unix.as_millis()).unwrap_or(u64::MAX);
        Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid()
    }
}

impl Ids for UuidIds {
    fn call_id(&self) -> CallId {
        CallId::parse(&self.next().to_string()).expect("a UUID is hexadecimal digits and dashes")
    }

    fn run_id(&self) -> RunId {
        RunId::parse(&self.next().to_string()).expect("a UUID is hexadecimal digits and dashes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_version_7_and_never_the_same() {
        let ids = UuidIds::new(SystemClock::new()).unwrap_or_else(|why| panic!("{why:?}"));
        let (first, second) = (ids.call_id(), ids.call_id());
        assert_ne!(first, second);
        let parsed = Uuid::parse_str(first.as_str()).expect("a UUID");
        assert_eq!(parsed.get_version_num(), 7);
    }

    #[tokio::test]
    async fn the_timer_goes_by_the_clock() {
        let clock = SystemClock::new();
        let timer = TokioTimer::new(clock);
        timer.sleep_until(Instant::default()).await;
        let at = clock.now().monotonic.after(Duration::from_millis(20));
        timer.sleep_until(at).await;
        let after = clock.now().monotonic.since(at);
        assert!(clock.now().monotonic >= at && after < Duration::from_secs(10), "{after:?}");
    }

    #[test]
    fn the_monotonic_half_never_goes_back() {
        let clock = SystemClock::new();
        let (first, second) = (clock.now(), clock.now());
        assert!(second.monotonic >= first.monotonic);
        assert!(first.monotonic.since_origin() >= HEAD_START, "an hour ago has a place");
        assert!(first.wall.unix_seconds() > 1_700_000_000);
    }
}
