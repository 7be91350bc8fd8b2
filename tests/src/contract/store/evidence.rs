//! What one process knows of agents and numbers, another need not ask about again.

use std::time::Duration;

use partyline_domain::ports::{Change, Claimed, Intent, IntentKind, Release};

use super::samples::{
    agent, append, assign, assigned, attempt, dial, dialled, intent, known_release, new_call, profile, remember, shown,
    verified,
};
use super::{LONG, OVER, SHORT, StoreHarness, assert_age, two};

const MINUTE: Duration = Duration::from_secs(60);

fn age_of(claimed: &Claimed, name: &str) -> Duration {
    let of = claimed.agents.iter().find(|(known, _)| known.id == agent(name));
    let (known, age) = of.unwrap_or_else(|| panic!("{name} is known"));
    assert_eq!(*known, profile(name));
    *age
}

/// Agents that were asked about are known to whoever claims, with the age of the answer.
pub async fn agents_are_known_to_all(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    ada.release(Release { agents: vec![(profile("agent_1"), MINUTE)], ..Release::default() }).await;
    world.pass(SHORT).await;
    let claimed = bob.claim_all(LONG).await;
    assert_age(age_of(&claimed, "agent_1"), MINUTE + SHORT, &*world);
}

/// Of two answers about an agent the younger one counts.
pub async fn the_younger_answer_counts(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    for (age, counts) in [(2 * MINUTE, 2 * MINUTE), (MINUTE, MINUTE), (3 * MINUTE, MINUTE)] {
        ada.release(Release { agents: vec![(profile("agent_1"), age)], ..Release::default() }).await;
        let claimed = bob.claim_all(LONG).await;
        assert_age(age_of(&claimed, "agent_1"), counts, &*world);
        bob.release(Release { calls: vec![super::samples::call("a")], ..Release::default() }).await;
    }
}

/// A number that was given back is taken with what its last holder knew of it.
pub async fn a_number_is_known_to_its_next_holder(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    let epoch = ada.take("n").await.epoch;
    ada.release(known_release(epoch, shown("n", Some("agent_1")), MINUTE)).await;
    world.pass(SHORT).await;
    let (seen, age) = bob.take("n").await.seen.expect("it was seen");
    assert_eq!(seen, shown("n", Some("agent_1")));
    assert_age(age, MINUTE + SHORT, &*world);
    bob.release(known_release(epoch + 1, shown("n", None), Duration::ZERO)).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    let claimed = ada.claim_all(LONG).await;
    let (seen, age) = claimed.numbers[0].seen.clone().expect("it was seen");
    assert_eq!(seen, shown("n", None), "the last word counts");
    assert_age(age, Duration::ZERO, &*world);
}

/// What is known of a number no longer counts when an assignment or a restore is intended; a dial changes nothing.
pub async fn an_intended_change_ends_what_is_known(harness: &impl StoreHarness) {
    let (world, ada, bob) = two(harness).await;
    for kind in [IntentKind::Assign, IntentKind::Restore] {
        let epoch = ada.take("n").await.epoch;
        ada.release(known_release(epoch, shown("n", None), MINUTE)).await;
        let taken = ada.want("n", SHORT).await.expect("nobody holds it");
        assert!(taken.seen.is_some());
        let change = format!("{kind:?}.{epoch}");
        ada.write(vec![Change::Intend(intent(&change, kind, "n", taken.epoch))]).await;
        world.pass(OVER).await;
        let next = bob.take("n").await;
        assert_eq!(next.seen, None);
        bob.give_back("n", next.epoch).await;
    }
    let epoch = ada.take("n").await.epoch;
    ada.release(known_release(epoch, shown("n", None), MINUTE)).await;
    ada.submit(vec![new_call("a", &["n"])]).await;
    let epoch = ada.claim_all(SHORT).await.numbers[0].epoch;
    let events = vec![verified(), assigned("n"), dialled("a.1")];
    ada.write(vec![append("a", 1, events), dial("a.1", "a", "n", epoch)]).await;
    world.pass(OVER).await;
    assert_eq!(bob.take("n").await.seen.map(|(seen, _)| seen), Some(shown("n", None)));
}

/// What somebody says of a number that is not its own to give back does not count.
pub async fn only_the_holder_knows(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    let epoch = ada.take("n").await.epoch;
    bob.release(known_release(epoch, shown("n", Some("agent_2")), Duration::ZERO)).await;
    ada.release(known_release(epoch + 1, shown("n", Some("agent_2")), Duration::ZERO)).await;
    ada.give_back("n", epoch).await;
    assert_eq!(bob.take("n").await.seen, None);
}

/// A successor is told which agents we have assigned since the number's own was remembered.
pub async fn a_successor_knows_our_agents(harness: &impl StoreHarness) {
    let (_world, ada, bob) = two(harness).await;
    let epoch = ada.take("n").await.epoch;
    let to = |name: &str, agent_name: &str, kind| {
        Change::Intend(Intent { agent: Some(agent(agent_name)), ..intent(name, kind, "n", epoch) })
    };
    ada.write(vec![assign("before", "n", epoch)]).await;
    ada.write(vec![remember("n", Some("x")), to("1", "agent_2", IntentKind::Assign)]).await;
    ada.write(vec![to("2", "agent_3", IntentKind::Assign), Change::Resolve(attempt("1"))]).await;
    ada.write(vec![to("3", "x", IntentKind::Restore)]).await;
    ada.give_back("n", epoch).await;
    let taken = bob.take("n").await;
    assert_eq!(taken.ours.iter().collect::<Vec<_>>(), [&agent("agent_2"), &agent("agent_3")]);
    bob.write(vec![Change::Forget(super::samples::number("n"))]).await;
    ada_after(&ada, &bob, taken.epoch).await;
}

/// With what was remembered, what was ours is forgotten.
async fn ada_after(ada: &super::Process, bob: &super::Process, epoch: u64) {
    bob.give_back("n", epoch).await;
    let taken = ada.take("n").await;
    assert_eq!((taken.remembered, taken.ours.len()), (None, 0));
    ada.write(vec![remember("n", None), assign("9", "n", taken.epoch)]).await;
    ada.give_back("n", taken.epoch).await;
    let taken = bob.take("n").await;
    assert_eq!(taken.remembered, Some(None));
    assert_eq!(taken.ours.iter().collect::<Vec<_>>(), [&agent("agent_1")]);
}
