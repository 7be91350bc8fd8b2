//! Dials in the harsh world: who speaks, what is written down, and what a client that goes away leaves behind.

mod common;

use std::time::Duration;

use common::{Stage, callee};
use futures_util::FutureExt;
use futures_util::future::{Either, join, select};
use partyline_domain::ports::{
    Clock, ConversationStatus, Conversations, DialAnswer, Dialer, NumberProvider, Numbers, Timer,
};
use partyline_domain::{AttemptId, CallId, CallerId, Class, FailureKind, Instant, SideEffect};
use partyline_fake_adapter::WorldConfig;
use partyline_fake_adapter::clock::run;
use partyline_fake_adapter::world::{CallModel, Latency, Mode, Writer};

fn accepted(answer: DialAnswer) -> partyline_domain::ports::DialAccepted {
    match answer {
        DialAnswer::Accepted(accepted) => accepted,
        DialAnswer::Refused(refused) => panic!("refused: {}", refused.message),
    }
}

fn slow(config: WorldConfig) -> WorldConfig {
    WorldConfig { latency: Latency::constant(Duration::from_millis(200)), ..config }
}

#[test]
fn the_assigned_agent_speaks_in_the_harsh_world() {
    for (mode, speaks) in [(Mode::Harsh, 1), (Mode::RequestDecides, 0)] {
        let stage = Stage::new(WorldConfig { mode, ..WorldConfig::sandbox() });
        let answer = run(&stage.time, async {
            stage.assign(Some(1)).await.expect("assigned");
            stage.dial("call_1.1", 0).await.expect("answered")
        });
        let record = run(&stage.time, stage.provider.conversation(&accepted(answer).conversation));
        assert_eq!(record.expect("200").expect("there").agent, stage.agents[speaks], "{mode:?}");
        let world = stage.world.lock();
        let dial = &world.ledger().dials[0];
        assert_eq!((&dial.requested, dial.assigned.as_ref()), (&stage.agents[0], Some(&stage.agents[1])), "{mode:?}");
        assert_eq!(world.ledger().misroutes().count(), speaks, "{mode:?}");
    }
}

#[test]
fn the_requests_agent_speaks_where_nobody_is_or_can_be_assigned() {
    let stage = Stage::sandbox();
    run(&stage.time, stage.dial("call_1.1", 2)).expect("answered");
    assert_eq!(stage.world.lock().ledger().dials[0].answered, stage.agents[2]);

    let mut config = WorldConfig::sandbox();
    (config.numbers[0].inbound, config.numbers[0].assigned) = (false, Some(1));
    let stage = Stage::new(config);
    run(&stage.time, stage.dial("call_1.1", 2)).expect("answered");
    assert_eq!(stage.world.lock().ledger().dials[0].answered, stage.agents[2]);
}

#[test]
fn the_instant_of_execution_decides() {
    let stage = Stage::new(slow(WorldConfig::sandbox()));
    run(&stage.time, async {
        stage.assign(Some(0)).await.expect("assigned");
        let meddle = async {
            stage.time.sleep_until(stage.time.now().monotonic.after(Duration::from_millis(99))).await;
            stage.world.lock().reassign(&stage.number, Some(&stage.agents[2]), stage.time.now()).expect("known");
        };
        let (answer, ()) = join(stage.dial("call_1.1", 0), meddle).await;
        answer.expect("answered");
    });
    let world = stage.world.lock();
    let dial = &world.ledger().dials[0];
    assert_eq!((dial.at.monotonic.since_origin(), &dial.answered), (Duration::from_millis(300), &stage.agents[2]));
    let writers: Vec<_> = world.ledger().assignments_of(&stage.number).map(|entry| &entry.writer).collect();
    assert!(matches!(writers[..], [Writer::Request(1, Some(_)), Writer::Outsider]));
}

#[test]
fn a_bind_delay_lets_a_later_assignment_decide() {
    let bind_delay = Duration::from_secs(1);
    let stage = Stage::new(WorldConfig { bind_delay, ..WorldConfig::sandbox() });
    run(&stage.time, async {
        stage.assign(Some(0)).await.expect("assigned");
        stage.dial("call_1.1", 0).await.expect("answered");
        stage.assign(Some(1)).await.expect("assigned");
    });
    stage.time.advance(bind_delay);
    let mut world = stage.world.lock();
    world.advance(stage.time.now());
    assert_eq!(world.ledger().misroutes().count(), 1);
}

#[test]
fn dropping_a_dial_leaves_its_effect_to_happen() {
    let stage = Stage::new(slow(WorldConfig::sandbox()));
    run(&stage.time, async {
        let soon = stage.time.sleep_until(Instant::from_origin(Duration::from_millis(10)));
        let dial = stage.dial("call_1.1", 0).boxed_local();
        assert!(matches!(select(dial, soon).await, Either::Right(_)));
    });
    stage.time.advance(Duration::from_secs(1));
    let mut world = stage.world.lock();
    assert!(world.ledger().dials.is_empty());
    world.advance(stage.time.now());
    assert_eq!(world.ledger().dials[0].at.monotonic.since_origin(), Duration::from_millis(100));
    assert_eq!(world.next_event(), None);
}

#[test]
fn nothing_is_sent_after_its_time() {
    let stage = Stage::sandbox();
    stage.time.advance(Duration::from_secs(2));
    let mut order = stage.dial_order("call_1.1", 0);
    order.not_after = Instant::from_origin(Duration::from_secs(1));
    let error = run(&stage.time, stage.provider.dial(&order)).expect_err("too late");
    assert_eq!((error.kind(), error.side_effect()), (FailureKind::TooLate, SideEffect::None));
    let mut order = stage.assign_order(Some(0));
    order.not_after = Instant::from_origin(Duration::from_secs(1));
    assert_eq!(run(&stage.time, stage.provider.assign(&order)).expect_err("too late").kind(), FailureKind::TooLate);
    assert_eq!((stage.provider.requests(), stage.world.lock().requests()), (0, 0));
}

#[test]
fn the_sip_route_answers_at_pickup_and_twilio_at_once() {
    let ring = Duration::from_secs(27);
    for (provider, waits) in [(NumberProvider::Twilio, Duration::ZERO), (NumberProvider::SipTrunk, ring)] {
        let config =
            WorldConfig { calls: CallModel { ring, ..CallModel::default() }, ..WorldConfig::of(1, 1, &provider) };
        let stage = Stage::new(config);
        run(&stage.time, stage.dial("call_1.1", 0)).expect("answered");
        assert_eq!(stage.time.now().monotonic.since_origin(), waits, "{provider:?}");
        assert_eq!(stage.world.lock().ledger().dials[0].at.monotonic, Instant::default(), "{provider:?}");
    }
}

#[test]
fn a_callee_who_does_not_answer_on_the_sip_route_is_a_refusal_with_a_conversation() {
    let calls = CallModel { ring: Duration::from_secs(90), ..CallModel::default() };
    let stage = Stage::new(WorldConfig { calls, ..WorldConfig::of(1, 1, &NumberProvider::SipTrunk) });
    let answer = run(&stage.time, stage.dial("call_1.1", 0)).expect("answered");
    let DialAnswer::Refused(refused) = answer else { panic!("refused") };
    assert_eq!(stage.time.now().monotonic.since_origin(), Duration::from_secs(60));
    let id = refused.conversation.expect("a conversation");
    let record = run(&stage.time, stage.provider.conversation(&id)).expect("200").expect("there");
    assert_eq!((record.status, record.error.as_deref()), (ConversationStatus::Failed, Some("request timed out")));
}

#[test]
fn a_record_shows_how_the_call_goes() {
    let calls =
        CallModel { ring: Duration::from_secs(5), talk: Duration::from_secs(60), processing: Duration::from_secs(3) };
    let stage = Stage::new(WorldConfig { calls, ..WorldConfig::sandbox() });
    let accepted = accepted(run(&stage.time, stage.dial("call_1.1", 0)).expect("answered"));
    for (after, status) in [
        (0, ConversationStatus::Initiated),
        (5, ConversationStatus::InProgress),
        (60, ConversationStatus::Processing),
        (3, ConversationStatus::Done),
    ] {
        stage.time.advance(Duration::from_secs(after));
        let record =
            run(&stage.time, stage.provider.conversation(&accepted.conversation)).expect("200").expect("there");
        assert_eq!(record.status, status);
        assert_eq!(
            (record.user_id.as_deref(), record.attempt.as_ref().map(AttemptId::as_str)),
            (Some("call_1.1"), Some("call_1.1"))
        );
        let phone_call = record.phone_call.expect("shown");
        assert_eq!(phone_call.number.as_ref(), Some(&stage.number));
        assert!(
            phone_call.external_number.as_ref().is_some_and(|number: &CallerId| number.is(&callee()) == Some(true))
        );
        assert_eq!(phone_call.provider_call_id, accepted.provider_call_id);
        let active = stage.world.lock().active(stage.time.now().monotonic).count();
        assert_eq!(active == 0, status == ConversationStatus::Done);
    }
}

#[test]
fn what_the_provider_cannot_do_it_refuses() {
    let stage = Stage::sandbox();
    let now = stage.time.now();
    let kind = |order| {
        let error = run(&stage.time, stage.provider.dial(&order)).expect_err("refused");
        assert_eq!(error.class(), Class::Permanent);
        (error.kind(), error.status())
    };
    let order = || stage.dial_order("call_1.1", 0);
    let mut wrong = order();
    wrong.provider = NumberProvider::SipTrunk;
    assert_eq!(kind(wrong), (FailureKind::Invalid, Some(400)));
    let mut unknown = order();
    unknown.provider = NumberProvider::Other("carrier_pigeon".into());
    assert_eq!(kind(unknown), (FailureKind::NotBuilt, None));
    let mut nobody = order();
    nobody.agent = "agent_nobody".parse().expect("an id");
    assert_eq!(kind(nobody), (FailureKind::NotFound, Some(404)));
    stage.world.lock().archive(&stage.agents[0], true, now).expect("known");
    assert_eq!(kind(order()), (FailureKind::Invalid, Some(400)));
    stage.world.lock().delete_agent(&stage.agents[0], now).expect("known");
    assert_eq!(kind(order()), (FailureKind::NotFound, Some(404)));
    stage.world.lock().delete_number(&stage.number, now).expect("known");
    assert_eq!(kind(stage.dial_order("call_1.1", 1)), (FailureKind::NotFound, Some(404)));
    assert!(stage.world.lock().ledger().dials.is_empty());
    assert!(stage.world.lock().conversations().is_empty());
}

#[test]
fn an_outbound_only_number_cannot_be_assigned() {
    let mut config = WorldConfig::sandbox();
    config.numbers[0].inbound = false;
    let stage = Stage::new(config);
    let error = run(&stage.time, stage.assign(Some(0))).expect_err("refused");
    assert_eq!((error.status(), error.code()), (Some(400), Some("bad_request")));
}

#[test]
fn a_deleted_agent_answers_no_number() {
    let stage = Stage::sandbox();
    run(&stage.time, stage.assign(Some(1))).expect("assigned");
    stage.world.lock().delete_agent(&stage.agents[1], stage.time.now()).expect("known");
    let number = run(&stage.time, stage.provider.number(&stage.number)).expect("200").expect("there");
    assert_eq!(number.assigned, None);
}

#[test]
fn the_ledger_is_asked_by_call_and_by_attempt() {
    let stage = Stage::sandbox();
    for attempt in ["call_1.1", "call_1.2", "call_11.1", "call_1.x"] {
        run(&stage.time, stage.dial(attempt, 0)).expect("answered");
    }
    let world = stage.world.lock();
    let call = CallId::parse("call_1").expect("an id");
    let attempts: Vec<_> = world.ledger().dials_of_call(&call).filter_map(|dial| dial.attempt.as_ref()).collect();
    assert_eq!(attempts.iter().map(|attempt| attempt.as_str()).collect::<Vec<_>>(), ["call_1.1", "call_1.2"]);
    assert_eq!(world.ledger().dials_of_attempt(attempts[0]).count(), 1);
}

#[test]
fn the_calls_of_others_count_against_the_limit() {
    let stage = Stage::new(WorldConfig { live_max: Some(2), ..WorldConfig::sandbox() });
    stage.world.lock().foreign_call(&stage.number, stage.time.now()).expect("the number exists");
    run(&stage.time, stage.dial("call_1.1", 0)).expect("one place is left");
    let error = run(&stage.time, stage.dial("call_2.1", 0)).expect_err("none is left");
    assert_eq!(error.status(), Some(429));
    stage.time.advance(Duration::from_secs(100));
    run(&stage.time, stage.dial("call_2.2", 0)).expect("both are over");
    assert_eq!(stage.world.lock().ledger().dials.len(), 2, "the call of others is none of ours");
}
