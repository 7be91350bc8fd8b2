//! The databases against the model: the same random operations of three processes give the same answers as the fake store
//! does. No time goes by in it: leases hold for hours or have run out at once.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use partyline_domain::flow::{CallEvent, CallState, DoubtCause, FoundBy, WithdrawReason};
use partyline_domain::ports::{
    AgentProfile, Change, Claim, Claimed, Entry, Intent, IntentKind, NewCall, Recorded, Release, Store, StoredCall,
    Taken, Unresolved,
};
use partyline_domain::{AgentId, CallRequest, ConversationId, Priority, RunId};
use partyline_fake_adapter::{FakeStore, StoreConfig, VirtualClock};

use crate::world::{
    World, agent, assigned, at, attempt, call, initiated, intended, keyed, new_call, number, on_both, proven, verified,
};

const SEEDS: u64 = 12;
const STEPS: usize = 150;
const OWNERS: [&str; 3] = ["ada", "bob", "eve"];
const NUMBERS: [&str; 3] = ["n1", "n2", "n3"];
const CALLS: [&str; 6] = ["c1", "c2", "c3", "c4", "c5", "c6"];
const HOURS: Duration = Duration::from_secs(36_000);

/// One thing that a process does.
#[derive(Clone, Debug)]
enum Step {
    Submit(Vec<NewCall>),
    Claim(Claim),
    Renew(Duration),
    Release(Release),
    Want(&'static str, Duration),
    Follow(&'static str, u64),
    Cancel(&'static str),
    Commit(Vec<Entry>),
    Look,
}

/// Numbers that look random; the same seed gives the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // The generator of Knuth's MMIX; its high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }

    fn ttl(&mut self) -> Duration {
        if self.roll(6) == 0 { Duration::ZERO } else { HOURS }
    }
}

fn submission_of(dice: &mut Dice, name: &str) -> CallRequest {
    let on = [&["n1"][..], &["n2"], &["n1", "n2"], &["n3"]][dice.roll(4)];
    let priority = if dice.roll(4) == 0 { Priority::Urgent } else { Priority::Normal };
    CallRequest { priority, ..new_call(name, on).request }
}

fn submission(dice: &mut Dice) -> NewCall {
    let name = dice.pick(&CALLS);
    let new = NewCall { request: submission_of(dice, name), ..new_call(name, &["n1"]) };
    if dice.roll(3) == 0 { keyed(new, dice.pick(&["k1", "k2"])) } else { new }
}

/// Something that may happen to a call next; `None` where nothing may.
fn event(dice: &mut Dice, model: &FakeStore, name: &str) -> Option<CallEvent> {
    let history = model.with(|state| state.call(&call(name)).map(|row| row.history.clone()));
    let Some(history) = history else { return Some(CallEvent::CallRequested { request: submission_of(dice, name) }) };
    let state = CallState::fold(history.iter().map(|recorded| &recorded.event)).expect("only what may happen did");
    let dialled = format!("{name}.1");
    let withdrawn = CallEvent::CallWithdrawn { reason: WithdrawReason::Expired, detail: "too late".into() };
    let doubted =
        CallEvent::DialDoubted { attempt: attempt(&dialled), cause: DoubtCause::Interrupted, detail: "lost".into() };
    let ended = CallEvent::LookUpsEnded { attempt: attempt(&dialled), detail: "not found".into() };
    let found = CallEvent::CallInitiated {
        attempt: attempt(&dialled),
        conversation: ConversationId::parse("conv_2").expect("an id"),
        provider_call_id: None,
        found_by: FoundBy::LookUp,
    };
    let menu = [
        verified(),
        assigned(dice.pick(&NUMBERS)),
        intended(&dialled),
        initiated(&dialled),
        found,
        doubted,
        ended,
        proven(),
        withdrawn,
    ];
    let mut legal: Vec<CallEvent> = menu.into_iter().filter(|event| state.clone().apply(event).is_ok()).collect();
    if legal.is_empty() { None } else { Some(legal.remove(dice.roll(legal.len()))) }
}

fn change(dice: &mut Dice, model: &FakeStore) -> Change {
    let (name, on) = (dice.pick(&CALLS), dice.pick(&NUMBERS));
    match dice.roll(10) {
        0..=3 => {
            let version = model.with(|state| state.call(&call(name)).map_or(0, |row| row.history.len() as u64));
            // Now and then too early or too late.
            let early = u64::from(dice.roll(9) == 0);
            let expected = (version + 9 * u64::from(dice.roll(9) == 0)).saturating_sub(early);
            let Some(event) = event(dice, model, name) else { return Change::Close(call(name)) };
            let events = vec![Recorded { version: expected + 1, at: at(expected), event }];
            Change::Append { call: call(name), expected, events }
        }
        4 | 5 => {
            let kind = match dice.roll(3) {
                0 => IntentKind::Dial(call(name)),
                1 => IntentKind::Assign,
                _ => IntentKind::Restore,
            };
            let epoch = model.with(|state| state.epoch(&number(on)));
            let within = if dice.roll(4) == 0 { Duration::ZERO } else { HOURS };
            let ordinal = dice.roll(40);
            Change::Intend(Intent {
                attempt: attempt(&format!("{name}.{ordinal}")),
                kind,
                number: number(on),
                agent: (dice.roll(4) > 0).then(|| agent(&format!("agent_{}", ordinal % 3))),
                epoch: if dice.roll(8) == 0 { epoch + 1 } else { epoch },
                send_by: at(60),
                within,
                lateness: HOURS,
            })
        }
        6 => Change::Resolve(attempt(&format!("{name}.{}", dice.roll(40)))),
        7 => Change::Remember { number: number(on), inbound: (dice.roll(2) == 0).then(|| agent("agent_0")) },
        8 => Change::Forget(number(on)),
        _ => Change::Close(call(name)),
    }
}

fn step(dice: &mut Dice, model: &FakeStore, ordinal: &mut u64, last: &[Entry]) -> Step {
    match dice.roll(14) {
        0 | 1 => Step::Submit((0..=dice.roll(2)).map(|_| submission(dice)).collect()),
        2..=4 => {
            *ordinal += 1;
            let unheard = u64::try_from(dice.roll(3)).unwrap_or_default();
            let numbers = (dice.roll(4) == 0).then(|| [number(dice.pick(&NUMBERS))].into());
            let (ttl, calls_max) = (dice.ttl(), dice.roll(4));
            Step::Claim(Claim {
                ordinal: *ordinal,
                answered: (*ordinal - 1).saturating_sub(unheard),
                ttl,
                numbers,
                calls_max,
            })
        }
        5 => Step::Renew(dice.ttl()),
        6 => Step::Release(release(dice, model)),
        7 => Step::Want(dice.pick(&NUMBERS), dice.ttl()),
        8 => Step::Follow(dice.pick(&CALLS), u64::try_from(dice.roll(4)).unwrap_or_default()),
        9 if dice.roll(2) == 0 => Step::Cancel(dice.pick(&CALLS)),
        // Word for word what somebody has committed before.
        10 if !last.is_empty() => Step::Commit(last.to_vec()),
        11 => Step::Look,
        _ => {
            let entry = |dice: &mut Dice| {
                let count = dice.roll(3);
                Entry { changes: (0..=count).map(|_| change(dice, model)).collect() }
            };
            Step::Commit((0..=dice.roll(3)).map(|_| entry(dice)).collect())
        }
    }
}

fn release(dice: &mut Dice, model: &FakeStore) -> Release {
    let on = dice.pick(&NUMBERS);
    let epoch = model.with(|state| state.epoch(&number(on)));
    let shown = partyline_domain::ports::Number {
        id: number(on),
        caller_id: partyline_domain::CallerId::new("+12025550100"),
        label: format!("seen {}", dice.roll(100)),
        provider: partyline_domain::ports::NumberProvider::Twilio,
        assigned: None,
        inbound: true,
        outbound: true,
    };
    let id: AgentId = agent(&format!("agent_{}", dice.roll(2)));
    let profile = AgentProfile { id, name: format!("known {}", dice.roll(100)), archived: false };
    let age = Duration::from_secs(100 * u64::try_from(dice.roll(2)).unwrap_or_default());
    Release {
        numbers: if dice.roll(3) > 0 { vec![(number(on), epoch)] } else { Vec::new() },
        calls: (0..dice.roll(3)).map(|_| call(dice.pick(&CALLS))).collect(),
        agents: vec![(profile, age)],
        seen: vec![(shown, Duration::ZERO)],
    }
}

/// What came of a step, without the times.
async fn run(store: &dyn Store, step: &Step) -> String {
    let told = "the store answers";
    match step {
        Step::Submit(calls) => format!("{:?}", store.submit(calls.clone()).await.expect(told)),
        Step::Claim(claim) => claimed(&store.claim(claim).await.expect(told)),
        Step::Renew(ttl) => {
            let mut renewed = store.renew(*ttl).await.expect(told);
            renewed.cancel.sort();
            renewed.wanted.sort();
            format!("{renewed:?}")
        }
        Step::Release(release) => format!("{:?}", store.release(release.clone()).await.expect(told)),
        Step::Want(name, ttl) => {
            let got = store.want(&number(name), *ttl).await.expect(told);
            got.as_ref().map_or_else(|| "nothing".to_owned(), taken)
        }
        Step::Follow(name, after) => format!("{:?}", store.follow(&[(call(name), *after)]).await.expect(told)),
        Step::Cancel(name) => format!("{:?}", store.cancel(&call(name), at(50)).await.expect(told)),
        Step::Commit(entries) => format!("{:?}", store.commit(entries.clone()).await),
        Step::Look => look(store).await,
    }
}

async fn look(store: &dyn Store) -> String {
    let told = "the store answers";
    let mut text = format!("{:?}", store.open_intents().await.expect(told));
    for name in NUMBERS {
        let remembered = store.remembered(&number(name)).await.expect(told);
        let _ = write!(text, " {name} {remembered:?}");
    }
    for name in CALLS {
        let events = store.events(&call(name), 0).await.expect(told);
        let _ = write!(text, " {name} {events:?}");
    }
    text
}

fn claimed(claimed: &Claimed) -> String {
    let Claimed { numbers, calls, more, agents, retry_in } = claimed;
    let numbers: Vec<String> = numbers.iter().map(taken).collect();
    let stored = |StoredCall { events, waited: _, open_for, over_for: _, cancel }: &StoredCall| {
        format!("{events:?} open {} cancel {cancel}", !open_for.is_zero())
    };
    let calls: Vec<String> = calls.iter().map(stored).collect();
    let agents: Vec<&AgentProfile> = agents.iter().map(|(agent, _)| agent).collect();
    format!("{numbers:?} {calls:?} more {more} {agents:?} retry {}", retry_in.is_some())
}

fn taken(taken: &Taken) -> String {
    let Taken { number, epoch, unresolved, remembered, ours, seen } = taken;
    let one = |Unresolved { intent, open_for, over_for: _ }: &Unresolved| format!("{intent:?} {}", !open_for.is_zero());
    let unresolved: Vec<String> = unresolved.iter().map(one).collect();
    let seen = seen.as_ref().map(|(number, _)| number);
    format!("{number} {epoch} {unresolved:?} {remembered:?} {ours:?} {seen:?}")
}

/// Several seeds in one database: each has an account of its own.
async fn both_say_the_same(world: World) {
    for seed in 0..SEEDS {
        let model = FakeStore::with_config(
            &VirtualClock::new(),
            StoreConfig { latency: Duration::ZERO, ..StoreConfig::default() },
        );
        let mut views: Vec<(Arc<dyn Store>, Arc<dyn Store>)> = Vec::new();
        for name in OWNERS {
            let owner = RunId::parse(&format!("{name}_{seed}")).expect("an id");
            let mut options = crate::world::options(owner.as_str());
            options.account = Arc::new(move |salt| {
                partyline_store_adapter::Account::of(salt, "http://localhost", &seed.to_le_bytes())
            });
            views.push((model.member(owner), Arc::new(world.open_with(options).await)));
        }
        let (mut dice, mut ordinals, mut last) = (Dice(seed), [0; OWNERS.len()], Vec::new());
        let mut story = String::new();
        for _ in 0..STEPS {
            let process = dice.roll(OWNERS.len());
            let step = step(&mut dice, &model, &mut ordinals[process], &last);
            if let Step::Commit(entries) = &step {
                last.clone_from(entries);
            }
            let (of_model, of_database) = &views[process];
            let (expected, got) = (run(&**of_model, &step).await, run(&**of_database, &step).await);
            let _ = write!(story, "\n{}: {step:?}\n  -> {expected}", OWNERS[process]);
            assert_eq!(got, expected, "seed {seed}: {story}");
        }
        let (of_model, of_database) = &views[0];
        assert_eq!(look(&**of_database).await, look(&**of_model).await, "seed {seed}: {story}");
    }
}

on_both!(both_say_the_same);
