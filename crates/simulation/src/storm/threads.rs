//! The threads that share the seeds of a storm, and what becomes of a seed that never ends.
//!
//! A core that loops without asking for anything cannot be interrupted from within, so nobody waits for the threads:
//! one that is silent for too long is given up with its seed, and another takes its place.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::invariants::Violation;
use super::one::Outcome;
use super::options::Options;
use super::report::{StormFailure, StormReport};
use super::{StormConfig, judged, shrink};

/// How often it is looked whether all threads are alive, where none says anything.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The same where some do.
const MESSAGES_PER_LOOK: u64 = 500;
/// A thread that has not finished a run for so many looks is given up. A run takes milliseconds.
const LOOKS_MAX: u32 = 20;

enum Message {
    /// A thread begins with a seed.
    Begins(u64),
    /// It is alive.
    Beats,
    Done(Box<(Outcome, Option<StormFailure>)>),
    /// There are no more seeds.
    Ends,
}

/// What is known of a thread.
#[derive(Default)]
struct Watched {
    seed: Option<u64>,
    looks: u32,
}

struct Pool {
    config: Arc<StormConfig>,
    next: Arc<AtomicU64>,
    sender: Sender<(u64, Message)>,
    watched: BTreeMap<u64, Watched>,
    begun: u64,
}

/// Runs every seed.
///
/// # Panics
/// Where a thread cannot be started.
pub(super) fn run(config: &StormConfig) -> StormReport {
    let (sender, receiver) = channel();
    let mut pool =
        Pool { config: Arc::new(config.clone()), next: Arc::default(), sender, watched: BTreeMap::new(), begun: 0 };
    for _ in 0..config.jobs.max(1) {
        pool.start();
    }
    let mut report = StormReport::new(config);
    pool.watch(&receiver, &mut report);
    report.finish();
    report
}

impl Pool {
    fn start(&mut self) {
        self.begun += 1;
        let (config, next, sender, thread) =
            (Arc::clone(&self.config), Arc::clone(&self.next), self.sender.clone(), self.begun);
        self.watched.insert(thread, Watched::default());
        std::thread::Builder::new()
            .name(format!("storm-{thread}"))
            .spawn(move || work(&config, &next, &|message| sender.send((thread, message)).is_ok()))
            .expect("a thread can be started");
    }

    fn watch(&mut self, receiver: &Receiver<(u64, Message)>, report: &mut StormReport) {
        let mut messages = 0;
        while !self.watched.is_empty() {
            let looks = match receiver.recv_timeout(LOOK_EVERY) {
                Ok((thread, message)) => {
                    self.take(thread, message, report);
                    messages += 1;
                    messages % MESSAGES_PER_LOOK == 0
                }
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if looks {
                self.look(report);
            }
        }
    }

    fn take(&mut self, thread: u64, message: Message, report: &mut StormReport) {
        let Some(watched) = self.watched.get_mut(&thread) else { return };
        watched.looks = 0;
        match message {
            Message::Begins(seed) => watched.seed = Some(seed),
            Message::Beats => {}
            Message::Done(done) => {
                let (outcome, failure) = *done;
                report.add(outcome.options.seed, &outcome, failure);
                if self.config.failures_max.is_some_and(|max| report.failed >= max) {
                    self.next.store(self.config.seeds, Ordering::Relaxed);
                }
            }
            Message::Ends => {
                self.watched.remove(&thread);
            }
        }
    }

    /// Gives up the threads that have been silent for too long.
    fn look(&mut self, report: &mut StormReport) {
        for watched in self.watched.values_mut() {
            watched.looks += 1;
        }
        let lost: Vec<(u64, Option<u64>)> = self
            .watched
            .iter()
            .filter(|(_, watched)| watched.looks > LOOKS_MAX)
            .map(|(thread, watched)| (*thread, watched.seed))
            .collect();
        for (thread, seed) in lost {
            self.watched.remove(&thread);
            if let Some(seed) = seed {
                report.add_lost(endless(&self.config, seed));
            }
            self.start();
        }
    }
}

fn work(config: &StormConfig, next: &AtomicU64, tell: &dyn Fn(Message) -> bool) {
    loop {
        let offset = next.fetch_add(1, Ordering::Relaxed);
        if offset >= config.seeds {
            tell(Message::Ends);
            return;
        }
        let seed = config.first_seed.wrapping_add(offset);
        if !tell(Message::Begins(seed)) {
            return;
        }
        let beat = || {
            tell(Message::Beats);
        };
        let done = judged(config, seed, &beat);
        tell(Message::Done(Box::new(done)));
    }
}

fn endless(config: &StormConfig, seed: u64) -> StormFailure {
    let options = Options::new(config, seed);
    let config = StormConfig { faults: options.faults.clone(), ..config.clone() };
    let sentence = String::from("the core never comes back from one input (not shrunk)");
    StormFailure {
        seed,
        violation: Violation { invariant: "I16", sentence },
        replay: shrink::replay(&config, seed),
        options: options.to_string(),
    }
}
