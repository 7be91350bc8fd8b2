//! A breaker lets one call through, whatever that call still needs.

use super::*;

#[test]
fn the_one_call_of_a_failing_agent_is_dialled_also_where_its_number_must_be_assigned_first() {
    let mut world = World::new(&LinePolicy::default(), &[(1, Some("b"))]);
    world.fault =
        Box::new(|effect, now| (is_dial_of(effect, "a") && now < millis(4000)).then(|| refused(FailureKind::Invalid)));
    for index in 0..5 {
        world.submit(call(&format!("a{index}"), "a", &[1]));
    }
    world.run_until(millis(3000));
    assert!(!world.dispatcher.agent_breakers.is_empty());
    world.submit(call("b", "b", &[1]));
    world.run_until(millis(5000));
    assert!(is_initiated(&world, "b"));
    world.submit(call("again", "a", &[1]));
    world.run_until(millis(10_000));
    assert!(is_initiated(&world, "again"), "it waits for itself");
}

#[test]
fn the_one_call_at_a_failing_number_is_dialled_also_where_the_number_must_be_assigned_first() {
    let mut world = World::new(&LinePolicy::default(), &[(1, Some("a"))]);
    world.fault =
        Box::new(|effect, now| (dials(effect) && now < millis(2000)).then(|| refused(FailureKind::Forbidden)));
    for index in 0..5 {
        world.submit(call(&format!("a{index}"), "a", &[1]));
    }
    world.run_until(millis(1500));
    assert!(!world.dispatcher.number_breakers.is_empty());
    world.submit(call("again", "b", &[1]));
    world.run_until(millis(10_000));
    assert!(is_initiated(&world, "again"), "it waits for itself");
}

#[test]
fn the_one_call_at_a_failing_number_is_dialled_although_its_permit_takes_longer_than_a_confirmation_lasts() {
    let mut world = World::new(&LinePolicy::default(), &[(1, Some("a"))]);
    world.latency = Latency { permit: millis(6000), ..Latency::default() };
    world.fault =
        Box::new(|effect, now| (dials(effect) && now < millis(9000)).then(|| refused(FailureKind::Forbidden)));
    for index in 0..5 {
        world.submit(call(&format!("a{index}"), "a", &[1]));
    }
    world.run_until(millis(20_000));
    assert!(!world.dispatcher.number_breakers.is_empty());
    world.submit(call("again", "a", &[1]));
    world.run_until(minutes(2));
    assert!(is_initiated(&world, "again"));
}

#[test]
fn an_agent_to_whom_no_number_can_be_assigned_does_not_hold_up_the_others() {
    let mut world = World::new(&LinePolicy::default(), &[(1, Some("b"))]);
    world.fault = Box::new(|effect, _| match effect {
        Effect::AssignNumber(order) if order.agent == Some(agent("a")) => Some(refused(FailureKind::Invalid)),
        _ => None,
    });
    for index in 0..1000 {
        world.submit(call(&format!("a{index}"), "a", &[1]));
    }
    world.submit(call("b", "b", &[1]));
    world.run_until(millis(20_000));
    assert!(is_initiated(&world, "b"), "after {} assignments", world.assignments);
}

#[test]
fn indifferent_calls_of_a_failing_agent_do_not_hold_up_the_others() {
    let mut world = World::new(&LinePolicy::default(), &[(1, Some("b"))]);
    world.fault = Box::new(|effect, _| is_dial_of(effect, "a").then(|| refused(FailureKind::Invalid)));
    for index in 0..30 {
        world.submit(indifferent(&format!("a{index}"), "a", &[1]));
    }
    world.run_until(millis(1000));
    world.submit(call("needs", "b", &[1]));
    world.submit(indifferent("needs-not", "b", &[1]));
    world.run_until(millis(10_000));
    assert!(is_initiated(&world, "needs"));
    assert!(is_initiated(&world, "needs-not"));
}
