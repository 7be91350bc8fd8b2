//! Virtual time: order, wake-ups, and futures that get stuck.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::{join, join3, pending, select};
use partyline_domain::ports::{Clock, Timer};
use partyline_domain::{Instant, Timestamp};
use partyline_fake_adapter::VirtualClock;
use partyline_fake_adapter::clock::{Stuck, run, run_within};

fn seconds(count: u64) -> Instant {
    Instant::from_origin(Duration::from_secs(count))
}

#[test]
fn waiters_wake_in_the_order_in_which_they_are_due() {
    let time = VirtualClock::new();
    let heard = RefCell::new(Vec::new());
    let waiter = |name: &'static str, at: u64| {
        let (time, heard) = (&time, &heard);
        async move {
            time.sleep_until(seconds(at)).await;
            heard.borrow_mut().push((name, time.now().monotonic));
        }
    };
    run(&time, join3(waiter("late", 3), waiter("first", 1), waiter("first too", 1)));
    let heard = heard.into_inner();
    assert_eq!(heard, [("first", seconds(1)), ("first too", seconds(1)), ("late", seconds(3))]);
}

#[test]
fn both_halves_move_together_and_the_wall_can_jump() {
    let time = VirtualClock::starting_at(Timestamp::from_unix(Duration::from_secs(100)));
    time.advance(Duration::from_secs(5));
    assert_eq!((time.now().monotonic, time.now().wall.unix_seconds()), (seconds(5), 105));
    time.set_wall(Timestamp::from_unix(Duration::from_secs(50)));
    time.advance(Duration::from_secs(1));
    assert_eq!((time.now().monotonic, time.now().wall.unix_seconds()), (seconds(6), 51));
}

#[test]
fn a_wait_for_the_past_takes_no_time() {
    let time = VirtualClock::new();
    time.advance(Duration::from_secs(9));
    run(&time, time.sleep_until(seconds(3)));
    assert_eq!(time.now().monotonic, seconds(9));
}

#[test]
fn a_dropped_wait_is_forgotten() {
    let time = VirtualClock::new();
    run(&time, select(time.sleep_until(seconds(1)), time.sleep_until(seconds(1000))));
    assert_eq!((time.now().monotonic, time.waiting()), (seconds(1), 0));
}

#[test]
fn a_future_that_waits_for_nothing_is_stuck() {
    let time = VirtualClock::new();
    let idle = run_within(&time, Duration::MAX, join(time.sleep_until(seconds(2)), pending::<()>()));
    assert_eq!(idle.map(|_| ()), Err(Stuck::Idle { at: seconds(2) }));
}

#[test]
fn the_limit_of_virtual_time_holds() {
    let time = VirtualClock::new();
    let late = run_within(&time, Duration::from_secs(10), time.sleep_until(seconds(11)));
    assert_eq!(late, Err(Stuck::LimitPassed { due: seconds(11) }));
    assert_eq!(run_within(&time, Duration::from_secs(10), time.sleep_until(seconds(10))), Ok(()));
}
