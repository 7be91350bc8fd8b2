//! What others wrote does not steer the terminal, and what cannot be written is not passed over in silence.

mod common;

use common::{CALLEE, Place, Provider};
use partyline_fake_adapter::WorldConfig;
use partyline_fake_adapter::world::AgentSpec;

const NASTY: &str = "Hotel\u{1b}[2J\u{9b}31m\nerror: fake\tx";

fn nasty() -> Provider {
    let mut config = WorldConfig::sandbox();
    config.agents = [NASTY, "Bar", "Desk"].map(AgentSpec::named).to_vec();
    config.numbers[0].label = format!("Label {NASTY}");
    Provider::of(config)
}

fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !c.is_control()) && !text.lines().any(|line| line.starts_with("error: fake"))
}

#[test]
fn names_and_labels_are_one_line_each() {
    let provider = nasty();
    let place = Place::with(&provider);
    for arguments in [
        &["agents"][..],
        &["numbers"],
        &["doctor"],
        &["call", "restaurant", "--to", CALLEE],
        &["call", "restaurant", "--to", CALLEE, "--dry-run"],
        &["call", NASTY, "--to", CALLEE, "-vv"],
        &["call", "nobody\u{1b}[2J\nerror: fake", "--to", CALLEE],
        &["call", "hotel", "--to", CALLEE, "--number", "phnum_gone"],
        &["call", "hotel", "--to", CALLEE, "--assignment", "x\u{1b}[2J\nerror: fake"],
        &["numbers", "assign", "main", "restaurant"],
        &["numbers", "release", "main"],
    ] {
        let ran = place.run(arguments);
        assert!(is_harmless(&ran.stdout), "{arguments:?}: {:?}", ran.stdout);
        if !arguments.contains(&"--assignment") {
            assert!(is_harmless(&ran.stderr), "{arguments:?}: {:?}", ran.stderr);
        }
        assert!(!ran.stderr.contains('\u{1b}'), "{arguments:?}: {:?}", ran.stderr);
    }
    let ran = place.run(&["agents"]);
    assert!(ran.stdout.contains(r"Hotel\u{1b}[2J\u{9b}31m\nerror: fake\tx"), "{}", ran.stdout);
    assert_eq!(ran.stdout.lines().count(), 4, "{}", ran.stdout);
    let agents = place.run(&["agents", "--json"]).json();
    assert!(agents.to_string().contains("fake"), "{agents}");
    assert_eq!(agents[0]["name"], serde_json::json!(NASTY), "JSON is whole");
}

#[test]
fn a_long_argument_is_shortened() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider);
    let long = "x".repeat(5000);
    for arguments in [
        &["call", &long, "--to", CALLEE][..],
        &["call", "hotel", "--to", CALLEE, "--proof", &long],
        &["call", "hotel", "--to", CALLEE, &format!("--proof={long}")],
        &["call", "hotel", "--to", CALLEE, "--override", &format!("{long}=x")],
    ] {
        let ran = place.run(arguments);
        assert!(ran.code == 2 || ran.code == 3, "{}", ran.stderr);
        assert!(ran.stderr.contains('…') && ran.stderr.len() < 2000, "{}", ran.stderr);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_result_that_cannot_be_written_is_told() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider);
    for more in [&[][..], &["--json"], &["--log-format", "json"]] {
        let ran = place.run_into("/dev/full", &[&["call", "hotel", "--to", CALLEE][..], more].concat());
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains("the result could not be written to stdout"), "{}", ran.stderr);
        assert!(ran.stderr.contains("initiated: conv_"), "the outcome is told all the same: {}", ran.stderr);
    }
    assert_eq!(place.run_into("/dev/full", &["agents"]).code, 1);
    let ran = place.run_into("/dev/full", &["call", "nobody", "--to", CALLEE, "--json"]);
    assert!(ran.code == 3 && ran.stderr.contains("no agent \"nobody\""), "{}", ran.stderr);
    assert_eq!(provider.dials(), 3);
}

#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider);
    let mut child = place.spawn(&["agents"]);
    drop(child.stdout.take());
    let ran = place.finish(child);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}
