//! The store behind Partyline.
