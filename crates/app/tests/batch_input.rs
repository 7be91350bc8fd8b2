//! `partyline batch`: what may be in a file, and what is refused before anything is dialled.

mod common;

use common::{Place, Provider, Ran};
use serde_json::json;

const BATCH: &[&str] = &["batch", "calls.csv"];

fn place_with(provider: &Provider, file: &str, text: &str) -> Place {
    let place = Place::with(provider);
    place.write(file, text);
    place
}

fn batch(text: &str, more: &[&str]) -> (Ran, usize) {
    let provider = Provider::with_faults(&[]);
    let ran = place_with(&provider, "calls.csv", text).run(&[BATCH, more].concat());
    (ran, provider.dials())
}

const BAD: &str = "\u{feff}agent,to,number,priority,expires,name\r\n\
    hotel,+12025550101,,,,Ada\r\n\
    ,+12025550102,,,,\r\n\
    hotel,,,,,\r\n\
    hotel,2025550104,,,,\r\n\
    hotel,+12025550105,,soon,,\r\n\
    hotel,+12025550106,,,2020-01-01T00:00:00Z,\r\n\
    hotel,+12025550107,,,tomorrow,\r\n\
    hotl,+12025550108,,,,\r\n\
    \"hotel\r\nroyal\",+12025550109,,,,\r\n\
    hotel,+12025550110,second,,,\r\n\
    hotel,+12025550111,+12025550199,,,\r\n\
    +12025550112,hotel,2025550100,,,\r\n\
    hotel\r\n\
    hotel,+1 202 555 0101,,,,\r\n";

#[test]
fn every_bad_row_is_listed_and_nothing_is_dialled() {
    let (ran, dials) = batch(BAD, &[]);
    let ran = shows!("batch_bad_rows", ran);
    assert_eq!((ran.code, dials, ran.stdout.as_str()), (2, 0, ""));
}

#[test]
fn every_bad_row_is_an_object_for_programs() {
    let (ran, dials) = batch(BAD, &["--json"]);
    assert_eq!((ran.code, dials), (2, 0));
    let objects = ran.objects();
    assert_eq!(objects.len(), 13, "{}", ran.stdout);
    assert!(objects.iter().all(|object| object["reason"] == json!("invalid_row") && object["dialed"] == json!("no")));
    assert_eq!((&objects[0]["row"], &objects[0]["error"]), (&json!(3), &json!("agent: is missing")));
    let many = objects[10]["error"].as_str().expect("a text");
    assert!(many.contains("to: ") && many.contains("; agent: ") && many.contains("; number: "), "{many}");
    assert_eq!(objects[12]["error"], json!("to: the same callee as line 2"));
}

#[test]
fn bad_rows_can_be_left_out() {
    let (ran, dials) = batch(BAD, &["--skip-invalid", "--out", "results.csv"]);
    let ran = shows!("batch_skip_invalid", ran);
    assert_eq!((ran.code, dials), (0, 1));
    let (ran, dials) = batch("agent,to\nhotl,+12025550101\n", &["--skip-invalid"]);
    assert_eq!((ran.code, dials), (2, 0), "nothing is left: {}", ran.stderr);
}

#[test]
fn a_long_list_of_bad_rows_is_cut() {
    let rows: String = (0..70).map(|_| "hotel,\n").collect();
    let (ran, _) = batch(&format!("agent,to\n{rows}"), &[]);
    assert!(ran.stderr.contains("error: 70 of 70 rows cannot be dialled"), "{}", ran.stderr);
    assert!(ran.stderr.contains("\n  and 20 more\n"), "{}", ran.stderr);
}

#[test]
fn one_callee_is_called_once_unless_it_is_allowed() {
    let twice = "agent,to\nhotel,+12025550101\nrestaurant,tel:+1-202-555-0101\n";
    let (ran, dials) = batch(twice, &[]);
    assert_eq!((shows!("batch_duplicates", ran).code, dials), (2, 0));
    let (ran, dials) = batch(twice, &["--allow-duplicates"]);
    assert_eq!((ran.code, dials), (0, 2), "{}", ran.stderr);
    // A row that is left out calls nobody.
    let (ran, dials) = batch(&twice.replace("hotel", "hotl"), &["--skip-invalid"]);
    assert_eq!((ran.code, dials), (0, 1), "{}", ran.stderr);
}

#[test]
fn a_file_that_is_no_batch_is_refused() {
    for (name, text) in [
        ("batch_no_to", "agent,phone\nhotel,+12025550101\n"),
        ("batch_same_column", "agent,to,name,name\n"),
        ("batch_semicolons", "agent;to\nhotel;+12025550101\n"),
        ("batch_open_quote", "agent,to\nhotel,\"+12025550101\n"),
        ("batch_no_rows", "agent,to\n"),
        ("batch_empty", ""),
    ] {
        let (ran, dials) = batch(text, &[]);
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, ran.shown()));
        assert_eq!((ran.code, dials), (2, 0), "{name}");
    }
    let ran = Place::empty().run(&["batch", "nowhere.csv"]);
    assert!(ran.code == 2 && ran.stderr.contains("`nowhere.csv` cannot be read"), "{}", ran.stderr);
}

#[test]
fn what_is_wrong_with_the_rows_is_told_also_without_a_key() {
    let place = Place::empty();
    place.write("calls.csv", "agent,to\nhotel,\n");
    let ran = place.run(BATCH);
    assert!(ran.code == 2 && ran.stderr.contains("line 2, to: is missing"), "{}", ran.stderr);
    place.write("calls.csv", "agent,to\nhotel,+12025550101\n");
    let ran = place.run(BATCH);
    assert!(ran.code == 2 && ran.stderr.contains("no API key"), "{}", ran.stderr);
}

#[test]
fn a_probable_slip_in_a_column_is_told() {
    let (ran, dials) = batch("agent,to,langauge\nhotel,+12025550101,en\n", &[]);
    assert_eq!((ran.code, dials), (0, 1));
    let told = "warning: the column `langauge` is taken as a dynamic variable; did you mean `language`?";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
}

#[test]
fn rows_come_from_stdin_in_either_format() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider);
    let csv = place.run_fed(&["batch", "-"], b"agent,to\nhotel,+12025550101\n");
    assert_eq!((csv.code, provider.dials()), (0, 1), "{}", csv.stderr);
    let json = place.run_fed(&["batch", "-"], b"\n{\"agent\":\"hotel\",\"to\":\"+12025550102\"}\n");
    assert_eq!((json.code, provider.dials()), (0, 2), "{}", json.stderr);
    assert!(json.stdout.starts_with("line 2: initiated: conv_"), "{}", json.stdout);
    let forced = place.run_fed(&["batch", "-", "--format", "csv"], b"{\"agent\":\"hotel\"}\n");
    assert_eq!(forced.code, 2, "{}", forced.stderr);
}

#[test]
fn everything_in_a_row_reaches_the_provider() {
    let provider = Provider::with_faults(&[]);
    let row = "{\"agent\":\"hotel\",\"to\":\"+12025550101\",\"user_id\":\"tag-42\",\"language\":\"en\",\
               \"first_message\":\"Good evening\",\"system_prompt\":\"Be brief\",\"voice_id\":\"voice-7\",\
               \"table\":4,\"vip\":true,\"name\":\"Ada\"}";
    let ran = place_with(&provider, "calls.jsonl", row).run(&["batch", "calls.jsonl"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let world = provider.world().lock();
    let [conversation] = world.conversations() else { panic!("one call") };
    let seen = format!("{conversation:?}");
    for part in ["tag-42", "Good evening", "Be brief", "voice-7", "table", "vip", "Ada"] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
}

#[test]
fn agents_are_named_in_every_way_and_found_once_each() {
    let provider = Provider::with_faults(&[]);
    let rows = format!(
        "agent,to\nhotel,+12025550101\nHotel,+12025550102\nhair salon,+12025550103\n{},+12025550104\n{},+12025550105\n",
        provider.agent(2),
        provider.agent(0)
    );
    let ran = place_with(&provider, "calls.csv", &rows).run(&[BATCH, &["--json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut agents: Vec<(u64, String)> = ran
        .objects()
        .iter()
        .map(|object| (object["row"].as_u64().unwrap_or(0), object["agent"]["name"].as_str().unwrap_or("").to_owned()))
        .collect();
    agents.sort();
    let names: Vec<&str> = agents.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["Hotel", "Hotel", "Hair Salon", "Hair Salon", "Restaurant"]);
    let world = provider.world().lock();
    let lists = world.ledger().requests.iter().filter(|request| request.route == "GET /v1/convai/agents");
    assert_eq!(lists.count(), 1, "one list for all names");
}

#[test]
fn numbers_are_named_in_every_way() {
    let provider = Provider::with_numbers(2, &partyline_domain::ports::NumberProvider::Twilio);
    let second = provider.number(1).to_string();
    let rows = format!(
        "agent,to,number\nhotel,+12025550111,main\nhotel,+12025550112,{second}\nhotel,+12025550113,+1 202 555 0101\n\
         hotel,+12025550114,\n"
    );
    let place = place_with(&provider, "calls.csv", &rows);
    let ran = place.run(&[BATCH, &["--json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut used: Vec<(u64, String)> = ran
        .objects()
        .iter()
        .map(|object| {
            let number = object["number"]["phone_number_id"].as_str().unwrap_or("").to_owned();
            (object["row"].as_u64().unwrap_or(0), number)
        })
        .collect();
    used.sort();
    let (main, used): (_, Vec<&str>) =
        (provider.number(0).to_string(), used.iter().map(|(_, number)| number.as_str()).collect());
    assert_eq!(used, [main.as_str(), &second, &second, &main]);
    let ran = place.run(&[BATCH, &["--number", "phnum with blank"]].concat());
    assert!(ran.code == 2 && ran.stderr.contains("no alias, no phone number and no id"), "{}", ran.stderr);
}

#[test]
fn numbers_that_are_set_up_differently_are_not_mixed() {
    let provider = Provider::with_numbers(2, &partyline_domain::ports::NumberProvider::Twilio);
    let place = place_with(&provider, "calls.csv", "agent,to\nhotel,+12025550111\n");
    let second = format!("[numbers.second]\nid = \"{}\"\nafter_call = \"restore\"\n", provider.number(1));
    place.write("partyline.toml", &format!("{}{second}", provider.settings_file()));
    let ran = place.run(BATCH);
    assert!(ran.code == 2 && ran.stderr.contains("the numbers main, second are set up differently"), "{}", ran.stderr);
    for more in [&["--number", "second"][..], &["--after-call", "keep"]] {
        let ran = place.run(&[BATCH, more].concat());
        assert_eq!(ran.code, 0, "{more:?}: {}", ran.stderr);
    }
}
