//! Numbers that are not known, not there, or slow.

use super::*;

#[test]
fn calls_that_ask_for_different_numbers_while_a_list_is_under_way_both_learn_theirs() {
    let mut world = World::new(&LinePolicy::default(), &[(1, Some("a")), (2, None), (3, None), (4, None)]);
    world.submit(call("c", "a", &[1, 2]));
    world.run_until(millis(100));
    world.submit(call("d", "a", &[3, 4]));
    world.run_until(minutes(1));
    assert!(is_initiated(&world, "c"));
    assert!(is_initiated(&world, "d"));
}

#[test]
fn a_number_that_could_not_be_read_is_tried_again_after_a_pause() {
    let mut world = World::new(&LinePolicy::default(), &[(1, Some("a")), (2, Some("b"))]);
    world.fault = Box::new(|effect, now| match effect {
        Effect::ReadNumber(id) if *id == several::phnum(1) && now < millis(3000) => Some(unreachable()),
        Effect::PlaceCall(_, dial) if dial.agent == agent("b") => Some(timed_out()),
        _ => None,
    });
    world.submit(call("b", "b", &[2]));
    world.submit(call("a", "a", &[1]));
    world.run_until(millis(1000));
    // Its other number is kept by the dial in doubt.
    world.submit(call("c", "a", &[1, 2]));
    world.run_until(millis(10_000));
    assert!(is_initiated(&world, "c"));
}

#[test]
fn a_number_that_does_not_exist_is_not_asked_about_for_each_call() {
    let mut world = World::new(&LinePolicy::default(), &[(1, Some("a"))]);
    for index in 0..100 {
        world.submit(call(&format!("c{index}"), "a", &[1, 9]));
        world.run_for(millis(1000));
    }
    assert_eq!(world.initiated(), 100);
    assert!(world.reads < 100, "{} reads", world.reads);
}

#[test]
fn calls_are_placed_although_the_provider_answers_more_slowly_than_a_confirmation_lasts() {
    let mut world = World::new(&LinePolicy::default(), &[(1, Some("a"))]);
    world.latency = Latency { dial: millis(6000), request: millis(6000), ..Latency::default() };
    world.submit(call("c", "a", &[1]));
    world.run_until(minutes(2));
    assert!(is_initiated(&world, "c"), "after {} reads", world.reads);
}

#[test]
fn the_intent_of_a_dial_that_could_no_longer_bind_and_then_was_in_doubt_is_closed() {
    let policy = LinePolicy { binding: Some(Duration::from_secs(2)), ..LinePolicy::default() };
    let mut bench = Bench::under(&policy);
    bench.submit(call("c", "a", &[1]));
    bench.up_to_dial("a");
    bench.pass(3);
    let attempt = bench.dial(Err(timed_out()));
    let resolves = |effect: &Effect| match effect {
        Effect::Commit(_, entry) => entry.changes.contains(&Change::Resolve(attempt.clone())),
        _ => false,
    };
    let mut closed = false;
    for _ in 0..100 {
        bench.pass(2);
        if bench.has(|effect| matches!(effect, Effect::LookUp(..))) {
            bench.look_up(None);
        }
        closed |= bench.has(resolves);
        bench.commit();
    }
    assert!(closed);
}
