//! `partyline batch`: many calls from a file to their ends.

mod desk;
mod drive;
mod dry_run;
mod input;
mod lookup;
mod output;
mod plan;
mod progress;
mod results;
mod spool;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use partyline_domain::ports::Clock as _;
use partyline_domain::{Known, LinePolicy};

use crate::cli::{BatchArgs, PaceArgs};
use crate::compose::{Sandbox, World};
use crate::errors::AppError;
use crate::events::CallLog;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::resolve::Resolver;
use crate::settings::{CallChoices, Limits, Settings};
use crate::signals::Signals;
use crate::system::SystemClock;
use desk::Desk;
use drive::{RowsByCall, Run};
use input::{Problem, Rows};
use lookup::Found;
use output::RowOutput;
use plan::Planned;
use progress::{Names, Progress};
use results::Results;

pub(super) use input::expiry;

use super::call::{NOT_DIALLED, SANDBOX};

/// How many bad rows are listed at most.
const PROBLEMS_MAX: usize = 50;
/// Agents that are asked about within this time share one request.
const VERIFY_WINDOW: Duration = Duration::from_millis(10);

/// Places the calls of a file.
///
/// # Errors
/// 2 where nothing was dialled because of the file or the arguments, and whatever a failed look-up leads to.
pub(crate) async fn run(
    args: &BatchArgs,
    settings: Result<Settings, AppError>,
    printer: &Printer,
    clock: SystemClock,
) -> Result<Exit, AppError> {
    // Before signals are listened to: nothing is lost where reading stdin is interrupted.
    let mut rows = input::read(&args.file, args.format, clock.now().wall)?;
    for doubt in &rows.doubts {
        printer.warn(doubt);
    }
    let settings = settings?;
    let sandbox = if args.sandbox { Some(Sandbox::start().await?) } else { None };
    let settings = match &sandbox {
        Some(sandbox) => {
            // The log says it in the first event of each call, which a dry run has not.
            if args.dry_run || !printer.logs_json() {
                printer.note(SANDBOX);
            }
            sandbox.settings(settings)?
        }
        None => settings,
    };
    if args.dry_run {
        return dry_run::run(args, rows, &settings, printer, clock);
    }
    let world = World::connect(&settings, clock).map_err(|error| first(&rows, args, printer, error))?;
    let mut signals = Signals::listen()?;
    let resolver =
        Resolver { provider: world.provider(), settings: &settings, host: world.host(), clock: world.clock() };
    let wanted = plan::wanted(&rows.all, args.skip_invalid);
    let look_up = lookup::find(&resolver, args.number.as_deref(), &wanted);
    let found = signals.unless_interrupted(NOT_DIALLED, look_up).await;
    let found = found.map_err(|error| first(&rows, args, printer, error))?;
    check(&mut rows, &found, args, printer)?;
    let left_out = rows.problems;
    let calls = plan::calls(rows.all, &found, &flags(args), &settings, world.ids())?;
    let results = args.out.as_deref().map(|out| Results::create(out, &args.file)).transpose()?;
    place(args, calls, &left_out, found, results, &resolver, &world, printer, &mut signals).await
}

#[expect(clippy::too_many_arguments, reason = "one caller, which has just made each of them")]
async fn place(
    args: &BatchArgs,
    calls: Vec<Planned>,
    left_out: &[Problem],
    found: Found,
    mut results: Option<Results>,
    resolver: &Resolver<'_>,
    world: &World,
    printer: &Printer,
    signals: &mut Signals,
) -> Result<Exit, AppError> {
    if let Some(results) = &mut results {
        results.leave_out(left_out);
    }
    let rows: RowsByCall =
        calls.iter().map(|call| (call.request.id.clone(), (call.line, Arc::clone(&call.agent)))).collect();
    let progress = Progress::new(printer, calls.len(), names(resolver.settings, &calls, &found.known));
    let mut desk = Desk::new(printer, &progress, world.host(), rows, results);
    let elapsed = printer.clone();
    let log = CallLog::new(world.request_counter(), Box::new(move || elapsed.elapsed_ms()), args.sandbox);
    let policy = line_policy(world.line_policy(limits(&args.pace)), &args.pace, calls.len());
    let ports = world.ports(limits(&args.pace));
    let run = Run { ports, known: found.known, policy, log };
    let interrupted = drive::run(run, calls, &mut desk, &progress, signals).await?;
    Ok(desk.conclude(interrupted, world.requests()))
}

/// What to say where agents and numbers cannot be looked up: what is wrong with the rows in any case comes first.
fn first(rows: &Rows, args: &BatchArgs, printer: &Printer, error: AppError) -> AppError {
    if args.skip_invalid { error } else { settle(rows, false, printer).err().unwrap_or(error) }
}

/// Checks the rows against what was found, and against each other.
///
/// # Errors
/// Exit code 2, unless bad rows are left out and others remain.
fn check(rows: &mut Rows, found: &Found, args: &BatchArgs, printer: &Printer) -> Result<(), AppError> {
    plan::refuse_unknown(rows, found);
    if !args.allow_duplicates {
        plan::refuse_duplicates(rows, args.skip_invalid);
    }
    settle(rows, args.skip_invalid, printer)
}

/// Lists what is wrong with the rows.
///
/// # Errors
/// Exit code 2, unless bad rows are left out and others remain.
fn settle(rows: &Rows, skip_invalid: bool, printer: &Printer) -> Result<(), AppError> {
    if rows.problems.is_empty() {
        return Ok(());
    }
    if printer.is_json() {
        for (line, error) in input::by_row(&rows.problems) {
            printer.object(&RowOutput::not_taken(line, error));
        }
    }
    let good = rows.all.iter().filter(|row| row.draft.is_some()).count();
    let bad = rows.all.len() - good;
    let told = rows.problems.iter().take(PROBLEMS_MAX).map(Problem::told);
    let more = rows.problems.len().saturating_sub(PROBLEMS_MAX);
    let more = (more > 0).then(|| format!("and {more} more"));
    let lines = told.chain(more);
    if skip_invalid && good > 0 {
        printer.warn(&format!("{bad} of {} rows are left out:", rows.all.len()));
        lines.for_each(|line| printer.warn(&line));
        return Ok(());
    }
    let message = format!("{bad} of {} rows cannot be dialled", rows.all.len());
    let error = AppError::usage("invalid_rows", message).effect(NOT_DIALLED).details(lines);
    let duplicates = rows.problems.iter().any(|problem| problem.reason.starts_with("the same callee"));
    let error =
        if duplicates { error.hint("allow several rows for one callee with `--allow-duplicates`") } else { error };
    Err(if good > 0 { error.hint("correct them, or leave them out with `--skip-invalid`") } else { error })
}

/// What the flags choose.
fn flags(args: &BatchArgs) -> CallChoices {
    CallChoices {
        assignment: args.policies.assignment.map(Into::into),
        after_call: args.policies.after_call.map(Into::into),
        proof: None,
        lookup_window: args.policies.lookup_window,
        settle: args.policies.settle,
        ringing_timeout: args.ringing_timeout,
        recording: args.recording,
        dial_retry: args.policies.no_dial_retry.then_some(false),
        at_least_once: args.policies.at_least_once.then_some(true),
    }
}

fn limits(args: &PaceArgs) -> Limits {
    Limits {
        max_in_flight: args.max_in_flight,
        max_live: args.max_live,
        dials_per_second: args.dials_per_second,
        requests_per_second: args.requests_per_second,
    }
}

/// How numbers are used by a batch of so many calls.
fn line_policy(usual: LinePolicy, pace: &PaceArgs, calls: usize) -> LinePolicy {
    LinePolicy {
        calls_max: usual.calls_max.max(calls),
        in_flight_max: pace.max_in_flight_per_number.unwrap_or(usual.in_flight_max),
        look_ahead: pace.look_ahead.unwrap_or(usual.look_ahead),
        verify_window: VERIFY_WINDOW,
        ..usual
    }
}

/// Agents and numbers by the names that people gave them.
fn names(settings: &Settings, calls: &[Planned], known: &Known) -> Names {
    let mut names = Names::default();
    for planned in calls {
        if !names.agents.contains_key(&planned.request.agent) {
            names.agents.insert(planned.request.agent.clone(), planned.agent.to_string());
        }
    }
    let read = known.numbers.iter().map(|number| (number.id.clone(), number.caller_id.to_string()));
    let configured = settings.numbers.iter().map(|(alias, number)| (number.id.clone(), alias.clone()));
    names.numbers.extend(read.chain(configured));
    names
}
