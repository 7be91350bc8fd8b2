//! How faults are written: what is read is written the same way, and what cannot be read is explained.

use std::time::Duration;

use partyline_fake_adapter::faults::{Count, Denial, FailStatus, Fault, FaultParseError, FaultRule, Target, When};
use partyline_fake_adapter::world::Operation;

#[test]
fn every_fault_is_read_as_it_is_written() {
    let menu = Fault::menu();
    assert_eq!(menu.len(), 46);
    for fault in menu {
        let name = fault.to_string();
        assert_eq!(name.parse::<Fault>(), Ok(fault), "{name}");
    }
}

#[test]
fn rules_round_trip() {
    for text in [
        "dial:504-after",
        "assign:ignored:2",
        "number:429:*",
        "any:502-html:3@10",
        "dial:429-retry-5s:1@1",
        "conversations:slow-250ms:*@4",
        "dial:late-90s",
        "assign:hang-late-7us",
        "summaries:slow-3ns",
    ] {
        let rule: FaultRule = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(rule.to_string(), text);
    }
}

#[test]
fn a_rule_says_what_it_says() {
    let rule = FaultRule {
        target: Target::Only(Operation::Dial),
        fault: Fault::Status(FailStatus::GatewayTimeout, When::After),
        count: Count::Times(1),
        skip: 0,
    };
    assert_eq!("dial:504-after:1".parse(), Ok(rule));
    let rule = FaultRule {
        target: Target::Any,
        fault: Fault::Denied(Denial::MissingPermission),
        count: Count::Always,
        skip: 3,
    };
    assert_eq!(" any:401-permission:*@3 ".parse(), Ok(rule));
    assert_eq!("dial:late-2m".parse::<FaultRule>().map(|rule| rule.fault), Ok(Fault::Late(Duration::from_secs(120))));
}

#[test]
fn what_cannot_be_read_is_explained() {
    let why = |text: &str| text.parse::<FaultRule>().map_err(|error| error.to_string()).expect_err(text);
    assert!(why("dial").starts_with("a fault is written <operation>:<fault>"));
    assert!(why("dail:half").contains("no operation \"dail\"; there are any, agents, agent, summaries"));
    let unknown = why("dial:explode");
    assert!(unknown.contains("504-after") && unknown.contains("late-<duration>"), "{unknown}");
    assert_eq!(why("number:refused"), "the fault refused cannot happen to number");
    for count in ["0", "-1", "x", "", "1@", "1@x", "+1"] {
        let text = format!("dial:half:{count}");
        assert!(matches!(text.parse::<FaultRule>(), Err(FaultParseError::Count { .. })), "{text}");
    }
    for duration in ["slow-", "slow-2", "slow-2h", "late-1.5s", "429-retry-1ms", "slow--1s"] {
        let text = format!("dial:{duration}");
        assert!(matches!(text.parse::<FaultRule>(), Err(FaultParseError::Fault { .. })), "{text}");
    }
}
