//! The contract of [`Journal`].

mod samples;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use partyline_domain::flow::{CallEvent, CallState};
use partyline_domain::ports::{Change, Entry, Intent, IntentKind, Journal, Recorded};
use partyline_domain::{JournalError, Remedy, SideEffect};
use samples::{agent, append, attempt, call, events, intent, number, one, others, recorded};

use crate::contract::Harness;

/// Journals to test.
#[async_trait]
pub trait JournalHarness: Harness {
    /// A fresh, empty journal.
    async fn journal(&self) -> Arc<dyn Journal>;

    /// The same journal as another process (or a later one) would open it. A journal that lives in memory
    /// gives itself.
    async fn reopened(&self, journal: Arc<dyn Journal>) -> Arc<dyn Journal>;

    /// Makes an intent one that the last journal takes. A store takes only intents of who holds the number and, for a
    /// dial, has the call: this gives it both, and the intent the epoch. Other journals take every intent as it is.
    async fn allowed(&self, intent: Intent) -> Intent {
        intent
    }

    /// Whether an entry that is committed again word for word is known as the same. To other journals it is a conflict.
    fn knows_repetitions(&self) -> bool {
        false
    }
}

async fn commit(journal: &dyn Journal, changes: Vec<Change>) -> Result<(), JournalError> {
    let mut answers = journal.commit(vec![Entry { changes }]).await;
    assert_eq!(answers.len(), 1, "one entry, one answer");
    answers.remove(0)
}

async fn history(journal: &dyn Journal, name: &str) -> Vec<Recorded> {
    journal.events(&call(name), 0).await.expect("the journal answers")
}

async fn open(journal: &dyn Journal) -> Vec<String> {
    let intents = journal.open_intents().await.expect("the journal answers");
    intents.iter().map(|intent| intent.attempt.to_string()).collect()
}

/// Nothing is known of a call that was never written, of a number, of an intent.
pub async fn an_empty_journal_knows_nothing(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    assert_eq!(history(&*journal, "a").await, []);
    assert_eq!(open(&*journal).await, [""; 0]);
    assert_eq!(journal.remembered(&number("n")).await, Ok(None));
}

/// Events come back as they were written, oldest first, over several entries.
pub async fn events_come_back_in_order(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    assert_eq!(commit(&*journal, vec![append("a", 0, &events(1..=2))]).await, Ok(()));
    assert_eq!(commit(&*journal, vec![append("a", 2, &events(3..=5))]).await, Ok(()));
    assert_eq!(history(&*journal, "a").await, events(1..=5));
}

/// A reader that knows a version is told only what came after it.
pub async fn events_after_a_version(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    assert_eq!(commit(&*journal, vec![append("a", 0, &events(1..=4))]).await, Ok(()));
    for (after, expected) in [(0, events(1..=4)), (2, events(3..=4)), (4, Vec::new()), (99, Vec::new())] {
        assert_eq!(journal.events(&call("a"), after).await, Ok(expected), "after {after}");
    }
}

/// Calls have histories of their own.
pub async fn calls_are_apart(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    let both = vec![append("a", 0, &events(1..=2)), append("b", 0, &events(1..=3))];
    assert_eq!(commit(&*journal, both).await, Ok(()));
    assert_eq!(commit(&*journal, vec![append("a", 2, &events(3..=3))]).await, Ok(()));
    assert_eq!(history(&*journal, "a").await, events(1..=3));
    assert_eq!(history(&*journal, "b").await, events(1..=3));
}

/// Every event there is survives the journal, with all it holds, and still folds to a state.
pub async fn every_event_survives(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    for (index, story) in samples::stories().into_iter().enumerate() {
        let name = format!("story-{index}");
        let written: Vec<Recorded> = (1..).zip(story).map(|(version, event)| recorded(version, event)).collect();
        assert_eq!(commit(&*journal, vec![append(&name, 0, &written)]).await, Ok(()));
        let reopened = harness.reopened(journal.clone()).await;
        let read = history(&*reopened, &name).await;
        assert_eq!(read, written, "{name}");
        let fold = CallState::fold(read.iter().map(|recorded| &recorded.event));
        assert!(fold.is_ok(), "{name}: {fold:?}");
    }
}

/// A writer that is behind is told both versions, and may not simply try again.
pub async fn a_stale_append_is_a_conflict(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    assert_eq!(commit(&*journal, vec![append("a", 0, &events(1..=2))]).await, Ok(()));
    for expected in [0, 1, 3] {
        let answer = commit(&*journal, vec![append("a", expected, &others(expected + 1..=expected + 1))]).await;
        assert_eq!(answer, Err(JournalError::Conflict { call: call("a"), expected, actual: 2 }));
    }
    let unknown = commit(&*journal, vec![append("b", 1, &events(2..=2))]).await.expect_err("there is no version 1");
    assert_eq!(unknown, JournalError::Conflict { call: call("b"), expected: 1, actual: 0 });
    assert_eq!((unknown.remedy(), unknown.side_effect()), (Remedy::GiveUp, SideEffect::None));
    assert_eq!(history(&*journal, "a").await, events(1..=2));
    assert_eq!(history(&*journal, "b").await, []);
}

/// A conflict writes nothing of its entry, whatever else is in it and wherever it stands.
pub async fn a_conflict_writes_nothing_of_its_entry(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    let (old, new) = (intent("old", IntentKind::Assign), intent("new", IntentKind::Assign));
    let (old, new) = (harness.allowed(old).await, harness.allowed(new).await);
    let setting = vec![append("a", 0, &events(1..=1)), Change::Intend(old)];
    assert_eq!(commit(&*journal, setting).await, Ok(()));
    let remember = Change::Remember { number: number("n"), inbound: Some(agent("x")) };
    let mut entry = vec![
        append("b", 0, &events(1..=1)),
        Change::Intend(new),
        Change::Resolve(attempt("old")),
        remember,
        append("a", 0, &events(1..=1)),
    ];
    for _ in 0..entry.len() {
        entry.rotate_left(1);
        let answer = commit(&*journal, entry.clone()).await;
        assert_eq!(answer, Err(JournalError::Conflict { call: call("a"), expected: 0, actual: 1 }));
        assert_eq!(history(&*journal, "b").await, []);
        assert_eq!(open(&*journal).await, ["old"]);
        assert_eq!(journal.remembered(&number("n")).await, Ok(None));
    }
}

/// The entries of other calls in the same commit are not touched by a conflict, before it and after it.
pub async fn a_conflict_leaves_the_other_entries(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    let entries = [append("a", 0, &events(1..=1)), append("a", 0, &others(1..=1)), append("b", 0, &events(1..=2))];
    let entries = entries.into_iter().map(one).collect();
    let answers = journal.commit(entries).await;
    let conflict = JournalError::Conflict { call: call("a"), expected: 0, actual: 1 };
    assert_eq!(answers, [Ok(()), Err(conflict), Ok(())]);
    assert_eq!(history(&*journal, "a").await, events(1..=1));
    assert_eq!(history(&*journal, "b").await, events(1..=2));
}

/// What continues a refused entry in the same commit continues events that never happened, and is refused too, also
/// where its version would fit; in the next commit it counts again.
pub async fn what_continues_a_refused_entry_is_refused(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    let fits = || Entry { changes: vec![append("a", 1, &events(2..=2))] };
    let beside = Entry { changes: vec![append("c", 0, &events(1..=1)), append("a", 0, &others(1..=1))] };
    let entries = vec![
        one(append("a", 0, &events(1..=1))),
        beside,
        fits(),
        one(append("c", 0, &events(1..=1))),
        one(append("b", 0, &events(1..=1))),
    ];
    let answers = journal.commit(entries).await;
    let conflict = Err(JournalError::Conflict { call: call("a"), expected: 0, actual: 1 });
    assert_eq!(answers, [Ok(()), conflict.clone(), conflict.clone(), conflict, Ok(())]);
    assert_eq!(history(&*journal, "a").await, events(1..=1));
    assert_eq!(history(&*journal, "c").await, []);
    assert_eq!(journal.commit(vec![fits()]).await, [Ok(())]);
}

/// Of several writers of the same version one wins, and the history holds only its event.
pub async fn of_several_writers_one_wins(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    let of = |writer: usize| vec![recorded(1, CallEvent::DialIntended { attempt: attempt(&format!("w{writer}")) })];
    let writers = (0..8).map(|writer| {
        let journal = &*journal;
        async move { commit(journal, vec![append("a", 0, &of(writer))]).await }
    });
    let answers = join_all(writers).await;
    let winners: Vec<usize> = (0..8).filter(|writer| answers[*writer].is_ok()).collect();
    let [winner] = winners[..] else { panic!("one wins: {answers:?}") };
    assert_eq!(history(&*journal, "a").await, of(winner));
}

/// An entry that is committed again word for word is either known as the same or a conflict; either way it is written
/// once, also where it comes twice in one commit or from several writers at once.
pub async fn a_repetition_is_written_once(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    let entry = || vec![append("a", 0, &events(1..=2))];
    let known = harness.knows_repetitions();
    let conflict = Err(JournalError::Conflict { call: call("a"), expected: 0, actual: 2 });
    assert_eq!(commit(&*journal, entry()).await, Ok(()));
    assert_eq!(commit(&*journal, entry()).await, if known { Ok(()) } else { conflict });
    let twice = journal.commit(vec![one(append("b", 0, &events(1..=1))), one(append("b", 0, &events(1..=1)))]).await;
    assert_eq!(twice.iter().filter(|answer| answer.is_ok()).count(), if known { 2 } else { 1 });
    let answers = join_all((0..8).map(|_| commit(&*journal, vec![append("c", 0, &events(1..=1))]))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), if known { 8 } else { 1 });
    for (name, versions) in [("a", 1..=2), ("b", 1..=1), ("c", 1..=1)] {
        assert_eq!(history(&*journal, name).await, events(versions));
    }
}

/// There is an answer for each entry, also for none and for an empty one.
pub async fn every_entry_has_an_answer(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    assert_eq!(journal.commit(Vec::new()).await, []);
    assert_eq!(journal.commit(vec![Entry::default(), Entry::default()]).await, [Ok(()), Ok(())]);
}

/// An intent is open from its entry until it is resolved; the oldest comes first, each as it was written.
pub async fn intents_are_open_until_resolved(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    let intents = [
        intent("2", IntentKind::Assign),
        intent("1", IntentKind::Dial(call("a"))),
        Intent { agent: None, ..intent("3", IntentKind::Restore) },
    ];
    let mut intents = intents.to_vec();
    for intent in &mut intents {
        *intent = harness.allowed(intent.clone()).await;
    }
    for intent in &intents {
        assert_eq!(commit(&*journal, vec![Change::Intend(intent.clone())]).await, Ok(()));
    }
    let reopened = harness.reopened(journal.clone()).await;
    assert_eq!(reopened.open_intents().await, Ok(intents));
    assert_eq!(commit(&*journal, vec![Change::Resolve(attempt("1"))]).await, Ok(()));
    assert_eq!(open(&*journal).await, ["2", "3"]);
}

/// Resolving what is not open is no error: a resolution may be written twice after a crash.
pub async fn resolving_twice_is_no_error(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    let assign = harness.allowed(intent("1", IntentKind::Assign)).await;
    let entry = vec![Change::Intend(assign), Change::Resolve(attempt("1"))];
    assert_eq!(commit(&*journal, entry).await, Ok(()));
    assert_eq!(open(&*journal).await, [""; 0]);
    assert_eq!(commit(&*journal, vec![Change::Resolve(attempt("1")), Change::Resolve(attempt("2"))]).await, Ok(()));
}

/// Who answered a number before is remembered once: the first one counts, also where it was nobody.
pub async fn the_first_remembered_counts(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    let remember = |name: &str, inbound: Option<&str>| {
        vec![Change::Remember { number: number(name), inbound: inbound.map(agent) }]
    };
    for entry in [remember("n", Some("x")), remember("n", Some("y")), remember("m", None), remember("m", Some("y"))] {
        assert_eq!(commit(&*journal, entry).await, Ok(()));
    }
    let reopened = harness.reopened(journal.clone()).await;
    assert_eq!(reopened.remembered(&number("n")).await, Ok(Some(Some(agent("x")))));
    assert_eq!(reopened.remembered(&number("m")).await, Ok(Some(None)));
    assert_eq!(reopened.remembered(&number("o")).await, Ok(None));
}

/// What is forgotten can be remembered anew; forgetting what is not remembered is no error.
pub async fn what_is_forgotten_can_be_remembered_anew(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    let remember = |name: &str| Change::Remember { number: number("n"), inbound: Some(agent(name)) };
    let forget = || Change::Forget(number("n"));
    assert_eq!(commit(&*journal, vec![forget(), remember("x")]).await, Ok(()));
    assert_eq!(commit(&*journal, vec![forget()]).await, Ok(()));
    assert_eq!(journal.remembered(&number("n")).await, Ok(None));
    assert_eq!(commit(&*journal, vec![remember("y"), forget(), remember("z")]).await, Ok(()));
    assert_eq!(journal.remembered(&number("n")).await, Ok(Some(Some(agent("z")))));
}

/// What was answered is there for everyone who opens the journal.
pub async fn another_handle_sees_what_was_answered(harness: &impl JournalHarness) {
    let journal = harness.journal().await;
    let dial = harness.allowed(intent("1", IntentKind::Dial(call("b")))).await;
    // A store has the call from when it was handed in.
    let known = history(&*journal, "b").await.len() as u64;
    let entry = vec![
        append("a", 0, &events(1..=3)),
        append("b", known, &[recorded(known + 1, CallEvent::DialIntended { attempt: attempt("1") })]),
        Change::Intend(dial),
    ];
    assert_eq!(commit(&*journal, entry).await, Ok(()));
    let reopened = harness.reopened(journal).await;
    assert_eq!(history(&*reopened, "a").await, events(1..=3));
    assert_eq!(open(&*reopened).await, ["1"]);
    let stale = commit(&*reopened, vec![append("a", 0, &others(1..=1))]).await;
    assert_eq!(stale, Err(JournalError::Conflict { call: call("a"), expected: 0, actual: 3 }));
}
