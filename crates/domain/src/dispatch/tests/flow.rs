//! One call at a time: the flow, dialling at most once, and the pin rule.

use super::*;

#[test]
fn verification_and_reading_the_number_run_side_by_side() {
    let mut bench = Bench::with(request("c", "a", Policies::default()));
    assert!(bench.has(|effect| matches!(effect, Effect::VerifyAgent(_))));
    assert!(bench.has(|effect| matches!(effect, Effect::ReadNumber(_))));
    bench.read(Some("a"));
    bench.verify("a");
    bench.permit();
    bench.commit();
    bench.dial(accepted());
    bench.prove(Some(conversation("a")));
    let report = bench.report();
    assert_eq!(report.proof(), Some(&Proof::Matches { complete: true }));
    assert_eq!(report.agent_name.as_deref(), Some("A"));
    assert!(bench.dispatcher.is_idle());
}

#[test]
fn nothing_is_written_to_the_provider_before_the_journal_has_the_intent() {
    let mut bench = Bench::with(request("c", "a", Policies::default()));
    bench.verify("a");
    bench.read(Some("b"));
    assert!(!bench.has(assigns));
    bench.commit();
    bench.assign(Ok(Some("a")));
    bench.permit();
    assert!(!bench.has(dials));
    bench.commit();
    assert!(bench.has(dials));
}

#[test]
fn a_journal_that_refuses_the_intent_prevents_the_dial() {
    let mut bench = Bench::with(request("c", "a", Policies::default()));
    bench.verify("a");
    bench.read(Some("a"));
    bench.commit();
    bench.permit();
    let ticket = bench.take("intent", |effect| match effect {
        Effect::Commit(ticket, entry) => {
            entry.changes.iter().any(|change| matches!(change, Change::Intend(_))).then_some(*ticket)
        }
        _ => None,
    });
    let full = JournalError::Unavailable { detail: "disk full".into(), effect: SideEffect::None };
    bench.input(Input::Committed(ticket, Err(full)));
    bench.commit();
    assert!(!bench.has(dials));
    assert_eq!(failure(&bench.report()), (Stage::Initiate, FailureReason::Journal, Dialed::No));
}

#[test]
fn the_earliest_failed_stage_decides() {
    let mut bench = Bench::with(request("c", "a", Policies::default()));
    let refused = ProviderError::permanent(FailureKind::Unreachable, "connection refused");
    bench.input(Input::NumberAnswered(number_id(), Err(refused.clone())));
    assert!(!bench.has(|effect| matches!(effect, Effect::Tell(Notice::Completed(_)))));
    bench.input(Input::AgentAnswered(agent("a"), Err(refused)));
    let unreachable = FailureReason::Provider(FailureKind::Unreachable);
    assert_eq!(failure(&bench.report()), (Stage::Verify, unreachable, Dialed::No));
}

#[test]
fn missing_and_archived_agents_fail_before_anything_is_changed() {
    for (answer, reason) in [
        (None, FailureReason::AgentNotFound),
        (Some(AgentProfile { id: agent("a"), name: "A".into(), archived: true }), FailureReason::AgentArchived),
    ] {
        let mut bench = Bench::with(request("c", "a", Policies::default()));
        bench.read(Some("b"));
        bench.input(Input::AgentAnswered(agent("a"), Ok(answer)));
        bench.commit();
        assert!(!bench.has(assigns) && !bench.has(dials));
        assert_eq!(failure(&bench.report()), (Stage::Verify, reason, Dialed::No));
    }
}

#[test]
fn an_assignment_that_names_somebody_else_is_not_assigned() {
    for named in [Some("b"), None] {
        let mut bench = Bench::with(request("c", "a", Policies::default()));
        bench.verify("a");
        bench.read(Some("b"));
        bench.commit();
        bench.assign(Ok(named));
        bench.commit();
        assert!(!bench.has(dials));
        assert_eq!(failure(&bench.report()), (Stage::Assign, FailureReason::NotAssigned, Dialed::No));
    }
}

#[test]
fn a_dial_in_doubt_is_looked_up_and_never_sent_again() {
    let mut bench = Bench::with(request("c", "a", Policies::default()));
    bench.up_to_dial("a");
    bench.dial(Err(timed_out()));
    for gap in [2, 3, 10, 15] {
        bench.pass(gap);
        bench.look_up(None);
    }
    assert!(!bench.has(dials));
    bench.pass(30);
    bench.look_up(None);
    assert_eq!(failure(&bench.report()), (Stage::Initiate, FailureReason::OutcomeUnknown, Dialed::Unknown));
    bench.commit();
    assert!(!bench.has(dials));
}

#[test]
fn a_dial_in_doubt_that_is_found_is_initiated_and_proved_by_what_was_found() {
    let mut bench = Bench::with(request("c", "a", Policies::default()));
    bench.up_to_dial("a");
    bench.dial(Err(timed_out()));
    bench.pass(2);
    bench.look_up(Some(conversation("b")));
    let report = bench.report();
    assert!(report.is_misrouted());
    assert_eq!(report.state.dialed(), Dialed::Yes);
}

#[test]
fn a_dial_refused_before_dialling_is_sent_again_under_a_new_attempt_id() {
    let mut bench = Bench::with(request("c", "a", Policies::default()));
    bench.up_to_dial("a");
    let limited = ProviderError::retryable(FailureKind::RateLimited, Some(Duration::from_secs(3)), "429");
    let first = bench.dial(Err(limited));
    bench.pass(2);
    assert!(!bench.has(|effect| matches!(effect, Effect::AskPermit(..))));
    bench.pass(1);
    bench.permit();
    bench.commit();
    let second = bench.dial(accepted());
    assert_ne!(first, second);
}

#[test]
fn a_long_wait_before_the_next_dial_confirms_the_assignment_again() {
    let mut bench = Bench::with(request("c", "a", Policies::default()));
    bench.up_to_dial("a");
    let limited = ProviderError::retryable(FailureKind::RateLimited, Some(Duration::from_secs(20)), "429");
    bench.dial(Err(limited));
    bench.pass(20);
    bench.read(Some("b"));
    bench.commit();
    assert!(!bench.has(dials), "somebody has changed the number");
    bench.assign(Ok(Some("a")));
    bench.permit();
    bench.commit();
    bench.dial(accepted());
}

#[test]
fn a_refusal_with_a_conversation_may_have_rung() {
    for (conversation, dialed) in [(None, Dialed::No), (ConversationId::parse("conv").ok(), Dialed::Unknown)] {
        let mut bench = Bench::with(request("c", "a", Policies::default()));
        bench.up_to_dial("a");
        bench.dial(Ok(DialAnswer::Refused(DialRefused { message: "busy".into(), conversation })));
        assert_eq!(failure(&bench.report()), (Stage::Initiate, FailureReason::Refused, dialed));
    }
}

#[test]
fn the_agent_changes_only_when_no_dial_of_the_previous_one_is_unresolved() {
    let mut bench = Bench::with(request("c1", "a", Policies::default()));
    bench.up_to_dial("a");
    bench.input(Input::Submit(Box::new(request("c2", "b", Policies::default()))));
    bench.verify("b");
    bench.commit();
    assert!(!bench.has(assigns));
    bench.dial(Err(timed_out()));
    bench.commit();
    assert!(!bench.has(assigns), "a dial in doubt is unresolved");
    bench.pass(61);
    bench.commit();
    assert!(!bench.has(assigns));
    bench.pass(1);
    bench.commit();
    assert!(bench.has(assigns), "sixty seconds after the last moment to send it, it can no longer take effect");
}

#[test]
fn inbound_is_given_back_after_the_last_call() {
    let policies = Policies { after_call: AfterCall::Restore, proof: ProofPolicy::Off, ..Policies::default() };
    let mut bench = Bench::with(request("c", "a", policies));
    bench.verify("a");
    bench.read(Some("inbound"));
    let remembered = bench.has(|effect| match effect {
        Effect::Commit(_, entry) => {
            let remember = entry.changes.iter().position(|change| matches!(change, Change::Remember { .. }));
            let intend = entry.changes.iter().position(|change| matches!(change, Change::Intend(_)));
            remember.zip(intend).is_some_and(|(remember, intend)| remember < intend)
        }
        _ => false,
    });
    assert!(remembered, "who answered is journalled before the number is changed");
    bench.commit();
    bench.assign(Ok(Some("a")));
    bench.permit();
    bench.commit();
    bench.dial(accepted());
    bench.give_back();
    let restored = RestoreOutcome::Restored { to: Some(agent("inbound")) };
    assert_eq!(bench.report().restore, Some(restored));
}

#[test]
fn an_outbound_only_number_skips_the_assignment() {
    let mut bench = Bench::with(request("c", "a", Policies::default()));
    bench.verify("a");
    let outbound_only = Number { inbound: false, ..number(None) };
    bench.input(Input::NumberAnswered(number_id(), Ok(Some(outbound_only))));
    bench.permit();
    bench.commit();
    assert!(!bench.has(assigns));
    bench.dial(accepted());
    bench.prove(Some(conversation("a")));
    assert_eq!(bench.report().assignment, Some(crate::flow::AssignmentOutcome::Skipped));
}

#[test]
fn cancelling_stops_before_the_dial_and_not_after() {
    let cancel = || Input::Cancel(CallId::parse("c").expect("valid"));
    let mut bench = Bench::with(request("c", "a", Policies::default()));
    bench.verify("a");
    bench.read(Some("a"));
    bench.permit();
    bench.input(cancel());
    bench.commit();
    assert!(!bench.has(dials));
    assert_eq!(failure(&bench.report()), (Stage::Initiate, FailureReason::Cancelled, Dialed::No));

    let mut bench = Bench::with(request("c", "a", Policies::default()));
    bench.up_to_dial("a");
    bench.input(cancel());
    bench.dial(accepted());
    bench.prove(None);
    assert_eq!(bench.report().state.dialed(), Dialed::Yes);
}

#[test]
fn an_interrupt_leaves_an_open_dial_in_doubt() {
    let mut bench = Bench::with(request("c", "a", Policies::default()));
    bench.up_to_dial("a");
    bench.take("dial", |effect| dials(effect).then_some(()));
    bench.input(Input::Interrupt);
    assert!(bench.has(|effect| matches!(effect, Effect::DropDial(_))));
    bench.pass(2);
    bench.look_up(Some(conversation("a")));
    assert_eq!(bench.report().state.dialed(), Dialed::Yes);
}

#[test]
fn abandoning_says_that_the_outcome_is_unknown() {
    let mut bench = Bench::with(request("c", "a", Policies::default()));
    bench.up_to_dial("a");
    bench.input(Input::Abandon);
    assert_eq!(failure(&bench.report()), (Stage::Initiate, FailureReason::OutcomeUnknown, Dialed::Unknown));
    assert!(bench.dispatcher.is_idle());
}

#[test]
fn required_proof_is_read_until_it_is_complete() {
    let policies = Policies { proof: ProofPolicy::Required, ..Policies::default() };
    let mut bench = Bench::with(request("c", "a", policies));
    bench.up_to_dial("a");
    bench.dial(accepted());
    bench.prove(None);
    bench.pass(2);
    bench.prove(Some(Conversation { phone_call: None, ..conversation("a") }));
    bench.pass(3);
    bench.prove(Some(conversation("a")));
    assert_eq!(bench.report().proof(), Some(&Proof::Matches { complete: true }));
}

#[test]
fn a_second_call_of_an_agent_uses_what_is_known() {
    let policies = || Policies { proof: ProofPolicy::Off, ..Policies::default() };
    let mut bench = Bench::with(request("c1", "a", policies()));
    bench.up_to_dial("a");
    bench.dial(accepted());
    bench.input(Input::Submit(Box::new(request("c2", "a", policies()))));
    bench.permit();
    bench.commit();
    bench.dial(accepted());
    assert!(!bench.has(|effect| matches!(effect, Effect::VerifyAgent(_) | Effect::ReadNumber(_))));
}

#[test]
fn the_policy_never_leaves_the_number_alone() {
    let policies = Policies { assignment: AssignmentPolicy::Never, ..Policies::default() };
    let mut bench = Bench::with(request("c", "a", policies));
    bench.verify("a");
    bench.read(Some("b"));
    bench.permit();
    bench.commit();
    assert!(bench.has(dials) && !bench.has(assigns));
}
