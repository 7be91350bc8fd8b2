//! `partyline batch`: many calls to their ends, and how they are told.

mod common;

use std::fmt::Write as _;

use common::{Place, Provider, Ran};
use partyline_fake_adapter::world::Operation;
use serde_json::json;

const FOUR: &str = "agent,to,name,table\n\
    restaurant,+12025550101,Ada,4\n\
    hotel,+12025550102,Bob,\n\
    restaurant,+12025550103,\"Cy, D\",2\n\
    hairdresser,+1 (202) 555-0104,Eve,1\n";

/// One dial at a time, so that calls end in the order in which they are dialled.
const IN_TURN: &[&str] = &["--max-in-flight-per-number", "1"];

fn batch(provider: &Provider, text: &str, more: &[&str]) -> Ran {
    let place = Place::with(provider);
    place.write("calls.csv", text);
    place.run(&[&["batch", "calls.csv"][..], more].concat())
}

/// How many requests there were without those that only prove or find what was dialled.
fn core_requests(provider: &Provider) -> usize {
    let is_core = |operation| !matches!(operation, Operation::Conversation | Operation::Conversations);
    let world = provider.world().lock();
    world.ledger().requests.iter().filter(|request| is_core(request.operation)).count()
}

#[test]
fn people_get_a_line_for_each_call_and_a_summary() {
    let provider = Provider::with_faults(&[]);
    let ran = shows!("batch_people", batch(&provider, FOUR, IN_TURN));
    assert_eq!((ran.code, provider.dials()), (0, 4));
}

#[test]
fn programs_get_an_object_for_each_call() {
    let provider = Provider::with_faults(&[]);
    let ran = shows!("batch_json", batch(&provider, FOUR, &[IN_TURN, &["--json"]].concat()));
    let objects = ran.objects();
    let keys = |object: &serde_json::Value| object.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
    let call = Place::with(&provider).run(&["call", "hotel", "--to", "+12025550105", "--json"]).json();
    let mut wanted = keys(&call).expect("an object");
    wanted.push("row".to_owned());
    wanted.sort();
    for object in &objects {
        let mut keys = keys(object).expect("an object");
        keys.sort();
        assert_eq!(keys, wanted, "the fields of `call --json` and the row");
        assert_eq!((&object["state"], &object["requests"]), (&json!("initiated"), &json!(null)));
    }
}

#[test]
fn results_are_written_in_the_order_of_the_input() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider);
    place.write("calls.csv", &format!("{FOUR}hotel,12,,\n"));
    let arguments = [&["batch", "calls.csv", "--skip-invalid", "--out", "results.csv"][..], IN_TURN].concat();
    let ran = place.run(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let results = fs_err::read_to_string(place.path().join("results.csv")).expect("written");
    let rows: Vec<Vec<&str>> = results.lines().map(|line| line.split(',').collect()).collect();
    let heading = "row,agent,to,phone_number_id,state,stage,reason,dialed,conversation_id,provider_call_id,error,proof";
    assert_eq!(results.lines().next(), Some(heading));
    let shown: Vec<_> = rows[1..].iter().map(|row| (row[0], row[1], row[2], row[4], row[7])).collect();
    assert_eq!(
        shown,
        [
            ("2", "restaurant", "+12025550101", "initiated", "yes"),
            ("3", "hotel", "+12025550102", "initiated", "yes"),
            ("4", "restaurant", "+12025550103", "initiated", "yes"),
            ("5", "hairdresser", "+12025550104", "initiated", "yes"),
            ("6", "", "", "failed", "no"),
        ]
    );
    assert_eq!((rows[5][6], rows[1][8].starts_with("conv_")), ("invalid_row", true));
    let ran = place.run(&["batch", "calls.csv", "--out", "calls.csv", "--skip-invalid"]);
    assert!(ran.code == 2 && ran.stderr.contains("is the file that the batch comes from"), "{}", ran.stderr);
    let ran = place.run(&["batch", "calls.csv", "--out", "no/such/folder", "--skip-invalid"]);
    assert!(ran.code == 2 && ran.stderr.contains("nothing was dialled"), "{}", ran.stderr);
    assert_eq!(provider.dials(), 4);
}

#[test]
fn a_dry_run_shows_the_order_and_sends_nothing() {
    let provider = Provider::with_faults(&[]);
    let ran = shows!("batch_dry_run", batch(&provider, FOUR, &["--dry-run"]));
    assert_eq!((ran.code, core_requests(&provider)), (0, 0));
    let place = Place::empty();
    place.write("calls.csv", &format!("{FOUR}Hair Salon,+12025550105,,\nhotel,+12025550106,,\n"));
    let ran = place.run(&["batch", "calls.csv", "--dry-run", "--json"]);
    assert_eq!(ran.code, 0, "no key is needed: {}", ran.stderr);
    let objects = ran.objects();
    let (sums, dials) = objects.split_last().expect("not empty");
    let rows: Vec<u64> = dials.iter().filter_map(|dial| dial["row"].as_u64()).collect();
    assert_eq!(rows, [2, 4, 3, 7, 5, 6], "the calls of one agent go together, the oldest first");
    assert_eq!((&sums["dials"], &sums["by_kind"]["dial"]), (&json!(6), &json!(6)));
    assert_eq!(sums["by_kind"]["assign"], json!(4));
}

#[test]
fn a_missing_agent_does_not_hold_up_the_others() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider);
    place.write("partyline.toml", &provider.settings_file().replace("hotel = \"", "hotel = \"x"));
    place.write("calls.csv", FOUR);
    let ran = place.run(&[&["batch", "calls.csv"][..], IN_TURN].concat());
    assert_eq!((ran.code, provider.dials()), (5, 3), "{}", ran.stderr);
    assert!(ran.stdout.contains("line 3: failed: agent_not_found (hotel, "), "{}", ran.stdout);
    assert!(ran.stderr.contains("error: 1 call failed\n  agent_not_found, line 3: "), "{}", ran.stderr);
}

#[test]
fn an_unknown_outcome_is_said_and_nothing_is_dialled_again() {
    let provider = Provider::with_faults(&["dial:504-before:1@1"]);
    let more = [IN_TURN, &["--lookup-window", "50ms"]].concat();
    // All for one agent: another one would have to wait until the dial can no longer take effect.
    let one = FOUR.replace("restaurant", "hotel").replace("hairdresser", "hotel");
    let ran = shows!("batch_unknown", batch(&provider, &one, &more));
    assert_eq!((ran.code, provider.dials()), (6, 3));
}

#[test]
fn a_refused_dial_fails_alone() {
    let provider = Provider::with_faults(&["dial:refused:1"]);
    let ran = shows!("batch_refused", batch(&provider, FOUR, IN_TURN));
    assert_eq!((ran.code, ran.stdout.matches(": initiated: ").count()), (5, 3));
}

#[test]
fn a_misrouted_call_is_an_alarm() {
    // The provider says that it has assigned the number, and has not.
    let provider = Provider::with_faults(&["assign:lying:*"]);
    provider.reassign(0, Some(2));
    let place = Place::with(&provider);
    place.write("calls.csv", "agent,to\nhotel,+12025550101\n");
    let ran = shows!("batch_misrouted", place.run(&["batch", "calls.csv", "--out", "results.csv"]));
    assert_eq!((ran.code, provider.dials()), (5, 1));
    let results = fs_err::read_to_string(place.path().join("results.csv")).expect("written");
    assert!(results.ends_with(",mismatch\n"), "{results}");
}

#[test]
fn a_number_can_be_given_back_after_the_last_call() {
    for (fault, told) in [
        (&[][..], "number main given back: answered by agent_3"),
        // The first assignment is the batch's, and each of the others would give the number back.
        (&["assign:403:*@1"], "warning: the number main was NOT given back"),
    ] {
        let provider = Provider::with_faults(fault);
        provider.reassign(0, Some(2));
        let ran = batch(&provider, "agent,to\nhotel,+12025550101\nhotel,+12025550102\n", &["--after-call", "restore"]);
        assert_eq!((ran.code, provider.dials()), (0, 2), "{}", ran.stderr);
        assert!(ran.shown().contains(told), "{}", ran.stderr);
        let last = provider.agent(if fault.is_empty() { 2 } else { 1 });
        assert_eq!(provider.assigned(0), Some(last));
    }
}

#[test]
fn the_example_works() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/batch.csv");
    let ran = Place::empty().run(&["batch", example, "--sandbox"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 6), "{}", ran.stderr);
}

#[test]
fn a_call_is_not_dialled_late() {
    let provider = Provider::with_faults(&["dial:slow-600ms:*"]);
    let rows =
        "agent,to,expires\nhotel,+12025550101,\nhotel,+12025550102,\nhotel,+12025550103,1s\nhotel,+12025550104,1h\n";
    let ran = batch(&provider, rows, IN_TURN);
    assert_eq!((ran.code, provider.dials()), (5, 3), "{}", ran.stderr);
    assert!(ran.stdout.contains("line 4: failed: expired (Hotel, "), "{}", ran.stdout);
    assert!(ran.stderr.contains("expired, line 4: the call was not dialled"), "{}", ran.stderr);
}

#[test]
fn urgent_calls_go_first() {
    let provider = Provider::with_faults(&[]);
    let rows = "agent,to,priority\nhotel,+12025550101,\nhotel,+12025550102,normal\nhotel,+12025550103,urgent\n";
    let ran = batch(&provider, rows, IN_TURN);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("line 4: initiated: "), "{}", ran.stdout);
}

#[test]
fn a_wrong_key_is_told_once() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider).env("ELEVENLABS_API_KEY", "test-key-wrong");
    place.write("calls.csv", FOUR);
    let ran = place.run(&["batch", "calls.csv"]);
    assert_eq!((ran.code, provider.dials()), (5, 0), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("does not accept this key").count(), 1, "{}", ran.stderr);
    assert_eq!(ran.stdout, "", "not once per row");
    assert!(
        ran.stderr.ends_with("error: 4 calls failed\n  unauthorized, lines 2, 3, 4, 5: not dialled\n"),
        "{}",
        ran.stderr
    );
    let ran = place.run(&["batch", "calls.csv", "--json"]);
    assert_eq!(ran.objects().len(), 4, "programs hear of each row: {}", ran.stdout);
    place.write("calls.csv", "agent,to\nHair Salon,+12025550101\n");
    let ran = place.run(&["batch", "calls.csv"]);
    assert_eq!(ran.code, 7, "names could not even be looked up: {}", ran.stderr);
}

#[test]
fn a_quota_that_is_used_up_stops_the_batch() {
    let provider = Provider::with_faults(&["dial:402:*@1"]);
    let ran = batch(&provider, FOUR, &[IN_TURN, &["--json"]].concat());
    assert_eq!((ran.code, provider.dials()), (5, 1), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("error: dialling has stopped").count(), 1, "{}", ran.stderr);
    let world = provider.world().lock();
    assert_eq!(world.ledger().requests_of(Operation::Dial).count(), 2, "one was refused, and no other was tried");
}

#[test]
fn the_sandbox_takes_a_batch() {
    let place = Place::empty();
    place.write("calls.csv", FOUR);
    let ran = place.run(&["batch", "calls.csv", "--sandbox"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("the provider is emulated"), "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 4, "{}", ran.stdout);
    let ran = place.run(&["batch", "calls.csv", "--sandbox", "--log-format", "json"]);
    let attempts = ran.events().iter().filter(|event| *event == "call_attempt").count();
    let completed = ran.events().iter().filter(|event| *event == "call_flow_completed").count();
    assert_eq!((ran.code, attempts, completed), (0, 4, 4), "{}", ran.stderr);
    let verified = ran.log().into_iter().filter(|line| line["event"] == json!("agent_verified"));
    assert!(verified.into_iter().all(|line| line["agent_id"].is_string()), "each names its own agent");
}

/// This many calls, the three agents in turn.
fn mixed(count: usize) -> String {
    (0..count).fold("agent,to,name\n".to_owned(), |mut text, index| {
        let agent = ["restaurant", "hotel", "hairdresser"][index % 3];
        // Fictional numbers: a hundred in each of several areas.
        let area = [202, 303, 404, 505, 606, 707][index / 100];
        let _ = writeln!(text, "{agent},+1{area}55501{:02},Guest {index}", index % 100);
        text
    })
}

#[test]
fn two_hundred_mixed_calls_reach_the_right_agents_with_hardly_a_request_too_many() {
    let provider = Provider::with_faults(&[]);
    let ran = batch(&provider, &mixed(200), &["--json"]);
    assert_eq!((ran.code, provider.dials()), (0, 200), "{}", ran.stderr);
    assert_eq!(ran.objects().len(), 200);
    let world = provider.world().lock();
    assert_eq!(world.ledger().misroutes().count(), 0);
    drop(world);
    // Reading the number, verifying all agents at once, an assignment for each, and the dials.
    let bound = 1 + 1 + 3 + 200;
    let core = core_requests(&provider);
    assert!(core * 100 <= bound * 102, "{core} requests, at least {bound} are needed");
}

#[test]
fn several_configured_numbers_share_a_batch() {
    let provider = Provider::with_numbers(3, &partyline_domain::ports::NumberProvider::Twilio);
    let place = Place::with(&provider);
    let more = (1..3).fold(String::new(), |mut text, index| {
        let _ = writeln!(text, "[numbers.line{index}]\nid = \"{}\"", provider.number(index));
        text
    });
    place.write("partyline.toml", &format!("{}{more}", provider.settings_file()));
    place.write("calls.csv", &mixed(60));
    let ran = place.run(&["batch", "calls.csv", "--json"]);
    assert_eq!((ran.code, provider.dials()), (0, 60), "{}", ran.stderr);
    assert_eq!(provider.world().lock().ledger().misroutes().count(), 0);
    let numbers: std::collections::BTreeSet<String> =
        ran.objects().iter().map(|object| object["number"]["phone_number_id"].to_string()).collect();
    assert_eq!(numbers.len(), 3, "each agent has a number of its own");
}

#[test]
fn how_fast_it_may_go_is_kept() {
    let provider = Provider::with_faults(&[]);
    let ran = batch(&provider, FOUR, &["--dials-per-second", "5"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let world = provider.world().lock();
    let mut sent: Vec<_> =
        world.ledger().requests_of(Operation::Dial).map(|dial| dial.arrived_at.since_origin()).collect();
    sent.sort();
    let apart = sent.windows(2).map(|pair| pair[1].saturating_sub(pair[0]).as_millis()).min();
    // A fifth of a second, less what a busy machine holds them up.
    assert!(apart >= Some(100), "{sent:?}");
}

#[test]
fn progress_is_told_in_lines_where_there_is_no_terminal() {
    let provider = Provider::with_faults(&["dial:slow-700ms:*"]);
    let ran = batch(&provider, FOUR, IN_TURN);
    let lines: Vec<&str> = ran.stderr.lines().filter(|line| line.contains(" of 4 calls")).collect();
    assert!((1..=4).contains(&lines.len()), "one a second at most: {}", ran.stderr);
    assert!(lines.iter().all(|line| line.contains("; waiting ") && line.contains(", initiated ")), "{lines:?}");
    assert!(ran.stderr.contains("4 calls in "), "{}", ran.stderr);
}
