//! What is thrown away, and what stays.

use std::time::Duration;

use partyline_domain::PhoneNumber;
use partyline_domain::flow::CallEvent;
use partyline_domain::ports::{Accepted, Store as _};
use partyline_store_adapter::{Archive as _, CallFilter, Purge, Purged};

use crate::world::{
    World, at, batch, call, claim, in_batch, keyed, new_batch, new_call, on_both, phone, submit, succeed,
};

async fn only_what_is_closed_goes(world: World) {
    let store = world.open("ada").await;
    store.open_batch(&new_batch("b1", 700)).await.expect("the store answers");
    let new = |line| in_batch(new_call(&format!("b1-{line}"), &["n1"]), "b1", line);
    submit(&store, (1..=700).map(new).collect()).await;
    submit(&store, vec![new_call("c1", &["n1"])]).await;
    assert_eq!(store.cancel_batch(&batch("b1"), at(50)).await, Ok((700, 0)));
    let later = Purge { delete_after: Some(Duration::from_secs(3600)), redact_after: None };
    assert_eq!(store.purge(&later).await, Ok(Purged::default()));
    let now = Purge { delete_after: Some(Duration::ZERO), redact_after: None };
    assert_eq!(store.purge(&now).await, Ok(Purged { deleted: 700, redacted: 0, batches: 1 }));
    assert_eq!(store.calls(&CallFilter::default()).await.expect("the store answers").len(), 1);
    assert_eq!(store.batch(&batch("b1")).await, Ok(None));
    assert_eq!(store.call(&call("b1-7")).await, Ok(None));
}

async fn callees_are_erased(world: World) {
    let store = world.open("ada").await;
    submit(&store, vec![keyed(new_call("c1", &["n1"]), "k"), new_call("c2", &["n1"])]).await;
    let epoch = store.claim(&claim(1, 1)).await.expect("the store answers").numbers[0].epoch;
    succeed(&store, "c1", "n1", epoch).await;
    let now = Purge { delete_after: None, redact_after: Some(Duration::ZERO) };
    assert_eq!(store.purge(&now).await, Ok(Purged { redacted: 1, ..Purged::default() }));
    assert_eq!(store.purge(&now).await, Ok(Purged::default()), "once");
    let (row, events) = store.call(&call("c1")).await.expect("the store answers").expect("it is there");
    assert!(row.to.is_erased());
    let CallEvent::CallRequested { request } = &events[0].event else { panic!("it begins with its request") };
    assert_eq!(request.to, PhoneNumber::ERASED);
    assert_eq!(events.len(), 5);
    let (open, _) = store.call(&call("c2")).await.expect("the store answers").expect("it is there");
    assert_eq!(open.to, phone(123), "it is not closed");
    // The same wish under the same key is still known.
    let again = store.submit(vec![keyed(new_call("c3", &["n1"]), "k")]).await;
    assert_eq!(again, Ok(vec![Accepted::Replayed(call("c1"))]));
}

/// What was erased is not in the file either.
#[tokio::test]
async fn the_file_forgets() {
    let world = World::sqlite();
    let file = world.file().expect("a file");
    let holds = |text: &str| {
        let paths = ["", "-wal"].map(|end| format!("{}{end}", file.display()));
        let bytes: Vec<u8> = paths.iter().filter_map(|path| fs_err::read(path).ok()).flatten().collect();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    let store = world.open("ada").await;
    submit(&store, vec![new_call("c1", &["n1"])]).await;
    let epoch = store.claim(&claim(1, 1)).await.expect("the store answers").numbers[0].epoch;
    succeed(&store, "c1", "n1", epoch).await;
    assert!(holds("+12025550123"));
    let purge = Purge { delete_after: None, redact_after: Some(Duration::ZERO) };
    store.purge(&purge).await.expect("the store answers");
    store.close().await;
    assert!(!holds("+12025550123"));
}

on_both!(only_what_is_closed_goes, callees_are_erased);
