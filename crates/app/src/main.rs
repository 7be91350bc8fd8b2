//! Partyline on the command line. `compose` is the only module that chooses adapters, `printer` the only one that
//! prints, `env_vars` the only one that reads the environment.

mod app;
mod cli;
mod commands;
mod compose;
mod env_vars;
mod errors;
mod events;
mod exit;
mod logging;
mod mask;
mod printer;
mod resolve;
mod settings;
mod signals;
mod system;
mod text;
mod when;

use std::process::ExitCode;

fn main() -> ExitCode {
    app::run().into()
}
