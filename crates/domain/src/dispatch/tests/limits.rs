//! Caps on dials and live calls, verification together, and numbers that bind their agent for a known time.

use super::*;

fn backlog(policy: &LinePolicy, agents: &[&str]) -> Bench {
    let mut bench = Bench::under(policy);
    for (index, of) in agents.iter().enumerate() {
        bench.submit(several::call(&format!("c{index}"), of, &[1, 2]));
    }
    for name in agents.iter().collect::<BTreeSet<_>>() {
        bench.verify(name);
    }
    // Last, so that nobody dials before everybody is verified.
    bench.list(&[(1, "a"), (2, "b")]);
    bench
}

#[test]
fn dials_in_flight_are_limited_over_all_numbers() {
    let policy = LinePolicy { in_flight_total: Some(3), ..LinePolicy::default() };
    let mut bench = backlog(&policy, &["a", "a", "b", "b", "a", "b"]);
    assert_eq!(bench.dialling().len(), 3);
    bench.accept();
    assert_eq!(bench.dialling().len(), 3);
}

#[test]
fn live_calls_are_limited_until_there_is_evidence_that_they_ended() {
    let policy = LinePolicy { live_max: Some(2), ..LinePolicy::default() };
    let mut bench = backlog(&policy, &["a", "b", "a", "b"]);
    let order = |bench: &mut Bench| bench.on_the_line().into_iter().map(|(call, _)| call).collect::<Vec<_>>();
    assert_eq!(order(&mut bench), ["c0", "c1"]);
    let first = bench.accept();
    assert_eq!(order(&mut bench), ["c1"], "a conversation keeps its place");
    bench.input(Input::ConversationEnded(first));
    assert_eq!(order(&mut bench), ["c1", "c2"], "first come, first served");
}

#[test]
fn the_end_of_a_call_is_seen_on_a_page_of_the_list() {
    let policy = LinePolicy { live_max: Some(1), ..LinePolicy::default() };
    let mut bench = backlog(&policy, &["a", "b"]);
    bench.dialling();
    let first = bench.accept();
    assert!(!bench.has(|effect| matches!(effect, Effect::Survey { .. })));
    bench.pass(5);
    let wanted = bench.take("survey", |effect| match effect {
        Effect::Survey { wanted, .. } => Some(wanted.clone()),
        _ => None,
    });
    assert_eq!(wanted, std::slice::from_ref(&first));
    let seen = ConversationSummary {
        id: first,
        agent: agent("a"),
        started_at: Timestamp::default(),
        status: ConversationStatus::Done,
    };
    bench.input(Input::Surveyed(Ok(vec![seen])));
    assert_eq!(bench.on_the_line()[0].0, "c1");
}

#[test]
fn a_call_in_doubt_keeps_its_place_until_it_can_no_longer_be_live() {
    let policy = LinePolicy { live_max: Some(1), ..LinePolicy::default() };
    let mut bench = backlog(&policy, &["a", "b"]);
    bench.dialling();
    bench.dial(Err(timed_out()));
    for seconds in [2, 3, 10, 15, 30] {
        bench.pass(seconds);
        bench.look_up(None);
    }
    assert_eq!(failure(&bench.report()).1, FailureReason::OutcomeUnknown);
    assert!(bench.dialling().is_empty(), "L after it was to be sent at the latest is not over");
    bench.pass(2);
    let id = bench.take("read", |effect| match effect {
        Effect::ReadNumber(id) => Some(id.clone()),
        _ => None,
    });
    bench.input(Input::NumberAnswered(id.clone(), Ok(Some(several::number_of(&id, Some("b"))))));
    assert_eq!(bench.on_the_line()[0].0, "c1");
}

#[test]
fn while_places_are_scarce_the_look_ahead_spares_assignments() {
    let orders = |look_ahead| {
        let policy = LinePolicy { live_max: Some(1), look_ahead, ..LinePolicy::default() };
        let mut bench = Bench::under(&policy);
        for (index, of) in ["a", "b", "a", "b"].iter().enumerate() {
            bench.submit(several::call(&format!("c{index}"), of, &[1]));
        }
        bench.read(Some("a"));
        bench.verify("a");
        bench.verify("b");
        let mut order = Vec::new();
        while order.len() < 4 {
            bench.commit();
            if bench.has(assigns) {
                bench.assigned();
            }
            order.extend(bench.on_the_line().into_iter().map(|(call, _)| call));
            let conversation = bench.accept();
            bench.input(Input::ConversationEnded(conversation));
        }
        order
    };
    assert_eq!(orders(0), ["c0", "c1", "c2", "c3"]);
    assert_eq!(orders(2), ["c0", "c2", "c1", "c3"]);
}

#[test]
fn agents_are_asked_about_together_within_the_window() {
    let policy = LinePolicy { verify_window: Duration::from_millis(10), ..LinePolicy::default() };
    let mut bench = Bench::under(&policy);
    for name in ["a", "b", "gone"] {
        bench.submit(several::call(name, name, &[1]));
    }
    assert!(!bench.has(|effect| matches!(effect, Effect::VerifyAgent(_) | Effect::VerifyAgents(_))));
    bench.now += Duration::from_millis(10);
    bench.input(Input::Wake);
    let asked = bench.take("verification", |effect| match effect {
        Effect::VerifyAgents(agents) => Some(agents.clone()),
        _ => None,
    });
    assert_eq!(asked, [agent("a"), agent("b"), agent("gone")]);
    let profile = |name: &str| (agent(name), AgentProfile { id: agent(name), name: name.into(), archived: false });
    bench.input(Input::AgentsAnswered(asked, Ok([profile("a"), profile("b")].into())));
    // Nobody has documented what is said of an agent that does not exist, so that one is asked about alone.
    let alone = bench.take("verification", |effect| match effect {
        Effect::VerifyAgent(agent) => Some(agent.clone()),
        _ => None,
    });
    assert_eq!(alone, agent("gone"));
    bench.input(Input::AgentAnswered(alone, Ok(None)));
    assert_eq!(failure(&bench.report()).1, FailureReason::AgentNotFound);
}

#[test]
fn a_number_serves_another_agent_when_its_open_dials_can_no_longer_bind_the_previous_one() {
    let policy = LinePolicy { binding: Some(Duration::from_secs(5)), ..LinePolicy::default() };
    let mut bench = Bench::under(&policy);
    bench.submit(several::call("c", "a", &[1]));
    bench.up_to_dial("a");
    bench.submit(several::call("d", "b", &[1]));
    bench.verify("b");
    bench.commit();
    assert!(!bench.has(assigns));
    bench.pass(5);
    assert_eq!(bench.assigned().1, "b");
    assert_eq!(bench.on_the_line().len(), 2, "both phones ring");
    bench.dial(accepted());
    assert!(matches!(bench.report().state, CallState::Initiated(_)));
}
