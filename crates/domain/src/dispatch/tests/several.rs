//! Several numbers, priorities and expiry.

use super::*;
use crate::dispatch::effect::Slot;

pub(super) fn phnum(index: u8) -> PhoneNumberId {
    PhoneNumberId::parse(&format!("phnum_{index}")).expect("valid")
}

pub(super) fn number_of(id: &PhoneNumberId, assigned: Option<&str>) -> Number {
    Number { id: id.clone(), ..number(assigned) }
}

/// A call that may be placed from the numbers `from`.
pub(super) fn call(id: &str, of: &str, from: &[u8]) -> CallRequest {
    let numbers = NumberChoice::any_of(from.iter().map(|index| phnum(*index))).expect("there are numbers");
    CallRequest { numbers, ..request(id, of, Policies { proof: ProofPolicy::Off, ..Policies::default() }) }
}

impl Bench {
    pub(super) fn submit(&mut self, request: CallRequest) {
        self.input(Input::Submit(Box::new(request)));
    }

    /// Answers the list of numbers: each is answered by the agent named with it.
    pub(super) fn list(&mut self, numbers: &[(u8, &str)]) {
        self.take("list of numbers", |effect| matches!(effect, Effect::ListNumbers).then_some(()));
        let numbers = numbers.iter().map(|(index, assigned)| number_of(&phnum(*index), Some(assigned)));
        self.input(Input::NumbersListed(Ok(numbers.collect())));
    }

    /// Answers the next assignment as asked, and says which number got which agent.
    pub(super) fn assigned(&mut self) -> (PhoneNumberId, String) {
        self.commit();
        let order = self.take("assignment", |effect| match effect {
            Effect::AssignNumber(order) => Some(order.clone()),
            _ => None,
        });
        let agent = order.agent.expect("calls assign agents").to_string();
        let answer = number_of(&order.number, Some(&agent));
        self.input(Input::AssignAnswered(order.number.clone(), order.attempt, Ok(answer)));
        (order.number, agent)
    }

    /// Lets everything dial that may, and says who dials from where, in order.
    pub(super) fn dialling(&mut self) -> Vec<(Slot, String, PhoneNumberId)> {
        loop {
            let asked = self.effects.iter().position(|effect| matches!(effect, Effect::AskPermit(..)));
            let Some(index) = asked else { break };
            let Effect::AskPermit(slot, request) = self.effects.remove(index) else { unreachable!("just matched") };
            self.input(Input::Permitted(slot, Permit { attempt: request.attempt }));
            self.commit();
        }
        let dials = self.effects.iter().filter_map(|effect| match effect {
            Effect::PlaceCall(slot, dial) => Some((*slot, dial.attempt.to_string(), dial.number.clone())),
            _ => None,
        });
        dials.collect()
    }

    /// Who dials now, by the names of the calls, and from where.
    pub(super) fn on_the_line(&mut self) -> Vec<(String, PhoneNumberId)> {
        let call = |attempt: String| attempt.split('.').next().unwrap_or_default().to_owned();
        self.dialling().into_iter().map(|(_, attempt, number)| (call(attempt), number)).collect()
    }

    /// Answers the oldest open dial: it was taken, with a conversation named after it.
    pub(super) fn accept(&mut self) -> ConversationId {
        let (slot, attempt) = self.take("dial", |effect| match effect {
            Effect::PlaceCall(slot, dial) => Some((*slot, dial.attempt.clone())),
            _ => None,
        });
        let conversation = ConversationId::parse(&format!("conv_{attempt}")).expect("valid");
        let answer = DialAccepted { conversation: conversation.clone(), provider_call_id: None };
        self.input(Input::DialAnswered(slot, attempt, Ok(DialAnswer::Accepted(answer))));
        conversation
    }
}

#[test]
fn unknown_numbers_are_listed_with_one_request() {
    let mut bench = Bench::with(call("c", "a", &[1, 2]));
    assert!(!bench.has(|effect| matches!(effect, Effect::ReadNumber(_))));
    bench.submit(call("d", "a", &[1, 2]));
    bench.list(&[(1, "x"), (2, "a")]);
    bench.verify("a");
    let from: Vec<PhoneNumberId> = bench.on_the_line().into_iter().map(|(_, number)| number).collect();
    assert_eq!(from, [phnum(2), phnum(2)], "the number that has the agent is used, and nothing is assigned");
}

#[test]
fn two_agents_are_served_on_two_numbers_at_once() {
    let mut bench = Bench::with(call("c", "a", &[1, 2]));
    bench.submit(call("d", "b", &[1, 2]));
    bench.list(&[(1, "x"), (2, "x")]);
    bench.verify("a");
    bench.verify("b");
    assert_eq!(bench.assigned(), (phnum(1), "a".into()));
    assert_eq!(bench.assigned(), (phnum(2), "b".into()));
    assert_eq!(bench.on_the_line(), [("c".into(), phnum(1)), ("d".into(), phnum(2))]);
}

#[test]
fn a_call_that_demands_a_number_waits_for_it_while_others_use_another() {
    let mut bench = Bench::with(call("c", "a", &[1]));
    bench.read(Some("a"));
    bench.verify("a");
    assert_eq!(bench.on_the_line(), [("c".into(), number_id())]);
    bench.submit(call("d", "b", &[1]));
    bench.submit(call("e", "b", &[1, 2]));
    bench.verify("b");
    let id = bench.take("read", |effect| match effect {
        Effect::ReadNumber(id) => Some(id.clone()),
        _ => None,
    });
    bench.input(Input::NumberAnswered(id.clone(), Ok(Some(number_of(&id, Some("b"))))));
    assert_eq!(bench.on_the_line(), [("c".into(), phnum(1)), ("e".into(), phnum(2))]);
    bench.accept();
    assert_eq!(bench.assigned(), (phnum(1), "b".into()), "only now has the number nothing unresolved");
    assert_eq!(bench.on_the_line(), [("e".into(), phnum(2)), ("d".into(), phnum(1))]);
}

#[test]
fn the_number_whose_agent_is_called_least_often_is_taken() {
    let mut bench = Bench::new();
    for (index, id) in ["c1", "c2", "c3"].iter().enumerate() {
        bench.submit(call(id, if index == 2 { "b" } else { "a" }, &[1, 2]));
    }
    bench.list(&[(1, "b"), (2, "a")]);
    bench.verify("a");
    bench.verify("b");
    assert_eq!(bench.dialling().len(), 3);
    for _ in 0..3 {
        bench.accept();
    }
    bench.submit(call("d", "c", &[1, 2]));
    bench.verify("c");
    assert_eq!(bench.assigned(), (phnum(1), "c".into()), "b was called once, a twice");
}

#[test]
fn a_large_group_is_spread_over_numbers_that_nobody_needs() {
    let spread = |replicate| {
        let policy = LinePolicy { in_flight_max: 2, replicate, ..LinePolicy::default() };
        let mut bench = Bench::under(&policy);
        for index in 0..6 {
            bench.submit(call(&format!("c{index}"), "a", &[1, 2]));
        }
        bench.list(&[(1, "a"), (2, "x")]);
        bench.verify("a");
        bench.commit();
        if bench.has(assigns) {
            bench.assigned();
        }
        bench.on_the_line().len()
    };
    assert_eq!(spread(false), 2);
    assert_eq!(spread(true), 4);
}

#[test]
fn an_urgent_call_goes_first_and_nobody_waits_for_ever() {
    let policy = LinePolicy { in_flight_max: 1, ..LinePolicy::default() };
    let mut bench = Bench::under(&policy);
    bench.submit(call("first", "a", &[1]));
    bench.submit(call("second", "a", &[1]));
    bench.submit(CallRequest { priority: Priority::Urgent, ..call("urgent", "a", &[1]) });
    bench.read(Some("a"));
    bench.verify("a");
    let mut order = Vec::new();
    for _ in 0..3 {
        order.extend(bench.on_the_line().into_iter().map(|(call, _)| call));
        bench.accept();
    }
    // A long time later an urgent call no longer overtakes a call that was there before.
    assert_eq!(order, ["urgent", "first", "second"]);
    bench.submit(call("old", "a", &[1]));
    bench.now += LinePolicy::default().urgent_ahead + Duration::from_secs(1);
    bench.submit(CallRequest { priority: Priority::Urgent, ..call("late", "a", &[1]) });
    let turn = |bench: &Bench, call: &str| {
        let slot = bench.dispatcher.slots[&CallId::parse(call).expect("valid")];
        bench.dispatcher.record(slot).turn(slot, LinePolicy::default().urgent_ahead)
    };
    assert!(turn(&bench, "old") < turn(&bench, "late"));
}

#[test]
fn an_urgent_call_of_another_agent_ends_the_session_early() {
    let policy = LinePolicy { in_flight_max: 1, ..LinePolicy::default() };
    let mut bench = Bench::under(&policy);
    for index in 0..4 {
        bench.submit(call(&format!("c{index}"), "a", &[1]));
    }
    bench.read(Some("a"));
    bench.verify("a");
    assert_eq!(bench.on_the_line().len(), 1);
    bench.submit(CallRequest { priority: Priority::Urgent, ..call("urgent", "b", &[1]) });
    bench.verify("b");
    bench.accept();
    assert_eq!(bench.assigned().1, "b");
    assert_eq!(bench.on_the_line()[0].0, "urgent");
    bench.accept();
    assert_eq!(bench.assigned().1, "a");
}

#[test]
fn a_call_that_has_expired_is_not_dialled() {
    let expiring =
        |at| CallRequest { expires_at: Some(Timestamp::from_unix(Duration::from_secs(at))), ..call("c", "a", &[1]) };
    let mut bench = Bench::with(expiring(10));
    bench.verify("a");
    bench.pass(10);
    let (stage, reason, dialed) = failure(&bench.report());
    assert_eq!((stage, reason, dialed), (Stage::Assign, FailureReason::Expired, Dialed::No));
    assert!(!bench.has(dials));

    let mut bench = Bench::new();
    bench.now = Duration::from_secs(11);
    bench.submit(expiring(10));
    assert_eq!(failure(&bench.report()).1, FailureReason::Expired, "it was too late before it came");
    assert!(!bench.has(|effect| matches!(effect, Effect::VerifyAgent(_))));
}

#[test]
fn a_dial_is_dropped_unsent_when_its_call_expires() {
    let expires_at = Some(Timestamp::from_unix(Duration::from_secs(1)));
    let mut bench = Bench::with(CallRequest { expires_at, ..call("c", "a", &[1]) });
    bench.up_to_dial("a");
    let not_after = bench.take("dial", |effect| match effect {
        Effect::PlaceCall(_, dial) => Some(dial.not_after),
        _ => None,
    });
    assert_eq!(not_after, Instant::from_origin(Duration::from_secs(1)));
}

#[test]
fn calls_that_come_at_once_are_gathered_although_their_agents_are_known() {
    let mut bench = Bench::under(&LinePolicy { in_flight_max: 2, ..LinePolicy::default() });
    for name in ["a", "b"] {
        let profile = AgentProfile { id: agent(name), name: name.into(), archived: false };
        bench.input(Input::KnowAgent(profile, Instant::default()));
    }
    bench.input(Input::KnowNumber(number(Some("a")), Instant::default()));
    let calls = (0..20).map(|index| call(&format!("c{index}"), if index % 2 == 0 { "a" } else { "b" }, &[1]));
    bench.input(Input::SubmitAll(calls.collect()));
    for _ in 0..10 {
        assert!(bench.dialling().iter().all(|(_, attempt, _)| attempt.starts_with('c')));
        assert!(!bench.has(assigns), "a's ten calls come first");
        bench.accept();
    }
    bench.commit();
    assert!(bench.has(assigns));
}
