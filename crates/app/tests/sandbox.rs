//! A newcomer's first call: no account, no settings, nothing but the binary.

mod common;

use common::{CALLEE, Place};
use serde_json::json;

const EIGHT: [&str; 8] = [
    "call_attempt",
    "agent_verification",
    "agent_verified",
    "phone_number_assignment",
    "phone_number_assigned",
    "elevenlabs_api_response",
    "call_initiated",
    "call_flow_completed",
];

#[test]
fn people_see_each_step() {
    shows!("sandbox_people", Place::empty().run(&["call", "restaurant", "--to", CALLEE, "--sandbox"]));
}

#[test]
fn programs_get_one_object() {
    let ran = shows!("sandbox_json", Place::empty().run(&["call", "hotel", "--to", CALLEE, "--sandbox", "--json"]));
    let object = ran.json();
    assert_eq!(object["state"], json!("initiated"));
    assert_eq!(object["dialed"], json!("yes"));
    assert_eq!(object["agent"]["name"], json!("Hotel"));
    assert_eq!(object["to"], json!(CALLEE));
    assert_eq!(object["assignment"], json!("assigned"));
    assert!(object["conversation_id"].is_string());
}

#[test]
fn the_log_has_the_eight_events_in_order() {
    let arguments = ["call", "hairdresser", "--to", CALLEE, "--sandbox", "--log-format", "json"];
    let ran = shows!("sandbox_log", Place::empty().run(&arguments));
    assert_eq!(ran.events(), EIGHT);
    assert_eq!(ran.log().len(), EIGHT.len(), "nothing else is on stderr");
    assert_eq!(ran.log()[0]["sandbox"], json!(true));
    assert!(ran.log().iter().all(|line| line.is_object() && line["timestamp"].is_string()));
    assert!(ran.log().iter().all(|line| line.as_object().is_some_and(|o| o.values().all(|v| !v.is_object()))), "flat");
}

#[test]
fn the_environment_can_ask_for_the_log_too() {
    let place = Place::empty().env("PARTYLINE_LOG_FORMAT", "json");
    assert_eq!(place.run(&["call", "restaurant", "--to", CALLEE, "--sandbox"]).events(), EIGHT);
}

#[test]
fn rust_log_takes_no_promise_away() {
    for directives in ["off", "partyline=off", "partyline_elevenlabs_adapter=error"] {
        let place = Place::empty().env("RUST_LOG", directives);
        let ran = place.run(&["call", "restaurant", "--to", CALLEE, "--sandbox", "--log-format", "json"]);
        assert_eq!((ran.code, ran.events()), (0, EIGHT.map(str::to_owned).to_vec()), "{directives}");
        let ran = place.run(&["call", "nobody", "--to", CALLEE, "--sandbox", "--log-format", "json"]);
        assert_eq!((ran.code, ran.events()), (3, vec!["call_attempt".to_owned(), "call_failed".to_owned()]));
        let error = ran.log().into_iter().find(|line| line["event"] == json!("error")).expect("the error is told");
        assert!(error["message"].as_str().is_some_and(|text| text.starts_with("no agent \"nobody\"")), "{error}");
    }
    let place = Place::empty().env("RUST_LOG", "partyline_elevenlabs_adapter=debug");
    let ran = place.run(&["call", "restaurant", "--to", CALLEE, "--sandbox", "--log-format", "json"]);
    assert!(ran.log().len() > EIGHT.len() && ran.events().len() >= EIGHT.len(), "it adds: {}", ran.stderr);
    let wrong =
        Place::empty().env("RUST_LOG", "partyline=loud").run(&["call", "restaurant", "--to", CALLEE, "--sandbox"]);
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
}

#[test]
fn verbose_shows_the_events_as_text() {
    let ran = Place::empty().run(&["call", "restaurant", "--to", CALLEE, "--sandbox", "-v"]);
    for event in EIGHT {
        assert!(ran.stderr.contains(event), "{event}:\n{}", ran.stderr);
    }
}

#[test]
fn the_outside_world_is_ignored() {
    let place = Place::empty()
        .env("ELEVENLABS_API_KEY", "test-key-of-the-outside")
        .env("ELEVENLABS_BASE_URL", "http://127.0.0.1:1")
        .env("PARTYLINE_NUMBER", "phnum_of_the_outside");
    place
        .write("partyline.toml", "[agents]\nrestaurant = \"agent_of_the_outside\"\n[numbers.main]\nid = \"phnum_x\"\n");
    let ran = place.run(&["call", "restaurant", "--to", CALLEE, "--sandbox", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["agent"]["name"], json!("Restaurant"));
}

#[test]
fn names_and_unknown_agents_work_as_outside() {
    let ran = Place::empty().run(&["call", "hair salon", "--to", CALLEE, "--sandbox", "--json"]);
    assert_eq!(ran.json()["agent"]["name"], json!("Hair Salon"));
    let ran =
        shows!("sandbox_unknown", Place::empty().run(&["call", "restaurnt", "--to", CALLEE, "--sandbox", "--json"]));
    assert_eq!(ran.code, 3);
    assert_eq!(ran.json()["reason"], json!("agent_not_found"));
    let ran = Place::empty().run(&["call", "x", "--to", CALLEE, "--sandbox", "--log-format", "json"]);
    assert_eq!((&ran.log()[0]["event"], &ran.log()[0]["sandbox"]), (&json!("call_attempt"), &json!(true)));
    let ran = Place::empty().run(&["call", "hotel", "--to", CALLEE, "--sandbox", "--log-format", "json", "--dry-run"]);
    assert!(ran.stderr.contains("the provider is emulated"), "a dry run has no such event: {}", ran.stderr);
}
