//! Several processes at once, and one that dies in between.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use partyline_domain::ports::{Accepted, Claim, NewCall, Store as _};
use partyline_store_adapter::SqlStore;

use crate::world::{World, append, call, claim, commit, id_of, keyed, new_call, number, on_both, submit, verified};

async fn views(world: &World, count: usize) -> Vec<SqlStore> {
    let names: Vec<String> = (0..count).map(|index| format!("run_{index}")).collect();
    join_all(names.iter().map(|name| world.open(name))).await
}

/// Claims until nothing is left; what was got.
async fn drain(store: &SqlStore) -> Vec<String> {
    let (mut got, mut ordinal) = (Vec::new(), 10);
    loop {
        ordinal += 1;
        let claimed = store.claim(&claim(ordinal, 7)).await.expect("the store answers");
        got.extend(claimed.calls.iter().map(id_of));
        if claimed.calls.is_empty() && !claimed.more {
            return got;
        }
    }
}

async fn every_call_is_got_once(world: World) {
    let stores = views(&world, 4).await;
    let numbers = ["n0", "n1", "n2", "n3"];
    for (store, name) in stores.iter().zip(numbers) {
        store.want(&number(name), crate::world::TTL).await.expect("the store answers").expect("nobody holds it");
    }
    let calls = (0..300).map(|index| new_call(&format!("call-{index:03}"), &numbers));
    submit(&stores[0], calls.collect()).await;
    let got = join_all(stores.iter().map(drain)).await.concat();
    assert_eq!(got.len(), 300);
    assert_eq!(got.into_iter().collect::<BTreeSet<_>>().len(), 300);
}

async fn a_key_is_given_once(world: World) {
    let stores = views(&world, 4).await;
    let new = |index: usize| -> NewCall { keyed(new_call(&format!("call-{index}"), &["n1"]), "the-same") };
    let submit = |(index, store): (usize, &SqlStore)| {
        let store = store.clone();
        async move { store.submit(vec![new(index)]).await.expect("the store answers").remove(0) }
    };
    let answers = join_all(stores.iter().enumerate().map(submit)).await;
    assert_eq!(answers.iter().filter(|answer| **answer == Accepted::New).count(), 1, "{answers:?}");
    let replayed: BTreeSet<_> = answers
        .iter()
        .filter_map(|answer| if let Accepted::Replayed(call) = answer { Some(call) } else { None })
        .collect();
    assert_eq!(replayed.len(), 1, "{answers:?}");
}

async fn of_many_writers_of_a_version_one_wins(world: World) {
    let stores = views(&world, 4).await;
    submit(&stores[0], vec![new_call("c1", &["n1"])]).await;
    for version in 1..20 {
        let write = |(index, store): (usize, &SqlStore)| {
            let store = store.clone();
            let event = if version == 1 { verified() } else { crate::world::assigned(&format!("n{index}")) };
            async move { commit(&store, vec![append("c1", version, event)]).await }
        };
        let answers = join_all(stores.iter().enumerate().map(write)).await;
        let won = answers.iter().filter(|answer| answer.is_ok()).count();
        assert!(won == 1 || version == 1, "{answers:?}");
    }
}

async fn who_dies_is_succeeded(world: World) {
    let ttl = Duration::from_millis(300);
    let dead = world.open("dead").await;
    let heir = world.open("heir").await;
    submit(&dead, (0..9).map(|index| new_call(&format!("c{index}"), &["n1"])).collect()).await;
    let taken = dead.claim(&Claim { ttl, ..claim(1, 5) }).await.expect("the store answers");
    assert_eq!((taken.calls.len(), taken.numbers[0].epoch), (5, 1));
    let early = heir.claim(&claim(1, 9)).await.expect("the store answers");
    assert_eq!((early.numbers.len(), early.calls.len()), (0, 0));
    assert!(early.retry_in.is_some_and(|retry_in| retry_in <= ttl));
    drop(dead);
    tokio::time::sleep(ttl).await;
    let late = heir.claim(&claim(2, 9)).await.expect("the store answers");
    assert_eq!((late.numbers[0].epoch, late.calls.len()), (2, 9));
    assert_eq!(late.calls.iter().map(id_of).next(), Some("c0".to_owned()), "in their order");
}

async fn a_store_is_closed_at_once(world: World) {
    let store = world.open("ada").await;
    submit(&store, vec![new_call("c1", &["n1"])]).await;
    // It has begun to listen.
    store.changed().await;
    let began = tokio::time::Instant::now();
    store.close().await;
    assert!(began.elapsed() < Duration::from_millis(700), "{:?}", began.elapsed());
}

async fn what_others_do_is_heard_soon(world: World) {
    let (ada, bob) = (world.open("ada").await, world.open("bob").await);
    // What happened before may be told once.
    tokio::time::sleep(Duration::from_millis(1300)).await;
    bob.changed().await;
    let waiting = tokio::spawn(async move {
        let began = tokio::time::Instant::now();
        bob.changed().await;
        (began.elapsed(), bob)
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    submit(&ada, vec![new_call("c1", &["n1"])]).await;
    let (heard_after, bob) = waiting.await.expect("no panic");
    assert!(heard_after < Duration::from_millis(900), "only the clock told: {heard_after:?}");
    assert_eq!(bob.follow(&[(call("c1"), 0)]).await.expect("the store answers").len(), 1);
}

on_both!(
    every_call_is_got_once,
    a_key_is_given_once,
    of_many_writers_of_a_version_one_wins,
    who_dies_is_succeeded,
    a_store_is_closed_at_once,
    what_others_do_is_heard_soon,
);
