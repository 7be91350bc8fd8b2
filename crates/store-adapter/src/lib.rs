//! The store behind Partyline: the journal, the queue of calls, the leases of numbers, batches and permits, in SQLite or
//! in PostgreSQL.
//!
//! It knows SQL and nothing of the provider, the command line or the rules of the flow. What it promises is written at the
//! ports ([`partyline_domain::ports::Store`], [`partyline_domain::ports::Journal`]) and at [`Archive`], which is what
//! people ask of it.
#![warn(missing_docs)]

mod accept;
mod account;
mod archive;
mod census;
mod changes;
mod codec;
mod error;
mod options;
mod permits;
mod place;
mod plan;
mod policy;
pub mod postgres;
mod progress;
pub mod sqlite;
mod store;
mod work;
mod writer;

pub use account::{Account, Fingerprint, Salt};
pub use archive::{
    Archive, Batch, BatchCounts, BatchCursor, BatchState, CallFilter, CallRow, Holder, NewBatch, NumberRow, OpenIntent,
    ProcessInfo, ProofWord, Purge, Purged, StateWord, StoreInfo, StoreKind,
};
pub use error::OpenError;
pub use options::{StoreOptions, StoreTrouble, TroubleTold};
pub use permits::{PermitRules, StorePermits};
pub use place::{InvalidPlace, Place, ServerUrl};
pub use store::SqlStore;
