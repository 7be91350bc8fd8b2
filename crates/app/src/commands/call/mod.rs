//! `partyline call`: one call from the command line to its end.

mod dry_run;
mod inputs;
mod output;
mod shared;
mod steps;
mod verdict;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use partyline_domain::ports::{Clock as _, Ids as _, NewCall};
use partyline_domain::{
    AfterCall, CallId, CallReport, CallRequest, Driver, Known, Notice, Observer, PhoneNumber, Priority,
};

use crate::cli::CallArgs;
use crate::compose::{OpenStore, Sandbox, World};
use crate::errors::AppError;
use crate::events::{self, CallLog};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::resolve::{Resolved, Resolver};
use crate::settings::{Limits, Settings};
use crate::signals::Signals;
use crate::system::{SystemClock, UuidIds};
use inputs::Inputs;
use shared::{Placing, Session};
use steps::{Progress, Steps};

pub(super) use inputs::{TYPES, inferred};
pub(super) use output::{CallOutput, Sums, conversation, failed, provider_call_id};
pub(super) use verdict::message;

pub(super) const NOT_DIALLED: &str = "nothing was dialled";
pub(super) const SANDBOX: &str =
    "sandbox: the provider is emulated in this process; nothing leaves the machine, no phone rings";

/// How long a call waits at most for a process that dials it, where nothing else is said.
const EXPIRES: Duration = Duration::from_secs(60 * 60);

/// What is known of a call before the core has it, for the output of an early failure.
struct Early {
    call: Option<CallId>,
    to: Option<PhoneNumber>,
    requests: u32,
}

/// Places the call and says what came of it. Settings that could not be read are a failure of the call.
pub(crate) async fn run(
    args: &CallArgs,
    settings: Result<Settings, AppError>,
    printer: &Printer,
    clock: SystemClock,
) -> Exit {
    let mut early = Early { call: None, to: None, requests: 0 };
    match attempt(args, settings, printer, clock, &mut early).await {
        Ok(exit) => exit,
        Err(error) => {
            let elapsed_ms = printer.elapsed_ms();
            if let Some(call) = &early.call {
                let (agent, requests) = (&args.agent, early.requests);
                events::failed_early(call, agent, early.to, args.sandbox, &error, requests, elapsed_ms);
            }
            if printer.is_json() {
                let (call, to) = (early.call.as_ref(), early.to);
                let output = CallOutput::of_error(call, to, early.requests, elapsed_ms, &error);
                printer.object(&output);
            }
            printer.error(&error);
            error.exit
        }
    }
}

async fn attempt(
    args: &CallArgs,
    settings: Result<Settings, AppError>,
    printer: &Printer,
    clock: SystemClock,
    early: &mut Early,
) -> Result<Exit, AppError> {
    early.call = Some(UuidIds::new(clock)?.call_id());
    let inputs = Inputs::parse(args, clock.now().wall)?;
    early.to = Some(inputs.to);
    let settings = settings?;
    let sandbox = if args.sandbox { Some(Sandbox::start().await?) } else { None };
    let settings = match &sandbox {
        Some(sandbox) => {
            // The log says it in the call's first event, which a dry run has not.
            if args.dry_run || !printer.logs_json() {
                printer.note(SANDBOX);
            }
            sandbox.settings(settings)?
        }
        None => settings,
    };
    let world = World::connect(&settings, clock)?;
    let open = if args.dry_run { None } else { OpenStore::open(&settings, clock, "call", printer).await? };
    if open.is_none() && inputs.key.is_some() && !args.dry_run {
        return Err(AppError::usage("no_store", "`--idempotency-key` needs a store, and there is none to remember it")
            .effect(NOT_DIALLED)
            .hint("leave `--store memory` and `--sandbox` out"));
    }
    let mut signals = Signals::listen()?;
    let resolver =
        Resolver { provider: world.provider(), settings: &settings, host: world.host(), clock: world.clock() };
    let outcome = if args.dry_run {
        let work = dry_run::run(args, inputs, &resolver, &world, printer);
        signals.unless_interrupted(NOT_DIALLED, work).await
    } else {
        let work = resolver.both(&args.agent, args.number.as_deref());
        match signals.unless_interrupted(NOT_DIALLED, work).await {
            Ok(found) => {
                let place = place(args, inputs, found, &resolver, &world, open.as_ref(), printer, &mut signals, early);
                Box::pin(place).await
            }
            Err(error) => Err(error),
        }
    };
    early.requests = world.requests();
    if let Some(open) = open {
        open.close().await;
    }
    outcome
}

#[expect(clippy::too_many_arguments, reason = "one caller, which has just made each of them")]
async fn place(
    args: &CallArgs,
    inputs: Inputs,
    found: Resolved,
    resolver: &Resolver<'_>,
    world: &World,
    open: Option<&OpenStore>,
    printer: &Printer,
    signals: &mut Signals,
    early: &Early,
) -> Result<Exit, AppError> {
    tell_what_was_read(&found, printer);
    let settings = resolver.settings;
    let choices = settings.choices_of(&inputs::flags(args), &found.numbers)?;
    let key = inputs.key.clone();
    let request = CallRequest {
        id: early.call.clone().unwrap_or_else(|| world.ids().call_id()),
        agent: found.agent,
        numbers: found.numbers,
        to: inputs.to,
        priority: Priority::Normal,
        expires_at: inputs.expires_at.or_else(|| open.map(|_| world.clock().now().wall.after(EXPIRES))),
        options: inputs.options(&choices),
        policies: Arc::new(choices.policies()),
    };
    if choices.settle.is_some_and(|settle| !settle.is_zero()) && choices.policies().after_call == AfterCall::Keep {
        printer.note("`--settle` has no effect without `--after-call restore`: the number stays with the agent anyway");
    }
    let elapsed = printer.clone();
    let log = CallLog::new(world.request_counter(), Box::new(move || elapsed.elapsed_ms()), args.sandbox);
    if let Some(open) = open {
        let policy = world.shared_policy(request.options.ringing_timeout, Limits::default());
        let ports = world.shared_ports(open, Limits::default());
        let clock = world.clock();
        let placing = Placing { open, ports, policy, known: found.known, log, printer, clock };
        let new = NewCall { request, at: clock.now().wall, key, batch: None, repeats: None };
        return share(Session::start(placing, new), &args.agent, resolver, world, printer, signals).await;
    }
    let watcher = Arc::new(Watcher { log, steps: Steps::new(printer.clone(), &request) });
    let (report, interrupted) = drive(world, request, found.known, &watcher, signals, printer).await?;
    let sums = Sums { requests: Some(world.requests()), elapsed_ms: printer.elapsed_ms(), replayed: false };
    let heard = watcher.steps.heard();
    let interrupted = interruption_of(interrupted, signals);
    let error = verdict::error(&report, &heard, &args.agent, resolver, interrupted).await;
    conclude(&report, sums, error.as_ref(), printer);
    Ok(Exit::of_report(&report))
}

/// Places a call that repeats one of before.
///
/// # Errors
/// As `call` does.
pub(super) async fn again(
    new: NewCall,
    open: &OpenStore,
    resolver: &Resolver<'_>,
    world: &World,
    printer: &Printer,
    signals: &mut Signals,
) -> Result<Exit, AppError> {
    let clock = world.clock();
    let expires_at = Some(clock.now().wall.after(EXPIRES));
    let new = NewCall { request: CallRequest { expires_at, ..new.request }, ..new };
    let elapsed = printer.clone();
    let log = CallLog::new(world.request_counter(), Box::new(move || elapsed.elapsed_ms()), false);
    let policy = world.shared_policy(new.request.options.ringing_timeout, Limits::default());
    let ports = world.shared_ports(open, Limits::default());
    let agent = new.request.agent.to_string();
    let placing = Placing { open, ports, policy, known: Known::default(), log, printer, clock };
    share(Session::start(placing, new), &agent, resolver, world, printer, signals).await
}

/// Follows a call that goes through the store to its end, tells what came of it, and leaves.
async fn share(
    mut session: Session<'_>,
    agent: &str,
    resolver: &Resolver<'_>,
    world: &World,
    printer: &Printer,
    signals: &mut Signals,
) -> Result<Exit, AppError> {
    let over = match session.until_over(signals).await {
        Ok(over) => over,
        Err(error) => {
            session.leave(signals).await;
            return Err(error);
        }
    };
    let requests = Some(world.requests());
    let sums = Sums { requests, elapsed_ms: printer.elapsed_ms(), replayed: over.replayed };
    let heard = session.steps().heard();
    let interrupted = interruption_of(over.interrupted, signals);
    let verdict = verdict::error(&over.report, &heard, agent, resolver, interrupted);
    let error = session.meanwhile(verdict).await;
    conclude(&over.report, sums, error.as_ref(), printer);
    session.leave(signals).await;
    Ok(Exit::of_report(&over.report))
}

/// Ends at once where there was an interruption, else with the next one.
async fn interruption_of(interrupted: bool, signals: &mut Signals) {
    if !interrupted {
        signals.next().await;
    }
}

fn conclude(report: &CallReport, sums: Sums, error: Option<&AppError>, printer: &Printer) {
    let is_initiated = matches!(report.state, partyline_domain::flow::CallState::Initiated(_));
    if printer.is_json() {
        printer.object(&CallOutput::of_report(report, sums, error.map(|error| error.message.as_str())));
    } else if is_initiated {
        printer.data(&output::closing_line(report, sums));
    }
    if is_initiated && printer.lost().is_some() {
        printer.warn(&format!("told here, since stdout cannot be written: {}", output::closing_line(report, sums)));
    }
    for warning in verdict::warnings(report) {
        printer.warn(&warning);
    }
    if let Some(error) = error {
        printer.error(error);
    }
}

fn tell_what_was_read(found: &Resolved, printer: &Printer) {
    for agent in &found.known.agents {
        printer.step(&format!("agent found: {} ({})", agent.name, agent.id));
    }
    for number in &found.known.numbers {
        printer.step(&format!("number found: {} ({}, {})", number.caller_id, number.provider.as_str(), number.id));
    }
}

/// Hands the core's notices to the log and to people.
struct Watcher {
    log: CallLog,
    steps: Steps,
}

impl Observer for Watcher {
    fn notice(&self, notice: &Notice) {
        self.log.notice(notice);
        self.steps.notice(notice);
    }
}

/// Runs the core until the call has ended; a first signal interrupts it, a second one gives it up. Says also
/// whether there was one.
async fn drive(
    world: &World,
    request: CallRequest,
    known: Known,
    watcher: &Arc<Watcher>,
    signals: &mut Signals,
    printer: &Printer,
) -> Result<(CallReport, bool), AppError> {
    let observer: Arc<dyn Observer> = Arc::clone(watcher) as Arc<dyn Observer>;
    let (driver, handle) = Driver::new(world.ports(Limits::default()), world.line_policy(Limits::default()), observer);
    handle.know(known);
    let placed = handle.submit(request).map_err(|why| AppError::unexpected(why.to_string()))?;
    let mut report = Box::pin(placed.report());
    let mut running = Box::pin(driver.run());
    let mut handle = Some(handle);
    let mut ended = false;
    let mut interrupted = false;
    let lost = || AppError::unexpected("the dispatcher ended without a report");
    loop {
        tokio::select! {
            report = &mut report => {
                // Without handles the driver ends as soon as nothing is left to be done for the call.
                drop(handle.take());
                if !ended {
                    tokio::select! {
                        () = &mut running => {}
                        () = signals.next() => interrupted = true,
                    }
                }
                return report.map(|report| (report, interrupted)).ok_or_else(lost);
            }
            () = &mut running, if !ended => ended = true,
            () = signals.next() => {
                if let Some(handle) = &handle {
                    if interrupted {
                        handle.abandon();
                    } else {
                        handle.interrupt();
                        printer.warn(interruption(watcher.steps.progress()));
                    }
                }
                interrupted = true;
            }
        }
    }
}

fn interruption(progress: Progress) -> &'static str {
    match progress {
        Progress::NotDialled => "interrupted: the call is withdrawn before it is dialled",
        Progress::Dialling => {
            "interrupted while the dial was open: it cannot be taken back, so it is being looked up (interrupt again to give up)"
        }
        Progress::Over => {
            "interrupted: the dial is no longer waited for; the number is being given back (interrupt again to give up)"
        }
        Progress::Answered => "interrupted: the call is initiated already; finishing (interrupt again to give up)",
    }
}
