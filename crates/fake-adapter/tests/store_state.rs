//! The store as a value: what the contract suite cannot see, or cannot wait for.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use partyline_domain::ports::{AgentProfile, Change, Claim, Entry, Intent, IntentKind, NewCall, Release};
use partyline_domain::{
    AgentId, AttemptId, CallId, CallRequest, Instant, NumberChoice, PhoneNumber, PhoneNumberId, Priority, RunId,
    Timestamp,
};
use partyline_fake_adapter::StoreState;

const TTL: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Instant {
    Instant::from_origin(Duration::from_secs(seconds))
}

fn run(name: &str) -> RunId {
    RunId::parse(name).expect("an id")
}

fn number() -> PhoneNumberId {
    PhoneNumberId::parse("phnum_1").expect("an id")
}

fn asked(name: &str, priority: Priority) -> NewCall {
    let request = CallRequest {
        id: CallId::parse(name).expect("an id"),
        agent: AgentId::parse("agent_1").expect("an id"),
        numbers: NumberChoice::one(number()),
        to: PhoneNumber::parse("+12025550123").expect("a fictional number"),
        priority,
        expires_at: None,
        options: Arc::default(),
        policies: Arc::default(),
    };
    NewCall { request, at: Timestamp::default(), key: None, batch: None, repeats: None }
}

fn claim(ordinal: u64, calls_max: usize) -> Claim {
    Claim { ordinal, answered: ordinal - 1, ttl: TTL, numbers: None, calls_max }
}

#[test]
fn an_urgent_call_goes_fifteen_minutes_ahead_and_no_further() {
    let mut store = StoreState::default();
    store.submit(vec![asked("old", Priority::Normal)], at(0));
    store.submit(vec![asked("young", Priority::Normal)], at(60));
    store.submit(vec![asked("urgent", Priority::Urgent)], at(930));
    let claimed = store.claim(&run("ada"), &claim(1, 9), at(930));
    let calls = claimed.calls.iter().map(|stored| stored.waited.as_secs());
    assert_eq!(calls.collect::<Vec<_>>(), [930, 0, 870]);
}

#[test]
fn agents_are_forgotten_after_five_minutes() {
    let mut store = StoreState::default();
    let profile = AgentProfile { id: AgentId::parse("agent_1").expect("an id"), name: "A".into(), archived: false };
    let known = vec![(profile, Duration::from_secs(250))];
    store.release(&run("ada"), Release { agents: known, ..Release::default() }, at(100));
    let ages = |store: &StoreState, seconds| {
        let claimed = store.clone().claim(&run("bob"), &claim(1, 0), at(seconds));
        claimed.agents.iter().map(|(_, age)| age.as_secs()).collect::<Vec<_>>()
    };
    assert_eq!(ages(&store, 150), [300]);
    assert_eq!(ages(&store, 151), [0; 0]);
    let emptied = {
        store.release(&run("ada"), Release::default(), at(151));
        store
    };
    assert_eq!(emptied, StoreState::default(), "and take no room any more");
}

/// What one of two processes may do next.
#[derive(Clone, Copy, Debug)]
enum Move {
    Claim,
    Renew,
    Release,
    Want,
    Dial,
    Resolve,
    Pass,
}

const MOVES: [Move; 7] = [Move::Claim, Move::Renew, Move::Release, Move::Want, Move::Dial, Move::Resolve, Move::Pass];

/// A small world: what the store holds, when, and which dials each process believes it may send.
#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    store: StoreState,
    now: Instant,
    claims: [u64; 2],
    sent: Vec<(usize, u64)>,
}

impl World {
    fn step(&self, who: usize, step: Move) -> Self {
        let mut next = self.clone();
        let (owner, now) = (run(["ada", "bob"][who]), self.now);
        let epoch = self.store.epoch(&number());
        match step {
            Move::Claim => {
                next.claims[who] += 1;
                next.store.claim(&owner, &claim(next.claims[who], 1), now);
            }
            Move::Renew => drop(next.store.renew(&owner, TTL, now)),
            Move::Release => {
                next.store.release(&owner, Release { numbers: vec![(number(), epoch)], ..Release::default() }, now);
            }
            Move::Want => drop(next.store.want(&owner, &number(), TTL, now)),
            // Under every epoch that there ever was: a process may wake up late.
            Move::Dial => (1..=epoch).for_each(|epoch| next.dial(who, &owner, epoch)),
            Move::Resolve => {
                let open = next.store.open_intents().into_iter().map(|intent| Change::Resolve(intent.attempt));
                let entry = Entry { changes: open.collect() };
                assert_eq!(next.store.commit(&owner, entry, now), Ok(()));
            }
            Move::Pass => next.now = now.after(TTL),
        }
        next
    }

    fn dial(&mut self, who: usize, owner: &RunId, epoch: u64) {
        let intent = Intent {
            attempt: AttemptId::parse(&format!("{owner}.{epoch}")).expect("an id"),
            kind: IntentKind::Dial(CallId::parse("a").expect("an id")),
            number: number(),
            agent: None,
            epoch,
            send_by: Timestamp::default(),
            within: TTL,
            lateness: TTL,
        };
        if self.sent.contains(&(who, epoch)) {
            return;
        }
        let entry = Entry { changes: vec![Change::Intend(intent)] };
        if self.store.commit(owner, entry, self.now).is_ok() {
            assert_eq!(epoch, self.store.epoch(&number()), "only the last lease counts");
            assert!(self.sent.iter().all(|(other, of)| *other == who || *of != epoch), "an epoch has one holder");
            self.sent.push((who, epoch));
        }
    }
}

#[test]
fn a_small_world_can_be_searched_to_its_end() {
    let mut store = StoreState::default();
    store.submit(vec![asked("a", Priority::Normal)], at(0));
    let first = World { store, now: at(0), claims: [0, 0], sent: Vec::new() };
    let mut seen = HashSet::from([first.clone()]);
    let mut edge = vec![first];
    for _ in 0..5 {
        let steps = |world: &World| {
            let of = |who| MOVES.map(|step| world.step(who, step));
            [of(0), of(1)].concat()
        };
        let next: Vec<World> = edge.iter().flat_map(steps).collect();
        edge = next.into_iter().filter(|world| seen.insert(world.clone())).collect();
        assert!(!edge.is_empty());
    }
    let (all, different) = (14_usize.pow(5), seen.len());
    assert!(different < all / 10, "equal states are met again: {different} of {all}");
    let dialled = |who| seen.iter().any(|world| world.sent.iter().any(|(by, _)| *by == who));
    assert!(dialled(0) && dialled(1));
}
