//! `partyline simulate --faults`: the real driver while everything goes wrong that can.

use std::thread::available_parallelism;

use partyline_simulation::storm::{self, FaultSet, StormConfig};

use super::SimulateArgs;
use crate::errors::AppError;
use crate::exit::Exit;
use crate::printer::Printer;

/// Runs storms. Ends well when every invariant held.
///
/// # Errors
/// A fault that is not on the menu.
pub(super) fn run(faults: &str, args: &SimulateArgs, printer: &Printer) -> Result<Exit, AppError> {
    let faults: FaultSet =
        faults.parse().map_err(|why| AppError::usage("unknown_fault", format!("--faults: {why}")))?;
    let default = StormConfig::default();
    let report = storm::run(&StormConfig {
        first_seed: args.first_seed.or(args.seed).unwrap_or(default.first_seed),
        seeds: args.seeds.unwrap_or(default.seeds),
        faults,
        calls: args.calls.unwrap_or(default.calls),
        agents_max: args.agents.unwrap_or(default.agents_max),
        numbers_max: args.numbers.unwrap_or(default.numbers_max),
        processes_max: args.processes.unwrap_or(default.processes_max),
        checks: !args.unchecked,
        jobs: available_parallelism().map_or(1, usize::from),
        ..default
    });
    if printer.is_json() {
        printer.object(&report);
    } else {
        printer.raw(report.to_string().trim_end());
    }
    Ok(if report.is_clean() { Exit::Success } else { Exit::Unexpected })
}
