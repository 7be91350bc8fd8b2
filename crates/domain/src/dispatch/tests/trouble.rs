//! What was believed turns out to be wrong, and what was written is not taken.

use super::restore::dialled_and_restoring;
use super::*;

#[test]
fn a_dial_does_not_leave_when_the_number_turned_out_to_have_another_agent() {
    let mut bench = Bench::with(request("c", "a", Policies::default()));
    bench.verify("a");
    bench.read(Some("a"));
    bench.commit();
    bench.permit();
    let known = Input::KnowNumber(number(Some("b")), Instant::from_origin(bench.now + Duration::from_millis(1)));
    bench.now += Duration::from_millis(2);
    bench.input(known);
    bench.commit();
    assert!(!bench.has(dials));
    bench.assign(Ok(Some("a")));
    bench.commit();
    bench.dial(accepted());
}

#[test]
fn what_is_handed_over_does_not_undo_what_is_known_better() {
    let mut bench = dialled_and_restoring();
    bench.dial(accepted());
    bench.input(Input::KnowNumber(number(Some("inbound")), Instant::from_origin(Duration::ZERO)));
    let line = bench.dispatcher.lines().next().expect("a line");
    assert_eq!(line.number().and_then(|number| number.assigned_id()), Some(&agent("a")));
}

#[test]
fn a_misrouted_call_quarantines_its_number() {
    let mut bench = Bench::with(request("c1", "a", Policies::default()));
    bench.up_to_dial("a");
    bench.dial(accepted());
    bench.prove(Some(conversation("b")));
    assert!(bench.has(|effect| matches!(effect, Effect::Tell(Notice::NumberQuarantined { .. }))));
    bench.input(Input::Submit(Box::new(request("c2", "a", Policies::default()))));
    bench.commit();
    assert!(!bench.has(|effect| matches!(effect, Effect::AskPermit(..))), "it is read first");
    bench.read(Some("a"));
    bench.permit();
    bench.commit();
    bench.dial(accepted());
}

#[test]
fn an_intent_that_was_never_sent_is_closed() {
    let mut bench = Bench::with(request("c", "a", Policies::default()));
    bench.verify("a");
    bench.read(Some("b"));
    bench.input(Input::Cancel(CallId::parse("c").expect("valid")));
    bench.commit();
    assert!(!bench.has(assigns));
    bench.commit();
    assert!(bench.dispatcher.is_idle());
}

#[test]
fn a_call_that_another_process_has_is_not_said_to_be_not_dialled() {
    let mut bench = Bench::new();
    bench.input(Input::Submit(Box::new(request("c", "a", Policies::default()))));
    let ticket = bench.take("entry", |effect| match effect {
        Effect::Commit(ticket, _) => Some(*ticket),
        _ => None,
    });
    let call = CallId::parse("c").expect("valid");
    bench.input(Input::Committed(ticket, Err(JournalError::Conflict { call, expected: 0, actual: 5 })));
    let (_, reason, dialed) = failure(&bench.report());
    assert_eq!((reason, dialed), (FailureReason::Superseded, Dialed::Unknown));
}

#[test]
fn a_number_that_can_be_read_again_is_no_longer_in_the_way() {
    let mut bench = Bench::with(request("c", "a", Policies::default()));
    let busy = ProviderError::retryable(FailureKind::Unavailable, None, "503");
    bench.input(Input::NumberAnswered(number_id(), Err(busy)));
    bench.input(Input::Submit(Box::new(request("c2", "a", Policies::default()))));
    bench.effects.retain(|effect| !matches!(effect, Effect::ReadNumber(_)));
    bench.input(Input::NumberAnswered(number_id(), Ok(Some(number(Some("a"))))));
    bench.verify("a");
    bench.permit();
    bench.commit();
    bench.dial(accepted());
}
