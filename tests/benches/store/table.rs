//! The figures as text: tables in Markdown, and where they come from.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

/// A table that grows row by row.
pub(crate) struct Table(String);

impl Table {
    pub(crate) fn new(titles: &[&str]) -> Self {
        let mut table = Self(String::new());
        table.row(titles);
        table.row(&vec!["---"; titles.len()]);
        table
    }

    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: &[T]) {
        let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
        let _ = writeln!(self.0, "| {} |", cells.join(" | "));
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// Figures of several runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    pub(crate) fn add(&mut self, figure: f64) {
        let at = self.0.partition_point(|other| *other <= figure);
        self.0.insert(at, figure);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn median(&self) -> f64 {
        self.of_a_hundred(50)
    }

    /// The figure below which so many of a hundred lie.
    pub(crate) fn of_a_hundred(&self, percent: usize) -> f64 {
        self.0.get(self.0.len() * percent / 100).or(self.0.last()).copied().unwrap_or(f64::NAN)
    }

    /// The least and the greatest.
    pub(crate) fn range(&self, decimals: usize) -> String {
        let (least, most) = (self.of_a_hundred(0), self.of_a_hundred(100));
        format!("{least:.decimals$}..{most:.decimals$}")
    }
}

impl FromIterator<f64> for Figures {
    fn from_iter<T: IntoIterator<Item = f64>>(figures: T) -> Self {
        let mut all = Self::default();
        figures.into_iter().for_each(|figure| all.add(figure));
        all
    }
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// A count as a figure.
pub(crate) fn figure(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("nothing here is counted that far"))
}

/// Whether an aim is met, as a cell.
pub(crate) fn met(is_met: bool) -> String {
    (if is_met { "yes" } else { "**no**" }).to_owned()
}

/// Where and when the figures were taken, to stand below them.
pub(crate) fn origin(small: bool) -> String {
    let say = |program: &str, words: &[&str]| {
        let output = Command::new(program).args(words).output().ok().filter(|output| output.status.success());
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = say("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changed = say("git", &["status", "--porcelain", "--untracked-files=no"]).is_none_or(|files| !files.is_empty());
    let date = say("date", &["+%F"]).unwrap_or_default();
    let changed = if changed { " with changes" } else { "" };
    let trial = match (small, cfg!(debug_assertions)) {
        (false, false) => "",
        (true, false) => " **A trial with small sizes.**",
        (_, true) => " **A trial of an unoptimised build: no figure to go by.**",
    };
    format!("Measured {date} at commit `{commit}`{changed}.{trial}")
}
