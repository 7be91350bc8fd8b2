//! One seed: the real driver over the fake world, in virtual time, on this thread.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join;
use partyline_domain::ports::{Intent, Journal, Unlimited};
use partyline_domain::{AgentId, Driver, PhoneNumberId, Ports};
use partyline_fake_adapter::clock::{Stuck, run_within};
use partyline_fake_adapter::world::{AgentSpec, ConversationRecord, Ledger};
use partyline_fake_adapter::{FakeProvider, SharedWorld, TestIds, VirtualClock, World, WorldConfig, clock};

use super::StormConfig;
use super::evidence::Evidence;
use super::invariants::{self, Violation};
use super::options::Options;
use super::record::{Line, Record};
use super::scenario::People;
use super::watched::{WatchedJournal, WatchedProvider};

/// What a seed came to.
pub(super) struct Outcome {
    pub(super) options: Arc<Options>,
    pub(super) calls: usize,
    pub(super) requests: usize,
    /// Of the trace; 0 without checks.
    pub(super) hash: u64,
    pub(super) violation: Option<Violation>,
    /// Calls that rang twice because a request was executed twice (F4), which nobody can prevent.
    pub(super) surplus: usize,
    /// Calls that the wrong agent answered because somebody broke an assumption.
    pub(super) excused: usize,
    pub(super) trace: Option<String>,
}

/// What is left when a run has ended.
pub(super) struct Remains {
    pub(super) lines: Vec<Line>,
    pub(super) ledger: Ledger,
    pub(super) conversations: Vec<ConversationRecord>,
    pub(super) open_intents: Vec<Intent>,
    /// Why it did not end.
    pub(super) stuck: Option<String>,
}

/// Runs a seed and judges it.
pub(super) fn outcome(config: &StormConfig, seed: u64, with_trace: bool) -> Outcome {
    let mut options = Options::new(config, seed);
    if let Some(adjust) = &config.adjust {
        adjust.0(&mut options.line);
    }
    let options = Arc::new(options);
    if config.processes_max > 1 {
        return super::house::outcome(config, options, with_trace);
    }
    let remains = remains(&options);
    let mut hasher = Hasher::default();
    let trace = with_trace.then(|| trace(&options, &remains));
    if config.checks {
        write_trace(&mut hasher, &options, &remains).expect("a hasher takes everything");
    }
    let evidence = config.checks.then(|| Evidence::new(&options, &remains));
    let violation = evidence.as_ref().and_then(invariants::judge);
    Outcome {
        calls: options.calls,
        requests: remains.ledger.requests.len(),
        hash: hasher.0,
        violation,
        surplus: evidence.as_ref().map_or(0, invariants::surplus),
        excused: remains.ledger.misroutes().count(),
        trace,
        options,
    }
}

pub(super) fn world(options: &Options) -> World {
    let mut config = WorldConfig::of(options.agents, options.numbers, &options.provider);
    config.seed = options.seed;
    // The numbers begin with an agent that no call is for.
    config.agents.push(AgentSpec::named("Reception"));
    for number in &mut config.numbers {
        number.assigned = Some(options.agents);
    }
    config.latency = options.latency.clone();
    config.calls = options.model;
    config.list_lag = options.list_lag;
    config.bind_delay = options.bind_delay;
    config.live_max = options.provider_live_max;
    config.faults = options.requests.plan(&options.faults, options.dice);
    World::new(config)
}

fn remains(options: &Arc<Options>) -> Remains {
    let clock = VirtualClock::new();
    let world = SharedWorld::new(world(options));
    let (agents, numbers) = {
        let world = world.lock();
        (world.agent_ids(), world.number_ids())
    };
    let record = Record::new(clock.clone(), options.calls);
    let journal = Arc::new(WatchedJournal::new(record.clone(), clock.clone(), options.journal_delay));
    let run = || drive(options, &clock, &world, &record, &journal, (agents, numbers));
    let stuck = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => None,
        Ok(Err(stuck)) => Some(stuck.to_string()),
        Err(panic) => Some(format!("panic: {}", words(panic.as_ref()))),
    };
    let open_intents = clock::run(&clock, journal.open_intents()).unwrap_or_default();
    let world = world.lock();
    Remains {
        lines: record.take(),
        ledger: world.ledger().clone(),
        conversations: world.conversations().to_vec(),
        open_intents,
        stuck,
    }
}

fn drive(
    options: &Arc<Options>,
    clock: &VirtualClock,
    world: &SharedWorld,
    record: &Record,
    journal: &Arc<WatchedJournal>,
    (agents, numbers): (Vec<AgentId>, Vec<PhoneNumberId>),
) -> Result<(), Stuck> {
    let calm = Arc::new(AtomicBool::new(false));
    let provider = FakeProvider::new(world.clone(), clock);
    let ports = Ports {
        provider: Arc::new(WatchedProvider::new(provider, record.clone(), options.clone(), calm.clone())),
        clock: Arc::new(clock.clone()),
        timer: Arc::new(clock.clone()),
        ids: Arc::new(TestIds::default()),
        journal: journal.clone(),
        permits: Arc::new(Unlimited),
    };
    let (driver, handle) = Driver::new(ports, options.line, Arc::new(record.clone()));
    let stop_faults = || {
        calm.store(true, Ordering::Relaxed);
        world.lock().faults().clear();
    };
    let people = People { options, clock, world, record, agents, numbers, stop_faults: &stop_faults };
    let limit = options.trouble + options.liveness_bound();
    run_within(clock, limit, join(driver.run(), people.act(handle))).map(|((), ())| ())
}

pub(super) fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words").to_owned()
}

fn trace(options: &Options, remains: &Remains) -> String {
    let mut text = String::new();
    write_trace(&mut text, options, remains).expect("a text takes everything");
    text
}

/// The whole trace, line by line. Holds no phone number.
fn write_trace(out: &mut impl Write, options: &Options, remains: &Remains) -> std::fmt::Result {
    writeln!(out, "{options}")?;
    for line in &remains.lines {
        writeln!(out, "{line}")?;
    }
    for entry in &remains.ledger.requests {
        let at = entry.arrived_at.since_origin().as_nanos();
        write!(out, "world {at} request {} {} {:?}", entry.id, entry.operation, entry.outcome)?;
        match entry.fault {
            Some(fault) => writeln!(out, " {fault}")?,
            None => writeln!(out)?,
        }
    }
    for entry in &remains.ledger.assignments {
        let at = entry.at.monotonic.since_origin().as_nanos();
        writeln!(out, "world {at} assigned {} to {:?} by {:?}", entry.number, entry.after, entry.writer)?;
    }
    for dial in &remains.ledger.dials {
        let at = dial.at.monotonic.since_origin().as_nanos();
        writeln!(out, "world {at} dial {} for {} by {}", dial.conversation, dial.requested, dial.answered)?;
    }
    match &remains.stuck {
        Some(stuck) => writeln!(out, "stuck: {stuck}"),
        None => writeln!(out, "ended"),
    }
}

/// FNV-1a: the same everywhere.
pub(super) struct Hasher(pub(super) u64);

impl Default for Hasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Write for Hasher {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
