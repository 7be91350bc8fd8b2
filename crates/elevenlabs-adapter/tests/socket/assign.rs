//! Assignments: repeated while nothing can have happened, and honest about what may have.

use std::sync::Arc;
use std::time::Duration;

use partyline_domain::ports::{AssignNumber, Number, Numbers};
use partyline_domain::{AgentId, Class, FailureKind, ProviderError, Remedy};

use crate::support::{NUMBER, Server, Step, Ticking, agent_id, answer, assign_order, instant, json, provider_with};

async fn assign(steps: impl Into<Vec<Step>>) -> (Result<Number, ProviderError>, u32) {
    let server = Server::start(steps).await;
    let adapter = server.provider();
    let outcome = adapter.assign(&assign_order()).await;
    (outcome, adapter.requests())
}

#[tokio::test]
async fn the_answer_is_told_as_it_is() {
    let other = r#"{"phone_number_id":"phnum_main","assigned_agent":{"agent_id":"agent_hotel"}}"#;
    let nobody = r#"{"phone_number_id":"phnum_main","assigned_agent":null}"#;
    for (body, expected) in [(NUMBER, Some("agent_restaurant")), (other, Some("agent_hotel")), (nobody, None)] {
        let (outcome, requests) = assign([json(200, body)]).await;
        let number = outcome.expect("an answer");
        assert_eq!((number.assigned_id().map(AgentId::as_str), requests), (expected, 1));
    }
}

#[tokio::test]
async fn the_agent_is_named_or_taken_away() {
    let server = Server::start([json(200, NUMBER)]).await;
    let adapter = server.provider();
    for (agent, body) in [(Some(agent_id()), r#"{"agent_id":"agent_restaurant"}"#), (None, r#"{"agent_id":null}"#)] {
        adapter.assign(&AssignNumber { agent, ..assign_order() }).await.expect("an answer");
        let request = server.requests().pop().expect("a request");
        assert!(request.starts_with("PATCH /v1/convai/phone-numbers/phnum_main HTTP/1.1\r\n"));
        assert!(request.ends_with(body), "{request}");
    }
}

#[tokio::test]
async fn passing_trouble_is_sat_out() {
    let (outcome, requests) = assign([answer(429, &["retry-after: 0"], "{}"), json(200, NUMBER)]).await;
    assert_eq!((outcome.is_ok(), requests), (true, 2));
}

#[tokio::test]
async fn a_longer_wait_than_the_budget_ends_it() {
    let (outcome, requests) = assign([answer(429, &["retry-after: 3600"], "{}")]).await;
    let asked = Class::Retryable { after: Some(Duration::from_secs(3600)) };
    assert_eq!((outcome.map_err(|error| error.class()), requests), (Err(asked), 1));
}

#[tokio::test]
async fn what_may_have_happened_is_in_doubt() {
    for (step, kind) in [
        (json(504, ""), FailureKind::Unavailable),
        (Step::CloseAfterReading, FailureKind::Interrupted),
        (json(408, ""), FailureKind::TimedOut),
        (json(409, ""), FailureKind::Conflict),
        (answer(429, &[], "slow down"), FailureKind::RateLimited),
        (json(200, "<html>"), FailureKind::Unreadable),
        (json(200, r#"{"assigned_agent":null}"#), FailureKind::Unreadable),
        (json(200, r#"{"phone_number_id":"phnum_main","assigned_agent":{"agent_id":"a b"}}"#), FailureKind::Unreadable),
        (json(200, r#"{"phone_number_id":"phnum_main","assigned_agent":{"id":"agent_x"}}"#), FailureKind::Unreadable),
        (json(200, r#"{"phone_number_id":"phnum_main","assigned_agent":{}}"#), FailureKind::Unreadable),
        (
            json(200, r#"{"phone_number_id":"phnum_other","assigned_agent":{"agent_id":"agent_restaurant"}}"#),
            FailureKind::Unreadable,
        ),
        (json(200, r#"["phnum_main"]"#), FailureKind::Unreadable),
        (json(422, r#"{"detail":{"code":"upstream_service_error"}}"#), FailureKind::Invalid),
        (json(204, ""), FailureKind::Unreadable),
    ] {
        let (outcome, sent) = assign([step, json(200, NUMBER)]).await;
        let error = outcome.expect_err("in doubt");
        assert_eq!((error.kind(), error.class(), sent), (kind, Class::InDoubt, 1));
    }
}

#[tokio::test]
async fn the_wait_asked_for_in_doubt_is_told() {
    let (outcome, sent) = assign([answer(503, &["retry-after: 7"], "{}"), json(200, NUMBER)]).await;
    let error = outcome.expect_err("in doubt");
    let after = Some(Duration::from_secs(7));
    assert_eq!((error.class(), error.remedy(), sent), (Class::InDoubt, Remedy::Retry { after }, 1));
}

#[tokio::test]
async fn a_verdict_changes_nothing() {
    for status in [400, 401, 403, 404, 422] {
        let (outcome, sent) = assign([json(status, "{}")]).await;
        assert_eq!((outcome.map_err(|error| error.class()), sent), (Err(Class::Permanent), 1), "{status}");
    }
    let (outcome, sent) = assign([json(429, "{}")]).await;
    assert_eq!((outcome.map_err(|error| error.class()), sent), (Err(Class::Retryable { after: None }), 3));
}

#[tokio::test]
async fn after_its_time_nothing_is_sent() {
    let server = Server::start([json(200, NUMBER)]).await;
    let adapter = server.provider();
    let error = adapter.assign(&AssignNumber { not_after: instant(0), ..assign_order() }).await.expect_err("too late");
    assert_eq!((error.kind(), error.class()), (FailureKind::TooLate, Class::Retryable { after: None }));
    assert_eq!((adapter.requests(), server.connections()), (0, 0));
}

#[tokio::test]
async fn it_is_not_repeated_after_its_time() {
    let server = Server::start([json(429, "{}")]).await;
    let adapter = provider_with(server.settings(), Arc::new(Ticking::default()));
    // The clock moves on by a second with every look; the first attempt takes about six.
    let error = adapter.assign(&AssignNumber { not_after: instant(6), ..assign_order() }).await.expect_err("trouble");
    assert_eq!((error.kind(), error.class()), (FailureKind::RateLimited, Class::Retryable { after: None }));
    assert_eq!((adapter.requests(), server.requests().len()), (1, 1));
}
