//! The key and whole phone numbers stay where they belong, however loud the log is. (Every run of every test is
//! checked for the same; these make sure that the loudest ones are among them.)

mod common;

use common::{CALLEE, KEY, Place, Provider};

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
