//! Numbers that are shared with other processes: leases, claims, quarantine, and calls that go on from their history.

use std::collections::BTreeSet;

use super::*;
use crate::flow::{CallEvent, DoubtCause, Evidence, FoundBy};
use crate::policy::SharingPolicy;
use crate::ports::{
    Claim, Claimed, Intent, IntentKind, Recorded, Release, Renewed, StoreUnavailable, StoredCall, Taken, Unresolved,
};

const BEGIN: u64 = 1_000;

fn sharing() -> Bench {
    let run = RunId::parse("run").expect("valid");
    let policy = SharingPolicy::default();
    let dispatcher = Dispatcher::shared(run, LinePolicy::default(), policy);
    let mut bench = Bench { dispatcher, now: Duration::from_secs(BEGIN), effects: Vec::new() };
    bench.input(Input::Serve(Some(BTreeSet::from([number_id()]))));
    bench
}

fn taken(epoch: u64) -> Taken {
    Taken { number: number_id(), epoch, unresolved: Vec::new(), remembered: None, ours: BTreeSet::new(), seen: None }
}

fn stored(events: Vec<CallEvent>) -> StoredCall {
    let at = Timestamp::from_unix(Duration::from_secs(BEGIN - 100));
    let recorded = events.into_iter().zip(1..).map(|(event, version)| Recorded { version, at, event });
    StoredCall {
        events: recorded.collect(),
        waited: Duration::from_secs(100),
        open_for: Duration::ZERO,
        over_for: Duration::ZERO,
        cancel: false,
    }
}

fn requested(call: &str, of: &str) -> CallEvent {
    CallEvent::CallRequested { request: request(call, of, Policies::default()) }
}

fn attempt(call: &str) -> AttemptId {
    AttemptId::of_call(&CallId::parse(call).expect("valid"), 1)
}

/// A call whose process ended while its dial was open.
fn dialling(call: &str, of: &str) -> StoredCall {
    let (outcome, evidence) = (crate::flow::AssignmentOutcome::Already, Evidence::Fresh);
    stored(vec![
        requested(call, of),
        CallEvent::AgentVerified { agent_name: "R".to_owned(), evidence },
        CallEvent::NumberAssigned { number: number_id(), outcome, evidence },
        CallEvent::DialIntended { attempt: attempt(call) },
    ])
}

fn unresolved(call: &str, of: &str, open_for: u64, over_for: u64) -> Unresolved {
    let intent = Intent {
        attempt: attempt(call),
        kind: IntentKind::Dial(CallId::parse(call).expect("valid")),
        number: number_id(),
        agent: Some(agent(of)),
        epoch: 1,
        send_by: Timestamp::default(),
        within: Duration::from_secs(2),
        lateness: Duration::ZERO,
    };
    let (open_for, over_for) = (Duration::from_secs(open_for), Duration::from_secs(over_for));
    Unresolved { intent, open_for, over_for }
}

impl Bench {
    fn claim(&mut self) -> Claim {
        self.take("claim", |effect| match effect {
            Effect::Claim(claim) => Some(claim.clone()),
            _ => None,
        })
    }

    fn claims(&mut self, numbers: Vec<Taken>, calls: Vec<StoredCall>) {
        self.claim();
        self.input(Input::Claimed(Ok(Claimed { numbers, calls, ..Claimed::default() })));
    }

    fn release(&mut self) -> Release {
        self.take("release", |effect| match effect {
            Effect::Release(release) => Some(Release::clone(release)),
            _ => None,
        })
    }

    fn renew(&mut self, leases: &[u64]) {
        self.take("renewal", |effect| matches!(effect, Effect::Renew(_)).then_some(()));
        let leases = leases.iter().map(|epoch| (number_id(), *epoch)).collect();
        self.input(Input::Renewed(Ok(Renewed { leases, ..Renewed::default() })));
    }

    fn intents(&self) -> Vec<Intent> {
        let entries = self.effects.iter().filter_map(|effect| match effect {
            Effect::Commit(_, entry) => Some(entry.changes.clone()),
            _ => None,
        });
        let intent = |change| if let Change::Intend(intent) = change { Some(intent) } else { None };
        entries.flatten().filter_map(intent).collect()
    }
}

#[test]
fn a_claimed_call_is_placed_under_its_lease_and_closed() {
    let mut bench = sharing();
    bench.claims(vec![taken(7)], vec![stored(vec![requested("a", "r")])]);
    bench.verify("r");
    bench.read(Some("r"));
    bench.permit();
    let intents = bench.intents();
    assert_eq!((intents[0].epoch, intents[0].within), (7, Duration::from_secs(2)));
    bench.commit();
    let attempt = bench.dial(accepted());
    assert_eq!(attempt.as_str(), "a.1");
    bench.prove(None);
    let closed = bench.has(|effect| match effect {
        Effect::Commit(_, entry) => entry.changes.iter().any(|change| matches!(change, Change::Close(_))),
        _ => false,
    });
    assert!(closed, "{:#?}", bench.effects);
}

#[test]
fn nothing_is_sent_after_the_lease() {
    let mut bench = sharing();
    bench.claims(vec![taken(7)], vec![stored(vec![requested("a", "r")])]);
    bench.verify("r");
    bench.read(Some("r"));
    bench.pass(8);
    bench.permit();
    // The confirmation is too old by now; it is renewed, but the lease is not.
    bench.read(Some("r"));
    assert_eq!(bench.intents()[0].within, Duration::from_millis(1_500), "not longer than the lease");
    bench.pass(2);
    bench.commit();
    assert!(!bench.has(|effect| matches!(effect, Effect::PlaceCall(..))), "the lease has run out");
    // Prolonged, though late, and taken by nobody: it goes on.
    bench.renew(&[7]);
    bench.commit();
    assert_eq!(bench.dial(accepted()).as_str(), "a.2");
}

#[test]
fn a_lost_lease_hands_back_what_is_not_dialled() {
    let mut bench = sharing();
    let calls = vec![stored(vec![requested("a", "r")]), stored(vec![requested("b", "r")])];
    bench.claims(vec![taken(7)], calls);
    bench.verify("r");
    bench.pass(3);
    bench.renew(&[]);
    bench.commit();
    let release = bench.release();
    assert_eq!(release.calls.len(), 2);
    assert!(release.numbers.is_empty(), "the number is somebody else's");
    assert!(bench.dispatcher.calls.is_empty());
}

#[test]
fn a_fenced_dial_was_not_sent_and_its_call_goes_on_elsewhere() {
    let mut bench = sharing();
    bench.claims(vec![taken(7)], vec![stored(vec![requested("a", "r")])]);
    bench.verify("r");
    bench.read(Some("r"));
    let facts = |effect: &Effect| if let Effect::Commit(ticket, _) = effect { Some(*ticket) } else { None };
    bench.permit();
    while bench.has(|effect| matches!(effect, Effect::Commit(..))) {
        let ticket = bench.take("entry", facts);
        let is_last = !bench.has(|effect| matches!(effect, Effect::Commit(..)));
        let answer = if is_last { Err(JournalError::Fenced { number: number_id() }) } else { Ok(()) };
        bench.input(Input::Committed(ticket, answer));
    }
    assert!(!bench.has(|effect| matches!(effect, Effect::PlaceCall(..))));
    assert_eq!(bench.release().calls.len(), 1);
    assert!(bench.dispatcher.desks.values().all(|desk| desk.held.is_none()), "nothing needs the number here");
    assert!(!bench.has(|effect| matches!(effect, Effect::Tell(Notice::Completed(_)))), "nobody says that it failed");
}

#[test]
fn what_an_earlier_holder_left_open_is_waited_out_exactly() {
    let mut bench = sharing();
    let left = Taken { unresolved: vec![unresolved("x", "h", 1, 0), unresolved("y", "h", 0, 30)], ..taken(8) };
    bench.claims(vec![left], vec![stored(vec![requested("a", "r")]), stored(vec![requested("b", "h")])]);
    bench.verify("r");
    bench.verify("h");
    // The same agent is served at once.
    bench.read(Some("h"));
    bench.permit();
    bench.commit();
    bench.dial(accepted());
    assert!(bench.intents().is_empty(), "the other one waits");
    let mut waited = 0;
    while !bench.intents().iter().any(|intent| intent.kind == IntentKind::Assign) {
        bench.pass(1);
        waited += 1;
        assert!(waited < 80, "for ever: {:#?} {:#?}", bench.effects, bench.dispatcher.desks);
        if bench.has(|effect| matches!(effect, Effect::Renew(_))) {
            bench.renew(&[8]);
        }
        if bench.has(|effect| matches!(effect, Effect::ReadNumber(_))) {
            bench.read(Some("h"));
        }
    }
    assert_eq!(waited, 61, "until it cannot be sent any more, and then as long as it may take to take effect");
}

#[test]
fn a_dial_whose_process_has_ended_is_looked_up_and_not_sent_again() {
    let mut bench = sharing();
    let left = Taken { unresolved: vec![unresolved("a", "r", 0, 5)], ..taken(8) };
    bench.claims(vec![left], vec![dialling("a", "r")]);
    let doubted = bench.has(|effect| match effect {
        Effect::Commit(_, entry) => entry.changes.iter().any(|change| match change {
            Change::Append { expected: 4, events, .. } => {
                matches!(&events[0].event, CallEvent::DialDoubted { cause: DoubtCause::Recovered, .. })
            }
            _ => false,
        }),
        _ => false,
    });
    assert!(doubted, "{:#?}", bench.effects);
    bench.commit();
    bench.pass(2);
    bench.look_up(None);
    assert!(!bench.has(|effect| matches!(effect, Effect::PlaceCall(..) | Effect::VerifyAgent(_))));
    bench.pass(3);
    let found = conversation("r");
    bench.look_up(Some(found));
    bench.commit();
    let report = bench.report();
    let CallState::Initiated(call) = &report.state else { panic!("{report:?}") };
    assert_eq!(call.found_by(), FoundBy::LookUp);
}

#[test]
fn leaving_hands_back_gives_up_and_tells_what_is_known() {
    let mut bench = sharing();
    let calls = vec![stored(vec![requested("a", "r")]), stored(vec![requested("b", "h")])];
    bench.claims(vec![taken(7)], calls);
    bench.verify("r");
    bench.verify("h");
    bench.read(Some("r"));
    bench.permit();
    bench.commit();
    bench.input(Input::Leave);
    assert!(
        bench.effects.iter().all(|effect| !matches!(effect, Effect::Release(release) if !release.numbers.is_empty()))
    );
    assert!(!bench.dispatcher.is_idle());
    let first = bench.release();
    assert_eq!(first.calls, [CallId::parse("b").expect("valid")]);
    bench.input(Input::Released(Ok(())));
    bench.dial(accepted());
    bench.prove(None);
    bench.commit();
    let last = bench.release();
    assert_eq!(last.numbers, [(number_id(), 7)]);
    assert_eq!(last.seen[0].0.assigned_id(), Some(&agent("r")));
    assert_eq!(last.agents.len(), 2);
    assert!(!bench.dispatcher.is_idle());
    bench.input(Input::Released(Ok(())));
    assert!(bench.dispatcher.is_idle());
}

#[test]
fn a_number_that_somebody_asks_for_is_given_back_after_its_session() {
    let mut bench = sharing();
    bench.claims(vec![taken(7)], vec![stored(vec![requested("a", "r")]), stored(vec![requested("b", "h")])]);
    bench.verify("r");
    bench.verify("h");
    bench.read(Some("r"));
    bench.permit();
    bench.commit();
    bench.pass(3);
    bench.take("renewal", |effect| matches!(effect, Effect::Renew(_)).then_some(()));
    let renewed = Renewed { leases: vec![(number_id(), 7)], cancel: Vec::new(), wanted: vec![number_id()] };
    bench.input(Input::Renewed(Ok(renewed)));
    assert_eq!(bench.release().calls, [CallId::parse("b").expect("valid")]);
    bench.input(Input::Released(Ok(())));
    bench.dial(accepted());
    bench.prove(None);
    bench.commit();
    assert_eq!(bench.release().numbers, [(number_id(), 7)]);
}

#[test]
fn a_lost_answer_to_a_claim_is_asked_for_again() {
    let mut bench = sharing();
    let first = bench.claim();
    assert_eq!((first.ordinal, first.answered), (1, 0));
    bench.input(Input::Claimed(Err(StoreUnavailable { detail: "no connection".to_owned() })));
    assert!(bench.has(|effect| matches!(effect, Effect::Tell(Notice::StoreTrouble { .. }))));
    bench.pass(1);
    let second = bench.claim();
    assert_eq!((second.ordinal, second.answered), (2, 0));
    bench.input(Input::Claimed(Ok(Claimed { numbers: vec![taken(1)], ..Claimed::default() })));
    assert!(bench.has(|effect| matches!(effect, Effect::Tell(Notice::StoreBack))));
    // Nobody needs the number: it is given back when its lease would be prolonged.
    bench.pass(3);
    assert_eq!(bench.release().numbers, [(number_id(), 1)]);
}

#[test]
fn what_a_clean_release_left_costs_no_read() {
    let mut bench = sharing();
    let seen = Some((number(Some("r")), Duration::from_secs(2)));
    let agents = vec![(AgentProfile { id: agent("r"), name: "R".into(), archived: false }, Duration::from_secs(60))];
    bench.claim();
    let numbers = vec![Taken { seen, ..taken(2) }];
    let calls = vec![stored(vec![requested("a", "r")])];
    bench.input(Input::Claimed(Ok(Claimed { numbers, calls, agents, ..Claimed::default() })));
    bench.permit();
    bench.commit();
    bench.dial(accepted());
    assert!(
        !bench.has(|effect| matches!(effect, Effect::VerifyAgent(_) | Effect::ReadNumber(_))),
        "one request: the dial"
    );
}

/// An assignment for another agent than the one that is seen on the number may land after the number was read.
#[test]
fn what_was_read_before_an_open_assignment_has_run_out_is_not_relied_on() {
    let mut bench = sharing();
    let mut left = unresolved("x", "h", 0, 57);
    left.intent.kind = IntentKind::Assign;
    bench.claims(vec![Taken { unresolved: vec![left], ..taken(8) }], vec![stored(vec![requested("a", "r")])]);
    bench.verify("r");
    bench.read(Some("r"));
    (0..3).for_each(|_| bench.pass(1));
    assert!(!bench.has(|effect| matches!(effect, Effect::AskPermit(..))), "{:#?}", bench.effects);
    assert!(bench.intents().iter().any(|intent| intent.kind == IntentKind::Assign), "{:#?}", bench.effects);
}

#[test]
fn a_store_that_was_restored_from_a_back_up_is_left_alone() {
    let mut bench = sharing();
    bench.claims(vec![taken(7)], vec![stored(vec![requested("a", "r")])]);
    bench.verify("r");
    bench.pass(3);
    bench.renew(&[]);
    bench.commit();
    bench.release();
    bench.input(Input::Released(Ok(())));
    bench.pass(1);
    bench.claims(vec![taken(3)], vec![stored(vec![requested("a", "r")])]);
    assert!(bench.has(|effect| matches!(effect, Effect::Tell(Notice::StoreWentBack { .. }))));
    bench.commit();
    let release = bench.release();
    assert_eq!(
        (release.numbers, release.calls.len()),
        (vec![(number_id(), 3)], 1),
        "the call waits, and nobody has it"
    );
    assert!(!bench.has(|effect| matches!(effect, Effect::AskPermit(..) | Effect::AssignNumber(_))));
    bench.input(Input::Released(Ok(())));
    bench.pass(60);
    assert!(!bench.has(|effect| matches!(effect, Effect::Claim(_))), "nothing more is taken");
}

/// Whoever takes the number over waits for what the intent says, and does not know that the lease was prolonged.
#[test]
fn no_dial_is_sent_later_than_its_intent_says_though_the_lease_is_prolonged() {
    let mut bench = sharing();
    bench.claims(vec![taken(7)], vec![stored(vec![requested("a", "r")])]);
    bench.verify("r");
    bench.read(Some("r"));
    bench.pass(8);
    bench.permit();
    bench.read(Some("r"));
    let within = bench.intents()[0].within;
    assert_eq!(within, Duration::from_millis(1_500), "the lease ends so soon");
    bench.renew(&[7]);
    bench.commit();
    let not_after = bench.take("dial", |effect| match effect {
        Effect::PlaceCall(_, request) => Some(request.not_after),
        _ => None,
    });
    assert_eq!(not_after, Instant::from_origin(bench.now + within));
}

#[test]
fn no_change_is_sent_later_than_its_intent_says_though_the_lease_is_prolonged() {
    let mut bench = sharing();
    bench.claims(vec![taken(7)], vec![stored(vec![requested("a", "r")])]);
    bench.verify("r");
    bench.pass(9);
    bench.read(Some("h"));
    let within = bench.intents()[0].within;
    assert_eq!(within, Duration::from_millis(500), "the lease ends so soon");
    bench.renew(&[7]);
    bench.commit();
    let not_after = bench.take("assignment", |effect| match effect {
        Effect::AssignNumber(order) => Some(order.not_after),
        _ => None,
    });
    assert_eq!(not_after, Instant::from_origin(bench.now + within));
}

/// A lease may be nearly over, or the process have been paused, when an assignment could leave.
#[test]
fn an_assignment_that_came_too_late_to_be_sent_is_made_again() {
    let mut bench = sharing();
    bench.claims(vec![taken(7)], vec![stored(vec![requested("a", "r")])]);
    bench.verify("r");
    bench.read(Some("h"));
    let late = || ProviderError::retryable(FailureKind::TooLate, None, "too late");
    for _ in 0..2 {
        bench.commit();
        bench.assign(Err(late()));
        bench.pass(2);
    }
    assert!(bench.intents().iter().any(|intent| intent.kind == IntentKind::Assign), "{:#?}", bench.effects);
    assert!(!bench.has(|effect| matches!(effect, Effect::Tell(Notice::Completed(_)))));
    bench.commit();
    bench.assign(Err(late()));
    let report = bench.report();
    assert!(matches!(report.state, CallState::Failed(_)), "not for ever: {report:?}");
}
