//! The key and whole phone numbers stay where they belong, however loud the log is. (Every run of every test is
//! checked for the same; these make sure that the loudest ones are among them.)

mod common;

use common::{CALLEE, KEY, Place, Provider, Ran};
use partyline_fake_adapter::WorldConfig;
use partyline_fake_adapter::world::AgentSpec;
use serde_json::json;

#[test]
fn the_loudest_log_holds_neither_key_nor_whole_number() {
    for faults in [&[][..], &["dial:504-after:1"], &["dial:refused-with-conversation:1"], &["any:401:*"]] {
        let provider = Provider::with_faults(faults);
        let place = Place::with(&provider);
        let arguments = ["call", "restaurant", "--to", CALLEE, "--lookup-window", "10ms", "-vvv"];
        for more in [&[][..], &["--log-format", "json"], &["--json"]] {
            let ran = place.run(&[&arguments[..], more].concat());
            assert!(ran.stderr.contains("agent_verification"), "the log is on:\n{}", ran.stderr);
        }
    }
}

#[test]
fn a_key_in_strange_places_is_not_repeated() {
    let place = Place::empty().env("ELEVENLABS_API_KEY", KEY);
    for (file, arguments) in [
        (format!("[provider]\nbase_url = \"https://user:{KEY}@host\"\n"), &["agents"][..]),
        (format!("[agents]\nhotel = \"sk_{KEY}\"\n"), &["agents"]),
        (format!("[call]\nproof = \"{KEY}\"\n"), &["numbers"]),
        (format!("[call\n{KEY}\n"), &["doctor"]),
    ] {
        place.write("partyline.toml", &file);
        assert_eq!(place.run(arguments).code, 2, "{file}");
    }
    let place = Place::empty().env("ELEVENLABS_API_KEY", KEY).env("PARTYLINE_PROOF", KEY);
    assert_eq!(place.run(&["agents"]).code, 2);
}

#[test]
fn whole_numbers_are_data() {
    let provider = Provider::with_faults(&[]);
    let ran = Place::with(&provider).run(&["call", "restaurant", "--to", CALLEE]);
    assert!(ran.stdout.contains(CALLEE) && ran.stdout.contains("+12025550100"), "{}", ran.stdout);
}

/// Runs it as quiet and as loud as can be, each run checked for whole numbers on stderr.
fn in_every_voice(place: &Place, arguments: &[&str], code: i32) -> Vec<Ran> {
    let voices = [&[][..], &["--json"], &["-vvv"], &["--log-format", "json"], &["--log-format", "json", "-vvv"]];
    let run = |more: &[&str]| {
        let ran = place.run(&[arguments, more].concat());
        assert_eq!(ran.code, code, "{arguments:?} {more:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("2025550"), "a whole number:\n{}", ran.stderr.replace("example +1202", ""));
        ran
    };
    voices.into_iter().map(run).collect()
}

#[test]
fn a_number_without_its_country_is_no_id() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider);
    for number in ["2025550100", "202-555-0100", "(202) 555 0100", "+1(0)2025550100"] {
        let call = ["call", "hotel", "--to", CALLEE, "--number", number];
        let runs = [&["numbers", "assign", number, "hotel"][..], &["numbers", "release", number], &call]
            .map(|arguments| place.run(arguments));
        for ran in &runs {
            assert_eq!(ran.code, 2, "{number}: {}", ran.stderr);
        }
        let ran = place.run(&[&call[..], &["--log-format", "json", "-vvv"]].concat());
        assert_eq!((ran.code, ran.events()), (2, vec!["call_attempt".to_owned(), "call_failed".to_owned()]));
    }
    let ran = shows!("number_without_country", place.run(&["numbers", "assign", "2025550100", "hotel"]));
    assert_eq!((ran.code, provider.assigned(0), provider.dials()), (2, None, 0));
    // What is configured is an alias, however it looks.
    place.write("partyline.toml", &provider.settings_file().replace("numbers.main", "numbers.2025550100"));
    assert_eq!(place.run(&["numbers", "assign", "2025550100", "hotel"]).code, 0);
}

#[test]
fn a_number_as_a_variable_is_not_repeated() {
    let arguments = ["call", "hotel", "--to", CALLEE, "--sandbox", "--var", "cb:number=+12025550199"];
    let place = Place::empty();
    assert_eq!(shows!("number_as_variable", place.run(&arguments)).code, 2);
    assert!(!place.run(&[&arguments[..], &["--json"]].concat()).stdout.contains("2025550199"), "nor as data");
}

#[test]
fn a_number_in_a_label_a_name_or_a_user_id_is_masked() {
    let mut config = WorldConfig::sandbox();
    config.agents = ["Hotline 2025550111", "+12025550123", "+12025550123"].map(AgentSpec::named).to_vec();
    config.numbers[0].label = "front desk +1 202 555 0100".to_owned();
    let provider = Provider::of(config);
    let place = Place::with(&provider);
    for ran in in_every_voice(&place, &["call", "hotel", "--to", CALLEE, "--number", "+12025550177"], 4) {
        assert!(ran.stderr.contains("front desk +1***0100"), "{}", ran.stderr);
    }
    for ran in in_every_voice(&place, &["call", "restaurant", "--to", CALLEE], 0) {
        assert!(ran.stderr.contains("Hotline 20***0111"), "{}", ran.stderr);
    }
    let named = Place::without_file(&provider);
    for ran in in_every_voice(&named, &["call", "+12025550123", "--to", CALLEE], 2) {
        assert!(ran.stderr.contains("2 agents are named") && ran.stderr.contains("+1***0123"), "{}", ran.stderr);
    }
    shows!("number_as_ambiguous_agent", named.run(&["call", "+12025550123", "--to", CALLEE]));
    let object = place.run(&["call", "restaurant", "--to", CALLEE, "--json"]).json();
    assert_eq!(object["agent"]["name"], json!("Hotline 2025550111"), "data is whole");
}

#[test]
fn a_number_as_user_id_is_masked() {
    let provider = Provider::with_faults(&["dial:504-before:*"]);
    let place = Place::with(&provider);
    let arguments = ["call", "hotel", "--to", CALLEE, "--lookup-window", "10ms", "--user-id", "+12025550123"];
    for ran in in_every_voice(&place, &arguments, 6) {
        assert!(ran.stderr.contains("the call carries the user id +1***0123"), "{}", ran.stderr);
    }
}

#[test]
fn ids_are_whole_in_every_voice() {
    let provider = Provider::with_faults(&[]);
    let ran = Place::with(&provider).run(&["call", "hotel", "--to", CALLEE, "--log-format", "json", "--json"]);
    let (object, log) = (ran.json(), ran.log());
    let last = log.last().expect("logged");
    for id in ["call_id", "conversation_id"] {
        assert_eq!(last[id], object[id], "{id}");
    }
    let initiated = log.iter().find(|line| line["event"] == json!("call_initiated")).expect("logged");
    assert_eq!(initiated["provider_call_id"], object["provider_call_id"]);
    assert_eq!(log[0]["agent_id"], object["agent"]["agent_id"]);
    assert_eq!(log[0]["phone_number_id"], object["number"]["phone_number_id"]);
}
