//! What people do about calls that are stored.

mod common;

use std::time::Duration;

use common::neighbour::Neighbour;
use common::{CALLEE, Place, Provider, Ran};
use partyline_fake_adapter::{FaultRule, WorldConfig};
use serde_json::{Value, json};

/// A dial that is in doubt is soon over, and a process that has died is soon missed.
const SHORT: &str = "\n[store]\nlease = \"1s\"\nlateness = \"1s\"\n[provider]\ndial_margin = \"100ms\"\n";

fn shared(provider: &Provider) -> Place {
    let place = Place::with(provider).sharing();
    place.write("partyline.toml", &format!("{}{SHORT}", provider.settings_file()));
    place
}

fn call(place: &Place, agent: &str, more: &[&str]) -> Ran {
    let base = ["call", agent, "--to", CALLEE, "--lookup-window", "50ms", "--ringing-timeout", "1"];
    place.run(&[&base[..], more].concat())
}

/// The calls that match, newest first.
fn calls(place: &Place, more: &[&str]) -> Vec<Value> {
    let ran = place.run(&[&["calls", "--json"], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.json().as_array().expect("an array").clone()
}

fn id(call: &Value) -> String {
    call["call_id"].as_str().expect("an id").to_owned()
}

/// Three agents, one number, these faults, and conversations that are missing from the list at first.
fn slow_list(faults: &[&str], lag: Duration) -> Provider {
    let mut config = WorldConfig { list_lag: lag, ..WorldConfig::sandbox() };
    for fault in faults {
        let rule: FaultRule = fault.parse().expect("a fault");
        config.faults.add(rule);
    }
    Provider::of(config)
}

fn pause(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "a test that waits for another process")]
    std::thread::sleep(time);
}

#[test]
fn calls_are_listed_newest_first_and_can_be_chosen() {
    let provider = Provider::with_faults(&["dial:504-before:1@1"]);
    let place = shared(&provider);
    assert_eq!(shows!("calls_none", place.run(&["calls"])).code, 0);
    assert_eq!(call(&place, "restaurant", &[]).code, 0);
    assert_eq!(call(&place, "restaurant", &[]).code, 6);
    let ran = shows!("calls", place.run(&["calls"]));
    assert_eq!(ran.code, 0);
    shows!("calls_limited", place.run(&["calls", "--limit", "1"]));
    let all = calls(&place, &[]);
    let states: Vec<&Value> = all.iter().map(|call| &call["state"]).collect();
    assert_eq!(states, [&json!("unknown"), &json!("initiated")], "newest first");
    assert_eq!((&all[0]["to"], &all[0]["agent"]), (&json!(CALLEE), &json!("restaurant")));
    let (restaurant, number) = (provider.agent(0).to_string(), provider.number(0).to_string());
    for (filter, count) in [
        (&["--state", "unknown"][..], 1),
        (&["--state", "unknown", "--state", "initiated"], 2),
        (&["--state", "waiting"], 0),
        (&["--agent", "restaurant"], 2),
        (&["--agent", restaurant.as_str()], 2),
        (&["--agent", "Restaurant"], 2),
        (&["--agent", "hotel"], 0),
        (&["--number", "main"], 2),
        (&["--number", number.as_str()], 2),
        (&["--number", "+12025550100"], 2),
        (&["--to", CALLEE], 2),
        (&["--to", "+12025550148"], 0),
        (&["--since", "1h"], 2),
        (&["--until", "1h"], 0),
        (&["--since", "2026-01-01T00:00:00Z", "--limit", "0"], 2),
        (&["--open"], 0),
    ] {
        assert_eq!(calls(&place, filter).len(), count, "{filter:?}");
    }
    for (filter, code) in [
        (&["--state", "lost"][..], 2),
        (&["--agent", "nobody"], 3),
        (&["--batch", "none"], 2),
        (&["--to", "2025550147"], 2),
        (&["--since", "yesterday"], 2),
        (&["--number", "phnum_x"], 0),
    ] {
        assert_eq!(place.run(&[&["calls"], filter].concat()).code, code, "{filter:?}");
    }
}

#[test]
fn a_call_is_shown_with_all_that_has_happened_to_it() {
    let provider = Provider::with_faults(&["dial:504-before:1"]);
    let place = shared(&provider);
    assert_eq!(call(&place, "restaurant", &["--idempotency-key", "order-7"]).code, 6);
    let all = calls(&place, &[]);
    let whole = id(&all[0]);
    let ran = shows!("calls_show", place.run(&["calls", "show", &whole[..20]]));
    assert_eq!(ran.code, 0);
    let shown = shows!("calls_show_json", place.run(&["calls", "show", &whole, "--json"])).json();
    assert_eq!((&shown["call_id"], &shown["key"]), (&json!(whole), &json!("order-7")));
    let names: Vec<&str> =
        shown["events"].as_array().expect("an array").iter().filter_map(|e| e["event"].as_str()).collect();
    assert_eq!(
        names,
        ["call_requested", "agent_verified", "number_assigned", "dial_intended", "dial_doubted", "look_ups_ended"]
    );
}

#[test]
fn a_call_that_is_not_there_or_not_the_only_one_is_said_so() {
    let provider = Provider::with_faults(&[]);
    let place = shared(&provider);
    assert_eq!(shows!("calls_not_found", place.run(&["calls", "show", "0123"])).code, 2);
    assert_eq!(call(&place, "restaurant", &[]).code, 0);
    assert_eq!(call(&place, "hotel", &[]).code, 0);
    let start = id(&calls(&place, &[])[0])[..1].to_owned();
    let ran = shows!("calls_ambiguous", place.run(&["calls", "cancel", &start]));
    assert_eq!(ran.code, 2, "nothing is cancelled where it is not known what is meant");
    let ran = place.run(&["calls", "--store", "memory"]);
    assert!(ran.code == 2 && ran.stderr.contains("--store memory"), "{}", ran.stderr);
}

#[test]
fn a_call_that_nobody_has_is_withdrawn() {
    let provider = Provider::with_faults(&[]);
    let place = shared(&provider);
    let neighbour = Neighbour::of(&place, &provider);
    let waiting = neighbour.submit(&provider, 0);
    assert_eq!(place.run(&["calls", "cancel", &waiting, "--json"]).json()[0]["outcome"], json!("withdrawn"));
    assert_eq!(calls(&place, &["--state", "failed"])[0]["reason"], json!("cancelled"));
    // What is withdrawn stays so.
    let ran = shows!("calls_cancel_again", place.run(&["calls", "cancel", &waiting]));
    assert_eq!(ran.code, 0);
    assert_eq!(provider.dials(), 0);
}

#[test]
fn a_call_that_was_dialled_cannot_be_taken_back() {
    let provider = Provider::with_faults(&["dial:504-before:1@1"]);
    let place = shared(&provider);
    assert_eq!(call(&place, "restaurant", &[]).code, 0);
    let dialled = id(&calls(&place, &[])[0]);
    assert_eq!(shows!("calls_cancel_dialled", place.run(&["calls", "cancel", &dialled])).code, 5);
    assert_eq!(call(&place, "restaurant", &[]).code, 6);
    let unknown = id(&calls(&place, &[])[0]);
    let ran = place.run(&["calls", "cancel", &dialled, &unknown, &dialled, "--json"]);
    let object = ran.json();
    assert_eq!((ran.code, &object[0]["outcome"], &object[1]["outcome"]), (6, &json!("dialled"), &json!("unknown")));
    assert_eq!(object.as_array().map(Vec::len), Some(2), "each once");
}

#[test]
fn the_process_that_has_a_call_is_asked_to_cancel_it() {
    let provider = Provider::with_faults(&["dial:504-before:1"]);
    let place = shared(&provider);
    assert_eq!(call(&place, "restaurant", &[]).code, 6);
    // A call of another agent waits until the first dial can no longer take effect; with a long ringing that is long.
    let waiting = place.spawn(&["call", "hotel", "--to", CALLEE]);
    let mut found = Vec::new();
    while found.is_empty() {
        pause(Duration::from_millis(50));
        found = calls(&place, &["--agent", "hotel", "--state", "verified"]);
    }
    let hotel = id(&found[0]);
    let watching = place.spawn(&["calls", "watch", &hotel, "--json"]);
    let ran = place.run(&["calls", "cancel", &hotel]);
    assert_eq!((ran.code, ran.stdout.contains("withdrawn: nothing was dialled")), (0, true), "{}", ran.stderr);
    assert!(ran.stderr.contains("asked ") && ran.stderr.contains("(call) to cancel"), "{}", ran.stderr);
    let ended = place.finish(waiting);
    assert_eq!(ended.code, 130, "{}", ended.stderr);
    let watched = place.finish(watching);
    let events: Vec<Value> = watched.objects().into_iter().map(|object| object["event"].clone()).collect();
    assert_eq!((watched.code, events.last()), (0, Some(&json!("call_withdrawn"))), "{}", watched.stdout);
    assert_eq!(provider.dials(), 0);
}

#[test]
fn watching_ends_with_the_calls_or_with_a_signal() {
    let provider = Provider::with_faults(&[]);
    let place = shared(&provider);
    assert_eq!(shows!("calls_watch_none", place.run(&["calls", "watch"])).code, 0);
    assert_eq!(call(&place, "restaurant", &[]).code, 0);
    let over = id(&calls(&place, &[])[0]);
    assert_eq!(shows!("calls_watch_over", place.run(&["calls", "watch", &over])).code, 0);
    let _waiting = Neighbour::of(&place, &provider).submit(&provider, 0);
    let ran = place.run_and_signal(&["calls", "watch"], "following the open call", "-INT");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn a_call_of_unknown_outcome_is_found_later() {
    let provider = slow_list(&["dial:504-after:1", "dial:504-before:1@1"], Duration::from_millis(1500));
    let place = shared(&provider);
    assert_eq!(call(&place, "restaurant", &[]).code, 6);
    assert_eq!(call(&place, "restaurant", &[]).code, 6);
    let never = id(&calls(&place, &[])[0]);
    pause(Duration::from_millis(1600));
    let ran = shows!("calls_reconcile", place.run(&["calls", "reconcile"]));
    assert_eq!(ran.code, 6, "one is still unknown");
    let all = calls(&place, &[]);
    let states: Vec<&Value> = all.iter().map(|call| &call["state"]).collect();
    assert_eq!(states, [&json!("unknown"), &json!("initiated")]);
    assert_eq!(
        (&all[1]["proof"], &all[1]["dialed"], &all[1]["open"]),
        (&json!("matches"), &json!("yes"), &json!(false))
    );
    let again = place.run(&["calls", "reconcile", &id(&all[1]), &never, "--json"]);
    let again: Vec<Value> = again.json().as_array().expect("an array").iter().map(|c| c["outcome"].clone()).collect();
    assert_eq!(again, [json!("nothing_to_look_up"), json!("not_found")]);
    assert_eq!(provider.dials(), 1, "looking up dials nothing");
}

#[test]
fn a_dial_in_doubt_whose_process_was_killed_is_found() {
    let provider = slow_list(&["dial:504-after:1"], Duration::from_millis(500));
    let place = shared(&provider);
    let mut dialling = place.spawn(&["call", "restaurant", "--to", CALLEE]);
    let mut found = Vec::new();
    while found.is_empty() {
        found = calls(&place, &["--state", "in_doubt"]);
    }
    let doubted = id(&found[0]);
    let left = place.run(&["calls", "reconcile", &doubted]);
    assert!(left.code == 6 && left.stdout.contains("(call), which looks it up"), "{}\n{}", left.stdout, left.stderr);
    dialling.kill().expect("it runs");
    dialling.wait().expect("it ends");
    // Its lease has to run out first.
    pause(Duration::from_millis(1100));
    let ran = place.run(&["calls", "reconcile", &doubted, "--json"]);
    assert_eq!((ran.code, &ran.json()[0]["outcome"]), (0, &json!("found")), "{}", ran.stderr);
    let row = &place.run(&["numbers", "--json"]).json()[0];
    assert_eq!(row["unresolved"], json!([]), "what was found is resolved");
    assert_eq!(call(&place, "hotel", &[]).code, 0, "so nobody has to wait for it");
    assert_eq!(provider.dials(), 2);
}

#[test]
fn a_look_up_that_fails_changes_nothing() {
    let provider = Provider::with_faults(&["dial:504-after:1", "conversations:403:*"]);
    let place = shared(&provider);
    assert_eq!(call(&place, "restaurant", &[]).code, 6);
    let ran = shows!("calls_reconcile_failed", place.run(&["calls", "reconcile"]));
    assert_eq!(ran.code, 6);
    let ran = place.run(&["calls", "redial", &id(&calls(&place, &[])[0]), "--may-ring-twice"]);
    assert_eq!(ran.code, 2, "too early: {}", ran.stderr);
    pause(Duration::from_millis(3200));
    let ran = place.run(&["calls", "redial", &id(&calls(&place, &[])[0]), "--may-ring-twice"]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert_eq!((calls(&place, &[]).len(), provider.dials()), (1, 1));
}

#[test]
fn a_call_of_unknown_outcome_is_placed_once_more_by_explicit_word_only() {
    let provider = Provider::with_faults(&["dial:504-before:1"]);
    let place = shared(&provider);
    assert_eq!(call(&place, "restaurant", &["--var", "table=4"]).code, 6);
    let first = id(&calls(&place, &[])[0]);
    let early = place.run(&["calls", "redial", &first, "--may-ring-twice"]);
    assert!(early.code == 2 && early.stderr.contains("may still take effect until"), "{}", early.stderr);
    pause(Duration::from_millis(3200));
    assert_eq!(shows!("calls_redial_unconfirmed", place.run(&["calls", "redial", &first])).code, 2);
    assert_eq!(provider.dials(), 0);
    let ran = place.run(&["calls", "redial", &first, "--may-ring-twice", "--json"]);
    assert_eq!((ran.code, &ran.json()["state"]), (0, &json!("initiated")), "{}", ran.stderr);
    assert_eq!(provider.dials(), 1);
    let all = calls(&place, &[]);
    assert_eq!((&all[0]["repeats"], &all[0]["to"]), (&json!(first), &json!(CALLEE)));
    let seen = format!("{:?}", provider.world().lock().conversations()[0]);
    assert!(seen.contains("table"), "the same request: {seen}");
    let ran = place.run(&["calls", "redial", &first, "--may-ring-twice"]);
    assert!(ran.code == 2 && ran.stderr.contains("repeated already by"), "{}", ran.stderr);
    let shown = place.run(&["calls", "show", &first, "--json"]).json();
    assert_eq!(shown["repeated_by"], json!([id(&all[0])]));
    let second = place.run(&["calls", "redial", &id(&all[0]), "--may-ring-twice"]);
    assert!(second.code == 2 && second.stderr.contains("this one is initiated"), "{}", second.stderr);
    assert_eq!(provider.dials(), 1);
}

#[test]
fn a_call_that_turns_out_to_be_dialled_is_not_placed_once_more() {
    let provider = slow_list(&["dial:504-after:1"], Duration::from_millis(1500));
    let place = shared(&provider);
    assert_eq!(call(&place, "restaurant", &[]).code, 6);
    pause(Duration::from_millis(3200));
    let unknown = id(&calls(&place, &[])[0]);
    let ran = place.run(&["calls", "redial", &unknown, "--may-ring-twice", "--json"]);
    let object = ran.json();
    assert_eq!((ran.code, &object["call_id"], &object["state"]), (0, &json!(unknown), &json!("initiated")));
    assert_eq!((provider.dials(), calls(&place, &["--state", "initiated"]).len()), (1, 1));
}

#[test]
fn calls_are_exported_oldest_first() {
    let provider = Provider::with_faults(&["dial:504-before:1@1"]);
    let place = shared(&provider);
    assert_eq!(call(&place, "restaurant", &[]).code, 0);
    assert_eq!(call(&place, "restaurant", &[]).code, 6);
    let ran = place.run(&["export"]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("call_id,asked_at,updated_at,agent_id,agent,to,"), "{}", lines[0]);
    assert!(lines[1].contains(",initiated,") && lines[2].contains(",unknown,"), "{}", ran.stdout);
    assert_eq!((ran.code, lines.len()), (0, 3));
    let ran = place.run(&["export", "--out", "calls.jsonl", "--events", "--state", "unknown"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("1 call written to calls.jsonl"), "{}", ran.stderr);
    let text = fs_err::read_to_string(place.path().join("calls.jsonl")).expect("written");
    let line: Value = serde_json::from_str(text.trim_end()).expect("one object");
    assert_eq!((&line["state"], line["events"].as_array().map(Vec::len)), (&json!("unknown"), Some(6)));
    assert!(!place.path().join("calls.jsonl.partial").exists());
    let ran = place.run(&["export", "--events"]);
    assert!(ran.code == 2 && ran.stderr.contains("--format jsonl"), "{}", ran.stderr);
    let ran = place.run(&["export", "--out", "no/such/folder.csv"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let ran = place.run_into("/dev/full", &["export"]);
    assert!(ran.code == 1 && ran.stderr.contains("could not all be written"), "{}", ran.stderr);
}

#[test]
fn old_calls_are_erased_and_thrown_away() {
    let provider = Provider::with_faults(&[]);
    let place = shared(&provider);
    assert_eq!(call(&place, "restaurant", &[]).code, 0);
    let _open = Neighbour::of(&place, &provider).submit(&provider, 1);
    assert_eq!(shows!("purge_young", place.run(&["purge", "--older-than", "5m"])).code, 2);
    let ran = place.run(&["purge", "--older-than", "90d", "--redact-after", "30d"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "0 calls deleted, 0 callees erased\n"));
    let ran = place.run(&["purge", "--redact-after", "0s", "--force", "--json"]);
    assert_eq!(ran.json(), json!({ "deleted_calls": 0, "deleted_batches": 0, "erased_callees": 1 }));
    let all = calls(&place, &[]);
    assert_eq!((&all[0]["to"], &all[1]["to"]), (&json!("+12025550148"), &Value::Null), "an open call keeps its callee");
    let shown = place.run(&["calls", "show", &id(&all[1])]);
    assert!(
        shown.stdout.contains("calls a callee who was erased") && !shown.stdout.contains(CALLEE),
        "{}",
        shown.stdout
    );
    let ran = place.run(&["purge", "--older-than", "0s", "--force"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1 call deleted\n"));
    assert_eq!(calls(&place, &[]).len(), 1);
}

#[test]
fn a_call_without_a_store_leaves_nothing() {
    let provider = Provider::with_faults(&[]);
    let place = shared(&provider);
    assert_eq!(call(&place, "restaurant", &["--store", "memory"]).code, 0);
    assert_eq!(calls(&place, &[]).len(), 0);
}
