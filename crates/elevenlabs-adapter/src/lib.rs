//! The ElevenLabs Agents API behind the provider ports of [`partyline_domain`].
//!
//! [`ElevenLabs`] implements [`Agents`](partyline_domain::ports::Agents),
//! [`Numbers`](partyline_domain::ports::Numbers), [`Dialer`](partyline_domain::ports::Dialer) and
//! [`Conversations`](partyline_domain::ports::Conversations) over HTTP. What it promises beyond their contracts:
//!
//! * **A dial is sent at most once.** No redirect is followed, no retry of any layer is on. The one thing that
//!   the HTTP library does by itself is to move a request of which no byte was written from a connection that
//!   was just closed to a new one.
//! * **Reads and assignments are repeated** within [`Repeats`], with growing, jittered waits and honouring
//!   `Retry-After`; an assignment only while every send so far provably had no effect. One that may have had an
//!   effect is told at once, in doubt, with the wait that the provider asks for: the core decides about the rest.
//! * **`not_after` is kept**: the clock is read before the request is started and again when its connection, new
//!   or not, is ready and its first byte would be written.
//! * **The key is sent nowhere else.** Reads follow redirects within the same scheme, host and port only, and
//!   no error, log or `Debug` text holds the key, even where the server repeats it.
//! * **Parsing is lenient**: unknown fields and words never fail; an object must say what it is, no more.
//!
//! Every request has a `tracing` span `request` (info) with `method`, `route` (a template), `attempt`, `status`,
//! `elapsed_ms` and `request_id`; events in it are at debug. Bodies and ids in paths are never logged.
//!
//! The API's facts, with their sources, are in `elevenlabs-api.md`.
//!
//! ```no_run
//! use std::sync::Arc;
//! use partyline_domain::ports::{Agents, Clock, PageRequest};
//! use partyline_elevenlabs_adapter::{ApiKey, ElevenLabs, Region, Settings};
//!
//! # async fn example(clock: Arc<dyn Clock>) -> Result<(), Box<dyn std::error::Error>> {
//! let key = ApiKey::parse(&std::env::var("ELEVENLABS_API_KEY")?)?;
//! let provider = ElevenLabs::new(Settings::new(Region::Global.base_url()), key, clock)?;
//! let page = provider.agents(&PageRequest::default()).await?;
//! for agent in &page.items {
//!     println!("{} {}", agent.id, agent.name);
//! }
//! println!("{} requests", provider.requests());
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]

mod classify;
mod client;
mod config;
mod convert;
mod deadline;
mod elevenlabs;
mod ports;
mod retry;
mod text;
mod wire;

pub use client::SetupError;
pub use config::{ApiKey, BaseUrl, InvalidApiKey, InvalidBaseUrl, Region, Repeats, Settings, UnknownRegion};
pub use elevenlabs::ElevenLabs;
