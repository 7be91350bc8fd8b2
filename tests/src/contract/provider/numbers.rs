//! The contract of [`Numbers`](partyline_domain::ports::Numbers).

use std::time::Duration;

use partyline_domain::ports::{AssignNumber, NumberProvider};
use partyline_domain::{AgentId, Class, FailureKind, PhoneNumberId, SideEffect};
use partyline_fake_adapter::world::Operation;

use super::{ProviderHarness, ProviderWorld, assign, requests, unknown_agent, unknown_number};

async fn assigned(world: &dyn ProviderWorld, number: &PhoneNumberId) -> Option<AgentId> {
    let number = world.provider().number(number).await.expect("a read works").expect("the number is there");
    number.assigned_id().cloned()
}

/// Every kind of number is listed, and reads the same by its id.
pub async fn every_kind_of_number_is_read(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let cast = world.cast();
    let all = world.provider().numbers().await.expect("a read works");
    assert_eq!(all.len(), 4, "{all:?}");
    for (id, provider, inbound) in [
        (&cast.twilio, NumberProvider::Twilio, true),
        (&cast.sip_trunk, NumberProvider::SipTrunk, true),
        (&cast.exotel, NumberProvider::Exotel, true),
        (&cast.outbound_only, NumberProvider::Twilio, false),
    ] {
        let number = world.provider().number(id).await.expect("a read works").expect("the number is there");
        assert_eq!((&number.id, &number.provider), (id, &provider));
        assert_eq!((number.inbound, number.outbound, &number.assigned), (inbound, true, &None), "{number:?}");
        assert!(all.contains(&number), "{number:?} is not in the list");
    }
}

/// An id that no number has is no error.
pub async fn an_unknown_number_is_none(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    assert_eq!(world.provider().number(&unknown_number()).await, Ok(None));
    let strange = PhoneNumberId::parse("a/b?c").expect("an id");
    assert_eq!(world.provider().number(&strange).await, Ok(None));
}

/// The answer to an assignment is the number as it then is; also where it becomes nobody's.
pub async fn an_assignment_is_answered_as_it_is(harness: &impl ProviderHarness) {
    let world = harness.world(3).await;
    let cast = world.cast();
    for number in [&cast.twilio, &cast.sip_trunk, &cast.exotel] {
        for agent in [Some(&cast.agents[0]), Some(&cast.agents[1]), Some(&cast.agents[1]), None] {
            let order = assign(&*world, number, agent.map(|agent| &agent.id));
            let answer = world.provider().assign(&order).await.expect("an assignment works");
            assert_eq!((&answer.id, answer.assigned_id()), (number, agent.map(|agent| &agent.id)));
            assert_eq!(answer.assigned.as_ref().map(|agent| &agent.name), agent.map(|agent| &agent.name));
            assert_eq!(assigned(&*world, number).await, order.agent);
        }
    }
    let ledger = world.ledger().await;
    assert!(ledger.assignments.len() >= 9, "{:?}", ledger.assignments);
}

/// An assignment is idempotent in value, and only its own number changes.
pub async fn the_last_assignment_wins(harness: &impl ProviderHarness) {
    let world = harness.world(3).await;
    let cast = world.cast();
    for index in [0, 1, 1, 2, 2] {
        let order = assign(&*world, &cast.twilio, Some(&cast.agents[index].id));
        assert!(world.provider().assign(&order).await.is_ok());
    }
    assert_eq!(assigned(&*world, &cast.twilio).await.as_ref(), Some(&cast.agents[2].id));
    assert_eq!(assigned(&*world, &cast.sip_trunk).await, None);
}

/// A number that cannot be called is nobody's, and stays so.
pub async fn an_outbound_only_number_cannot_be_assigned(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let cast = world.cast();
    let order = assign(&*world, &cast.outbound_only, Some(&cast.agents[0].id));
    let error = world.provider().assign(&order).await.expect_err("it cannot be assigned");
    assert_eq!(error.class(), Class::Permanent, "{error:?}");
    assert_eq!(assigned(&*world, &cast.outbound_only).await, None);
}

/// What does not exist is said to be missing, and nothing changes.
pub async fn nothing_unknown_is_assigned(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let cast = world.cast();
    for order in [
        assign(&*world, &unknown_number(), Some(&cast.agents[0].id)),
        assign(&*world, &cast.twilio, Some(&unknown_agent())),
    ] {
        let error = world.provider().assign(&order).await.expect_err("it is not there");
        assert_eq!((error.class(), error.kind()), (Class::Permanent, FailureKind::NotFound), "{error:?}");
    }
    assert_eq!(assigned(&*world, &cast.twilio).await, None);
}

/// A change that the provider ignores shows in its answer, which is passed on as it is.
pub async fn an_ignored_assignment_shows_in_the_answer(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let cast = world.cast();
    world.inject("assign:ignored").await;
    let order = assign(&*world, &cast.twilio, Some(&cast.agents[0].id));
    let answer = world.provider().assign(&order).await.expect("it is answered 200");
    assert_eq!(answer.assigned_id(), None);
    assert_eq!(assigned(&*world, &cast.twilio).await, None);
}

/// Where the answer lies, the port cannot know: it is passed on, and the next read tells the truth.
pub async fn a_lying_answer_is_passed_on_as_it_is(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let cast = world.cast();
    world.inject("assign:lying").await;
    let order = assign(&*world, &cast.twilio, Some(&cast.agents[0].id));
    let answer = world.provider().assign(&order).await.expect("it is answered 200");
    assert_eq!(answer.assigned_id(), Some(&cast.agents[0].id));
    assert_eq!(assigned(&*world, &cast.twilio).await, None);
}

/// An assignment whose time has passed is not sent at all.
pub async fn a_late_assignment_is_not_sent(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let cast = world.cast();
    let not_after = world.clock().now().monotonic;
    world.pass(Duration::from_millis(2)).await;
    let order = AssignNumber { not_after, ..assign(&*world, &cast.twilio, Some(&cast.agents[0].id)) };
    let error = world.provider().assign(&order).await.expect_err("it is too late");
    assert_eq!((error.kind(), error.side_effect()), (FailureKind::TooLate, SideEffect::None), "{error:?}");
    assert_eq!(requests(&*world, Operation::Assign).await, 0);
}

/// A refused assignment changes nothing and says why.
pub async fn a_refused_assignment_has_no_effect(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let cast = world.cast();
    let order = || assign(&*world, &cast.twilio, Some(&cast.agents[0].id));
    for (fault, kind) in [
        ("401", FailureKind::Unauthorized),
        ("401-permission", FailureKind::MissingPermission),
        ("402", FailureKind::QuotaExceeded),
        ("403", FailureKind::Forbidden),
        ("404", FailureKind::NotFound),
        ("422", FailureKind::Invalid),
    ] {
        world.inject(&format!("assign:{fault}:*")).await;
        let error = world.provider().assign(&order()).await.expect_err(fault);
        assert_eq!((error.kind(), error.class()), (kind, Class::Permanent), "{fault}: {error:?}");
        world.heal().await;
    }
    world.inject("assign:429:*").await;
    let error = world.provider().assign(&order()).await.expect_err("429");
    assert_eq!(error.class(), Class::Retryable { after: None }, "{error:?}");
    world.heal().await;
    assert_eq!(assigned(&*world, &cast.twilio).await, None);
}

/// An assignment without a verdict may have been made: the error says so, whether it has or not.
pub async fn an_unanswered_assignment_is_in_doubt(harness: &impl ProviderHarness) {
    for fault in ["504-before", "504-after", "500-after", "hang-after", "reset-after", "half", "garbage"] {
        let world = harness.world(2).await;
        let cast = world.cast();
        world.inject(&format!("assign:{fault}:*")).await;
        let order = assign(&*world, &cast.twilio, Some(&cast.agents[0].id));
        let error = world.provider().assign(&order).await.expect_err(fault);
        assert_eq!(error.side_effect(), SideEffect::Possible, "{fault}: {error:?}");
        world.heal().await;
        let made = fault != "504-before";
        assert_eq!(assigned(&*world, &cast.twilio).await.is_some(), made, "{fault}");
    }
}
