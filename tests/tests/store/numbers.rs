//! What is told of numbers.

use std::time::Duration;

use partyline_domain::RunId;
use partyline_domain::ports::{Change, IntentKind, Release, Store as _};
use partyline_store_adapter::{Archive as _, NumberRow, SqlStore};

use crate::world::{World, agent, claim, intent, new_call, number, on_both, submit, write};

async fn row(store: &SqlStore, name: &str) -> NumberRow {
    let rows = store.numbers().await.expect("the store answers");
    rows.into_iter().find(|row| row.number == number(name)).expect("it is known")
}

async fn all_is_told(world: World) {
    let (ada, bob) = (world.open("ada").await, world.open("bob").await);
    assert_eq!(ada.numbers().await, Ok(Vec::new()));
    submit(&ada, vec![new_call("c1", &["n1"]), new_call("c2", &["n1", "n2"]), new_call("c3", &["n1"])]).await;
    let fresh = row(&bob, "n1").await;
    assert_eq!((fresh.waiting, fresh.claimed, fresh.epoch, &fresh.holder), (3, 0, 0, &None));
    assert_eq!(row(&bob, "n2").await.waiting, 1);

    ada.claim(&claim(1, 2)).await.expect("the store answers");
    assert_eq!(bob.want(&number("n1"), Duration::from_secs(60)).await, Ok(None));
    let assign = intent("ada.a1", IntentKind::Assign, "n1", 1, Duration::from_secs(20));
    write(&ada, vec![Change::Remember { number: number("n1"), inbound: None }, assign]).await;
    let held = row(&bob, "n1").await;
    let holder = held.holder.expect("somebody has it");
    assert_eq!(holder.owner, RunId::parse("ada").expect("an id"));
    let process = holder.process.expect("it has told");
    assert_eq!((&*process.host, process.pid, &*process.command), ("here", 7, "test ada"));
    assert!(holder.expires_in > Duration::from_secs(500));
    assert_eq!((held.waiting, held.claimed, held.epoch), (1, 2, 1));
    assert_eq!(held.last_agent, Some(Some(agent("agent_1"))));
    assert_eq!(held.remembered, Some(None));
    assert_eq!(held.wanted_by, [RunId::parse("bob").expect("an id")]);
    let [open] = &held.unresolved[..] else { panic!("one intent") };
    assert_eq!((&open.kind, open.agent.as_ref()), (&IntentKind::Assign, Some(&agent("agent_1"))));
    assert!(open.age < Duration::from_secs(60));

    ada.release(Release { numbers: vec![(number("n1"), 1)], ..Release::default() }).await.expect("the store answers");
    let released = row(&bob, "n1").await;
    assert_eq!((released.holder, released.epoch), (None, 1));
}

on_both!(all_is_told);
