//! The contract of [`Agents`](partyline_domain::ports::Agents).

use std::collections::{BTreeMap, BTreeSet};

use partyline_domain::AgentId;
use partyline_domain::ports::{AgentProfile, PageRequest};

use super::{ProviderHarness, ProviderWorld, page, unknown_agent};

async fn listed(world: &dyn ProviderWorld, first: PageRequest) -> Vec<AgentProfile> {
    let mut found = Vec::new();
    let mut request = first;
    for _ in 0..100 {
        let page = world.provider().agents(&request).await.expect("a read works");
        found.extend(page.items);
        match page.next {
            Some(next) => request.cursor = Some(next),
            None => return found,
        }
    }
    panic!("the list does not end");
}

/// An agent is known by its id, with its name.
pub async fn an_agent_is_found_by_its_id(harness: &impl ProviderHarness) {
    let world = harness.world(3).await;
    for expected in &world.cast().agents {
        assert_eq!(world.provider().agent(&expected.id).await.as_ref(), Ok(&Some(expected.clone())));
    }
}

/// An id that nobody has is no error, whatever it looks like.
pub async fn an_unknown_agent_is_none(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let similar = format!("{}x", world.cast().agents[0].id);
    for id in [unknown_agent().as_str(), &similar, "a/b", "a?b#c", "%2e", "ü"] {
        let id = AgentId::parse(id).expect("an id");
        assert_eq!(world.provider().agent(&id).await, Ok(None), "{id}");
    }
}

/// What is put away does not show in the list, but is found by its id and says so.
pub async fn an_archived_agent_is_hidden_but_known(harness: &impl ProviderHarness) {
    let world = harness.world(3).await;
    let archived = world.cast().archived.clone();
    assert!(archived.archived);
    assert_eq!(world.provider().agent(&archived.id).await, Ok(Some(archived.clone())));
    let all = listed(&*world, page(100)).await;
    assert!(all.iter().all(|agent| agent.id != archived.id && !agent.archived), "{all:?}");
}

/// Following `next` leads through all agents, each once, whatever the page size.
pub async fn every_page_of_agents_can_be_read(harness: &impl ProviderHarness) {
    let world = harness.world(47).await;
    let expected: BTreeSet<_> = world.cast().agents.iter().cloned().collect();
    for first in [PageRequest::default(), page(1), page(20), page(47), page(100)] {
        let found = listed(&*world, first.clone()).await;
        assert_eq!(found.len(), expected.len(), "{first:?}");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{first:?}");
    }
}

/// A page holds at most what was asked for, and is full while there is more.
pub async fn a_page_is_no_larger_than_asked(harness: &impl ProviderHarness) {
    let world = harness.world(7).await;
    let first = world.provider().agents(&page(5)).await.expect("a read works");
    assert_eq!((first.items.len(), first.next.is_some()), (5, true));
    let rest = PageRequest { cursor: first.next, ..page(5) };
    let second = world.provider().agents(&rest).await.expect("a read works");
    assert_eq!((second.items.len(), second.next), (2, None));
}

/// A search finds the agents whose name holds the text.
pub async fn agents_are_searched_by_name(harness: &impl ProviderHarness) {
    let world = harness.world(5).await;
    let wanted = &world.cast().agents[3];
    let search = PageRequest { search: Some(wanted.name.clone()), ..PageRequest::default() };
    let found = listed(&*world, search).await;
    assert!(found.contains(wanted), "{found:?}");
    assert!(found.iter().all(|agent| agent.name.contains(&wanted.name)), "{found:?}");
    let nobody = PageRequest { search: Some("nobody is called this".into()), ..PageRequest::default() };
    assert_eq!(listed(&*world, nobody).await, []);
}

/// Many at once: those there are, archived ones included; who is not known is absent and no error.
pub async fn summaries_leave_out_the_unknown(harness: &impl ProviderHarness) {
    let world = harness.world(100).await;
    let cast = world.cast();
    let provider = world.provider();
    assert_eq!(provider.summaries(&[]).await, Ok(BTreeMap::new()));
    assert_eq!(provider.summaries(&[unknown_agent()]).await, Ok(BTreeMap::new()));
    let some = [cast.agents[0].clone(), cast.archived.clone(), cast.agents[9].clone()];
    let mut ids: Vec<AgentId> = some.iter().map(|agent| agent.id.clone()).collect();
    ids.insert(1, unknown_agent());
    let expected = some.into_iter().map(|agent| (agent.id.clone(), agent)).collect();
    assert_eq!(provider.summaries(&ids).await, Ok(expected));
    let all: Vec<AgentId> = cast.agents.iter().map(|agent| agent.id.clone()).collect();
    let found = provider.summaries(&all).await.expect("a hundred at once");
    assert_eq!(found.len(), 100);
}
