//! Storms of real processes on one store, over a real emulator: they are SIGKILLed and stopped at random, the provider
//! fails, and the server of the store is restarted. Nothing is lost, nobody is called twice, and no other agent speaks.
//!
//! A storm says its seed and its schedule, which are seen where it fails. `PARTYLINE_STORM_SEED` replays a seed: the
//! schedule and the faults are the same then, the processes' own timing is not.
#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;

mod chance;
mod house;
mod plan;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use house::House;
use partyline_tests::postgres::{self, Durability, PostgresServer};
use plan::{Plan, Weather};

const ROUGH: Weather = Weather {
    lasts: Duration::from_secs(12),
    keyed: 2,
    unkeyed: 1,
    rows: 36,
    calls: 6,
    pauses: 25,
    faults: true,
    server: false,
};

/// A whole storm. Its processes really were killed, or nothing is shown.
fn weather(seed: u64, weather: Weather, server: Option<PostgresServer>) {
    let mut house = House::of(Plan::of(chance::seed(seed), weather), server.map(Arc::new));
    house.storm();
    house.calm();
    house.judge();
    assert!(house.kills > 0, "nobody was killed");
}

#[test]
fn a_storm_on_sqlite() {
    weather(1, ROUGH, None);
}

#[test]
fn a_storm_on_postgres_with_a_restart_of_the_server() {
    let Some(server) = postgres::required(Durability::Hasty) else { return };
    weather(2, Weather { server: true, ..ROUGH }, Some(server));
}

#[test]
fn a_batch_that_is_killed_again_and_again_dials_each_row_once() {
    let calm = Weather { keyed: 0, rows: 60, calls: 0, pauses: 0, faults: false, ..ROUGH };
    weather(3, Weather { lasts: Duration::from_secs(8), ..calm }, None);
}

#[test]
fn a_process_that_was_stopped_and_wakes_up_late_does_no_harm() {
    let rows = Weather { lasts: Duration::from_secs(9), keyed: 0, rows: 40, calls: 0, faults: false, ..ROUGH };
    let mut house = House::of(Plan::of(chance::seed(4), Weather { unkeyed: 0, ..rows }), None);
    house.sleeper();
    house.judge();
}
