use partyline_domain::{Class, Remedy};

use super::*;

const LEGACY_KEY: &str = r#"{"detail":{"status":"invalid_api_key","message":"Invalid API key"}}"#;
const NEW_KEY: &str = r#"{"detail":{"type":"authentication_error","code":"unauthorized","message":"Invalid API key","status":"invalid_api_key","request_id":"0123456789abcdef0123456789abcdef"}}"#;
const PERMISSION: &str = r#"{"detail":{"status":"missing_permissions","message":"The API key you used is missing the permission convai_write to execute this operation."}}"#;
const QUOTA: &str = r#"{"detail":{"status":"quota_exceeded","message":"This request exceeds your quota."}}"#;
const NOT_FOUND: &str = r#"{"detail":{"type":"not_found","code":"agent_not_found","status":"document_not_found","message":"Document with id agent_x not found."}}"#;
const ROUTE: &str = r#"{"detail":"Not Found"}"#;
const FIELD: &str =
    r#"{"detail":[{"type":"missing","loc":["body","agent_phone_number_id"],"msg":"Field required","input":null}]}"#;
const BUSY: &str = r#"{"detail":{"type":"rate_limit_error","code":"concurrent_limit_exceeded","status":"too_many_concurrent_requests","message":"Too many concurrent requests."}}"#;
const UPSTREAM: &str = r#"{"detail":{"code":"upstream_service_error","message":"The carrier refused."}}"#;
const INTERNAL: &str = r#"{"detail":{"type":"internal_error","message":"oops"}}"#;
const HTML: &str = "<!DOCTYPE html><html><head><title>502 Bad\n Gateway</title></head><body>secret</body></html>";

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        request_id: None,
        retry_after: None,
        location: None,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// `retry`, `final` or `doubt` for a read, an assignment and a dial.
fn classes(status: u16, body: &str) -> String {
    [Purpose::Read, Purpose::Assign, Purpose::Dial]
        .map(|purpose| match refusal(purpose, &answer(status, body)).class() {
            Class::Retryable { .. } => "retry",
            Class::Permanent => "final",
            Class::InDoubt => "doubt",
        })
        .join(" ")
}

#[test]
fn every_answer_has_a_kind_and_a_class_for_each_purpose() {
    let table = [
        (200, "", FailureKind::Unreadable, "final doubt doubt"),
        (201, r#"{"success":true}"#, FailureKind::Unreadable, "final doubt doubt"),
        (202, "{}", FailureKind::Unreadable, "final doubt doubt"),
        (204, "", FailureKind::Unreadable, "final doubt doubt"),
        (301, "", FailureKind::Redirected, "final doubt doubt"),
        (307, HTML, FailureKind::Redirected, "final doubt doubt"),
        (
            400,
            r#"{"detail":{"status":"invalid_provider_config","message":"m"}}"#,
            FailureKind::Invalid,
            "final final final",
        ),
        (400, QUOTA, FailureKind::QuotaExceeded, "final final final"),
        (400, "", FailureKind::Invalid, "final final final"),
        (400, r#"{"success":true,"conversation_id":"conv_1"}"#, FailureKind::Invalid, "final doubt doubt"),
        (400, r#"{"success":false}"#, FailureKind::Invalid, "final doubt doubt"),
        (400, INTERNAL, FailureKind::Invalid, "final doubt doubt"),
        (400, UPSTREAM, FailureKind::Invalid, "final doubt doubt"),
        (401, LEGACY_KEY, FailureKind::Unauthorized, "final final final"),
        (401, NEW_KEY, FailureKind::Unauthorized, "final final final"),
        (401, HTML, FailureKind::Unauthorized, "final final final"),
        (401, PERMISSION, FailureKind::MissingPermission, "final final final"),
        (401, r#"{"detail":{"code":"missing_permissions"}}"#, FailureKind::MissingPermission, "final final final"),
        (401, QUOTA, FailureKind::QuotaExceeded, "final final final"),
        (402, "", FailureKind::QuotaExceeded, "final final final"),
        (
            403,
            r#"{"detail":{"type":"authorization_error","code":"forbidden"}}"#,
            FailureKind::Forbidden,
            "final final final",
        ),
        (404, NOT_FOUND, FailureKind::NotFound, "final final final"),
        (404, ROUTE, FailureKind::Unexpected, "final final final"),
        (404, HTML, FailureKind::Unexpected, "final final final"),
        (404, "", FailureKind::Unexpected, "final final final"),
        (404, r#"{"success":true}"#, FailureKind::NotFound, "final doubt doubt"),
        (405, r#"{"detail":"Method Not Allowed"}"#, FailureKind::Unexpected, "final final final"),
        (408, "", FailureKind::TimedOut, "retry doubt doubt"),
        (409, r#"{"detail":{"code":"conflict"}}"#, FailureKind::Conflict, "final doubt doubt"),
        (413, "", FailureKind::Invalid, "final final final"),
        (418, "", FailureKind::Unexpected, "final final final"),
        (422, FIELD, FailureKind::Invalid, "final final final"),
        (424, UPSTREAM, FailureKind::Unexpected, "final doubt doubt"),
        (425, "", FailureKind::Unexpected, "final doubt doubt"),
        (429, BUSY, FailureKind::RateLimited, "retry retry retry"),
        (429, "", FailureKind::RateLimited, "retry doubt doubt"),
        (429, HTML, FailureKind::RateLimited, "retry doubt doubt"),
        (429, "\"slow down\"", FailureKind::RateLimited, "retry doubt doubt"),
        (429, r#"{"success":false}"#, FailureKind::RateLimited, "retry doubt doubt"),
        (404, r#"{"detail":{"type":"upstream_service_error"}}"#, FailureKind::NotFound, "final doubt doubt"),
        (422, UPSTREAM, FailureKind::Invalid, "final doubt doubt"),
        (429, UPSTREAM, FailureKind::RateLimited, "retry doubt doubt"),
        (429, INTERNAL, FailureKind::RateLimited, "retry doubt doubt"),
        (500, INTERNAL, FailureKind::Unavailable, "retry doubt doubt"),
        (502, HTML, FailureKind::Unavailable, "retry doubt doubt"),
        (503, "", FailureKind::Unavailable, "retry doubt doubt"),
        (504, "gateway timeout", FailureKind::Unavailable, "retry doubt doubt"),
        (599, r#"{"success":true}"#, FailureKind::Unavailable, "retry doubt doubt"),
        (600, "", FailureKind::Unexpected, "final doubt doubt"),
    ];
    for (status, body, kind, expected) in table {
        let error = refusal(Purpose::Dial, &answer(status, body));
        assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{status} {body}");
        assert_eq!(classes(status, body), expected, "{status} {body}");
    }
}

#[test]
fn a_dial_is_retryable_for_no_other_answer_than_429_with_json() {
    for status in 100..1000 {
        for body in ["", HTML, LEGACY_KEY, NEW_KEY, FIELD, ROUTE, BUSY, INTERNAL, "{}", r#"{"success":true}"#] {
            let class = refusal(Purpose::Dial, &answer(status, body)).class();
            let retryable = matches!(class, Class::Retryable { .. });
            let expected = status == 429 && body.starts_with('{') && body != INTERNAL && !body.contains("success");
            assert_eq!(retryable, expected, "{status} {body}");
            assert!(class == Class::InDoubt || (400..500).contains(&status), "{status} {body}");
        }
    }
}

#[test]
fn every_transport_failure_has_a_kind_and_a_class_for_each_purpose() {
    let table = [
        (Transport::NotBuilt("a".to_owned()), FailureKind::NotBuilt, ["final", "final", "final"]),
        (Transport::TooLate, FailureKind::TooLate, ["retry", "retry", "retry"]),
        (Transport::NoConnection { host: "h".to_owned(), why: "w".to_owned() }, FailureKind::Unreachable, ["retry"; 3]),
        (Transport::TimedOut(Duration::from_secs(1)), FailureKind::TimedOut, ["retry", "doubt", "doubt"]),
        (Transport::Interrupted("reset".to_owned()), FailureKind::Interrupted, ["retry", "doubt", "doubt"]),
        (Transport::TooLarge { bytes_max: 1 }, FailureKind::Unreadable, ["final", "doubt", "doubt"]),
        (Transport::Redirected("away".to_owned()), FailureKind::Redirected, ["final", "doubt", "doubt"]),
    ];
    for (failure, kind, expected) in table {
        for (purpose, expected) in [Purpose::Read, Purpose::Assign, Purpose::Dial].into_iter().zip(expected) {
            let error = transport(purpose, failure.clone());
            let class = match error.class() {
                Class::Retryable { after } => {
                    assert_eq!(after, None);
                    "retry"
                }
                Class::Permanent => "final",
                Class::InDoubt => "doubt",
            };
            assert_eq!((error.kind(), class), (kind, expected), "{failure:?} {purpose:?}");
        }
    }
}

#[test]
fn the_detail_says_what_happened() {
    let detail = |status, body| refusal(Purpose::Read, &answer(status, body)).detail().to_owned();
    for (status, body, expected) in [
        (422, FIELD, "the provider answered 422: body.agent_phone_number_id: Field required"),
        (401, LEGACY_KEY, "the provider answered 401: Invalid API key (each residency host has keys of its own)"),
        (404, ROUTE, "the provider answered 404: Not Found (the base URL may be wrong)"),
        (404, NOT_FOUND, "the provider answered 404: Document with id agent_x not found."),
        (502, HTML, "the provider answered 502 with an HTML page titled \"502 Bad Gateway\""),
        (502, "<html>x", "the provider answered 502 with an HTML page"),
        (503, " \n", "the provider answered 503 with an empty body"),
        (503, "busy 12025550123", "the provider answered 503 with a text that is not JSON"),
        (503, "{}", "the provider answered 503 without a reason"),
        (409, r#"{"detail":{"code":"conflict"}}"#, "the provider answered 409: conflict"),
        (500, r#"{"message":"a\nb"}"#, "the provider answered 500: a b"),
        (422, r#"{"detail":[]}"#, "the provider answered 422: the validation names no field"),
        (
            422,
            r#"{"detail":[{"loc":["body",0,"x"],"msg":"a"},{"msg":"b"},{},{"msg":"d"},{"msg":"e"}]}"#,
            "the provider answered 422: body.0.x: a; b; not valid; and 2 more",
        ),
        (400, r#"{"detail":"call to +1 202 555 0123 failed"}"#, "the provider answered 400: call to +1***0123 failed"),
    ] {
        assert_eq!(detail(status, body), expected);
    }
    assert!(detail(401, PERMISSION).ends_with("(the key lacks the permission convai_write)"));
}

#[test]
fn code_and_request_id_are_kept() {
    let error = refusal(Purpose::Read, &answer(401, NEW_KEY));
    assert_eq!(error.code(), Some("unauthorized"));
    assert_eq!(error.request_id(), Some("0123456789abcdef0123456789abcdef"));
    let legacy = refusal(Purpose::Read, &answer(401, LEGACY_KEY));
    assert_eq!((legacy.code(), legacy.request_id()), (Some("invalid_api_key"), None));
    let named = Answer { request_id: Some("trace-1".to_owned()), ..answer(401, NEW_KEY) };
    assert_eq!(refusal(Purpose::Read, &named).request_id(), Some("trace-1"));
}

#[test]
fn the_wait_that_is_asked_for_is_passed_on() {
    let busy = Answer { retry_after: Some(Duration::from_secs(7)), ..answer(429, BUSY) };
    let expected = Class::Retryable { after: Some(Duration::from_secs(7)) };
    assert_eq!(refusal(Purpose::Dial, &busy).class(), expected);
    assert_eq!(refusal(Purpose::Dial, &Answer { status: 503, ..busy }).class(), Class::InDoubt);
}

#[test]
fn an_assignment_in_doubt_keeps_the_wait_that_is_asked_for() {
    let after = Some(Duration::from_secs(7));
    let remedy = |purpose, status, body| {
        let error = refusal(purpose, &Answer { retry_after: after, ..answer(status, body) });
        assert_eq!(error.class(), Class::InDoubt, "{status}");
        error.remedy()
    };
    for status in [408, 429, 500, 502, 503, 504, 599] {
        assert_eq!(remedy(Purpose::Assign, status, ""), Remedy::Retry { after }, "{status}");
        assert_eq!(remedy(Purpose::Dial, status, ""), Remedy::GiveUp, "{status}");
    }
    for status in [204, 307, 409, 424, 425, 600] {
        assert_eq!(remedy(Purpose::Assign, status, ""), Remedy::GiveUp, "{status}");
    }
    assert_eq!(remedy(Purpose::Assign, 429, INTERNAL), Remedy::Retry { after });
    assert_eq!(refusal(Purpose::Assign, &answer(503, "")).remedy(), Remedy::Retry { after: None });
}

#[test]
fn an_unreadable_200_is_in_doubt_for_writes() {
    for body in ["", HTML, "nonsense", "[]"] {
        let error = unreadable(Purpose::Dial, &answer(200, body), "the answer has no `success`");
        assert_eq!((error.kind(), error.class()), (FailureKind::Unreadable, Class::InDoubt));
        assert!(!error.detail().contains("secret") && !error.detail().contains("nonsense"));
        assert_eq!(unreadable(Purpose::Read, &answer(200, body), "w").class(), Class::Permanent);
    }
}
