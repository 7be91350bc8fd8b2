//! A disk that is full: a file that may not grow, until somebody makes room in it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use partyline_domain::ports::{Accepted, NewCall};
use partyline_domain::{
    AgentId, CallId, CallRequest, NumberChoice, PhoneNumber, PhoneNumberId, Priority, RunId, Timestamp,
};
use sqlx::{ConnectOptions as _, Connection as _};

use super::*;
use crate::archive::ProcessInfo;
use crate::options::StoreTrouble;
use crate::work::{Answer, Work};
use crate::{Account, StoreOptions};

fn new_call(index: usize) -> NewCall {
    let request = CallRequest {
        id: CallId::parse(&format!("c{index}")).expect("an id"),
        agent: AgentId::parse("agent").expect("an id"),
        numbers: NumberChoice::one(PhoneNumberId::parse("n").expect("an id")),
        to: PhoneNumber::parse("+12025550123").expect("a fictional number"),
        priority: Priority::Normal,
        expires_at: None,
        options: Arc::default(),
        policies: Arc::default(),
    };
    NewCall { request, at: Timestamp::default(), key: None, batch: None, repeats: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_waited_out() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("calls.db");
    let me = RunId::parse("ada").expect("an id");
    let account = Arc::new(|salt: &_| Account::of(salt, "http://localhost", b"test-key"));
    open(&file, StoreOptions::new(me.clone(), account)).await.unwrap_or_else(|why| panic!("{why}")).close().await;

    // Somebody else's rubbish fills the file, which may not grow any more.
    let options = connect_options(&file, Duration::from_millis(50));
    let mut other = options.connect().await.expect("it opens");
    let rubbish = "CREATE TABLE rubbish AS SELECT zeroblob(4000) AS x FROM json_each('[1,2,3,4,5,6,7,8,9,10]') AS a, \
                json_each('[1,2,3,4,5,6,7,8,9,10]') AS b";
    sqlx::raw_sql(rubbish).execute(&mut other).await.expect("there is room");
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut other).await.expect("it can be read");
    let mut limited = options.clone().pragma("max_page_count", pages.to_string()).connect().await.expect("it opens");
    let account: i64 = sqlx::query_scalar("SELECT id FROM accounts").fetch_one(&mut limited).await.expect("one");

    let told = Arc::new(Mutex::new(Vec::new()));
    let list = told.clone();
    let tell = Arc::new(move |trouble| list.lock().expect("not poisoned").push(trouble));
    let limits = options.pragma("max_page_count", pages.to_string());
    let (writer, _task) =
        writer::start(transaction::Sqlite::new(limits, limited, account, me, ProcessInfo::default()), tell);
    let large = (0..200).map(new_call).collect();
    let failed = writer.ask(Work::Submit(large)).await.map(drop).expect_err("it does not fit");
    assert_eq!(failed.detail, "the disk is full");

    // The same as entries of the journal waits until there is room.
    let changes = (0..200).map(|index| partyline_domain::ports::Change::Append {
        call: CallId::parse(&format!("c{index}")).expect("an id"),
        expected: 0,
        events: vec![partyline_domain::ports::Recorded {
            version: 1,
            at: Timestamp::default(),
            event: partyline_domain::flow::CallEvent::CallRequested { request: new_call(index).request },
        }],
    });
    let entries = vec![partyline_domain::ports::Entry { changes: changes.collect() }];
    let waiting = tokio::spawn({
        let writer = writer.clone();
        async move { writer.ask(Work::Commit(entries)).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "it is answered before it is written");
    sqlx::raw_sql("DROP TABLE rubbish").execute(&mut other).await.expect("it goes");
    let answer = tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it goes on by itself");
    assert!(matches!(answer.expect("no panic"), Ok(Answer::Commit(answers)) if answers == [Ok(())]));
    let told = told.lock().expect("not poisoned").clone();
    let [StoreTrouble::Began { what }, StoreTrouble::Ended { .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(what, "the disk is full");
    let again = writer.ask(Work::Submit(vec![new_call(0), new_call(300)])).await;
    assert!(matches!(again, Ok(Answer::Submit(answers)) if answers == [Accepted::Again, Accepted::New]));
    other.close().await.expect("it closes");
}
