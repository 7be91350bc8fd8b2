//! Free numbers and free calls are taken, each by one process.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{join, join_all};
use partyline_domain::ports::{Change, Claim, Claimed, Release};

use super::samples::{agent, append, assign, assigned, call, dialled, new_call, number, remember, urgent, verified};
use super::{LONG, OVER, SHORT, StoreHarness, assert_age, assert_left, claim, epochs, ids, process, two};

/// In an empty store there is nothing to take.
pub async fn nothing_waits(harness: &impl StoreHarness) {
    let (_world, ada, _) = two(harness).await;
    assert_eq!(ada.claim_all(LONG).await, Claimed::default());
}

/// Numbers are taken when calls wait for them, under their first epoch, with nothing known of them.
pub async fn numbers_are_taken_for_calls(harness: &impl StoreHarness) {
    let (_world, ada, _) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"]), new_call("b", &["m"]), new_call("c", &["n"])]).await;
    let claimed = ada.claim_all(LONG).await;
    assert_eq!(epochs(&claimed.numbers), [("m", 1), ("n", 1)]);
    for taken in &claimed.numbers {
        assert_eq!((taken.unresolved.len(), &taken.remembered, &taken.seen), (0, &None, &None));
        assert!(taken.ours.is_empty());
    }
    assert_eq!(ids(&claimed.calls), ["a", "b", "c"]);
    assert_eq!((claimed.more, claimed.retry_in), (false, None));
}

/// A number that is still to be given back to whom it belongs is taken without any call, so that somebody does.
pub async fn a_number_that_is_owed_is_taken(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    for name in ["n", "m"] {
        let epoch = ada.take(name).await.epoch;
        ada.write(vec![remember(name, Some("x")), assign(&format!("ada.{name}"), name, epoch)]).await;
    }
    assert_eq!(bob.claim_all(LONG).await.numbers, [], "its holder will do it");
    for name in ["n", "m"] {
        ada.give_back(name, 1).await;
    }
    let only = Claim { numbers: Some(BTreeSet::from([number("m"), number("o")])), ..claim(LONG, 0) };
    let claimed = bob.claim(only).await;
    assert_eq!((epochs(&claimed.numbers), claimed.calls.len()), (vec![("m", 2)], 0));
    assert_eq!(claimed.numbers[0].remembered, Some(Some(agent("x"))));
    bob.write(vec![Change::Forget(number("m"))]).await;
    bob.give_back("m", 2).await;
    assert_eq!(epochs(&ada.claim_all(LONG).await.numbers), [("n", 2)], "the other is owed to nobody any more");
}

/// A claim takes no number but those it names, and no calls that only others could serve.
pub async fn a_claim_keeps_to_its_numbers(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"]), new_call("b", &["m"]), new_call("c", &["m", "n"])]).await;
    let only = |name| Claim { numbers: Some(BTreeSet::from([number(name)])), ..claim(LONG, 1000) };
    let claimed = ada.claim(only("m")).await;
    assert_eq!((epochs(&claimed.numbers), ids(&claimed.calls)), (vec![("m", 1)], vec!["b", "c"]));
    assert_eq!((claimed.more, claimed.retry_in), (false, None), "what it may not take is not its own");
    let none = bob.claim(Claim { numbers: Some(BTreeSet::new()), ..claim(LONG, 1000) }).await;
    assert_eq!((none.numbers, none.calls), (Vec::new(), Vec::new()));
    assert_eq!(ids(&bob.claim_all(LONG).await.calls), ["a"]);
}

/// All free numbers are taken from which a waiting call may be placed; the call goes to one process.
pub async fn a_call_may_have_a_choice_of_numbers(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    let held = bob.take("n").await;
    ada.submit(vec![new_call("a", &["n", "m", "o"])]).await;
    let taken = ada.claim(claim(LONG, 0)).await;
    assert_eq!((epochs(&taken.numbers), taken.more), (vec![("m", 1), ("o", 1)], true));
    assert_eq!(taken.retry_in, None, "it need not wait for the third");
    let other = bob.claim_all(LONG).await;
    assert_eq!((epochs(&other.numbers), ids(&other.calls)), (Vec::new(), vec!["a"]), "any of its numbers will do");
    assert_eq!(ada.claim_all(LONG).await.calls, []);
    bob.give_back("n", held.epoch).await;
    bob.release(Release { calls: vec![call("a")], ..Release::default() }).await;
    let again = ada.claim_all(LONG).await;
    assert_eq!((epochs(&again.numbers), ids(&again.calls)), (vec![("n", 2)], vec!["a"]));
}

/// Calls come in the order in which they were handed in, urgent ones first.
pub async fn calls_come_in_their_order(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("c", &["n"]), new_call("a", &["n"])]).await;
    bob.submit(vec![urgent("y", &["n"]), new_call("b", &["n"]), urgent("x", &["n"])]).await;
    assert_eq!(ids(&bob.claim(claim(LONG, 3)).await.calls), ["y", "x", "c"]);
    let released = vec![call("c"), call("x")];
    bob.release(Release { calls: released, ..Release::default() }).await;
    assert_eq!(ids(&bob.claim_all(LONG).await.calls), ["x", "c", "a", "b"], "what is given back keeps its place");
}

/// No more calls are taken than were asked for; whether more wait is told.
pub async fn a_claim_takes_as_many_calls_as_it_asks_for(harness: &impl StoreHarness) {
    let (_world, ada, _) = two(harness).await;
    ada.submit(["a", "b", "c", "d"].map(|name| new_call(name, &["n"])).to_vec()).await;
    let numbers_only = ada.claim(claim(LONG, 0)).await;
    assert_eq!((epochs(&numbers_only.numbers), numbers_only.calls.len()), (vec![("n", 1)], 0));
    assert!(numbers_only.more);
    for (expected, more) in [(vec!["a", "b"], true), (vec!["c", "d"], false), (vec![], false)] {
        let claimed = ada.claim(claim(LONG, 2)).await;
        assert_eq!((ids(&claimed.calls), claimed.more), (expected, more));
        assert_eq!(claimed.numbers, [], "what it holds it goes on holding");
    }
}

/// A call has its whole history, and says how long it has waited.
pub async fn a_claimed_call_is_whole(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    ada.write(vec![append("a", 1, vec![verified()])]).await;
    world.pass(SHORT).await;
    let claimed = bob.claim_all(LONG).await;
    let stored = &claimed.calls[0];
    assert_eq!(stored.events, ada.history("a").await);
    assert_age(stored.waited, SHORT, &*world);
    assert_eq!((stored.open_for.is_zero(), stored.over_for.is_zero(), stored.cancel), (true, true, false));
}

/// Calls of a number that somebody else holds are left to it; when that may end is told.
pub async fn calls_are_left_to_who_holds_their_number(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    assert_eq!(ada.take("n").await.epoch, 1);
    assert_eq!(bob.claim_all(LONG).await.retry_in, None, "no call waits for it");
    bob.submit(vec![new_call("a", &["n"])]).await;
    let passed_over = bob.claim_all(LONG).await;
    assert_eq!((passed_over.numbers, passed_over.calls, passed_over.more), (Vec::new(), Vec::new(), false));
    assert_left(passed_over.retry_in.expect("a call waits for it"), LONG, Duration::ZERO, &*world);
    let elsewhere = Claim { numbers: Some(BTreeSet::from([number("m")])), ..claim(LONG, 1000) };
    assert_eq!(bob.claim(elsewhere).await.retry_in, None, "it is not to have that number");
    let claimed = ada.claim_all(LONG).await;
    assert_eq!((ids(&claimed.calls), claimed.retry_in), (vec!["a"], None));
}

/// Whoever stands by is told when the holder's lease runs out, also where the holder has taken all calls: it may be dead.
pub async fn a_stand_by_knows_when_to_look(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    assert_eq!(ids(&ada.claim_all(LONG).await.calls), ["a"]);
    let stand_by = bob.claim_all(LONG).await;
    assert_eq!((stand_by.numbers.len(), stand_by.calls.len()), (0, 0));
    assert_left(stand_by.retry_in.expect("a call is under way"), LONG, Duration::ZERO, &*world);
    ada.write(vec![append("a", 1, vec![verified()]), Change::Close(call("a"))]).await;
    assert_eq!(bob.claim_all(LONG).await.retry_in, None, "nothing is left to do");
}

/// Processes that claim at the same time get different calls, and one of them the number.
pub async fn a_race_has_one_winner(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    let calls: Vec<String> = (0..20).map(|index| format!("call-{index:02}")).collect();
    ada.submit(calls.iter().map(|name| new_call(name, &["n"])).collect()).await;
    let (first, second) = join(ada.claim(claim(LONG, 20)), bob.claim(claim(LONG, 20))).await;
    assert_eq!(first.numbers.len() + second.numbers.len(), 1);
    let mut got = [ids(&first.calls), ids(&second.calls)].concat();
    got.sort_unstable();
    assert_eq!(got, calls);
    assert!(first.calls.is_empty() || second.calls.is_empty(), "without the number there are no calls");
}

/// Processes that hold one number each share the calls that may be placed from either.
pub async fn shared_calls_are_shared_out_once(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.take("n").await;
    bob.take("m").await;
    let calls: Vec<String> = (0..24).map(|index| format!("call-{index:02}")).collect();
    ada.submit(calls.iter().map(|name| new_call(name, &["n", "m"])).collect()).await;
    let one_by_one = |index: usize| {
        let process = if index.is_multiple_of(2) { &ada } else { &bob };
        async move { ids(&process.claim(claim(LONG, 3)).await.calls).iter().map(ToString::to_string).collect() }
    };
    let got: Vec<Vec<String>> = join_all((0..8).map(one_by_one)).await;
    let mut got = got.concat();
    got.sort_unstable();
    assert_eq!(got, calls);
}

/// What a claim took whose answer was lost comes with the next one, until one is answered.
pub async fn a_lost_answer_is_given_again(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.submit(["a", "b", "c", "d"].map(|name| new_call(name, &["n"])).to_vec()).await;
    let ask = |ordinal, answered, calls_max| Claim { ordinal, answered, ..claim(LONG, calls_max) };
    let lost = ada.store.claim(&ask(1, 0, 2)).await.expect("the store answers");
    assert_eq!((epochs(&lost.numbers), ids(&lost.calls)), (vec![("n", 1)], vec!["a", "b"]));
    ada.write(vec![assign("s", "n", 1)]).await;
    let again = ada.store.claim(&ask(2, 0, 1)).await.expect("the store answers");
    assert_eq!((epochs(&again.numbers), ids(&again.calls)), (vec![("n", 1)], vec!["a", "b", "c"]));
    assert_eq!(again.numbers[0].unresolved, [], "its own requests are not those of an earlier epoch");
    let twice = ada.store.claim(&ask(3, 0, 0)).await.expect("the store answers");
    assert_eq!((epochs(&twice.numbers), ids(&twice.calls)), (vec![("n", 1)], vec!["a", "b", "c"]));
    let heard = ada.store.claim(&ask(4, 3, 9)).await.expect("the store answers");
    assert_eq!((heard.numbers, ids(&heard.calls)), (Vec::new(), vec!["d"]));
    let other = bob.store.claim(&ask(1, 0, 9)).await.expect("the store answers");
    assert_eq!((other.numbers, other.calls), (Vec::new(), Vec::new()), "another's claims are not its own");
}

/// What was given back, lost or closed meanwhile is not handed out again.
pub async fn a_lost_answer_is_given_as_things_are_then(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    ada.submit(["a", "b", "c"].map(|name| new_call(name, &["n", "m"])).to_vec()).await;
    let ask = |ordinal| Claim { ordinal, answered: 0, ..claim(LONG, 0) };
    let lost = ada.store.claim(&Claim { calls_max: 3, ..ask(1) }).await.expect("the store answers");
    assert_eq!((epochs(&lost.numbers), lost.calls.len()), (vec![("m", 1), ("n", 1)], 3));
    ada.write(vec![append("a", 1, vec![verified()]), append("c", 1, vec![verified()]), Change::Close(call("c"))]).await;
    bob.take_from(&ada, "m", 1).await;
    ada.release(Release { calls: vec![call("b")], ..Release::default() }).await;
    let again = ada.store.claim(&ask(2)).await.expect("the store answers");
    assert_eq!((epochs(&again.numbers), ids(&again.calls), again.more), (vec![("n", 1)], vec!["a"], true));
    assert_eq!(again.calls[0].events.len(), 2, "as it is now");
}

/// A process whose leases have all run out has nothing: it takes numbers and calls anew, like any other.
pub async fn who_has_lost_all_begins_anew(harness: &impl StoreHarness) {
    let (world, ada, _) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    ada.claim_all(SHORT).await;
    ada.write(vec![append("a", 1, vec![verified()])]).await;
    world.pass(OVER).await;
    let elsewhere = Claim { numbers: Some(BTreeSet::from([number("m")])), ..claim(LONG, 1000) };
    assert_eq!(ada.claim(elsewhere).await.calls, [], "it holds nothing to place them from");
    let anew = ada.claim_all(LONG).await;
    assert_eq!((epochs(&anew.numbers), ids(&anew.calls)), (vec![("n", 2)], vec!["a"]));
    assert_eq!(anew.calls[0].events.len(), 2);
}

/// A process that holds a number keeps its calls, also those of a number that it has lost.
pub async fn who_holds_anything_keeps_its_calls(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    ada.claim_all(LONG).await;
    ada.take("m").await;
    world.lose_lease(&number("n")).await;
    bob.submit(vec![new_call("b", &["n"])]).await;
    let claimed = bob.claim_all(LONG).await;
    assert_eq!((epochs(&claimed.numbers), ids(&claimed.calls)), (vec![("n", 2)], vec!["b"]));
    ada.write(vec![append("a", 1, vec![verified(), assigned("n"), dialled("a.1")])]).await;
    ada.release(Release { calls: vec![call("a")], ..Release::default() }).await;
    assert_eq!(ids(&bob.claim_all(LONG).await.calls), ["a"]);
    let third = process(&*world, "run_carl").await;
    assert_eq!(third.claim_all(LONG).await.calls, []);
}
