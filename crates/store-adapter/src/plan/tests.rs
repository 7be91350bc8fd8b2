//! What the contract suite cannot see: what is written, and who is told.

use std::time::Duration;

use partyline_domain::Timestamp;
use partyline_domain::flow::Evidence;

use super::*;
use crate::archive::StateWord;

fn run(name: &str) -> RunId {
    RunId::parse(name).expect("an id")
}

fn call(name: &str) -> CallId {
    CallId::parse(name).expect("an id")
}

fn number() -> PhoneNumberId {
    PhoneNumberId::parse("n").expect("an id")
}

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).expect("an id")
}

fn known(owner: Option<&str>, origin: &str) -> Known {
    let mut progress = Progress::new();
    progress.version = 1;
    let owner = owner.map(run);
    let known = KnownCall { seq: Some(7), owner, origin: Some(run(origin)), closed: false, progress, request: None };
    let lease = KnownLease { owner: Some(run("me")), epoch: 3, holds: true };
    Known { calls: [(call("c"), known)].into(), leases: [(number(), lease)].into(), ..Known::default() }
}

fn verified(version: u64) -> Change {
    let event = CallEvent::AgentVerified { agent_name: "Restaurant".into(), evidence: Evidence::Fresh };
    let recorded = Recorded { version, at: Timestamp::default(), event };
    Change::Append { call: call("c"), expected: version - 1, events: vec![recorded] }
}

fn assign(attempt: &str, to: &str) -> Change {
    Change::Intend(Intent {
        attempt: AttemptId::parse(attempt).expect("an id"),
        kind: IntentKind::Assign,
        number: number(),
        agent: Some(agent(to)),
        epoch: 3,
        send_by: Timestamp::default(),
        within: Duration::from_secs(2),
        lateness: Duration::from_secs(90),
    })
}

fn planned(known: Known, entries: &[&[Change]]) -> (Vec<bool>, Writes) {
    let me = run("me");
    let mut plan = Plan::new(&me, known);
    let enter = |changes: &&[Change]| plan.enter(&Entry { changes: changes.to_vec() }).is_ok();
    let answers = entries.iter().map(enter).collect();
    (answers, plan.finish())
}

#[test]
fn a_call_is_written_once_however_often_it_is_moved_on() {
    let (answers, writes) =
        planned(known(Some("me"), "me"), &[&[verified(2)], &[verified(2)], &[Change::Close(call("c"))]]);
    assert_eq!(answers, [true, true, true]);
    assert_eq!(writes.events.len(), 1, "the second is the first");
    let (after, before) = &writes.calls[&call("c")];
    assert_eq!((*before, after.progress.version, after.closed), (1, 2, true));
    assert_eq!((after.progress.state, &after.owner), (StateWord::Verified, &None));
}

#[test]
fn others_are_told_only_of_what_concerns_them() {
    let (_, writes) = planned(known(Some("me"), "me"), &[&[verified(2)]]);
    assert!(!writes.remote, "nobody else handed it in");
    let (_, writes) = planned(known(Some("me"), "another"), &[&[verified(2)]]);
    assert!(writes.remote, "another follows it");
    let (_, writes) = planned(known(Some("me"), "me"), &[&[Change::Close(call("c"))]]);
    assert!(writes.remote, "its place may be another's");
}

#[test]
fn what_is_remembered_comes_before_the_changes_of_its_entry() {
    let remember = Change::Remember { number: number(), inbound: None };
    let (answers, writes) = planned(known(None, "me"), &[&[assign("1", "a"), remember], &[assign("2", "b")]]);
    assert_eq!(answers, [true, true]);
    let expected =
        [Memory::Remember(number(), None), Memory::Ours(number(), agent("a")), Memory::Ours(number(), agent("b"))];
    assert_eq!(writes.memory, expected);
    assert_eq!(writes.changed[&number()], Some(agent("b")));
}

#[test]
fn a_refused_entry_leaves_nothing() {
    let foreign = Change::Intend(Intent { epoch: 2, ..intent_of(assign("1", "a")) });
    let (answers, writes) = planned(known(Some("me"), "me"), &[&[verified(2), foreign]]);
    assert_eq!(answers, [false]);
    assert!(writes.calls.is_empty() && writes.events.is_empty() && writes.memory.is_empty());
}

fn intent_of(change: Change) -> Intent {
    let Change::Intend(intent) = change else { panic!("it is one") };
    intent
}
