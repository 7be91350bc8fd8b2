//! How a store is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use partyline_domain::RunId;

use crate::account::Fingerprint;
use crate::archive::ProcessInfo;

/// What the process that opens a store brings along.
#[derive(Clone)]
pub struct StoreOptions {
    /// The process; unique over all processes and for all time.
    pub owner: RunId,
    /// Makes its account of the store's salt: see [`crate::Account::of`].
    pub account: Fingerprint,
    /// Who it is, for people.
    pub process: ProcessInfo,
    /// Is told when the journal cannot be written, and when it can again.
    pub trouble: TroubleTold,
    /// How often a SQLite file is looked at for what other processes did. (On PostgreSQL they tell each other.)
    pub poll: Duration,
    /// How long is waited for another program that holds the database locked, before that counts as trouble.
    pub patience: Duration,
}

impl StoreOptions {
    /// Options with the usual periods, which tell nobody of trouble.
    pub fn new(owner: RunId, account: Fingerprint) -> Self {
        Self {
            owner,
            account,
            process: ProcessInfo::default(),
            trouble: Arc::new(|_| {}),
            // A look at a file costs some microseconds.
            poll: Duration::from_millis(20),
            patience: Duration::from_secs(5),
        }
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, process, poll, patience, account: _, trouble: _ } = self;
        write!(f, "StoreOptions({owner}, {process:?}, poll {poll:?}, patience {patience:?})")
    }
}

/// Whether the journal can be written. While it cannot, its writers wait, so nothing is sent that is not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreTrouble {
    /// It cannot be written.
    Began {
        /// What happened, as a plain sentence without a full stop; names no password.
        what: String,
    },
    /// It can be written again.
    Ended {
        /// How long that took.
        after: Duration,
    },
}

/// Is told of trouble once when it begins, and once when it ends. Called from within the runtime: it must not block.
pub type TroubleTold = Arc<dyn Fn(StoreTrouble) + Send + Sync>;
