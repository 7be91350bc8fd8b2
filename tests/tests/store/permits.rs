//! Permits that hold over several processes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use partyline_domain::PhoneNumberId;
use partyline_domain::ports::{Change, Claim, Clock as _, PermitRequest, Permits, Rate, Store as _};
use partyline_fake_adapter::clock::RealClock;
use partyline_store_adapter::{PermitRules, SqlStore, StorePermits};
use partyline_tests::contract::Harness;
use partyline_tests::contract::permits::PermitsHarness;

use crate::world::{
    World, append, assigned, attempt, call, claim, dial, initiated, intended, intent, new_call, number, on_both,
    submit, verified, write,
};

fn permits(store: &SqlStore, rules: PermitRules) -> StorePermits {
    let clock = Arc::new(RealClock::default());
    store.permits(rules, clock.clone(), clock)
}

fn request(name: &str) -> PermitRequest {
    PermitRequest { attempt: attempt(name), number: PhoneNumberId::parse("n1").expect("an id") }
}

/// Whether it is granted within a time that is long enough.
async fn granted(permits: &StorePermits, name: &str) -> bool {
    tokio::time::timeout(Duration::from_secs(20), permits.acquire(&request(name))).await.is_ok()
}

/// Whether it is refused for a while.
async fn refused(permits: &StorePermits, name: &str) -> bool {
    tokio::time::timeout(Duration::from_millis(600), permits.acquire(&request(name))).await.is_err()
}

async fn processes_share_a_limit(world: World) {
    let (ada, bob) = (world.open("ada").await, world.open("bob").await);
    for store in [&ada, &bob] {
        // Whoever holds nothing would be taken for dead.
        let name = store.owner().as_str().to_owned();
        store.want(&number(&name), crate::world::TTL).await.expect("the store answers");
    }
    let rules = PermitRules { in_flight: Some(2), ..PermitRules::default() };
    let (ada, bob) = (permits(&ada, rules), permits(&bob, rules));
    let first = ada.acquire(&request("a.1")).await;
    assert!(granted(&bob, "b.1").await);
    assert!(refused(&bob, "b.2").await);
    assert!(refused(&ada, "a.2").await);
    ada.release(first).await;
    assert!(granted(&bob, "b.3").await);
    assert!(refused(&ada, "a.3").await);
}

async fn who_gives_up_leaves_nothing_behind(world: World) {
    let ada = world.open("ada").await;
    let permits = permits(&ada, PermitRules { in_flight: Some(1), ..PermitRules::default() });
    for round in 0..20 {
        // Dropped before or after the store has granted it.
        let request = request(&format!("a.{round}"));
        drop(permits.acquire(&request).now_or_never());
        let _ = tokio::time::timeout(Duration::from_millis(round % 5), permits.acquire(&request)).await.map(drop);
    }
    let names: Vec<String> = (0..20).map(|round| format!("a.{round}")).collect();
    for name in &names {
        permits.release(partyline_domain::ports::Permit { attempt: attempt(name) }).await;
    }
    assert!(granted(&permits, "b.1").await);
}

async fn the_permits_of_the_dead_are_kept_while_their_dials_may_ring(world: World) {
    let (dead, heir) = (world.open("dead").await, world.open("heir").await);
    submit(&dead, vec![new_call("c1", &["n1"])]).await;
    let ttl = Duration::from_millis(500);
    dead.claim(&Claim { ttl, ..claim(1, 1) }).await.expect("the store answers");
    let rules = PermitRules { in_flight: Some(1), ..PermitRules::default() };
    let (of_dead, of_heir) = (permits(&dead, rules), permits(&heir, rules));
    of_dead.acquire(&request("c1.1")).await;
    write(&dead, vec![append("c1", 1, verified())]).await;
    write(&dead, vec![append("c1", 2, assigned("n1"))]).await;
    write(&dead, vec![append("c1", 3, intended("c1.1")), dial("c1.1", "c1", "n1", 1)]).await;
    assert!(refused(&of_heir, "c2.1").await, "it lives");
    tokio::time::sleep(ttl).await;
    assert!(refused(&of_heir, "c2.1").await, "its dial may ring");
    write(&heir, vec![Change::Resolve(attempt("c1.1"))]).await;
    assert!(granted(&of_heir, "c2.1").await);
}

async fn live_calls_count_until_they_are_closed(world: World) {
    let ada = world.open("ada").await;
    submit(&ada, vec![new_call("c1", &["n1"])]).await;
    ada.claim(&claim(1, 1)).await.expect("the store answers");
    let permits = permits(&ada, PermitRules { live: Some(1), ..PermitRules::default() });
    let permit = permits.acquire(&request("c1.1")).await;
    write(&ada, vec![append("c1", 1, verified())]).await;
    write(&ada, vec![append("c1", 2, assigned("n1"))]).await;
    let within = Duration::from_secs(2);
    let kind = partyline_domain::ports::IntentKind::Dial(call("c1"));
    write(&ada, vec![append("c1", 3, intended("c1.1")), intent("c1.1", kind, "n1", 1, within)]).await;
    write(&ada, vec![append("c1", 4, initiated("c1.1")), Change::Resolve(attempt("c1.1"))]).await;
    permits.release(permit).await;
    assert!(refused(&permits, "c2.1").await, "it is being spoken");
    write(&ada, vec![Change::Close(call("c1"))]).await;
    assert!(granted(&permits, "c2.1").await);
}

async fn processes_share_a_rate(world: World) {
    let (ada, bob) = (world.open("ada").await, world.open("bob").await);
    let rate = Rate::per_second(20.0).expect("a rate");
    let rules = PermitRules { requests: Some(rate), ..PermitRules::default() };
    let (ada, bob) = (permits(&ada, rules), permits(&bob, rules));
    let clock = RealClock::default();
    let began = clock.now().monotonic;
    let paces = (0..20).map(|index| if index % 2 == 0 { ada.pace() } else { bob.pace() });
    join_all(paces).await;
    let took = clock.now().monotonic.since(began);
    // Nineteen distances; the last turns may be taken a little before they come.
    assert!(took >= rate.interval() * 17, "{took:?}");
    assert!(took < rate.interval() * 100, "{took:?}");
}

on_both!(
    processes_share_a_limit,
    who_gives_up_leaves_nothing_behind,
    the_permits_of_the_dead_are_kept_while_their_dials_may_ring,
    live_calls_count_until_they_are_closed,
    processes_share_a_rate,
);

/// Permits of a fresh store.
struct Fresh {
    world: fn() -> Option<World>,
    limit: Option<usize>,
    worlds: std::sync::Mutex<Vec<World>>,
}

impl Fresh {
    fn new(world: fn() -> Option<World>, limit: Option<usize>) -> Self {
        Self { world, limit, worlds: std::sync::Mutex::default() }
    }
}

impl Harness for Fresh {
    fn run(&self, case: impl Future<Output = ()>) {
        if (self.world)().is_some() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(case);
        }
    }
}

#[async_trait]
impl PermitsHarness for Fresh {
    async fn permits(&self) -> Arc<dyn Permits> {
        let world = (self.world)().expect("cases are run only where there is one");
        let store = world.open("ada").await;
        self.worlds.lock().expect("not poisoned").push(world);
        Arc::new(permits(&store, PermitRules { in_flight: self.limit, ..PermitRules::default() }))
    }

    fn limit(&self) -> Option<usize> {
        self.limit
    }
}

mod contract_sqlite {
    use super::{Fresh, World};
    partyline_tests::permits_contract!(Fresh::new(|| Some(World::sqlite()), Some(3)));
}

mod contract_sqlite_without_limit {
    use super::{Fresh, World};
    partyline_tests::permits_contract!(Fresh::new(|| Some(World::sqlite()), None));
}

mod contract_postgres {
    use super::{Fresh, World};
    partyline_tests::permits_contract!(Fresh::new(World::postgres, Some(3)));
}
