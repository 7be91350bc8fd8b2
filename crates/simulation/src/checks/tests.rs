//! Every check can fail.

use super::*;
use crate::catalogue::find;
use crate::time::SECOND;

/// Two agents and one number, whose calls have all been submitted; number 0 has agent 0.
fn checker(change: impl FnOnce(&mut Scenario)) -> Checker {
    let mut scenario = find("S1").remove(0);
    scenario.agents = 2;
    scenario.calls = 100;
    scenario.policy.in_flight_max = 2;
    change(&mut scenario);
    let mut checker = Checker::new(&scenario);
    for call in 0..scenario.calls {
        checker.submitted(call, call % 2);
    }
    checker.assign_sent(0, 0, 0);
    checker.assign_answered(0, 0);
    checker
}

fn broken(checker: &Checker) -> Option<&'static str> {
    checker.violation().map(|violation| violation.invariant)
}

#[test]
fn what_is_allowed_breaks_nothing() {
    let mut checker = checker(|_| {});
    for call in (0..100).step_by(2) {
        checker.dial_sent(call, 0, 0, 1, SECOND);
        checker.executed(call, 0, false, 1, SECOND);
        checker.dial_answered(call);
        checker.ended(call, SECOND);
    }
    checker.assign_sent(0, 1, SECOND);
    assert_eq!(checker.violation(), None);
}

#[test]
fn an_agent_is_not_changed_under_a_dial() {
    let mut checker = checker(|_| {});
    checker.dial_sent(0, 0, 0, 1, 0);
    checker.assign_sent(0, 1, 0);
    assert_eq!(broken(&checker), Some("I3"));
}

#[test]
fn a_dial_pins_only_while_it_can_bind() {
    let bound = |scenario: &mut Scenario| {
        scenario.policy.binding = Some(std::time::Duration::from_secs(5));
        scenario.calls = 2;
    };
    let mut early = checker(bound);
    early.dial_sent(0, 0, 0, 1, 0);
    early.assign_sent(0, 1, 5 * SECOND - 1);
    assert_eq!(broken(&early), Some("I3"));
    let mut late = checker(bound);
    late.dial_sent(0, 0, 0, 1, 0);
    late.assign_sent(0, 1, 5 * SECOND);
    assert_eq!(broken(&late), None);
}

#[test]
fn two_agents_are_not_in_at_once() {
    let mut dialling = checker(|_| {});
    dialling.dial_sent(0, 0, 0, 1, 0);
    dialling.dial_sent(1, 0, 1, 1, 0);
    assert_eq!(broken(&dialling), Some("I2"));
    let mut assigning = checker(|_| {});
    assigning.assign_sent(0, 0, 0);
    assigning.dial_sent(0, 0, 0, 1, 0);
    assert_eq!(broken(&assigning), Some("I2"));
}

#[test]
fn a_dial_relies_on_a_fresh_confirmation_of_its_agent() {
    let mut old = checker(|_| {});
    old.dial_sent(0, 0, 0, 1, 5 * SECOND + 1);
    assert_eq!(broken(&old), Some("I12"));
    let mut other = checker(|_| {});
    other.dial_sent(1, 0, 1, 1, 0);
    assert_eq!(broken(&other), Some("I12"));
    let mut read_again = checker(|_| {});
    read_again.read_sent(4 * SECOND);
    read_again.read_answered(0, &[(0, 0)]);
    read_again.dial_sent(0, 0, 0, 1, 9 * SECOND);
    assert_eq!(broken(&read_again), None);
}

#[test]
fn a_wrong_agent_is_noticed_unless_somebody_meddled() {
    let mut ours = checker(|_| {});
    ours.executed(0, 0, true, 1, 0);
    assert_eq!(broken(&ours), Some("I1"));
    let mut others = checker(|_| {});
    others.changed(0, true);
    others.assign_sent(0, 0, 0);
    others.executed(0, 0, true, 1, 0);
    assert_eq!(broken(&others), None);
    others.changed(0, false);
    others.executed(1, 0, true, 1, 0);
    assert_eq!(broken(&others), Some("I1"));
}

#[test]
fn a_call_is_dialled_once_and_ends_once() {
    let mut executed = checker(|_| {});
    executed.executed(0, 0, false, 2, 0);
    assert_eq!(broken(&executed), Some("I5"));
    let mut sent = checker(|_| {});
    sent.dial_sent(0, 0, 0, 1, 0);
    sent.dial_sent(0, 0, 0, 1, 0);
    assert_eq!(broken(&sent), Some("I15"));
    let mut ended = checker(|_| {});
    ended.ended(0, 0);
    ended.ended(0, 0);
    assert_eq!(broken(&ended), Some("I7"));
    let mut lost = checker(|_| {});
    lost.finish(0, 0);
    assert_eq!(broken(&lost), Some("I7"));
}

#[test]
fn scarce_slots_go_to_the_oldest() {
    let scarce = |look_ahead| {
        move |scenario: &mut Scenario| {
            scenario.cap = Some(crate::scenario::Cap { live: 5, talk_s: 1.0 });
            scenario.policy.look_ahead = look_ahead;
        }
    };
    // Two calls are live and agent 1 is not known: three slots are free for calls 0, 2 and 4.
    let mut fair = checker(scarce(0));
    fair.dial_sent(4, 0, 0, 3, 0);
    assert_eq!(broken(&fair), None);
    let mut unfair = checker(scarce(0));
    unfair.dial_sent(6, 0, 0, 3, 0);
    assert_eq!(broken(&unfair), Some("I10"));
    let mut campaign = checker(scarce(1));
    campaign.dial_sent(6, 0, 0, 3, 0);
    assert_eq!(broken(&campaign), None);
}

#[test]
fn limits_are_kept() {
    let mut live = checker(|scenario| scenario.cap = Some(crate::scenario::Cap { live: 3, talk_s: 1.0 }));
    live.dial_sent(0, 0, 0, 4, 0);
    assert_eq!(broken(&live), Some("I9"));
    let mut in_flight = checker(|_| {});
    for call in [0, 2, 4] {
        in_flight.dial_sent(call, 0, 0, 1, 0);
    }
    assert_eq!(broken(&in_flight), Some("U7"));
    let mut total = checker(|scenario| scenario.policy.in_flight_total = Some(1));
    total.dial_sent(0, 0, 0, 1, 0);
    total.dial_sent(2, 0, 0, 2, 0);
    assert_eq!(broken(&total), Some("U7"));
}

#[test]
fn a_session_is_not_cut_short() {
    let mut checker = checker(|_| {});
    checker.dial_sent(0, 0, 0, 1, 0);
    checker.dial_answered(0);
    checker.assign_sent(0, 1, 0);
    assert_eq!(broken(&checker), Some("I11"));
}

#[test]
fn a_waiting_agent_is_not_passed_over() {
    let mut passed = checker(|scenario| scenario.agents = 3);
    passed.submitted(99, 2);
    for agent in [1, 0, 1, 0] {
        passed.numbers[0].session = None;
        passed.assign_sent(0, agent, 0);
        passed.assign_answered(0, agent);
    }
    assert_eq!(broken(&passed), None);
    passed.numbers[0].session = None;
    passed.assign_sent(0, 1, 0);
    assert_eq!(broken(&passed), Some("I10"));
    let mut overtaken = checker(|scenario| {
        scenario.policy.quantum = Some(7);
        scenario.calls = 0;
    });
    overtaken.finish(7, 0);
    assert_eq!(broken(&overtaken), None);
    overtaken.finish(8, 0);
    assert_eq!(broken(&overtaken), Some("I10"));
}
