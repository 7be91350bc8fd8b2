//! The table of scenarios: a row for each target.

use std::fmt::Write as _;

use partyline_simulation::{Figure, Metric, Report, Scenario, Verdict};

pub(crate) const HEADING: &str = "\
| scenario | metric | target | stretch | `partyline` | `mutex` | `script` | met | stretch met |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
";

/// The rows of one scenario: what the core is judged by, and what two others come to.
pub(crate) fn rows(scenario: &Scenario, partyline: &Report, others: [&Report; 2]) -> String {
    let mut text = String::new();
    for verdict in &partyline.verdicts {
        let metric = verdict.target.metric;
        let others = others.map(|report| shown(report, metric));
        let [mutex, script] = others;
        let (target, stretch) = bounds(verdict);
        let (is_met, is_stretched) = (word(verdict.is_met), verdict.is_stretched.map_or("", word));
        let (name, value) = (scenario.name(), shown(partyline, metric));
        let metric = metric.name();
        let row = format!(
            "| {name} | `{metric}` | {target} | {stretch} | {value} | {mutex} | {script} | {is_met} | {is_stretched} |"
        );
        let _ = writeln!(text, "{row}");
    }
    text
}

fn bounds(verdict: &Verdict) -> (String, String) {
    let target = verdict.target;
    let side = match target.side.as_str() {
        "<=" => "≤",
        ">=" => "≥",
        other => other,
    };
    (format!("{side} {}", number(target.target)), target.stretch.map(number).unwrap_or_default())
}

fn word(holds: bool) -> &'static str {
    if holds { "yes" } else { "**no**" }
}

fn shown(report: &Report, metric: Metric) -> String {
    report.figures.get(&metric).map(cell).unwrap_or_default()
}

fn cell(figure: &Figure) -> String {
    let mean = number(figure.mean);
    match figure.half_width {
        // What is smaller than any digit shown is rounding.
        Some(half_width) if half_width >= 5e-5 => format!("{mean} ± {}", short(half_width)),
        Some(_) | None => mean,
    }
}

/// As many decimals as the size deserves; none for a whole number.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        size if size >= 0.01 => 3,
        _ => 4,
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
