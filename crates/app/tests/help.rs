//! The help texts are an interface: every one of them is a snapshot.

mod common;

use common::Place;

#[test]
fn the_whole_program() {
    shows!("help", Place::empty().run(&["--help"]));
}

#[test]
fn every_command() {
    for (name, arguments) in [
        ("help_call", &["call", "--help"][..]),
        ("help_batch", &["batch", "--help"]),
        ("help_agents", &["agents", "--help"]),
        ("help_numbers", &["numbers", "--help"]),
        ("help_numbers_assign", &["numbers", "assign", "--help"]),
        ("help_calls", &["calls", "--help"]),
        ("help_calls_cancel", &["calls", "cancel", "--help"]),
        ("help_calls_redial", &["calls", "redial", "--help"]),
        ("help_export", &["export", "--help"]),
        ("help_purge", &["purge", "--help"]),
        ("help_doctor", &["doctor", "--help"]),
        ("help_emulate", &["emulate", "--help"]),
        ("help_simulate", &["simulate", "--help"]),
        ("help_completions", &["completions", "--help"]),
    ] {
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, Place::empty().run(arguments).shown()));
    }
}

#[test]
fn there_is_a_version() {
    let ran = Place::empty().run(&["--version"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, concat!("partyline ", env!("CARGO_PKG_VERSION"), "\n")));
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = Place::empty().run(&["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{shell}");
        assert!(ran.stdout.contains("--lookup-window") || ran.stdout.contains("lookup-window"), "{shell}");
    }
}

#[test]
fn commands_of_later_versions_do_not_exist() {
    let ran = Place::empty().run(&["serve"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("unrecognized subcommand"), "{}", ran.stderr);
}
