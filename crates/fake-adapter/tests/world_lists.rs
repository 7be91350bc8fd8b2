//! Lists: pages, searches, filters, and conversations that are not visible yet.

mod common;

use std::time::Duration;

use common::Stage;
use partyline_domain::FailureKind;
use partyline_domain::ports::{Agents, Clock, ConversationQuery, Conversations, NumberProvider, Numbers, PageRequest};
use partyline_fake_adapter::clock::run;
use partyline_fake_adapter::world::{AgentSpec, WorldConfig};

fn page(size: u16, cursor: Option<String>) -> PageRequest {
    PageRequest { size: Some(size), cursor, search: None }
}

#[test]
fn agents_are_paged_without_gap_or_repetition() {
    let stage = Stage::new(WorldConfig::of(250, 1, &NumberProvider::Twilio));
    for (size, sizes) in [(Some(100), vec![100, 100, 50]), (None, vec![30, 30, 30, 30, 30, 30, 30, 30, 10])] {
        let (mut seen, mut pages, mut cursor) = (Vec::new(), Vec::new(), None);
        loop {
            let request = PageRequest { size, cursor, search: None };
            let page = run(&stage.time, stage.provider.agents(&request)).expect("200");
            pages.push(page.items.len());
            seen.extend(page.items.into_iter().map(|agent| agent.id));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((seen, pages), (stage.agents.clone(), sizes));
    }
}

#[test]
fn a_page_that_is_just_full_is_the_last() {
    let stage = Stage::sandbox();
    let full = run(&stage.time, stage.provider.agents(&page(3, None))).expect("200");
    assert_eq!((full.items.len(), full.next), (3, None));
}

#[test]
fn page_sizes_and_cursors_are_checked() {
    let stage = Stage::sandbox();
    for (size, status) in [(0, 422), (101, 422)] {
        let error = run(&stage.time, stage.provider.agents(&page(size, None))).expect_err("invalid");
        assert_eq!((error.kind(), error.status()), (FailureKind::Invalid, Some(status)));
    }
    let error = run(&stage.time, stage.provider.agents(&page(1, Some("nonsense".into())))).expect_err("invalid");
    assert_eq!((error.status(), error.code()), (Some(400), Some("invalid_cursor")));
}

#[test]
fn archived_agents_are_not_listed_but_can_be_read() {
    let mut config = WorldConfig::sandbox();
    config.agents.push(AgentSpec { name: "Old Hotel".into(), archived: true });
    let stage = Stage::new(config);
    let search = PageRequest { search: Some("hotel".into()), ..PageRequest::default() };
    let found = run(&stage.time, stage.provider.agents(&search)).expect("200").items;
    assert_eq!(found.iter().map(|agent| agent.name.as_str()).collect::<Vec<_>>(), ["Hotel"]);
    let old = run(&stage.time, stage.provider.agent(&stage.agents[3])).expect("200").expect("there");
    assert!(old.archived);
    let ids = [stage.agents[3].clone(), stage.agents[0].clone(), "agent_nobody".parse().expect("an id")];
    let summaries = run(&stage.time, stage.provider.summaries(&ids)).expect("200");
    assert_eq!(summaries.len(), 2);
    assert!(summaries[&stage.agents[3]].archived);
}

#[test]
fn numbers_come_all_at_once_in_their_order() {
    let stage = Stage::new(WorldConfig::of(1, 100, &NumberProvider::Exotel));
    let numbers = run(&stage.time, stage.provider.numbers()).expect("200");
    let shown: Vec<_> = numbers.iter().map(|number| number.caller_id.expose().to_owned()).collect();
    assert_eq!(shown.len(), 100);
    assert_eq!((shown[0].as_str(), shown[99].as_str()), ("+12025550100", "+12025550199"));
    assert_eq!(run(&stage.time, stage.provider.number(&"phnum_none".parse().expect("an id"))), Ok(None));
}

#[test]
fn a_new_conversation_is_missing_from_the_list_for_a_while() {
    let stage = Stage::new(WorldConfig { list_lag: Duration::from_secs(7), ..WorldConfig::sandbox() });
    run(&stage.time, stage.dial("call_1.1", 0)).expect("answered");
    let query = ConversationQuery { user_id: Some("call_1.1".into()), ..ConversationQuery::default() };
    let listed = || run(&stage.time, stage.provider.conversations(&query)).expect("200").items;
    assert!(listed().is_empty());
    let id = stage.world.lock().conversations()[0].id.clone();
    assert!(run(&stage.time, stage.provider.conversation(&id)).expect("200").is_some());
    stage.time.advance(Duration::from_secs(7));
    assert_eq!(listed()[0].id, id);
}

#[test]
fn conversations_are_filtered_and_paged_newest_first() {
    let stage = Stage::sandbox();
    let start = stage.time.now().wall;
    for count in 0..10 {
        run(&stage.time, stage.dial(&format!("call_{count}.1"), count % 3)).expect("answered");
        stage.time.advance(Duration::from_secs(1));
    }
    let list = |query: &ConversationQuery| run(&stage.time, stage.provider.conversations(query)).expect("200");
    let ages = |query: &ConversationQuery| -> Vec<u64> {
        let items = list(query).items;
        items.iter().map(|summary| summary.started_at.unix_seconds() - start.unix_seconds()).collect()
    };
    let everything = ConversationQuery::default();
    assert_eq!(ages(&everything), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    let between = ConversationQuery {
        started_after: Some(start.after(Duration::from_secs(3))),
        started_before: Some(start.after(Duration::from_millis(5900))),
        ..everything.clone()
    };
    assert_eq!(ages(&between), [5, 4, 3]);
    assert_eq!(ages(&ConversationQuery { agent: Some(stage.agents[1].clone()), ..everything.clone() }), [7, 4, 1]);
    assert_eq!(ages(&ConversationQuery { user_id: Some("call_4.1".into()), ..everything.clone() }), [4]);
    assert_eq!(ages(&ConversationQuery { user_id: Some("call_4".into()), ..everything.clone() }), [0; 0]);
    let first = list(&ConversationQuery { page: page(4, None), ..everything.clone() });
    run(&stage.time, stage.dial("call_10.1", 0)).expect("answered");
    let second = ConversationQuery { page: page(4, first.next), ..everything };
    assert_eq!(ages(&second), [5, 4, 3, 2]);
}
