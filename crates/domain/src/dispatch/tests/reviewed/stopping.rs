//! Nothing is sent after an end.

use super::*;

#[test]
fn a_dial_that_was_open_at_a_shut_down_is_not_sent_again() {
    let mut world = World::new(&LinePolicy::default(), &[(1, Some("a"))]);
    world.fault = Box::new(|effect, now| (dials(effect) && now < millis(1000)).then(rate_limited));
    world.submit(call("c", "a", &[1]));
    world.run_until(millis(400));
    assert_eq!(world.dials.len(), 1);
    world.input(Input::ShutDown);
    world.run_until(minutes(5));
    assert_eq!(world.dials.len(), 1);
    assert_eq!(failure(&world.ending("c").expect("it has ended").report).2, Dialed::No);
}

#[test]
fn a_number_is_not_given_back_after_everything_was_abandoned() {
    let mut bench = restore::dialled_and_restoring();
    bench.dial(accepted());
    bench.read(Some("a"));
    bench.input(Input::Abandon);
    assert!(bench.dispatcher.is_idle());
    bench.commit();
    assert!(!bench.has(assigns));
}

#[test]
fn agents_are_not_asked_about_after_everything_was_abandoned() {
    let mut bench = Bench::under(&LinePolicy { verify_window: millis(1000), ..LinePolicy::default() });
    bench.submit(call("c", "a", &[1]));
    bench.submit(call("d", "b", &[1]));
    bench.input(Input::Abandon);
    bench.pass(2);
    assert!(!bench.has(|effect| matches!(effect, Effect::VerifyAgent(_) | Effect::VerifyAgents(_))));
}
