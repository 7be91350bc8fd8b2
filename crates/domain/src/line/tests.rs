use std::time::Duration;

use super::*;
use crate::notice::RestoreOutcome;
use crate::phone::CallerId;
use crate::ports::AssignedAgent;

const POLICY: fn() -> LinePolicy = LinePolicy::default;

fn at(seconds: u64) -> Instant {
    Instant::from_origin(Duration::from_secs(seconds))
}

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).expect("valid")
}

fn attempt(name: &str) -> AttemptId {
    AttemptId::parse(name).expect("valid")
}

fn number(assigned: Option<&str>) -> Number {
    Number {
        id: PhoneNumberId::parse("phnum_1").expect("valid"),
        caller_id: CallerId::new("+12025550100"),
        label: "main".into(),
        provider: NumberProvider::Twilio,
        assigned: assigned.map(|id| AssignedAgent { id: agent(id), name: String::new() }),
        inbound: true,
        outbound: true,
    }
}

fn line(assigned: Option<&str>) -> Line {
    let mut line = Line::new(number(None).id);
    line.begin_read(at(0));
    line.read_answered(Some(number(assigned)), at(0), &POLICY());
    line
}

fn want(agent: &AgentId) -> Want<'_> {
    Want { agent, assignment: AssignmentPolicy::IfDifferent, restore: false, since: at(0) }
}

#[test]
fn an_unread_number_is_read_first() {
    let line = Line::new(number(None).id);
    assert_eq!(line.decide(&want(&agent("a")), at(0), &POLICY()), Decision::Read);
}

#[test]
fn a_number_that_has_the_agent_admits_until_the_confirmation_is_too_old() {
    let (line, a) = (line(Some("a")), agent("a"));
    let already = Decision::Admit { outcome: AssignmentOutcome::Already, evidence: Evidence::Fresh };
    assert_eq!(line.decide(&want(&a), at(5), &POLICY()), already);
    assert_eq!(line.decide(&want(&a), at(6), &POLICY()), Decision::Read);
    let later = Want { since: at(1), ..want(&a) };
    let cached = Decision::Admit { outcome: AssignmentOutcome::Already, evidence: Evidence::Cached };
    assert_eq!(line.decide(&later, at(2), &POLICY()), cached);
}

#[test]
fn another_agent_is_assigned_also_on_an_old_confirmation() {
    let line = line(Some("a"));
    let b = agent("b");
    assert_eq!(line.decide(&want(&b), at(1), &POLICY()), Decision::Assign);
    assert_eq!(line.decide(&want(&b), at(99), &POLICY()), Decision::Assign);
    let restoring = Want { restore: true, ..want(&b) };
    assert_eq!(line.decide(&restoring, at(99), &POLICY()), Decision::Read, "whom to give it back to must be known");
}

#[test]
fn always_assigns_what_is_assigned() {
    let (line, a) = (line(Some("a")), agent("a"));
    let always = Want { assignment: AssignmentPolicy::Always, ..want(&a) };
    assert_eq!(line.decide(&always, at(1), &POLICY()), Decision::Assign);
    assert!(line.still_admits(&always, at(1), &POLICY()), "an assignment that was confirmed is not made again");
}

#[test]
fn never_and_outbound_only_need_no_assignment() {
    let (mut line, b) = (line(Some("a")), agent("b"));
    let skipped = Decision::Admit { outcome: AssignmentOutcome::Skipped, evidence: Evidence::Fresh };
    let never = Want { assignment: AssignmentPolicy::Never, ..want(&b) };
    assert_eq!(line.decide(&never, at(1), &POLICY()), skipped);
    line.begin_read(at(0));
    line.read_answered(Some(Number { inbound: false, ..number(None) }), at(0), &POLICY());
    assert_eq!(line.decide(&want(&b), at(1), &POLICY()), skipped);
}

#[test]
fn numbers_that_cannot_dial_are_rejected() {
    for useless in [
        Number { outbound: false, ..number(None) },
        Number { provider: NumberProvider::Other("carrier_pigeon".into()), ..number(None) },
    ] {
        let mut line = Line::new(useless.id.clone());
        line.know(useless, at(0));
        let decision = line.decide(&want(&agent("a")), at(0), &POLICY());
        assert!(matches!(decision, Decision::Reject { reason: FailureReason::NumberUnsupported, .. }), "{decision:?}");
    }
}

#[test]
fn an_unresolved_dial_holds_the_number_for_its_agent() {
    let (mut line, a, b) = (line(Some("a")), agent("a"), agent("b"));
    line.pin(attempt("1"), a.clone());
    assert!(matches!(line.decide(&want(&a), at(1), &POLICY()), Decision::Admit { .. }));
    assert_eq!(line.decide(&want(&b), at(1), &POLICY()), Decision::Wait { until: None });
    line.unpin(&attempt("1"), Some(at(61)));
    assert_eq!(line.decide(&want(&b), at(1), &POLICY()), Decision::Wait { until: Some(at(61)) });
    assert_eq!(line.expire(at(60)), []);
    assert_eq!(line.expire(at(61)), [attempt("1")]);
    assert_eq!(line.decide(&want(&b), at(61), &POLICY()), Decision::Assign);
}

#[test]
fn an_assignment_without_an_answer_holds_the_number_for_its_agent() {
    let (mut line, b, c) = (line(Some("a")), agent("b"), agent("c"));
    line.begin_change(attempt("1"), Some(b.clone()), false, at(1));
    assert_eq!(line.decide(&want(&b), at(1), &POLICY()), Decision::Wait { until: None });
    let lost = ProviderError::in_doubt(crate::FailureKind::TimedOut, "no answer");
    let answered = line.change_answered(&attempt("1"), Err(lost.clone()), at(2), &POLICY());
    assert_eq!(answered.map(|(_, changed)| changed), Some(Changed::Failed(lost)));
    assert_eq!(line.decide(&want(&b), at(3), &POLICY()), Decision::Assign, "the same value may be sent again");
    assert_eq!(line.decide(&want(&c), at(3), &POLICY()), Decision::Wait { until: Some(at(62)) });
}

#[test]
fn only_the_answer_says_who_is_assigned() {
    let mut line = line(Some("a"));
    line.begin_change(attempt("1"), Some(agent("b")), false, at(1));
    let answered = line.change_answered(&attempt("1"), Ok(number(Some("a"))), at(2), &POLICY());
    let different = Changed::Different { now: Some(agent("a")) };
    assert_eq!(answered.map(|(_, changed)| changed), Some(different));
    line.begin_change(attempt("2"), Some(agent("b")), false, at(2));
    assert!(line.change_answered(&attempt("1"), Ok(number(Some("b"))), at(2), &POLICY()).is_none(), "an old answer");
    let answered = line.change_answered(&attempt("2"), Ok(number(Some("b"))), at(3), &POLICY());
    assert_eq!(answered.map(|(_, changed)| changed), Some(Changed::Confirmed));
}

#[test]
fn a_read_that_began_before_a_change_says_nothing_about_the_assignment() {
    let mut line = line(Some("a"));
    line.begin_read(at(1));
    line.begin_change(attempt("1"), Some(agent("b")), false, at(1));
    line.read_answered(Some(number(Some("a"))), at(2), &POLICY());
    line.change_answered(&attempt("1"), Ok(number(Some("b"))), at(2), &POLICY());
    let b = agent("b");
    assert!(matches!(line.decide(&want(&b), at(3), &POLICY()), Decision::Admit { .. }));
}

#[test]
fn a_slow_read_does_not_undo_a_change_that_overtook_it() {
    let mut line = line(Some("a"));
    line.begin_read(at(1));
    changed_to(&mut line, "1", "b", 2);
    line.read_answered(Some(number(Some("a"))), at(4), &POLICY());
    let (a, b) = (agent("a"), agent("b"));
    assert!(matches!(line.decide(&want(&b), at(4), &POLICY()), Decision::Admit { .. }));
    assert_eq!(line.decide(&want(&a), at(4), &POLICY()), Decision::Assign);
}

#[test]
fn the_second_slow_answer_in_a_row_is_good_for_a_moment() {
    let (mut line, a) = (Line::new(number(None).id), agent("a"));
    line.begin_read(at(0));
    line.read_answered(Some(number(Some("a"))), at(30), &POLICY());
    assert_eq!(line.decide(&want(&a), at(30), &POLICY()), Decision::Read);
    line.begin_read(at(30));
    line.read_answered(Some(number(Some("a"))), at(60), &POLICY());
    assert!(matches!(line.decide(&want(&a), at(60), &POLICY()), Decision::Admit { .. }));
    assert_eq!(line.decide(&want(&a), at(62), &POLICY()), Decision::Read);
}

fn changed_to(line: &mut Line, name: &str, to: &str, seconds: u64) {
    line.begin_change(attempt(name), Some(agent(to)), false, at(seconds));
    line.change_answered(&attempt(name), Ok(number(Some(to))), at(seconds), &POLICY());
}

#[test]
fn a_number_is_given_back_after_comparing() {
    let mut line = line(Some("inbound"));
    assert_eq!(line.restore_step(at(2), POLICY().freshness), RestoreStep::Nothing);
    assert_eq!(line.remember(&agent("b")), Some(Some(agent("inbound"))));
    assert_eq!(line.remember(&agent("b")), None, "the first one counts");
    changed_to(&mut line, "1", "b", 1);
    line.pin(attempt("2"), agent("b"));
    assert_eq!(line.restore_step(at(2), POLICY().freshness), RestoreStep::Wait { until: None });
    line.unpin(&attempt("2"), None);
    assert_eq!(line.restore_step(at(2), POLICY().freshness), RestoreStep::Read);
    line.begin_compare(at(2));
    assert_eq!(line.restore_step(at(2), POLICY().freshness), RestoreStep::Wait { until: None });
    line.read_answered(Some(number(Some("b"))), at(2), &POLICY());
    assert_eq!(line.restore_step(at(2), POLICY().freshness), RestoreStep::Change(Some(agent("inbound"))));
    changed_to(&mut line, "3", "inbound", 3);
    let restored = RestoreOutcome::Restored { to: Some(agent("inbound")) };
    assert_eq!(line.restore_step(at(2), POLICY().freshness), RestoreStep::Done(restored));
}

#[test]
fn a_change_by_somebody_else_is_left_alone() {
    let mut line = line(None);
    assert_eq!(line.remember(&agent("b")), Some(None));
    changed_to(&mut line, "1", "b", 1);
    line.begin_compare(at(2));
    line.read_answered(Some(number(Some("somebody"))), at(2), &POLICY());
    let left = RestoreOutcome::LeftAlone { now: Some(agent("somebody")) };
    assert_eq!(line.restore_step(at(2), POLICY().freshness), RestoreStep::Done(left));
}
