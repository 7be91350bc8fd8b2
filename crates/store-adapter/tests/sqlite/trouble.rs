//! A disk that is full, a file that somebody holds locked: the journal waits, the rest is told, and all goes on by itself.

use std::time::Duration;

use partyline_domain::ports::Store as _;
use partyline_store_adapter::StoreTrouble;
use sqlx::Connection as _;

use crate::support::{Folder, append, claim, commit, new_call, open_told, verified};

const PATIENCE: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
async fn while_somebody_holds_the_file_locked_the_journal_waits() {
    let folder = Folder::new();
    let (store, told) = open_told(&folder.file(), "ada", PATIENCE).await;
    store.submit(vec![new_call("c1", "n1")]).await.expect("answers");
    store.claim(&claim(1, 1)).await.expect("answers");
    let mut other =
        sqlx::SqliteConnection::connect(&format!("sqlite:{}", folder.file().display())).await.expect("opens");
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.expect("begins");

    let writer = store.clone();
    let waiting = tokio::spawn(async move { commit(&writer, vec![append("c1", 1, verified())]).await });
    tokio::time::sleep(PATIENCE * 6).await;
    assert!(!waiting.is_finished(), "it is answered before it is written");
    let failed = store.submit(vec![new_call("c2", "n1")]).await.expect_err("the file is locked");
    assert!(failed.detail.contains("locked"), "{failed}");
    let began = StoreTrouble::Began { what: "another program holds the database locked".to_owned() };
    assert_eq!(*told.lock().expect("not poisoned"), [began]);

    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("ends");
    let answer = tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it goes on by itself");
    assert_eq!(answer.expect("no panic"), Ok(()));
    let told = told.lock().expect("not poisoned").clone();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(matches!(told[1], StoreTrouble::Ended { after } if after >= PATIENCE), "{told:?}");
    assert!(store.submit(vec![new_call("c2", "n1")]).await.is_ok());
}
