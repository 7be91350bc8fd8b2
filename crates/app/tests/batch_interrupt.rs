//! Ctrl-C in a batch: once to stop starting, twice to leave.
#![cfg(unix)]

mod common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::time::Duration;

use common::{Place, Provider};
use serde_json::json;

const BATCH: &[&str] = &["batch", "calls.csv", "--max-in-flight-per-number", "1", "--json", "--out", "results.csv"];
const UNSHARED: &[&str] = &["--store", "memory"];

fn place(provider: &Provider) -> Place {
    let place = Place::with(provider);
    let rows = ["01", "02", "03", "04", "05", "06"].map(|last| format!("hotel,+120255501{last}\n"));
    place.write("calls.csv", &format!("agent,to\n{}", rows.concat()));
    place
}

#[expect(clippy::disallowed_methods, reason = "waits for another process, without a runtime")]
fn wait_until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[expect(clippy::disallowed_methods, reason = "gives another process time, without a runtime")]
fn pause() {
    std::thread::sleep(Duration::from_millis(100));
}

#[test]
fn once_finishes_what_is_open_and_starts_nothing_more() {
    for signal in ["-INT", "-TERM"] {
        let provider = Provider::with_faults(&["dial:slow-300ms:*"]);
        let place = place(&provider);
        let child = place.spawn(&[BATCH, UNSHARED].concat());
        wait_until(|| provider.dials() == 2);
        common::send(&child, signal);
        let ran = place.finish(child);
        assert_eq!(ran.code, 130, "{}", ran.stderr);
        assert!(ran.stderr.contains("interrupted: nothing more is dialled"), "{}", ran.stderr);
        let objects = ran.objects();
        let initiated = objects.iter().filter(|object| object["state"] == json!("initiated")).count();
        let stopped = objects.iter().filter(|object| object["reason"] == json!("shut_down")).count();
        assert_eq!((initiated, stopped, objects.len()), (provider.dials(), 6 - provider.dials(), 6), "{}", ran.stdout);
        let results = fs_err::read_to_string(place.path().join("results.csv")).expect("written");
        assert_eq!(results.lines().count(), 7, "each row is in the file: {results}");
        assert_eq!(results.matches("shut_down").count(), stopped, "{results}");
    }
}

#[test]
fn twice_leaves_and_says_what_is_in_doubt() {
    for more in [UNSHARED, &[]] {
        twice_leaves(more);
    }
}

fn twice_leaves(more: &[&str]) {
    let provider = Provider::with_faults(&["dial:hang-after:*@1"]);
    let place = place(&provider);
    let mut child = place.spawn(&[BATCH, more].concat());
    wait_until(|| provider.dials() == 2);
    common::send(&child, "-INT");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut said = String::new();
    while !said.contains("interrupt again to leave now") {
        assert!(stderr.read_line(&mut said).expect("readable") > 0, "ended too early:\n{said}");
    }
    common::send(&child, "-INT");
    stderr.read_to_string(&mut said).expect("readable");
    let ran = place.finish(child);
    assert_eq!((ran.code, provider.dials()), (6, 2), "{said}");
    assert!(said.contains("nobody knows whether 1 call was placed"), "{said}");
    assert!(said.contains("line 3: left in doubt"), "{said}");
    let objects = ran.objects();
    let of = |row: u64| objects.iter().find(|object| object["row"] == json!(row)).expect("each row has one");
    assert_eq!((&of(2)["state"], &of(3)["dialed"]), (&json!("initiated"), &json!("unknown")), "{}", ran.stdout);
    assert_eq!(objects.len(), 6, "{}", ran.stdout);
}

#[test]
fn before_anything_is_dialled_nothing_is() {
    let provider = Provider::with_faults(&["agents:slow-30s:*"]);
    let place = place(&provider);
    place.write("calls.csv", "agent,to\nHair Salon,+12025550101\n");
    let child = place.spawn(&["batch", "calls.csv"]);
    wait_until(|| provider.world().lock().requests() > 0);
    common::send(&child, "-INT");
    let ran = place.finish(child);
    assert_eq!((ran.code, provider.dials()), (130, 0), "{}", ran.stderr);
}

#[test]
fn a_reader_who_does_not_read_holds_up_no_call_and_no_signal() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider);
    // More than a pipe holds: about half a kilobyte for each call.
    let rows = (0..400).map(|row| format!("hotel,+120255501{:02}\n", row % 90));
    place.write("calls.csv", &format!("agent,to\n{}", rows.collect::<String>()));
    let mut child = place.spawn(&["batch", "calls.csv", "--json", "--allow-duplicates"]);
    wait_until(|| provider.dials() == 400);
    // What was answered has still to be written down; an interruption now would leave that in doubt.
    for _ in 0..10 {
        pause();
    }
    for _ in 0..100 {
        if child.try_wait().expect("it can be asked").is_some() {
            break;
        }
        common::send(&child, "-INT");
        pause();
    }
    assert!(child.try_wait().expect("it can be asked").is_some(), "it ends although nobody has read its stdout");
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("readable");
    assert!(said.contains("400 initiated"), "{said}");
}
