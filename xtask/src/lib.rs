//! The repository's own checks, as plain functions over text: what a tree of dependencies may hold, what no
//! tracked file may hold, and what the README shows. The binary runs them over the real repository, and so
//! does `tests/tidy.rs` of this package; every rule also has a test that shows it failing.
#![warn(missing_docs)]

pub mod content;
pub mod layout;
pub mod purity;
pub mod readme;
pub mod repository;

use std::fmt;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where: a path, with its line where there is one.
    pub place: String,
    /// What is wrong, and what to do about it.
    pub problem: String,
}

impl Finding {
    pub(crate) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}
