//! Calls that may be live at once.

use super::*;

fn capped(live_max: usize) -> LinePolicy {
    LinePolicy { live_max: Some(live_max), ..LinePolicy::default() }
}

#[test]
fn scarce_places_go_to_the_oldest_call_also_while_the_dials_of_a_session_overlap() {
    let mut world = World::new(&capped(4), &[(1, Some("a"))]);
    world.latency = Latency { dial: millis(15_000), ..Latency::default() };
    world.talk = millis(5000);
    let backlog = |world: &mut World, calls: std::ops::Range<u8>| {
        for index in calls {
            world.submit(call(&format!("a{index}"), "a", &[1]));
        }
    };
    backlog(&mut world, 0..2);
    world.run_until(millis(8000));
    backlog(&mut world, 2..4);
    world.run_until(millis(8500));
    world.submit(call("b", "b", &[1]));
    world.run_until(millis(8600));
    backlog(&mut world, 4..100);
    world.run_until(minutes(5));
    let before = world.dials.iter().take_while(|dial| dial.agent != agent("b")).count();
    assert!(before <= 8, "dialled after {before} calls of which 4 were older");
}

#[test]
fn live_calls_count_also_where_nobody_has_read_the_list_for_long() {
    let mut world = World::new(&capped(2), &[(1, Some("a"))]);
    world.talk = minutes(60);
    world.fault = Box::new(|effect, _| is_dial_of(effect, "x").then(timed_out));
    world.submit(call("a", "a", &[1]));
    world.run_until(minutes(14));
    let look_up = crate::policy::LookUpPolicy { window: millis(1000) };
    world.submit(CallRequest { policies: Arc::new(Policies { look_up, ..off() }), ..call("x", "x", &[1]) });
    // Its place is free again fifteen minutes after anything was last heard of the live call.
    world.run_until(minutes(16));
    for index in 0..3 {
        world.submit(call(&format!("a{index}"), "a", &[1]));
    }
    world.run_until(minutes(16) + millis(20_000));
    let live = world.dials.iter().filter(|dial| dial.agent == agent("a")).count();
    assert_eq!(live, 2);
}

#[test]
fn a_list_that_cannot_be_read_does_not_stop_calls_for_ever() {
    let mut world = World::new(&capped(1), &[(1, Some("a"))]);
    world.fault =
        Box::new(|effect, _| matches!(effect, Effect::Survey { .. }).then(|| refused(FailureKind::MissingPermission)));
    world.talk = minutes(24 * 60);
    world.submit(call("first", "a", &[1]));
    world.submit(call("second", "a", &[1]));
    world.run_until(minutes(10));
    assert!(is_initiated(&world, "first") && world.ending("second").is_none());
    world.run_until(minutes(60));
    assert!(is_initiated(&world, "second"));
}

#[test]
fn whoever_waits_for_a_dial_in_doubt_that_holds_the_only_place_is_dialled_after_it() {
    let mut world = World::new(&capped(1), &[(1, Some("b")), (2, Some("z"))]);
    world.fault = Box::new(|effect, _| is_dial_of(effect, "b").then(timed_out));
    world.submit(call("b", "b", &[1]));
    world.run_until(millis(2000));
    for (id, of, from) in [("z", "z", 2), ("a", "a", 1), ("next", "b", 1)] {
        world.submit(call(id, of, &[from]));
        world.run_for(millis(1000));
    }
    world.run_until(millis(59_000));
    assert_eq!(world.dials.len(), 1);
    world.run_until(minutes(5));
    let order: Vec<&str> = world.dials.iter().map(|dial| dial.call.as_str()).collect();
    assert_eq!(order, ["b", "z", "a", "next"]);
}
