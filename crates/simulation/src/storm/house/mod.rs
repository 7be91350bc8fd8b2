//! Storms over several processes: each runs the real driver, with a clock of its own, over one world and one store, and
//! dies, is paused, or loses the store at any of its steps. Whoever is left goes on with what it left.
//!
//! Each write is judged when it leaves (`watch`), and the rest in the end (`verdict`), by the truth of the world and the
//! store; nothing that a process says of itself is believed.

mod clock;
mod life;
mod verdict;
mod watch;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{join, join_all};
use partyline_domain::ports::{Accepted, Clock, NewCall, Store, Timer, Unlimited};
use partyline_domain::{
    AgentId, CallId, Driver, Handle, Instant, LinePolicy, Notice, Observer, PhoneNumberId, Ports, RunId, SharingPolicy,
};
use partyline_fake_adapter::clock::run_within;
use partyline_fake_adapter::store::{Member, StoreConfig, StoreFault, StoreFaultMix};
use partyline_fake_adapter::world::Ledger;
use partyline_fake_adapter::{FakeProvider, FakeStore, SharedWorld, TestIds, VirtualClock};

use super::StormConfig;
use super::call;
use super::faults::FaultId;
use super::one::{self, Hasher, Outcome};
use super::options::Options;
use super::random::{Dice, Stream};
use clock::ProcessClock;
use life::{Fate, Life};
use watch::{ProcessProvider, Watch};

/// How often somebody looks whether everything is over.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Process clocks begin here, as if the machines had run for a while.
const UPTIME: Duration = Duration::from_secs(3600);

/// Everything the processes of a seed have in common.
struct House {
    options: Options,
    processes: usize,
    truth: VirtualClock,
    world: SharedWorld,
    store: FakeStore,
    watch: Arc<Watch>,
    agents: Vec<AgentId>,
    numbers: Vec<PhoneNumberId>,
    /// Calls whose handing in was answered.
    accepted: Mutex<BTreeSet<CallId>>,
    calm: AtomicBool,
}

/// What is left when a seed has ended.
struct Remains {
    ledger: Ledger,
    /// Why it did not end.
    stuck: Option<String>,
}

/// Runs a seed and judges it.
pub(super) fn outcome(config: &StormConfig, options: Arc<Options>, with_trace: bool) -> Outcome {
    let house = House::new(config, &options);
    let remains = house.run();
    let (violation, mut trace) = house.watch.take();
    let violation = violation.or_else(|| verdict::judge(&house, &remains).err());
    let header = format!("{options} processes={}\n", house.processes);
    trace.insert_str(0, &header);
    // A text takes everything.
    let _ = writeln!(trace, "{:?}", house.store.state());
    let mut hasher = Hasher::default();
    let _ = hasher.write_str(&trace);
    Outcome {
        calls: options.calls,
        requests: remains.ledger.requests.len(),
        hash: if config.checks { hasher.0 } else { 0 },
        violation: violation.filter(|_| config.checks),
        surplus: 0,
        excused: 0,
        trace: with_trace.then_some(trace),
        options,
    }
}

impl House {
    fn new(config: &StormConfig, options: &Options) -> Self {
        let mut options = options.clone();
        options.requests.beyond_lateness = false;
        options.requests.hostile_429 = false;
        // Places among the live calls are counted by the store's permits, which are not part of this.
        options.line = LinePolicy { live_max: None, ..options.line };
        let truth = VirtualClock::new();
        let world = SharedWorld::new(one::world(&options));
        let (agents, numbers) = {
            let world = world.lock();
            (world.agent_ids(), world.number_ids())
        };
        let latency = options.dice.pick(Stream::Store, 0, &[0, 2, 20, 200]);
        let config_of_store = StoreConfig { latency: Duration::from_millis(latency), ..StoreConfig::default() };
        let store = FakeStore::with_config(&truth, config_of_store);
        let loses_leases = options.has(FaultId::F13) && options.dice.percent(Stream::Store, 1, 30);
        let watch = Watch::new(truth.clone(), store.clone(), options.line.lateness, !loses_leases);
        let processes = 2 + options.dice.index(Stream::Process, 0, config.processes_max.saturating_sub(1).max(1));
        let processes = processes.min(config.processes_max.max(2));
        let (accepted, calm) = (Mutex::default(), AtomicBool::new(false));
        Self { options, processes, truth, world, store, watch, agents, numbers, accepted, calm }
    }

    fn dice(&self) -> Dice {
        self.options.dice
    }

    fn now(&self) -> Instant {
        self.truth.now().monotonic
    }

    fn accepted(&self) -> MutexGuard<'_, BTreeSet<CallId>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) -> Remains {
        // Who takes over waits for leases, and each process that comes next may have to.
        let limit = self.options.trouble + self.options.liveness_bound() + Duration::from_secs(240);
        let all = || {
            let processes = join_all((0..self.processes).map(|process| self.process(process)));
            run_within(&self.truth, limit, join(processes, self.trouble()))
        };
        let stuck = match catch_unwind(AssertUnwindSafe(all)) {
            Ok(Ok(_)) => None,
            Ok(Err(stuck)) => Some(stuck.to_string()),
            Err(panic) => Some(format!("panic: {}", one::words(panic.as_ref()))),
        };
        Remains { ledger: self.world.lock().ledger().clone(), stuck }
    }

    async fn sleep(&self, time: Duration) {
        self.truth.sleep_until(self.now().after(time)).await;
    }

    /// Whether every call was handed in and no process has anything left to do for it.
    fn is_over(&self) -> bool {
        let all = self.calm.load(Ordering::Relaxed) && self.accepted().len() == self.options.calls;
        all && self.store.with(|state| state.calls().all(|(_, row)| row.closed))
    }

    /// A process and all that come after it in its place.
    async fn process(&self, process: usize) {
        for life in 0..u64::MAX {
            if self.is_over() {
                return;
            }
            let key = 1_000 * (process as u64 + 1) + 20 * life;
            let fate = self.fate(key);
            let owner = RunId::parse(&format!("run_p{process}_{life}")).expect("letters and digits");
            self.watch.note(&format!("{owner} begins with {fate:?}"));
            let leaves_at = self.leaves_at(key);
            let lived = Life::new(self.live(process, owner.clone(), key, leaves_at), self.truth.clone(), fate).await;
            self.watch.note(&format!("{owner} {}", if lived.is_some() { "has left" } else { "dies" }));
            if self.is_over() {
                return;
            }
            self.sleep(Duration::from_millis(self.dice().between(Stream::Process, key + 5, 1, 20_000))).await;
        }
    }

    fn fate(&self, key: u64) -> Fate {
        let (dice, now) = (self.dice(), self.now());
        if self.calm.load(Ordering::Relaxed) {
            return Fate::default();
        }
        let dies = self.options.has(FaultId::F8) && dice.percent(Stream::Process, key, 70);
        let by_step = dice.percent(Stream::Process, key + 1, 60);
        let later = |count, most| now.after(Duration::from_millis(dice.between(Stream::Process, key + count, 0, most)));
        let pause = self.options.has(FaultId::F9) && dice.percent(Stream::Process, key + 3, 70);
        let lasting = dice.pick(Stream::Process, key + 4, &[100, 1_500, 9_000, 12_000, 30_000, 100_000]);
        Fate {
            dies_at_poll: (dies && by_step).then(|| dice.between(Stream::Process, key + 2, 1, 600)),
            dies_at: (dies && !by_step).then(|| later(2, 40_000)),
            paused: pause.then(|| later(6, 30_000)).map(|from| (from, from.after(Duration::from_millis(lasting)))),
        }
    }

    /// When the process stops by itself, cleanly.
    fn leaves_at(&self, key: u64) -> Option<Instant> {
        let dice = self.dice();
        let leaves = !self.calm.load(Ordering::Relaxed) && dice.percent(Stream::Process, key + 7, 30);
        leaves.then(|| self.now().after(Duration::from_millis(dice.between(Stream::Process, key + 8, 0, 40_000))))
    }

    async fn live(&self, process: usize, owner: RunId, key: u64, leaves_at: Option<Instant>) {
        let dice = self.dice();
        let skewed = self.options.has(FaultId::F10);
        let drift = if skewed { dice.between(Stream::Process, key + 9, 0, 100).cast_signed() - 50 } else { 0 };
        let errors = [0, -7_200, 3, 90, 86_400];
        let wall_error = |count| if skewed { dice.pick(Stream::Process, key + count, &errors) } else { 0 };
        let own = ProcessClock::new(self.truth.clone(), UPTIME, drift, wall_error(10));
        let member = self.store.member(owner.clone());
        self.trouble_with(&member, key);
        let provider = ProcessProvider {
            inner: FakeProvider::new(self.world.clone(), &self.truth),
            clock: own.clone(),
            owner: owner.clone(),
            watch: self.watch.clone(),
        };
        let ports = Ports {
            provider: Arc::new(provider),
            clock: Arc::new(own.clone()),
            timer: Arc::new(own.clone()),
            ids: Arc::new(TestIds::default()),
            journal: member.clone(),
            permits: Arc::new(Unlimited),
        };
        let teller = Arc::new(Teller { owner, watch: self.watch.clone() });
        let calls_max = dice.pick(Stream::Process, 1, &[3, 20, 2_000]);
        let sharing = SharingPolicy { calls_max, ..SharingPolicy::default() };
        let (driver, handle) = Driver::shared(ports, member.clone(), self.options.line, sharing, teller);
        handle.serve(None);
        let jump = async {
            self.sleep(Duration::from_secs(5)).await;
            own.jump(wall_error(11));
        };
        join(driver.run(), join(self.people(process, handle, member, leaves_at), jump)).await;
    }

    fn trouble_with(&self, member: &Arc<Member>, key: u64) {
        let dice = self.dice();
        if self.calm.load(Ordering::Relaxed) || !self.options.has(FaultId::F13) {
            return;
        }
        let menu = vec![
            StoreFault::Fails,
            StoreFault::AnswerLost,
            StoreFault::Slow(Duration::from_secs(3)),
            StoreFault::SlowAnswer(Duration::from_secs(3)),
        ];
        let per_thousand = dice.pick(Stream::Store, key, &[0, 20, 100, 300]);
        member.inject_mix(StoreFaultMix { per_thousand, seed: dice.draw(Stream::Store, key + 1), menu });
    }

    /// Hands in the calls of a process, as far as no one did before it; ends when all is over, or when the process is to
    /// leave. The handle is given up then.
    async fn people(&self, process: usize, handle: Handle, member: Arc<Member>, leaves_at: Option<Instant>) {
        for call in (0..self.options.calls).filter(|call| call % self.processes == process).map(|call| call as u64) {
            if self.accepted().contains(&call::call_id(call)) {
                continue;
            }
            let at = Instant::from_origin(self.options.arrival(call));
            self.truth.sleep_until(leaves_at.unwrap_or(at).min(at)).await;
            if leaves_at.is_some_and(|leaves_at| leaves_at <= self.now()) {
                return;
            }
            self.submit(call, &member, leaves_at).await;
            handle.nudge();
            self.cancel(call, &member).await;
        }
        while !self.is_over() && leaves_at.is_none_or(|at| self.now() < at) {
            self.sleep(LOOK_EVERY).await;
        }
    }

    async fn submit(&self, call: u64, member: &Arc<Member>, leaves_at: Option<Instant>) {
        let agent = self.agents[self.options.agent(call)].clone();
        let numbers: Vec<PhoneNumberId> =
            self.options.numbers_of(call).into_iter().map(|number| self.numbers[number].clone()).collect();
        let now = self.truth.now().wall;
        let mut request = call::request(&self.options, call, agent, &numbers, now);
        if self.options.has(FaultId::F10) {
            // Where wall clocks are wrong by hours nobody can say when a call expires.
            request.expires_at = None;
        }
        loop {
            let new = NewCall { request: request.clone(), at: now, key: None, batch: None, repeats: None };
            match member.submit(vec![new]).await {
                Ok(answers) => {
                    assert!(matches!(answers[..], [Accepted::New | Accepted::Again]), "{answers:?}");
                    self.accepted().insert(request.id.clone());
                    return;
                }
                Err(_) if leaves_at.is_some_and(|at| at <= self.now()) => return,
                Err(_) => self.sleep(Duration::from_millis(300)).await,
            }
        }
    }

    async fn cancel(&self, call: u64, member: &Arc<Member>) {
        if self.dice().percent(Stream::Cancel, 2 * call, self.options.cancel_percent) {
            // A wish that is lost is nobody's loss.
            let _ = member.cancel(&call::call_id(call), self.truth.now().wall).await;
        }
    }

    /// What happens to the store, and the end of all trouble.
    async fn trouble(&self) {
        let dice = self.dice();
        let milliseconds = u64::try_from(self.options.trouble.as_millis()).unwrap_or(u64::MAX).min(60_000);
        let mut script: Vec<(Instant, u64)> = (0..4)
            .map(|count| (dice.draw(Stream::Store, 100 + count) % milliseconds.max(1), count))
            .map(|(at, count)| (Instant::from_origin(Duration::from_millis(at)), count))
            .collect();
        script.sort();
        for (at, count) in script {
            self.truth.sleep_until(at).await;
            self.happens(count);
        }
        self.truth.sleep_until(Instant::from_origin(self.options.trouble)).await;
        self.watch.note("faults stop");
        self.calm.store(true, Ordering::Relaxed);
        self.world.lock().faults().clear();
        self.store.heal();
    }

    fn happens(&self, count: u64) {
        let dice = self.dice();
        let lasting = dice.pick(Stream::Store, 200 + count, &[300, 4_000, 12_000, 40_000]);
        let lasting = Duration::from_millis(lasting);
        if self.options.has(FaultId::F13) && count == 0 {
            self.watch.note(&format!("the store is away for {lasting:?}"));
            self.store.go_down(lasting);
        }
        if !self.watch.leases_are_kept() && count == 1 {
            let number = &self.numbers[dice.index(Stream::Store, 300, self.numbers.len())];
            self.watch.note(&format!("the lease of {number} is lost"));
            self.store.lose_lease(number);
        }
        if self.options.has(FaultId::F15) && count >= 2 {
            let owners: BTreeSet<RunId> =
                self.store.with(|state| state.leases().map(|(_, lease)| lease.owner.clone()).collect());
            for owner in owners {
                self.watch.note(&format!("{owner} does not reach the store for {lasting:?}"));
                self.store.member(owner).cut_off(lasting);
            }
        }
    }
}

/// Writes down what a process tells.
struct Teller {
    owner: RunId,
    watch: Arc<Watch>,
}

impl Observer for Teller {
    fn notice(&self, notice: &Notice) {
        let text = if let Notice::Recorded { call, recorded } = notice {
            format!("{call} {} {}", recorded.version, recorded.event.name())
        } else if let Notice::Completed(report) = notice {
            format!("completed {} {}", report.request.id, report.state.name())
        } else {
            format!("{notice:?}")
        };
        self.watch.note(&format!("{} {text}", self.owner));
    }
}
