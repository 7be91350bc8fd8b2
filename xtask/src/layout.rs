//! Rules about the packages themselves: what a library begins with, and what the architecture page names.

use crate::Finding;

/// The lint every library crate carries in its source, where a reader sees it (style.md G1).
const MISSING_DOCS: &str = "#![warn(missing_docs)]";

/// Checks a library's root file.
pub fn check_library(path: &str, text: &str) -> Vec<Finding> {
    if text.lines().any(|line| line.trim() == MISSING_DOCS) {
        Vec::new()
    } else {
        vec![Finding::new(path, format!("a library crate begins with `{MISSING_DOCS}`"))]
    }
}

/// The package's name in its manifest.
pub fn package_name(manifest: &str) -> Option<&str> {
    let package = manifest.lines().skip_while(|line| line.trim() != "[package]").skip(1);
    package.take_while(|line| !line.starts_with('[')).find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
}

/// Checks that the architecture page names every package, in backticks.
pub fn check_architecture(path: &str, page: Option<&str>, packages: &[String]) -> Vec<Finding> {
    let Some(page) = page else { return vec![Finding::new(path, "the page is missing")] };
    packages
        .iter()
        .filter(|name| !page.contains(&format!("`{name}`")))
        .map(|name| Finding::new(path, format!("does not name the package `{name}`")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_without_the_lint_fails() {
        assert_eq!(check_library("lib.rs", "//! Docs.\n#![warn(missing_docs)]\n"), []);
        assert_eq!(check_library("lib.rs", "//! `#![warn(missing_docs)]` is wanted.\n").len(), 1);
    }

    #[test]
    fn a_package_that_is_not_named_fails() {
        let packages = ["partyline".to_owned(), "xtask".to_owned()];
        assert_eq!(check_architecture("a.md", Some("`partyline` and `xtask`"), &packages), []);
        assert_eq!(check_architecture("a.md", Some("`partyline-domain`, xtask"), &packages).len(), 2);
        assert_eq!(check_architecture("a.md", None, &packages).len(), 1);
    }

    #[test]
    fn the_name_is_read_from_the_package_table_only() {
        assert_eq!(package_name("[package]\nname = \"a\"\n"), Some("a"));
        assert_eq!(package_name("[package]\nversion = \"1\"\n[[bin]]\nname = \"b\"\n"), None);
    }
}
