//! The Python environment with the official SDK.

use std::path::{Path, PathBuf};
use std::process::Command;

const REQUIREMENTS: &str = "tests/python/requirements.txt";
const ENVIRONMENT: &str = "target/sdk-venv";
/// Debian's Python comes without what `venv` needs.
const DEBIAN_PACKAGES: &[&str] = &["python3", "python3-venv"];

/// Makes the environment where it is not there yet, and says where its Python is.
pub(crate) fn set_up(root: &Path) -> Result<PathBuf, String> {
    let environment = root.join(ENVIRONMENT);
    let python = environment.join("bin/python");
    let stamp = environment.join("requirements.txt");
    let wanted = fs_err::read_to_string(root.join(REQUIREMENTS)).map_err(|error| error.to_string())?;
    if fs_err::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let make = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment));
    make().or_else(|first| {
        install_python().map_err(|second| format!("{first}\n{second}"))?;
        make()
    })?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(root.join(REQUIREMENTS)))?;
    fs_err::write(&stamp, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}

fn install_python() -> Result<(), String> {
    run(Command::new("apt-get").args(["--quiet", "update"]))?;
    run(Command::new("apt-get").args(["--quiet", "install", "--yes"]).args(DEBIAN_PACKAGES))
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|error| format!("{shown} did not run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said =
        String::from_utf8_lossy(if output.stderr.is_empty() { &output.stdout } else { &output.stderr }).into_owned();
    Err(format!("{shown} failed ({}): {}", output.status, said.trim()))
}
