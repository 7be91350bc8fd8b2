//! What one `partyline call` costs as a whole process, beside the Python script that people use today.
//!
//! `cargo bench -p partyline-tests --bench process`
//!
//! The emulator runs in this process and is asked over HTTP on the loopback address. Wall time is measured around the
//! process, from before it is started until it has ended; peak memory in runs of its own under GNU time, since only
//! a small parent does not show in it. Nothing here fails because of a time: what is asserted is that each run did
//! what its row says.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

#[path = "../binary/mod.rs"]
mod binary;
mod subject;
mod table;

use std::time::Duration;

use partyline_domain::ports::NumberProvider;
use partyline_fake_adapter::emulator::Key;
use partyline_fake_adapter::world::Latency;
use partyline_fake_adapter::{Emulator, RunningEmulator, SharedWorld, World, WorldConfig};
use tokio::runtime::Runtime;

use subject::{KEY, Place, Subject};
use table::{Measured, Row};

/// The latency of every request, and how often each subject is run at it.
const PLAN: [(Duration, usize); 2] = [(Duration::ZERO, 15), (Duration::from_millis(250), 7)];
/// In how many runs the peak memory is looked for.
const MEMORY_RUNS: usize = 3;

fn main() {
    // Under `cargo test --all-targets` nothing is to be measured.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run me with `cargo bench -p partyline-tests --bench process`");
        return;
    }
    let runtime = Runtime::new().expect("a runtime");
    let place = Place::prepare();
    for why in place.missing() {
        println!("note: {why}");
    }
    for (latency, runs) in PLAN {
        let rows = measure(&runtime, &place, latency, runs);
        println!("\n{}", table::heading(latency, runs));
        println!("{}", table::text(&rows, latency));
    }
}

/// Runs every subject in turn, so that a busy moment of the machine meets all of them.
fn measure(runtime: &Runtime, place: &Place, latency: Duration, runs: usize) -> Vec<Row> {
    let emulator = emulator(runtime, latency);
    let subjects = place.subjects();
    let mut measured: Vec<_> = subjects.iter().map(|_| Measured::default()).collect();
    // The first round only warms the machine's caches up.
    for round in 0..=runs {
        for (subject, measured) in subjects.iter().zip(&mut measured) {
            let run = once(place, &emulator, subject, false);
            if round > 0 {
                measured.wall.push(run.wall);
                measured.inside.extend(run.inside);
            }
        }
    }
    if place.measures_memory() {
        for (subject, measured) in subjects.iter().zip(&mut measured) {
            let peaks = (0..MEMORY_RUNS).filter_map(|_| once(place, &emulator, subject, true).peak_bytes);
            measured.peak_bytes.extend(peaks);
        }
    }
    subjects.into_iter().zip(measured).map(|(subject, measured)| Row { subject, measured }).collect()
}

fn emulator(runtime: &Runtime, latency: Duration) -> RunningEmulator {
    let config = WorldConfig { latency: Latency::constant(latency), ..WorldConfig::of(3, 1, &NumberProvider::Twilio) };
    let world = SharedWorld::new(World::new(config));
    let started = async { Emulator::of(world, Some(Key::new(KEY)), "127.0.0.1:0").await.map(Emulator::spawn) };
    runtime.block_on(started).expect("a port is free")
}

/// One run, of which the emulator confirms that it did what the subject says.
fn once(place: &Place, emulator: &RunningEmulator, subject: &Subject, memory: bool) -> subject::Run {
    let now = || partyline_domain::ports::Clock::now(emulator.clock());
    let (wanted, requests, dials) = {
        let mut world = emulator.world().lock();
        let (agents, number) = (world.agent_ids(), world.number_ids()[0].clone());
        let before = if subject.assigned_before { &agents[0] } else { &agents[1] };
        world.reassign(&number, Some(before), now()).expect("agent and number are there");
        (agents[0].clone(), world.requests(), world.ledger().dials.len())
    };
    let run = place.run(subject, emulator, memory);
    let world = emulator.world().lock();
    assert_eq!(world.requests() - requests, subject.requests, "{}", subject.name);
    let dialled = &world.ledger().dials[dials..];
    assert_eq!(dialled.len(), 1, "{}", subject.name);
    assert!(dialled[0].requested == wanted && !dialled[0].is_misrouted(), "{}", subject.name);
    run
}
