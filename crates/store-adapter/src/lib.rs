//! The store behind Partyline: the journal, the queue of calls, the leases of numbers, batches and permits, in SQLite or
//! in PostgreSQL.
//!
//! It knows SQL and nothing of the provider, the command line or the rules of the flow. What it promises is written at the
//! ports ([`partyline_domain::ports::Store`], [`partyline_domain::ports::Journal`]) and at [`Archive`], which is what
//! people ask of it.
//!
//! Two processes that share a number; `ada` hands a call in, and `bob`, who serves the number, gets it:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use partyline_domain::ports::{Accepted, Claim, NewCall, Store as _};
//! use partyline_domain::{AgentId, CallId, CallRequest, NumberChoice, PhoneNumber, PhoneNumberId, Priority, RunId, Timestamp};
//! use partyline_store_adapter::{Account, Archive as _, CallFilter, Place, SqlStore, StoreOptions};
//!
//! async fn open(place: &Place, owner: &str) -> Result<SqlStore, Box<dyn std::error::Error>> {
//!     // The key is used to make a fingerprint, and is not kept.
//!     let account = Arc::new(|salt: &_| Account::of(salt, "http://localhost", b"test-key-example"));
//!     Ok(place.open(StoreOptions::new(RunId::parse(owner)?, account)).await?)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let place = Place::from(folder.path().join("store.db").as_path());
//! let (ada, bob) = (open(&place, "ada").await?, open(&place, "bob").await?);
//!
//! let number = PhoneNumberId::parse("phnum_1")?;
//! let request = CallRequest {
//!     id: CallId::parse("call_1")?,
//!     agent: AgentId::parse("agent_1")?,
//!     numbers: NumberChoice::one(number.clone()),
//!     to: PhoneNumber::parse("+12025550123")?,
//!     priority: Priority::Normal,
//!     expires_at: None,
//!     options: Arc::default(),
//!     policies: Arc::default(),
//! };
//! let at = Timestamp::from_unix(Duration::from_secs(1_790_000_000));
//! let new = NewCall { request, at, key: None, batch: None, repeats: None };
//! assert_eq!(ada.submit(vec![new.clone()]).await?, [Accepted::New]);
//! assert_eq!(ada.submit(vec![new]).await?, [Accepted::Again], "whatever is asked may be repeated");
//!
//! let claim = Claim { ordinal: 1, answered: 0, ttl: Duration::from_secs(10), numbers: None, calls_max: 100 };
//! let claimed = bob.claim(&claim).await?;
//! assert_eq!((&claimed.numbers[0].number, claimed.numbers[0].epoch), (&number, 1));
//! assert_eq!(claimed.calls.len(), 1);
//! assert!(ada.claim(&claim).await?.calls.is_empty(), "the number is leased to bob, and the call is his");
//! assert_eq!(bob.calls(&CallFilter::default()).await?[0].id.as_str(), "call_1");
//!
//! ada.close().await;
//! bob.close().await;
//! # Ok(())
//! # }
//! ```
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
