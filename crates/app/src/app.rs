//! From the command line to an exit code.

use std::io::Write as _;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};

use crate::cli::{Cli, Command, GlobalArgs, LogFormat};
use crate::commands;
use crate::commands::stored::Stored;
use crate::compose::World;
use crate::env_vars::{self, Environment};
use crate::errors::AppError;
use crate::exit::Exit;
use crate::logging;
use crate::mask::masked;
use crate::printer::Printer;
use crate::settings::{Flags, Settings};
use crate::signals::Signals;
use crate::system::SystemClock;
use crate::text::{clean_lines, shortened};

/// Does what the command line says.
pub(crate) fn run() -> Exit {
    let clock = SystemClock::new();
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    let environment = Environment::of_process();
    let log_format = match log_format(&cli.global, &environment) {
        Ok(log_format) => log_format,
        Err(error) => {
            Printer::new(false, LogFormat::Text, Arc::new(clock)).error(&error);
            return error.exit;
        }
    };
    let printer = Printer::new(cli.command.wants_json(), log_format, Arc::new(clock));
    let outcome = logging::start(log_format, cli.global.verbose, &environment, clock)
        .and_then(|()| runtime(&cli.command))
        .map(|runtime| runtime.block_on(Box::pin(execute(&cli, &environment, &printer, clock))));
    let exit = outcome.unwrap_or_else(|error| {
        // Logging may be what failed.
        Printer::new(false, LogFormat::Text, Arc::new(clock)).error(&error);
        error.exit
    });
    match printer.lost() {
        Some(why) => unwritten(exit, why, &printer),
        None => exit,
    }
}

/// The command has done its work, but what it had to say has not reached anybody.
fn unwritten(exit: Exit, why: &str, printer: &Printer) -> Exit {
    let exit = if exit == Exit::Success { Exit::Unexpected } else { exit };
    let error = AppError::unexpected(format!("the result could not be written to stdout: {why}"));
    printer.error(&AppError { exit, ..error });
    exit
}

fn parse() -> Result<Cli, clap::Error> {
    let command = Cli::command().after_long_help(env_vars::help());
    Cli::from_arg_matches(&command.try_get_matches()?)
}

/// Help and version go to stdout, refusals to stderr, without the phone numbers that they may repeat.
fn refused(error: &clap::Error) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return Exit::Success;
    }
    let plain = error.render().to_string();
    let fit = without_long_arguments(clean_lines(&plain));
    let hidden = masked(&fit);
    if hidden == plain {
        let _ = error.print();
    } else {
        let _ = anstream::stderr().write_all(hidden.as_bytes());
    }
    Exit::Usage
}

/// What clap repeats of the arguments, shortened.
fn without_long_arguments(text: String) -> String {
    let arguments = std::env::args_os().skip(1).filter_map(|argument| argument.into_string().ok());
    arguments.fold(text, |text, argument| {
        let value = argument.split_once('=').map(|(_, value)| clean_lines(value));
        [Some(clean_lines(&argument)), value].into_iter().flatten().fold(text, |text, long| {
            let short = shortened(&long);
            if short == long { text } else { text.replace(&long, &short) }
        })
    })
}

fn log_format(global: &GlobalArgs, environment: &Environment) -> Result<LogFormat, AppError> {
    match (global.log_format, environment.get(env_vars::PARTYLINE_LOG_FORMAT)) {
        (Some(format), _) => Ok(format),
        (None, None | Some("text")) => Ok(LogFormat::Text),
        (None, Some("json")) => Ok(LogFormat::Json),
        (None, Some(_)) => Err(AppError::usage(
            "configuration",
            format!("environment variable `{}`: expected `text` or `json`", env_vars::PARTYLINE_LOG_FORMAT),
        )),
    }
}

/// One thread; the emulator alone, which many clients may use at once, gets one for each processor.
fn runtime(command: &Command) -> Result<tokio::runtime::Runtime, AppError> {
    let mut builder = match command {
        Command::Emulate(_) => tokio::runtime::Builder::new_multi_thread(),
        Command::Call(_)
        | Command::Batch(_)
        | Command::Agents(_)
        | Command::Numbers(_)
        | Command::Calls(_)
        | Command::Export(_)
        | Command::Purge(_)
        | Command::Doctor(_)
        | Command::Simulate(_)
        | Command::Completions { .. } => tokio::runtime::Builder::new_current_thread(),
    };
    let failed = |why| AppError::unexpected(format!("the runtime could not be started: {why}"));
    builder.enable_all().build().map_err(failed)
}

async fn execute(cli: &Cli, environment: &Environment, printer: &Printer, clock: SystemClock) -> Exit {
    let global = &cli.global;
    let flags = Flags {
        config: global.config.as_deref(),
        base_url: global.base_url.as_deref(),
        store: global.store.as_deref(),
    };
    let settings = || Settings::load(flags, environment);
    match &cli.command {
        Command::Call(args) => Box::pin(commands::call::run(args, settings(), printer, clock)).await,
        Command::Batch(args) => told(Box::pin(commands::batch::run(args, settings(), printer, clock)).await, printer),
        Command::Doctor(_) => commands::doctor::run(settings(), printer, clock).await,
        Command::Completions { shell } => commands::completions::run(*shell, printer),
        Command::Emulate(args) => told(commands::emulate::run(args, printer).await, printer),
        Command::Simulate(args) => told(commands::simulate::run(args, printer), printer),
        Command::Calls(_) | Command::Export(_) | Command::Purge(_) | Command::Numbers(_) | Command::Agents(_) => {
            told(Box::pin(manage(&cli.command, settings(), printer, clock)).await, printer)
        }
    }
}

/// The commands that place no call, but for one that is placed once more.
async fn manage(
    command: &Command,
    settings: Result<Settings, AppError>,
    printer: &Printer,
    clock: SystemClock,
) -> Result<Exit, AppError> {
    match command {
        Command::Calls(args) => commands::stored::run(Stored::Calls(args), settings, printer, clock).await,
        Command::Export(args) => commands::stored::run(Stored::Export(args), settings, printer, clock).await,
        Command::Purge(args) => commands::stored::run(Stored::Purge(args), settings, printer, clock).await,
        Command::Numbers(args) => commands::numbers::run(args, settings, printer, clock).await,
        Command::Agents(_)
        | Command::Call(_)
        | Command::Batch(_)
        | Command::Doctor(_)
        | Command::Emulate(_)
        | Command::Simulate(_)
        | Command::Completions { .. } => {
            let work = async {
                let settings = settings?;
                let world = World::connect(&settings, clock)?;
                commands::agents::run(&settings, &world, printer).await
            };
            Signals::listen()?.unless_interrupted("nothing was changed", work).await
        }
    }
}

fn told(outcome: Result<Exit, AppError>, printer: &Printer) -> Exit {
    outcome.unwrap_or_else(|error| {
        printer.error(&error);
        error.exit
    })
}
