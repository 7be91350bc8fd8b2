//! The adapter against a raw TCP server that answers well, badly, halfway or never.

mod assign;
mod dial;
mod reads;
mod redirects;
mod secrets;
mod setup;
mod support;
