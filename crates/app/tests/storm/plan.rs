//! What is to happen in a storm, and when: everything that a seed decides.

use std::fmt;
use std::time::Duration;

use crate::chance::Chance;

/// The agents by their aliases.
pub(crate) const AGENTS: [&str; 3] = ["restaurant", "hotel", "hairdresser"];
/// A process is stopped for at least so long and at most, in milliseconds: longer than its lease.
const PAUSE: (u64, u64) = (2_200, 4_000);

/// Which requests go wrong: how often in a hundred, among so many, and how. All of it keeps to what the core relies on; most
/// of what happens to dials leaves them in doubt.
const FAULTS: &[(&str, u64, u32, &[&str])] = &[
    (
        "dial",
        15,
        400,
        &[
            "504-after",
            "504-before",
            "500-after",
            "409-after",
            "hang-after",
            "hang-before",
            "reset-after",
            "reset-before",
            "half",
            "garbage",
            "502-html-after",
            "429",
            "429-retry-1s",
            "429-text",
        ],
    ),
    ("assign", 12, 100, &["504-after", "503-before", "reset-after", "half", "garbage", "429", "ignored", "slow-300ms"]),
    ("number", 5, 200, &["503-before", "reset-before", "half", "429", "slow-300ms"]),
    ("numbers", 5, 100, &["503-before", "reset-before", "half", "429"]),
    ("agent", 5, 100, &["503-before", "reset-before", "half", "502-html"]),
    ("summaries", 5, 100, &["503-before", "reset-before", "garbage"]),
    ("conversations", 5, 400, &["503-before", "reset-before", "429", "garbage"]),
    ("conversation", 5, 400, &["503-before", "reset-before", "429", "half"]),
];

/// What somebody wants done, by one process after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Job {
    /// The batch of this number. With keys its file may be handed in any number of times.
    Batch { index: usize, keyed: bool },
    /// The call of this number; it has a key.
    Call { index: usize },
}

/// How a batch goes on whose process was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The same command again.
    Again,
    /// `batch resume`.
    Resume,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Start(Job, Way),
    Kill(Job),
    /// Ctrl-C: the process leaves in an orderly way, and the batch is held up.
    Interrupt(Job),
    Pause(Job),
    Wake(Job),
    /// The server of the store is ended as by a crash, and is back as soon as it can.
    Server,
}

/// How rough it gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// So long somebody is killed.
    pub(crate) lasts: Duration,
    /// How many batches; those with keys first.
    pub(crate) keyed: usize,
    pub(crate) unkeyed: usize,
    /// How many rows each has.
    pub(crate) rows: usize,
    pub(crate) calls: usize,
    /// Of a hundred disturbances of a process so many are pauses, and of the others so many interrupts of a batch; what is
    /// left are kills.
    pub(crate) pauses: u64,
    pub(crate) interrupts: u64,
    pub(crate) faults: bool,
    pub(crate) server: bool,
}

/// The whole schedule.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) weather: Weather,
    pub(crate) steps: Vec<(Duration, Step)>,
    /// What goes wrong at the provider.
    pub(crate) faults: Vec<String>,
    /// How many dials a number may have in flight.
    pub(crate) in_flight: u64,
}

impl Plan {
    pub(crate) fn of(seed: u64, weather: Weather) -> Self {
        let mut chance = Chance::of(seed);
        let in_flight = 1 + chance.below(3);
        let mut steps = Vec::new();
        for job in weather.batches() {
            let start = chance.between(0, 1_500);
            life(job, start, weather, &mut chance, &mut steps);
        }
        for index in 0..weather.calls {
            let start = chance.between(0, 1 + u64::try_from(weather.lasts.as_millis()).expect("short"));
            life(Job::Call { index }, start, weather, &mut chance, &mut steps);
        }
        if weather.server {
            steps.push((weather.lasts / 2, Step::Server));
        }
        steps.sort_by_key(|(at, _)| *at);
        let faults = if weather.faults { faults(&mut chance) } else { Vec::new() };
        Self { seed, weather, steps, faults, in_flight }
    }
}

impl Weather {
    pub(crate) fn batches(self) -> impl Iterator<Item = Job> {
        let keyed = move |index| Job::Batch { index, keyed: index < self.keyed };
        (0..self.keyed + self.unkeyed).map(keyed)
    }

    pub(crate) fn jobs(self) -> impl Iterator<Item = Job> {
        self.batches().chain((0..self.calls).map(|index| Job::Call { index }))
    }
}

fn faults(chance: &mut Chance) -> Vec<String> {
    let mut faults = Vec::new();
    for (operation, percent, requests, menu) in FAULTS {
        for skip in 0..*requests {
            if chance.is(*percent) {
                let fault = menu[usize::try_from(chance.below(menu.len() as u64)).expect("below its length")];
                faults.push(format!("{operation}:{fault}:1@{skip}"));
            }
        }
    }
    faults
}

/// One process after the other.
fn life(job: Job, start: Duration, weather: Weather, chance: &mut Chance, steps: &mut Vec<(Duration, Step)>) {
    let mut at = start;
    let mut add = |at: Duration, step| {
        if at < weather.lasts {
            steps.push((at, step));
        }
    };
    add(at, Step::Start(job, Way::Again));
    while at < weather.lasts {
        at += chance.between(150, 2_500);
        if chance.is(weather.pauses) {
            add(at, Step::Pause(job));
            at += chance.between(PAUSE.0, PAUSE.1);
            add(at, Step::Wake(job));
        } else {
            let is_batch = matches!(job, Job::Batch { .. });
            let is_gentle = chance.is(weather.interrupts) && is_batch;
            add(at, if is_gentle { Step::Interrupt(job) } else { Step::Kill(job) });
            at += chance.between(50, 1_200);
            let way = if chance.is(50) { Way::Again } else { Way::Resume };
            add(at, Step::Start(job, way));
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch { index, .. } => write!(f, "batch-{index}"),
            Self::Call { index } => write!(f, "call-{index}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(job, Way::Again) => write!(f, "start {job}"),
            Self::Start(job, Way::Resume) => write!(f, "start {job} (resume)"),
            Self::Kill(job) => write!(f, "kill {job}"),
            Self::Interrupt(job) => write!(f, "interrupt {job}"),
            Self::Pause(job) => write!(f, "pause {job}"),
            Self::Wake(job) => write!(f, "wake {job}"),
            Self::Server => f.write_str("restart the server"),
        }
    }
}
