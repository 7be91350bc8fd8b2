//! Strategies side by side.

use serde::Serialize;

use super::canvas::{Drawing, Face, MISROUTE, WIDTH};

const LEFT: f64 = 96.0;
const GAP: f64 = 96.0;
const ROW: f64 = 30.0;
const PANELS: usize = 3;

/// What one strategy came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StrategyBar {
    /// Its name.
    pub strategy: String,
    /// From the first submission to the last answer, in seconds.
    pub makespan_s: f64,
    /// Core requests per call.
    pub requests_per_call: f64,
    /// Calls that another agent answered.
    pub misroutes: f64,
}

/// One quantity of all strategies.
struct Panel {
    title: &'static str,
    value: fn(&StrategyBar) -> f64,
    text: fn(f64) -> String,
    fill: &'static str,
}

const ALL: [Panel; PANELS] = [
    Panel { title: "makespan", value: |bar| bar.makespan_s, text: time, fill: "#0b61a4" },
    Panel { title: "requests per call", value: |bar| bar.requests_per_call, text: ratio, fill: "#1a7f37" },
    Panel { title: "misroutes", value: |bar| bar.misroutes, text: count, fill: MISROUTE },
];

fn time(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.2} s") } else { format!("{seconds:.0} s") }
}

fn ratio(value: f64) -> String {
    format!("{value:.3}")
}

fn count(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

pub(super) fn drawing(bars: &[StrategyBar]) -> Drawing {
    let mut drawing = Drawing::new();
    drawing.text((LEFT, 24.0), Face::Title, "Strategies compared");
    let top = 64.0;
    let rows = bars.len() as f64;
    for (row, bar) in bars.iter().enumerate() {
        let y = top + row as f64 * ROW;
        drawing.text((LEFT - 10.0, y + 15.0), Face::PlainRight, &bar.strategy);
    }
    let width = (WIDTH - LEFT - GAP * PANELS as f64) / PANELS as f64;
    for (place, panel) in ALL.iter().enumerate() {
        let left = LEFT + place as f64 * (width + GAP);
        drawing.text((left, 50.0), Face::Plain, panel.title);
        drawing.line((left, top - 6.0), (left, top + rows * ROW), "#8c959f");
        let most = bars.iter().map(panel.value).filter(|value| value.is_finite()).fold(0.0, f64::max);
        for (row, bar) in bars.iter().enumerate() {
            let value = (panel.value)(bar);
            let share = if most > 0.0 && value.is_finite() { (value / most).max(0.0) } else { 0.0 };
            let y = top + row as f64 * ROW;
            let length = if share > 0.0 { (share * width).max(1.5) } else { 0.0 };
            drawing.rectangle((left, y), (length, 21.0), panel.fill);
            drawing.text((left + length + 6.0, y + 15.0), Face::Small, &(panel.text)(value));
        }
    }
    drawing.reach(top + rows * ROW + 24.0);
    drawing
}
