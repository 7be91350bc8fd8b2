//! The routes in their usual shapes: keys, lists, numbers, dials, conversations, and what does not validate.

mod common;

use std::net::{Ipv4Addr, SocketAddr};

use common::Http;
use partyline_domain::ports::NumberProvider;
use partyline_fake_adapter::emulator::{EmulatorError, Key};
use partyline_fake_adapter::{Emulator, EmulatorConfig, RunningEmulator};
use serde_json::{Value, json};

async fn start(config: EmulatorConfig) -> (RunningEmulator, Http) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let emulator = Emulator::bind(config, address).await.expect("a free port").spawn();
    let http = Http::connect(emulator.addr()).await;
    (emulator, http)
}

async fn sandbox() -> (RunningEmulator, Http) {
    start(EmulatorConfig::default()).await
}

fn agent(emulator: &RunningEmulator, index: usize) -> String {
    emulator.world().lock().agent_ids()[index].to_string()
}

fn number(emulator: &RunningEmulator) -> String {
    emulator.world().lock().number_ids()[0].to_string()
}

fn dial(emulator: &RunningEmulator) -> Value {
    json!({ "agent_id": agent(emulator, 0), "agent_phone_number_id": number(emulator), "to_number": "+12025550123" })
}

#[tokio::test]
async fn a_key_is_wanted_and_must_be_the_right_one() {
    let key = Some(Key::new("test-key-right"));
    let (_emulator, mut http) = start(EmulatorConfig { key, ..EmulatorConfig::default() }).await;
    for (headers, status, legacy) in [
        ("", 401, Some("needs_authorization")),
        ("xi-api-key:\r\n", 401, Some("needs_authorization")),
        ("xi-api-key: test-key-wrong\r\n", 401, Some("invalid_api_key")),
        ("XI-API-KEY: test-key-right\r\n", 200, None),
    ] {
        let answer = http.send("GET", "/v1/convai/agents", headers, "").await.expect("an answer");
        assert_eq!((answer.status, answer.json()["detail"]["status"].as_str()), (status, legacy), "{headers}");
    }
    assert_eq!(format!("{:?}", Key::new("test-key-right")), "Key(***)");
}

#[tokio::test]
async fn ids_are_the_same_in_every_sandbox() {
    let ((one, _), (other, _)) = (sandbox().await, sandbox().await);
    assert_eq!((agent(&one, 2), number(&one)), (agent(&other, 2), number(&other)));
}

#[tokio::test]
async fn agents_are_listed_in_pages() {
    let (_emulator, mut http) = start(EmulatorConfig { agents: 7, ..EmulatorConfig::default() }).await;
    let (mut names, mut path) = (Vec::new(), String::from("/v1/convai/agents?page_size=3"));
    loop {
        let page = http.get(&path).await.expect("an answer").json();
        for agent in page["agents"].as_array().expect("a list") {
            names.push(agent["name"].as_str().expect("a name").to_owned());
            assert!(agent["created_at_unix_secs"].is_u64() && agent["access_info"]["role"] == "admin");
        }
        assert_eq!(page["has_more"], page["next_cursor"].is_string());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/convai/agents?page_size=3&cursor={cursor}");
    }
    assert_eq!(names, ["Restaurant", "Hotel", "Hair Salon", "Agent 4", "Agent 5", "Agent 6", "Agent 7"]);
    let found = http.get("/v1/convai/agents?search=hair%20s").await.expect("an answer").json();
    assert_eq!(found["agents"][0]["name"], "Hair Salon");
    for (query, location) in [
        ("page_size=0", "page_size"),
        ("page_size=101", "page_size"),
        ("page_size=x", "page_size"),
        ("archived=maybe", "archived"),
    ] {
        let answer = http.get(&format!("/v1/convai/agents?{query}")).await.expect("an answer");
        assert_eq!((answer.status, &answer.json()["detail"][0]["loc"]), (422, &json!(["query", location])), "{query}");
    }
}

#[tokio::test]
async fn one_agent_shows_the_numbers_it_answers() {
    let (emulator, mut http) = sandbox().await;
    let (agent, number) = (agent(&emulator, 1), number(&emulator));
    http.patch(&format!("/v1/convai/phone-numbers/{number}"), &json!({ "agent_id": agent })).await.expect("an answer");
    let shown = http.get(&format!("/v1/convai/agents/{agent}")).await.expect("an answer").json();
    assert_eq!((shown["agent_id"].as_str(), shown["name"].as_str()), (Some(agent.as_str()), Some("Hotel")));
    assert_eq!(shown["phone_numbers"][0]["phone_number_id"], number);
    assert!(shown["conversation_config"].is_object() && shown["metadata"]["updated_at_unix_secs"].is_u64());
}

#[tokio::test]
async fn summaries_say_which_agents_are_missing() {
    let (emulator, mut http) = sandbox().await;
    let agent = agent(&emulator, 0);
    let path = format!("/v1/convai/agents/summaries?agent_ids={agent}&agent_ids=agent_nobody");
    let summaries = http.get(&path).await.expect("an answer").json();
    assert_eq!(
        (&summaries[&agent]["status"], &summaries[&agent]["data"]["name"]),
        (&json!("success"), &json!("Restaurant"))
    );
    assert_eq!(
        (&summaries["agent_nobody"]["status"], &summaries["agent_nobody"]["error_code"]),
        (&json!("failure"), &json!(404))
    );
    assert_eq!(http.get("/v1/convai/agents/summaries").await.expect("an answer").status, 422);
    let many = vec!["agent_ids=a"; 101].join("&");
    assert_eq!(http.get(&format!("/v1/convai/agents/summaries?{many}")).await.expect("an answer").status, 422);
}

#[tokio::test]
async fn a_number_is_assigned_left_and_released() {
    let (emulator, mut http) = sandbox().await;
    let (agent, path) = (agent(&emulator, 0), format!("/v1/convai/phone-numbers/{}", number(&emulator)));
    let assigned = http.patch(&path, &json!({ "agent_id": agent })).await.expect("an answer").json();
    assert_eq!(
        (&assigned["assigned_agent"]["agent_id"], &assigned["assigned_agent"]["agent_name"]),
        (&json!(agent), &json!("Restaurant"))
    );
    let labelled = http.patch(&path, &json!({ "label": "Front desk" })).await.expect("an answer").json();
    assert_eq!((&labelled["label"], &labelled["assigned_agent"]["agent_id"]), (&json!("Front desk"), &json!(agent)));
    let released = http.patch(&path, &json!({ "agent_id": null })).await.expect("an answer").json();
    assert_eq!(released["assigned_agent"], Value::Null);
    assert_eq!(http.get(&path).await.expect("an answer").json(), released);
    let unknown = http.patch(&path, &json!({ "agent_id": "agent_nobody" })).await.expect("an answer");
    assert_eq!((unknown.status, &unknown.json()["detail"]["code"]), (404, &json!("agent_not_found")));
    let missing = http.get("/v1/convai/phone-numbers/phnum_none").await.expect("an answer");
    assert_eq!((missing.status, &missing.json()["detail"]["code"]), (404, &json!("phone_number_not_found")));
}

#[tokio::test]
async fn numbers_are_a_bare_array_that_can_be_filtered() {
    let config = EmulatorConfig { numbers: 3, provider: NumberProvider::SipTrunk, ..EmulatorConfig::default() };
    let (emulator, mut http) = start(config).await;
    let all = http.get("/v1/convai/phone-numbers").await.expect("an answer").json();
    let all = all.as_array().expect("a bare array").clone();
    assert_eq!(all.len(), 3);
    assert_eq!((&all[0]["phone_number"], &all[0]["livekit_stack"]), (&json!("+12025550100"), &json!("standard")));
    let count = async |http: &mut Http, query: &str| {
        let path = format!("/v1/convai/phone-numbers?{query}");
        http.get(&path).await.expect("an answer").json().as_array().map(Vec::len)
    };
    assert_eq!(count(&mut http, "provider=twilio").await, Some(0));
    let agent = agent(&emulator, 0);
    http.patch(&format!("/v1/convai/phone-numbers/{}", number(&emulator)), &json!({ "agent_id": agent }))
        .await
        .expect("an answer");
    assert_eq!(count(&mut http, &format!("provider=sip_trunk&agent_id={agent}")).await, Some(1));
}

#[tokio::test]
async fn each_provider_has_its_route_and_its_call_id() {
    for (provider, route, name, kind) in [
        (NumberProvider::Twilio, "twilio/outbound-call", "callSid", "twilio"),
        (NumberProvider::Twilio, "twilio/outbound_call", "callSid", "twilio"),
        (NumberProvider::SipTrunk, "sip-trunk/outbound-call", "sip_call_id", "sip_trunking"),
        (NumberProvider::Exotel, "exotel/outbound-call", "callSid", "exotel"),
    ] {
        let (emulator, mut http) = start(EmulatorConfig { provider, ..EmulatorConfig::default() }).await;
        let answer = http.post(&format!("/v1/convai/{route}"), &dial(&emulator)).await.expect("an answer").json();
        assert_eq!(answer["success"], true, "{route}");
        let id = answer["conversation_id"].as_str().expect("a conversation");
        let record = http.get(&format!("/v1/convai/conversations/{id}")).await.expect("an answer").json();
        let phone_call = &record["metadata"]["phone_call"];
        assert_eq!((&phone_call["type"], &phone_call["call_sid"]), (&json!(kind), &answer[name]), "{route}");
        assert_eq!(
            (&phone_call["external_number"], &phone_call["agent_number"]),
            (&json!("+12025550123"), &json!("+12025550100"))
        );
    }
}

#[tokio::test]
async fn the_wrong_route_is_refused() {
    let (emulator, mut http) = sandbox().await;
    let answer = http.post("/v1/convai/sip-trunk/outbound-call", &dial(&emulator)).await.expect("an answer");
    assert_eq!((answer.status, &answer.json()["detail"]["status"]), (400, &json!("invalid_provider_config")));
    assert!(emulator.world().lock().conversations().is_empty());
}

#[tokio::test]
async fn a_dial_that_does_not_validate_says_where() {
    let (emulator, mut http) = sandbox().await;
    let path = "/v1/convai/twilio/outbound-call";
    let answer = http.post(path, &json!({ "agent_id": "a", "agent_phone_number": "p" })).await.expect("an answer");
    let locations: Vec<Value> =
        answer.json()["detail"].as_array().expect("a list").iter().map(|item| item["loc"].clone()).collect();
    assert_eq!(
        (answer.status, locations),
        (422, vec![json!(["body", "agent_phone_number_id"]), json!(["body", "to_number"])])
    );
    for (field, value) in [
        ("to_number", json!(7)),
        ("telephony_call_config", json!({ "ringing_timeout_secs": 1000 })),
        ("conversation_initiation_client_data", json!("x")),
    ] {
        let mut body = dial(&emulator);
        body[field] = value;
        let answer = http.post(path, &body).await.expect("an answer");
        assert_eq!((answer.status, &answer.json()["detail"][0]["loc"][1]), (422, &json!(field)));
    }
    let headers = "xi-api-key: test-key-1\r\n";
    assert_eq!(http.send("POST", path, headers, "{nonsense").await.expect("an answer").status, 422);
    let mut body = dial(&emulator);
    body["to_number"] = json!("the hotel next door");
    let refused = http.post(path, &body).await.expect("an answer").json();
    assert_eq!((&refused["success"], &refused["conversation_id"]), (&json!(false), &Value::Null));
    assert!(emulator.world().lock().ledger().dials.is_empty());
}

#[tokio::test]
async fn a_conversation_is_found_by_its_tag_and_gives_it_back() {
    let (emulator, mut http) = sandbox().await;
    let mut body = dial(&emulator);
    body["conversation_initiation_client_data"] =
        json!({ "user_id": "tag 42", "dynamic_variables": { "job": 42, "partyline_attempt_id": "call_1.1" } });
    let dialled = http.post("/v1/convai/twilio/outbound-call", &body).await.expect("an answer").json();
    http.post("/v1/convai/twilio/outbound-call", &dial(&emulator)).await.expect("an answer");
    let list = http.get("/v1/convai/conversations?user_id=tag+42").await.expect("an answer").json();
    assert_eq!((list["conversations"].as_array().map(Vec::len), &list["has_more"]), (Some(1), &json!(false)));
    let summary = &list["conversations"][0];
    assert_eq!(summary["conversation_id"], dialled["conversation_id"]);
    for absent in ["user_id", "dynamic_variables", "metadata", "phone_call"] {
        assert_eq!(summary.get(absent), None, "a summary has no {absent}");
    }
    let path = format!("/v1/convai/conversations/{}", summary["conversation_id"].as_str().expect("an id"));
    let record = http.get(&path).await.expect("an answer").json();
    assert_eq!((&record["user_id"], &record["status"]), (&json!("tag 42"), &json!("in-progress")));
    let variables = &record["conversation_initiation_client_data"]["dynamic_variables"];
    assert_eq!((&variables["job"], &variables["partyline_attempt_id"]), (&json!(42), &json!("call_1.1")));
    for required in ["transcript", "has_audio", "has_user_audio", "has_response_audio", "has_auxiliary_audio"] {
        assert!(record.get(required).is_some(), "{required}");
    }
    let missing = http.get("/v1/convai/conversations/conv_none").await.expect("an answer");
    assert_eq!((missing.status, &missing.json()["detail"]["status"]), (404, &json!("conversation_history_not_found")));
}

#[tokio::test]
async fn conversations_are_paged_newest_first() {
    let (emulator, mut http) = sandbox().await;
    for _ in 0..5 {
        http.post("/v1/convai/twilio/outbound-call", &dial(&emulator)).await.expect("an answer");
    }
    let ids: Vec<String> =
        emulator.world().lock().conversations().iter().rev().map(|record| record.id.to_string()).collect();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/convai/conversations?page_size=2&cursor={cursor}");
        let page = http.get(&path).await.expect("an answer").json();
        let items = page["conversations"].as_array().expect("a list");
        seen.extend(items.iter().map(|item| item["conversation_id"].as_str().expect("an id").to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = next.to_owned();
    }
    assert_eq!(seen, ids);
    let future = http.get("/v1/convai/conversations?call_start_after_unix=99999999999").await.expect("an answer");
    assert_eq!(future.json()["conversations"], json!([]));
}

#[tokio::test]
async fn what_is_no_route_is_said_to_be_none() {
    let (_emulator, mut http) = sandbox().await;
    let answer = http.get("/v1/nothing").await.expect("an answer");
    assert_eq!((answer.status, answer.json()), (404, json!({ "detail": "Not Found" })));
    let answer = http.post("/v1/convai/agents", &json!({})).await.expect("an answer");
    assert_eq!((answer.status, answer.json()), (405, json!({ "detail": "Method Not Allowed" })));
}

#[tokio::test]
async fn there_are_a_hundred_fictional_numbers() {
    let config = EmulatorConfig { numbers: 101, ..EmulatorConfig::default() };
    let error = Emulator::bind(config, ("127.0.0.1", 0)).await.expect_err("too many");
    assert!(matches!(error, EmulatorError::TooManyNumbers(101)));
}
