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

use chance::Chance;
use house::House;
use partyline_tests::postgres::{self, Durability, PostgresServer};
use plan::{Job, Plan, Step, Way, Weather};

const ROUGH: Weather = Weather {
    lasts: Duration::from_secs(12),
    keyed: 2,
    unkeyed: 1,
    rows: 36,
    calls: 6,
    pauses: 25,
    interrupts: 20,
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
    let calm = Weather { keyed: 0, rows: 60, calls: 0, pauses: 0, interrupts: 0, faults: false, ..ROUGH };
    weather(3, Weather { lasts: Duration::from_secs(8), ..calm }, None);
}

/// Twice a process is stopped while its dials are open, for longer than its lease and than anything it has sent may take;
/// others take its numbers and its calls meanwhile. Then it wakes up.
fn sleeper(seed: u64, server: Option<PostgresServer>) {
    let quiet = Weather { lasts: Duration::ZERO, keyed: 0, rows: 90, calls: 6, faults: false, ..ROUGH };
    let seed = chance::seed(seed);
    let mut house = House::of(Plan::of(seed, quiet), server.map(Arc::new));
    let mut chance = Chance::of(seed);
    let batch = Job::Batch { index: 0, keyed: false };
    house.storm();
    house.act(Step::Start(batch, Way::Again));
    for round in 0..2 {
        house.await_dials(3, batch);
        house::pause(chance.between(0, 400));
        house.act(Step::Pause(batch));
        for index in 3 * round..3 * round + 3 {
            house.act(Step::Start(Job::Call { index }, Way::Again));
        }
        house::pause(Duration::from_secs(6));
        house.act(Step::Wake(batch));
    }
    house.calm();
    house.judge();
    assert!(house.pauses > 0, "nobody was stopped");
}

#[test]
fn a_process_that_wakes_up_late_does_no_harm() {
    sleeper(4, None);
}

#[test]
fn a_process_that_wakes_up_late_does_no_harm_on_postgres() {
    let Some(server) = postgres::required(Durability::Hasty) else { return };
    sleeper(5, Some(server));
}
