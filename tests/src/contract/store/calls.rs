//! Calls are handed in once, and followed to their ends.

use partyline_domain::CallRequest;
use partyline_domain::flow::{CallEvent, Proof};
use partyline_domain::ports::{Accepted, BatchRow, Change, Followed, NewCall, Recorded};
use partyline_domain::{BatchId, Timestamp};

use super::samples::{
    append, assigned, at, call, dialled, doubted, found, given_up, initiated, keyed, new_call, requested, urgent,
    verified, withdrawn,
};
use super::{LONG, StoreHarness, assert_conflict, ids, two};

/// A call that is handed in has its first event, and waits.
pub async fn a_call_that_is_handed_in_has_its_first_event(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    let batch = BatchRow { batch: BatchId::parse("batch_1").expect("an id"), line: 7, agent: "Restaurant".into() };
    let asked = NewCall { batch: Some(batch), repeats: Some(call("z")), ..new_call("a", &["n", "m"]) };
    assert_eq!(ada.submit(vec![asked.clone()]).await, [Accepted::New]);
    for process in [&ada, &bob] {
        assert_eq!(process.history("a").await, [requested(&asked)]);
    }
    assert_eq!(ids(&bob.claim_all(LONG).await.calls), ["a"]);
}

/// Nothing handed in is nothing taken, and no error.
pub async fn nothing_is_handed_in(harness: &impl StoreHarness) {
    let (_world, ada, _) = two(harness).await;
    assert_eq!(ada.submit(Vec::new()).await, []);
}

/// A call that is handed in again, because the answer was lost, is the same call: also when it has moved on.
pub async fn a_call_that_is_handed_in_again_is_the_same(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    let asked = new_call("a", &["n"]);
    assert_eq!(ada.submit(vec![asked.clone(), asked.clone()]).await, [Accepted::New, Accepted::Again]);
    ada.write(vec![append("a", 1, vec![verified()])]).await;
    let both = vec![asked.clone(), new_call("b", &["n"])];
    assert_eq!(ada.submit(both).await, [Accepted::Again, Accepted::New]);
    assert_eq!(bob.history("a").await.len(), 2);
    assert_eq!(ids(&bob.claim_all(LONG).await.calls), ["a", "b"]);
}

/// The same with a key: its own key does not make it somebody else's.
pub async fn a_call_with_a_key_is_handed_in_again(harness: &impl StoreHarness) {
    let (_world, ada, _) = two(harness).await;
    let asked = keyed(new_call("a", &["n"]), "invoice 7".replace(' ', "-").as_str());
    assert_eq!(ada.submit(vec![asked.clone()]).await, [Accepted::New]);
    assert_eq!(ada.submit(vec![asked]).await, [Accepted::Again]);
}

/// The same key with the same wish gives the first call, whoever asks, and no second one.
pub async fn the_same_key_gives_the_first_call(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    assert_eq!(ada.submit(vec![keyed(new_call("a", &["n"]), "k")]).await, [Accepted::New]);
    let second = keyed(new_call("b", &["n"]), "k");
    let later = NewCall { request: CallRequest { expires_at: Some(at(99)), ..second.request }, ..second };
    assert_eq!(bob.submit(vec![later]).await, [Accepted::Replayed(call("a"))]);
    assert_eq!(bob.history("b").await, []);
    let twice = vec![keyed(new_call("c", &["n"]), "l"), keyed(new_call("d", &["n"]), "l")];
    assert_eq!(bob.submit(twice).await, [Accepted::New, Accepted::Replayed(call("c"))]);
    assert_eq!(ids(&bob.claim_all(LONG).await.calls), ["a", "c"]);
    bob.write(vec![append("a", 1, vec![withdrawn()]), Change::Close(call("a"))]).await;
    let after_all = keyed(new_call("e", &["n"]), "k");
    assert_eq!(ada.submit(vec![after_all]).await, [Accepted::Replayed(call("a"))], "also when it has ended");
}

/// The same key with another wish is refused, and the others are not touched by that.
pub async fn a_key_serves_one_wish(harness: &impl StoreHarness) {
    let (_world, ada, _) = two(harness).await;
    assert_eq!(ada.submit(vec![keyed(new_call("a", &["n"]), "k")]).await, [Accepted::New]);
    let others = vec![keyed(new_call("b", &["m"]), "k"), new_call("c", &["n"]), keyed(urgent("d", &["n"]), "k")];
    let taken = || Accepted::KeyTaken(call("a"));
    assert_eq!(ada.submit(others).await, [taken(), Accepted::New, taken()]);
    assert_eq!(ada.history("b").await, []);
    assert_eq!(ids(&ada.claim_all(LONG).await.calls), ["a", "c"]);
}

/// Calls without a key are never the same, whatever they ask for.
pub async fn calls_without_a_key_are_apart(harness: &impl StoreHarness) {
    let (_world, ada, _) = two(harness).await;
    let calls = vec![new_call("a", &["n"]), new_call("b", &["n"])];
    assert_eq!(ada.submit(calls).await, [Accepted::New, Accepted::New]);
    assert_eq!(ids(&ada.claim_all(LONG).await.calls), ["a", "b"]);
}

/// Whoever follows a call is told what has happened since, and of nothing else.
pub async fn a_call_is_followed(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    let (a, b) = (new_call("a", &["n"]), new_call("b", &["n"]));
    ada.submit(vec![a.clone(), b]).await;
    assert_eq!(bob.follow(&[("a", 1), ("b", 1), ("unknown", 0)]).await, []);
    assert_eq!(bob.follow(&[]).await, []);
    ada.write(vec![append("a", 1, vec![verified(), assigned("n")])]).await;
    let followed = |events: Vec<Recorded>| vec![Followed { call: call("a"), events, closed: false }];
    let events = bob.history("a").await;
    assert_eq!(events.len(), 3);
    assert_eq!(bob.follow(&[("b", 1), ("a", 1)]).await, followed(events[1..].to_vec()));
    assert_eq!(bob.follow(&[("a", 0)]).await, followed(events.clone()));
    assert_eq!(bob.follow(&[("a", 2)]).await, followed(events[2..].to_vec()));
    assert_eq!(bob.follow(&[("a", 3)]).await, []);
}

/// Whoever follows a call learns that it is closed, also where nothing else has happened since.
pub async fn a_closed_call_is_told_of(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    ada.write(vec![append("a", 1, vec![withdrawn()])]).await;
    let followed = bob.follow(&[("a", 1)]).await;
    assert_eq!(followed.len(), 1);
    assert!(!followed[0].closed, "an end is not yet all: proof may be wanted");
    ada.write(vec![Change::Close(call("a"))]).await;
    let closed = |events| vec![Followed { call: call("a"), events, closed: true }];
    assert_eq!(bob.follow(&[("a", 2)]).await, closed(Vec::new()));
    assert_eq!(bob.follow(&[("a", 1)]).await, closed(bob.history("a").await[1..].to_vec()));
}

/// A closed call is taken by nobody, and nothing more is written of it.
pub async fn a_closed_call_is_over(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    let epoch = ada.claim_all(LONG).await.numbers[0].epoch;
    ada.write(vec![append("a", 1, vec![verified(), withdrawn()]), Change::Close(call("a"))]).await;
    ada.give_back("n", epoch).await;
    let claimed = bob.claim_all(LONG).await;
    assert_eq!((claimed.numbers, claimed.calls, claimed.more), (Vec::new(), Vec::new(), false));
    for process in [&ada, &bob] {
        for event in [verified(), withdrawn(), initiated("a.1")] {
            assert_conflict(process.commit(vec![append("a", 3, vec![event])]).await, "a");
        }
    }
    ada.write(vec![Change::Close(call("a"))]).await;
    assert_eq!(ada.history("a").await.len(), 3);
    ada.submit(vec![new_call("b", &["n"])]).await;
    ada.write(vec![Change::Close(call("b"))]).await;
    assert_conflict(ada.commit(vec![append("b", 1, vec![verified()])]).await, "b");
    assert_eq!(bob.claim_all(LONG).await.calls, [], "closed is closed, whatever its history says");
}

/// Late evidence of a closed call is written down, whoever brings it, where the call's history allows it.
pub async fn late_evidence_is_taken(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    ada.claim_all(LONG).await;
    let life = vec![verified(), assigned("n"), dialled("a.1"), doubted("a.1"), given_up("a.1")];
    ada.write(vec![append("a", 1, life), Change::Close(call("a"))]).await;
    for other in [withdrawn(), given_up("a.1"), found("a.2")] {
        assert_conflict(bob.commit(vec![append("a", 6, vec![other])]).await, "a");
    }
    bob.write(vec![append("a", 6, vec![found("a.1")])]).await;
    let proof = || CallEvent::ProofRead { proof: Proof::Matches { complete: true } };
    assert_conflict(ada.commit(vec![append("a", 6, vec![proof()])]).await, "a");
    ada.write(vec![append("a", 7, vec![proof()])]).await;
    assert_eq!(bob.history("a").await.len(), 8);
    assert!(bob.follow(&[("a", 8)]).await[0].closed);
}

/// Another process hears of what was handed in; and whoever waits is not left waiting where nothing happens.
pub async fn news_is_heard(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    let submitted = async { ada.submit(vec![new_call("a", &["n"])]).await };
    let ((), accepted) = futures_util::join!(bob.store.changed(), submitted);
    assert_eq!(accepted, [Accepted::New]);
    bob.store.changed().await;
    bob.store.changed().await;
    let claimed = bob.claim_all(LONG).await;
    assert_eq!(ids(&claimed.calls), ["a"]);
    assert!(claimed.calls[0].events[0].at > Timestamp::default());
}
