//! The purity gate (style.md G5, P5): what `partyline-domain` may be built from.

use std::collections::BTreeSet;

use crate::Finding;

/// Foreign crates the domain may depend on, directly or not: macros, futures without a runtime, serde.
const ALLOWED: &[&str] = &[
    "async-trait",
    "futures-channel",
    "futures-core",
    "futures-macro",
    "futures-task",
    "futures-util",
    "pin-project-lite",
    "proc-macro2",
    "quote",
    "serde",
    "serde_core",
    "serde_derive",
    "slab",
    "syn",
    "thiserror",
    "thiserror-impl",
    "unicode-ident",
];

/// Crates that would break a promise of the domain, and which. Everything outside [`ALLOWED`] is refused
/// anyway; these get the better message, and cannot be allowed by mistake.
const BANNED: &[(&str, &[&str])] = &[
    (
        "a runtime",
        &["tokio", "async-std", "smol", "async-executor", "futures-executor", "glommio", "monoio", "embassy-executor"],
    ),
    ("an event loop", &["mio", "polling", "socket2", "io-uring"]),
    ("an HTTP client or server", &["reqwest", "hyper", "ureq", "isahc", "curl", "surf", "axum", "actix-web", "h2"]),
    (
        "a database",
        &["sqlx", "sqlx-core", "rusqlite", "libsqlite3-sys", "diesel", "tokio-postgres", "postgres", "redb", "sled"],
    ),
    (
        "a source of randomness",
        &["rand", "rand_core", "rand_chacha", "getrandom", "fastrand", "oorandom", "ahash", "uuid", "ulid"],
    ),
    ("a clock", &["chrono", "time", "jiff", "quanta", "coarsetime", "instant", "web-time"]),
    ("access to the operating system", &["libc", "rustix", "nix", "windows-sys", "fs-err", "etcetera", "dirs"]),
];

/// The arguments of `cargo` that print the tree [`check`] reads: with all features and for all targets, so
/// that nothing hides behind either.
pub const TREE_ARGUMENTS: &[&str] = &[
    "tree",
    "--package",
    "partyline-domain",
    "--edges",
    "normal",
    "--all-features",
    "--target",
    "all",
    "--prefix",
    "none",
];

/// The names of the crates in the output of `cargo tree --prefix none`.
fn crates(tree: &str) -> BTreeSet<&str> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

/// Checks the output of `cargo` with [`TREE_ARGUMENTS`]. An empty tree is a finding too: it checked nothing.
pub fn check(tree: &str) -> Vec<Finding> {
    let place = "crates/domain/Cargo.toml";
    let crates = crates(tree);
    if !crates.contains("partyline-domain") {
        return vec![Finding::new(place, "the dependency tree does not name partyline-domain, so nothing was checked")];
    }
    crates
        .into_iter()
        .filter(|name| *name != "partyline-domain")
        .filter_map(|name| match BANNED.iter().find(|(_, names)| names.contains(&name)) {
            Some((what, _)) => Some(Finding::new(place, format!("`{name}` is {what}; the domain holds none"))),
            None if ALLOWED.contains(&name) => None,
            None => Some(Finding::new(
                place,
                format!("`{name}` is not among the crates that the domain may use (xtask/src/purity.rs)"),
            )),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
partyline-domain v0.1.0 (crates/domain)
async-trait v0.1.92 (proc-macro)
syn v3.0.10
syn v3.0.10 (*)
thiserror v2.0.21
";

    #[test]
    fn a_pure_tree_passes() {
        assert_eq!(check(GOOD), []);
    }

    #[test]
    fn each_banned_crate_fails_and_says_what_it_is() {
        for (what, names) in BANNED {
            for name in *names {
                let findings = check(&format!("{GOOD}{name} v1.0.0\n"));
                assert_eq!(findings.len(), 1, "{name}");
                assert!(findings[0].problem.contains(what), "{}", findings[0]);
            }
        }
    }

    #[test]
    fn the_crates_the_issue_names_are_banned() {
        let names =
            "tokio async-std smol reqwest hyper sqlx sqlx-core rusqlite mio rand rand_core getrandom fastrand libc";
        for name in names.split(' ') {
            assert_eq!(check(&format!("{GOOD}{name} v9.9.9 (*)\n")).len(), 1, "{name}");
        }
    }

    #[test]
    fn an_unknown_crate_fails() {
        let findings = check(&format!("{GOOD}left-pad v1.0.0\n"));
        assert!(findings[0].problem.starts_with("`left-pad` is not among"), "{}", findings[0]);
    }

    #[test]
    fn a_tree_of_nothing_fails() {
        assert_eq!(check("").len(), 1);
        assert_eq!(check("error: package ID specification did not match any packages\n").len(), 1);
    }

    #[test]
    fn nothing_is_both_allowed_and_banned() {
        let banned: Vec<_> = BANNED.iter().flat_map(|(_, names)| *names).collect();
        assert!(ALLOWED.iter().all(|name| !banned.contains(&name)));
    }
}
