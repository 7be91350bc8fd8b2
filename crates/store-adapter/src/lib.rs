//! The store behind Partyline: the journal, the queue of calls, the leases of numbers, batches and permits, in SQLite or
//! in PostgreSQL.
//!
//! It knows SQL and nothing of the provider, the command line or the rules of the flow. What it promises is written at the
//! ports ([`partyline_domain::ports::Store`], [`partyline_domain::ports::Journal`]) and at [`Archive`], which is what
//! people ask of it.
#![warn(missing_docs)]

mod archive;

pub use archive::{
    Archive, Batch, BatchCounts, BatchCursor, BatchState, CallFilter, CallRow, Holder, NewBatch, NumberRow, OpenIntent,
    ProcessInfo, ProofWord, Purge, Purged, StateWord, StoreInfo, StoreKind,
};
