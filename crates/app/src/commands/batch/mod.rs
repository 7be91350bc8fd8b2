//! `partyline batch`: many calls from a file to their ends. With a store, they outlive the process.

mod desk;
mod drive;
mod dry_run;
mod input;
mod lookup;
mod output;
mod plan;
mod progress;
mod results;
mod resume;
mod spool;
mod status;
mod stored;
mod tally;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use partyline_domain::ports::Clock as _;
use partyline_domain::{BatchId, Known, LinePolicy, RingingTimeout};

use crate::cli::{BatchArgs, BatchCommand, PaceArgs};
use crate::compose::{OpenStore, Sandbox, World};
use crate::errors::AppError;
use crate::events::CallLog;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::resolve::Resolver;
use crate::settings::{CallChoices, Limits, Settings};
use crate::signals::Signals;
use crate::system::SystemClock;
use desk::Desk;
use drive::{Row, RowsByCall, Run};
use input::{Problem, Rows};
use lookup::Found;
use output::RowOutput;
use plan::Planned;
use progress::{Names, Progress};
use results::Results;
use stored::{HandingIn, Options, Serving, Stored};

pub(super) use input::expiry;

use super::call::{NOT_DIALLED, SANDBOX};

/// How many bad rows are listed at most.
const PROBLEMS_MAX: usize = 50;
/// Agents that are asked about within this time share one request.
const VERIFY_WINDOW: Duration = Duration::from_millis(10);

/// Places the calls of a file, or sees to a batch that was handed in.
///
/// # Errors
/// 2 where nothing was dialled because of the file or the arguments, and whatever a failed look-up leads to.
pub(crate) async fn run(
    args: &BatchArgs,
    settings: Result<Settings, AppError>,
    printer: &Printer,
    clock: SystemClock,
) -> Result<Exit, AppError> {
    match &args.command {
        None => place_file(args, settings, printer, clock).await,
        Some(BatchCommand::Resume(args)) => Box::pin(resume::run(args, &settings?, printer, clock)).await,
        Some(BatchCommand::Status { id, .. }) => status::run(id.as_deref(), &settings?, printer, clock).await,
        Some(BatchCommand::Cancel { id, .. }) => status::cancel(id.as_deref(), &settings?, printer, clock).await,
    }
}

async fn place_file(
    args: &BatchArgs,
    settings: Result<Settings, AppError>,
    printer: &Printer,
    clock: SystemClock,
) -> Result<Exit, AppError> {
    // Before signals are listened to: nothing is lost where reading stdin is interrupted.
    let mut rows = input::read(args.file(), args.format, clock.now().wall)?;
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
    let open = OpenStore::open(&settings, clock, "batch", printer).await?;
    let mut signals = Signals::listen()?;
    let resolver =
        Resolver { provider: world.provider(), settings: &settings, host: world.host(), clock: world.clock() };
    let wanted = plan::wanted(&rows.all, args.skip_invalid);
    let look_up = lookup::find(&resolver, args.number.as_deref(), &wanted);
    let found = signals.unless_interrupted(NOT_DIALLED, look_up).await;
    let found = found.map_err(|error| first(&rows, args, printer, error))?;
    check(&mut rows, &found, args, printer)?;
    let left_out = std::mem::take(&mut rows.problems);
    let calls = plan::calls(rows.all, &found, &flags(args), &settings, world.ids())?;
    if open.is_none() && calls.iter().any(|call| call.key.is_some()) {
        return Err(AppError::usage("no_store", "the column `key` needs a store, and there is none to remember it")
            .effect(NOT_DIALLED)
            .hint("leave `--store memory` and `--sandbox` out, or the column"));
    }
    let mut results = args.out.as_deref().map(|out| Results::create(out, Some(args.file()))).transpose()?;
    if let Some(results) = &mut results {
        results.leave_out(&left_out);
    }
    let placing =
        Placing { pace: &args.pace, sandbox: args.sandbox, world: &world, settings: &settings, printer, results };
    let exit = match &open {
        Some(open) => Box::pin(placing.store(open, args.file(), calls, found, &mut signals)).await,
        None => placing.place(calls, found, &mut signals).await,
    };
    if let Some(open) = open {
        open.close().await;
    }
    exit
}

/// What the calls of a batch are placed with.
struct Placing<'a> {
    pace: &'a PaceArgs,
    sandbox: bool,
    world: &'a World,
    settings: &'a Settings,
    printer: &'a Printer,
    results: Option<Results>,
}

impl Placing<'_> {
    fn log(&self) -> CallLog {
        let elapsed = self.printer.clone();
        CallLog::new(self.world.request_counter(), Box::new(move || elapsed.elapsed_ms()), self.sandbox)
    }

    /// Places calls that nobody else knows of.
    async fn place(self, calls: Vec<Planned>, found: Found, signals: &mut Signals) -> Result<Exit, AppError> {
        let rows = rows_of(&calls);
        let progress = Progress::new(self.printer, calls.len(), names(self.settings, &calls, &found.known));
        let limits = limits(self.pace);
        let policy = line_policy(&self.world.line_policy(limits), self.pace, calls.len());
        let run = Run { ports: self.world.ports(limits), known: found.known, policy, log: self.log() };
        let mut desk = Desk::new(self.printer, &progress, self.world.host(), rows, self.results);
        let interrupted = drive::run(run, calls, &mut desk, &progress, signals).await?;
        Ok(desk.conclude(interrupted, self.world.requests()))
    }

    /// Hands calls in to the store, and places them.
    async fn store(
        self,
        open: &OpenStore,
        file: &Path,
        calls: Vec<Planned>,
        found: Found,
        signals: &mut Signals,
    ) -> Result<Exit, AppError> {
        let clock = self.world.clock();
        let batch = BatchId::parse(self.world.ids().run_id().as_str()).map_err(|why| {
            AppError::unexpected(format!("no id could be made for the batch: {why}")).effect(NOT_DIALLED)
        })?;
        let numbers = calls.iter().flat_map(|call| call.request.numbers.iter().cloned()).collect();
        let stored = Stored { open, clock, batch, numbers };
        let rows = rows_of(&calls);
        let progress = Progress::new(self.printer, calls.len(), names(self.settings, &calls, &found.known));
        let options = Options::new(self.pace, calls.iter().map(|call| call.line));
        let ringing = calls.iter().map(|call| call.request.options.ringing_timeout).max().unwrap_or_default();
        let log = self.log();
        let mut desk = Desk::new(self.printer, &progress, self.world.host(), rows, self.results);
        let keyed = stored::hand_in(&stored, HandingIn { file, options, calls }, signals).await?;
        for earlier in &keyed.going_on {
            self.printer.note(&format!("the batch {earlier} was held up and goes on: its rows were handed in again"));
        }
        let earlier = keyed.replayed.iter().map(|(_, earlier)| earlier.clone()).collect();
        for (own, earlier) in keyed.replayed {
            desk.replay(&own, earlier);
        }
        for (own, earlier) in keyed.taken {
            let message = format!("its key belongs to the call {earlier}, which asks for something else");
            desk.refuse_call(&own, "key_taken", &message);
        }
        let run = shared_run(self.world, open, self.pace, ringing, found.known, log);
        let own = desk.open().cloned().collect();
        let going_on = keyed.going_on;
        let serving = Serving { run, stored: &stored, own, earlier, going_on, printer: self.printer };
        let interrupted = stored::serve(serving, &mut desk, &progress, signals).await?;
        stored.tell_left(&mut desk, self.printer).await;
        stored::leave_off(&mut desk, interrupted, signals).await;
        Ok(desk.conclude(interrupted, self.world.requests()))
    }
}

/// What the calls of a stored batch are placed with, where the longest rings so long at most.
fn shared_run(
    world: &World,
    open: &OpenStore,
    pace: &PaceArgs,
    ringing: RingingTimeout,
    known: Known,
    log: CallLog,
) -> Run {
    let limits = limits(pace);
    let policy = line_policy(&world.shared_policy(ringing, limits), pace, 0);
    Run { ports: world.shared_ports(open, limits), known, policy, log }
}

fn rows_of(calls: &[Planned]) -> RowsByCall {
    calls.iter().map(|call| (call.request.id.clone(), Row::new(call.line, Arc::clone(&call.agent)))).collect()
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
    plan::refuse_same_keys(rows);
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
fn line_policy(usual: &LinePolicy, pace: &PaceArgs, calls: usize) -> LinePolicy {
    LinePolicy {
        calls_max: usual.calls_max.max(calls),
        in_flight_max: pace.max_in_flight_per_number.unwrap_or(usual.in_flight_max),
        look_ahead: pace.look_ahead.unwrap_or(usual.look_ahead),
        verify_window: VERIFY_WINDOW,
        ..*usual
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
