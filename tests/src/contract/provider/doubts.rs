//! Dials that do not end with a verdict: the part of the contract on which "never a second ring" rests. Each
//! case looks at the ledger as well: one invocation executes at most one dial, and sends at most one request.

use std::time::Duration;

use futures_util::FutureExt as _;
use partyline_domain::ports::{ConversationQuery, DialRequest};
use partyline_domain::{Class, FailureKind, ProviderError, SideEffect};
use partyline_fake_adapter::world::Operation;

use super::{ProviderHarness, ProviderWorld, conversation, conversations, dial, executed, requests};

/// Faults after which the dial may have been executed, and whether it has.
const DOUBTS: &[(&str, bool)] = &[
    ("408-before", false),
    ("408-after", true),
    ("409-before", false),
    ("409-after", true),
    ("500-before", false),
    ("500-after", true),
    ("502-before", false),
    ("502-after", true),
    ("503-before", false),
    ("503-after", true),
    ("504-before", false),
    ("504-after", true),
    ("502-html", false),
    ("502-html-after", true),
    ("hang-before", false),
    ("hang-after", true),
    ("reset-before", false),
    ("reset-after", true),
    ("half", true),
    ("garbage", true),
    ("no-conversation-id", true),
];

async fn failed_dial(world: &dyn ProviderWorld, fault: &str) -> (DialRequest, ProviderError) {
    // For ever: an adapter that sends a second time meets it again.
    world.inject(&format!("dial:{fault}:*")).await;
    let request = dial(world, fault);
    let error = world.provider().dial(&request).await.expect_err(fault);
    world.heal().await;
    assert_eq!(requests(world, Operation::Dial).await, 1, "{fault}: one invocation sends at most one request");
    (request, error)
}

/// Whatever is not a whole and readable verdict leaves the dial in doubt.
pub async fn a_dial_without_a_verdict_is_in_doubt(harness: &impl ProviderHarness) {
    for (fault, is_executed) in DOUBTS {
        let world = harness.world(2).await;
        let (request, error) = failed_dial(&*world, fault).await;
        assert_eq!(error.class(), Class::InDoubt, "{fault}: {error:?}");
        assert!(!error.detail().is_empty(), "{fault} has no words");
        assert_eq!(executed(&*world, &request.attempt).await, usize::from(*is_executed), "{fault}");
    }
}

/// A dial that was executed without an answer is found by its user id, and its record names the attempt.
pub async fn a_dial_in_doubt_can_be_looked_up(harness: &impl ProviderHarness) {
    for fault in ["504-after", "reset-after", "hang-after"] {
        let world = harness.world(2).await;
        let (request, _) = failed_dial(&*world, fault).await;
        let query = ConversationQuery { user_id: Some(request.user_id().to_owned()), ..ConversationQuery::default() };
        let found = conversations(&*world, query).await;
        assert_eq!(found.len(), 1, "{fault}: {found:?}");
        let record = conversation(&*world, &found[0].id).await;
        assert_eq!(record.attempt, Some(request.attempt), "{fault}");
    }
}

/// A dial that is dropped while it is open has been executed at most once, and never is again.
pub async fn a_dropped_dial_happens_at_most_once(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    world.inject("dial:hang-after").await;
    let request = dial(&*world, "dropped");
    let provider = world.provider();
    let dropped = provider.dial(&request).now_or_never();
    assert_eq!(dropped, None, "a hanging dial is answered at once");
    for _ in 0..5 {
        world.pass(Duration::from_millis(5)).await;
    }
    assert!(executed(&*world, &request.attempt).await <= 1);
    assert!(requests(&*world, Operation::Dial).await <= 1);
}

/// 429 with a JSON body was refused before dialling: it may be sent again, by whoever decides that, and not
/// before the time the provider names.
pub async fn a_rate_limit_is_retryable(harness: &impl ProviderHarness) {
    for (fault, after) in [("429", None), ("429-retry-7s", Some(Duration::from_secs(7)))] {
        let world = harness.world(2).await;
        let (request, error) = failed_dial(&*world, fault).await;
        assert_eq!(error.class(), Class::Retryable { after }, "{fault}: {error:?}");
        assert_eq!((error.kind(), error.status()), (FailureKind::RateLimited, Some(429)));
        assert_eq!(executed(&*world, &request.attempt).await, 0);
    }
}

/// 429 without JSON may come from anywhere on the way: it proves nothing.
pub async fn a_rate_limit_without_json_is_in_doubt(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let (_, error) = failed_dial(&*world, "429-text").await;
    assert_eq!(error.class(), Class::InDoubt, "{error:?}");
}

/// What is refused for good is permanent, has had no effect, and says which kind of refusal it is.
pub async fn a_denied_dial_is_permanent(harness: &impl ProviderHarness) {
    for (fault, kind) in [
        ("401", FailureKind::Unauthorized),
        ("401-permission", FailureKind::MissingPermission),
        ("402", FailureKind::QuotaExceeded),
        ("403", FailureKind::Forbidden),
        ("404", FailureKind::NotFound),
        ("422", FailureKind::Invalid),
    ] {
        let world = harness.world(2).await;
        let (request, error) = failed_dial(&*world, fault).await;
        assert_eq!((error.kind(), error.class()), (kind, Class::Permanent), "{fault}: {error:?}");
        assert_eq!(error.side_effect(), SideEffect::None);
        assert_eq!(executed(&*world, &request.attempt).await, 0, "{fault}");
    }
}
