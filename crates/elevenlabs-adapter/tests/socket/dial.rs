//! Every way a dial can end. In none of them does a second request arrive.

use std::sync::Arc;
use std::time::Duration;

use partyline_domain::ports::{
    DialAccepted, DialAnswer, DialRefused, DialRequest, Dialer, NumberProvider, Numbers, ProviderCallId,
};
use partyline_domain::{Class, ConversationId, FailureKind, ProviderError};
use partyline_elevenlabs_adapter::Settings;

use crate::support::{
    NUMBER, Server, Step, Ticking, answer, dial_request, instant, json, number_id, provider, provider_with, quick,
};

const ACCEPTED: &str = r#"{"success":true,"message":"ok","conversation_id":"conv_1","callSid":"CA1"}"#;
const BUSY: &str = r#"{"detail":{"type":"rate_limit_error","code":"rate_limit_exceeded","message":"Slow down."}}"#;

/// Dials once against one step and checks that one request was sent and that no second connection was opened.
async fn dial(step: Step) -> Result<DialAnswer, ProviderError> {
    let server = Server::start([step]).await;
    let adapter = server.provider();
    let outcome = adapter.dial(&dial_request()).await;
    assert_eq!(adapter.requests(), 1);
    assert_eq!(server.connections(), 1);
    outcome
}

async fn failure(step: Step) -> (FailureKind, Class) {
    let error = dial(step).await.expect_err("a failure");
    assert!(!error.detail().contains("2025550123"), "{error}");
    (error.kind(), error.class())
}

#[tokio::test]
async fn an_accepted_dial_names_its_conversation() {
    for (provider, route, id) in [
        (NumberProvider::Twilio, "twilio", r#""callSid":"CA1""#),
        (NumberProvider::Exotel, "exotel", r#""call_sid":"CA1","callSid":null"#),
        (NumberProvider::SipTrunk, "sip-trunk", r#""sip_call_id":"CA1""#),
    ] {
        let server =
            Server::start([json(200, &format!(r#"{{"success":true,"conversation_id":"conv_1",{id}}}"#))]).await;
        let outcome = server.provider().dial(&DialRequest { provider, ..dial_request() }).await;
        let conversation = ConversationId::parse("conv_1").expect("an id");
        let expected = DialAccepted { conversation, provider_call_id: ProviderCallId::new("CA1") };
        assert_eq!(outcome, Ok(DialAnswer::Accepted(expected)));
        assert_eq!(server.lines(), [format!("POST /v1/convai/{route}/outbound-call HTTP/1.1")]);
    }
}

#[tokio::test]
async fn the_request_is_what_the_api_wants() {
    let server = Server::start([json(200, ACCEPTED)]).await;
    server.provider().dial(&dial_request()).await.expect("accepted");
    let requests = server.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").expect("a whole request");
    for header in ["xi-api-key: test-key-0123456789abcdef", "content-type: application/json", "user-agent: partyline/"]
    {
        assert!(head.to_ascii_lowercase().contains(header), "{head}");
    }
    assert_eq!(
        body,
        r#"{"agent_id":"agent_restaurant","agent_phone_number_id":"phnum_main","to_number":"+12025550123","conversation_initiation_client_data":{"user_id":"call-1.1","dynamic_variables":{"partyline_attempt_id":"call-1.1"}},"telephony_call_config":{"ringing_timeout_secs":1}}"#
    );
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let body = r#"{"success":false,"message":"sip status: 486: +1 202 555 0123 is busy","conversation_id":"conv_2"}"#;
    let conversation = Some(ConversationId::parse("conv_2").expect("an id"));
    let message = "sip status: 486: +1***0123 is busy".to_owned();
    assert_eq!(dial(json(200, body)).await, Ok(DialAnswer::Refused(DialRefused { message, conversation })));
    let bare = DialRefused { message: "the provider gave no reason".to_owned(), conversation: None };
    for none in ["", r#","conversation_id":null"#, r#","conversation_id":"" "#] {
        let step = json(200, &format!(r#"{{"success":false{none}}}"#));
        assert_eq!(dial(step).await, Ok(DialAnswer::Refused(bare.clone())), "{none}");
    }
}

#[tokio::test]
async fn a_refusal_with_a_conversation_that_cannot_be_read_is_in_doubt() {
    for id in ["123", "0", "false", "{}", r#"{"id":"conv_1"}"#, "[]", r#""a b""#, r#"" ""#] {
        let body = format!(r#"{{"success":false,"message":"busy","conversation_id":{id}}}"#);
        assert_eq!(failure(json(200, &body)).await, (FailureKind::Unreadable, Class::InDoubt), "{id}");
    }
}

#[tokio::test]
async fn what_is_no_whole_readable_verdict_is_in_doubt() {
    let html = "<html><head><title>Welcome</title></head></html>";
    for (name, step, kind) in [
        ("not read", Step::CloseUnread, FailureKind::Interrupted),
        ("closed", Step::CloseAfterReading, FailureKind::Interrupted),
        ("half a header", Step::Send("HTTP/1.1 200 OK\r\ncontent-le"), FailureKind::Interrupted),
        (
            "half a body",
            Step::Send("HTTP/1.1 200 OK\r\ncontent-length: 80\r\n\r\n{\"success\":"),
            FailureKind::Interrupted,
        ),
        ("half a refusal", Step::Send("HTTP/1.1 401 No\r\ncontent-length: 80\r\n\r\n{"), FailureKind::Interrupted),
        ("no HTTP", Step::Send("SSH-2.0-OpenSSH\r\n"), FailureKind::Interrupted),
        ("HTML", answer(200, &["content-type: text/html"], html), FailureKind::Unreadable),
        ("empty", json(200, ""), FailureKind::Unreadable),
        ("no verdict", json(200, r#"{"conversation_id":"conv_1"}"#), FailureKind::Unreadable),
        ("verdict is a text", json(200, r#"{"success":"true","conversation_id":"conv_1"}"#), FailureKind::Unreadable),
        ("two verdicts", json(200, r#"{"success":false,"success":true}"#), FailureKind::Unreadable),
        ("no conversation", json(200, r#"{"success":true,"conversation_id":null}"#), FailureKind::Unreadable),
        ("bad conversation", json(200, r#"{"success":true,"conversation_id":"a b"}"#), FailureKind::Unreadable),
        ("a refusal in an array", json(200, "[false]"), FailureKind::Unreadable),
        ("201", json(201, ACCEPTED), FailureKind::Unreadable),
        ("204", Step::Send("HTTP/1.1 204 No Content\r\n\r\n"), FailureKind::Unreadable),
        ("redirect", answer(307, &["location: /v1/elsewhere"], ""), FailureKind::Redirected),
        ("408", json(408, "{}"), FailureKind::TimedOut),
        ("409", json(409, "{}"), FailureKind::Conflict),
        ("424", json(424, "{}"), FailureKind::Unexpected),
        ("425", json(425, "{}"), FailureKind::Unexpected),
        ("429 without JSON", answer(429, &["retry-after: 1"], "slow down"), FailureKind::RateLimited),
        ("500", json(500, "{}"), FailureKind::Unavailable),
        ("502", answer(502, &[], html), FailureKind::Unavailable),
        ("503", answer(503, &["retry-after: 1"], "{}"), FailureKind::Unavailable),
        ("504", answer(504, &[], ""), FailureKind::Unavailable),
        ("upstream", json(400, r#"{"detail":{"code":"upstream_service_error"}}"#), FailureKind::Invalid),
        ("contradiction", json(400, ACCEPTED), FailureKind::Invalid),
    ] {
        assert_eq!(failure(step).await, (kind, Class::InDoubt), "{name}");
    }
}

#[tokio::test]
async fn a_verdict_before_dialling_is_permanent() {
    for (status, kind) in [
        (400, FailureKind::Invalid),
        (401, FailureKind::Unauthorized),
        (402, FailureKind::QuotaExceeded),
        (403, FailureKind::Forbidden),
        (404, FailureKind::NotFound),
        (405, FailureKind::Unexpected),
        (422, FailureKind::Invalid),
    ] {
        let step = json(status, r#"{"detail":{"status":"some_status","message":"no"}}"#);
        assert_eq!(failure(step).await, (kind, Class::Permanent), "{status}");
    }
}

#[tokio::test]
async fn only_a_429_with_json_is_retryable_and_its_wait_is_passed_on() {
    let after = Some(Duration::from_secs(7));
    let step = answer(429, &["retry-after: 7"], BUSY);
    assert_eq!(failure(step).await, (FailureKind::RateLimited, Class::Retryable { after }));
    let step = answer(429, &["retry-after: never"], BUSY);
    assert_eq!(failure(step).await, (FailureKind::RateLimited, Class::Retryable { after: None }));
}

#[tokio::test]
async fn an_answer_over_the_limit_is_in_doubt() {
    let body = format!("{}{}", ACCEPTED, " ".repeat(2000));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n     \r\n400\r\n";
    for step in [json(200, &body), Step::Answer(format!("{chunked}{}\r\n0\r\n\r\n", " ".repeat(0x400)))] {
        let server = Server::start([step]).await;
        let adapter = provider(Settings { body_bytes_max: 1000, ..server.settings() });
        let error = adapter.dial(&dial_request()).await.expect_err("too large");
        assert_eq!((error.kind(), error.class()), (FailureKind::Unreadable, Class::InDoubt));
        assert_eq!((adapter.requests(), server.requests().len()), (1, 1));
    }
}

#[tokio::test]
async fn no_answer_within_ringing_and_margin_is_in_doubt() {
    let server = Server::start([Step::Hang]).await;
    let adapter = provider(Settings { dial_margin: Duration::from_millis(10), ..server.settings() });
    let error = adapter.dial(&dial_request()).await.expect_err("no answer");
    assert_eq!((error.kind(), error.class()), (FailureKind::TimedOut, Class::InDoubt));
    assert_eq!(error.detail(), "no whole answer within 1.0 s");
    assert_eq!((adapter.requests(), server.requests().len(), server.connections()), (1, 1, 1));
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let gone = Server::start([Step::Hang]).await.address();
    let unresolved = format!("http://nowhere.invalid:{}", gone.port());
    for base_url in [format!("http://{gone}"), unresolved] {
        let adapter = provider(Settings { allow_insecure: true, ..quick(&base_url) });
        let error = adapter.dial(&dial_request()).await.expect_err("nobody there");
        assert_eq!((error.kind(), error.class()), (FailureKind::Unreachable, Class::Retryable { after: None }));
        assert!(error.detail().starts_with("no connection to "), "{error}");
    }
}

#[tokio::test]
async fn a_failed_tls_handshake_sends_nothing() {
    let server = Server::start([Step::CloseUnread]).await;
    let adapter = provider(quick(&format!("https://localhost:{}", server.address().port())));
    let error = adapter.dial(&dial_request()).await.expect_err("no TLS there");
    assert_eq!((error.kind(), error.class()), (FailureKind::Unreachable, Class::Retryable { after: None }));
}

#[tokio::test]
async fn after_its_time_nothing_is_sent() {
    let server = Server::start([json(200, ACCEPTED)]).await;
    let adapter = server.provider();
    let late = DialRequest { not_after: instant(0), ..dial_request() };
    let error = adapter.dial(&late).await.expect_err("too late");
    assert_eq!((error.kind(), error.class()), (FailureKind::TooLate, Class::Retryable { after: None }));
    assert_eq!((adapter.requests(), server.connections()), (0, 0));
    let just = DialRequest { not_after: instant(1), ..dial_request() };
    assert!(adapter.dial(&just).await.is_ok());
}

/// The clock passes `not_after` while the connection is being opened: the look after that stops the request.
#[tokio::test]
async fn a_connection_that_took_too_long_is_not_used() {
    let server = Server::start([json(200, ACCEPTED)]).await;
    let adapter = provider_with(server.settings(), Arc::new(Ticking::default()));
    // Looks: the call's end, its beginning, before sending (2 s), when connected and about to write (3 s).
    let error = adapter.dial(&DialRequest { not_after: instant(2), ..dial_request() }).await.expect_err("too late");
    assert_eq!((error.kind(), error.class()), (FailureKind::TooLate, Class::Retryable { after: None }));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!((server.connections(), server.requests().len(), server.fragments()), (1, 0, Vec::new()));
}

/// The clock passes `not_after` while a connection that another request has opened is taken over.
#[tokio::test]
async fn a_connection_taken_over_too_late_is_not_used() {
    let in_time = (FailureKind::Interrupted, Class::InDoubt);
    let late = (FailureKind::TooLate, Class::Retryable { after: None });
    // Looks of the read: the budget, what is left of it, the end, the beginning, how long it took (4 s). Of the
    // dial: the end, the beginning, before sending (7 s), about to write (8 s).
    for (not_after, expected, requests) in [(8, in_time, 2), (7, late, 1)] {
        let server = Server::start([Step::Keep(NUMBER)]).await;
        let adapter = provider_with(server.settings(), Arc::new(Ticking::default()));
        assert!(adapter.number(&number_id()).await.expect("read").is_some());
        tokio::time::sleep(Duration::from_millis(20)).await;
        let request = DialRequest { not_after: instant(not_after), ..dial_request() };
        let error = adapter.dial(&request).await.expect_err("no answer");
        assert_eq!((error.kind(), error.class()), expected);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let seen = (server.connections(), server.requests().len(), server.fragments());
        assert_eq!(seen, (1, requests, Vec::new()), "not even a head is sent too late");
    }
}

/// A connection that the server has closed since its last use is not met by a dial.
#[tokio::test]
async fn a_connection_closed_meanwhile_is_replaced() {
    let kept = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]";
    let server = Server::start([Step::Send(kept), json(200, ACCEPTED)]).await;
    let adapter = server.provider();
    adapter.numbers().await.expect("an empty list");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(matches!(adapter.dial(&dial_request()).await, Ok(DialAnswer::Accepted(_))));
    assert_eq!((adapter.requests(), server.requests().len(), server.connections()), (2, 2, 2));
}

#[tokio::test]
async fn an_unknown_kind_of_number_is_not_dialled() {
    let server = Server::start([json(200, ACCEPTED)]).await;
    let provider = NumberProvider::Other("whatsapp".to_owned());
    let adapter = server.provider();
    let error = adapter.dial(&DialRequest { provider, ..dial_request() }).await.expect_err("no route");
    assert_eq!((error.kind(), error.class()), (FailureKind::NotBuilt, Class::Permanent));
    assert!(error.detail().contains("whatsapp"));
    assert_eq!((adapter.requests(), server.connections()), (0, 0));
}
