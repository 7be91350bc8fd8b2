//! What may be written: intents by who holds the number and has the call, events in their order, repetitions not twice.

use partyline_domain::JournalError;
use partyline_domain::ports::{Change, Entry, IntentKind, Release};

use super::samples::{
    agent, append, assign, assigned, attempt, call, dial, dialled, doubted, intent, new_call, number, remember,
    verified, withdrawn,
};
use super::{LONG, Process, StoreHarness, assert_conflict, claim, two};

fn fenced<T>() -> Result<T, JournalError> {
    Err(JournalError::Fenced { number: number("n") })
}

fn restore(name: &str, on: &str, epoch: u64) -> Change {
    Change::Intend(intent(name, IntentKind::Restore, on, epoch))
}

/// With the number `n` and the call `a`, not `b`.
async fn with_one_call(ada: &Process) -> u64 {
    ada.submit(vec![new_call("a", &["n"]), new_call("b", &["n"])]).await;
    ada.claim(claim(LONG, 1)).await.numbers[0].epoch
}

/// An intent is written by the process that holds the number under its epoch and, to dial, has the call.
pub async fn an_intent_needs_the_number_and_the_call(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    let epoch = with_one_call(&ada).await;
    ada.write(vec![assign("1", "n", epoch)]).await;
    ada.write(vec![restore("2", "n", epoch)]).await;
    ada.write(vec![dial("a.1", "a", "n", epoch)]).await;
    assert_eq!(ada.commit(vec![dial("b.1", "b", "n", epoch)]).await, fenced(), "the call is not its own");
    assert_eq!(ada.commit(vec![dial("c.1", "unknown", "n", epoch)]).await, fenced(), "there is no such call");
    for wrong in [0, epoch - 1, epoch + 1] {
        assert_eq!(ada.commit(vec![assign("3", "n", wrong)]).await, fenced(), "epoch {wrong}");
        assert_eq!(ada.commit(vec![dial("a.2", "a", "n", wrong)]).await, fenced(), "epoch {wrong}");
    }
    for other in [assign("4", "n", epoch), restore("5", "n", epoch), dial("a.3", "a", "n", epoch)] {
        assert_eq!(bob.commit(vec![other]).await, fenced(), "another process holds the number");
    }
    let elsewhere = Err(JournalError::Fenced { number: number("m") });
    assert_eq!(ada.commit(vec![assign("6", "m", epoch)]).await, elsewhere, "nobody holds that number");
    assert_eq!(bob.open().await, ["1", "2", "a.1"]);
}

/// What was given back, number or call, is not written for any more.
pub async fn what_was_given_back_is_fenced(harness: &impl StoreHarness) {
    let (_world, ada, _) = two(harness).await;
    let epoch = with_one_call(&ada).await;
    ada.release(Release { calls: vec![call("a")], ..Release::default() }).await;
    assert_eq!(ada.commit(vec![dial("a.1", "a", "n", epoch)]).await, fenced());
    ada.write(vec![assign("1", "n", epoch)]).await;
    ada.give_back("n", epoch).await;
    assert_eq!(ada.commit(vec![assign("2", "n", epoch)]).await, fenced());
    assert_eq!(ada.open().await, ["1"]);
}

/// A fenced entry is not written at all, wherever the intent stands in it.
pub async fn a_fence_writes_nothing_of_its_entry(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    let epoch = with_one_call(&ada).await;
    ada.write(vec![assign("old", "n", epoch)]).await;
    let mut entry = vec![
        append("a", 1, vec![verified()]),
        Change::Resolve(attempt("old")),
        remember("n", Some("x")),
        Change::Close(call("b")),
        assign("new", "n", epoch + 1),
    ];
    for _ in 0..entry.len() {
        entry.rotate_left(1);
        assert_eq!(ada.commit(entry.clone()).await, fenced());
        assert_eq!(bob.history("a").await.len(), 1);
        assert_eq!(bob.open().await, ["old"]);
        assert_eq!(bob.store.remembered(&number("n")).await, Ok(None));
        assert_eq!(bob.follow(&[("b", 1)]).await, []);
    }
}

/// The other entries of the same commit are not touched by a fence or a conflict, but for those that append to the same
/// call.
pub async fn a_fence_leaves_the_other_entries(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.submit(["a", "b", "c"].map(|name| new_call(name, &["n"])).to_vec()).await;
    let epoch = ada.claim_all(LONG).await.numbers[0].epoch;
    let entries = vec![
        vec![append("a", 1, vec![verified()]), assign("1", "n", epoch)],
        vec![append("b", 1, vec![verified()]), assign("2", "n", epoch + 1)],
        vec![append("c", 2, vec![withdrawn()]), remember("n", None)],
        vec![append("b", 1, vec![withdrawn()])],
        vec![append("a", 2, vec![assigned("n")]), assign("3", "n", epoch)],
        vec![append("c", 1, vec![withdrawn()])],
        vec![assign("4", "n", epoch)],
    ];
    let answers = ada.store.commit(entries.into_iter().map(|changes| Entry { changes }).collect()).await;
    let conflict = || Err(JournalError::Conflict { call: call("c"), expected: 2, actual: 1 });
    assert_eq!(answers, [Ok(()), fenced(), conflict(), fenced(), Ok(()), conflict(), Ok(())]);
    assert_eq!(bob.open().await, ["1", "3", "4"]);
    let events: Vec<_> = bob.history("a").await.into_iter().map(|recorded| recorded.event).collect();
    assert_eq!(events[1..], [verified(), assigned("n")]);
    assert_eq!((bob.history("b").await.len(), bob.history("c").await.len()), (1, 1));
    assert_eq!(bob.store.remembered(&number("n")).await, Ok(None));
}

/// Events need no number, but nobody writes them of a call that another process has.
pub async fn events_are_written_by_who_has_the_call(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    let epoch = with_one_call(&ada).await;
    bob.write(vec![append("b", 1, vec![verified()])]).await;
    let behind = ada.commit(vec![append("b", 1, vec![withdrawn()])]).await;
    assert_eq!(behind, Err(JournalError::Conflict { call: call("b"), expected: 1, actual: 2 }));
    let mut entry = vec![append("b", 2, vec![withdrawn()]), append("a", 1, vec![verified()]), Change::Close(call("b"))];
    for _ in 0..entry.len() {
        entry.rotate_left(1);
        assert_conflict(bob.commit(entry.clone()).await, "a");
        assert_eq!((ada.history("a").await.len(), ada.history("b").await.len()), (1, 2));
        assert_eq!(ada.follow(&[("b", 2)]).await, []);
    }
    ada.write(vec![append("a", 1, vec![verified()])]).await;
    ada.give_back("n", epoch).await;
    ada.write(vec![append("a", 2, vec![assigned("n")])]).await;
    ada.release(Release { calls: vec![call("a")], ..Release::default() }).await;
    bob.write(vec![append("a", 3, vec![withdrawn()])]).await;
}

/// A commit that is repeated word for word is answered as before and changes nothing, whatever has happened since.
pub async fn a_repeated_commit_changes_nothing(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    let epoch = with_one_call(&ada).await;
    let assigns = vec![remember("n", Some("x")), assign("1", "n", epoch)];
    let events = vec![verified(), assigned("n"), dialled("a.1")];
    let dials = vec![append("a", 1, events), Change::Resolve(attempt("1")), dial("a.1", "a", "n", epoch)];
    for _ in 0..2 {
        ada.write(assigns.clone()).await;
        assert_eq!(bob.open().await, ["1"]);
    }
    for _ in 0..2 {
        ada.write(dials.clone()).await;
        assert_eq!((bob.open().await, bob.history("a").await.len()), (vec!["a.1".to_owned()], 4));
    }
    ada.write(assigns.clone()).await;
    assert_eq!(bob.open().await, ["a.1"], "what is resolved is not opened again");
    ada.write(vec![append("a", 4, vec![doubted("a.1")]), Change::Resolve(attempt("a.1"))]).await;
    ada.write(vec![Change::Forget(number("n"))]).await;
    ada.give_back("n", epoch).await;
    bob.claim_all(LONG).await;
    for repeated in [dials, assigns] {
        ada.write(repeated).await;
        assert_eq!((bob.open().await, bob.history("a").await.len()), (Vec::new(), 5));
        assert_eq!(bob.store.remembered(&number("n")).await, Ok(None));
    }
}

/// The same as part of a commit of several entries, each by itself.
pub async fn repeated_entries_are_known_one_by_one(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    let epoch = with_one_call(&ada).await;
    let first = Entry { changes: vec![append("a", 1, vec![verified()]), assign("1", "n", epoch)] };
    let second = Entry { changes: vec![append("a", 2, vec![assigned("n")])] };
    let third = Entry { changes: vec![append("a", 3, vec![dialled("a.1")]), dial("a.1", "a", "n", epoch)] };
    assert_eq!(ada.store.commit(vec![first.clone(), second.clone()]).await, [Ok(()), Ok(())]);
    assert_eq!(ada.store.commit(vec![first, second, third.clone()]).await, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(ada.store.commit(vec![third]).await, [Ok(())]);
    assert_eq!(bob.history("a").await.len(), 4);
    assert_eq!(bob.open().await, ["1", "a.1"]);
}

/// What only begins like something that was written is no repetition.
pub async fn a_commit_of_another_wording_is_no_repetition(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    let epoch = with_one_call(&ada).await;
    ada.write(vec![append("a", 1, vec![verified()]), assign("1", "n", epoch)]).await;
    let conflict = Err(JournalError::Conflict { call: call("a"), expected: 1, actual: 2 });
    let longer = vec![append("a", 1, vec![verified(), assigned("n")])];
    let other = vec![append("a", 1, vec![verified()]), assign("2", "n", epoch)];
    for entry in [longer, other] {
        assert_eq!(ada.commit(entry).await, conflict);
    }
    assert_eq!((bob.open().await, bob.history("a").await.len()), (vec!["1".to_owned()], 2));
}

/// What is remembered of a number is the same for all processes, the first word counts, and it can be forgotten.
pub async fn what_is_remembered_is_shared(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    let epoch = ada.take("n").await.epoch;
    ada.write(vec![remember("n", Some("x")), assign("1", "n", epoch)]).await;
    bob.take_from(&ada, "n", epoch).await;
    assert_eq!(bob.store.remembered(&number("n")).await, Ok(Some(Some(agent("x")))));
    bob.write(vec![remember("n", Some("agent_1")), assign("2", "n", epoch + 1)]).await;
    assert_eq!(ada.store.remembered(&number("n")).await, Ok(Some(Some(agent("x")))), "the first word counts");
    bob.write(vec![Change::Forget(number("n"))]).await;
    assert_eq!(ada.store.remembered(&number("n")).await, Ok(None));
    bob.give_back("n", epoch + 1).await;
    assert_eq!(ada.take("n").await.remembered, None);
}
