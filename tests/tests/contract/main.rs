//! The contract suites, run against every adapter there is.

mod broken;
mod broken_store;
mod memory;
mod provider_fake;
mod provider_http;
mod real_time;
mod store_fake;
mod virtual_time;
mod world;
