//! Numbers are given back.

use super::*;

fn restoring() -> Policies {
    Policies { after_call: AfterCall::Restore, proof: ProofPolicy::Off, ..Policies::default() }
}

fn invalid() -> ProviderError {
    ProviderError::permanent(FailureKind::Invalid, "422")
}

/// A call of agent a that wants the number given back to "inbound", dialled; only the giving back is left.
pub(super) fn dialled_and_restoring() -> Bench {
    let mut bench = Bench::with(request("c1", "a", restoring()));
    bench.verify("a");
    bench.read(Some("inbound"));
    bench.commit();
    bench.assign(Ok(Some("a")));
    bench.permit();
    bench.commit();
    bench
}

fn restores(bench: &Bench) -> Vec<RestoreOutcome> {
    let outcomes = bench.effects.iter().filter_map(|effect| match effect {
        Effect::Tell(Notice::InboundRestored { outcome, .. }) => Some(outcome.clone()),
        _ => None,
    });
    outcomes.collect()
}

#[test]
fn a_refused_assignment_of_another_call_does_not_hide_that_the_number_is_ours() {
    for policies in [restoring(), Policies { proof: ProofPolicy::Off, ..Policies::default() }] {
        let mut bench = dialled_and_restoring();
        bench.input(Input::Submit(Box::new(request("c2", "b", policies))));
        bench.verify("b");
        bench.dial(accepted());
        bench.commit();
        bench.assign(Err(invalid()));
        bench.commit();
        bench.give_back();
        assert_eq!(restores(&bench), [RestoreOutcome::Restored { to: Some(agent("inbound")) }]);
        assert!(bench.dispatcher.is_idle());
    }
}

#[test]
fn giving_back_without_a_clear_answer_is_compared_and_tried_again() {
    let mut bench = dialled_and_restoring();
    bench.dial(accepted());
    bench.read(Some("a"));
    bench.commit();
    bench.assign(Err(timed_out()));
    bench.commit();
    assert!(!bench.has(assigns));
    bench.pass(1);
    bench.give_back();
    assert_eq!(restores(&bench), [RestoreOutcome::Restored { to: Some(agent("inbound")) }]);
}

#[test]
fn a_number_that_could_not_be_given_back_still_belongs_to_whom_it_did() {
    let mut bench = dialled_and_restoring();
    bench.dial(accepted());
    bench.read(Some("a"));
    bench.commit();
    bench.assign(Err(invalid()));
    assert!(matches!(restores(&bench)[..], [RestoreOutcome::Failed { .. }]));
    assert!(bench.dispatcher.is_idle());
    bench.input(Input::Submit(Box::new(request("c2", "a", restoring()))));
    bench.commit();
    bench.assign(Ok(Some("a")));
    bench.permit();
    bench.commit();
    bench.dial(accepted());
    bench.give_back();
    assert_eq!(restores(&bench)[1..], [RestoreOutcome::Restored { to: Some(agent("inbound")) }]);
}

#[test]
fn a_number_is_given_back_although_the_last_call_at_it_came_to_nothing() {
    let mut bench = dialled_and_restoring();
    bench.dial(accepted());
    bench.input(Input::Submit(Box::new(request("c2", "nobody", Policies::default()))));
    bench.input(Input::AgentAnswered(agent("nobody"), Ok(None)));
    assert!(!bench.dispatcher.is_idle(), "the number is not given back yet");
    bench.read(Some("a"));
    bench.give_back();
    assert!(bench.dispatcher.is_idle());
}

#[test]
fn a_restore_that_waited_too_long_is_compared_again() {
    let mut bench = dialled_and_restoring();
    bench.dial(accepted());
    bench.read(Some("a"));
    let order = |bench: &mut Bench| {
        bench.commit();
        bench.take("restore", |effect| match effect {
            Effect::AssignNumber(order) => Some(order.clone()),
            _ => None,
        })
    };
    let sent = order(&mut bench);
    let until = sent.not_after.since(Instant::from_origin(bench.now));
    assert!(until <= Duration::from_secs(2), "it may leave only just after the comparison, not {until:?}");
    let late = ProviderError::retryable(FailureKind::TooLate, None, "too late");
    bench.input(Input::AssignAnswered(sent.number, sent.attempt, Err(late)));
    bench.pass(1);
    assert!(!bench.has(assigns));
    bench.read(Some("somebody"));
    let left = RestoreOutcome::LeftAlone { now: Some(agent("somebody")) };
    assert_eq!(restores(&bench), [left]);
}
