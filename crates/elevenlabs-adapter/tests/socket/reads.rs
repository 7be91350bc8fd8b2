//! Reads: what is asked for, what is repeated, what is absent, what is an error.

use std::time::Duration;

use partyline_domain::ports::{Agents, ConversationQuery, Conversations, Numbers, PageRequest};
use partyline_domain::{AgentId, Class, ConversationId, FailureKind, PhoneNumberId, ProviderError, Timestamp};
use partyline_elevenlabs_adapter::{Repeats, Settings};

use crate::support::{NUMBER, Server, Step, agent_id, answer, json, number_id, provider, quick};

const NOT_FOUND: &str =
    r#"{"detail":{"type":"not_found","code":"agent_not_found","message":"Document with id x not found."}}"#;
const SUMMARY: &str = r#"{"agent_restaurant":{"status":"success","data":{"agent_id":"agent_restaurant","name":"Restaurant","archived":true}}}"#;
const AGENT: &str = r#"{"agent_id":"agent_restaurant","name":"Restaurant","conversation_config":{}}"#;

async fn number_after(steps: impl Into<Vec<Step>>) -> (Result<bool, ProviderError>, u32) {
    let server = Server::start(steps).await;
    let adapter = server.provider();
    let outcome = adapter.number(&number_id()).await.map(|number| number.is_some());
    (outcome, adapter.requests())
}

fn conversation_id() -> ConversationId {
    ConversationId::parse("conv_1").expect("an id")
}

#[tokio::test]
async fn passing_trouble_is_sat_out() {
    for trouble in [
        json(503, "{}"),
        answer(502, &[], "<html></html>"),
        json(408, "{}"),
        answer(429, &["retry-after: 0"], "slow down"),
        Step::CloseUnread,
        Step::CloseAfterReading,
        Step::Send("HTTP/1.1 200 OK\r\ncontent-length: 80\r\n\r\n{"),
    ] {
        let (outcome, requests) = number_after([trouble.clone(), json(200, NUMBER)]).await;
        assert_eq!((outcome, requests), (Ok(true), 2));
        let (outcome, requests) = number_after([trouble.clone(), trouble.clone(), trouble]).await;
        assert!(matches!(outcome.map_err(|error| error.class()), Err(Class::Retryable { .. })));
        assert_eq!(requests, 3);
    }
}

#[tokio::test]
async fn a_verdict_is_not_asked_for_twice() {
    for status in [400, 401, 402, 403, 409, 418, 422] {
        let (outcome, requests) = number_after([json(status, "{}")]).await;
        assert_eq!((outcome.map_err(|error| error.class()), requests), (Err(Class::Permanent), 1), "{status}");
    }
}

#[tokio::test]
async fn a_longer_wait_than_the_budget_ends_it() {
    let (outcome, requests) = number_after([answer(429, &["retry-after: 3600"], "{}")]).await;
    let after = Some(Duration::from_secs(3600));
    assert_eq!((outcome.map_err(|error| error.class()), requests), (Err(Class::Retryable { after }), 1));
}

#[tokio::test]
async fn the_wait_that_is_asked_for_is_kept() {
    let server = Server::start([answer(503, &["retry-after: 1"], "{}"), json(200, NUMBER)]).await;
    let began = tokio::time::Instant::now();
    assert!(server.provider().number(&number_id()).await.is_ok());
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn silence_ends_with_the_time_limit() {
    let server = Server::start([Step::Hang]).await;
    let repeats = Repeats { sends_max: 2, ..server.settings().repeats };
    let adapter = provider(Settings { read_timeout: Duration::from_millis(20), repeats, ..server.settings() });
    let error = adapter.numbers().await.expect_err("silence");
    assert_eq!((error.kind(), error.class()), (FailureKind::TimedOut, Class::Retryable { after: None }));
    assert_eq!((adapter.requests(), server.connections()), (2, 2));
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let address = Server::start([Step::Hang]).await.address();
    let adapter = provider(quick(&format!("http://{address}")));
    let error = adapter.numbers().await.expect_err("nobody there");
    assert_eq!((error.kind(), adapter.requests()), (FailureKind::Unreachable, 3));
}

#[tokio::test]
async fn what_does_not_exist_is_absent() {
    let server = Server::start([json(404, NOT_FOUND)]).await;
    let adapter = server.provider();
    assert_eq!(adapter.number(&number_id()).await, Ok(None));
    assert_eq!(adapter.agent(&agent_id()).await, Ok(None));
    assert_eq!(adapter.conversation(&conversation_id()).await, Ok(None));
}

#[tokio::test]
async fn an_address_without_the_api_is_no_absence() {
    for body in ["<html><title>nginx</title></html>", "", "not found", r#"{"detail":"Not Found"}"#] {
        let server = Server::start([answer(404, &[], body)]).await;
        let adapter = server.provider();
        for error in [
            adapter.number(&number_id()).await.expect_err("wrong address"),
            adapter.agent(&agent_id()).await.expect_err("wrong address"),
        ] {
            assert_eq!((error.kind(), error.class()), (FailureKind::Unexpected, Class::Permanent));
            assert!(error.detail().contains("base URL"), "{error}");
        }
    }
}

#[tokio::test]
async fn nonsense_is_unreadable() {
    for body in ["<html><title>Welcome</title></html>", "", "[]", "{}", r#"{"phone_number_id":7}"#, "3"] {
        let (outcome, requests) = number_after([answer(200, &[], body)]).await;
        let error = outcome.expect_err(body);
        assert_eq!((error.kind(), error.class(), requests), (FailureKind::Unreadable, Class::Permanent, 1), "{body}");
    }
    let server = Server::start([json(200, r#"{"agents":null,"has_more":false}"#)]).await;
    let error = server.provider().agents(&PageRequest::default()).await.expect_err("no list");
    assert_eq!(error.kind(), FailureKind::Unreadable);
}

#[tokio::test]
async fn an_answer_about_something_else_is_none() {
    let conversation = r#"{"conversation_id":"conv_2","agent_id":"agent_restaurant","status":"done"}"#;
    let about_others = r#"{"agent_hotel":{"status":"success","data":{"agent_id":"agent_restaurant"}}}"#;
    let other_number = Server::start([json(200, r#"{"phone_number_id":"phnum_other"}"#)]).await;
    let other_conversation = Server::start([json(200, conversation)]).await;
    let other_agent = Server::start([json(200, about_others), json(200, r#"{"agent_id":"agent_hotel"}"#)]).await;
    for error in [
        other_number.provider().number(&number_id()).await.map(drop).expect_err("another"),
        other_conversation.provider().conversation(&conversation_id()).await.map(drop).expect_err("another"),
        other_agent.provider().agent(&agent_id()).await.map(drop).expect_err("another"),
        other_agent.provider().summaries(&[agent_id()]).await.map(drop).expect_err("another"),
    ] {
        assert_eq!((error.kind(), error.class()), (FailureKind::Unreadable, Class::Permanent));
        assert_eq!(error.detail(), "the answer is about something else than was asked for");
    }
    let same = Server::start([json(200, &conversation.replace("conv_2", "conv_1"))]).await;
    assert!(same.provider().conversation(&conversation_id()).await.expect("read").is_some());
}

#[tokio::test]
async fn an_agent_comes_from_its_summary() {
    let server = Server::start([json(200, SUMMARY)]).await;
    let adapter = server.provider();
    let agent = adapter.agent(&agent_id()).await.expect("read").expect("known");
    assert_eq!((agent.name.as_str(), agent.archived), ("Restaurant", true));
    assert_eq!(server.lines(), ["GET /v1/convai/agents/summaries?agent_ids=agent_restaurant HTTP/1.1"]);

    let failure =
        r#"{"agent_restaurant":{"status":"failure","error_code":404,"error_status":"x","error_message":"y"}}"#;
    let server = Server::start([json(200, failure)]).await;
    assert_eq!(server.provider().agent(&agent_id()).await, Ok(None));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn what_the_summary_does_not_say_is_asked_again() {
    let other = r#"{"agent_restaurant":{"status":"failure","error_code":500,"error_status":"x","error_message":"y"}}"#;
    for unclear in [
        json(404, NOT_FOUND),
        json(404, r#"{"detail":"Not Found"}"#),
        json(405, "{}"),
        json(422, "{}"),
        json(200, "{}"),
        json(200, "[]"),
        json(200, other),
        json(200, r#"{"agent_restaurant":{"status":"success","data":null}}"#),
        json(200, r#"{"agent_hotel":{"status":"success","data":{"agent_id":"agent_restaurant","name":"Hotel"}}}"#),
        json(200, r#"{"agent_restaurant":{"status":"success","data":{"agent_id":"agent_hotel","name":"Hotel"}}}"#),
    ] {
        let server = Server::start([unclear, json(200, AGENT)]).await;
        let agent = server.provider().agent(&agent_id()).await.expect("read").expect("known");
        assert_eq!((agent.id, agent.name.as_str()), (agent_id(), "Restaurant"));
        assert_eq!(server.lines()[1], "GET /v1/convai/agents/agent_restaurant HTTP/1.1");
    }
}

#[tokio::test]
async fn a_host_without_summaries_is_asked_for_them_once() {
    let server = Server::start([json(404, r#"{"detail":"Not Found"}"#), json(200, AGENT)]).await;
    let adapter = server.provider();
    for _ in 0..3 {
        assert!(adapter.agent(&agent_id()).await.expect("read").is_some());
    }
    assert_eq!(server.connections(), 4);
}

#[tokio::test]
async fn many_agents_are_asked_for_by_the_hundred() {
    let server = Server::start([json(200, r#"{"x":{"status":"failure","error_code":404}}"#)]).await;
    let ids: Vec<AgentId> = (0..250).map(|_| AgentId::parse("x").expect("an id")).collect();
    assert_eq!(server.provider().summaries(&ids).await.map(|known| known.len()), Ok(0));
    let counts: Vec<usize> = server.lines().iter().map(|line| line.matches("agent_ids=x").count()).collect();
    assert_eq!(counts, [100, 100, 50]);
    assert_eq!(server.provider().summaries(&[]).await.map(|known| known.len()), Ok(0));
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn lists_are_read_by_page() {
    let page = r#"{"agents":[{"agent_id":"a","name":"A"},{"name":"no id"},7,{"agent_id":"b","archived":true},{"agent_id":"c"}],"has_more":true,"next_cursor":"n&x"}"#;
    let server = Server::start([json(200, page)]).await;
    let adapter = server.provider();
    let asked = PageRequest { size: Some(500), cursor: Some("c=1&d".to_owned()), search: Some("a b".to_owned()) };
    let page = adapter.agents(&asked).await.expect("a page");
    assert_eq!(page.items.iter().map(|agent| agent.id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(page.next.as_deref(), Some("n&x"));
    assert_eq!(server.lines(), ["GET /v1/convai/agents?page_size=100&cursor=c%3D1%26d&search=a+b HTTP/1.1"]);
    let endless = PageRequest { cursor: page.next, ..PageRequest::default() };
    assert_eq!(adapter.agents(&endless).await.map_err(|error| error.kind()), Err(FailureKind::Unreadable));
}

#[tokio::test]
async fn a_list_that_goes_on_must_say_where() {
    for cursor in ["", r#","next_cursor":null"#, r#","next_cursor":"" "#, r#","next_cursor":7"#] {
        let server = Server::start([json(200, &format!(r#"{{"conversations":[],"has_more":true{cursor}}}"#))]).await;
        let error = server.provider().conversations(&ConversationQuery::default()).await.expect_err("no next page");
        assert_eq!((error.kind(), error.class()), (FailureKind::Unreadable, Class::Permanent), "{cursor}");
    }
}

#[tokio::test]
async fn conversations_are_found_by_user_agent_and_time() {
    let body = r#"{"conversations":[{"conversation_id":"conv_1","agent_id":"a","start_time_unix_secs":1790000000,"status":"in-progress"}],"has_more":false,"next_cursor":"x"}"#;
    let server = Server::start([json(200, body)]).await;
    let query = ConversationQuery {
        user_id: Some("call-1.1".to_owned()),
        agent: Some(agent_id()),
        started_after: Some(Timestamp::from_unix(Duration::from_millis(1_789_999_999_900))),
        started_before: Some(Timestamp::from_unix(Duration::from_secs(1_790_000_100))),
        page: PageRequest::default(),
    };
    let page = server.provider().conversations(&query).await.expect("a page");
    assert_eq!((page.items.len(), page.next), (1, None));
    assert_eq!(
        server.lines(),
        [
            "GET /v1/convai/conversations?user_id=call-1.1&agent_id=agent_restaurant&call_start_after_unix=1789999999&call_start_before_unix=1790000100 HTTP/1.1"
        ]
    );
}

#[tokio::test]
async fn ids_stay_in_their_place() {
    let server = Server::start([json(404, NOT_FOUND)]).await;
    let adapter = server.provider();
    for (id, path) in [("a/../b", "a%2F..%2Fb"), ("a?x=1#f", "a%3Fx=1%23f"), ("%2e%2e", "%252e%252e")] {
        assert_eq!(adapter.number(&PhoneNumberId::parse(id).expect("an id")).await, Ok(None));
        let expected = format!("GET /v1/convai/phone-numbers/{path} HTTP/1.1");
        assert_eq!(server.lines().last(), Some(&expected));
    }
    let sent = adapter.requests();
    let error = adapter.number(&PhoneNumberId::parse("..").expect("an id")).await.expect_err("no place");
    assert_eq!((error.kind(), error.class(), adapter.requests()), (FailureKind::NotBuilt, Class::Permanent, sent));
}

#[tokio::test]
async fn the_request_is_named_for_support() {
    let server = Server::start([answer(422, &["request-id: r-1", "x-trace-id: t-1"], "{}")]).await;
    let error = server.provider().numbers().await.expect_err("refused");
    assert_eq!((error.request_id(), error.status()), (Some("t-1"), Some(422)));
}
