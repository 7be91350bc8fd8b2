//! One call from its being handed in to its end, through the file.

use partyline_domain::JournalError;
use partyline_domain::flow::CallEvent;
use partyline_domain::ports::{Accepted, Change, Journal as _, Store as _};
use partyline_store_adapter::{Archive as _, CallFilter, StateWord};

use crate::support::{Folder, append, assigned, call, claim, commit, dial, new_call, number, open, verified};

#[tokio::test]
async fn a_call_is_claimed_moved_on_and_followed() {
    let folder = Folder::new();
    let (ada, bob) = (open(&folder.file(), "ada").await, open(&folder.file(), "bob").await);
    assert_eq!(ada.submit(vec![new_call("c1", "n1")]).await, Ok(vec![Accepted::New]));
    assert_eq!(ada.submit(vec![new_call("c1", "n1")]).await, Ok(vec![Accepted::Again]));
    let claimed = bob.claim(&claim(1, 10)).await.expect("answers");
    assert_eq!(claimed.numbers[0].epoch, 1);
    assert_eq!(claimed.calls.len(), 1);
    assert!(!claimed.more);
    assert_eq!(ada.claim(&claim(1, 10)).await.expect("answers").calls, []);

    assert_eq!(commit(&bob, vec![append("c1", 1, verified())]).await, Ok(()));
    assert_eq!(commit(&bob, vec![append("c1", 2, assigned("n1"))]).await, Ok(()));
    let attempt = partyline_domain::AttemptId::parse("c1.1").expect("an id");
    let intended = || CallEvent::DialIntended { attempt: attempt.clone() };
    let fenced = commit(&ada, vec![dial("c1.1", "c1", "n1", 1)]).await;
    assert_eq!(fenced, Err(JournalError::Fenced { number: number("n1") }));
    let not_hers = commit(&ada, vec![append("c1", 3, intended())]).await;
    assert_eq!(not_hers, Err(JournalError::Conflict { call: call("c1"), expected: 3, actual: 3 }));
    let entry = || vec![append("c1", 3, intended()), dial("c1.1", "c1", "n1", 1)];
    assert_eq!(commit(&bob, entry()).await, Ok(()));
    assert_eq!(commit(&bob, entry()).await, Ok(()), "the same again");
    assert_eq!(bob.open_intents().await.expect("answers").len(), 1);
    let stale = commit(&bob, vec![append("c1", 2, verified())]).await;
    assert_eq!(stale, Err(JournalError::Conflict { call: call("c1"), expected: 2, actual: 4 }));

    assert_eq!(commit(&bob, vec![Change::Resolve(attempt), Change::Close(call("c1"))]).await, Ok(()));
    assert_eq!(bob.open_intents().await, Ok(Vec::new()));
    let followed = ada.follow(&[(call("c1"), 1), (call("c2"), 0)]).await.expect("answers");
    assert_eq!(followed.len(), 1);
    assert!(followed[0].closed);
    assert_eq!(followed[0].events.len(), 3);
    let rows = ada.calls(&CallFilter::default()).await.expect("answers");
    assert_eq!(rows[0].state, StateWord::Dialling);
    assert_eq!(rows[0].number, Some(number("n1")));
    ada.close().await;
    bob.close().await;
}
