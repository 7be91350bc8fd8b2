//! `partyline completions`: the completion script of a shell, on stdout.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::printer::Printer;

/// Prints the script.
pub(crate) fn run(shell: Shell, printer: &Printer) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "partyline", &mut script);
    printer.raw(String::from_utf8_lossy(&script).trim_end());
    Exit::Success
}
