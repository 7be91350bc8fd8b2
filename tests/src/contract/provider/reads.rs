//! What holds for every read: strange answers do no harm, and a failed read says what is wrong.

use std::time::Duration;

use partyline_domain::ports::{ConversationQuery, PageRequest};
use partyline_domain::{Class, ConversationId, FailureKind, ProviderError, Remedy, SideEffect};
use partyline_fake_adapter::world::Operation;

use super::{ProviderHarness, ProviderWorld, accepted, dial};

/// Reads of every kind, on things that are there; `Err` where one of them fails or sees too little.
async fn read(world: &dyn ProviderWorld, known: &ConversationId, operation: Operation) -> Result<bool, ProviderError> {
    let (provider, cast) = (world.provider(), world.cast());
    Ok(match operation {
        Operation::Agent => provider.agent(&cast.agents[0].id).await?.is_some_and(|agent| agent == cast.agents[0]),
        Operation::Agents => provider.agents(&PageRequest::default()).await?.items.len() == cast.agents.len(),
        Operation::Summaries => !provider.summaries(&[cast.agents[1].id.clone()]).await?.is_empty(),
        Operation::Number => provider.number(&cast.sip_trunk).await?.is_some_and(|number| number.id == cast.sip_trunk),
        Operation::Numbers => provider.numbers().await?.len() == 4,
        Operation::Conversation => provider.conversation(known).await?.is_some_and(|found| found.id == *known),
        Operation::Conversations => {
            let page = provider.conversations(&ConversationQuery::default()).await?;
            page.items.iter().any(|summary| summary.id == *known)
        }
        Operation::Assign | Operation::Dial => unreachable!("not a read"),
    })
}

async fn with_conversation(harness: &impl ProviderHarness) -> (Box<dyn ProviderWorld>, ConversationId) {
    let world = harness.world(3).await;
    let known = accepted(world.provider().dial(&dial(&*world, "known")).await).conversation;
    (world, known)
}

fn reads() -> impl Iterator<Item = Operation> {
    Operation::ALL.into_iter().filter(|operation| operation.is_read())
}

async fn all_reads_work_under(harness: &impl ProviderHarness, fault: &str) {
    let (world, known) = with_conversation(harness).await;
    // An adapter may read one thing by way of another's route.
    world.inject(&format!("any:{fault}")).await;
    for operation in reads() {
        assert_eq!(read(&*world, &known, operation).await, Ok(true), "{operation} under {fault}");
    }
}

/// Fields and words of a later version of the API change nothing that this version knows.
pub async fn words_nobody_knows_do_no_harm(harness: &impl ProviderHarness) {
    all_reads_work_under(harness, "unknown-enum:*").await;
}

/// Everything that may be left out may be left out.
pub async fn fields_left_out_do_no_harm(harness: &impl ProviderHarness) {
    all_reads_work_under(harness, "missing-optional:*").await;
}

/// A slow page is a page.
pub async fn slow_answers_are_waited_for(harness: &impl ProviderHarness) {
    all_reads_work_under(harness, "slow-30ms:*").await;
}

/// Every refusal has its kind, and whether trying again is sensible.
pub async fn failed_reads_say_what_is_wrong(harness: &impl ProviderHarness) {
    let permanent = Class::Permanent;
    let retryable = Class::Retryable { after: None };
    let world = harness.world(2).await;
    for (fault, kind, class, status) in [
        ("401", FailureKind::Unauthorized, permanent, 401),
        ("401-permission", FailureKind::MissingPermission, permanent, 401),
        ("402", FailureKind::QuotaExceeded, permanent, 402),
        ("403", FailureKind::Forbidden, permanent, 403),
        ("422", FailureKind::Invalid, permanent, 422),
        ("429", FailureKind::RateLimited, retryable, 429),
        ("500-before", FailureKind::Unavailable, retryable, 500),
        ("503-before", FailureKind::Unavailable, retryable, 503),
        ("502-html", FailureKind::Unavailable, retryable, 502),
    ] {
        world.inject(&format!("any:{fault}:*")).await;
        let error = world.provider().numbers().await.expect_err(fault);
        assert_eq!((error.kind(), error.class(), error.status()), (kind, class, Some(status)), "{fault}: {error:?}");
        assert!(!error.detail().is_empty(), "{fault} has no words");
        world.heal().await;
        assert!(world.provider().numbers().await.is_ok(), "the world is well again after {fault}");
    }
}

/// However a read fails, nothing has happened, and a broken connection is worth another try.
pub async fn failed_reads_never_have_an_effect(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    for fault in ["hang-before", "hang-after", "reset-before", "reset-after", "half", "garbage", "502-html-after"] {
        world.inject(&format!("any:{fault}:*")).await;
        let error = world.provider().agent(&world.cast().agents[0].id).await.expect_err(fault);
        assert_eq!(error.side_effect(), SideEffect::None, "{fault}: {error:?}");
        if fault.starts_with("hang") || fault.starts_with("reset") {
            assert!(matches!(error.remedy(), Remedy::Retry { .. }), "{fault}: {error:?}");
        }
        world.heal().await;
    }
    world.pass(Duration::from_millis(1)).await;
    assert!(world.provider().agent(&world.cast().agents[0].id).await.is_ok());
}
