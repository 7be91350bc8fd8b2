//! Several processes on a store in a PostgreSQL server, as on several machines.
#![cfg(unix)]

mod common;

use std::collections::BTreeSet;
use std::process::Child;
use std::time::Duration;

use common::{CALLEE, KEY, Place, Provider};
use partyline_tests::postgres;
use serde_json::json;

const SHORT: &str =
    "[store]\nlease = \"1s\"\nlateness = \"1s\"\n[provider]\ndial_margin = \"200ms\"\n[call]\nringing_timeout = 1\n";

fn place(provider: &Provider, address: &str) -> Place {
    let place = Place::with(provider).env("PARTYLINE_STORE", address);
    place.write("partyline.toml", &format!("{SHORT}{}", provider.settings_file()));
    place
}

#[expect(clippy::disallowed_methods, reason = "waits for another process, without a runtime")]
fn wait_until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn nobody_twice_and_nobody_wrong(provider: &Provider) -> usize {
    let world = provider.world().lock();
    assert_eq!(world.ledger().misroutes().count(), 0, "the right agent for each");
    let callees: BTreeSet<_> = world.ledger().dials.iter().map(|dial| dial.to).collect();
    assert_eq!(callees.len(), world.ledger().dials.len(), "nobody twice");
    callees.len()
}

fn ten(place: &Place) {
    let agents = ["hotel", "restaurant", "hairdresser"];
    let rows = (0..10).map(|row| format!("{},+120255501{row:02}\n", agents[row % 3]));
    place.write("calls.csv", &format!("agent,to\n{}", rows.collect::<String>()));
}

#[test]
fn three_calls_for_three_agents_at_once_all_reach_theirs() {
    let Some(server) = postgres::shared() else { return };
    let provider = Provider::with_faults(&["any:slow-20ms:*"]);
    let place = place(&provider, &server.database());
    let spawn = |(index, agent): (usize, &&str)| {
        place.spawn(&["call", agent, "--to", &format!("+1202555011{index}"), "--json"])
    };
    let children: Vec<Child> = ["restaurant", "hotel", "hairdresser"].iter().enumerate().map(spawn).collect();
    for (index, child) in children.into_iter().enumerate() {
        let ran = place.finish(child);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(ran.json()["agent"]["agent_id"], json!(provider.agent(index).as_str()));
    }
    assert_eq!(nobody_twice_and_nobody_wrong(&provider), 3);
}

#[test]
fn a_batch_that_is_killed_is_gone_on_with() {
    let Some(server) = postgres::shared() else { return };
    let provider = Provider::with_faults(&["dial:slow-200ms:*"]);
    let place = place(&provider, &server.database());
    ten(&place);
    let child = place.spawn(&["batch", "calls.csv", "--max-in-flight-per-number", "1"]);
    wait_until(|| provider.dials() >= 3);
    common::send(&child, "-KILL");
    assert!(child.wait_with_output().expect("ends").status.code().is_none());
    let ran = place.run(&["batch", "resume", "--out", "all.csv"]);
    assert!([0, 6].contains(&ran.code), "{}", ran.stderr);
    let dialled = nobody_twice_and_nobody_wrong(&provider);
    let results = fs_err::read_to_string(place.path().join("all.csv")).expect("written");
    let unknown = results.matches(",unknown,").count();
    assert!(unknown <= 1 && dialled + unknown >= 10, "{dialled} dialled:\n{results}");
}

#[test]
fn a_batch_outlives_the_server() {
    let Ok(programs) = postgres::programs() else { return };
    let server = postgres::PostgresServer::start(&programs, postgres::Durability::Hasty).expect("a server");
    let provider = Provider::with_faults(&["dial:slow-100ms:*"]);
    let place = place(&provider, &server.database());
    ten(&place);
    let child = place.spawn(&["batch", "calls.csv", "--max-in-flight-per-number", "1"]);
    wait_until(|| provider.dials() >= 3);
    server.restart().expect("it comes back");
    let ran = place.finish(child);
    assert_eq!((ran.code, nobody_twice_and_nobody_wrong(&provider)), (0, 10), "{}", ran.stderr);
}

#[test]
fn a_server_that_cannot_be_used_is_said_without_its_password() {
    let Some(server) = postgres::shared() else { return };
    let provider = Provider::with_faults(&[]);
    let address = server.database().replace("postgres://postgres@", "postgres://nobody:s3cr3t-word@");
    let place = place(&provider, &address);
    let ran = place.run(&["call", "hotel", "--to", CALLEE]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("check address, user and password"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("s3cr3t") && !ran.stderr.contains(KEY), "{}", ran.stderr);
    assert_eq!(provider.world().lock().requests(), 0);
}
