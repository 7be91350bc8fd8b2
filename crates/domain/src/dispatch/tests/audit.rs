//! Proof by pages, outside changes, and numbers that are stopped.

use super::several::call;
use super::*;

fn paged(id: &str) -> CallRequest {
    let policies = Policies { proof: ProofPolicy::Pages, ..Policies::default() };
    CallRequest { policies: Arc::new(policies), ..call(id, "a", &[1]) }
}

fn placed(bench: &mut Bench, id: &str) -> ConversationId {
    bench.submit(paged(id));
    if bench.has(|effect| matches!(effect, Effect::VerifyAgent(_))) {
        bench.verify("a");
    }
    if bench.has(|effect| matches!(effect, Effect::ReadNumber(_))) {
        bench.read(Some("a"));
    }
    bench.commit();
    bench.dialling();
    let conversation = bench.accept();
    assert!(matches!(bench.report().state, CallState::Initiated(_)), "the call does not wait for its proof");
    conversation
}

fn survey(bench: &mut Bench, seen: &[(&ConversationId, &str)]) {
    bench.take("survey", |effect| matches!(effect, Effect::Survey { .. }).then_some(()));
    let summary = |(id, of): &(&ConversationId, &str)| ConversationSummary {
        id: (*id).clone(),
        agent: agent(of),
        started_at: Timestamp::default(),
        status: ConversationStatus::InProgress,
    };
    bench.input(Input::Surveyed(Ok(seen.iter().map(summary).collect())));
}

fn proofs(bench: &Bench) -> Vec<Proof> {
    let proofs = bench.effects.iter().filter_map(|effect| match effect {
        Effect::Tell(Notice::Audited { proof, .. }) => Some(proof.clone()),
        _ => None,
    });
    proofs.collect()
}

#[test]
fn a_page_proves_many_calls() {
    let mut bench = Bench::new();
    let (first, second) = (placed(&mut bench, "c"), placed(&mut bench, "d"));
    assert!(!bench.dispatcher.is_idle());
    bench.pass(5);
    survey(&mut bench, &[(&first, "a"), (&second, "a")]);
    assert_eq!(proofs(&bench), [Proof::Matches { complete: false }, Proof::Matches { complete: false }]);
    assert!(bench.dispatcher.is_idle());
    let appended = bench.effects.iter().filter(|effect| match effect {
        Effect::Commit(_, entry) => entry.changes.iter().any(|change| match change {
            Change::Append { events, .. } => {
                events.iter().any(|event| matches!(event.event, CallEvent::ProofRead { .. }))
            }
            _ => false,
        }),
        _ => false,
    });
    assert_eq!(appended.count(), 2, "the journal has it");
}

#[test]
fn a_full_page_does_not_wait_for_the_time() {
    let mut bench = Bench::new();
    for index in 0..100 {
        placed(&mut bench, &format!("c{index}"));
    }
    assert!(bench.has(|effect| matches!(effect, Effect::Survey { .. })));
}

#[test]
fn a_conversation_that_no_page_shows_ends_as_absent() {
    let mut bench = Bench::new();
    placed(&mut bench, "c");
    for _ in 0..12 {
        bench.pass(5);
        survey(&mut bench, &[]);
    }
    assert_eq!(proofs(&bench), [Proof::Absent]);
    assert!(bench.dispatcher.is_idle());
}

#[test]
fn nobody_waits_long_for_the_last_page() {
    let mut bench = Bench::new();
    let conversation = placed(&mut bench, "c");
    bench.input(Input::Drain);
    survey(&mut bench, &[(&conversation, "a")]);
    assert!(bench.dispatcher.is_idle());
}

#[test]
fn two_calls_with_other_agents_stop_the_number_until_it_is_trusted() {
    let mut bench = Bench::new();
    for id in ["c", "d"] {
        let conversation = placed(&mut bench, id);
        bench.pass(5);
        survey(&mut bench, &[(&conversation, "b")]);
    }
    assert!(bench.has(|effect| matches!(effect, Effect::Tell(Notice::NumberStopped { .. }))));
    bench.submit(paged("e"));
    assert_eq!(failure(&bench.report()).1, FailureReason::NumberStopped);
    bench.input(Input::Trust(number_id()));
    placed(&mut bench, "f");
}

#[test]
fn a_change_by_somebody_else_is_told_and_mended_once_it_is_needed() {
    let mut bench = Bench::new();
    placed(&mut bench, "c");
    bench.pass(10);
    bench.submit(paged("d"));
    bench.read(Some("outsider"));
    let told = bench.take("outside change", |effect| match effect {
        Effect::Tell(Notice::OutsideChange { was, now, .. }) => Some((was.clone(), now.clone())),
        _ => None,
    });
    assert_eq!(told, (Some(agent("a")), Some(agent("outsider"))));
    assert_eq!(bench.assigned().1, "a");
    assert_eq!(bench.on_the_line().len(), 1);
}

#[test]
fn somebody_who_keeps_changing_the_number_is_not_fought_for_ever() {
    let mut bench = Bench::under(&LinePolicy { outside_changes_max: Some(3), ..LinePolicy::default() });
    placed(&mut bench, "c");
    for round in 0..3 {
        bench.pass(10);
        bench.submit(paged(&format!("d{round}")));
        bench.read(Some("outsider"));
        bench.commit();
        if bench.has(assigns) {
            bench.assigned();
            bench.dialling();
            bench.accept();
        }
    }
    assert!(bench.has(|effect| matches!(effect, Effect::Tell(Notice::NumberStopped { .. }))));
}

#[test]
fn a_number_is_read_again_while_it_is_used_before_that_is_urgent() {
    let mut bench = Bench::new();
    placed(&mut bench, "c");
    bench.now += Duration::from_secs(3);
    bench.submit(paged("d"));
    assert!(bench.has(|effect| matches!(effect, Effect::ReadNumber(_))));
    assert_eq!(bench.on_the_line().len(), 1, "the dial does not wait for it");
}

#[test]
fn a_call_in_doubt_is_dialled_once_more_only_by_explicit_policy() {
    let dial = crate::policy::DialPolicy { guarantee: crate::policy::Guarantee::AtLeastOnce, ..Default::default() };
    let policies = Policies { dial, proof: ProofPolicy::Off, ..Policies::default() };
    let mut bench = Bench::with(request("c", "a", policies));
    bench.up_to_dial("a");
    let first = bench.dial(Err(timed_out()));
    for seconds in [2, 3, 10, 15, 30] {
        bench.pass(seconds);
        bench.look_up(None);
    }
    assert!(!bench.has(dials), "the first may still take effect");
    bench.pass(2);
    bench.read(Some("a"));
    bench.commit();
    bench.dialling();
    let second = bench.dial(Err(timed_out()));
    assert_ne!(first, second);
    for seconds in [2, 3, 10, 15, 30] {
        bench.pass(seconds);
        bench.look_up(None);
    }
    let (_, reason, dialed) = failure(&bench.report());
    assert_eq!((reason, dialed), (FailureReason::OutcomeUnknown, Dialed::Unknown), "once more, and not again");
}

#[test]
fn a_call_that_was_given_up_and_taken_back_may_still_have_rung() {
    let dial = crate::policy::DialPolicy { guarantee: crate::policy::Guarantee::AtLeastOnce, ..Default::default() };
    let policies = Policies { dial, proof: ProofPolicy::Off, ..Policies::default() };
    let mut bench = Bench::with(request("c", "a", policies));
    bench.up_to_dial("a");
    bench.dial(Err(timed_out()));
    for seconds in [2, 3, 10, 15, 30] {
        bench.pass(seconds);
        bench.look_up(None);
    }
    bench.input(Input::Cancel(CallId::parse("c").expect("valid")));
    let (_, reason, dialed) = failure(&bench.report());
    assert_eq!((reason, dialed), (FailureReason::Cancelled, Dialed::Unknown));
}

#[test]
fn a_shut_down_lets_open_dials_end_and_starts_no_others() {
    let mut bench = Bench::with(call("c", "a", &[1]));
    bench.up_to_dial("a");
    bench.submit(call("d", "b", &[1]));
    bench.input(Input::ShutDown);
    assert_eq!(failure(&bench.report()).1, FailureReason::ShutDown);
    bench.dial(accepted());
    assert!(matches!(bench.report().state, CallState::Initiated(_)));
}
