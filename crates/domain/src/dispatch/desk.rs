//! A line and the calls at it.

use std::collections::BTreeSet;

use crate::dispatch::effect::Slot;
use crate::ids::PhoneNumberId;
use crate::line::Line;

/// A line and the calls at it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Desk {
    pub(super) line: Line,
    /// Calls whose dial is not resolved.
    pub(super) open: BTreeSet<Slot>,
    /// Those of them that are verified and want to dial, oldest first.
    pub(super) ready: BTreeSet<Slot>,
    /// The call for which the number is being assigned.
    pub(super) served: Option<Slot>,
    /// The last call that wants the number given back.
    pub(super) closing: Option<Slot>,
    /// Whether people were told that giving back has to wait.
    pub(super) delay_told: bool,
}

impl Desk {
    pub(super) fn new(number: PhoneNumberId) -> Self {
        Self {
            line: Line::new(number),
            open: BTreeSet::new(),
            ready: BTreeSet::new(),
            served: None,
            closing: None,
            delay_told: false,
        }
    }
}
