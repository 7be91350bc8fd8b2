//! The emulator's own routes, its latency, and its end.

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use common::Http;
use partyline_domain::ports::Clock;
use partyline_fake_adapter::{Emulator, EmulatorConfig, RunningEmulator};
use serde_json::{Value, json};

async fn start(config: EmulatorConfig) -> (RunningEmulator, Http) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let emulator = Emulator::bind(config, address).await.expect("a free port").spawn();
    let http = Http::connect(emulator.addr()).await;
    (emulator, http)
}

fn ids(emulator: &RunningEmulator) -> (Vec<String>, String) {
    let world = emulator.world().lock();
    (world.agent_ids().iter().map(ToString::to_string).collect(), world.number_ids()[0].to_string())
}

async fn dial(emulator: &RunningEmulator, http: &mut Http) -> Value {
    let (agents, number) = ids(emulator);
    let body = json!({ "agent_id": agents[0], "agent_phone_number_id": number, "to_number": "+12025550123" });
    http.post("/v1/convai/twilio/outbound-call", &body).await.expect("an answer").json()
}

#[tokio::test]
async fn the_ledger_tells_of_an_outsider_and_the_misroute_he_caused() {
    let (emulator, mut http) = start(EmulatorConfig::default()).await;
    let (agents, number) = ids(&emulator);
    let order = json!({ "phone_number_id": number, "agent_id": agents[2] });
    assert_eq!(http.post("/_emulator/reassign", &order).await.expect("an answer").status, 200);
    let dialled = dial(&emulator, &mut http).await;
    let ledger = http.get("/_emulator/ledger").await.expect("an answer").json();
    let entry = &ledger["dials"][0];
    assert_eq!((&entry["requested_agent_id"], &entry["answered_agent_id"]), (&json!(agents[0]), &json!(agents[2])));
    assert_eq!((&entry["misrouted"], &entry["conversation_id"]), (&json!(true), &dialled["conversation_id"]));
    assert_eq!((&entry["to"], &entry["attempt_id"]), (&json!("+12025550123"), &Value::Null));
    assert_eq!(ledger["assignments"][0]["writer"], "outsider");
    assert_eq!(ledger["requests"][0]["route"], "POST /v1/convai/twilio/outbound-call");
    assert_eq!(
        (&ledger["requests"][0]["outcome"], &ledger["requests"][0]["status"]),
        (&json!("answered"), &json!(200))
    );
    let release = json!({ "phone_number_id": number, "agent_id": null });
    http.post("/_emulator/reassign", &release).await.expect("an answer");
    let world = emulator.world().lock();
    assert_eq!(world.assigned(&world.number_ids()[0]), None);
}

#[tokio::test]
async fn faults_are_added_listed_and_forgotten() {
    let (_emulator, mut http) = start(EmulatorConfig::default()).await;
    let rules = json!({ "faults": ["agents:503-before:2", "any:garbage:1@9"] });
    let listed = http.post("/_emulator/faults", &rules).await.expect("an answer").json();
    assert_eq!(listed, rules);
    assert_eq!(http.get("/v1/convai/agents").await.expect("an answer").status, 503);
    let left = http.get("/_emulator/faults").await.expect("an answer").json();
    assert_eq!(left, json!({ "faults": ["agents:503-before", "any:garbage:1@8"] }));
    let none = http.send("DELETE", "/_emulator/faults", "", "").await.expect("an answer").json();
    assert_eq!(none, json!({ "faults": [] }));
    assert_eq!(http.get("/v1/convai/agents").await.expect("an answer").status, 200);
    let bad =
        http.post("/_emulator/faults", &json!({ "faults": ["dial:half", "dial:explode"] })).await.expect("an answer");
    assert_eq!(bad.status, 400);
    assert!(bad.json()["error"].as_str().is_some_and(|error| error.starts_with("no fault \"explode\"; there are")));
    assert_eq!(http.get("/_emulator/faults").await.expect("an answer").json(), json!({ "faults": [] }));
}

#[tokio::test]
async fn an_agent_is_put_away_and_taken_out() {
    let (emulator, mut http) = start(EmulatorConfig::default()).await;
    let (agents, _) = ids(&emulator);
    let path = format!("/_emulator/agents/{}/archive", agents[0]);
    assert_eq!(http.send("POST", &path, "", "").await.expect("an answer").status, 200);
    let names = async |http: &mut Http, query: &str| {
        let page = http.get(&format!("/v1/convai/agents?{query}")).await.expect("an answer").json();
        page["agents"].as_array().map(Vec::len)
    };
    assert_eq!((names(&mut http, "").await, names(&mut http, "archived=true").await), (Some(2), Some(1)));
    http.post(&path, &json!({ "archived": false })).await.expect("an answer");
    assert_eq!(names(&mut http, "").await, Some(3));
    emulator.world().lock().archive(&agents[0].parse().expect("an id"), true, emulator.clock().now()).expect("known");
    assert_eq!(names(&mut http, "").await, Some(2));
    let unknown = http.send("POST", "/_emulator/agents/agent_nobody/archive", "", "").await.expect("an answer");
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_reset_makes_everything_new_again() {
    let faults = vec!["conversations:404".parse().expect("a rule")];
    let (emulator, mut http) = start(EmulatorConfig { faults, ..EmulatorConfig::default() }).await;
    let before = ids(&emulator);
    for _ in 0..2 {
        dial(&emulator, &mut http).await;
        let statuses = [
            http.get("/v1/convai/conversations").await.expect("an answer").status,
            http.get("/v1/convai/conversations").await.expect("an answer").status,
        ];
        assert_eq!(statuses, [404, 200]);
        http.send("POST", "/_emulator/reset", "", "").await.expect("an answer");
        let ledger = http.get("/_emulator/ledger").await.expect("an answer").json();
        assert_eq!(ledger, json!({ "dials": [], "assignments": [], "requests": [] }));
        assert_eq!(ids(&emulator), before);
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "what is tested is real time")]
async fn latency_is_real_and_the_effect_lies_within_it() {
    let latency = Duration::from_millis(20);
    let (emulator, mut http) = start(EmulatorConfig { latency, ..EmulatorConfig::default() }).await;
    let sent = std::time::Instant::now();
    dial(&emulator, &mut http).await;
    assert!(sent.elapsed() >= latency);
    let world = emulator.world().lock();
    let request = &world.ledger().requests[0];
    let since = |at: Option<partyline_domain::Instant>| at.map(|at| at.since(request.arrived_at));
    assert_eq!((since(request.effect_at), since(request.answer_at)), (Some(latency / 2), Some(latency)));
    assert_eq!(Some(world.ledger().dials[0].at.monotonic), request.effect_at);
}

#[tokio::test]
async fn after_its_end_nobody_is_answered() {
    let (emulator, mut http) = start(EmulatorConfig::default()).await;
    http.get("/_emulator/health").await.expect("an answer");
    let address = emulator.addr();
    emulator.shutdown().await;
    http.get("/_emulator/health").await.expect_err("closed");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
