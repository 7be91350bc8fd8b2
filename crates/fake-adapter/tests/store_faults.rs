//! What can go wrong on the way to the store: before the effect, after it, for a while, and at every await point.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, join};
use partyline_domain::flow::{CallEvent, Evidence};
use partyline_domain::ports::{
    Accepted, CancelAnswer, Change, Claim, Clock, Entry, Intent, IntentKind, Journal, NewCall, Recorded, Release,
    Store, Timer,
};
use partyline_domain::{
    AgentId, AttemptId, CallId, CallRequest, Instant, JournalError, NumberChoice, PhoneNumber, PhoneNumberId, RunId,
    Timestamp,
};
use partyline_fake_adapter::clock::run;
use partyline_fake_adapter::faults::Count;
use partyline_fake_adapter::store::{StoreFaultMix, StoreFaultRule, StoreOperation};
use partyline_fake_adapter::{FakeStore, Member, StoreConfig, StoreFault, StoreState, VirtualClock};

const TTL: Duration = Duration::from_secs(10);
const LATENCY: Duration = Duration::from_millis(10);

fn owner(name: &str) -> RunId {
    RunId::parse(name).expect("an id")
}

fn call() -> CallId {
    CallId::parse("a").expect("an id")
}

fn number() -> PhoneNumberId {
    PhoneNumberId::parse("phnum_1").expect("an id")
}

fn asked() -> NewCall {
    let request = CallRequest {
        id: call(),
        agent: AgentId::parse("agent_1").expect("an id"),
        numbers: NumberChoice::one(number()),
        to: PhoneNumber::parse("+12025550123").expect("a fictional number"),
        priority: partyline_domain::Priority::Normal,
        expires_at: None,
        options: Arc::default(),
        policies: Arc::default(),
    };
    NewCall { request, at: Timestamp::default(), key: None, batch: None, repeats: None }
}

fn claim() -> Claim {
    Claim { ordinal: 1, answered: 0, ttl: TTL, numbers: None, calls_max: 9 }
}

fn verified() -> Entry {
    let event = CallEvent::AgentVerified { agent_name: "A".into(), evidence: Evidence::Fresh };
    let events = vec![Recorded { version: 2, at: Timestamp::default(), event }];
    Entry { changes: vec![Change::Append { call: call(), expected: 1, events }] }
}

fn assign(epoch: u64) -> Entry {
    let attempt = AttemptId::parse(&format!("assign.{epoch}")).expect("an id");
    let (kind, agent, send_by) = (IntentKind::Assign, None, Timestamp::default());
    let intent = Intent { attempt, kind, number: number(), agent, epoch, send_by, within: TTL, lateness: TTL };
    Entry { changes: vec![Change::Intend(intent)] }
}

struct Scene {
    time: VirtualClock,
    store: FakeStore,
    ada: Arc<Member>,
    bob: Arc<Member>,
}

impl Scene {
    fn new(latency: Duration) -> Self {
        let time = VirtualClock::new();
        let store = FakeStore::with_config(&time, StoreConfig { latency, ..StoreConfig::default() });
        let (ada, bob) = (store.member(owner("ada")), store.member(owner("bob")));
        Self { time, store, ada, bob }
    }

    /// With a call that ada has, on a number that she holds.
    fn busy(latency: Duration) -> Self {
        let scene = Self::new(latency);
        run(&scene.time, scene.ada.submit(vec![asked()])).expect("nothing goes wrong");
        run(&scene.time, scene.ada.claim(&claim())).expect("nothing goes wrong");
        scene
    }

    fn now(&self) -> Instant {
        self.time.now().monotonic
    }
}

#[test]
fn what_fails_has_no_effect() {
    let scene = Scene::new(LATENCY);
    scene.ada.inject(StoreFaultRule::once(StoreOperation::Submit, StoreFault::Fails));
    let error = run(&scene.time, scene.ada.submit(vec![asked()])).expect_err("it fails");
    assert_eq!(error.to_string(), "the store is not available: the connection was refused");
    assert_eq!(scene.store.state(), StoreState::default());
    assert_eq!(run(&scene.time, scene.ada.submit(vec![asked()])), Ok(vec![Accepted::New]));
}

#[test]
fn a_lost_answer_hides_the_effect() {
    let scene = Scene::new(LATENCY);
    scene.ada.inject(StoreFaultRule::once(StoreOperation::Submit, StoreFault::AnswerLost));
    scene.ada.inject(StoreFaultRule::once(StoreOperation::Claim, StoreFault::AnswerLost));
    assert!(run(&scene.time, scene.ada.submit(vec![asked()])).is_err());
    assert_eq!(run(&scene.time, scene.ada.submit(vec![asked()])), Ok(vec![Accepted::Again]));
    assert!(run(&scene.time, scene.ada.claim(&claim())).is_err());
    assert_eq!(scene.store.state().call(&call()).and_then(|row| row.owner().cloned()), Some(owner("ada")));
    let again = run(&scene.time, scene.ada.claim(&Claim { ordinal: 2, ..claim() })).expect("it answers");
    assert_eq!((again.numbers.len(), again.calls.len()), (1, 1));
}

#[test]
fn a_commit_goes_on_until_it_is_answered_and_is_written_once() {
    let scene = Scene::busy(LATENCY);
    for fault in [StoreFault::AnswerLost, StoreFault::Fails] {
        let (operation, count) = (Some(StoreOperation::Commit), Count::Times(3));
        scene.ada.inject(StoreFaultRule { operation, fault, count, skip: 0 });
    }
    let answers = run(&scene.time, scene.ada.commit(vec![verified(), assign(1), verified(), assign(7)]));
    let fenced = Err(JournalError::Fenced { number: number() });
    assert_eq!(answers, [Ok(()), Ok(()), Ok(()), fenced]);
    let state = scene.store.state();
    assert_eq!((state.events(&call(), 0).len(), state.open_intents().len()), (2, 1));
}

#[test]
fn an_outage_holds_commits_up_and_fails_the_rest() {
    let scene = Scene::busy(LATENCY);
    let before = scene.store.state();
    scene.store.go_down(Duration::from_secs(60));
    let begun = scene.now();
    let error = run(&scene.time, scene.bob.renew(TTL)).expect_err("it is down");
    assert_eq!(error.detail, "it did not answer in time");
    assert_eq!(scene.now().since(begun), StoreConfig::default().patience);
    let read = run(&scene.time, scene.bob.events(&call(), 0));
    assert!(matches!(read, Err(JournalError::Unavailable { .. })), "{read:?}");
    assert_eq!(scene.store.state(), before);
    assert_eq!(run(&scene.time, scene.ada.commit(vec![verified()])), [Ok(())]);
    assert!(scene.now().since(begun) >= Duration::from_secs(60));
    assert_eq!(run(&scene.time, scene.bob.events(&call(), 0)).map(|events| events.len()), Ok(2));
}

#[test]
fn who_is_cut_off_comes_back_to_a_fence() {
    let scene = Scene::busy(LATENCY);
    scene.ada.cut_off(Duration::from_secs(30));
    let successor = async {
        scene.time.sleep_until(scene.now().after(TTL)).await;
        scene.bob.claim(&claim()).await.expect("only ada is cut off")
    };
    let (answers, claimed) = run(&scene.time, join(scene.ada.commit(vec![assign(1)]), successor));
    assert_eq!((claimed.numbers[0].epoch, claimed.calls.len()), (2, 1));
    assert_eq!(answers, [Err(JournalError::Fenced { number: number() })]);
    assert!(run(&scene.time, scene.ada.renew(TTL)).expect("she is back").leases.is_empty());
}

#[test]
fn a_cut_between_effect_and_answer_hides_the_effect() {
    let scene = Scene::new(LATENCY);
    let cut = async {
        scene.time.sleep_until(scene.now().after(LATENCY * 3 / 4)).await;
        scene.ada.cut_off(Duration::from_millis(1));
    };
    let (answer, ()) = run(&scene.time, join(scene.ada.submit(vec![asked()]), cut));
    assert!(answer.is_err());
    assert_eq!(run(&scene.time, scene.ada.submit(vec![asked()])), Ok(vec![Accepted::Again]));
}

#[test]
fn what_is_healed_works_at_once() {
    let scene = Scene::new(LATENCY);
    scene.store.go_down(TTL);
    scene.ada.cut_off(TTL);
    scene.bob.cut_off(TTL);
    scene.ada.inject_mix(StoreFaultMix { per_thousand: 1000, seed: 1, menu: vec![StoreFault::Fails] });
    assert!(run(&scene.time, scene.ada.renew(TTL)).is_err());
    scene.store.heal();
    assert!(run(&scene.time, scene.ada.renew(TTL)).is_ok());
    scene.bob.cut_off(TTL);
    assert!(run(&scene.time, scene.bob.renew(TTL)).is_err());
    scene.bob.reconnect();
    assert!(run(&scene.time, scene.bob.renew(TTL)).is_ok());
}

#[test]
fn slow_operations_take_their_time_on_either_side_of_the_effect() {
    for (fault, done_by_then) in [(StoreFault::Slow(TTL), false), (StoreFault::SlowAnswer(TTL), true)] {
        let scene = Scene::new(LATENCY);
        scene.ada.inject(StoreFaultRule::once(StoreOperation::Submit, fault));
        let look = async {
            scene.time.sleep_until(scene.now().after(TTL / 2)).await;
            scene.store.state() != StoreState::default()
        };
        let (answer, done) = run(&scene.time, join(scene.ada.submit(vec![asked()]), look));
        assert_eq!((answer.is_ok(), done), (true, done_by_then));
        assert_eq!(scene.now(), Instant::default().after(TTL + LATENCY));
    }
}

type Operation = fn(Arc<Member>) -> BoxFuture<'static, ()>;

/// Everything that changes something.
fn operations() -> Vec<(&'static str, Operation)> {
    vec![
        ("submit", |member| {
            let request = CallRequest { id: CallId::parse("b").expect("an id"), ..asked().request };
            async move { drop(member.submit(vec![NewCall { request, ..asked() }]).await) }.boxed()
        }),
        ("claim", |member| async move { drop(member.claim(&Claim { ordinal: 2, ..claim() }).await) }.boxed()),
        ("renew", |member| async move { drop(member.renew(TTL * 2).await) }.boxed()),
        ("release", |member| {
            let release = Release { numbers: vec![(number(), 1)], calls: vec![call()], ..Release::default() };
            async move { drop(member.release(release).await) }.boxed()
        }),
        ("want", |member| {
            let other = PhoneNumberId::parse("phnum_2").expect("an id");
            async move { drop(member.want(&other, TTL).await) }.boxed()
        }),
        ("cancel", |member| async move { drop(member.cancel(&call(), Timestamp::default()).await) }.boxed()),
        ("commit", |member| async move { drop(member.commit(vec![verified(), assign(1)]).await) }.boxed()),
    ]
}

/// Polls a future so often, moving time on between the polls. Whether it ended.
fn poll_times(time: &VirtualClock, future: BoxFuture<'_, ()>, times: usize) -> bool {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..times {
        if let Poll::Ready(()) = future.as_mut().poll(&mut context) {
            return true;
        }
        let due = time.next_due().expect("it waits for time only");
        time.advance(due.since(time.now().monotonic));
    }
    false
}

#[test]
fn a_crash_at_any_await_point_leaves_the_state_before_or_after() {
    for (name, operation) in operations() {
        let mut states: Vec<StoreState> = Vec::new();
        for polls in 0.. {
            let scene = Scene::busy(LATENCY);
            let ended = poll_times(&scene.time, operation(scene.ada.clone()), polls);
            states.push(scene.store.state());
            assert_eq!(scene.time.waiting(), 0, "{name}: what is dropped waits for nothing");
            if ended {
                break;
            }
        }
        assert!(states.len() > 2, "{name} can be dropped before its effect and after it");
        let (before, after) = (states[0].clone(), states[states.len() - 1].clone());
        states.dedup();
        assert_eq!(states, [before, after], "{name}");
    }
}

#[test]
fn others_changes_wake_at_once_and_ones_own_do_not() {
    let scene = Scene::busy(Duration::ZERO);
    let (time, ada, bob) = (&scene.time, &scene.ada, &scene.bob);
    let polling = StoreConfig::default().polling;
    let wakes = |operation: BoxFuture<'_, ()>, at_once: bool, what: &str| {
        let begun = scene.now();
        run(time, join(bob.changed(), operation));
        let expected = if at_once { Duration::ZERO } else { polling };
        assert_eq!(scene.now().since(begun), expected, "{what}");
    };
    run(time, bob.changed());
    for (name, operation) in operations() {
        let at_once = !["claim", "renew", "commit"].contains(&name);
        wakes(operation(ada.clone()), at_once, name);
        wakes(operation(bob.clone()), false, name);
    }
    let close = Entry { changes: vec![Change::Close(call())] };
    wakes(async { drop(ada.commit(vec![close]).await) }.boxed(), true, "close");
    run(time, ada.changed());
    assert_eq!(run(time, bob.cancel(&call(), Timestamp::default())), Ok(CancelAnswer::Ended));
    let begun = scene.now();
    run(time, ada.changed());
    assert_eq!(scene.now(), begun, "what happened between two waits is not missed");
    run(time, ada.changed());
    assert_eq!(scene.now().since(begun), polling);
    assert_eq!(time.waiting(), 0);
}

#[test]
fn who_is_cut_off_hears_nothing() {
    let scene = Scene::new(Duration::ZERO);
    scene.bob.cut_off(TTL);
    let begun = scene.now();
    let ((), accepted) = run(&scene.time, join(scene.bob.changed(), scene.ada.submit(vec![asked()])));
    assert!(accepted.is_ok());
    assert_eq!(scene.now().since(begun), StoreConfig::default().polling);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let play = |seed| {
        let scene = Scene::new(LATENCY);
        let menu = vec![StoreFault::Fails, StoreFault::AnswerLost, StoreFault::Slow(TTL), StoreFault::SlowAnswer(TTL)];
        scene.ada.inject_mix(StoreFaultMix { per_thousand: 300, seed, menu });
        let mut answers = Vec::new();
        for ordinal in 1..40 {
            answers.push(run(&scene.time, scene.ada.submit(vec![asked()])).is_ok());
            answers.push(run(&scene.time, scene.ada.claim(&Claim { ordinal, ..claim() })).is_ok());
            answers.push(run(&scene.time, scene.ada.want(&number(), TTL)).is_ok());
        }
        (answers, scene.now(), scene.store.state())
    };
    assert_eq!(play(1), play(1));
    assert_ne!(play(1).0, play(2).0);
    let failed = play(3).0.iter().filter(|answered| !**answered).count();
    assert!((5..40).contains(&failed), "half of the faults fail: {failed}");
}
