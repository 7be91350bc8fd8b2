//! What keeps failing is left alone, and the others go on.

use super::several::{call, number_of, phnum};
use super::*;
use crate::notice::Failing;

fn refuse_with(kind: FailureKind) -> ProviderError {
    ProviderError::permanent(kind, "no")
}

fn opened(bench: &Bench) -> Vec<Failing> {
    let opened = bench.effects.iter().filter_map(|effect| match effect {
        Effect::Tell(Notice::BreakerOpened { of, .. }) => Some(of.clone()),
        _ => None,
    });
    opened.collect()
}

/// Twenty calls of an agent, and one of another behind them.
fn crowd() -> Bench {
    let policy = LinePolicy { in_flight_max: 1, freshness: Duration::from_secs(3600), ..LinePolicy::default() };
    let mut bench = Bench::under(&policy);
    for index in 0..20 {
        bench.submit(call(&format!("bad{index}"), "a", &[1]));
    }
    bench.submit(call("good", "b", &[1]));
    bench.read(Some("a"));
    bench.verify("a");
    bench.verify("b");
    bench
}

#[test]
fn an_agent_that_keeps_failing_does_not_hold_up_the_others() {
    let mut bench = crowd();
    for _ in 0..5 {
        bench.dialling();
        bench.dial(Err(refuse_with(FailureKind::Invalid)));
    }
    assert_eq!(opened(&bench), [Failing::Agent(agent("a"))]);
    assert_eq!(bench.assigned().1, "b");
    assert_eq!(bench.on_the_line()[0].0, "good");
    bench.accept();
    assert!(bench.dialling().is_empty(), "the agent is left alone");
    bench.pass(2);
    bench.assigned();
    assert_eq!(bench.dialling().len(), 1, "one call is let through");
    bench.accept();
    assert!(bench.has(|effect| matches!(effect, Effect::Tell(Notice::BreakerClosed { of: Failing::Agent(_) }))));
    assert_eq!(bench.dialling().len(), 1, "and the others follow");
}

#[test]
fn calls_of_an_agent_that_has_failed_for_too_long_fail() {
    let mut bench = crowd();
    let mut failed = 0;
    for _ in 0..40 {
        bench.commit();
        if bench.has(assigns) {
            bench.assigned();
        }
        if let Some((_, attempt, _)) = bench.dialling().first().cloned() {
            let good = attempt.starts_with("good");
            bench.dial(if good { accepted() } else { Err(refuse_with(FailureKind::Invalid)) });
        } else {
            bench.pass(30);
        }
        while bench.has(|effect| matches!(effect, Effect::Tell(Notice::Completed(_)))) {
            let report = bench.report();
            failed += usize::from(
                matches!(&report.state, CallState::Failed(failed) if failed.failure().reason == FailureReason::AgentFailing),
            );
        }
    }
    assert!(failed >= 1, "the calls that were left do not wait for ever");
    assert!(bench.dispatcher.calls.is_empty());
}

#[test]
fn a_refused_key_stops_dialling_at_once() {
    let mut bench = crowd();
    bench.dialling();
    bench.dial(Err(refuse_with(FailureKind::Unauthorized)));
    let told = |effect: &Effect| {
        matches!(effect, Effect::Tell(Notice::DiallingStopped { kind: FailureKind::Unauthorized, .. }))
    };
    assert!(bench.has(told));
    assert!(bench.dispatcher.calls.is_empty(), "everybody who waited has failed");
    for _ in 0..21 {
        let report = bench.report();
        assert_eq!(failure(&report).1, FailureReason::Provider(FailureKind::Unauthorized));
        assert_eq!(report.state.dialed(), Dialed::No);
    }
    bench.submit(call("next", "a", &[1]));
    assert_eq!(failure(&bench.report()).0, Stage::Verify, "the next one fails without a request");
    bench.pass(11);
    bench.submit(call("later", "a", &[1]));
    assert_eq!(bench.dialling().len(), 1, "later it is tried again");
}

#[test]
fn a_number_that_cannot_be_read_is_passed_over_where_another_will_do() {
    let mut bench = Bench::with(call("c", "a", &[1, 2]));
    bench.submit(call("only", "a", &[1]));
    bench.verify("a");
    bench.take("list of numbers", |effect| matches!(effect, Effect::ListNumbers).then_some(()));
    bench.input(Input::NumbersListed(Ok(vec![number_of(&phnum(2), Some("a"))])));
    assert_eq!(failure(&bench.report()).1, FailureReason::NumberNotFound);
    assert_eq!(bench.on_the_line(), [("c".into(), phnum(2))]);
}
