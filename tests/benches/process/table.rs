//! The figures as text.

use std::fmt::Write as _;
use std::time::Duration;

use crate::subject::{Kind, Subject};

/// What the aim allows beyond the round trips.
const OVERHEAD_AIM: Duration = Duration::from_millis(15);
const PEAK_BYTES_AIM: u64 = 20_000_000;
const COLUMNS: [(&str, usize); 8] = [
    ("", 47),
    ("round trips", 12),
    ("median ms", 10),
    ("min..max ms", 17),
    ("aim ms", 8),
    ("of script", 10),
    ("peak MB", 8),
    ("aim MB", 7),
];

/// The figures of one subject.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) wall: Vec<Duration>,
    pub(crate) inside: Vec<Duration>,
    pub(crate) peak_bytes: Vec<u64>,
}

pub(crate) struct Row {
    pub(crate) subject: Subject,
    pub(crate) measured: Measured,
}

pub(crate) fn heading(latency: Duration, runs: usize) -> String {
    format!("Whole process, {} ms latency, {runs} runs each", latency.as_millis())
}

pub(crate) fn text(rows: &[Row], latency: Duration) -> String {
    let script = rows.iter().find(|row| row.subject.kind == Kind::Script);
    let script_wall = script.map(|row| median(&row.measured.wall));
    let mut text = String::new();
    line(&mut text, COLUMNS.map(|(title, _)| title.to_owned()));
    for row in rows {
        line(&mut text, cells(row, latency, script_wall));
    }
    if let Some(script) = script {
        let inside = milliseconds(median(&script.measured.inside));
        let _ = writeln!(
            text,
            "Of the script's time, {inside} ms lie after its imports; the SDK loads its parts when first used."
        );
    }
    text
}

fn cells(row: &Row, latency: Duration, script: Option<Duration>) -> [String; COLUMNS.len()] {
    let Row { subject, measured } = row;
    let wall = median(&measured.wall);
    let (least, most) = (measured.wall.iter().min().copied(), measured.wall.iter().max().copied());
    let range = [least, most].map(|wall| milliseconds(wall.unwrap_or_default())).join("..");
    let aimed = matches!(subject.kind, Kind::Partyline { .. });
    let aim = |text: String| if aimed { text } else { "-".to_owned() };
    let peak = measured.peak_bytes.iter().max().map_or_else(|| "-".to_owned(), |peak| megabytes(*peak));
    [
        subject.name.to_owned(),
        subject.round_trips.to_string(),
        milliseconds(wall),
        range,
        aim(milliseconds(latency * subject.round_trips + OVERHEAD_AIM)),
        script.map_or_else(
            || "-".to_owned(),
            |script| format!("{:.1}%", 100.0 * wall.as_secs_f64() / script.as_secs_f64()),
        ),
        peak,
        aim(megabytes(PEAK_BYTES_AIM)),
    ]
}

/// The first column to the left, the others to the right.
fn line(text: &mut String, cells: [String; COLUMNS.len()]) {
    for (index, (cell, (_, width))) in cells.into_iter().zip(COLUMNS).enumerate() {
        let _ = if index == 0 { write!(text, "{cell:width$}") } else { write!(text, "{cell:>width$}") };
    }
    text.push('\n');
}

fn median(values: &[Duration]) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1000.0)
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{}", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}
