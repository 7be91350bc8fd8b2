//! The contract of [`Clock`] and [`Timer`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::{join, join3};
use partyline_domain::ports::{Clock, Timer};

use crate::contract::Harness;

/// A clock and its timer, real or virtual.
#[async_trait]
pub trait TimeHarness: Harness {
    /// The clock under test.
    fn clock(&self) -> Arc<dyn Clock>;

    /// The timer that waits for that clock.
    fn timer(&self) -> Arc<dyn Timer>;

    /// Lets at least `by` pass on the clock: a virtual one is put forward, a real one is waited for. What waits
    /// for a time that has come is woken before this returns or soon after.
    async fn pass(&self, by: Duration);
}

const STEP: Duration = Duration::from_millis(4);

/// The monotonic half never goes back, however often it is read.
pub async fn monotonic_time_never_goes_back(harness: &impl TimeHarness) {
    let clock = harness.clock();
    let mut before = clock.now().monotonic;
    for _ in 0..3 {
        for _ in 0..1000 {
            let now = clock.now().monotonic;
            assert!(now >= before, "{now} came after {before}");
            before = now;
        }
        harness.pass(STEP).await;
    }
}

/// What passes is seen on the clock, on both halves.
pub async fn what_passes_is_seen(harness: &impl TimeHarness) {
    let clock = harness.clock();
    let before = clock.now();
    harness.pass(STEP).await;
    let after = clock.now();
    assert!(after.monotonic.since(before.monotonic) >= STEP, "{after:?} is not {STEP:?} after {before:?}");
    assert!(after.wall > before.wall, "the wall clock stood still: {before:?}, {after:?}");
}

/// A time that has come needs no waiting.
pub async fn the_past_wakes_at_once(harness: &impl TimeHarness) {
    let (clock, timer) = (harness.clock(), harness.timer());
    let start = clock.now().monotonic;
    harness.pass(STEP).await;
    timer.sleep_until(start).await;
    timer.sleep_until(clock.now().monotonic).await;
}

/// No wait ends early.
pub async fn nothing_wakes_early(harness: &impl TimeHarness) {
    let (clock, timer) = (harness.clock(), harness.timer());
    let at = clock.now().monotonic.after(STEP);
    let sleep = async {
        timer.sleep_until(at).await;
        clock.now().monotonic
    };
    let (woken, ()) = join(sleep, harness.pass(2 * STEP)).await;
    assert!(woken >= at, "woken at {woken}, before {at}");
}

/// Waits may be asked for in any order and for the same time.
pub async fn waits_do_not_depend_on_each_other(harness: &impl TimeHarness) {
    let (clock, timer) = (harness.clock(), harness.timer());
    let start = clock.now().monotonic;
    let until = async |steps: u32| {
        let at = start.after(steps * STEP);
        timer.sleep_until(at).await;
        assert!(clock.now().monotonic >= at, "woken before {at}");
    };
    join(join3(until(3), until(1), until(1)), harness.pass(4 * STEP)).await;
}

/// A dropped wait is forgotten and does not disturb the next one.
pub async fn a_dropped_wait_is_forgotten(harness: &impl TimeHarness) {
    let (clock, timer) = (harness.clock(), harness.timer());
    let at = clock.now().monotonic.after(1000 * STEP);
    let dropped = timer.sleep_until(at).now_or_never();
    assert!(dropped.is_none(), "woken at once for a time that has not come");
    let next = clock.now().monotonic.after(STEP);
    join(timer.sleep_until(next), harness.pass(2 * STEP)).await;
    assert!(clock.now().monotonic >= next, "woken before {next}");
}
