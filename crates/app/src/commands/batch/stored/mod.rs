//! A batch in the store: its rows are handed in first, all of them before any is dialled; then this process serves their
//! numbers and follows them, whoever places them.

mod drive;
mod hand_in;
mod left;
mod options;
mod watcher;

use std::collections::BTreeSet;

use partyline_domain::{BatchId, PhoneNumberId};

use crate::compose::OpenStore;
use crate::system::SystemClock;

pub(super) use drive::{Serving, leave_off, serve};
pub(super) use hand_in::{HandingIn, hand_in};
pub(super) use options::Options;

/// A batch that is in a store.
pub(super) struct Stored<'a> {
    pub(super) open: &'a OpenStore,
    pub(super) clock: SystemClock,
    pub(super) batch: BatchId,
    /// The numbers that its rows may be placed from.
    pub(super) numbers: BTreeSet<PhoneNumberId>,
}

impl Stored<'_> {
    /// What to do to go on with it.
    pub(super) fn how_to_go_on(&self) -> String {
        format!("the calls that are left wait in the store: go on with `partyline batch resume {}`", self.batch)
    }
}
