//! The four provider ports, one file each. Routes and parameters are here; nothing else of HTTP is.

mod agents;
mod conversations;
mod dialer;
mod numbers;

use partyline_domain::ports::{PAGE_SIZE_MAX, PageRequest};
use partyline_domain::{FailureKind, ProviderError};

use crate::elevenlabs::Query;

/// The parameters that every paged list has. A size out of bounds would be answered with 422.
fn page_query(page: &PageRequest) -> Query {
    let size = page.size.map(|size| ("page_size", size.clamp(1, PAGE_SIZE_MAX).to_string()));
    let cursor = page.cursor.clone().map(|cursor| ("cursor", cursor));
    size.into_iter().chain(cursor).collect()
}

/// A verdict that the thing does not exist is an answer, not an error.
fn found<T>(outcome: Result<T, ProviderError>) -> Result<Option<T>, ProviderError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == FailureKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
