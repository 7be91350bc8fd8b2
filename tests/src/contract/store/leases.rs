//! Numbers are prolonged, given back, and wanted by others.

use partyline_domain::ports::{Release, Renewed};

use super::samples::{assign, call, dial, new_call, number};
use super::{LONG, OVER, Process, SHORT, StoreHarness, WHILE, assert_left, claim, epochs, ids, process, two};

impl Process {
    /// Takes a number that another process gives back for it.
    pub(super) async fn take_from(&self, holder: &Process, name: &str, epoch: u64) {
        holder.give_back(name, epoch).await;
        assert_eq!(self.take(name).await.epoch, epoch + 1);
    }
}

/// Whoever holds nothing prolongs nothing.
pub async fn nothing_is_prolonged(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    bob.take("n").await;
    assert_eq!(ada.renew(LONG).await, Renewed::default());
}

/// Every lease of the process is prolonged, and it is told which.
pub async fn all_leases_are_prolonged(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"]), new_call("b", &["m"])]).await;
    ada.claim_all(SHORT).await;
    ada.want("o", SHORT).await.expect("nobody holds it");
    let mut leases = ada.renew(LONG).await.leases;
    leases.sort();
    assert_eq!(leases, [(number("m"), 1), (number("n"), 1), (number("o"), 1)]);
    world.pass(OVER).await;
    for name in ["n", "m", "o"] {
        assert_eq!(bob.want(name, SHORT).await, None, "{name}");
    }
    ada.renew(SHORT).await;
    world.pass(OVER).await;
    assert_eq!(bob.claim_all(LONG).await.calls.len(), 2, "the last time counts, also where it is shorter");
}

/// What is given back can be taken at once.
pub async fn what_is_given_back_is_free(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"]), new_call("b", &["n"])]).await;
    assert_eq!(ada.claim_all(LONG).await.calls.len(), 2);
    ada.release(Release { calls: vec![call("b")], ..Release::default() }).await;
    assert_eq!(bob.claim_all(LONG).await.calls, [], "the number is not free");
    let all = Release { numbers: vec![(number("n"), 1)], calls: vec![call("a")], ..Release::default() };
    ada.release(all).await;
    let claimed = bob.claim_all(LONG).await;
    assert_eq!((epochs(&claimed.numbers), ids(&claimed.calls)), (vec![("n", 2)], vec!["a", "b"]));
    assert_eq!(ada.renew(LONG).await.leases, []);
}

/// Who gives all its numbers back lets go of its calls, too: it holds nothing any more.
pub async fn who_holds_nothing_has_no_calls(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    ada.claim_all(LONG).await;
    ada.give_back("n", 1).await;
    assert_eq!(ids(&bob.claim_all(LONG).await.calls), ["a"]);
}

/// What is another's, was never taken, or is of another epoch is left alone; and giving back may be repeated.
pub async fn what_is_anothers_is_left_alone(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    ada.claim_all(LONG).await;
    let all = |epoch| Release {
        numbers: vec![(number("n"), epoch), (number("unknown"), 1)],
        calls: vec![call("a"), call("unknown")],
        ..Release::default()
    };
    bob.release(all(1)).await;
    ada.give_back("n", 2).await;
    let nothing = bob.claim_all(LONG).await;
    assert_eq!((nothing.numbers.len(), nothing.calls.len()), (0, 0));
    ada.write(vec![dial("a.1", "a", "n", 1)]).await;
    ada.release(all(1)).await;
    assert_eq!(ids(&bob.claim_all(LONG).await.calls), ["a"]);
    ada.release(all(1)).await;
    assert_eq!(bob.renew(LONG).await.leases, [(number("n"), 2)]);
    assert_eq!(ada.claim_all(LONG).await.calls, []);
}

/// A number that nobody holds is taken by whoever wants it, without any call; to want it again is to keep it.
pub async fn a_free_number_is_had_for_the_asking(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    let taken = ada.take("n").await;
    assert_eq!((taken.epoch, taken.unresolved.len()), (1, 0));
    ada.write(vec![assign("s", "n", 1)]).await;
    ada.renew(WHILE).await;
    let again = ada.take("n").await;
    assert_eq!((again.epoch, again.unresolved.len()), (1, 0), "the answer may have been lost");
    world.pass(WHILE).await;
    assert_eq!(bob.want("n", LONG).await, None);
    assert_eq!(ada.renew(LONG).await.wanted, [number("n")]);
}

/// Whoever holds a number is told that another wants it, and the wish comes true when it is given back.
pub async fn a_wish_is_told_and_comes_true(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"]), new_call("b", &["m"])]).await;
    ada.claim(claim(LONG, 0)).await;
    assert_eq!(bob.want("n", LONG).await, None);
    assert_eq!(bob.want("n", LONG).await, None, "a wish may be repeated");
    for _ in 0..2 {
        assert_eq!(ada.renew(LONG).await.wanted, [number("n")], "as long as it lasts");
    }
    assert_eq!(bob.renew(LONG).await.wanted, []);
    ada.give_back("n", 1).await;
    let third = process(&*world, "run_carl").await;
    for process in [&ada, &third] {
        let claimed = process.claim_all(LONG).await;
        assert_eq!(claimed.numbers, [], "it is kept for who wants it");
    }
    assert_eq!(bob.take("n").await.epoch, 2);
    assert_eq!(bob.renew(LONG).await.wanted, [], "who has it wants it no more");
    bob.give_back("n", 2).await;
    let claimed = third.claim_all(LONG).await;
    assert_eq!((epochs(&claimed.numbers), ids(&claimed.calls)), (vec![("n", 3)], vec!["a"]));
}

/// A wish that is not renewed ends.
pub async fn a_wish_ends(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    ada.claim(claim(LONG, 0)).await;
    assert_eq!(bob.want("n", SHORT).await, None);
    world.pass(OVER).await;
    assert_eq!(ada.renew(LONG).await.wanted, []);
    ada.give_back("n", 1).await;
    let third = process(&*world, "run_carl").await;
    assert_eq!(epochs(&third.claim_all(LONG).await.numbers), [("n", 2)]);
}

/// A wish does not keep its own process from claiming.
pub async fn a_wish_is_granted_by_a_claim_too(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.take("n").await;
    bob.submit(vec![new_call("a", &["n"])]).await;
    assert_eq!(bob.want("n", LONG).await, None);
    ada.give_back("n", 1).await;
    assert_eq!(epochs(&bob.claim_all(LONG).await.numbers), [("n", 2)]);
    bob.give_back("n", 2).await;
    assert_eq!(epochs(&ada.claim_all(LONG).await.numbers), [("n", 3)], "the wish ended with it");
}

/// A lease lasts as long as was asked for.
pub async fn a_lease_lasts(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    ada.claim_all(LONG).await;
    world.pass(OVER).await;
    assert_eq!(bob.want("n", SHORT).await, None);
    let left = bob.claim_all(LONG).await.retry_in.expect("a call waits");
    assert_left(left, LONG, OVER, &*world);
}
