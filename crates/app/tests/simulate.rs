//! `partyline simulate`: what it prints, and how it ends.

mod common;

use common::Place;
use serde_json::json;

#[test]
fn the_scenarios_are_listed() {
    let ran = Place::empty().run(&["simulate", "--list"]);
    assert_eq!(ran.code, 0);
    for name in ["S1 ", "S6/16 ", "S9b/k4 ", "S10/c64 ", "S12/crash ", "S14 "] {
        assert!(ran.stdout.lines().any(|line| line.starts_with(name)), "{name}: {}", ran.stdout);
    }
    let ran = Place::empty().run(&["simulate", "--list", "--json"]);
    assert_eq!(ran.json()[0]["scenario"], json!("S1"));
}

#[test]
fn figures_stand_beside_their_bounds() {
    let ran = Place::empty().run(&["simulate", "--scenario", "S1", "--strategy", "partyline", "--seed", "1", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let figures = ran.json();
    for name in [
        "requests",
        "requests_safety",
        "assignments",
        "misroutes",
        "double_dials",
        "lost",
        "makespan_s",
        "wait_p50_s",
        "wait_p99_s",
        "wait_max_s",
        "overtaking_max",
        "utilisation",
    ] {
        assert!(figures[name].is_number(), "{name}: {figures}");
    }
    assert_eq!(figures["requests"], json!(1025));
    assert_eq!(figures["requests_bound"], json!(1025));
    assert_eq!(figures["assignments"], figures["assignments_bound"]);
    assert_eq!(figures["makespan_s"], json!(21.25));
    assert_eq!(figures["makespan_s_bound"], json!(21.25));
    assert_eq!((&figures["misroutes"], &figures["lost"]), (&json!(0), &json!(0)));
    assert_eq!((&figures["met"], &figures["violation"]), (&json!(true), &json!(null)));
}

#[test]
fn people_see_a_table() {
    let ran = Place::empty().run(&["simulate", "--scenario", "s1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("simulate_s1", ran.stdout));
}

#[test]
fn a_seed_gives_the_same_bytes() {
    let run = |seed| Place::empty().run(&["simulate", "--scenario", "S4", "--seed", seed, "--json"]).stdout;
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7"), run("8"));
}

#[test]
fn several_seeds_have_a_spread() {
    let arguments = ["simulate", "--scenario", "S10/c2", "--strategy", "script", "--seeds", "3", "--json"];
    let figures = Place::empty().run(&arguments).json();
    assert_eq!(figures["seeds"], json!([1, 2, 3]));
    assert!(figures["misroutes_half_width"].as_f64().is_some_and(|half_width| half_width > 0.0), "{figures}");
    assert_eq!(figures["strategy"], json!("script"));
}

#[test]
fn what_does_not_exist_is_refused() {
    let ran = Place::empty().run(&["simulate", "--scenario", "S99"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("no scenario"), "{}", ran.stderr);
    assert_eq!(Place::empty().run(&["simulate"]).code, 2);
}

#[test]
fn failovers_are_run_by_the_core_alone() {
    let ran = Place::empty().run(&["simulate", "--scenario", "S12/release", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // One line: one strategy.
    let figures = ran.json();
    assert_eq!((&figures["scenario"], &figures["strategy"]), (&json!("S12/release"), &json!("partyline")));
    assert_eq!((&figures["misroutes"], &figures["failovers"]), (&json!(0), &json!(100)));
    assert_eq!((&figures["met"], &figures["targets"][0]["metric"]), (&json!(true), &json!("takeover_free_max_s")));
    let ran = Place::empty().run(&["simulate", "--scenario", "S12/release", "--strategy", "mutex"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert!(ran.stderr.contains("only `partyline`"), "{}", ran.stderr);
    let ran = Place::empty().run(&["simulate", "--scenario", "S12/release", "--plot", "failover.svg"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("cannot be drawn"), "{}", ran.stderr);
}

#[test]
fn a_run_can_be_drawn() {
    let place = Place::empty();
    let file = place.path().join("run.svg");
    let path = file.to_str().expect("a plain path");
    let ran = place.run(&["simulate", "--scenario", "S10/c4", "--plot", path]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let drawing = fs_err::read_to_string(&file).expect("it was written");
    assert!(drawing.starts_with("<svg") && drawing.trim_end().ends_with("</svg>"), "{drawing:.200}");
    assert!(["script", "mutex", "cached", "partyline"].iter().all(|name| drawing.contains(name)));
    let ran = place.run(&["simulate", "--scenario", "S10", "--plot", path]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("S10/c2, S10/c4"), "{}", ran.stderr);
}

#[test]
fn a_storm_is_told_in_a_few_lines() {
    let storm = ["simulate", "--seeds", "2", "--faults", "F1,F2", "--calls", "10"];
    let ran = Place::empty().run(&storm);
    assert!(ran.stdout.contains("2 seeds from 1, faults F1,F2"), "{} {}", ran.stdout, ran.stderr);
    let of_programs = Place::empty().run(&[&storm[..], &["--json"]].concat());
    assert_eq!(of_programs.json()["seeds"], json!(2));
    assert_eq!(Place::empty().run(&storm).stdout, ran.stdout);
    let ran = Place::empty().run(&["simulate", "--faults", "F99"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
}
