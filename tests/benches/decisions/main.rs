//! What a decision of the dispatcher costs while many calls are queued: one `handle` call, on one core.
//!
//! `cargo bench -p partyline-tests --bench decisions`
//!
//! The queue is kept at its length: for each call that is accepted another one is handed over. Only `handle` is timed,
//! each call of it by itself, so every figure includes one reading of the machine's clock.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]
#![expect(clippy::cast_precision_loss, reason = "counts and nanoseconds are far below 2^52")]

mod backlog;
#[path = "../page/mod.rs"]
mod page;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use partyline_domain::LinePolicy;
use partyline_domain::dispatch::Input;

use backlog::Backlog;

const QUEUED: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// How many decisions are timed at a time, and how many times.
const DECISIONS: usize = 100_000;
const ROUNDS: usize = 7;
/// What the issue asks for.
const AIM_PER_SECOND: f64 = 500_000.0;

struct Case {
    name: &'static str,
    numbers: usize,
    policy: LinePolicy,
}

fn cases() -> [Case; 4] {
    let policy = LinePolicy::default();
    // Live calls are counted exactly here, so the list of conversations is not read.
    let capped = LinePolicy { live_max: Some(20), survey_every: Duration::from_secs(86_400), ..policy };
    [
        Case { name: "one number", numbers: 1, policy },
        Case {
            name: "one number, a new session after 32 dials",
            numbers: 1,
            policy: LinePolicy { quantum: Some(32), ..policy },
        },
        Case { name: "four numbers", numbers: 4, policy },
        Case { name: "one number, at most 20 live calls, oldest first", numbers: 1, policy: capped },
    ]
}

/// What one length of the queue came to, in nanoseconds.
struct Measured {
    queued: usize,
    /// Of each round.
    means: Vec<f64>,
    p99: u32,
    longest: u32,
    /// Of handing calls over while the queue grew.
    submit: f64,
    /// The longest decision until the first dials were answered.
    longest_before: u32,
}

fn main() {
    // Under `cargo test --all-targets` nothing is to be measured.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run me with `cargo bench -p partyline-tests --bench decisions`");
        return;
    }
    let clock = clock_ns();
    let mut text = format!(
        "12 agents; {ROUNDS} rounds of {DECISIONS} decisions each; {clock:.0} ns of each figure are the clock being read\n"
    );
    for case in cases() {
        let _ = writeln!(text, "\n{}", case.name);
        line(&mut text, TITLES.map(str::to_owned), "");
        let measured: Vec<Measured> = QUEUED.into_iter().map(|queued| measure(&case, queued)).collect();
        for measured in &measured {
            row(&mut text, measured);
        }
        growth(&mut text, &measured);
    }
    page::publish("decisions", &text);
}

const TITLES: [&str; 8] =
    ["queued", "median ns", "min..max ns", "p99 ns", "longest us", "a second", "submit ns", "before, ms"];

fn line(text: &mut String, cells: [String; 8], verdict: &str) {
    let [queued, median, range, p99, longest, rate, submit, before] = cells;
    let _ = writeln!(
        text,
        "{queued:>8} {median:>10} {range:>12} {p99:>8} {longest:>11} {rate:>10} {submit:>10} {before:>11}{verdict}"
    );
}

fn measure(case: &Case, queued: usize) -> Measured {
    let mut backlog = Backlog::new(case.numbers, &case.policy);
    let mut clock = Stopwatch::default();
    let submit = grow(&mut backlog, queued, &mut clock);
    while backlog.accepted == 0 || backlog.is_busy() {
        let input = backlog.next();
        timed(&mut backlog, input, &mut clock);
    }
    let longest_before = clock.longest();
    clock.begin();
    let mut means: Vec<f64> = (0..ROUNDS).map(|_| round(&mut backlog, &mut clock)).collect();
    means.sort_by(f64::total_cmp);
    let p99 = clock.p99();
    Measured { queued, means, p99, longest: clock.longest(), submit, longest_before }
}

/// Hands calls over until so many are there; how long the last tenth of them took on average.
fn grow(backlog: &mut Backlog, queued: usize, clock: &mut Stopwatch) -> f64 {
    let mut nanoseconds = 0;
    let counted = queued / 10;
    for place in 0..queued {
        let request = Box::new(backlog.cast.request());
        let took = timed(backlog, Input::Submit(request), clock);
        if place >= queued - counted {
            nanoseconds += u64::from(took);
        }
        while backlog.is_busy() {
            let input = backlog.next();
            timed(backlog, input, clock);
        }
    }
    nanoseconds as f64 / counted as f64
}

/// The mean of one round.
fn round(backlog: &mut Backlog, clock: &mut Stopwatch) -> f64 {
    let mut nanoseconds = 0;
    // Made before, so that what it takes to make them is not between the decisions.
    let mut requests: VecDeque<_> = (0..DECISIONS / 4).map(|_| Box::new(backlog.cast.request())).collect();
    let mut accepted = backlog.accepted;
    for _ in 0..DECISIONS {
        let input = if !backlog.is_busy() && backlog.accepted > accepted {
            accepted += 1;
            Input::Submit(requests.pop_front().expect("a call takes more than four decisions"))
        } else {
            backlog.next()
        };
        nanoseconds += u64::from(timed(backlog, input, clock));
    }
    nanoseconds as f64 / DECISIONS as f64
}

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn timed(backlog: &mut Backlog, input: Input, clock: &mut Stopwatch) -> u32 {
    let now = backlog.now();
    let began = std::time::Instant::now();
    let effects = backlog.dispatcher.handle(input, now);
    let took = u32::try_from(began.elapsed().as_nanos()).unwrap_or(u32::MAX);
    clock.note(took);
    for effect in effects {
        backlog.perform(effect);
    }
    took
}

/// What reading the clock adds to each figure.
#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn clock_ns() -> f64 {
    let began = std::time::Instant::now();
    let sum: Duration = (0..DECISIONS).map(|_| std::time::Instant::now().elapsed()).sum();
    assert!(sum <= began.elapsed(), "time goes forward");
    sum.as_nanos() as f64 / DECISIONS as f64
}

/// Every time that was taken.
#[derive(Default)]
struct Stopwatch(Vec<u32>);

impl Stopwatch {
    fn note(&mut self, took: u32) {
        self.0.push(took);
    }

    fn begin(&mut self) {
        self.0.clear();
    }

    fn longest(&self) -> u32 {
        self.0.iter().copied().max().unwrap_or_default()
    }

    fn p99(&mut self) -> u32 {
        let place = self.0.len() * 99 / 100;
        let (_, took, _) = self.0.select_nth_unstable(place);
        *took
    }
}

fn median(measured: &Measured) -> f64 {
    measured.means[measured.means.len() / 2]
}

fn row(text: &mut String, measured: &Measured) {
    let Measured { queued, means, p99, longest, submit, longest_before } = measured;
    let per_second = 1e9 / median(measured);
    let cells = [
        queued.to_string(),
        format!("{:.0}", median(measured)),
        format!("{:.0}..{:.0}", means[0], means[means.len() - 1]),
        p99.to_string(),
        format!("{:.1}", f64::from(*longest) / 1e3),
        format!("{per_second:.0}"),
        format!("{submit:.0}"),
        format!("{:.2}", f64::from(*longest_before) / 1e6),
    ];
    line(text, cells, if per_second > AIM_PER_SECOND { "" } else { "  BELOW THE AIM" });
}

/// What a thousand times as many calls cost: a logarithm would double.
fn growth(text: &mut String, measured: &[Measured]) {
    let (Some(first), Some(last)) = (measured.first(), measured.last()) else { return };
    let logarithm = (last.queued as f64).ln() / (first.queued as f64).ln();
    let _ = writeln!(
        text,
        "cost(10^6) / cost(10^3) = {:.2}; a logarithm would give {logarithm:.2}",
        median(last) / median(first)
    );
}
