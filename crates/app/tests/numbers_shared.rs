//! Numbers that several processes use: who has them, and who may change them.

mod common;

use std::time::Duration;

use common::neighbour::Neighbour;
use common::{CALLEE, Place, Provider};
use serde_json::json;

/// What may still take effect is soon over. (A change is waited for as long as a dial with the usual ringing may take.)
const SHORT: &str = "\n[store]\nlease = \"1s\"\nlateness = \"1s\"\n[provider]\ndial_margin = \"100ms\"\n";

fn shared(provider: &Provider) -> Place {
    let place = Place::with(provider).sharing();
    place.write("partyline.toml", &format!("{}{SHORT}", provider.settings_file()));
    place
}

#[test]
fn whoever_holds_a_number_is_shown() {
    let provider = Provider::with_faults(&[]);
    let place = shared(&provider);
    let neighbour = Neighbour::of(&place, &provider);
    let epoch = neighbour.hold(&provider, Duration::from_secs(600));
    neighbour.submit(&provider, 0);
    neighbour.intend(&provider, 1, epoch);
    neighbour.remember(&provider, 2);
    assert_eq!(shows!("numbers_held", place.run(&["numbers"])).code, 0);
    let rows = place.run(&["numbers", "--json"]).json();
    let row = &rows[0];
    assert_eq!((&row["holder"]["host"], &row["holder"]["pid"]), (&json!("sun"), &json!(7)));
    assert_eq!((&row["epoch"], &row["waiting"], &row["claimed"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!(row["unresolved"][0]["kind"], json!("assign"));
    assert_eq!(row["remembered_agent_id"], json!(provider.agent(2).as_str()));
    assert_eq!(row["session_agent_id"], json!(provider.agent(1).as_str()));
}

#[test]
fn without_a_store_the_list_is_as_the_provider_has_it() {
    let provider = Provider::with_faults(&[]);
    let place = shared(&provider);
    let ran = shows!("numbers_memory", place.run(&["numbers", "--store", "memory"]));
    assert_eq!(ran.code, 0);
    place.write("no-store", "not a database, but long enough to be told from an empty file");
    let ran = place.run(&["numbers", "--store", "no-store", "--json"]);
    assert_eq!((ran.code, ran.json()[0].get("holder")), (0, None));
    assert_eq!(ran.stderr.matches("warning:").count(), 1, "{}", ran.stderr);
    let ran = place.run(&["numbers", "assign", "main", "hotel", "--store", "no-store"]);
    assert_eq!((ran.code, provider.assigned(0)), (2, None), "{}", ran.stderr);
}

#[test]
fn a_number_in_use_is_not_changed() {
    let provider = Provider::with_faults(&[]);
    let place = shared(&provider);
    let neighbour = Neighbour::of(&place, &provider);
    let epoch = neighbour.hold(&provider, Duration::from_secs(600));
    let ran = shows!("numbers_in_use", place.run(&["numbers", "assign", "main", "hotel", "--wait", "0s"]));
    assert_eq!((ran.code, provider.assigned(0)), (4, None));
    let child = place.spawn(&["numbers", "assign", "main", "hotel"]);
    let wanted = || place.run(&["numbers", "--json"]).json()[0]["wanted"] == json!(true);
    while !wanted() {}
    neighbour.let_go(&provider, epoch);
    let ran = place.finish(child);
    assert_eq!((ran.code, provider.assigned(0)), (0, Some(provider.agent(1))), "{}", ran.stderr);
    assert!(ran.stderr.contains("sun:7 batch places calls from the number"), "{}", ran.stderr);
    let row = &place.run(&["numbers", "--json"]).json()[0];
    assert_eq!((&row["holder"], &row["unresolved"]), (&json!(null), &json!([])), "it is given back, all resolved");
}

#[test]
fn what_may_still_take_effect_is_waited_for_or_refused() {
    let provider = Provider::with_faults(&[]);
    let place = shared(&provider);
    let neighbour = Neighbour::of(&place, &provider);
    let epoch = neighbour.hold(&provider, Duration::from_secs(600));
    neighbour.intend(&provider, 0, epoch);
    neighbour.let_go(&provider, epoch);
    let ran = place.run(&["numbers", "assign", "main", "hotel", "--wait", "1s"]);
    assert!(ran.code == 4 && ran.stderr.contains("may still take effect for"), "{}", ran.stderr);
    assert_eq!(provider.assigned(0), None);
    let row = &place.run(&["numbers", "--json"]).json()[0];
    assert_eq!(row["holder"], json!(null), "it is given back all the same");
    let ran = place.run(&["numbers", "assign", "main", "restaurant", "--wait", "1s"]);
    assert_eq!((ran.code, provider.assigned(0)), (0, Some(provider.agent(0))), "the same value does no harm");
}

#[test]
fn an_operator_s_word_counts_more_than_who_is_remembered() {
    let provider = Provider::with_faults(&[]);
    let place = shared(&provider);
    Neighbour::of(&place, &provider).remember(&provider, 2);
    let ran = shows!("numbers_forget", place.run(&["numbers", "assign", "main", "hotel"]));
    assert_eq!(ran.code, 0);
    let row = &place.run(&["numbers", "--json"]).json()[0];
    assert_eq!((&row["remembered"], &row["remembered_agent_id"]), (&json!(false), &json!(null)));
}

#[test]
fn a_change_in_doubt_stays_open_for_others() {
    let provider = Provider::with_faults(&["assign:504-before:*"]);
    let place = shared(&provider);
    let ran = place.run(&["numbers", "assign", "main", "hotel"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let row = &place.run(&["numbers", "--json"]).json()[0];
    assert_eq!((&row["holder"], row["unresolved"].as_array().map(Vec::len)), (&json!(null), Some(4)));
    assert_eq!(row["unresolved"][0]["agent_id"], json!(provider.agent(1).as_str()));
}

#[test]
fn a_signal_gives_the_number_back() {
    let provider = Provider::with_faults(&[]);
    let place = shared(&provider);
    let neighbour = Neighbour::of(&place, &provider);
    let epoch = neighbour.hold(&provider, Duration::from_secs(600));
    let ran = place.run_and_signal(&["numbers", "release", "main"], "is asked for it", "-INT");
    assert!(ran.code == 130 && ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
    neighbour.let_go(&provider, epoch);
}

#[test]
fn a_process_gives_a_number_back_for_a_change_and_goes_on_afterwards() {
    let provider = Provider::with_faults(&["dial:504-before:1"]);
    let place = shared(&provider);
    let doubted = place.run(&["call", "restaurant", "--to", CALLEE, "--lookup-window", "50ms"]);
    assert_eq!(doubted.code, 6, "{}", doubted.stderr);
    // A call of another agent waits until the dial in doubt can no longer take effect, and its process has the number.
    let waiting = place.spawn(&["call", "hotel", "--to", CALLEE]);
    let holder = || place.run(&["numbers", "--json"]).json()[0]["holder"]["command"].clone();
    while holder() != json!("call") {}
    let ran = place.run(&["numbers", "assign", "main", "hairdresser", "--wait", "5s"]);
    assert!(ran.code == 4 && ran.stderr.contains("may still take effect"), "{}", ran.stderr);
    let ran = place.run(&["numbers", "assign", "main", "restaurant", "--wait", "20s"]);
    assert_eq!((ran.code, provider.assigned(0)), (0, Some(provider.agent(0))), "{}", ran.stderr);
    while holder() != json!("call") {}
    let found = place.run(&["calls", "--agent", "hotel", "--json"]).json();
    let id = found[0]["call_id"].as_str().expect("an id").to_owned();
    assert_eq!(place.run(&["calls", "cancel", &id]).code, 0);
    assert_eq!(place.finish(waiting).code, 130);
}
