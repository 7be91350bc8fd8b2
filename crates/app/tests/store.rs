//! Several processes on one store: at once, one after the other, and one that was killed.
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use common::{CALLEE, KEY, Place, Provider, Ran};
use partyline_domain::ports::{Accepted, BatchRow, NewCall, NumberProvider, Store as _};
use partyline_domain::{BatchId, CallId, CallRequest, NumberChoice, PhoneNumber, Priority, RunId, Timestamp};
use partyline_fake_adapter::WorldConfig;
use partyline_fake_adapter::world::{Latency, Operation};
use partyline_store_adapter::{
    Account, Archive as _, BatchState, Fingerprint, NewBatch, Place as StorePlace, StoreOptions,
};
use serde_json::{Value, json};

/// Short times, so that nobody waits long for what a killed process has left.
const SHORT: &str =
    "[store]\nlease = \"1s\"\nlateness = \"1s\"\n[provider]\ndial_margin = \"200ms\"\n[call]\nringing_timeout = 1\n";

fn place(provider: &Provider) -> Place {
    let place = Place::with(provider).sharing();
    place.write("partyline.toml", &format!("{SHORT}{}", provider.settings_file()));
    place
}

/// A world in which every answer takes a moment.
fn slow(milliseconds: u64) -> Provider {
    let latency = Latency::constant(Duration::from_millis(milliseconds));
    Provider::of(WorldConfig { latency, ..WorldConfig::sandbox() })
}

#[expect(clippy::disallowed_methods, reason = "waits for another process, without a runtime")]
fn wait_until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Every callee was dialled once at most, by the agent that was asked for.
fn nobody_twice_and_nobody_wrong(provider: &Provider) -> BTreeMap<String, usize> {
    let world = provider.world().lock();
    assert_eq!(world.ledger().misroutes().count(), 0, "the right agent for each");
    let mut callees = BTreeMap::new();
    for dial in &world.ledger().dials {
        *callees.entry(dial.to.e164().to_owned()).or_insert(0) += 1;
    }
    assert!(callees.values().all(|count| *count == 1), "nobody twice: {callees:?}");
    callees
}

fn requests(provider: &Provider) -> u64 {
    provider.world().lock().requests()
}

#[test]
fn three_calls_for_three_agents_at_once_all_reach_theirs() {
    let provider = slow(20);
    let place = place(&provider);
    let agents = ["restaurant", "hotel", "hairdresser"];
    let children: Vec<Child> = agents
        .iter()
        .enumerate()
        .map(|(index, agent)| place.spawn(&["call", agent, "--to", &format!("+1202555011{index}"), "--json"]))
        .collect();
    for (index, child) in children.into_iter().enumerate() {
        let ran = place.finish(child);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let object = ran.json();
        assert_eq!(object["agent"]["agent_id"], json!(provider.agent(index).as_str()), "{object}");
        assert_eq!((&object["state"], &object["proof"]["verdict"]), (&json!("initiated"), &json!("matches")));
    }
    assert_eq!(nobody_twice_and_nobody_wrong(&provider).len(), 3);
}

#[test]
fn a_second_call_costs_one_request() {
    let provider = Provider::with_faults(&[]);
    let place = place(&provider);
    let arguments = ["call", "hotel", "--to", CALLEE, "--proof", "off", "--json"];
    let first = place.run(&arguments);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let before = requests(&provider);
    let second = place.run(&arguments);
    assert_eq!((second.code, requests(&provider) - before), (0, 1), "{}", second.stderr);
    assert_eq!((&second.json()["requests"], &second.json()["assignment"]), (&json!(1), &json!("already")));
}

#[test]
fn the_same_key_gives_the_first_outcome() {
    let provider = Provider::with_faults(&[]);
    let place = place(&provider);
    let call = |to: &str, more: &[&str]| {
        place.run(&[&["call", "hotel", "--to", to, "--idempotency-key", "order-7"][..], more].concat())
    };
    let first = call(CALLEE, &["--json"]);
    assert_eq!((first.code, &first.json()["replayed"]), (0, &json!(false)), "{}", first.stderr);
    let again = call(CALLEE, &["--json"]);
    assert_eq!((again.code, &again.json()["replayed"]), (0, &json!(true)), "{}", again.stderr);
    for key in ["call_id", "conversation_id", "state", "to", "agent"] {
        assert_eq!(first.json()[key], again.json()[key], "{key}");
    }
    let told = shows!("replayed", call(CALLEE, &[]));
    assert!(told.stdout.ends_with(" (replayed)\n"), "{}", told.stdout);
    let other = shows!("key_taken", call("+12025550148", &[]));
    assert_eq!(other.code, 2);
    let other = call("+12025550148", &["--json"]);
    assert_eq!((other.code, &other.json()["reason"]), (2, &json!("key_taken")));
    assert_eq!(provider.dials(), 1);
    let memory = call(CALLEE, &["--store", "memory"]);
    assert!(memory.code == 2 && memory.stderr.contains("`--idempotency-key` needs a store"), "{}", memory.stderr);
    let blank = place.run(&["call", "hotel", "--to", CALLEE, "--idempotency-key", "two words"]);
    assert!(blank.code == 2 && blank.stderr.contains("`--idempotency-key`: "), "{}", blank.stderr);
}

#[test]
fn the_same_key_gives_the_first_failure_too() {
    let provider = Provider::with_faults(&["dial:refused:1"]);
    let place = place(&provider);
    let arguments = ["call", "hotel", "--to", CALLEE, "--idempotency-key", "order-8", "--json"];
    let (first, again) = (place.run(&arguments), place.run(&arguments));
    assert_eq!((first.code, again.code), (5, 5), "{}", again.stderr);
    assert_eq!((&again.json()["replayed"], &again.json()["reason"]), (&json!(true), &json!("refused")));
    assert_eq!(first.json()["error"], again.json()["error"]);
    let dials = provider.world().lock().ledger().requests_of(Operation::Dial).count();
    assert_eq!(dials, 1);
}

#[test]
fn rows_have_keys_too() {
    let provider = Provider::with_faults(&[]);
    let place = place(&provider);
    place.write("calls.csv", "agent,to,key\nhotel,+12025550101,a\nhotel,+12025550102,b\nhotel,+12025550103,\n");
    let ran = place.run(&["batch", "calls.csv", "--json"]);
    assert_eq!((ran.code, provider.dials()), (0, 3), "{}", ran.stderr);
    place.write("again.csv", "agent,to,key\nhotel,+12025550101,a\nhotel,+12025550109,b\nhotel,+12025550104,c\n");
    let ran = place.run(&["batch", "again.csv", "--json", "--out", "results.csv"]);
    assert_eq!((ran.code, provider.dials()), (5, 4), "{}", ran.stderr);
    let rows = by_row(&ran);
    assert_eq!((&rows[&2]["replayed"], &rows[&2]["state"]), (&json!(true), &json!("initiated")));
    assert_eq!((&rows[&3]["reason"], &rows[&3]["dialed"]), (&json!("key_taken"), &json!("no")));
    assert_eq!((&rows[&4]["replayed"], &rows[&4]["state"]), (&json!(false), &json!("initiated")));
    let results = fs_err::read_to_string(place.path().join("results.csv")).expect("written");
    assert_eq!(results.lines().count(), 4, "{results}");
    let ran = place.run(&["batch", "resume"]);
    assert!(ran.code == 2 && ran.stderr.contains("no batch that is not finished"), "{}", ran.stderr);
    place.write("twice.csv", "agent,to,key\nhotel,+12025550101,x\nhotel,+12025550102,x\n");
    let ran = place.run(&["batch", "twice.csv"]);
    assert!(ran.code == 2 && ran.stderr.contains("the same key as line 2"), "{}", ran.stderr);
    let ran = place.run(&["batch", "calls.csv", "--store", "memory"]);
    assert!(ran.code == 2 && ran.stderr.contains("the column `key` needs a store"), "{}", ran.stderr);
}

fn by_row(ran: &Ran) -> BTreeMap<u64, Value> {
    let rows = ran.objects().into_iter().map(|object| (object["row"].as_u64().expect("a row"), object));
    rows.collect()
}

/// Ten rows for three agents.
fn ten(place: &Place) {
    let agents = ["hotel", "restaurant", "hairdresser"];
    let rows = (0..10).map(|row| format!("{},+120255501{row:02}\n", agents[row % 3]));
    place.write("calls.csv", &format!("agent,to\n{}", rows.collect::<String>()));
}

const SLOWLY: &[&str] = &["batch", "calls.csv", "--max-in-flight-per-number", "1", "--json", "--out", "results.csv"];

#[test]
fn a_batch_that_is_killed_is_gone_on_with() {
    let provider = Provider::with_faults(&["dial:slow-200ms:*"]);
    let place = place(&provider);
    ten(&place);
    let child = place.spawn(SLOWLY);
    wait_until(|| provider.dials() >= 3);
    common::send(&child, "-KILL");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.code().is_none(), "it was killed");
    let status = place.run(&["batch", "status", "--json"]).json();
    assert_eq!((&status["state"], &status["rows"], &status["handed_in"]), (&json!("running"), &json!(10), &json!(10)));
    let ran = place.run(&["batch", "resume", "--json", "--out", "all.csv"]);
    assert!([0, 6].contains(&ran.code), "{}", ran.stderr);
    let callees = nobody_twice_and_nobody_wrong(&provider);
    let results = fs_err::read_to_string(place.path().join("all.csv")).expect("written");
    let lines: Vec<Vec<&str>> = results.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 10, "{results}");
    let unknown = lines.iter().filter(|line| line[7] == "unknown").count();
    assert!(unknown <= 1, "only the dial that was open at the kill: {results}");
    for line in &lines {
        let was_dialled = callees.contains_key(line[2]);
        assert!(was_dialled || line[7] == "unknown", "each is dialled or honestly unknown: {line:?}");
        assert!(line[4] == "initiated" || line[7] == "unknown", "{line:?}");
    }
    let status = place.run(&["batch", "status", "--json"]).json();
    assert_eq!((&status["state"], &status["waiting"], &status["dialling"]), (&json!("finished"), &json!(0), &json!(0)));
}

#[test]
fn a_batch_that_is_interrupted_waits_and_is_gone_on_with() {
    for signal in ["-INT", "-TERM"] {
        let provider = Provider::with_faults(&["dial:slow-150ms:*"]);
        let place = place(&provider);
        ten(&place);
        let child = place.spawn(SLOWLY);
        wait_until(|| provider.dials() == 3);
        common::send(&child, signal);
        let ran = place.finish(child);
        assert_eq!(ran.code, 130, "{}", ran.stderr);
        assert!(ran.stderr.contains("interrupted: nothing more is dialled; "), "{}", ran.stderr);
        assert!(ran.stderr.contains("go on with `partyline batch resume "), "{}", ran.stderr);
        let rows = by_row(&ran);
        let of = |state: &str| rows.values().filter(|row| row["state"] == json!(state)).count();
        assert_eq!((of("initiated"), of("waiting")), (provider.dials(), 10 - provider.dials()), "{}", ran.stdout);
        let results = fs_err::read_to_string(place.path().join("results.csv")).expect("written");
        assert_eq!((results.lines().count(), results.matches(",waiting,").count()), (11, of("waiting")), "{results}");
        let status = place.run(&["batch", "status", "--json"]).json();
        assert_eq!((&status["state"], &status["waiting"]), (&json!("paused"), &json!(of("waiting"))));
        // What is held up is not placed by those who come by.
        let before = provider.dials();
        assert_eq!(place.run(&["call", "hotel", "--to", CALLEE]).code, 0);
        assert_eq!(provider.dials(), before + 1);
        let ran = place.run(&["batch", "resume", "--json"]);
        assert_eq!((ran.code, ran.objects().len()), (0, of("waiting")), "{}", ran.stderr);
        assert_eq!(nobody_twice_and_nobody_wrong(&provider).len(), 11);
    }
}

#[test]
fn a_batch_that_was_held_up_goes_on_where_its_file_is_handed_in_again() {
    let provider = Provider::with_faults(&["dial:slow-150ms:*"]);
    let place = place(&provider);
    let rows = (0..10).map(|row| format!("hotel,+120255501{row:02},row-{row}\n"));
    place.write("calls.csv", &format!("agent,to,key\n{}", rows.collect::<String>()));
    // Twice, since the second one holds up what it let go on.
    for dials in [3, 6] {
        let child = place.spawn(SLOWLY);
        wait_until(|| provider.dials() == dials);
        common::send(&child, "-INT");
        assert_eq!(place.finish(child).code, 130);
    }
    assert_eq!(place.run(&["call", "hotel", "--to", CALLEE]).code, 0);
    let before = provider.dials();
    assert!(before < 10, "what is held up is not placed by those who come by");
    let ran = place.run(SLOWLY);
    assert!(ran.code == 0 && ran.stderr.contains("was held up and goes on"), "{}", ran.stderr);
    assert_eq!((ran.objects().len(), nobody_twice_and_nobody_wrong(&provider).len()), (10, 11), "{}", ran.stderr);
}

#[test]
fn a_batch_can_be_taken_back() {
    let provider = Provider::with_faults(&["dial:slow-150ms:*"]);
    let place = place(&provider);
    ten(&place);
    let child = place.spawn(SLOWLY);
    wait_until(|| provider.dials() == 2);
    common::send(&child, "-INT");
    assert_eq!(place.finish(child).code, 130);
    let dials = provider.dials();
    let ran = place.run(&["batch", "cancel", "--json"]).json();
    assert_eq!((&ran["withdrawn"], &ran["asked"]), (&json!(10 - dials), &json!(0)));
    let id = ran["batch_id"].as_str().expect("an id").to_owned();
    let ran = place.run(&["batch", "resume", &id]);
    assert!(ran.code == 2 && ran.stderr.contains("was cancelled, and stays so"), "{}", ran.stderr);
    let ran = place.run(&["batch", "status", &id[..13], "--json"]).json();
    assert_eq!((&ran["state"], &ran["failed"]), (&json!("cancelled"), &json!(10 - dials)));
    for arguments in [&["batch", "resume"][..], &["batch", "cancel"], &["batch", "status", "no-such-batch"]] {
        let ran = place.run(arguments);
        assert!(ran.code == 2 && ran.stderr.contains("there is no batch"), "{}", ran.stderr);
    }
    assert_eq!(provider.dials(), dials);
}

#[test]
fn a_call_waits_behind_a_batch_and_is_placed_by_it() {
    let provider = Provider::with_faults(&["dial:slow-400ms:*"]);
    let place = place(&provider);
    ten(&place);
    let batch = place.spawn(&["batch", "calls.csv", "--max-in-flight-per-number", "1", "--json"]);
    wait_until(|| provider.dials() == 1);
    let ran = place.run(&["call", "hairdresser", "--to", CALLEE, "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("another process has the number (`partyline batch` on "), "{}", ran.stderr);
    assert!(ran.stderr.contains("call initiated: conv_"), "steps of others are told too: {}", ran.stderr);
    let object = ran.json();
    assert_eq!((&object["state"], &object["agent"]["name"]), (&json!("initiated"), &json!("Hair Salon")), "{object}");
    let batch = place.finish(batch);
    assert_eq!((batch.code, batch.objects().len()), (0, 10), "the call is not the batch's: {}", batch.stderr);
    assert_eq!(nobody_twice_and_nobody_wrong(&provider).len(), 11);
}

#[test]
fn calls_of_others_are_placed_along_and_waited_for() {
    let provider = Provider::with_faults(&["dial:slow-2s:*"]);
    let place = Place::with(&provider).sharing();
    let first = place.spawn(&["call", "hotel", "--to", "+12025550101", "--json", "--proof", "off"]);
    wait_until(|| provider.dials() == 1);
    let second = place.run(&["call", "hotel", "--to", CALLEE, "--json", "--proof", "off"]);
    assert!(second.stderr.contains("another process has the number (`partyline call` on "), "{}", second.stderr);
    let first = place.finish(first);
    assert_eq!((first.code, second.code), (0, 0), "{}", first.stderr);
    assert!(first.stderr.contains("note: also placing 1 call that others have asked for"), "{}", first.stderr);
    assert_ne!(first.json()["conversation_id"], second.json()["conversation_id"]);
    assert_eq!(second.json()["requests"], json!(0), "the first process has dialled");
    assert_eq!(nobody_twice_and_nobody_wrong(&provider).len(), 2);
}

/// What the provider saw, as the times at which dials came, from the first.
fn dialled_at(provider: &Provider) -> Vec<Duration> {
    let world = provider.world().lock();
    let ledger = world.ledger();
    let mut at: Vec<Duration> =
        ledger.requests_of(Operation::Dial).map(|request| request.arrived_at.since_origin()).collect();
    at.sort();
    let first = at.first().copied().unwrap_or_default();
    at.into_iter().map(|at| at.saturating_sub(first)).collect()
}

#[test]
fn limits_hold_for_all_processes_together() {
    let provider = Provider::with_numbers(2, &NumberProvider::Twilio);
    let place = place(&provider);
    let second = format!("[numbers.second]\nid = \"{}\"\n", provider.number(1));
    let limits = "[limits]\ndials_per_second = 5\nmax_in_flight = 1\n";
    place.write("partyline.toml", &format!("{SHORT}{}{second}{limits}", provider.settings_file()));
    let rows = |first: usize| {
        let rows: Vec<String> = (0..5).map(|row| format!("hotel,+120255501{:02}", first + row)).collect();
        rows.join("\n")
    };
    place.write("one.csv", &format!("agent,to\n{}", rows(0)));
    place.write("two.csv", &format!("agent,to\n{}", rows(10)));
    let one = place.spawn(&["batch", "one.csv", "--number", "main", "--json"]);
    let two = place.spawn(&["batch", "two.csv", "--number", "second", "--json"]);
    for child in [one, two] {
        let ran = place.finish(child);
        assert_eq!((ran.code, ran.objects().len()), (0, 5), "{}", ran.stderr);
    }
    assert_eq!(nobody_twice_and_nobody_wrong(&provider).len(), 10);
    let at = dialled_at(&provider);
    // A request may be under way for longer than the next one, which brings two of them closer together.
    let least = Duration::from_millis(1500);
    assert!(at.last().is_some_and(|last| *last >= least), "ten at five a second take 1.8 s: {at:?}");
}

#[test]
fn rows_that_were_never_handed_in_are_said() {
    let provider = Provider::with_faults(&[]);
    let place = place(&provider);
    ten(&place);
    // Made as by a process that has ended while it was handing in.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(half_handed_in(&provider, &place));
    let status = place.run(&["batch", "status", "--json"]).json();
    assert_eq!((&status["state"], &status["rows"], &status["handed_in"]), (&json!("paused"), &json!(3), &json!(1)));
    let ran = shows!("batch_incomplete", place.run(&["batch", "resume", "--out", "results.csv"]));
    assert_eq!((ran.code, provider.dials()), (5, 1), "{}", ran.stderr);
    let results = fs_err::read_to_string(place.path().join("results.csv")).expect("written");
    assert_eq!((results.lines().count(), results.matches("not_handed_in").count()), (4, 2), "{results}");
}

async fn half_handed_in(provider: &Provider, place: &Place) {
    let (url, owner) = (provider.url(), RunId::parse("run-of-a-test").expect("valid"));
    let account: Fingerprint = Arc::new(move |salt| Account::of(salt, &url, KEY.as_bytes()));
    let store = StorePlace::from(place.store().as_path()).open(StoreOptions::new(owner, account)).await;
    let store = store.expect("it can be made");
    let id = BatchId::parse("batch-of-a-test").expect("valid");
    let options = "{\"lines\":[[2,4]]}".to_owned();
    let created_at = Timestamp::from_unix(Duration::from_secs(1_800_000_000));
    let batch = NewBatch { id: id.clone(), file: "calls.csv".to_owned(), rows: 3, options, created_at };
    store.open_batch(&batch).await.expect("opened");
    assert_eq!(store.set_batch(&id, BatchState::Paused).await, Ok(true));
    let request = CallRequest {
        id: CallId::parse("call-of-a-test").expect("valid"),
        agent: provider.agent(1),
        numbers: NumberChoice::one(provider.number(0)),
        to: PhoneNumber::parse("+12025550101").expect("valid"),
        priority: Priority::Normal,
        expires_at: None,
        options: Arc::default(),
        policies: Arc::default(),
    };
    let row = BatchRow { batch: id, line: 3, agent: "hotel".to_owned() };
    let new = NewCall { request, at: created_at, key: None, batch: Some(row), repeats: None };
    assert_eq!(store.submit(vec![new]).await, Ok(vec![Accepted::New]));
    store.close().await;
}

#[test]
fn a_call_that_waits_behind_another_process_can_be_taken_back() {
    let provider = Provider::with_faults(&["dial:slow-1s:*"]);
    let place = place(&provider);
    let first = place.spawn(&["call", "hotel", "--to", "+12025550101", "--json"]);
    wait_until(|| provider.dials() == 1);
    let mut second = place.spawn(&["call", "restaurant", "--to", CALLEE, "--json"]);
    let mut stderr = BufReader::new(second.stderr.take().expect("piped"));
    pause();
    common::send(&second, "-INT");
    let mut said = String::new();
    stderr.read_to_string(&mut said).expect("readable");
    let second = place.finish(second);
    assert_eq!((second.code, &second.json()["reason"]), (130, &json!("cancelled")), "{said}");
    assert_eq!(place.finish(first).code, 0);
    assert_eq!(nobody_twice_and_nobody_wrong(&provider).len(), 1);
}

#[expect(clippy::disallowed_methods, reason = "gives another process time, without a runtime")]
fn pause() {
    std::thread::sleep(Duration::from_millis(300));
}

#[test]
fn two_resume_one_batch_and_each_row_is_dialled_once() {
    let provider = Provider::with_faults(&["dial:slow-50ms:*"]);
    let place = place(&provider);
    ten(&place);
    let child = place.spawn(SLOWLY);
    wait_until(|| provider.dials() == 2);
    common::send(&child, "-INT");
    assert_eq!(place.finish(child).code, 130);
    let both = [place.spawn(&["batch", "resume", "--json"]), place.spawn(&["batch", "resume", "--json"])];
    for child in both {
        let ran = place.finish(child);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    assert_eq!(nobody_twice_and_nobody_wrong(&provider).len(), 10);
}

#[test]
fn a_killed_call_is_found_by_the_next_one() {
    let provider = Provider::with_faults(&["dial:slow-500ms:1"]);
    let place = place(&provider);
    let child = place.spawn(&["call", "hotel", "--to", "+12025550101", "--proof", "off"]);
    wait_until(|| provider.dials() == 1);
    common::send(&child, "-KILL");
    assert!(child.wait_with_output().expect("ends").status.code().is_none());
    // Another agent's call: it waits for the lease, and until the dial that was open can no longer take effect.
    let ran = place.run(&["call", "restaurant", "--to", CALLEE, "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(nobody_twice_and_nobody_wrong(&provider).len(), 2);
}

#[test]
fn memory_leaves_nothing_behind() {
    let provider = Provider::with_faults(&[]);
    let place = place(&provider);
    assert_eq!(place.run(&["call", "hotel", "--to", CALLEE, "--store", "memory"]).code, 0);
    assert_eq!(place.run(&["call", "hotel", "--to", CALLEE, "--sandbox"]).code, 0);
    assert!(!place.store().exists());
    for arguments in [&["batch", "status"][..], &["batch", "resume"], &["batch", "cancel"]] {
        let ran = place.run(&[arguments, &["--store", "memory"]].concat());
        assert!(ran.code == 2 && ran.stderr.contains("keeps nothing"), "{}", ran.stderr);
    }
}

#[test]
fn a_store_that_cannot_be_used_is_said_before_anything_is_sent() {
    let provider = Provider::with_faults(&[]);
    let place = place(&provider).env("PARTYLINE_STORE", "other.db");
    place.write("other.db", "this is no database, but it is long enough to be looked at as if it were one of those");
    assert_eq!(shows!("store_foreign", place.run(&["call", "hotel", "--to", CALLEE])).code, 2);
    place.write("folder/file", "");
    assert_eq!(place.run(&["call", "hotel", "--to", CALLEE, "--store", "folder"]).code, 2);
    let ran = place.run(&["call", "hotel", "--to", CALLEE, "--store", "folder/file/store.db"]);
    assert!(ran.code == 2 && ran.stderr.contains("name another place with `--store <PATH>`"), "{}", ran.stderr);
    let server = "postgres://ada:s3cr3t-word@127.0.0.1:1/calls";
    let ran = place.run(&["call", "hotel", "--to", CALLEE, "--store", server, "--json"]);
    assert_eq!((ran.code, &ran.json()["reason"]), (2, &json!("store_unavailable")), "{}", ran.stderr);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("s3cr3t"), "{}", ran.stderr);
    let ran = place.run(&["agents", server]);
    assert!(ran.code == 2 && !ran.stderr.contains("s3cr3t"), "{}", ran.stderr);
    let ran = place.run(&["call", "hotel", "--to", CALLEE, "--store", "mysql://ada:s3cr3t-word@db"]);
    assert!(ran.code == 2 && !ran.stderr.contains("s3cr3t"), "{}", ran.stderr);
    assert_eq!(requests(&provider), 0);
}

#[test]
fn a_newer_store_is_refused() {
    let provider = Provider::with_faults(&[]);
    let place = place(&provider);
    assert_eq!(place.run(&["call", "hotel", "--to", CALLEE]).code, 0);
    let before = requests(&provider);
    // The version of the tables, where SQLite keeps it in the head of the file.
    let mut file = fs_err::OpenOptions::new().write(true).open(place.store()).expect("it is there");
    file.seek(SeekFrom::Start(60)).expect("a file");
    file.write_all(&99_u32.to_be_bytes()).expect("written");
    drop(file);
    let ran = shows!("store_newer", place.run(&["call", "hotel", "--to", CALLEE]));
    assert_eq!((ran.code, requests(&provider)), (2, before));
}

#[test]
fn the_key_is_nowhere_in_the_store() {
    let provider = Provider::with_faults(&[]);
    let place = place(&provider);
    assert_eq!(place.run(&["call", "hotel", "--to", CALLEE]).code, 0);
    ten(&place);
    assert_eq!(place.run(&["batch", "calls.csv"]).code, 0);
    let folder = place.store().parent().expect("it is in a folder").to_owned();
    let mut has_calls = false;
    for entry in fs_err::read_dir(folder).expect("a folder") {
        let bytes = fs_err::read(entry.expect("an entry").path()).expect("a file");
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!holds(KEY) && !holds(&KEY[..12]), "the key is in the store");
        has_calls |= holds(CALLEE);
    }
    assert!(has_calls, "what is looked through is the store");
}

#[test]
fn another_account_sees_nothing_of_it() {
    let (one, other) = (Provider::with_faults(&["dial:slow-150ms:*"]), Provider::with_faults(&[]));
    let first = place(&one);
    ten(&first);
    let child = first.spawn(SLOWLY);
    wait_until(|| one.dials() == 1);
    common::send(&child, "-INT");
    assert_eq!(first.finish(child).code, 130);
    let second = Place::with(&other).env("PARTYLINE_STORE", &first.store().display().to_string());
    let ran = second.run(&["batch", "status"]);
    assert!(ran.code == 2 && ran.stderr.contains("there is no batch"), "{}", ran.stderr);
    assert_eq!(second.run(&["call", "hotel", "--to", CALLEE]).code, 0);
    assert_eq!(other.dials(), 1);
}

#[test]
fn a_call_expires_where_it_cannot_be_placed_in_time() {
    let provider = Provider::with_faults(&["dial:slow-1s:1"]);
    let place = place(&provider);
    let first = place.spawn(&["call", "hotel", "--to", "+12025550101"]);
    wait_until(|| provider.dials() == 1);
    let ran = place.run(&["call", "restaurant", "--to", CALLEE, "--expires", "200ms", "--json"]);
    assert_eq!((ran.code, &ran.json()["reason"], &ran.json()["dialed"]), (4, &json!("expired"), &json!("no")));
    assert_eq!(place.finish(first).code, 0);
    let ran = place.run(&["call", "restaurant", "--to", CALLEE, "--expires", "yesterday"]);
    assert!(ran.code == 2 && ran.stderr.contains("`--expires`: expected a time"), "{}", ran.stderr);
    assert_eq!(provider.dials(), 1);
}

#[test]
fn the_log_of_a_call_is_as_before() {
    let provider = Provider::with_faults(&[]);
    let place = place(&provider);
    let ran = place.run(&["call", "hotel", "--to", CALLEE, "--log-format", "json"]);
    let expected = [
        "call_attempt",
        "agent_verification",
        "agent_verified",
        "phone_number_assignment",
        "phone_number_assigned",
        "elevenlabs_api_response",
        "call_initiated",
        "call_flow_completed",
    ];
    assert_eq!(ran.events(), expected, "{}", ran.stderr);
    let dials = provider.world().lock().ledger().requests_of(Operation::Dial).count();
    assert_eq!(dials, 1);
}

#[test]
fn a_first_signal_before_the_second_process_takes_over_loses_nothing() {
    let provider = Provider::with_faults(&["dial:slow-400ms:*"]);
    let place = place(&provider);
    ten(&place);
    let mut child = place.spawn(SLOWLY);
    wait_until(|| provider.dials() == 1);
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut said = String::new();
    common::send(&child, "-INT");
    while !said.contains("interrupt again to leave now") {
        assert!(stderr.read_line(&mut said).expect("readable") > 0, "ended too early:\n{said}");
    }
    common::send(&child, "-INT");
    stderr.read_to_string(&mut said).expect("readable");
    let ran = place.finish(child);
    assert_eq!(ran.code, 6, "the open dial is unknown: {said}");
    assert!(said.contains("line 2: left in doubt"), "{said}");
    // Its numbers were given back, so nobody waits for its lease.
    let ran = place.run(&["batch", "resume", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(nobody_twice_and_nobody_wrong(&provider).len(), 10);
}
