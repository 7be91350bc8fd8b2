//! A server that is restarted, killed, locked: the journal waits, the rest is told, and all goes on by itself.

use std::str::FromStr as _;
use std::time::Duration;

use partyline_domain::ports::{Journal as _, Store as _};
use partyline_store_adapter::{Archive as _, OpenError, StoreKind, StoreTrouble};
use partyline_tests::postgres::{self, Durability};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use crate::world::{World, append, call, claim, commit, new_call, options, submit, verified, write};

/// Longer than any server here takes to come back.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_waited_out() {
    let Some(server) = postgres::required(Durability::Full) else { return };
    let world = World::at(&server.database());
    let (store, told) = world.open_told("ada").await;
    submit(&store, vec![new_call("c1", &["n1"])]).await;
    store.claim(&claim(1, 1)).await.expect("the store answers");
    server.restart().unwrap_or_else(|why| panic!("{why}"));
    // The old connections are dead, which is nobody's trouble.
    write(&store, vec![append("c1", 1, verified())]).await;
    assert_eq!(*told.lock().expect("not poisoned"), []);
    submit(&store, vec![new_call("c2", &["n1"])]).await;

    server.kill().unwrap_or_else(|why| panic!("{why}"));
    let failed = store.submit(vec![new_call("c3", &["n1"])]).await.expect_err("there is no server");
    assert!(!failed.detail.contains("postgres://"), "{failed}");
    assert!(store.events(&call("c1"), 0).await.is_err());
    let writer = store.clone();
    let waiting =
        tokio::spawn(async move { commit(&writer, vec![append("c1", 2, crate::world::assigned("n1"))]).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!waiting.is_finished(), "it is answered before it is written");
    assert!(matches!(&told.lock().expect("not poisoned")[..], [StoreTrouble::Began { .. }]));
    server.resume().unwrap_or_else(|why| panic!("{why}"));
    let answer = tokio::time::timeout(PATIENCE, waiting).await.expect("it goes on by itself");
    assert_eq!(answer.expect("no panic"), Ok(()));
    assert_eq!(store.events(&call("c1"), 0).await.expect("the store answers").len(), 3);
    let told = told.lock().expect("not poisoned").clone();
    assert!(matches!(told[..], [StoreTrouble::Began { .. }, StoreTrouble::Ended { .. }]), "{told:?}");
    // News is heard again.
    let other = world.open("bob").await;
    submit(&other, vec![new_call("c4", &["n1"])]).await;
    tokio::time::timeout(PATIENCE, store.changed()).await.expect("it is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_a_crash() {
    // A hasty server would answer before anything is written.
    for durability in [Durability::Full, Durability::Hasty] {
        let Some(server) = postgres::required(durability) else { return };
        let world = World::at(&server.database());
        let store = world.open("ada").await;
        for index in 0..20 {
            submit(&store, vec![new_call(&format!("c{index}"), &["n1"])]).await;
        }
        server.kill().unwrap_or_else(|why| panic!("{why}"));
        server.resume().unwrap_or_else(|why| panic!("{why}"));
        let again = world.open("bob").await;
        assert_eq!(again.info().await.expect("the store answers").calls, 20, "{durability:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_server_is_refused() {
    let Some(server) = postgres::shared() else { return };
    let address = server.database();
    let world = World::at(&address);
    let store = world.open("ada").await;
    let info = store.info().await.expect("the store answers");
    assert_eq!((info.kind, info.schema), (StoreKind::Postgres, 1));
    assert!(info.bytes > 0 && !info.place.contains("secret"), "{info:?}");
    let mut connection =
        PgConnectOptions::from_str(&address).expect("an address").connect().await.expect("the server answers");
    let newer = sqlx::query("UPDATE partyline.meta SET value = '7' WHERE key = 'schema'");
    newer.execute(&mut connection).await.expect("the server answers");
    let refused = world.place.open(options("bob")).await.expect_err("it is newer");
    assert!(matches!(refused, OpenError::Newer { found: 7, known: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("use a newer partyline"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_make_the_tables_at_once() {
    let Some(server) = postgres::shared() else { return };
    let world = World::at(&server.database());
    let names: Vec<String> = (0..6).map(|index| format!("run_{index}")).collect();
    let opened = futures_util::future::join_all(names.iter().map(|name| world.open(name))).await;
    assert_eq!(opened.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_told_without_its_password() {
    let place = partyline_store_adapter::Place::parse("postgres://ada:secret@127.0.0.1:1/calls").expect("an address");
    let refused = place.open(options("ada")).await.expect_err("nobody listens there");
    assert!(matches!(refused, OpenError::Unavailable { .. }), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("secret"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_somebody_locks_is_waited_for() {
    let Some(server) = postgres::shared() else { return };
    let address = server.database();
    let world = World::at(&address);
    let told = crate::world::Told::default();
    let list = told.clone();
    let trouble = std::sync::Arc::new(move |trouble| list.lock().expect("not poisoned").push(trouble));
    let patience = Duration::from_millis(100);
    let store = world.open_with(partyline_store_adapter::StoreOptions { trouble, patience, ..options("ada") }).await;
    submit(&store, vec![new_call("c1", &["n1"])]).await;
    let mut other =
        PgConnectOptions::from_str(&address).expect("an address").connect().await.expect("the server answers");
    sqlx::raw_sql("BEGIN; LOCK TABLE partyline.calls").execute(&mut other).await.expect("it is locked");
    let writer = store.clone();
    let waiting = tokio::spawn(async move { commit(&writer, vec![append("c1", 1, verified())]).await });
    tokio::time::sleep(patience * 8).await;
    assert!(!waiting.is_finished(), "it is answered before it is written");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("it is free");
    let answer = tokio::time::timeout(PATIENCE, waiting).await.expect("it goes on by itself");
    assert_eq!(answer.expect("no panic"), Ok(()));
    let told = told.lock().expect("not poisoned").clone();
    assert!(matches!(told[..], [StoreTrouble::Began { .. }, StoreTrouble::Ended { .. }]), "{told:?}");
}
