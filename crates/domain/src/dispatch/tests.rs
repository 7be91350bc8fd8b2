//! One behaviour each, by hand; the property test in `tests/dispatcher_properties.rs` does the rest.

#![expect(clippy::wildcard_enum_match_arm, reason = "each test looks for the one effect it is about")]

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::error::ProviderError;
use crate::flow::{CallState, Dialed, FailureReason, Proof, Stage};
use crate::ids::{AttemptId, ConversationId};
use crate::notice::{CallReport, RestoreOutcome};
use crate::phone::{CallerId, PhoneNumber};
use crate::policy::{AfterCall, AssignmentPolicy, Policies, ProofPolicy};
use crate::ports::AgentProfile;
use crate::ports::{
    AssignedAgent, Change, Conversation, ConversationPhoneCall, ConversationStatus, DialAccepted, DialAnswer,
    DialRefused, Number, NumberProvider, Permit,
};
use crate::request::{NumberChoice, Priority};
use crate::time::Timestamp;
use crate::{FailureKind, JournalError, SideEffect};

/// A dispatcher, a clock, and everything that came out and was not used up.
struct Bench {
    dispatcher: Dispatcher,
    now: Duration,
    effects: Vec<Effect>,
}

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).expect("valid")
}

fn number_id() -> PhoneNumberId {
    PhoneNumberId::parse("phnum_1").expect("valid")
}

fn number(assigned: Option<&str>) -> Number {
    Number {
        id: number_id(),
        caller_id: CallerId::new("+12025550100"),
        label: "main".into(),
        provider: NumberProvider::Twilio,
        assigned: assigned.map(|id| AssignedAgent { id: agent(id), name: String::new() }),
        inbound: true,
        outbound: true,
    }
}

fn request(call: &str, of: &str, policies: Policies) -> CallRequest {
    CallRequest {
        id: CallId::parse(call).expect("valid"),
        agent: agent(of),
        numbers: NumberChoice::one(number_id()),
        to: PhoneNumber::parse("+12025550123").expect("valid"),
        priority: Priority::Normal,
        expires_at: None,
        options: Arc::default(),
        policies: Arc::new(policies),
    }
}

impl Bench {
    fn new() -> Self {
        let run = RunId::parse("run").expect("valid");
        Self { dispatcher: Dispatcher::new(run, LinePolicy::default()), now: Duration::ZERO, effects: Vec::new() }
    }

    fn with(request: CallRequest) -> Self {
        let mut bench = Self::new();
        bench.input(Input::Submit(Box::new(request)));
        bench
    }

    fn input(&mut self, input: Input) {
        let now = Now { monotonic: Instant::from_origin(self.now), wall: Timestamp::from_unix(self.now) };
        self.effects.extend(self.dispatcher.handle(input, now));
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.input(Input::Wake);
    }

    /// Takes out the first effect that fits.
    fn take<T>(&mut self, what: &str, fits: impl Fn(&Effect) -> Option<T>) -> T {
        let index = self.effects.iter().position(|effect| fits(effect).is_some());
        let index = index.unwrap_or_else(|| panic!("no {what} in {:#?}", self.effects));
        fits(&self.effects.remove(index)).expect("it was found")
    }

    fn has(&self, fits: impl Fn(&Effect) -> bool) -> bool {
        self.effects.iter().any(fits)
    }

    fn commit(&mut self) {
        while let Some(index) = self.effects.iter().position(|effect| matches!(effect, Effect::Commit(..))) {
            let Effect::Commit(ticket, _) = self.effects.remove(index) else { unreachable!("just matched") };
            self.input(Input::Committed(ticket, Ok(())));
        }
    }

    fn verify(&mut self, name: &str) {
        let id = self.take("verification", |effect| match effect {
            Effect::VerifyAgent(id) if id.as_str() == name => Some(id.clone()),
            _ => None,
        });
        let profile = AgentProfile { id: id.clone(), name: name.to_uppercase(), archived: false };
        self.input(Input::AgentAnswered(id, Ok(Some(profile))));
    }

    fn read(&mut self, assigned: Option<&str>) {
        let id = self.take("read", |effect| match effect {
            Effect::ReadNumber(id) => Some(id.clone()),
            _ => None,
        });
        self.input(Input::NumberAnswered(id, Ok(Some(number(assigned)))));
    }

    fn assign(&mut self, answer: Result<Option<&str>, ProviderError>) {
        let order = self.take("assignment", |effect| match effect {
            Effect::AssignNumber(order) => Some(order.clone()),
            _ => None,
        });
        self.input(Input::AssignAnswered(order.number, order.attempt, answer.map(number)));
    }

    fn permit(&mut self) {
        let (slot, attempt) = self.take("question for a permit", |effect| match effect {
            Effect::AskPermit(slot, request) => Some((*slot, request.attempt.clone())),
            _ => None,
        });
        self.input(Input::Permitted(slot, Permit { attempt }));
    }

    fn dial(&mut self, answer: Result<DialAnswer, ProviderError>) -> AttemptId {
        let (slot, attempt) = self.take("dial", |effect| match effect {
            Effect::PlaceCall(slot, dial) => Some((*slot, dial.attempt.clone())),
            _ => None,
        });
        self.input(Input::DialAnswered(slot, attempt.clone(), answer));
        attempt
    }

    fn look_up(&mut self, found: Option<Conversation>) {
        let (slot, look_up) = self.take("look-up", |effect| match effect {
            Effect::LookUp(slot, look_up) => Some((*slot, look_up.clone())),
            _ => None,
        });
        self.input(Input::LookedUp(slot, look_up.attempt, Ok(found)));
    }

    fn prove(&mut self, record: Option<Conversation>) {
        let slot = self.take("read of the conversation", |effect| match effect {
            Effect::ReadConversation(slot, _) => Some(*slot),
            _ => None,
        });
        self.input(Input::ConversationRead(slot, Ok(record)));
    }

    /// Brings a call whose number has its agent up to the dial.
    fn up_to_dial(&mut self, name: &str) {
        self.verify(name);
        self.read(Some(name));
        self.permit();
        self.commit();
    }

    /// Lets a number that still has agent a be compared and given back.
    fn give_back(&mut self) {
        self.read(Some("a"));
        self.commit();
        self.assign(Ok(Some("inbound")));
    }

    fn report(&mut self) -> CallReport {
        self.take("report", |effect| match effect {
            Effect::Tell(Notice::Completed(report)) => Some((**report).clone()),
            _ => None,
        })
    }
}

fn dials(effect: &Effect) -> bool {
    matches!(effect, Effect::PlaceCall(..))
}

fn assigns(effect: &Effect) -> bool {
    matches!(effect, Effect::AssignNumber(_))
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where failures stand too")]
fn accepted() -> Result<DialAnswer, ProviderError> {
    let conversation = ConversationId::parse("conv_1").expect("valid");
    Ok(DialAnswer::Accepted(DialAccepted { conversation, provider_call_id: None }))
}

fn timed_out() -> ProviderError {
    ProviderError::in_doubt(FailureKind::TimedOut, "no answer in time")
}

fn conversation(of: &str) -> Conversation {
    Conversation {
        id: ConversationId::parse("conv_1").expect("valid"),
        agent: agent(of),
        status: ConversationStatus::InProgress,
        user_id: None,
        attempt: None,
        phone_call: Some(ConversationPhoneCall {
            number: Some(number_id()),
            external_number: Some(CallerId::new("+12025550123")),
            provider_call_id: None,
        }),
        error: None,
    }
}

fn failure(report: &CallReport) -> (Stage, FailureReason, Dialed) {
    let CallState::Failed(failed) = &report.state else { panic!("{} has not failed", report.request.id) };
    let failure = failed.failure();
    (failure.stage, failure.reason.clone(), failure.dialed)
}

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

fn restoring() -> Policies {
    Policies { after_call: AfterCall::Restore, proof: ProofPolicy::Off, ..Policies::default() }
}

fn invalid() -> ProviderError {
    ProviderError::permanent(FailureKind::Invalid, "422")
}

/// A call of agent a that wants the number given back to "inbound", dialled; only the giving back is left.
fn dialled_and_restoring() -> Bench {
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
