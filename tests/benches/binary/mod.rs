//! The program itself, for benchmarks that run it as a process.

use std::path::PathBuf;
use std::process::{Command, Stdio};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Builds the binary in this profile (`release` = as it is released); cargo says where it put it.
///
/// # Panics
/// Where it cannot be built.
pub(crate) fn build(profile: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words = ["build", "--profile", profile, "--package", "partyline", "--bin", "partyline"];
    let mut command = Command::new(cargo);
    command.args(words).args(["--message-format", "json"]).current_dir(ROOT).stderr(Stdio::inherit());
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "the binary cannot be built");
    let messages = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let executable = messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    executable.expect("cargo has built a binary")
}
