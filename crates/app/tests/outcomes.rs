//! What may become of a call, and how it is told.

mod common;

use common::{CALLEE, Place, Provider, Stub, http, number_json};
use serde_json::json;

fn call(place: &Place, more: &[&str]) -> common::Ran {
    place.run(&[&["call", "restaurant", "--to", CALLEE][..], more].concat())
}

#[test]
fn two_requests_when_the_number_has_the_agent_and_three_when_not() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider);
    let first = shows!("call_assigned", call(&place, &["--proof", "off"]));
    assert_eq!(first.code, 0);
    let second = shows!("call_already", call(&place, &["--proof", "off"]));
    assert_eq!(second.code, 0);
    // Verifying and reading the number run side by side: one round trip, two requests.
    let json = call(&place, &["--proof", "off", "--json"]).json();
    assert_eq!((&json["requests"], &json["assignment"]), (&json!(3), &json!("already")));
    assert_eq!(provider.dials(), 3);
}

#[test]
fn by_name_both_look_ups_are_told() {
    let provider = Provider::with_faults(&[]);
    let ran = shows!("call_by_name", Place::without_file(&provider).run(&["call", "hair salon", "--to", CALLEE]));
    assert_eq!(ran.code, 0);
    let id = provider.agent(2).to_string();
    let ran = Place::without_file(&provider).run(&["call", &id, "--to", CALLEE, "--json"]);
    assert_eq!(ran.json()["agent"]["name"], json!("Hair Salon"));
}

#[test]
fn everything_that_is_asked_for_reaches_the_provider() {
    let provider = Provider::with_faults(&[]);
    let ran = call(
        &Place::with(&provider),
        &[
            "--var",
            "table=4",
            "--var",
            "name=Ada",
            "--var",
            "vip=true",
            "--override",
            "language=en",
            "--override",
            "first_message=Good evening",
            "--user-id",
            "tag-42",
            "--ringing-timeout",
            "45",
            "--recording",
            "true",
        ],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let world = provider.world().lock();
    let [conversation] = world.conversations() else { panic!("one call") };
    let seen = format!("{conversation:?}");
    for part in ["tag-42", "Ada", "Good evening", "table", "vip"] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
}

#[test]
fn a_dry_run_changes_nothing() {
    let provider = Provider::with_faults(&[]);
    provider.reassign(0, Some(1));
    let place = Place::with(&provider);
    assert_eq!(shows!("dry_run", call(&place, &["--dry-run"])).code, 0);
    let ran = shows!("dry_run_restore_json", call(&place, &["--dry-run", "--after-call", "restore", "--json"]));
    assert_eq!(ran.json()["would_assign"]["from_agent_id"], json!(provider.agent(1).as_str()));
    assert_eq!(shows!("dry_run_never", call(&place, &["--dry-run", "--assignment", "never"])).code, 0);
    assert_eq!(provider.dials(), 0);
    assert_eq!(provider.assigned(0), Some(provider.agent(1)));
}

#[test]
fn a_dial_in_doubt_is_found() {
    let provider = Provider::with_faults(&["dial:504-after:1"]);
    let ran = shows!("doubt_found", call(&Place::with(&provider), &["--lookup-window", "50ms"]));
    assert_eq!(ran.code, 0);
    assert_eq!(provider.dials(), 1, "never dialled again");
}

#[test]
fn a_dial_in_doubt_is_not_found() {
    let provider = Provider::with_faults(&["dial:504-before:1"]);
    let place = Place::with(&provider);
    assert_eq!(shows!("doubt_not_found", call(&place, &["--lookup-window", "50ms"])).code, 6);
    assert_eq!(provider.dials(), 0, "never dialled again");
    let provider = Provider::with_faults(&["dial:half:1", "conversations:403:*"]);
    let place = Place::with(&provider);
    let arguments = ["--lookup-window", "0s", "--json", "--user-id", "tag-42"];
    let ran = shows!("doubt_not_found_json", call(&place, &arguments));
    assert_eq!((ran.code, &ran.json()["dialed"]), (6, &json!("unknown")));
    assert_eq!(provider.dials(), 1, "never dialled again");
}

#[test]
fn a_refused_dial() {
    let provider = Provider::with_faults(&["dial:refused:1"]);
    assert_eq!(shows!("refused", call(&Place::with(&provider), &[])).code, 5);
    let provider = Provider::with_faults(&["dial:refused-with-conversation:1"]);
    let ran = shows!("refused_with_conversation", call(&Place::with(&provider), &["--json"]));
    assert_eq!((ran.code, &ran.json()["dialed"]), (5, &json!("unknown")));
}

#[test]
fn a_dial_that_was_provably_not_executed_is_sent_again() {
    let provider = Provider::with_faults(&["dial:429-retry-0s:1"]);
    assert_eq!(shows!("retried", call(&Place::with(&provider), &[])).code, 0);
    assert_eq!(provider.dials(), 1);
    let provider = Provider::with_faults(&["dial:429:1"]);
    assert_eq!(shows!("not_retried", call(&Place::with(&provider), &["--no-dial-retry"])).code, 5);
    assert_eq!(provider.dials(), 0);
}

#[test]
fn a_number_is_given_back() {
    let provider = Provider::with_faults(&[]);
    provider.reassign(0, Some(1));
    let place = Place::with(&provider);
    assert_eq!(shows!("restored", call(&place, &["--after-call", "restore"])).code, 0);
    assert_eq!(provider.assigned(0), Some(provider.agent(1)));
    place.write("partyline.toml", &format!("{}after_call = \"restore\"\n", provider.settings_file()));
    let object = call(&place, &["--json"]).json();
    assert_eq!(object["after_call"]["outcome"], json!("restored"), "as the settings file says: {object}");
    assert_eq!(provider.assigned(0), Some(provider.agent(1)));
    assert_eq!(call(&place, &["--after-call", "keep"]).code, 0);
    assert_eq!(provider.assigned(0), Some(provider.agent(0)), "the flag wins");
}

#[test]
fn a_number_that_cannot_be_given_back_is_told() {
    let provider = Provider::with_faults(&["assign:403:*@1"]);
    provider.reassign(0, Some(1));
    let ran = shows!("not_restored", call(&Place::with(&provider), &["--after-call", "restore"]));
    assert_eq!(ran.code, 0, "the call itself went well");
    assert_eq!(provider.assigned(0), Some(provider.agent(0)), "it was really not given back");
    let hotel = provider.agent(1).to_string();
    for (faults, code) in [(&["assign:403:*@1"][..], 0), (&["assign:403:*@1", "dial:refused:*"], 5)] {
        let provider = Provider::with_faults(faults);
        provider.reassign(0, Some(1));
        let place = Place::with(&provider);
        let ran = call(&place, &["--after-call", "restore", "--json", "--log-format", "json"]);
        assert_eq!((ran.code, &ran.json()["after_call"]["outcome"]), (code, &json!("failed")), "{}", ran.stderr);
        assert_eq!(ran.json()["after_call"]["agent_id"], json!(hotel));
        let log = ran.log();
        let warning = log.iter().find(|line| line["event"] == json!("warning")).expect("warned");
        let message = warning["message"].as_str().expect("a text");
        assert!(message.contains("NOT given back") && message.contains(&hotel), "{message}");
    }
}

#[test]
fn an_assignment_that_is_not_confirmed() {
    let provider = Provider::with_faults(&["assign:ignored:*"]);
    assert_eq!(shows!("not_assigned", call(&Place::with(&provider), &[])).code, 4);
    assert_eq!(provider.dials(), 0);
}

#[test]
fn a_proof_that_names_another_agent() {
    let provider = Provider::with_faults(&[]);
    provider.reassign(0, Some(1));
    let place = Place::with(&provider);
    let ran = shows!("misrouted", call(&place, &["--assignment", "never"]));
    assert_eq!(ran.code, 8);
    let ran = shows!("misrouted_log", call(&place, &["--assignment", "never", "--log-format", "json", "--json"]));
    assert_eq!(ran.json()["proof"]["agent_id"], json!(provider.agent(1).as_str()));
    assert!(ran.events().contains(&"proof_mismatch".to_owned()));
    assert!(ran.events().contains(&"phone_number_quarantined".to_owned()));
}

#[test]
fn a_required_proof_that_never_comes() {
    let provider = Provider::with_faults(&["conversation:404:*"]);
    let place = Place::with(&provider);
    assert_eq!(shows!("unproven", call(&place, &["--proof", "required", "--lookup-window", "20ms"])).code, 6);
    assert_eq!(call(&place, &["--proof", "once"]).code, 0);
    let provider = Provider::with_faults(&["conversation:403:*"]);
    let ran = call(&Place::with(&provider), &["--proof", "once", "--log-format", "json"]);
    assert!(ran.code == 0 && ran.events().contains(&"proof_unread".to_owned()), "{}", ran.stderr);
}

#[test]
fn a_required_proof_that_never_becomes_complete() {
    let stub = || {
        Stub::answering(|request| {
            let body = if request.contains("/conversations/") {
                json!({ "conversation_id": "conv_1", "agent_id": "agent_h", "status": "initiated" })
            } else if request.contains("/agents/") {
                json!({ "agent_id": "agent_h", "name": "Hotel" })
            } else if request.starts_with("POST") {
                json!({ "success": true, "message": "ok", "conversation_id": "conv_1", "callSid": "CA1" })
            } else {
                number_json(true)
            };
            http("200 OK", &[], &body)
        })
    };
    let arguments = ["call", "hotel", "--to", CALLEE, "--proof", "required", "--lookup-window", "20ms"];
    let ran = shows!("proof_incomplete", stub().place().run(&arguments));
    assert_eq!(ran.code, 6);
    let ran = stub().place().run(&[&arguments[..], &["--json"]].concat());
    let proof = &ran.json()["proof"];
    assert_eq!((ran.code, &proof["verdict"], &proof["complete"]), (6, &json!("matches"), &json!(false)));
    assert_eq!(stub().place().run(&["call", "hotel", "--to", CALLEE, "--proof", "once"]).code, 0);
}

#[test]
fn failures_of_each_stage_are_logged() {
    for (fault, stage, reason, code) in [
        ("any:403:*", "verify", "forbidden", 3),
        ("assign:403:*", "assign", "forbidden", 4),
        ("dial:403:*", "initiate", "forbidden", 5),
        ("dial:401:*", "initiate", "unauthorized", 7),
    ] {
        let provider = Provider::with_faults(&[fault]);
        let ran = call(&Place::with(&provider), &["--log-format", "json"]);
        assert_eq!(ran.code, code, "{fault}: {}", ran.stderr);
        let log = ran.log();
        let failed = log.iter().find(|line| line["event"] == json!("call_failed")).expect("logged");
        assert_eq!(
            (&failed["stage"], &failed["reason"], &failed["dialed"]),
            (&json!(stage), &json!(reason), &json!("no"))
        );
        assert_eq!(provider.dials(), 0, "{fault}");
    }
}

#[test]
fn a_trouble_with_the_look_ups_is_told() {
    let provider = Provider::with_faults(&["dial:504-after:1", "conversations:401-permission:*"]);
    let ran = call(&Place::with(&provider), &["--lookup-window", "0s"]);
    assert_eq!(ran.code, 6);
    assert!(ran.stderr.contains("and it could not be looked up"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: the key lacks a permission"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("not found"), "{}", ran.stderr);
}

#[test]
fn an_assignment_in_doubt_may_have_changed_the_number() {
    let provider = Provider::with_faults(&["assign:504-before:*"]);
    let ran = call(&Place::with(&provider), &[]);
    assert_eq!(ran.code, 4);
    assert!(ran.stderr.contains("the number may have been assigned all the same"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`partyline numbers release"), "{}", ran.stderr);
}

#[test]
fn a_record_that_could_not_be_read_is_not_called_absent() {
    let provider = Provider::with_faults(&["conversation:403:*"]);
    let place = Place::with(&provider);
    for (proof, code) in [("once", 0), ("required", 6)] {
        let ran = call(&place, &["--proof", proof, "--lookup-window", "0s"]);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(ran.stderr.contains("the record could not be read: "), "{}", ran.stderr);
        assert!(!ran.stderr.contains("no record yet"), "{}", ran.stderr);
        assert_eq!(ran.stderr.contains("the proof that was required could not be read"), code == 6, "{}", ran.stderr);
    }
}

#[test]
fn the_time_is_that_of_the_whole_command() {
    for fault in ["conversation:slow-200ms:*", "dial:504-before:1"] {
        let provider = Provider::with_faults(&[fault]);
        let arguments = ["--lookup-window", "200ms", "--json", "--log-format", "json"];
        let ran = call(&Place::with(&provider), &arguments);
        let log = ran.log();
        let last = log.iter().rfind(|line| line.get("elapsed_ms").is_some()).expect("logged");
        for elapsed in [&ran.json()["elapsed_ms"], &last["elapsed_ms"]] {
            assert!(elapsed.as_u64() >= Some(200), "{fault}: {elapsed}");
        }
    }
}

#[test]
fn a_connection_that_was_cut_is_not_called_an_interruption() {
    let provider = Provider::with_faults(&["any:reset-before:*"]);
    let ran = call(&Place::with(&provider), &["--json", "--log-format", "json"]);
    assert_eq!((ran.code, &ran.json()["reason"]), (3, &json!("connection_lost")));
    let provider = Provider::with_faults(&["dial:reset-after:*"]);
    let ran = call(&Place::with(&provider), &["--json", "--log-format", "json", "--lookup-window", "0s"]);
    let log = ran.log();
    let doubt = log.iter().find(|line| line["event"] == json!("dial_in_doubt")).expect("logged");
    assert_eq!(doubt["cause"], json!("connection_lost"));
}
