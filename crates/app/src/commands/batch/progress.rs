//! How far a batch is, on stderr: a display that is drawn again and again on a terminal, else a line now and then.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use partyline_domain::{AgentId, PhoneNumberId};

use super::tally::{Counts, Tally};
use crate::printer::{Printer, fit, seconds};

/// How often the display is drawn at most.
const DRAWS_PER_SECOND: u8 = 8;
/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// For how many lines nothing is said where nothing has changed.
const SILENT_MAX: u32 = 29;
/// How many numbers the display names at most.
const NUMBERS_MAX: usize = 6;

/// Names for people.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) agents: BTreeMap<AgentId, String>,
    pub(super) numbers: BTreeMap<PhoneNumberId, String>,
}

/// Tells how far a batch is.
pub(super) struct Progress {
    printer: Printer,
    total: usize,
    names: Names,
    how: How,
    /// What was told in the last line, and for how many more there was nothing new.
    last: Cell<(Counts, u32)>,
}

enum How {
    Display(ProgressBar),
    Lines,
    /// Log events take its place.
    Hidden,
}

impl Progress {
    /// For a batch of `total` calls.
    pub(super) fn new(printer: &Printer, total: usize, names: Names) -> Self {
        // Log lines and a display would tear each other apart.
        let logs = tracing::enabled!(target: "partyline::call", tracing::Level::INFO);
        let how = if printer.logs_json() {
            How::Hidden
        } else if std::io::stderr().is_terminal() && !logs {
            How::Display(display(total))
        } else {
            How::Lines
        };
        Self { printer: printer.clone(), total, names, how, last: Cell::default() }
    }

    /// How often [`Progress::show`] is worth calling.
    pub(super) fn interval(&self) -> Duration {
        match self.how {
            How::Display(_) => Duration::from_secs(1) / u32::from(DRAWS_PER_SECOND),
            How::Lines | How::Hidden => LINE_EVERY,
        }
    }

    /// Shows how far it is.
    pub(super) fn show(&self, tally: &Tally) {
        let counts = tally.counts();
        let elapsed = Duration::from_millis(self.printer.elapsed_ms());
        match &self.how {
            How::Display(bar) => {
                bar.set_position(self.total.saturating_sub(counts.open()) as u64);
                let numbers = self.numbers(tally);
                bar.set_message(format!("{}\n{}{numbers}", pace(counts, self.total, elapsed), told(counts)));
                bar.tick();
            }
            How::Lines if !self.is_news(counts) => {}
            How::Lines => {
                let done = self.total - counts.open();
                let pace = pace(counts, self.total, elapsed);
                self.printer.step(&format!("{done} of {} calls{pace}; {}", self.total, told(counts)));
            }
            How::Hidden => {}
        }
    }

    /// Whether a line is due: something has changed, or nothing has been said for long.
    fn is_news(&self, counts: Counts) -> bool {
        let (last, silent) = self.last.get();
        let is_news = last != counts || silent >= SILENT_MAX;
        self.last.set((counts, if is_news { 0 } else { silent + 1 }));
        is_news
    }

    /// Whether what is printed is better gathered until [`Progress::show`], since the display is drawn again each time.
    pub(super) fn gathers(&self) -> bool {
        matches!(self.how, How::Display(_))
    }

    /// Prints something else, with the display out of the way.
    pub(super) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.how {
            How::Display(bar) => bar.suspend(print),
            How::Lines | How::Hidden => print(),
        }
    }

    /// Takes the display away.
    pub(super) fn end(&self) {
        if let How::Display(bar) = &self.how {
            bar.finish_and_clear();
        }
    }

    /// The name of a number for people.
    pub(super) fn number(&self, id: &PhoneNumberId) -> String {
        self.names.numbers.get(id).cloned().unwrap_or_else(|| id.to_string())
    }

    /// The name of an agent for people.
    pub(super) fn agent(&self, id: &AgentId) -> String {
        self.names.agents.get(id).cloned().unwrap_or_else(|| id.to_string())
    }

    fn numbers(&self, tally: &Tally) -> String {
        let mut text = String::new();
        for (number, agent) in tally.numbers().take(NUMBERS_MAX) {
            let (number, agent) = (self.number(number), self.agent(agent));
            let _ = write!(text, "\n  {}: {}", fit(&number), fit(&agent));
        }
        let more = tally.numbers().count().saturating_sub(NUMBERS_MAX);
        if more > 0 {
            let _ = write!(text, "\n  and {more} more numbers");
        }
        text
    }
}

fn display(total: usize) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len}{msg}").expect("a template of ours");
    ProgressBar::with_draw_target(Some(total as u64), target).with_style(style)
}

/// The counts for people.
fn told(counts: Counts) -> String {
    let Counts { waiting, verified, dialling, in_doubt, initiated, failed } = counts;
    format!(
        "waiting {waiting}, verified {verified}, dialling {dialling}, in doubt {in_doubt}, initiated {initiated}, \
         failed {failed}"
    )
}

/// How fast it goes, and how long it will take; nothing where that is not known.
fn pace(counts: Counts, total: usize, elapsed: Duration) -> String {
    if counts.open() == 0 {
        return ", finishing: the conversation list is read, numbers are given back".to_owned();
    }
    let done = total.saturating_sub(counts.open());
    if done == 0 || elapsed.is_zero() {
        return String::new();
    }
    let share = |count: usize| u32::try_from(count).map_or(f64::from(u32::MAX), f64::from);
    let rate = share(done) / elapsed.as_secs_f64();
    let left = Duration::try_from_secs_f64(share(counts.open()) / rate).unwrap_or_default();
    let is_soon = left < Duration::from_secs(1);
    let left = if is_soon { "less than a second".to_owned() } else { format!("about {}", time(left)) };
    let rate = if rate < 1.0 { format!("{:.1} a minute", rate * 60.0) } else { format!("{rate:.1} a second") };
    format!(", {rate}, {left} left")
}

/// A time as people read it, also a long one.
pub(super) fn time(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    match minutes {
        0 | 1 => seconds(duration),
        2..120 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_is_told_once_there_is_one() {
        let counts = Counts { waiting: 150, initiated: 40, failed: 10, ..Counts::default() };
        assert_eq!(pace(counts, 200, Duration::from_secs(5)), ", 10.0 a second, about 15 s left");
        let none = Counts { waiting: 200, ..Counts::default() };
        assert_eq!(pace(none, 200, Duration::from_secs(5)), "");
        let all = Counts { initiated: 200, ..Counts::default() };
        assert!(pace(all, 200, Duration::from_secs(5)).starts_with(", finishing"));
        assert_eq!(pace(counts, 200, Duration::from_secs(3600)), ", 0.8 a minute, about 3 h 0 min left");
        assert_eq!(told(counts), "waiting 150, verified 0, dialling 0, in doubt 0, initiated 40, failed 10");
    }
}
