//! Agents, numbers, and the doctor.

mod common;

use common::{KEY, Place, Provider, Stub, http, number_json};
use partyline_domain::ports::NumberProvider;
use partyline_fake_adapter::WorldConfig;
use partyline_fake_adapter::world::{AgentSpec, NumberSpec};
use serde_json::json;

fn mixed() -> Provider {
    let mut config = WorldConfig::sandbox();
    let spec = |index, kind| NumberSpec::fictional(index, kind).expect("in range");
    config.numbers = vec![
        NumberSpec { assigned: Some(1), ..spec(0, NumberProvider::Twilio) },
        NumberSpec { inbound: false, ..spec(1, NumberProvider::Twilio) },
        spec(2, NumberProvider::SipTrunk),
        spec(3, NumberProvider::Other("carrier_pigeon".to_owned())),
    ];
    Provider::of(config)
}

#[test]
fn agents_are_listed_with_their_aliases() {
    let provider = mixed();
    let place = Place::with(&provider);
    assert_eq!(shows!("agents", place.run(&["agents"])).code, 0);
    let ran = shows!("agents_json", place.run(&["agents", "--json"]));
    assert_eq!(ran.json().as_array().map(Vec::len), Some(3));
}

#[test]
fn all_pages_are_listed() {
    let mut config = WorldConfig::sandbox();
    config.agents = (0..205).map(|index| AgentSpec::named(format!("Desk {index:03}"))).collect();
    let provider = Provider::of(config);
    let ran = Place::without_file(&provider).run(&["agents", "--json"]);
    assert_eq!(ran.json().as_array().map(Vec::len), Some(205));
}

#[test]
fn numbers_are_listed_with_who_answers_them() {
    let provider = mixed();
    let place = Place::with(&provider);
    assert_eq!(shows!("numbers", place.run(&["numbers"])).code, 0);
    let ran = shows!("numbers_json", place.run(&["numbers", "--json"]));
    assert_eq!(ran.json()[0]["assigned_agent"]["name"], json!("Hotel"));
    assert_eq!(ran.json()[1]["supports_inbound"], json!(false));
}

#[test]
fn a_number_is_assigned_and_released() {
    let provider = mixed();
    let place = Place::with(&provider);
    assert_eq!(shows!("numbers_assign", place.run(&["numbers", "assign", "main", "restaurant"])).code, 0);
    assert_eq!(provider.assigned(0), Some(provider.agent(0)));
    assert_eq!(shows!("numbers_assign_again", place.run(&["numbers", "assign", "+12025550100", "Restaurant"])).code, 0);
    let id = provider.number(0).to_string();
    let ran = shows!("numbers_release_json", place.run(&["numbers", "release", &id, "--json"]));
    assert_eq!((ran.code, &ran.json()["outcome"]), (0, &json!("released")));
    assert_eq!(provider.assigned(0), None);
}

#[test]
fn what_cannot_be_assigned_is_refused() {
    let provider = mixed();
    let place = Place::with(&provider);
    let id = provider.number(1).to_string();
    assert_eq!(shows!("numbers_assign_outbound_only", place.run(&["numbers", "assign", &id, "hotel"])).code, 4);
    assert_eq!(shows!("numbers_assign_unknown", place.run(&["numbers", "assign", "phnum_x", "hotel"])).code, 4);
    assert_eq!(shows!("numbers_assign_unknown_agent", place.run(&["numbers", "assign", "main", "hotle"])).code, 3);
    let provider = Provider::with_faults(&["assign:ignored:*"]);
    assert_eq!(
        shows!("numbers_assign_ignored", Place::with(&provider).run(&["numbers", "assign", "main", "hotel"])).code,
        4
    );
}

#[test]
fn a_change_in_doubt_is_sent_again() {
    let provider = Provider::with_faults(&["assign:504-before:1"]);
    let ran = shows!("numbers_assign_doubt", Place::with(&provider).run(&["numbers", "assign", "main", "hotel"]));
    assert_eq!((ran.code, provider.assigned(0)), (0, Some(provider.agent(1))));
}

/// A provider that never answers a change clearly, and how it shows the number afterwards.
fn doubtful(assigned_afterwards: Option<bool>) -> Stub {
    let mut changes = 0;
    let changes = std::sync::Mutex::new(move |request: &str| {
        let found = |body| http("200 OK", &[], &body);
        if request.starts_with("PATCH") {
            changes += 1;
            return http("503 Service Unavailable", &["Retry-After: 0"], &json!({ "detail": "try later" }));
        }
        if request.contains("/agents/") {
            return found(json!({ "agent_id": "agent_h", "name": "Hotel" }));
        }
        match assigned_afterwards {
            _ if changes == 0 => found(number_json(false)),
            Some(assigned) => {
                assert_eq!(changes, 4, "sent again three times");
                found(number_json(assigned))
            }
            None => http("403 Forbidden", &[], &json!({ "detail": "no" })),
        }
    });
    Stub::answering(move |request| changes.lock().expect("one thread")(request))
}

#[test]
fn a_change_that_stays_in_doubt_is_looked_at() {
    let arguments = ["numbers", "assign", "main", "hotel"];
    let ran = shows!("numbers_assign_shown", doubtful(Some(true)).place().run(&arguments));
    assert_eq!(ran.code, 0);
    let ran = shows!("numbers_assign_unknown_outcome", doubtful(Some(false)).place().run(&arguments));
    assert_eq!(ran.code, 4);
    let ran = doubtful(None).place().run(&arguments);
    assert!(ran.stderr.contains("the outcome of the change is unknown"), "{}", ran.stderr);
    assert!(ran.stderr.contains("phnum_1 could not be read again"), "{}", ran.stderr);
    assert_eq!(ran.code, 4);
}

#[test]
fn the_doctor_is_content() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider);
    assert_eq!(shows!("doctor_good", place.run(&["doctor"])).code, 0);
    let ran = shows!("doctor_good_json", place.run(&["doctor", "--json"]));
    let checks = ran.json();
    let checks = checks.as_array().expect("an array");
    assert!(checks.iter().all(|check| check["mark"] == json!("ok") || check["subject"] == json!("permissions")));
}

#[test]
fn the_doctor_compares_the_clocks() {
    let doctor = |headers: &'static [&'static str]| {
        let stub = Stub::answering(move |request| {
            let body = if request.contains("/phone-numbers") {
                json!([number_json(true)])
            } else if request.contains("/conversations") {
                json!({ "conversations": [], "has_more": false })
            } else if request.contains("/summaries") {
                json!({ "agent_h": { "status": "success", "data": { "agent_id": "agent_h", "name": "Hotel" } } })
            } else {
                json!({ "agents": [], "has_more": false })
            };
            http("200 OK", headers, &body)
        });
        stub.place().run(&["doctor"])
    };
    let ran = doctor(&["Date: Thu, 01 Jan 2026 00:00:00 GMT"]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(ran.stdout.contains("s ahead of the provider\n        -> set the clock by NTP"), "{}", ran.stdout);
    let ran = doctor(&[]);
    assert!(ran.stdout.contains("not compared: the provider's answers carry no date"), "{}", ran.stdout);
}

#[test]
fn the_doctor_finds_what_is_wrong() {
    let provider = mixed();
    let place = Place::with(&provider).env("PARTYLINE_PROFF", "off");
    let stale = "[numbers.old]\nid = \"phnum_gone\"\n[numbers.caller]\n";
    let file = format!("{}{stale}id = \"{}\"\n", provider.settings_file(), provider.number(1));
    place.write("partyline.toml", &file.replace("hotel = \"", "hotel = \"x"));
    assert_eq!(shows!("doctor_bad", place.run(&["doctor"])).code, 2);
}

#[test]
fn the_doctor_says_what_keeps_it_from_looking() {
    assert_eq!(shows!("doctor_no_key", Place::empty().run(&["doctor"])).code, 2);
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider).env("ELEVENLABS_API_KEY", "test-key-wrong");
    assert_eq!(shows!("doctor_wrong_key", place.run(&["doctor"])).code, 7);
    let provider = Provider::with_faults(&["any:401-permission:*"]);
    assert_eq!(shows!("doctor_missing_permission", Place::with(&provider).run(&["doctor"])).code, 7);
    let place = Place::empty().env("ELEVENLABS_API_KEY", KEY);
    place.write("partyline.toml", "[agents\n");
    assert_eq!(shows!("doctor_bad_file", place.run(&["doctor"])).code, 2);
}
