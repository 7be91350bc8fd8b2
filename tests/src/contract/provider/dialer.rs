//! The contract of [`Dialer`](partyline_domain::ports::Dialer), where the provider gives a verdict. Where it gives
//! none, see [`doubts`](super::doubts).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use partyline_domain::ports::{ConversationQuery, DialAnswer, DialRefused, DialRequest, NumberProvider};
use partyline_domain::{
    ATTEMPT_VARIABLE, CallOptions, Class, Decimal, FailureKind, SideEffect, UserId, VariableName, VariableValue,
};
use partyline_fake_adapter::world::Operation;

use super::{
    ProviderHarness, accepted, attempt, callee, conversation, conversations, dial, executed, requests, unknown_agent,
    unknown_number,
};

/// Each kind of line has its route; the answer names the conversation and the telephony side's id.
pub async fn every_kind_of_line_can_be_dialled_from(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let cast = world.cast();
    for (number, provider) in [
        (&cast.twilio, NumberProvider::Twilio),
        (&cast.sip_trunk, NumberProvider::SipTrunk),
        (&cast.exotel, NumberProvider::Exotel),
        (&cast.outbound_only, NumberProvider::Twilio),
    ] {
        let request = DialRequest { number: number.clone(), provider, ..dial(&*world, number.as_str()) };
        let answer = accepted(world.provider().dial(&request).await);
        let record = conversation(&*world, &answer.conversation).await;
        let call = record.phone_call.expect("the telephone side is shown");
        assert_eq!(call.number.as_ref(), Some(number));
        assert!(call.external_number.is_some_and(|external| external.is(&callee()) == Some(true)));
        assert!(answer.provider_call_id.is_some());
        assert_eq!(call.provider_call_id, answer.provider_call_id);
        assert_eq!(executed(&*world, &request.attempt).await, 1);
    }
}

/// Where the caller sets no user id, a dial is found in the list by its attempt id, and its record names it.
pub async fn an_accepted_dial_is_found_by_its_attempt(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let request = dial(&*world, "mine");
    let other = accepted(world.provider().dial(&dial(&*world, "other")).await);
    let answer = accepted(world.provider().dial(&request).await);
    assert_ne!(answer.conversation, other.conversation);
    let query = ConversationQuery { user_id: Some(request.attempt.to_string()), ..ConversationQuery::default() };
    let found = conversations(&*world, query).await;
    assert_eq!(found.iter().map(|summary| &summary.id).collect::<Vec<_>>(), [&answer.conversation]);
    let record = conversation(&*world, &answer.conversation).await;
    assert_eq!(record.attempt, Some(request.attempt.clone()));
    assert_eq!(record.user_id.as_deref(), Some(request.attempt.as_str()));
}

/// The caller's own user id goes through as it is; our attempt id still travels as a variable.
pub async fn the_callers_user_id_goes_through(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let plain = dial(&*world, "tagged");
    let user_id = Some(UserId::parse("Ada & Zoë +1").expect("a user id"));
    let options = Arc::new(CallOptions { user_id, ..(*plain.options).clone() });
    let request = DialRequest { options, ..plain };
    let answer = accepted(world.provider().dial(&request).await);
    let record = conversation(&*world, &answer.conversation).await;
    assert_eq!(record.user_id.as_deref(), Some("Ada & Zoë +1"));
    assert_eq!(record.attempt, Some(request.attempt.clone()));
    let query = ConversationQuery { user_id: Some("Ada & Zoë +1".into()), ..ConversationQuery::default() };
    let found = conversations(&*world, query).await;
    assert_eq!(found.iter().map(|summary| &summary.id).collect::<Vec<_>>(), [&answer.conversation]);
    let query = ConversationQuery { user_id: Some(request.attempt.to_string()), ..ConversationQuery::default() };
    assert_eq!(conversations(&*world, query).await, []);
}

/// Texts arrive as texts, numbers as numbers, with all their digits, and truths as truths.
pub async fn variables_keep_their_types(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let plain = dial(&*world, "typed");
    let number = |text| VariableValue::Number(Decimal::parse(text).expect("a number"));
    let variables = [
        ("guest", VariableValue::Text("Zoë \"O'Neil\"\n".into()), "\"Zoë \\\"O'Neil\\\"\\n\""),
        ("digits", VariableValue::Text("42".into()), "\"42\""),
        ("count", number("42"), "42"),
        ("rate", number("-0.5"), "-0.5"),
        ("vip", VariableValue::Bool(true), "true"),
    ];
    let mut expected: BTreeMap<String, String> =
        variables.iter().map(|(name, _, json)| ((*name).to_owned(), (*json).to_owned())).collect();
    expected.insert(ATTEMPT_VARIABLE.to_owned(), format!("\"{}\"", plain.attempt));
    let named = variables.into_iter().map(|(name, value, _)| (VariableName::parse(name).expect("a name"), value));
    let options = Arc::new(CallOptions { variables: named.collect(), ..(*plain.options).clone() });
    let answer = accepted(world.provider().dial(&DialRequest { options, ..plain }).await);
    assert_eq!(world.variables(&answer.conversation).await, expected);
}

/// 200 with `success: false` is a verdict, not an error: the provider's words, and nothing rang.
pub async fn a_refusal_is_an_answer(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    world.inject("dial:refused").await;
    let request = dial(&*world, "refused");
    match world.provider().dial(&request).await {
        Ok(DialAnswer::Refused(DialRefused { message, conversation: None })) => assert!(!message.is_empty()),
        other => panic!("not refused: {other:?}"),
    }
    assert_eq!(executed(&*world, &request.attempt).await, 0);
}

/// A refusal that names a conversation is told apart: the phone may have rung.
pub async fn a_refusal_may_bring_a_conversation(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    world.inject("dial:refused-with-conversation").await;
    let request = dial(&*world, "busy");
    let id = match world.provider().dial(&request).await {
        Ok(DialAnswer::Refused(DialRefused { conversation: Some(id), .. })) => id,
        other => panic!("not refused with a conversation: {other:?}"),
    };
    let record = conversation(&*world, &id).await;
    assert_eq!(record.attempt, Some(request.attempt.clone()));
    assert!(executed(&*world, &request.attempt).await <= 1);
}

/// Dials of different attempts are different calls, also at the same time.
pub async fn every_attempt_is_a_dial_of_its_own(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let provider = world.provider();
    let dials: Vec<DialRequest> = (0..8).map(|index| dial(&*world, &index.to_string())).collect();
    let answers = join_all(dials.iter().map(|request| provider.dial(request))).await;
    let ids: BTreeSet<_> = answers.into_iter().map(|answer| accepted(answer).conversation).collect();
    assert_eq!(ids.len(), dials.len());
    for request in &dials {
        assert_eq!(executed(&*world, &request.attempt).await, 1, "{:?}", request.attempt);
    }
}

/// A kind of line that this version does not know has no route: nothing is sent.
pub async fn nobody_dials_from_an_unknown_kind_of_line(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let request = DialRequest { provider: NumberProvider::Other("carrier_pigeon".into()), ..dial(&*world, "pigeon") };
    let error = world.provider().dial(&request).await.expect_err("there is no route");
    assert_eq!(error.class(), Class::Permanent, "{error:?}");
    assert_eq!(requests(&*world, Operation::Dial).await, 0);
}

/// The wrong route for a number is refused, not tried.
pub async fn a_line_is_dialled_on_its_own_route_only(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let request = DialRequest { provider: NumberProvider::SipTrunk, ..dial(&*world, "crossed") };
    let error = world.provider().dial(&request).await.expect_err("it is a number of Twilio's");
    assert_eq!((error.class(), error.kind()), (Class::Permanent, FailureKind::Invalid), "{error:?}");
    assert_eq!(executed(&*world, &request.attempt).await, 0);
}

/// An agent or a number that is not there is said to be missing, and nothing rings.
pub async fn nothing_unknown_is_dialled(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    for request in [
        DialRequest { agent: unknown_agent(), ..dial(&*world, "agent") },
        DialRequest { number: unknown_number(), ..dial(&*world, "number") },
    ] {
        let error = world.provider().dial(&request).await.expect_err("it is not there");
        assert_eq!((error.class(), error.kind()), (Class::Permanent, FailureKind::NotFound), "{error:?}");
        assert_eq!(executed(&*world, &request.attempt).await, 0);
    }
}

/// A dial whose time has passed is not sent at all.
pub async fn a_late_dial_is_not_sent(harness: &impl ProviderHarness) {
    let world = harness.world(2).await;
    let not_after = world.clock().now().monotonic;
    world.pass(Duration::from_millis(2)).await;
    let request = DialRequest { not_after, ..dial(&*world, &attempt("late").to_string()) };
    let error = world.provider().dial(&request).await.expect_err("it is too late");
    assert_eq!((error.kind(), error.side_effect()), (FailureKind::TooLate, SideEffect::None), "{error:?}");
    assert_eq!(requests(&*world, Operation::Dial).await, 0);
}
