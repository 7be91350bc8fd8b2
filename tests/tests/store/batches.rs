//! Batches: counted, followed, held up, cancelled.

use std::collections::BTreeMap;

use partyline_domain::ports::{Accepted, Release, Store as _};
use partyline_store_adapter::{
    Archive as _, BatchCounts, BatchCursor, BatchState, CallFilter, CallRow, SqlStore, StateWord,
};

use crate::world::{
    World, append, assigned, at, batch, call, claim, dial, id_of, in_batch, intended, new_batch, new_call, on_both,
    submit, succeed, verified, write,
};

async fn hand_in(store: &SqlStore, name: &str, rows: u64) {
    store.open_batch(&new_batch(name, rows)).await.expect("the store answers");
    let new = |line| in_batch(new_call(&format!("{name}-{line}"), &["n1"]), name, line);
    submit(store, (1..=rows).map(new).collect()).await;
}

async fn counts(store: &SqlStore, name: &str) -> BatchCounts {
    store.batch(&batch(name)).await.expect("the store answers").expect("it is there").counts
}

async fn batches_are_counted(world: World) {
    let store = world.open("ada").await;
    assert_eq!(store.batch(&batch("b1")).await, Ok(None));
    hand_in(&store, "b1", 3).await;
    hand_in(&store, "b2", 2).await;
    store.open_batch(&new_batch("b1", 99)).await.expect("the store answers");
    let first = store.batch(&batch("b1")).await.expect("the store answers").expect("it is there");
    assert_eq!((first.batch, first.state), (new_batch("b1", 3), BatchState::Running));
    assert_eq!(first.counts, BatchCounts { total: 3, waiting: 3, ..BatchCounts::default() });

    let claimed = store.claim(&claim(1, 3)).await.expect("the store answers");
    succeed(&store, "b1-1", "n1", claimed.numbers[0].epoch).await;
    write(&store, vec![append("b1-2", 1, verified())]).await;
    let expected = BatchCounts { total: 3, waiting: 1, running: 1, initiated: 1, closed: 1, ..BatchCounts::default() };
    assert_eq!(counts(&store, "b1").await, expected);

    let listed = |unfinished, limit| {
        let store = &store;
        async move {
            let batches = store.batches(unfinished, limit).await.expect("the store answers");
            batches.into_iter().map(|batch| batch.batch.id.to_string()).collect::<Vec<_>>()
        }
    };
    assert_eq!(listed(false, 9).await, ["b2", "b1"]);
    assert_eq!(listed(false, 1).await, ["b2"]);
    assert_eq!(store.cancel_batch(&batch("b2"), at(9)).await, Ok((2, 0)));
    assert_eq!(listed(true, 9).await, ["b1"]);
    store.open_batch(&new_batch("b3", 1)).await.expect("the store answers");
    assert_eq!(listed(true, 9).await, ["b3", "b1"], "its row was not handed in");
}

async fn a_batch_is_read_in_the_order_of_its_lines(world: World) {
    let store = world.open("ada").await;
    hand_in(&store, "b1", 5).await;
    let page = store.batch_calls(&batch("b1"), 0, 3).await.expect("the store answers");
    let lines =
        |rows: &[CallRow]| -> Vec<u64> { rows.iter().filter_map(|row| Some(row.batch.as_ref()?.line)).collect() };
    assert_eq!(lines(&page), [1, 2, 3]);
    assert_eq!(lines(&store.batch_calls(&batch("b1"), 3, 9).await.expect("the store answers")), [4, 5]);
}

/// Reads everything that has changed, however small the pages.
async fn changes(store: &SqlStore, since: BatchCursor) -> (BTreeMap<String, u64>, BatchCursor) {
    let (mut versions, mut cursor) = (BTreeMap::new(), since);
    loop {
        let (rows, next) = store.batch_changed(&batch("b1"), cursor, 2).await.expect("the store answers");
        for row in &rows {
            versions.insert(row.id.to_string(), row.version);
        }
        if rows.len() < 2 {
            return (versions, next);
        }
        cursor = next;
    }
}

async fn what_has_changed_is_told(world: World) {
    let store = world.open("ada").await;
    hand_in(&store, "b1", 5).await;
    hand_in(&store, "b2", 1).await;
    let (all, cursor) = changes(&store, BatchCursor::START).await;
    assert_eq!(all.len(), 5);
    let epoch = store.claim(&claim(1, 9)).await.expect("the store answers").numbers[0].epoch;
    write(&store, vec![append("b1-4", 1, verified())]).await;
    let (changed, cursor) = changes(&store, cursor).await;
    assert_eq!(changed.get("b1-4"), Some(&2));
    assert!(changed.iter().all(|(id, version)| id == "b1-4" || *version == 1), "{changed:?}");
    succeed(&store, "b1-2", "n1", epoch).await;
    let (changed, _) = changes(&store, cursor).await;
    assert_eq!(changed.get("b1-2"), Some(&5));
}

async fn a_batch_that_is_paused_is_left_alone(world: World) {
    let (ada, bob) = (world.open("ada").await, world.open("bob").await);
    assert_eq!(ada.set_batch(&batch("b1"), BatchState::Paused).await, Ok(false));
    hand_in(&ada, "b1", 4).await;
    let claimed = bob.claim(&claim(1, 2)).await.expect("the store answers");
    assert_eq!(claimed.calls.len(), 2);
    assert_eq!(ada.set_batch(&batch("b1"), BatchState::Paused).await, Ok(true));
    let again = bob.claim(&claim(2, 9)).await.expect("the store answers");
    assert_eq!((again.calls.len(), again.more), (0, false));

    // What is given back, or handed in late, is left alone too; what was dialled is not.
    write(&bob, vec![append("b1-1", 1, verified())]).await;
    write(&bob, vec![append("b1-1", 2, assigned("n1"))]).await;
    write(&bob, vec![append("b1-1", 3, intended("b1-1.1")), dial("b1-1.1", "b1-1", "n1", 1)]).await;
    let calls = vec![call("b1-1"), call("b1-2")];
    bob.release(Release { calls, ..Release::default() }).await.expect("the store answers");
    submit(&ada, vec![in_batch(new_call("b1-5", &["n1"]), "b1", 5)]).await;
    let again = bob.claim(&claim(3, 9)).await.expect("the store answers");
    assert_eq!(again.calls.len(), 1, "only the dialled one");
    assert_eq!(again.calls[0].events.len(), 4);

    assert_eq!(ada.set_batch(&batch("b1"), BatchState::Running).await, Ok(true));
    let rest = bob.claim(&claim(4, 9)).await.expect("the store answers");
    assert_eq!(rest.calls.len(), 4);
}

async fn a_batch_is_cancelled(world: World) {
    let (ada, bob) = (world.open("ada").await, world.open("bob").await);
    hand_in(&ada, "b1", 4).await;
    hand_in(&ada, "b2", 1).await;
    bob.claim(&claim(1, 1)).await.expect("the store answers");
    assert_eq!(ada.cancel_batch(&batch("b1"), at(50)).await, Ok((3, 1)));
    assert_eq!(bob.renew(crate::world::TTL).await.expect("the store answers").cancel, [call("b1-1")]);
    let rows = ada.calls(&CallFilter { batch: Some(batch("b1")), ..CallFilter::default() }).await;
    for row in rows.expect("the store answers").iter().filter(|row| row.id != call("b1-1")) {
        assert_eq!((row.state, row.closed, row.version), (StateWord::Failed, true, 2));
        assert_eq!((row.reason.as_deref(), row.updated_at), (Some("cancelled"), at(50)));
        let (_, events) = ada.call(&row.id).await.expect("the store answers").expect("it is there");
        let events: Vec<_> = events.iter().map(|recorded| &recorded.event).collect();
        let state = partyline_domain::flow::CallState::fold(events).expect("a history");
        assert_eq!(state.name(), "Failed");
    }
    assert_eq!(ada.set_batch(&batch("b1"), BatchState::Running).await, Ok(true));
    let state = ada.batch(&batch("b1")).await.expect("the store answers").expect("it is there").state;
    assert_eq!(state, BatchState::Cancelled, "it stays so");
    // Whoever has the last one gives it back: it is handed out again, so that somebody withdraws it.
    bob.release(Release { calls: vec![call("b1-1")], ..Release::default() }).await.expect("the store answers");
    let claimed = bob.claim(&claim(2, 9)).await.expect("the store answers");
    let cancelled: Vec<bool> = claimed.calls.iter().map(|stored| stored.cancel).collect();
    assert_eq!(cancelled, [true, false], "and the other batch's");
    assert_eq!(ada.cancel_batch(&batch("b9"), at(50)).await, Ok((0, 0)));
}

async fn a_lot_is_handed_in_at_once(world: World) {
    let store = world.open("ada").await;
    store.open_batch(&new_batch("b1", 5000)).await.expect("the store answers");
    let new = |line| in_batch(new_call(&format!("b1-{line}"), &["n1"]), "b1", line);
    let answers = store.submit((1..=5000).map(new).collect()).await.expect("the store answers");
    assert!(answers.iter().all(|answer| *answer == Accepted::New));
    let claimed = store.claim(&claim(1, 100)).await.expect("the store answers");
    let first: Vec<String> = claimed.calls.iter().take(3).map(id_of).collect();
    assert_eq!(first, ["b1-1", "b1-2", "b1-3"]);
    assert!(claimed.more);
    assert_eq!(store.cancel_batch(&batch("b1"), at(50)).await, Ok((4900, 100)));
}

on_both!(
    batches_are_counted,
    a_batch_is_read_in_the_order_of_its_lines,
    what_has_changed_is_told,
    a_batch_that_is_paused_is_left_alone,
    a_batch_is_cancelled,
    a_lot_is_handed_in_at_once,
);
