//! Every fault once over a socket: what goes over the wire, and what the provider really did.

mod common;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use common::Http;
use partyline_fake_adapter::faults::Fault;
use partyline_fake_adapter::{Emulator, EmulatorConfig, RunningEmulator};
use serde_json::{Value, json};

async fn emulator(rules: &[&str]) -> RunningEmulator {
    let faults = rules.iter().map(|rule| rule.parse().unwrap_or_else(|error| panic!("{rule}: {error}"))).collect();
    let config = EmulatorConfig { faults, ..EmulatorConfig::default() };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Emulator::bind(config, address).await.expect("a free port").spawn()
}

fn ids(emulator: &RunningEmulator) -> (Vec<String>, String) {
    let world = emulator.world().lock();
    (world.agent_ids().iter().map(ToString::to_string).collect(), world.number_ids()[0].to_string())
}

fn dial_body(emulator: &RunningEmulator, attempt: &str) -> Value {
    let (agents, number) = ids(emulator);
    json!({
        "agent_id": agents[0],
        "agent_phone_number_id": number,
        "to_number": "+12025550123",
        "conversation_initiation_client_data": { "dynamic_variables": { "partyline_attempt_id": attempt } },
    })
}

/// What a dial looks like to a client, in a few words.
async fn dial(emulator: &RunningEmulator, patience: Duration) -> String {
    let mut http = Http::connect(emulator.addr()).await;
    let body = dial_body(emulator, "call_1.1");
    let answer = http.post("/v1/convai/twilio/outbound-call", &body);
    let Ok(answer) = tokio::time::timeout(patience, answer).await else {
        return String::from("silence");
    };
    match answer {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => String::from("broken off"),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => String::from("reset"),
        Err(error) => format!("{error}"),
        Ok(answer) if !answer.headers.contains("content-type: application/json") => {
            let kind = answer.headers.lines().find_map(|line| line.strip_prefix("content-type: "));
            format!("{} {}", answer.status, kind.unwrap_or_default())
        }
        Ok(answer) => describe(answer.status, &answer.headers, &answer.json()),
    }
}

fn describe(status: u16, headers: &str, body: &Value) -> String {
    let after = headers.lines().find_map(|line| line.strip_prefix("retry-after: "));
    let after = after.map(|seconds| format!(" after {seconds}")).unwrap_or_default();
    let detail = &body["detail"];
    if let Some(code) = detail["code"].as_str() {
        return format!("{status} {code}{after}");
    }
    if let Some(kind) = detail[0]["type"].as_str() {
        return format!("{status} [{kind}]");
    }
    let Some(success) = body["success"].as_bool() else { return format!("{status} {body}") };
    let conversation = if body["conversation_id"].is_string() { " with conversation" } else { "" };
    let more = if body.get("brand_new_field").is_some() { ", strange" } else { "" };
    let less = if body.get("callSid").is_none() { ", sparse" } else { "" };
    format!("{status} {success}{conversation}{more}{less}")
}

const TAKEN: &str = "200 true with conversation";

/// Fault, what the client sees, how many dials were executed in the end.
const TABLE: &[(&str, &str, usize)] = &[
    ("408-before", "408 request_timeout", 0),
    ("408-after", "408 request_timeout", 1),
    ("409-before", "409 already_processing", 0),
    ("409-after", "409 already_processing", 1),
    ("429-before", "429 rate_limit_exceeded", 0),
    ("429-after", "429 rate_limit_exceeded", 1),
    ("500-before", "500 internal_error", 0),
    ("500-after", "500 internal_error", 1),
    ("502-before", "502 internal_error", 0),
    ("502-after", "502 internal_error", 1),
    ("503-before", "503 service_unavailable", 0),
    ("503-after", "503 service_unavailable", 1),
    ("504-before", "504 internal_error", 0),
    ("504-after", "504 internal_error", 1),
    ("429", "429 rate_limit_exceeded", 0),
    ("429-retry-1s", "429 rate_limit_exceeded after 1", 0),
    ("429-text", "429 text/plain; charset=utf-8", 0),
    ("502-html", "502 text/html; charset=utf-8", 0),
    ("502-html-after", "502 text/html; charset=utf-8", 1),
    ("401", "401 unauthorized", 0),
    ("401-permission", "401 missing_permissions", 0),
    ("402", "402 insufficient_credits", 0),
    ("403", "403 forbidden", 0),
    ("404", "404 document_not_found", 0),
    ("422", "422 [missing]", 0),
    ("hang-before", "silence", 0),
    ("hang-after", "silence", 1),
    ("reset-before", "reset", 0),
    ("reset-after", "reset", 1),
    ("half", "broken off", 1),
    ("garbage", "200 \"It works!\"", 1),
    ("refused", "200 false", 0),
    ("refused-with-conversation", "200 false with conversation", 1),
    ("no-conversation-id", "200 true", 1),
    ("lying", TAKEN, 0),
    ("unknown-enum", "200 true with conversation, strange", 1),
    ("missing-optional", "200 true with conversation, sparse", 1),
    ("legacy", TAKEN, 1),
    ("slow-20ms", TAKEN, 1),
    ("late-20ms", "504 internal_error", 1),
    ("hang-late-20ms", "silence", 1),
    ("twice-20ms", TAKEN, 2),
];

#[test]
fn the_table_has_the_whole_menu() {
    let elsewhere = ["ignored", "page-missing", "page-shuffled", "untagged"];
    let timed = ["slow-2s", "late-2s", "hang-late-2s", "twice-2s"];
    let missing: Vec<String> = Fault::menu()
        .iter()
        .map(ToString::to_string)
        .filter(|name| {
            !timed.contains(&name.as_str())
                && !elsewhere.contains(&name.as_str())
                && !TABLE.iter().any(|(known, ..)| known == name)
        })
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[tokio::test]
async fn a_dial() {
    for (fault, seen, executed) in TABLE {
        let emulator = emulator(&[&format!("dial:{fault}")]).await;
        let patience = if *seen == "silence" { Duration::from_millis(50) } else { Duration::from_secs(30) };
        assert_eq!(dial(&emulator, patience).await, *seen, "{fault}");
        if fault.contains("late-") || fault.contains("twice-") {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        let mut http = Http::connect(emulator.addr()).await;
        let ledger = http.get("/_emulator/ledger").await.expect("an answer").json();
        let dials = ledger["dials"].as_array().expect("a list");
        assert_eq!(dials.len(), *executed, "{fault}");
        assert!(dials.iter().all(|dial| dial["attempt_id"] == "call_1.1"), "{fault}");
        assert_eq!(ledger["requests"][0]["fault"], *fault);
        assert_eq!(dial_again(&emulator, &mut http).await, TAKEN, "{fault} happens once");
        emulator.shutdown().await;
    }
}

async fn dial_again(emulator: &RunningEmulator, http: &mut Http) -> String {
    let body = dial_body(emulator, "call_1.2");
    let answer = http.post("/v1/convai/twilio/outbound-call", &body).await.expect("an answer");
    describe(answer.status, &answer.headers, &answer.json())
}

#[tokio::test]
async fn an_assignment_that_is_ignored_or_lied_about() {
    for (fault, shown) in [("ignored", false), ("lying", true)] {
        let emulator = emulator(&[&format!("assign:{fault}")]).await;
        let (agents, number) = ids(&emulator);
        let mut http = Http::connect(emulator.addr()).await;
        let path = format!("/v1/convai/phone-numbers/{number}");
        let answer = http.patch(&path, &json!({ "agent_id": agents[1] })).await.expect("an answer");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["assigned_agent"]["agent_id"] == agents[1], shown, "{fault}");
        let now = http.get(&path).await.expect("an answer").json();
        assert_eq!(now["assigned_agent"], Value::Null, "{fault}");
    }
}

#[tokio::test]
async fn an_error_in_the_form_of_before_2026() {
    let emulator = emulator(&["agent:legacy"]).await;
    let mut http = Http::connect(emulator.addr()).await;
    let legacy = http.get("/v1/convai/agents/agent_nobody").await.expect("an answer");
    let message = "Document with id agent_nobody not found.";
    assert_eq!(legacy.json(), json!({ "detail": { "status": "document_not_found", "message": message } }));
    let usual = http.get("/v1/convai/agents/agent_nobody").await.expect("an answer").json();
    assert_eq!(
        (usual["detail"]["type"].as_str(), usual["detail"]["code"].as_str()),
        (Some("not_found"), Some("agent_not_found"))
    );
    assert_eq!(usual["detail"]["request_id"].as_str().map(str::len), Some(32));
}

#[tokio::test]
async fn a_cut_connection_leaves_the_others_alone() {
    let emulator = emulator(&["agents:reset-before"]).await;
    let mut other = Http::connect(emulator.addr()).await;
    other.get("/_emulator/health").await.expect("an answer");
    let mut cut = Http::connect(emulator.addr()).await;
    let error = cut.get("/v1/convai/agents").await.expect_err("cut");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(other.get("/v1/convai/agents").await.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_client_that_goes_away_has_sent_its_dial_all_the_same() {
    let config = EmulatorConfig { latency: Duration::from_millis(40), ..EmulatorConfig::default() };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let emulator = Emulator::bind(config, address).await.expect("a free port").spawn();
    let mut http = Http::connect(emulator.addr()).await;
    let body = dial_body(&emulator, "call_1.1");
    let arrived = async {
        while emulator.world().lock().requests() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = arrived => {}
        answer = http.post("/v1/convai/twilio/outbound-call", &body) => panic!("answered too early: {answer:?}"),
    }
    drop(http);
    tokio::time::sleep(Duration::from_millis(40)).await;
    let mut http = Http::connect(emulator.addr()).await;
    let ledger = http.get("/_emulator/ledger").await.expect("an answer").json();
    assert_eq!(ledger["dials"][0]["attempt_id"], "call_1.1");
}
