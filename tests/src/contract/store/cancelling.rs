//! Somebody wants a call cancelled.

use partyline_domain::flow::{CallEvent, WithdrawReason};
use partyline_domain::ports::{CancelAnswer, Change, Release};

use super::samples::{
    append, assigned, at, attempt, call, dial, dialled, doubted, initiated, new_call, number, verified, withdrawn,
};
use super::{LONG, OVER, SHORT, StoreHarness, assert_refused, ids, two};

/// There is nothing to cancel in what is not there.
pub async fn an_unknown_call_is_not_cancelled(harness: &impl StoreHarness) {
    let (_world, ada, _) = two(harness).await;
    assert_eq!(ada.cancel("a").await, CancelAnswer::Unknown);
    assert_eq!(ada.history("a").await, []);
}

/// A call that no process has is withdrawn at once, and closed.
pub async fn a_waiting_call_is_withdrawn(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"]), new_call("b", &["n"])]).await;
    bob.write(vec![append("b", 1, vec![verified(), assigned("n")])]).await;
    for (name, version) in [("a", 2), ("b", 4)] {
        assert_eq!(bob.cancel(name).await, CancelAnswer::Withdrawn);
        let followed = ada.follow(&[(name, version - 1)]).await;
        assert_eq!(followed.len(), 1);
        let [last] = &followed[0].events[..] else { panic!("one event: {followed:?}") };
        assert_eq!((last.version, last.at, followed[0].closed), (version, at(50), true));
        let CallEvent::CallWithdrawn { reason, .. } = &last.event else { panic!("withdrawn: {last:?}") };
        assert_eq!(*reason, WithdrawReason::Cancelled);
        assert_eq!(ada.cancel(name).await, CancelAnswer::Ended, "the answer may have been lost");
    }
    assert_eq!(ada.claim_all(LONG).await.calls, []);
}

/// Who has the call is told so with every renewal, until the call is closed.
pub async fn who_has_the_call_is_asked(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"]), new_call("b", &["n"])]).await;
    ada.claim_all(LONG).await;
    assert_eq!(ada.renew(LONG).await.cancel, []);
    for _ in 0..2 {
        assert_eq!(bob.cancel("a").await, CancelAnswer::Asked);
        assert_eq!(ada.renew(LONG).await.cancel, [call("a")]);
    }
    assert_eq!(ada.history("a").await.len(), 1);
    assert_eq!(bob.renew(LONG).await.cancel, []);
    ada.write(vec![append("a", 1, vec![withdrawn()]), Change::Close(call("a"))]).await;
    assert_eq!(ada.renew(LONG).await.cancel, []);
    assert_eq!(ada.cancel("b").await, CancelAnswer::Asked, "also by who has it");
}

/// The wish goes with the call to its next process.
pub async fn the_wish_goes_with_the_call(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"]), new_call("b", &["n"])]).await;
    ada.claim_all(LONG).await;
    bob.cancel("a").await;
    let calls = vec![call("a"), call("b")];
    ada.release(Release { numbers: vec![(number("n"), 1)], calls, ..Release::default() }).await;
    assert_eq!(ada.renew(LONG).await.cancel, []);
    let claimed = bob.claim_all(LONG).await;
    assert_eq!(claimed.calls.iter().map(|stored| stored.cancel).collect::<Vec<_>>(), [true, false]);
    assert_eq!(bob.renew(LONG).await.cancel, [call("a")]);
}

/// A dead process has no calls: what was not dialled is withdrawn, and the process that comes back late finds that out.
pub async fn an_orphan_is_withdrawn(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    let epoch = ada.claim_all(SHORT).await.numbers[0].epoch;
    ada.write(vec![append("a", 1, vec![verified(), assigned("n")])]).await;
    world.pass(OVER).await;
    assert_eq!(bob.cancel("a").await, CancelAnswer::Withdrawn);
    let late = vec![append("a", 3, vec![dialled("a.1")]), dial("a.1", "a", "n", epoch)];
    assert_refused(ada.commit(late).await);
    assert_eq!(bob.open().await, [""; 0]);
}

/// A call whose dial may have been sent is not said to be withdrawn, also where no process has it.
pub async fn a_dialled_orphan_is_not_withdrawn(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"]), new_call("b", &["n"])]).await;
    let epoch = ada.claim_all(SHORT).await.numbers[0].epoch;
    let open = |name: &str| vec![verified(), assigned("n"), dialled(name)];
    ada.write(vec![append("a", 1, open("a.1")), dial("a.1", "a", "n", epoch)]).await;
    ada.write(vec![append("b", 1, open("b.1")), dial("b.1", "b", "n", epoch)]).await;
    ada.write(vec![append("b", 4, vec![doubted("b.1")])]).await;
    world.pass(OVER).await;
    for (name, version) in [("a", 4), ("b", 5)] {
        assert_eq!(bob.cancel(name).await, CancelAnswer::Asked);
        assert_eq!(bob.history(name).await.len(), version);
    }
    let claimed = bob.claim_all(LONG).await;
    assert_eq!(ids(&claimed.calls), ["a", "b"]);
    assert!(claimed.calls.iter().all(|stored| stored.cancel));
}

/// What has ended is not cancelled, closed or not, had by somebody or not.
pub async fn an_ended_call_stays_as_it_is(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.submit(["a", "b", "c", "d"].map(|name| new_call(name, &["n"])).to_vec()).await;
    let epoch = ada.claim_all(LONG).await.numbers[0].epoch;
    let lives = vec![verified(), assigned("n"), dialled("a.1"), initiated("a.1")];
    ada.write(vec![append("a", 1, lives), dial("a.1", "a", "n", epoch), Change::Resolve(attempt("a.1"))]).await;
    ada.write(vec![append("b", 1, vec![withdrawn()])]).await;
    ada.write(vec![append("c", 1, vec![withdrawn()]), Change::Close(call("c"))]).await;
    ada.write(vec![append("d", 1, vec![verified()]), Change::Close(call("d"))]).await;
    for _ in 0..2 {
        for (name, version) in [("a", 5), ("b", 2), ("c", 2), ("d", 2)] {
            assert_eq!(bob.cancel(name).await, CancelAnswer::Ended, "{name}");
            assert_eq!(bob.history(name).await.len(), version, "{name}");
        }
        assert_eq!(ada.renew(LONG).await.cancel, []);
        ada.give_back("n", epoch).await;
    }
}
