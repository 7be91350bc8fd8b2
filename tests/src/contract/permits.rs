//! The contract of [`Permits`].

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use partyline_domain::ports::{Permit, PermitRequest, Permits};
use partyline_domain::{AttemptId, PhoneNumberId};

use crate::contract::Harness;

/// Permits to test.
#[async_trait]
pub trait PermitsHarness: Harness {
    /// Fresh permits, none of them granted yet.
    async fn permits(&self) -> Arc<dyn Permits>;

    /// How many of them may be out at once for one number; `None` = any number. At least 1.
    fn limit(&self) -> Option<usize>;
}

/// With no limit, this many are asked for.
const MANY: usize = 1000;

fn request(ordinal: usize) -> PermitRequest {
    PermitRequest {
        attempt: AttemptId::parse(&format!("contract.{ordinal}")).expect("an id"),
        number: PhoneNumberId::parse("phnum_contract").expect("an id"),
    }
}

async fn take_all(harness: &impl PermitsHarness, permits: &dyn Permits) -> Vec<Permit> {
    let requests: Vec<_> = (0..harness.limit().unwrap_or(MANY)).map(request).collect();
    join_all(requests.iter().map(|request| permits.acquire(request))).await
}

/// A permit names the dial it was granted for.
pub async fn a_permit_names_its_dial(harness: &impl PermitsHarness) {
    let permits = harness.permits().await;
    let request = request(7);
    let permit = permits.acquire(&request).await;
    assert_eq!(permit.attempt, request.attempt);
    permits.release(permit).await;
}

/// Everything within the limit is granted at once, and each to its own dial.
pub async fn all_within_the_limit_are_granted(harness: &impl PermitsHarness) {
    let permits = harness.permits().await;
    let granted = take_all(harness, &*permits).await;
    for (ordinal, permit) in granted.iter().enumerate() {
        assert_eq!(permit.attempt, request(ordinal).attempt);
    }
}

/// One more than the limit waits, and is granted when one is given back.
pub async fn one_too_many_waits_for_a_release(harness: &impl PermitsHarness) {
    if harness.limit().is_none() {
        return;
    }
    let permits = harness.permits().await;
    let mut granted = take_all(harness, &*permits).await;
    let extra = request(MANY);
    let mut waiting = permits.acquire(&extra);
    assert!((&mut waiting).now_or_never().is_none(), "more permits are out than the limit allows");
    permits.release(granted.pop().expect("the limit is at least 1")).await;
    assert_eq!(waiting.await.attempt, extra.attempt);
}

/// A request that is dropped while it waits takes nothing with it.
pub async fn a_dropped_request_is_taken_back(harness: &impl PermitsHarness) {
    let permits = harness.permits().await;
    let mut granted = take_all(harness, &*permits).await;
    if let Some(permit) = permits.acquire(&request(MANY)).now_or_never() {
        assert_eq!(harness.limit(), None, "more permits are out than the limit allows");
        permits.release(permit).await;
    }
    permits.release(granted.pop().expect("the limit is at least 1")).await;
    let next = request(MANY + 1);
    assert_eq!(permits.acquire(&next).await.attempt, next.attempt);
}

/// What is given back can be granted again, as often as needed.
pub async fn permits_go_round(harness: &impl PermitsHarness) {
    let permits = harness.permits().await;
    for _ in 0..3 {
        for permit in take_all(harness, &*permits).await {
            permits.release(permit).await;
        }
    }
}
