//! The verbs of the repository: `cargo xtask tidy | ci | sdk-setup | readme-command`.

mod sdk;

use std::io::Write as _;
use std::process::{Command, ExitCode};

use xtask::{readme, repository};

const USAGE: &str = "\
usage: cargo xtask <verb>

  tidy                     check the rules of the repository that no compiler knows
  ci                       everything CI checks (.ci/run)
  sdk-setup                a Python environment with the official SDK, for tests/tests/sdk.rs
  readme-command <block>   print the commands of the README's shell block of that number, from 1
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["tidy"] => tidy(),
        ["ci"] => ci(),
        ["sdk-setup"] => sdk::set_up(&repository::root()).map(|python| format!("{}\n", python.display())),
        ["readme-command", block] => readme_command(block),
        _ => Err(USAGE.to_owned()),
    };
    // Whoever closed the pipe does not want to read on.
    match outcome {
        Ok(text) => {
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(text) => {
            let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
            ExitCode::FAILURE
        }
    }
}

fn tidy() -> Result<String, String> {
    let findings = repository::check(&repository::root())?;
    if findings.is_empty() {
        return Ok("tidy\n".to_owned());
    }
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    Err(format!("{}\n{} findings", lines.join("\n"), lines.len()))
}

fn ci() -> Result<String, String> {
    let root = repository::root();
    let status = Command::new(root.join(".ci/run")).current_dir(&root).status();
    match status {
        Ok(status) if status.success() => Ok(String::new()),
        Ok(status) => Err(format!(".ci/run failed ({status})")),
        Err(error) => Err(format!(".ci/run did not start: {error}")),
    }
}

fn readme_command(block: &str) -> Result<String, String> {
    let page = fs_err::read_to_string(repository::root().join("README.md")).map_err(|error| error.to_string())?;
    let blocks = readme::command_blocks(&page);
    let index = block.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    match index.and_then(|index| blocks.get(index)) {
        Some(commands) if !commands.is_empty() => Ok(format!("{}\n", commands.join("\n"))),
        Some(_) | None => Err(format!("README.md has {} shell blocks, and none is number {block}", blocks.len())),
    }
}
