//! Stories that are made up from seeds: whatever happens, every call ends, no number serves two agents at once, and
//! nothing is left over.
//!
//! `PARTYLINE_SEEDS=5000` runs more of them, `PARTYLINE_SEED=17` begins with that one.

use super::*;
use crate::dispatch::tests::world::Fault;
use crate::policy::{BreakerPolicy, DialPolicy, Guarantee};

const AGENTS: [&str; 4] = ["a", "b", "c", "d"];

/// Numbers that look random and are the same for the same seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// From 1 to `most`.
    fn count(&mut self, most: u8) -> u8 {
        u8::try_from(1 + self.below(most.into())).expect("not more than a byte")
    }

    /// The same, in so many cases of a hundred.
    fn limit(&mut self, percent: u64, most: u8) -> Option<usize> {
        self.percent(percent).then(|| self.count(most).into())
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.count(u8::try_from(choices.len()).expect("a few"))) - 1].clone()
    }

    fn up_to(&mut self, time: Duration) -> Duration {
        millis(self.below(u64::try_from(time.as_millis()).expect("minutes")))
    }
}

fn any_policy(chance: &mut Chance) -> LinePolicy {
    let failures = u32::from(chance.count(4)) - 1;
    LinePolicy {
        live_max: chance.limit(50, 5),
        in_flight_total: chance.limit(30, 5),
        in_flight_max: chance.count(4).into(),
        look_ahead: usize::from(chance.count(3)) - 1,
        replicate: chance.percent(50),
        quantum: chance.limit(30, 3),
        binding: chance.percent(30).then(|| millis(300)),
        verify_window: if chance.percent(30) { millis(50) } else { Duration::ZERO },
        breaker: BreakerPolicy { failures, patience: millis(20_000), ..BreakerPolicy::default() },
        ..LinePolicy::default()
    }
}

fn any_error(chance: &mut Chance, is_write: bool, stops_account: bool) -> ProviderError {
    match chance.below(7) {
        0 | 1 if is_write => timed_out(),
        2 => ProviderError::retryable(FailureKind::RateLimited, Some(millis(700)), "429"),
        3 => refused(FailureKind::Forbidden),
        4 => refused(FailureKind::Invalid),
        5 if stops_account => refused(FailureKind::Unauthorized),
        _ => unreachable(),
    }
}

/// For two minutes requests fail now and then, and perhaps all dials of one agent.
fn any_faults(chance: &mut Chance) -> Fault {
    let (rate, stops_account) = (chance.below(40), chance.percent(10));
    let failing = chance.percent(40).then(|| chance.one_of(&AGENTS));
    let mut chance = Chance(chance.draw());
    Box::new(move |effect, now| {
        if now > minutes(2) {
            None
        } else if failing.is_some_and(|name| is_dial_of(effect, name)) {
            Some(refused(FailureKind::Invalid))
        } else {
            let is_write = dials(effect) || assigns(effect);
            chance.percent(rate).then(|| any_error(&mut chance, is_write, stops_account))
        }
    })
}

fn any_policies(chance: &mut Chance) -> Policies {
    let if_different = AssignmentPolicy::IfDifferent;
    let assignments = [if_different, if_different, AssignmentPolicy::Never, AssignmentPolicy::Always];
    let guarantee = if chance.percent(30) { Guarantee::AtLeastOnce } else { Guarantee::AtMostOnce };
    Policies {
        assignment: chance.one_of(&assignments),
        after_call: if chance.percent(30) { AfterCall::Restore } else { AfterCall::Keep },
        proof: chance.one_of(&[ProofPolicy::Off, ProofPolicy::Pages, ProofPolicy::Once]),
        settle_after_post: if chance.percent(10) { millis(3000) } else { Duration::ZERO },
        dial: DialPolicy { guarantee, ..DialPolicy::default() },
        ..Policies::default()
    }
}

fn any_call(chance: &mut Chance, id: &str, numbers: u8, now: Duration) -> CallRequest {
    let chosen = 1 + chance.below((1 << numbers) - 1);
    let from: Vec<u8> = (1..=numbers).filter(|index| chosen >> (index - 1) & 1 == 1).collect();
    let expires = chance.percent(15).then(|| now + chance.up_to(millis(20_000)));
    CallRequest {
        policies: Arc::new(any_policies(chance)),
        priority: if chance.percent(20) { Priority::Urgent } else { Priority::Normal },
        expires_at: expires.map(Timestamp::from_unix),
        ..call(id, chance.one_of(&AGENTS), &from)
    }
}

fn any_world(chance: &mut Chance, numbers: u8, policy: &LinePolicy) -> World {
    let assigned = |chance: &mut Chance| chance.percent(65).then(|| chance.one_of(&AGENTS));
    let assigned: Vec<(u8, Option<&str>)> = (1..=numbers).map(|index| (index, assigned(chance))).collect();
    let mut world = World::new(policy, &assigned);
    if chance.percent(20) {
        world.outbound_only.insert(several::phnum(chance.count(numbers)));
    }
    world.talk = millis(100) + chance.up_to(millis(4000));
    world.list_shows = chance.percent(70);
    if chance.percent(30) {
        world.latency = Latency { journal: millis(3), permit: millis(2500), dial: millis(1700), request: millis(400) };
    }
    world.fault = any_faults(chance);
    world
}

/// What a story led to.
struct Story {
    world: World,
    calls: usize,
    /// Somebody else has changed numbers too.
    meddled: bool,
}

fn story(seed: u64, adjust: impl FnOnce(&mut LinePolicy)) -> Story {
    let mut chance = Chance(seed);
    let mut policy = any_policy(&mut chance);
    adjust(&mut policy);
    let numbers = chance.count(3);
    let mut world = any_world(&mut chance, numbers, &policy);
    let calls = 10 + chance.below(40);
    let stop = chance.one_of(&[Some(Input::ShutDown), Some(Input::Interrupt), None, None, None, None]);
    let meddled = seed % 2 == 1;
    let stop_at = chance.below(calls);
    for index in 0..calls {
        let request = any_call(&mut chance, &format!("c{index}"), numbers, world.now);
        world.submit(request);
        if chance.percent(10) {
            let call = CallId::parse(&format!("c{}", chance.below(index + 1))).expect("valid");
            world.input(Input::Cancel(call));
        }
        if meddled && chance.percent(5) {
            world.assigned.insert(several::phnum(chance.count(numbers)), Some(agent("d")));
        }
        if index == stop_at
            && let Some(stop) = &stop
        {
            world.input(stop.clone());
        }
        if chance.percent(50) {
            world.run_for(chance.up_to(millis(1500)));
        }
    }
    world.input(Input::Drain);
    world.run_until(minutes(40));
    Story { world, calls: usize::try_from(calls).expect("a few"), meddled }
}

/// What is wrong at the end of a story.
fn problem(story: &Story) -> Option<String> {
    let Story { world, calls, meddled } = story;
    let Dispatcher { calls: left, desks, queue, open, live, audit, timers, .. } = &world.dispatcher;
    let waiting = || left.values().map(|record| (&record.request.id, &record.step)).collect::<Vec<_>>();
    if world.endings.len() != *calls {
        Some(format!("{} of {calls} calls ended; left: {:?}; {desks:#?}", world.endings.len(), waiting()))
    } else if !world.dispatcher.is_idle() {
        Some(format!("not idle: {audit:?} {desks:#?}"))
    } else if !open.is_empty() || queue.waiting() != 0 || world.dispatcher.in_flight() != 0 {
        Some(format!("calls are counted that have ended: {open:?}, {} wait", queue.waiting()))
    } else if live.free(Some(9)) != Some(9) {
        Some(format!("places are kept by calls that have ended: {live:?}"))
    } else if !world.permits.is_empty() {
        Some(format!("permits were not given back: {:?}", world.permits))
    } else if world.misrouted > 0 && !meddled {
        Some(format!("{} calls got another agent", world.misrouted))
    } else if world.rung_twice > 0 {
        Some(format!("{} phones may have rung twice", world.rung_twice))
    } else if !timers.is_empty() {
        Some(format!("timers are left: {timers:?}"))
    } else {
        None
    }
}

#[expect(clippy::disallowed_methods, reason = "a test may be asked to look longer")]
fn asked_for(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs seeds and names those that failed.
fn check_seeds(seeds: u64, check: impl Fn(u64) -> Option<String> + std::panic::RefUnwindSafe) {
    let first = asked_for("PARTYLINE_SEED", 0);
    let failed = (first..first + asked_for("PARTYLINE_SEEDS", seeds)).filter_map(|seed| {
        let outcome = std::panic::catch_unwind(|| check(seed)).unwrap_or_else(|_| Some("a panic, see above".into()));
        outcome.map(|problem| format!("seed {seed}: {problem}"))
    });
    let failed: Vec<String> = failed.collect();
    let shortest = failed.iter().min_by_key(|problem| problem.len());
    assert!(failed.is_empty(), "{} stories went wrong, such as {}", failed.len(), shortest.map_or("", |text| text));
}

#[test]
fn every_story_ends_well() {
    check_seeds(300, |seed| problem(&story(seed, |_| {})));
}

#[test]
fn under_a_cap_everybody_is_placed_sooner_or_later() {
    check_seeds(100, |seed| {
        let mut chance = Chance(seed);
        let policy = LinePolicy {
            live_max: Some(chance.count(3).into()),
            look_ahead: usize::from(chance.count(4)) - 1,
            replicate: chance.percent(50),
            ..LinePolicy::default()
        };
        let mut world = World::new(&policy, &[(1, Some("a")), (2, Some("b")), (3, None)]);
        world.talk = millis(200) + chance.up_to(millis(3000));
        for index in 0..25 {
            let from: &[u8] = chance.one_of(&[&[1][..], &[2], &[3], &[1, 2], &[1, 2, 3]]);
            world.submit(call(&format!("c{index}"), chance.one_of(&AGENTS), from));
            world.run_for(chance.up_to(millis(800)));
        }
        world.run_until(minutes(10));
        let (placed, misrouted) = (world.initiated(), world.misrouted);
        (placed != 25 || misrouted > 0).then(|| format!("{placed} placed, {misrouted} misrouted"))
    });
}

#[cfg(feature = "mutations")]
#[test]
fn the_stories_notice_when_a_rule_is_broken() {
    use crate::policy::Mutation;
    for mutation in [Mutation::NoPinRule, Mutation::RedialInDoubt] {
        let broken = |policy: &mut LinePolicy| policy.mutation = Some(mutation);
        let noticed = (0..100).any(|seed| problem(&story(2 * seed, broken)).is_some());
        assert!(noticed, "{mutation:?}");
    }
}
