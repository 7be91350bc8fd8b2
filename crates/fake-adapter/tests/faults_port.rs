//! Every fault once through the ports: the class of the error, and what the provider really did.

mod common;

use std::time::Duration;

use common::Stage;
use partyline_domain::ports::{
    Agents, Clock, ConversationQuery, ConversationStatus, Conversations, DialAnswer, NumberProvider, Numbers,
    PageRequest,
};
use partyline_domain::{Class, ProviderError};
use partyline_fake_adapter::clock::run;
use partyline_fake_adapter::faults::Fault;
use partyline_fake_adapter::world::{LedgerDetail, Operation, RequestOutcome};

fn class(error: &ProviderError) -> String {
    let class = match error.class() {
        Class::Retryable { after: None } => String::from("retryable"),
        Class::Retryable { after: Some(after) } => format!("retryable after {after:?}"),
        Class::Permanent => String::from("permanent"),
        Class::InDoubt => String::from("in doubt"),
    };
    format!("{} {class}", error.kind())
}

fn answer(result: &Result<DialAnswer, ProviderError>) -> String {
    match result {
        Ok(DialAnswer::Accepted(_)) => String::from("accepted"),
        Ok(DialAnswer::Refused(refused)) if refused.conversation.is_some() => String::from("refused with conversation"),
        Ok(DialAnswer::Refused(_)) => String::from("refused"),
        Err(error) => class(error),
    }
}

/// Fault, what a dial ends with, how many dials were executed in the end, and what a read ends with.
const TABLE: &[(&str, &str, usize, &str)] = &[
    ("408-before", "timed_out in doubt", 0, "timed_out retryable"),
    ("408-after", "timed_out in doubt", 1, "timed_out retryable"),
    ("409-before", "conflict in doubt", 0, "conflict permanent"),
    ("409-after", "conflict in doubt", 1, "conflict permanent"),
    ("429-before", "rate_limited retryable", 0, "rate_limited retryable"),
    ("429-after", "rate_limited retryable", 1, "rate_limited retryable"),
    ("500-before", "unavailable in doubt", 0, "unavailable retryable"),
    ("500-after", "unavailable in doubt", 1, "unavailable retryable"),
    ("502-before", "unavailable in doubt", 0, "unavailable retryable"),
    ("502-after", "unavailable in doubt", 1, "unavailable retryable"),
    ("503-before", "unavailable in doubt", 0, "unavailable retryable"),
    ("503-after", "unavailable in doubt", 1, "unavailable retryable"),
    ("504-before", "unavailable in doubt", 0, "unavailable retryable"),
    ("504-after", "unavailable in doubt", 1, "unavailable retryable"),
    ("429", "rate_limited retryable", 0, "rate_limited retryable"),
    ("429-retry-1s", "rate_limited retryable after 1s", 0, "rate_limited retryable after 1s"),
    ("429-text", "rate_limited in doubt", 0, "rate_limited retryable"),
    ("502-html", "unavailable in doubt", 0, "unavailable retryable"),
    ("502-html-after", "unavailable in doubt", 1, "unavailable retryable"),
    ("401", "unauthorized permanent", 0, "unauthorized permanent"),
    ("401-permission", "missing_permission permanent", 0, "missing_permission permanent"),
    ("402", "quota_exceeded permanent", 0, "quota_exceeded permanent"),
    ("403", "forbidden permanent", 0, "forbidden permanent"),
    ("404", "not_found permanent", 0, "absent"),
    ("422", "invalid permanent", 0, "invalid permanent"),
    ("hang-before", "timed_out in doubt", 0, "timed_out retryable"),
    ("hang-after", "timed_out in doubt", 1, "timed_out retryable"),
    ("reset-before", "interrupted in doubt", 0, "interrupted retryable"),
    ("reset-after", "interrupted in doubt", 1, "interrupted retryable"),
    ("half", "interrupted in doubt", 1, "interrupted retryable"),
    ("garbage", "unreadable in doubt", 1, "unreadable permanent"),
    ("refused", "refused", 0, ""),
    ("refused-with-conversation", "refused with conversation", 1, ""),
    ("no-conversation-id", "unreadable in doubt", 1, ""),
    ("lying", "accepted", 0, ""),
    ("unknown-enum", "accepted", 1, "present"),
    ("missing-optional", "accepted", 1, "present"),
    ("legacy", "accepted", 1, "present"),
    ("slow-2s", "accepted", 1, "present"),
    ("late-2s", "unavailable in doubt", 1, ""),
    ("hang-late-2s", "timed_out in doubt", 1, ""),
    ("twice-2s", "accepted", 2, ""),
];
/// What happens to something else than a dial, see the tests below.
const ELSEWHERE: [&str; 4] = ["ignored", "page-missing", "page-shuffled", "untagged"];

#[test]
fn the_table_has_the_whole_menu() {
    let missing: Vec<String> = Fault::menu()
        .iter()
        .map(ToString::to_string)
        .filter(|name| !ELSEWHERE.contains(&name.as_str()) && !TABLE.iter().any(|(known, ..)| known == name))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn a_dial() {
    for (fault, expected, executed, _) in TABLE {
        let stage = Stage::with_fault(&format!("dial:{fault}"));
        let result = run(&stage.time, stage.dial("call_1.1", 0));
        assert_eq!(answer(&result), *expected, "{fault}");
        stage.time.advance(Duration::from_secs(10));
        let mut world = stage.world.lock();
        world.advance(stage.time.now());
        assert_eq!(world.ledger().dials.len(), *executed, "{fault}");
        assert_ne!(world.ledger().requests[0].outcome, RequestOutcome::Open, "{fault}");
        assert_eq!(world.ledger().requests[0].fault.map(|fault| fault.to_string()).as_deref(), Some(*fault));
        drop(world);
        let again = run(&stage.time, stage.dial("call_1.2", 0));
        assert_eq!(answer(&again), "accepted", "{fault} happens once");
    }
}

#[test]
fn a_read() {
    for (fault, _, _, expected) in TABLE.iter().filter(|(_, _, _, expected)| !expected.is_empty()) {
        let stage = Stage::with_fault(&format!("number:{fault}"));
        let result = match run(&stage.time, stage.provider.number(&stage.number)) {
            Ok(Some(_)) => String::from("present"),
            Ok(None) => String::from("absent"),
            Err(error) => class(&error),
        };
        assert_eq!(result, *expected, "{fault}");
    }
}

#[test]
fn an_assignment_in_doubt_may_have_been_made() {
    for (fault, made) in [("504-before", false), ("504-after", true), ("reset-after", true), ("half", true)] {
        let stage = Stage::with_fault(&format!("assign:{fault}"));
        let error = run(&stage.time, stage.assign(Some(1))).expect_err(fault);
        assert_eq!(error.class(), Class::InDoubt, "{fault}");
        assert_eq!(stage.world.lock().assigned(&stage.number), made.then_some(&stage.agents[1]), "{fault}");
    }
}

#[test]
fn an_ignored_assignment_shows_it_and_a_lying_one_does_not() {
    for (fault, shown) in [("ignored", None), ("lying", Some(1))] {
        let stage = Stage::with_fault(&format!("assign:{fault}"));
        let number = run(&stage.time, stage.assign(Some(1))).expect("200");
        assert_eq!(number.assigned_id(), shown.map(|index: usize| &stage.agents[index]), "{fault}");
        assert_eq!(stage.world.lock().assigned(&stage.number), None, "{fault}");
        assert!(stage.world.lock().ledger().assignments.is_empty(), "{fault}");
    }
}

#[test]
fn a_lying_dial_names_a_conversation_that_does_not_exist() {
    let stage = Stage::with_fault("dial:lying");
    let Ok(DialAnswer::Accepted(accepted)) = run(&stage.time, stage.dial("call_1.1", 0)) else { panic!("accepted") };
    assert_eq!(run(&stage.time, stage.provider.conversation(&accepted.conversation)), Ok(None));
}

#[test]
fn strange_words_come_through_as_such() {
    let stage = Stage::with_fault("any:unknown-enum:*");
    let number = run(&stage.time, stage.provider.number(&stage.number)).expect("200").expect("there");
    assert_eq!(number.provider, NumberProvider::Other("carrier_pigeon".into()));
    let Ok(DialAnswer::Accepted(accepted)) = run(&stage.time, stage.dial("call_1.1", 0)) else { panic!("accepted") };
    let record = run(&stage.time, stage.provider.conversation(&accepted.conversation)).expect("200").expect("there");
    assert_eq!(record.status, ConversationStatus::Other("daydreaming".into()));
}

#[test]
fn a_sparse_number_is_taken_to_support_everything() {
    let mut config = partyline_fake_adapter::WorldConfig::sandbox();
    config.numbers[0].inbound = false;
    config.faults.add("number:missing-optional".parse().expect("a rule"));
    let stage = Stage::new(config);
    let read = || run(&stage.time, stage.provider.number(&stage.number)).expect("200").expect("there").inbound;
    assert_eq!((read(), read()), (true, false));
}

#[test]
fn a_slow_answer_comes_late_and_a_late_effect_after_it() {
    let stage = Stage::with_fault("number:slow-2s");
    run(&stage.time, stage.provider.number(&stage.number)).expect("200");
    assert_eq!(stage.time.now().monotonic.since_origin(), Duration::from_secs(2));

    let stage = Stage::with_fault("dial:late-2s");
    run(&stage.time, stage.dial("call_1.1", 0)).expect_err("504");
    assert_eq!(stage.time.now().monotonic.since_origin(), Duration::ZERO);
    run(&stage.time, stage.assign(Some(2))).expect("assigned");
    stage.time.advance(Duration::from_secs(3));
    stage.world.lock().advance(stage.time.now());
    let world = stage.world.lock();
    assert_eq!(world.ledger().dials[0].at.monotonic.since_origin(), Duration::from_secs(2));
    assert_eq!(world.ledger().misroutes().count(), 1);
}

#[test]
fn faults_reach_every_operation() {
    let stage = Stage::with_fault("any:503-before:*");
    let provider = &stage.provider;
    let errors = run(&stage.time, async {
        vec![
            provider.agents(&PageRequest::default()).await.map(|_| ()),
            provider.agent(&stage.agents[0]).await.map(|_| ()),
            provider.summaries(&stage.agents).await.map(|_| ()),
            provider.numbers().await.map(|_| ()),
            provider.number(&stage.number).await.map(|_| ()),
            stage.assign(None).await.map(|_| ()),
            stage.dial("call_1.1", 0).await.map(|_| ()),
            provider.conversations(&ConversationQuery::default()).await.map(|_| ()),
            provider.conversation(&"conv_1".parse().expect("an id")).await.map(|_| ()),
        ]
    });
    assert_eq!(errors.len(), Operation::ALL.len());
    assert!(errors.iter().all(|result| result.as_ref().is_err_and(|error| error.status() == Some(503))));
    assert_eq!(provider.requests(), 9);
    let world = stage.world.lock();
    let operations: Vec<_> = world.ledger().requests.iter().map(|entry| entry.operation).collect();
    assert_eq!(operations, Operation::ALL);
}

#[test]
fn without_a_ledger_faults_happen_all_the_same() {
    let mut config = partyline_fake_adapter::WorldConfig::sandbox();
    config.ledger = LedgerDetail::Nothing;
    config.faults.add("dial:504-after".parse().expect("a rule"));
    let stage = Stage::new(config);
    run(&stage.time, stage.dial("call_1.1", 0)).expect_err("504");
    assert_eq!(stage.world.lock().conversations().len(), 1);
    assert!(stage.world.lock().ledger().dials.is_empty());
}

#[test]
fn a_list_of_conversations_hides_shuffles_and_forgets_tags_once() {
    let stage = Stage::sandbox();
    for attempt in ["call_1.1", "call_2.1"] {
        run(&stage.time, stage.dial(attempt, 0)).expect("accepted");
    }
    for rule in ["conversations:page-missing", "conversations:page-shuffled", "conversation:untagged"] {
        stage.world.lock().faults().add(rule.parse().expect("a rule"));
    }
    let list = || run(&stage.time, stage.provider.conversations(&ConversationQuery::default())).expect("200");
    let ids = |page: partyline_domain::ports::Page<partyline_domain::ports::ConversationSummary>| {
        page.items.into_iter().map(|item| item.id).collect::<Vec<_>>()
    };
    // Both rules count each list: the first hides it, the second is then due.
    assert_eq!(ids(list()), []);
    let shuffled = ids(list());
    let usual = ids(list());
    assert_eq!(shuffled, usual.iter().rev().cloned().collect::<Vec<_>>());
    let read = || run(&stage.time, stage.provider.conversation(&usual[0])).expect("200").expect("there");
    let (untagged, tagged) = (read(), read());
    assert_eq!((untagged.attempt, untagged.user_id), (None, None));
    assert_eq!(tagged.attempt.map(|attempt| attempt.to_string()).as_deref(), Some("call_2.1"));
}
