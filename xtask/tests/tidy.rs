//! The repository keeps its own rules. Each rule's unit test shows that it can fail.

use xtask::{purity, repository};

#[test]
fn the_domain_is_pure() {
    let tree = repository::domain_tree(&repository::root()).expect("cargo tree runs");
    assert_eq!(purity::check(&tree), []);
}

#[test]
fn the_repository_is_tidy() {
    let findings = repository::check(&repository::root()).expect("git and cargo tree run");
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n{}", lines.join("\n"));
}
