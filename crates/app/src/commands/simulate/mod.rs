//! `partyline simulate`: the core through the scenarios of its design, on a virtual clock.

mod args;
mod storm;
mod text;

use std::path::Path;

use partyline_simulation::plot::{self, StrategyBar};
use partyline_simulation::{Checks, Metric, Options, Report, Scenario, Strategy};
use serde::Serialize;

use crate::errors::AppError;
use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) use args::SimulateArgs;

/// A scenario in JSON.
#[derive(Serialize)]
struct Row<'a> {
    scenario: String,
    title: &'a str,
}

/// Runs scenarios. Ends well when they ran to their ends without breaking an invariant, whether or not the targets
/// were met.
///
/// # Errors
/// A scenario that does not exist, and a plot that could not be written.
pub(crate) fn run(args: &SimulateArgs, printer: &Printer) -> Result<Exit, AppError> {
    if args.list {
        list(printer);
        return Ok(Exit::Success);
    }
    if let Some(faults) = &args.faults {
        return storm::run(faults, args, printer);
    }
    let scenarios = wanted(args.scenario.as_deref().unwrap_or_default())?;
    if let (Some(_), [_, _, ..]) = (&args.plot, scenarios.as_slice()) {
        let names: Vec<String> = scenarios.iter().map(Scenario::name).collect();
        let error = AppError::usage("several_scenarios", "a plot shows one scenario, and these are several");
        return Err(error.hint(format!("choose one of {}", names.join(", "))));
    }
    if let (Some(_), [only]) = (&args.plot, scenarios.as_slice())
        && only.failover.is_some()
    {
        return Err(AppError::usage("no_timeline", "a scenario of many failovers cannot be drawn"));
    }
    let mut broken = false;
    for (place, scenario) in scenarios.iter().enumerate() {
        if place > 0 && !printer.is_json() {
            printer.raw("");
        }
        let reports = reports(scenario, args, printer);
        if let Some(path) = &args.plot {
            draw(path, &reports)?;
        }
        broken |= reports.iter().any(|report| report.violation.is_some());
    }
    if broken {
        printer.warn("an invariant was broken");
    }
    Ok(if broken { Exit::Unexpected } else { Exit::Success })
}

fn wanted(name: &str) -> Result<Vec<Scenario>, AppError> {
    if name.eq_ignore_ascii_case("all") {
        return Ok(partyline_simulation::all());
    }
    let found = partyline_simulation::find(name);
    if found.is_empty() {
        let error = AppError::usage("unknown_scenario", format!("there is no scenario \"{name}\""));
        return Err(error.hint("list them with `partyline simulate --list`"));
    }
    Ok(found)
}

/// Runs one scenario and prints it.
fn reports(scenario: &Scenario, args: &SimulateArgs, printer: &Printer) -> Vec<Report> {
    let checks = if args.unchecked { Checks::Off } else { Checks::Invariants };
    let options = Options { checks, timeline: args.plot.is_some(), ..Options::default() };
    let seeds = args.seeds();
    let report = |strategy: Strategy| {
        let report = Report::new(scenario, strategy, &seeds, options);
        if printer.is_json() {
            printer.object(&report);
        }
        report
    };
    let strategies = args.strategies().into_iter().filter(|strategy| scenario.is_run_by(*strategy));
    let reports: Vec<Report> = strategies.map(report).collect();
    if reports.is_empty() {
        printer.note(&format!("{}: only `partyline` hands numbers over", scenario.name()));
    } else if !printer.is_json() {
        printer.raw(&text::table(scenario, &reports));
    }
    reports
}

/// The timeline of the strategy that is judged, or of the last one, and all of them compared.
fn draw(path: &Path, reports: &[Report]) -> Result<(), AppError> {
    let judged = reports.iter().find(|report| report.strategy == Strategy::Partyline).or(reports.last());
    let timeline = judged.and_then(|report| report.timeline.clone()).unwrap_or_default();
    let mean = |report: &Report, metric| report.figures.get(&metric).map_or(0.0, |figure| figure.mean);
    let bar = |report: &Report| StrategyBar {
        strategy: report.strategy.as_str().to_owned(),
        makespan_s: mean(report, Metric::MakespanS),
        requests_per_call: mean(report, Metric::RequestsPerCall),
        misroutes: mean(report, Metric::Misroutes),
    };
    let bars: Vec<StrategyBar> = reports.iter().map(bar).collect();
    let failed = |why| AppError::usage("unwritable", format!("the plot could not be written: {why}"));
    fs_err::write(path, plot::svg(&timeline, &bars)).map_err(failed)
}

fn list(printer: &Printer) {
    let scenarios = partyline_simulation::all();
    if printer.is_json() {
        let rows: Vec<Row<'_>> =
            scenarios.iter().map(|scenario| Row { scenario: scenario.name(), title: scenario.title }).collect();
        printer.object(&rows);
        return;
    }
    printer.raw(&text::list(&scenarios));
}
