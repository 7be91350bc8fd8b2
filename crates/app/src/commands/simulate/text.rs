//! A scenario's figures as people read them.

use std::fmt::Write as _;

use partyline_simulation::{Figure, Metric, Report, Scenario, Strategy, Verdict};

use crate::commands::{lines, table as plain_table};

/// The scenarios, a line each.
pub(super) fn list(scenarios: &[Scenario]) -> String {
    let mut table = plain_table(&["SCENARIO", "WHAT HAPPENS"]);
    for scenario in scenarios {
        table.add_row([scenario.name().as_str(), scenario.title]);
    }
    lines(&table)
}

/// One scenario: a line for each metric, a column for each strategy, then the bound and the target.
pub(super) fn table(scenario: &Scenario, reports: &[Report]) -> String {
    let mut heading = vec!["METRIC"];
    heading.extend(reports.iter().map(|report| report.strategy.as_str()));
    heading.extend(["BOUND", "TARGET"]);
    let mut table = plain_table(&heading);
    let judged = reports.iter().find(|report| report.strategy == Strategy::Partyline);
    for metric in Metric::ALL {
        let figures: Vec<Option<&Figure>> = reports.iter().map(|report| report.figures.get(&metric)).collect();
        if figures.iter().all(Option::is_none) {
            continue;
        }
        // The bound is that of the run whose targets are judged: a bound by windows depends on the run.
        let bound = judged.or(reports.last()).and_then(|report| report.figures.get(&metric)?.bound);
        let mut cells = vec![name(metric).to_owned()];
        cells.extend(figures.iter().map(|figure| figure.map(cell).unwrap_or_default()));
        cells.push(bound.map(number).unwrap_or_default());
        let verdicts = judged.map_or(&[][..], |report| report.verdicts.as_slice());
        let verdict = verdicts.iter().find(|verdict| verdict.target.metric == metric);
        cells.push(verdict.map(told).unwrap_or_default());
        table.add_row(cells);
    }
    let mut text = heading_line(scenario, reports);
    let _ = write!(text, "\n{}", lines(&table));
    for (seed, violation) in reports.iter().filter_map(|report| report.violation.as_ref()) {
        let _ = write!(text, "\nBROKEN with seed {seed}: {violation}");
    }
    if let Some(note) = scenario.note {
        let _ = write!(text, "\nnote: {note}");
    }
    text
}

fn heading_line(scenario: &Scenario, reports: &[Report]) -> String {
    let seeds = reports.first().map_or(&[][..], |report| report.seeds.as_slice());
    let seeds = match seeds {
        [one] => format!("seed {one}"),
        many => format!("{} seeds, mean ± half of the 95 % interval", many.len()),
    };
    format!("{}: {} ({seeds})", scenario.name(), scenario.title)
}

fn told(verdict: &Verdict) -> String {
    let target = verdict.target;
    let word = if verdict.is_met { "met" } else { "MISSED" };
    let mut text = format!("{} {}: {word}", target.side.as_str(), number(target.target));
    if let (Some(stretch), Some(is_stretched)) = (target.stretch, verdict.is_stretched) {
        let word = if is_stretched { "reached" } else { "not reached" };
        let _ = write!(text, " (stretch {} {word})", number(stretch));
    }
    text
}

fn cell(figure: &Figure) -> String {
    let mean = number(figure.mean);
    match figure.half_width {
        Some(half_width) if half_width > 0.0 => format!("{mean} ± {}", short(half_width)),
        Some(_) | None => mean,
    }
}

/// As many decimals as the size deserves; none for a whole number.
fn number(value: f64) -> String {
    if value.fract() == 0.0 {
        return format!("{value:.0}");
    }
    let decimals = match value.abs() {
        size if size >= 1000.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// Two significant digits are enough for a spread.
fn short(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 10.0 => 0,
        size if size >= 1.0 => 1,
        size if size >= 0.1 => 2,
        size if size >= 0.01 => 3,
        _ => 4,
    };
    format!("{value:.decimals$}")
}

fn name(metric: Metric) -> &'static str {
    match metric {
        Metric::Requests => "requests",
        Metric::RequestsSafety => "safety requests",
        Metric::RequestsPerCall => "requests per call",
        Metric::RequestsTotalPerCall => "with safety, per call",
        Metric::Assignments => "assignments",
        Metric::AssignmentsPerBound => "assignments / bound",
        Metric::AssignmentsPerFifo => "assignments / Belady",
        Metric::AssignmentsPerWindow => "assignments / window",
        Metric::Misroutes => "misroutes",
        Metric::MisrouteShare => "misroute share",
        Metric::MisroutesPerWrite => "misroutes per write",
        Metric::FlagDelayMaxS => "longest until flagged, s",
        Metric::Unflagged => "misroutes not flagged",
        Metric::DoubleDials => "double dials",
        Metric::Lost => "lost calls",
        Metric::MakespanS => "makespan, s",
        Metric::LastDialS => "last dial, s",
        Metric::MakespanRatio => "makespan / ideal",
        Metric::WaitP50S => "wait p50, s",
        Metric::WaitP99S => "wait p99, s",
        Metric::WaitMaxS => "wait max, s",
        Metric::AddedWaitP50S => "added wait p50, s",
        Metric::AddedWaitP99S => "added wait p99, s",
        Metric::OvertakingMax => "largest overtaking",
        Metric::Utilisation => "utilisation",
        Metric::CallsPerSecond => "calls per second",
        Metric::SpeedUp => "speed-up over mutex",
        Metric::RampS => "until the cap is full, s",
        Metric::Failovers => "failovers",
        Metric::MisroutesPerFailover => "misroutes per failover",
        Metric::MisroutedFailovers => "failovers with any",
        Metric::TakeoverFreeS => "takeover, none open, s",
        Metric::TakeoverFreeMaxS => "the same, longest, s",
        Metric::TakeoverSameS => "takeover, same agent, s",
        Metric::TakeoverSameMaxS => "the same, longest, s",
        Metric::TakeoverOtherS => "takeover, other agent, s",
        Metric::TakeoverOtherMaxS => "the same, longest, s",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_they_deserve() {
        for (value, text) in [
            (1025.0, "1025"),
            (21.25, "21.25"),
            (1.0251, "1.025"),
            (0.0, "0"),
            (15_435.26, "15435.3"),
            (-0.5, "-0.500"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(short(0.0123), "0.012");
    }

    #[test]
    fn a_table_names_bound_and_verdict() {
        let scenario = partyline_simulation::find("S1").remove(0);
        let report = |strategy| Report::new(&scenario, strategy, &[1], partyline_simulation::Options::default());
        let text = table(&scenario, &[report(Strategy::Mutex), report(Strategy::Partyline)]);
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).expect("there is such a line");
        assert!(line("misroutes").ends_with("<= 0: met"), "{text}");
        assert!(line("requests ").contains("3000"), "{text}");
        assert!(line("makespan, s").contains("750") && line("makespan, s").contains("21.25"), "{text}");
    }
}
