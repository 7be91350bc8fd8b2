//! The contract of [`Conversations`](partyline_domain::ports::Conversations).

use std::collections::BTreeSet;
use std::time::Duration;

use partyline_domain::ConversationId;
use partyline_domain::ports::{ConversationQuery, DialRequest};

use super::{
    ProviderHarness, ProviderWorld, UNKNOWN, accepted, assign, callee, conversation, conversations, dial, page,
};

/// Whole seconds are what conversations are listed by: dials this far apart have different ones.
const APART: Duration = Duration::from_millis(1100);

async fn dialled(world: &dyn ProviderWorld, name: &str, agent: usize) -> ConversationId {
    let request = DialRequest { agent: world.cast().agents[agent].id.clone(), ..dial(world, name) };
    accepted(world.provider().dial(&request).await).conversation
}

/// An id that no conversation has is no error.
pub async fn an_unknown_conversation_is_none(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    for id in [UNKNOWN, "a/b?c", "conv_x"] {
        let id = ConversationId::parse(id).expect("an id");
        assert_eq!(world.provider().conversation(&id).await, Ok(None), "{id}");
    }
}

/// The record names agent, number and callee, so that a call can be proved.
pub async fn a_conversation_tells_of_its_call(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let cast = world.cast();
    let order = assign(&*world, &cast.twilio, Some(&cast.agents[1].id));
    assert!(world.provider().assign(&order).await.is_ok());
    let id = dialled(&*world, "told", 1).await;
    let record = conversation(&*world, &id).await;
    assert_eq!((&record.id, &record.agent), (&id, &cast.agents[1].id));
    let call = record.phone_call.expect("the telephone side is shown");
    assert_eq!(call.number.as_ref(), Some(&cast.twilio));
    assert!(call.external_number.is_some_and(|external| external.is(&callee()) == Some(true)));
    assert_eq!(record.error, None);
}

/// The user id selects exactly, whatever characters it has.
pub async fn conversations_are_found_by_user_id(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let one = dialled(&*world, "a", 0).await;
    let other = dialled(&*world, "a&user_id=b", 0).await;
    for (name, expected) in [("contract.a", vec![one]), ("contract.a&user_id=b", vec![other]), ("contract", vec![])] {
        let query = ConversationQuery { user_id: Some(name.to_owned()), ..ConversationQuery::default() };
        let found: Vec<_> = conversations(&*world, query).await.into_iter().map(|summary| summary.id).collect();
        assert_eq!(found, expected, "{name}");
    }
}

/// Agent and time select too, both ends of the time included; the list tells who spoke and since when.
pub async fn conversations_are_found_by_agent_and_time(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let cast = world.cast();
    let early = dialled(&*world, "early", 0).await;
    world.pass(APART).await;
    let order = assign(&*world, &cast.twilio, Some(&cast.agents[1].id));
    assert!(world.provider().assign(&order).await.is_ok());
    let late = dialled(&*world, "late", 1).await;
    let any = ConversationQuery::default;
    let all = conversations(&*world, any()).await;
    let [newest, oldest] = all.as_slice() else { panic!("not two conversations: {all:?}") };
    assert_eq!((&newest.id, &newest.agent), (&late, &cast.agents[1].id));
    assert_eq!((&oldest.id, &oldest.agent), (&early, &cast.agents[0].id));
    let (first, last) = (oldest.started_at, newest.started_at);
    assert!(first.unix_seconds() < last.unix_seconds(), "{all:?}");
    let agent = |index: usize| Some(cast.agents[index].id.clone());
    for (query, expected) in [
        (ConversationQuery { agent: agent(0), ..any() }, vec![&early]),
        (ConversationQuery { agent: agent(1), ..any() }, vec![&late]),
        (ConversationQuery { started_after: Some(last), ..any() }, vec![&late]),
        (ConversationQuery { started_before: Some(first), ..any() }, vec![&early]),
        (ConversationQuery { started_after: Some(first), started_before: Some(last), ..any() }, vec![&late, &early]),
        (ConversationQuery { started_after: Some(last), agent: agent(0), ..any() }, vec![]),
    ] {
        let found = conversations(&*world, query.clone()).await;
        assert_eq!(found.iter().map(|summary| &summary.id).collect::<Vec<_>>(), expected, "{query:?}");
    }
}

/// Following `next` leads through all of them, each once.
pub async fn every_page_of_conversations_can_be_read(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let mut expected = BTreeSet::new();
    for index in 0..7 {
        expected.insert(dialled(&*world, &index.to_string(), 0).await);
    }
    for size in [1, 3, 7, 100] {
        let found =
            conversations(&*world, ConversationQuery { page: page(size), ..ConversationQuery::default() }).await;
        assert_eq!(found.len(), expected.len(), "pages of {size}");
        assert_eq!(found.into_iter().map(|summary| summary.id).collect::<BTreeSet<_>>(), expected);
    }
}
