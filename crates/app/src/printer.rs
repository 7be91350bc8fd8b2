//! All printing: data to stdout, everything else to stderr, colours only where they are wanted. Data is whole;
//! on stderr no phone number is.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use partyline_domain::Instant;
use partyline_domain::ports::Clock;
use serde::Serialize;

use crate::cli::LogFormat;
use crate::errors::AppError;
use crate::mask::masked;

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default().bold();

/// Prints for a person or for a program.
#[derive(Clone)]
pub(crate) struct Printer {
    json: bool,
    log_format: LogFormat,
    clock: Arc<dyn Clock>,
    started: Instant,
}

/// How a check of `doctor` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mark {
    Ok,
    Note,
    Warn,
    Fail,
}

impl Printer {
    /// A printer whose step times count from now.
    pub(crate) fn new(json: bool, log_format: LogFormat, clock: Arc<dyn Clock>) -> Self {
        let started = clock.now().monotonic;
        Self { json, log_format, clock, started }
    }

    /// Whether data is printed as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether log events take the place of the step lines.
    pub(crate) fn logs_json(&self) -> bool {
        self.log_format == LogFormat::Json
    }

    /// How long the command has been running, in whole milliseconds.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        milliseconds(self.clock.now().monotonic.since(self.started))
    }

    /// Data for people, on stdout.
    #[expect(clippy::unused_self, reason = "all printing goes through a printer")]
    pub(crate) fn data(&self, text: &str) {
        write(&mut anstream::stdout().lock(), text);
    }

    /// Data for programs, on stdout: one object or array on one line.
    #[expect(clippy::unused_self, reason = "all printing goes through a printer")]
    pub(crate) fn object(&self, value: &impl Serialize) {
        let text = serde_json::to_string(value).expect("our own types have string keys only");
        write(&mut anstream::stdout().lock(), &text);
    }

    /// A step of the work with its time, on stderr; not where log events take its place.
    pub(crate) fn step(&self, text: &str) {
        if self.log_format == LogFormat::Text {
            let seconds = self.clock.now().monotonic.since(self.started).as_secs_f64();
            let text = masked(text);
            write(&mut anstream::stderr().lock(), &format!("{DIM}{seconds:>6.2} s{DIM:#}  {text}"));
        }
    }

    /// Something a person should know, on stderr.
    pub(crate) fn note(&self, text: &str) {
        match self.log_format {
            LogFormat::Text => write(&mut anstream::stderr().lock(), &format!("{CYAN}note:{CYAN:#} {}", masked(text))),
            LogFormat::Json => tracing::info!(target: "partyline::note", event = "note", "{text}"),
        }
    }

    /// Something a person should worry about, on stderr.
    pub(crate) fn warn(&self, text: &str) {
        match self.log_format {
            LogFormat::Text => {
                write(&mut anstream::stderr().lock(), &format!("{YELLOW}warning:{YELLOW:#} {}", masked(text)));
            }
            LogFormat::Json => tracing::warn!(target: "partyline::note", event = "warning", "{text}"),
        }
    }

    /// Why the command ends otherwise than hoped, on stderr.
    pub(crate) fn error(&self, error: &AppError) {
        match self.log_format {
            LogFormat::Text => write(&mut anstream::stderr().lock(), rendered(error).trim_end()),
            LogFormat::Json => tracing::error!(
                target: "partyline::error",
                event = "error",
                reason = error.reason,
                effect = error.effect,
                details = joined(&error.details).as_deref(),
                hint = joined(&error.hints).as_deref(),
                exit_code = error.exit.code(),
                "{}", error.message
            ),
        }
    }

    /// A line of `doctor`, on stdout.
    pub(crate) fn check(&self, mark: Mark, subject: &str, text: &str, remedy: Option<&str>) {
        let (style, word) = match mark {
            Mark::Ok => (GREEN, "ok  "),
            Mark::Note => (CYAN, "note"),
            Mark::Warn => (YELLOW, "warn"),
            Mark::Fail => (RED, "fail"),
        };
        let remedy = remedy.map(|remedy| format!("\n        {DIM}->{DIM:#} {remedy}")).unwrap_or_default();
        self.data(&format!("{style}{word}{style:#}  {BOLD}{subject}{BOLD:#}: {text}{remedy}"));
    }
}

/// Whole milliseconds.
pub(crate) fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A time as people read it: `50 ms`, `2.5 s`, `12 s`.
pub(crate) fn seconds(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1.0 {
        return format!("{} ms", duration.as_millis());
    }
    if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

fn joined(lines: &[String]) -> Option<String> {
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// An error for people.
fn rendered(error: &AppError) -> String {
    let mut text = format!("{RED}error:{RED:#} {}\n", masked(&error.message));
    for line in error.effect.into_iter().chain(error.details.iter().map(String::as_str)) {
        let _ = writeln!(text, "  {}", masked(line));
    }
    for hint in &error.hints {
        let _ = writeln!(text, "{CYAN}hint:{CYAN:#} {}", masked(hint));
    }
    text
}

/// A reader that has gone away (`| head`) is no error of ours, and there is nobody left to tell of any other.
fn write(stream: &mut impl Write, text: &str) {
    let _ = writeln!(stream, "{text}").and_then(|()| stream.flush());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_error_tells_what_happened_then_what_to_do() {
        let error = AppError::usage("r", "no such thing").effect("nothing was dialled").hint("try another");
        let plain = anstream::adapter::strip_str(&rendered(&error)).to_string();
        assert_eq!(plain, "error: no such thing\n  nothing was dialled\nhint: try another\n");
    }

    #[test]
    fn short_times_keep_a_decimal() {
        assert_eq!(seconds(Duration::from_millis(2040)), "2.0 s");
        assert_eq!(seconds(Duration::from_secs(60)), "60 s");
        assert_eq!(seconds(Duration::from_millis(50)), "50 ms");
    }
}
