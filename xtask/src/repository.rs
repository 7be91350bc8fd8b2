//! The rules applied to the repository on disk. The only part of this package that runs programs and reads files.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Finding, content, layout, purity};

const ARCHITECTURE: &str = "docs/architecture.md";

/// Where the repository is: the folder above this package's.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Everything that is wrong with the repository at `root`.
///
/// # Errors
/// Says which program did not run or did not succeed, where that keeps a rule from being checked.
pub fn check(root: &Path) -> Result<Vec<Finding>, String> {
    let mut findings = purity::check(&domain_tree(root)?);
    let mut packages = Vec::new();
    for path in files(root)? {
        // What is no text (an image, a recording) or has just been deleted has no lines to check.
        let Ok(text) = fs_err::read_to_string(root.join(&path)) else { continue };
        findings.extend(content::check(&path, &text));
        if path == "src/lib.rs" || path.ends_with("/src/lib.rs") {
            findings.extend(layout::check_library(&path, &text));
        }
        if path == "Cargo.toml" || path.ends_with("/Cargo.toml") {
            packages.extend(layout::package_name(&text).map(str::to_owned));
        }
    }
    let page = fs_err::read_to_string(root.join(ARCHITECTURE)).ok();
    findings.extend(layout::check_architecture(ARCHITECTURE, page.as_deref(), &packages));
    Ok(findings)
}

/// The domain's dependency tree, as [`purity::check`] reads it.
///
/// # Errors
/// Says that `cargo tree` did not run or did not succeed.
pub fn domain_tree(root: &Path) -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    output(Command::new(cargo).args(purity::TREE_ARGUMENTS).current_dir(root))
}

/// All files that are tracked or about to be, relative to `root`.
fn files(root: &Path) -> Result<Vec<String>, String> {
    // A checkout that belongs to somebody else (a container's mount) is read all the same.
    let arguments = ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listing = output(Command::new("git").args(arguments).current_dir(root))?;
    let mut files: Vec<String> = listing.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    files.sort();
    files.dedup();
    if files.is_empty() { Err("git names no file, so nothing was checked".to_owned()) } else { Ok(files) }
}

fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("`{program}` did not run: {error}"))?;
    if output.status.success() {
        String::from_utf8(output.stdout).map_err(|error| format!("`{program}` printed no UTF-8: {error}"))
    } else {
        Err(format!("`{program}` failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
    }
}
