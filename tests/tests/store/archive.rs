//! Lists of calls: every column, every filter, paging.

use std::collections::BTreeSet;

use partyline_domain::flow::{CallEvent, Dialed, FailureReason, Stage};
use partyline_domain::ports::{Change, ProviderCallId, Store as _};
use partyline_domain::{CallRequest, NumberChoice, RunId};
use partyline_store_adapter::{Archive as _, CallFilter, CallRow, ProofWord, SqlStore, StateWord};

use crate::world::{
    World, agent, append, at, attempt, batch, call, claim, in_batch, intended, keyed, new_call, number, on_both, phone,
    proven, submit, succeed, verified, write,
};

fn names(rows: &[CallRow]) -> Vec<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

async fn list(store: &SqlStore, filter: CallFilter) -> Vec<CallRow> {
    store.calls(&filter).await.expect("the store answers")
}

async fn every_column_is_kept(world: World) {
    let store = world.open("ada").await;
    let mut new = keyed(in_batch(new_call("c1", &["n1", "n2"]), "b1", 7), "order-7");
    new.repeats = Some(call("c0"));
    submit(&store, vec![new]).await;
    let [row] = &list(&store, CallFilter::default()).await[..] else { panic!("one call") };
    assert_eq!((row.state, row.version, row.dialed), (StateWord::Waiting, 1, Dialed::No));
    assert_eq!((&row.agent, row.to), (&agent("agent_1"), phone(123)));
    assert_eq!(row.numbers, NumberChoice::any_of([number("n1"), number("n2")]).expect("two"));
    assert_eq!((row.submitted_at, row.updated_at), (at(1), at(1)));
    let batch_row = row.batch.as_ref().expect("a batch");
    assert_eq!((&batch_row.batch, batch_row.line, &*batch_row.agent), (&batch("b1"), 7, "restaurant"));
    assert_eq!(row.key.as_ref().map(ToString::to_string), Some("order-7".to_owned()));
    assert_eq!(row.repeats, Some(call("c0")));
    assert_eq!((&row.owner, row.closed, row.cancel), (&None, false, false));

    let claimed = store.claim(&claim(1, 1)).await.expect("the store answers");
    let owner = list(&store, CallFilter::default()).await[0].owner.clone();
    assert_eq!(owner, Some(RunId::parse("ada").expect("an id")));
    succeed(&store, "c1", "n1", claimed.numbers[0].epoch).await;
    write(&store, vec![append("c1", 5, proven())]).await;
    let (row, events) = store.call(&call("c1")).await.expect("the store answers").expect("it is there");
    assert_eq!((row.state, row.version, row.dialed), (StateWord::Initiated, 6, Dialed::Yes));
    assert_eq!(row.conversation.as_ref().map(ToString::to_string), Some("conv_1".to_owned()));
    assert_eq!(row.provider_call_id.as_ref().map(ProviderCallId::as_str), Some("CA1"));
    assert_eq!((row.proof, row.number, row.updated_at), (Some(ProofWord::Matches), Some(number("n1")), at(6)));
    assert_eq!((row.owner, row.closed), (None, true));
    assert_eq!(events.len(), 6);
    assert_eq!(store.call(&call("c9")).await, Ok(None));
}

/// Four calls in different states, of two agents.
async fn four(store: &SqlStore) {
    let other = |name: &str| {
        let mut new = new_call(name, &["n2"]);
        new.request = CallRequest { agent: agent("agent_2"), to: phone(199), ..new.request };
        new.at = at(100);
        new
    };
    submit(store, vec![new_call("a1", &["n1"]), new_call("a2", &["n1"]), other("b1"), other("b2")]).await;
    store.claim(&claim(1, 4)).await.expect("the store answers");
    let refused = CallEvent::VerificationFailed { reason: FailureReason::AgentNotFound, detail: "no\0pe".into() };
    write(store, vec![append("a1", 1, refused), Change::Close(call("a1"))]).await;
    write(store, vec![append("b1", 1, verified())]).await;
}

async fn lists_are_narrowed(world: World) {
    let store = world.open("ada").await;
    four(&store).await;
    let all = || CallFilter::default();
    assert_eq!(names(&list(&store, all()).await), ["b2", "b1", "a2", "a1"]);
    let states = BTreeSet::from([StateWord::Failed, StateWord::Verified]);
    for (filter, expected) in [
        (CallFilter { states, ..all() }, &["b1", "a1"][..]),
        (CallFilter { agent: Some(agent("agent_2")), ..all() }, &["b2", "b1"]),
        (CallFilter { number: Some(number("n1")), ..all() }, &["a2", "a1"]),
        (CallFilter { to: Some(phone(199)), ..all() }, &["b2", "b1"]),
        (CallFilter { since: Some(at(100)), ..all() }, &["b2", "b1"]),
        (CallFilter { until: Some(at(100)), ..all() }, &["a2", "a1"]),
        (CallFilter { open_only: true, ..all() }, &["b2", "b1", "a2"]),
        (CallFilter { batch: Some(batch("b")), ..all() }, &[]),
        (CallFilter { limit: Some(2), oldest_first: true, ..all() }, &["a1", "a2"]),
        (CallFilter { limit: Some(2), after: Some(call("b1")), ..all() }, &["a2", "a1"]),
        (CallFilter { after: Some(call("b1")), oldest_first: true, ..all() }, &["b2"]),
        (CallFilter { after: Some(call("c9")), ..all() }, &[]),
    ] {
        assert_eq!(names(&list(&store, filter.clone()).await), expected, "{filter:?}");
    }
    let failed = &list(&store, CallFilter { states: BTreeSet::from([StateWord::Failed]), ..all() }).await[0];
    assert_eq!((failed.stage, failed.reason.as_deref()), (Some(Stage::Verify), Some("agent_not_found")));
    assert_eq!(failed.detail.as_deref(), Some("no\u{fffd}pe"), "no database would take the other");
}

async fn a_doubt_is_one_word(world: World) {
    let store = world.open("ada").await;
    submit(&store, vec![new_call("c1", &["n1"])]).await;
    store.claim(&claim(1, 1)).await.expect("the store answers");
    let state = || async { list(&store, CallFilter::default()).await[0].state };
    write(&store, vec![append("c1", 1, verified())]).await;
    write(&store, vec![append("c1", 2, crate::world::assigned("n1"))]).await;
    write(&store, vec![append("c1", 3, intended("c1.1"))]).await;
    assert_eq!(state().await, StateWord::Dialling);
    let (cause, detail) = (partyline_domain::flow::DoubtCause::Interrupted, "dropped".to_owned());
    write(&store, vec![append("c1", 4, CallEvent::DialDoubted { attempt: attempt("c1.1"), cause, detail })]).await;
    assert_eq!(state().await, StateWord::InDoubt);
    let ended = CallEvent::LookUpsEnded { attempt: attempt("c1.1"), detail: "not found".into() };
    write(&store, vec![append("c1", 5, ended)]).await;
    let row = &list(&store, CallFilter::default()).await[0];
    assert_eq!((row.state, row.dialed), (StateWord::Unknown, Dialed::Unknown));
    assert_eq!(row.reason.as_deref(), Some("outcome_unknown"));
}

async fn calls_are_found_by_the_beginning_of_their_ids(world: World) {
    let store = world.open("ada").await;
    let ids: Vec<String> = (0..12).map(|index| format!("abc-{index:02}")).chain(["abd".into(), "a%c".into()]).collect();
    submit(&store, ids.iter().map(|id| new_call(id, &["n1"])).collect()).await;
    let find = |prefix: &'static str| {
        let store = &store;
        async move { store.find(prefix).await.expect("the store answers") }
    };
    assert_eq!(find("abc-07").await, [call("abc-07")]);
    assert_eq!(find("abd").await, [call("abd")]);
    assert_eq!(find("a%").await, [call("a%c")]);
    assert_eq!(find("x").await, []);
    assert_eq!(find("abc").await.len(), 10);
    assert_eq!(find("").await.len(), 10);
}

async fn accounts_are_apart(world: World) {
    let store = world.open("ada").await;
    let mut options = crate::world::options("bob");
    options.account =
        std::sync::Arc::new(|salt| partyline_store_adapter::Account::of(salt, "http://localhost", b"another-key"));
    let other = world.open_with(options).await;
    submit(&store, vec![keyed(new_call("c1", &["n1"]), "k")]).await;
    assert_eq!(other.calls(&CallFilter::default()).await, Ok(Vec::new()));
    assert_eq!(other.call(&call("c1")).await, Ok(None));
    assert_eq!(other.numbers().await, Ok(Vec::new()));
    assert_eq!(other.claim(&claim(1, 9)).await.expect("the store answers").numbers, []);
    submit(&other, vec![keyed(new_call("c1", &["n1"]), "k")]).await;
    assert_eq!(store.info().await.expect("the store answers").calls, 1);
    assert_eq!(other.info().await.expect("the store answers").calls, 1);
    for view in [&store, &other] {
        let claimed = view.claim(&claim(2, 9)).await.expect("the store answers");
        assert_eq!((claimed.numbers[0].epoch, claimed.calls.len()), (1, 1));
    }
}

on_both!(
    every_column_is_kept,
    lists_are_narrowed,
    a_doubt_is_one_word,
    calls_are_found_by_the_beginning_of_their_ids,
    accounts_are_apart,
);
