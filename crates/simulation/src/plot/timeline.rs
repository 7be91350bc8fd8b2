//! What each number did.

use std::collections::{BTreeMap, BTreeSet};

use super::canvas::{Drawing, Face, MISROUTE, WAIT, WIDTH, colour};
use crate::{NumberTimeline, Span, SpanKind, Timeline};

const LEFT: f64 = 96.0;
const RIGHT: f64 = 24.0;
/// Who is assigned.
const BAND: f64 = 20.0;
/// The most sub-lanes of dials that are drawn; more share the last.
const SUB_LANES_MAX: usize = 64;
/// What the sub-lanes of a number take at most.
const DIALS_MAX: f64 = 140.0;
const LEGEND_MAX: usize = 24;
/// Bars of one agent that are nearer than this, in pixels, are drawn as one.
const MERGE: f64 = 0.3;

/// From time to place.
#[derive(Clone, Copy)]
struct Scale {
    end_ns: f64,
}

impl Scale {
    fn x(self, ns: u64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (nanoseconds(ns) / self.end_ns).clamp(0.0, 1.0)
    }
}

fn nanoseconds(ns: u64) -> f64 {
    ns as f64
}

pub(super) fn drawing(timeline: &Timeline) -> Drawing {
    let last = timeline.numbers.iter().flat_map(|number| &number.spans).map(|span| span.to_ns).max();
    let scale = Scale { end_ns: nanoseconds(timeline.end_ns.max(last.unwrap_or(0)).max(1)) };
    let mut drawing = Drawing::new();
    drawing.text((LEFT, 24.0), Face::Title, "What each number did");
    let mut y = legend(&mut drawing, timeline, 44.0) + 14.0;
    let top = y;
    let mut lanes = Drawing::new();
    for number in &timeline.numbers {
        y = lane(&mut lanes, number, scale, y) + 16.0;
    }
    let bottom = y - 8.0;
    axis(&mut drawing, scale, top, bottom);
    drawing.cover(&lanes);
    drawing.reach(bottom + 44.0);
    drawing
}

/// Returns where it ends.
fn legend(drawing: &mut Drawing, timeline: &Timeline, top: f64) -> f64 {
    let spans = || timeline.numbers.iter().flat_map(|number| &number.spans);
    let (agents, others) = speakers(spans());
    let misroutes = spans().filter(|span| is_misroute(span.kind)).count();
    let mut entries: Vec<(&str, String)> =
        agents.iter().take(LEGEND_MAX).map(|agent| (colour(Some(*agent)), name(Some(*agent)))).collect();
    if agents.len() > LEGEND_MAX {
        entries.push(("#fff", format!("and {} more", agents.len() - LEGEND_MAX)));
    }
    if others {
        entries.push((colour(None), String::from("another agent")));
    }
    entries.push((WAIT, String::from("assignment under way")));
    entries.push((MISROUTE, format!("misrouted dial ({misroutes})")));
    let (mut x, mut y) = (LEFT, top);
    for (fill, text) in entries {
        let width = 24.0 + 7.0 * text.chars().count() as f64;
        if x + width > WIDTH - RIGHT {
            (x, y) = (LEFT, y + 20.0);
        }
        drawing.rectangle((x, y - 10.0), (12.0, 12.0), fill);
        drawing.text((x + 17.0, y), Face::Small, &text);
        x += width + 8.0;
    }
    y
}

/// The agents of the workload that are seen, and whether any other is.
fn speakers<'a>(spans: impl Iterator<Item = &'a Span>) -> (BTreeSet<u32>, bool) {
    let (mut agents, mut others) = (BTreeSet::new(), false);
    for span in spans {
        match span.kind {
            SpanKind::Assigned { agent: Some(agent) } | SpanKind::Dial { agent, .. } => {
                agents.insert(agent);
            }
            SpanKind::Assigned { agent: None } => others = true,
            SpanKind::Wait => {}
        }
    }
    (agents, others)
}

fn is_misroute(kind: SpanKind) -> bool {
    matches!(kind, SpanKind::Dial { misrouted: true, .. })
}

fn name(agent: Option<u32>) -> String {
    agent.map_or_else(|| String::from("another agent"), |agent| format!("agent {}", agent + 1))
}

/// One number: the band of who is assigned, and below it the dials. Returns where it ends.
fn lane(drawing: &mut Drawing, number: &NumberTimeline, scale: Scale, top: f64) -> f64 {
    drawing.text((LEFT - 10.0, top + 14.0), Face::PlainRight, &format!("number {}", number.number + 1));
    for span in &number.spans {
        match span.kind {
            SpanKind::Assigned { agent } => band(drawing, *span, agent, scale, top),
            SpanKind::Wait | SpanKind::Dial { .. } => {}
        }
    }
    // Over the assignments, so that a change is seen on whatever it ends.
    for span in number.spans.iter().filter(|span| span.kind == SpanKind::Wait) {
        let x = scale.x(span.from_ns);
        drawing.rectangle((x, top), ((scale.x(span.to_ns) - x).max(0.8), BAND), WAIT);
    }
    let dials = top + BAND + 4.0;
    let bottom = dials + self::dials(drawing, number, scale, dials);
    drawing.line((LEFT, bottom + 5.0), (WIDTH - RIGHT, bottom + 5.0), "#eaeef2");
    bottom
}

fn band(drawing: &mut Drawing, span: Span, agent: Option<u32>, scale: Scale, top: f64) {
    let (x, end) = (scale.x(span.from_ns), scale.x(span.to_ns));
    let width = (end - x).max(0.5);
    drawing.rectangle((x, top), (width, BAND), colour(agent));
    let (long, short) = (name(agent), agent.map(|agent| (agent + 1).to_string()));
    let middle = (f64::midpoint(x, end), top + 14.0);
    if agent.is_some() && width > 60.0 {
        drawing.text(middle, Face::Inside, &long);
    } else if let Some(short) = short.filter(|_| width > 18.0) {
        drawing.text(middle, Face::Inside, &short);
    }
}

/// The dials, each in the first sub-lane that is free. Returns the height they take.
fn dials(drawing: &mut Drawing, number: &NumberTimeline, scale: Scale, top: f64) -> f64 {
    let mut ends: Vec<u64> = Vec::new();
    let mut dials = Vec::new();
    for span in &number.spans {
        let SpanKind::Dial { agent, misrouted, .. } = span.kind else { continue };
        let free = ends.iter().position(|end| *end <= span.from_ns);
        let lane = free.unwrap_or(ends.len()).min(SUB_LANES_MAX - 1);
        match ends.get_mut(lane) {
            Some(end) => *end = span.to_ns.max(*end),
            None => ends.push(span.to_ns),
        }
        dials.push((lane, *span, (!misrouted).then_some(agent)));
    }
    if ends.is_empty() {
        return 0.0;
    }
    let pitch = (DIALS_MAX / ends.len() as f64).min(6.0);
    let mut bars: BTreeMap<Option<u32>, Vec<(f64, f64, f64)>> = BTreeMap::new();
    dials.sort_by_key(|(lane, span, _)| (*lane, span.from_ns));
    for (lane, span, agent) in dials {
        let (x, end) = (scale.x(span.from_ns), scale.x(span.to_ns));
        let y = top + (lane as f64 + 0.5) * pitch;
        let same = bars.entry(agent).or_default();
        // A gap of a third of a pixel between two dials is shown where there is room for it.
        let length = if end - x > 3.0 { end - x - 1.0 } else { end - x };
        match same.last_mut() {
            Some(last) if last.1.total_cmp(&y).is_eq() && x - (last.0 + last.2) < MERGE => last.2 = x + length - last.0,
            Some(_) | None => same.push((x, y, length)),
        }
    }
    let thickness = (pitch * 0.72).max(1.0);
    let misroutes = bars.remove(&None);
    for (agent, list) in &bars {
        drawing.bars(list, thickness, colour(*agent));
    }
    // Last, so that nothing covers them, and never too thin to be seen.
    drawing.bars(&misroutes.unwrap_or_default(), thickness.max(2.0), MISROUTE);
    pitch * ends.len() as f64
}

fn axis(drawing: &mut Drawing, scale: Scale, top: f64, bottom: f64) {
    let seconds = scale.end_ns / 1e9;
    let step = step(seconds / 8.0);
    let mut tick = 0.0;
    while tick <= seconds * 1.0001 {
        let x = LEFT + (WIDTH - LEFT - RIGHT) * (tick / seconds).min(1.0);
        drawing.line((x, top - 4.0), (x, bottom + 4.0), "#d0d7de66");
        drawing.text((x, bottom + 18.0), Face::SmallMiddle, &label(tick, step));
        tick += step;
    }
    drawing.line((LEFT, bottom + 4.0), (WIDTH - RIGHT, bottom + 4.0), "#8c959f");
    drawing.text(
        (f64::midpoint(LEFT, WIDTH - RIGHT), bottom + 36.0),
        Face::SmallMiddle,
        "time since the first call was asked for",
    );
}

/// The next of 1, 2, 5, 10 and so on that is not less.
fn step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-6).log10().floor());
    let fitting = [1.0, 2.0, 5.0].map(|factor| factor * power).into_iter().find(|step| *step >= least);
    fitting.unwrap_or(10.0 * power)
}

fn label(seconds: f64, step: f64) -> String {
    match step {
        step if step < 1e-3 => format!("{:.0} µs", seconds * 1e6),
        step if step < 1.0 => format!("{} s", (seconds * 1000.0).round() / 1000.0),
        step if step < 300.0 => format!("{seconds:.0} s"),
        _ => format!("{:.0} min", seconds / 60.0),
    }
}
