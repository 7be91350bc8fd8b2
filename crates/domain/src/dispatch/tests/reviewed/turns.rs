//! Whose turn it is.

use super::*;

#[test]
fn calls_that_need_no_session_do_not_starve_those_that_do() {
    let mut world = World::new(&LinePolicy::default(), &[(1, Some("b"))]);
    world.submit(indifferent("first", "a", &[1]));
    world.run_until(millis(600));
    world.submit(call("b", "b", &[1]));
    // 100 a second, where 16 at once can make 64.
    for index in 0..1500 {
        world.submit(indifferent(&format!("n{index}"), "a", &[1]));
        world.run_for(millis(10));
    }
    let dialled = world.dialled("b");
    assert!(dialled.is_some_and(|at| at < millis(10_000)), "dialled at {dialled:?}");
}

#[test]
fn calls_that_always_assign_do_so_once_each() {
    let mut world = World::new(&LinePolicy::default(), &[(1, Some("a"))]);
    for index in 0..20 {
        let policies = Arc::new(Policies { assignment: AssignmentPolicy::Always, ..off() });
        world.submit(CallRequest { policies, ..call(&format!("c{index}"), "a", &[1]) });
    }
    world.run_until(minutes(1));
    assert_eq!((world.initiated(), world.assignments), (20, 20));
}

#[test]
fn who_waits_for_one_busy_number_does_not_hide_who_waits_for_another() {
    let policy = LinePolicy { in_flight_max: 1, replicate: false, ..LinePolicy::default() };
    let mut world = World::new(&policy, &[(1, Some("z")), (2, Some("x"))]);
    for index in 0..400 {
        world.submit(call(&format!("z{index}"), "z", &[1]));
    }
    world.submit(call("x", "x", &[2]));
    world.run_until(millis(1000));
    world.submit(call("p", "p", &[1]));
    world.submit(call("q", "q", &[1]));
    world.run_until(millis(1500));
    for index in 0..200 {
        world.submit(call(&format!("x{index}"), "x", &[2]));
    }
    world.run_until(millis(2000));
    world.submit(call("y", "y", &[2]));
    for index in 0..600 {
        world.run_for(millis(100));
        world.submit(call(&format!("late{index}"), "x", &[2]));
    }
    let dialled = world.dialled("y");
    assert!(dialled.is_some(), "the 200 calls before it take 50 s");
}

#[test]
fn a_call_that_expired_while_its_dial_was_open_is_not_tried_again() {
    let mut world = World::new(&LinePolicy::default(), &[(1, Some("a"))]);
    world.fault = Box::new(|effect, _| dials(effect).then(rate_limited));
    let expires_at = Some(Timestamp::from_unix(millis(400)));
    world.submit(CallRequest { expires_at, ..call("c", "a", &[1]) });
    world.run_until(minutes(10));
    let ending = world.ending("c").expect("it has ended");
    assert_eq!(failure(&ending.report).1, FailureReason::Expired);
    assert!(ending.at < millis(600), "it ended at {:?}", ending.at);
    assert_eq!(world.dials.len(), 1);
}

#[test]
fn the_expiry_of_calls_that_have_ended_leaves_no_timers() {
    let mut world = World::new(&LinePolicy::default(), &[(1, Some("a"))]);
    for index in 0..500 {
        let expires_at = Some(Timestamp::from_unix(minutes(24 * 60)));
        world.submit(CallRequest { expires_at, ..call(&format!("c{index}"), "a", &[1]) });
    }
    world.run_until(minutes(60));
    assert_eq!((world.initiated(), world.dispatcher.timers.len()), (500, 0));
}
