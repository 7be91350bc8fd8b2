//! What becomes of a dead process's numbers and calls, and of one that is only late.

use std::time::Duration;

use partyline_domain::JournalError;
use partyline_domain::ports::{Change, Intent, IntentKind};

use super::samples::{
    append, assign, assigned, attempt, call, dial, dialled, doubted, given_up, intent, new_call, number, remember,
    verified,
};
use super::{
    LONG, OVER, Process, SHORT, StoreHarness, StoreWorld, assert_age, assert_conflict, assert_left, assert_refused,
    claim, epochs, ids, process, two,
};

/// Up to the open dial `a.1`, sent by a process that then dies.
async fn dies_while_dialling(world: &dyn StoreWorld, ada: &Process) -> u64 {
    ada.submit(vec![new_call("a", &["n"]), new_call("b", &["n"])]).await;
    let epoch = ada.claim(claim(SHORT, 1)).await.numbers[0].epoch;
    ada.write(vec![append("a", 1, vec![verified()])]).await;
    ada.write(vec![remember("n", Some("x")), assign("ada.a1", "n", epoch)]).await;
    ada.write(vec![Change::Resolve(attempt("ada.a1"))]).await;
    let events = vec![assigned("n"), dialled("a.1")];
    ada.write(vec![append("a", 2, events), dial("a.1", "a", "n", epoch)]).await;
    world.pass(OVER).await;
    epoch
}

/// When its lease has run out, a number is taken under the next epoch, with what is not resolved; its calls come with
/// their whole histories, the one whose dial is open in its place.
pub async fn a_dead_process_is_succeeded(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    assert_eq!(dies_while_dialling(&*world, &ada).await, 1);
    let claimed = bob.claim_all(LONG).await;
    assert_eq!((epochs(&claimed.numbers), ids(&claimed.calls)), (vec![("n", 2)], vec!["a", "b"]));
    let taken = &claimed.numbers[0];
    assert_eq!(taken.remembered, Some(Some(super::samples::agent("x"))));
    assert_eq!(taken.ours.iter().collect::<Vec<_>>(), [&super::samples::agent("agent_1")]);
    let open = intent("a.1", IntentKind::Dial(call("a")), "n", 1);
    assert_eq!(taken.unresolved.iter().map(|open| &open.intent).collect::<Vec<_>>(), [&open]);
    assert_left(taken.unresolved[0].open_for, open.within, OVER, &*world);
    let (orphan, waiting) = (&claimed.calls[0], &claimed.calls[1]);
    assert_eq!(orphan.events, ada.history("a").await);
    assert_eq!(orphan.events.len(), 4);
    assert_age(orphan.waited, OVER, &*world);
    assert_left(orphan.open_for, open.within, OVER, &*world);
    assert!(waiting.open_for.is_zero() && waiting.over_for.is_zero());
}

/// A request that cannot be sent any more is told with how long ago that passed, as long as it is not resolved.
pub async fn a_request_is_open_for_a_while_and_then_over(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    let epoch = ada.claim_all(SHORT).await.numbers[0].epoch;
    let other = ada.take("m").await.epoch;
    ada.write(vec![assign("t", "m", other)]).await;
    ada.give_back("m", other).await;
    let brief = |name, kind| Change::Intend(Intent { within: SHORT, ..intent(name, kind, "n", epoch) });
    ada.write(vec![brief("r", IntentKind::Restore)]).await;
    let events = vec![verified(), assigned("n"), dialled("a.1")];
    ada.write(vec![append("a", 1, events), brief("a.1", IntentKind::Dial(call("a")))]).await;
    ada.write(vec![brief("s", IntentKind::Assign), Change::Resolve(attempt("s"))]).await;
    world.pass(OVER + SHORT).await;
    let claimed = bob.claim_all(LONG).await;
    let unresolved = &claimed.numbers[0].unresolved;
    let attempts: Vec<_> = unresolved.iter().map(|open| open.intent.attempt.as_str()).collect();
    assert_eq!(attempts, ["r", "a.1"], "oldest first, without what is resolved");
    for open in unresolved {
        assert!(open.open_for.is_zero());
        assert_age(open.over_for, OVER, &*world);
    }
    assert!(claimed.calls[0].open_for.is_zero());
    assert_age(claimed.calls[0].over_for, OVER, &*world);
}

/// A process that comes back late opens no intent on a number that another has taken, and says nothing more of a call
/// that another has: the successor finds out by itself.
pub async fn who_comes_late_is_fenced(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    let epoch = dies_while_dialling(&*world, &ada).await;
    bob.claim_all(LONG).await;
    let fenced = Err(JournalError::Fenced { number: number("n") });
    let restore = Change::Intend(intent("r", IntentKind::Restore, "n", epoch));
    assert_eq!(ada.commit(vec![assign("s", "n", epoch)]).await, fenced);
    assert_eq!(ada.commit(vec![restore]).await, fenced);
    let dials = vec![append("b", 1, vec![verified(), assigned("n"), dialled("b.1")]), dial("b.1", "b", "n", epoch)];
    assert_refused(ada.commit(dials).await);
    assert_conflict(ada.commit(vec![append("a", 4, vec![doubted("a.1")])]).await, "a");
    assert_eq!((bob.history("a").await.len(), bob.history("b").await.len()), (4, 1));
    assert_eq!(bob.open().await, ["a.1"]);
    bob.write(vec![append("a", 4, vec![doubted("a.1")])]).await;
}

/// A process that is late but has not been succeeded may say what it knows.
pub async fn who_is_not_succeeded_may_speak(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    dies_while_dialling(&*world, &ada).await;
    ada.write(vec![append("a", 4, vec![doubted("a.1")])]).await;
    let claimed = bob.claim_all(LONG).await;
    assert_eq!(claimed.calls[0].events, ada.history("a").await);
    assert_eq!(claimed.calls[0].events.len(), 5);
}

/// Two processes that decide the same thing at the same moment have not both written it: a dial is intended once.
pub async fn a_successors_dial_is_not_taken_for_ones_own(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    let old = ada.claim_all(SHORT).await.numbers[0].epoch;
    world.pass(OVER).await;
    let new = bob.claim_all(LONG).await.numbers[0].epoch;
    let dials =
        |epoch| vec![append("a", 1, vec![verified(), assigned("n"), dialled("a.1")]), dial("a.1", "a", "n", epoch)];
    bob.write(dials(new)).await;
    assert_refused(ada.commit(dials(old)).await);
    let open = ada.store.open_intents().await.expect("the store answers");
    assert_eq!(open.iter().map(|intent| intent.epoch).collect::<Vec<_>>(), [new]);
}

/// A lease that nobody else has taken is prolonged by its holder, under its epoch, also after it has run out.
pub async fn who_is_only_late_goes_on(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    let epoch = dies_while_dialling(&*world, &ada).await;
    ada.write(vec![assign("s", "n", epoch)]).await;
    assert_eq!(ada.renew(LONG).await.leases, [(number("n"), epoch)]);
    let claimed = bob.claim_all(LONG).await;
    assert_eq!((claimed.numbers.len(), claimed.calls.len()), (0, 0));
    assert_left(claimed.retry_in.expect("calls wait"), LONG, Duration::ZERO, &*world);
    assert_eq!(ids(&ada.claim_all(LONG).await.calls), ["b"], "and the one it had it has");
}

/// An epoch never falls, also where the row of the lease was lost; its holder then has it no more.
pub async fn a_lost_lease_keeps_its_epoch(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    let epoch = dies_while_dialling(&*world, &ada).await;
    assert_eq!(ada.renew(LONG).await.leases, [(number("n"), epoch)]);
    world.lose_lease(&number("n")).await;
    assert_eq!(ada.renew(LONG).await.leases, []);
    assert_eq!(ada.commit(vec![assign("s", "n", epoch)]).await, Err(JournalError::Fenced { number: number("n") }));
    let claimed = bob.claim_all(SHORT).await;
    assert_eq!(epochs(&claimed.numbers), [("n", epoch + 1)]);
    assert_eq!(claimed.numbers[0].unresolved.len(), 1);
    world.lose_lease(&number("n")).await;
    world.lose_lease(&number("n")).await;
    assert_eq!(process(&*world, "run_carl").await.take("n").await.epoch, epoch + 2);
    assert_eq!(bob.renew(LONG).await.leases, []);
}

/// Epochs grow by one with each lease, however it came to an end, for each number by itself.
pub async fn epochs_grow_by_one(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    for epoch in [1, 3] {
        assert_eq!(ada.take("n").await.epoch, epoch);
        ada.give_back("n", epoch).await;
        assert_eq!(bob.want("n", SHORT).await.map(|taken| taken.epoch), Some(epoch + 1));
        world.pass(OVER).await;
    }
    assert_eq!(bob.take("m").await.epoch, 1);
}

/// A call in doubt that was handed over is the successor's to end.
pub async fn a_doubt_is_handed_over(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    dies_while_dialling(&*world, &ada).await;
    bob.claim_all(LONG).await;
    let changes = vec![append("a", 4, vec![doubted("a.1"), given_up("a.1")]), Change::Resolve(attempt("a.1"))];
    bob.write(changes).await;
    bob.write(vec![Change::Close(call("a"))]).await;
    assert_eq!(ada.open().await, [""; 0]);
    assert!(ada.follow(&[("a", 6)]).await[0].closed);
}
