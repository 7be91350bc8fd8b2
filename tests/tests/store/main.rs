//! What the stores in SQLite and PostgreSQL do beside the contract of their port: lists, batches, permits, trouble. Each
//! test runs on both; on PostgreSQL only where a server is installed (`partyline_tests::postgres`).

mod archive;
mod batches;
mod model;
mod numbers;
mod permits;
mod purge;
mod races;
mod server;
mod world;
