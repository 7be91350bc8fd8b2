//! Ctrl-C: before the dial the call is withdrawn, after it the truth is looked up.
#![cfg(unix)]

mod common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::time::Duration;

use common::{CALLEE, Place, Provider};

#[test]
fn before_the_dial_nothing_is_dialled() {
    let provider = Provider::with_faults(&["any:slow-30s:*"]);
    let place = Place::with(&provider);
    let arguments = ["call", "restaurant", "--to", CALLEE, "-v"];
    let ran = place.run_and_signal(&arguments, "agent_verification", "-INT");
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(ran.stderr.contains("the call is withdrawn before it is dialled"), "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was dialled"), "{}", ran.stderr);
    assert_eq!(provider.dials(), 0);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "waits for another process, without a runtime")]
fn an_open_dial_is_looked_up() {
    let provider = Provider::with_faults(&["dial:hang-after:1"]);
    let place = Place::with(&provider);
    let arguments = ["call", "restaurant", "--to", CALLEE, "--lookup-window", "50ms", "--proof", "off"];
    let child = place.spawn(&arguments);
    while provider.dials() == 0 {
        std::thread::sleep(Duration::from_millis(2));
    }
    common::send(&child, "-TERM");
    let ran = shows!("interrupted_dial", place.finish(child));
    assert_eq!((ran.code, provider.dials()), (0, 1));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "waits for another process, without a runtime")]
fn a_second_signal_ends_the_looking() {
    let provider = Provider::with_faults(&["dial:hang-after:1"]);
    let place = Place::with(&provider);
    let mut child = place.spawn(&["call", "restaurant", "--to", CALLEE, "--json"]);
    while provider.dials() == 0 {
        std::thread::sleep(Duration::from_millis(2));
    }
    common::send(&child, "-INT");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut said = String::new();
    while !said.contains("looking whether") {
        assert!(stderr.read_line(&mut said).expect("readable") > 0, "ended too early:\n{said}");
    }
    common::send(&child, "-INT");
    let ran = place.finish(child);
    assert_eq!((ran.code, &ran.json()["dialed"]), (6, &serde_json::json!("unknown")));
}

#[test]
fn a_number_that_is_not_given_back_for_want_of_patience_is_told() {
    let provider = Provider::with_faults(&[]);
    provider.reassign(0, Some(1));
    let place = Place::with(&provider);
    let mut child = place.spawn(&["call", "restaurant", "--to", CALLEE, "--after-call", "restore", "--settle", "30s"]);
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut said = String::new();
    for text in ["the number is given back in", "interrupt again to give up"] {
        while !said.contains(text) {
            assert!(stderr.read_line(&mut said).expect("readable") > 0, "ended too early:\n{said}");
        }
        common::send(&child, "-INT");
    }
    stderr.read_to_string(&mut said).expect("readable");
    let ran = place.finish(child);
    assert_eq!((ran.code, provider.assigned(0)), (0, Some(provider.agent(0))), "{said}");
    let told = format!("the number was NOT given back: it should be answered by {}", provider.agent(1));
    assert!(ran.stdout.contains(&told), "{}", ran.stdout);
    assert!(said.contains("warning: the number was NOT given back"), "{said}");
}

#[test]
fn the_lists_of_an_error_message_can_be_interrupted() {
    for (fault, alias, code, missing) in [
        ("agents:slow-30s:*", "gone", 3, "the list of agents could not be read: interrupted"),
        ("numbers:slow-30s:*", "hotel", 4, "no phone number phnum_gone in this account"),
    ] {
        let provider = Provider::with_faults(&[fault]);
        let place = Place::with(&provider);
        let file = provider.settings_file().replace("hairdresser = \"", "gone = \"x");
        let id = provider.number(0).to_string();
        place.write("partyline.toml", &if code == 4 { file.replace(&id, "phnum_gone") } else { file });
        let ran = place.run_and_signal(&["call", alias, "--to", CALLEE, "-v"], "call_failed", "-INT");
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(ran.stderr.contains(missing), "{}", ran.stderr);
        assert!(!ran.stderr.contains("available"), "the list was not waited for:\n{}", ran.stderr);
    }
}

#[test]
fn the_emulator_serves_until_it_is_interrupted() {
    let place = Place::empty();
    let mut child = place.spawn(&["emulate", "--port", "0", "--agents", "2", "--key", "test-key-own"]);
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut said = String::new();
    while !said.contains("number  phnum_") {
        assert!(stdout.read_line(&mut said).expect("readable") > 0, "ended too early:\n{said}");
    }
    let line =
        |prefix: &str| said.lines().find_map(|line| line.trim().strip_prefix(prefix)).expect("printed").to_owned();
    let client = Place::empty()
        .env("ELEVENLABS_BASE_URL", &line("export ELEVENLABS_BASE_URL="))
        .env("ELEVENLABS_API_KEY", &line("export ELEVENLABS_API_KEY="));
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, replacement) in common::FILTERS {
        settings.add_filter(pattern, *replacement);
    }
    settings.bind(|| insta::assert_snapshot!("emulate", said));
    let agents = client.run(&["agents", "--json"]).json();
    assert_eq!(agents.as_array().map(Vec::len), Some(2));
    assert_eq!(client.run(&["call", "Hotel", "--to", CALLEE]).code, 0);
    common::send(&child, "-INT");
    assert!(child.wait().expect("ends").success());
}

#[test]
fn an_emulator_that_cannot_be_made() {
    let place = Place::empty();
    assert_eq!(shows!("emulate_bad_fault", place.run(&["emulate", "--fault", "dial:sneeze"])).code, 2);
    assert_eq!(shows!("emulate_bad_provider", place.run(&["emulate", "--provider", "pigeon"])).code, 2);
    assert_eq!(shows!("emulate_many_numbers", place.run(&["emulate", "--numbers", "1000"])).code, 2);
}

#[test]
fn a_lost_terminal_is_an_interruption() {
    let provider = Provider::with_faults(&["any:slow-30s:*"]);
    let place = Place::with(&provider);
    // Where these tests run under `nohup`, the program does too, and means to outlive its terminal.
    let signals: &[&str] = if outlives_its_terminal() { &["-INT"] } else { &["-HUP", "-INT"] };
    for signal in signals {
        let arguments = ["call", "restaurant", "--to", CALLEE, "-v", "--json"];
        let ran = place.run_and_signal(&arguments, "agent_verification", signal);
        assert_eq!(ran.code, 130, "{}", ran.stderr);
        assert!(ran.stderr.contains("nothing was dialled"), "{}", ran.stderr);
        assert!(ran.stderr.contains("reason=cancelled"), "{}", ran.stderr);
    }
    assert_eq!(provider.dials(), 0);
}

/// Whether this process, and so the ones it starts, ignore the loss of their terminal (signal 1, the lowest bit).
fn outlives_its_terminal() -> bool {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & 1 == 1))
}

#[test]
fn an_interrupted_assignment_may_have_changed_the_number() {
    let provider = Provider::with_faults(&["assign:hang-after:*"]);
    let place = Place::with(&provider);
    let mut child = place.spawn(&["call", "restaurant", "--to", CALLEE, "--json"]);
    wait_until(|| provider.assigned(0).is_some());
    common::send(&child, "-INT");
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("readable");
    let ran = place.finish(child);
    assert_eq!((ran.code, &ran.json()["reason"]), (130, &serde_json::json!("cancelled")));
    assert!(said.contains("interrupted before the dial; the number may have been assigned all the same"), "{said}");
    assert!(said.contains("see who answers the number with `partyline numbers`"), "{said}");
}

#[test]
fn an_interruption_while_the_number_is_given_back_says_so() {
    let provider = Provider::with_faults(&["dial:504-before:1", "assign:slow-30s:*@1"]);
    provider.reassign(0, Some(1));
    let place = Place::with(&provider);
    let arguments = ["call", "restaurant", "--to", CALLEE, "--after-call", "restore", "--lookup-window", "0s"];
    let mut child = place.spawn(&arguments);
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut said = String::new();
    for text in ["outcome unknown", "the number is being given back (interrupt again to give up)"] {
        while !said.contains(text) {
            assert!(stderr.read_line(&mut said).expect("readable") > 0, "ended too early:\n{said}");
        }
        common::send(&child, "-INT");
    }
    stderr.read_to_string(&mut said).expect("readable");
    assert_eq!(place.finish(child).code, 6, "{said}");
}

#[expect(clippy::disallowed_methods, reason = "waits for another process, without a runtime")]
fn wait_until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn an_emulator_s_key_is_one_word() {
    let place = Place::empty();
    for key in ["", "two words", "a\nb", "\u{7}"] {
        let ran = place.run(&["emulate", "--port", "0", "--key", key]);
        assert!(ran.code == 2 && ran.stderr.contains("`--key`: expected"), "{}", ran.stderr);
    }
    let mut child = place.spawn(&["emulate", "--port", "0", "--host", "0.0.0.0", "--key", "a$(b)'c"]);
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut said = String::new();
    while !said.contains("ELEVENLABS_API_KEY") {
        assert!(stdout.read_line(&mut said).expect("readable") > 0, "ended too early:\n{said}");
    }
    common::send(&child, "-INT");
    assert!(child.wait().expect("ends").success());
    assert!(said.contains(r"export ELEVENLABS_API_KEY='a$(b)'\''c'"), "{said}");
    assert!(said.contains("export ELEVENLABS_BASE_URL=http://127.0.0.1:"), "{said}");
}
