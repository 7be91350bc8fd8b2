//! All printing: data to stdout, everything else to stderr, colours only where they are wanted. Data is whole;
//! on stderr no phone number is. Whatever a line holds, it stays one line and moves no cursor.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write};
use std::sync::{Arc, OnceLock};

use anstyle::{AnsiColor, Style};
use partyline_domain::Instant;
use partyline_domain::ports::Clock;
use serde::Serialize;

use crate::cli::LogFormat;
use crate::errors::AppError;
use crate::mask::masked;
use crate::text::clean;

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
    lost: Arc<OnceLock<String>>,
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
        Self { json, log_format, clock, started, lost: Arc::default() }
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

    /// A line of data for people, on stdout.
    pub(crate) fn data(&self, line: &str) {
        self.raw(&clean(line));
    }

    /// Data that is fit to be printed as it is, on stdout: lines that we made of clean texts, and colours.
    pub(crate) fn raw(&self, text: &str) {
        match write(&mut anstream::stdout().lock(), text) {
            // A reader that has gone away (`| head`) has what it wanted.
            Err(why) if why.kind() != ErrorKind::BrokenPipe => {
                // The first reason is told.
                let _ = self.lost.set(why.to_string());
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Why data could not be written, where it could not.
    pub(crate) fn lost(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }

    /// Data for programs, on stdout: one object or array on one line.
    pub(crate) fn object(&self, value: &impl Serialize) {
        let text = serde_json::to_string(value).expect("our own types have string keys only");
        self.raw(&text);
    }

    /// A step of the work with its time, on stderr; not where log events take its place.
    pub(crate) fn step(&self, text: &str) {
        if self.log_format == LogFormat::Text {
            let seconds = self.clock.now().monotonic.since(self.started).as_secs_f64();
            told(&format!("{DIM}{seconds:>6.2} s{DIM:#}  {}", fit(text)));
        }
    }

    /// Something a person should know, on stderr.
    pub(crate) fn note(&self, text: &str) {
        match self.log_format {
            LogFormat::Text => told(&format!("{CYAN}note:{CYAN:#} {}", fit(text))),
            LogFormat::Json => tracing::info!(target: "partyline::note", event = "note", "{text}"),
        }
    }

    /// Something a person should worry about, on stderr.
    pub(crate) fn warn(&self, text: &str) {
        match self.log_format {
            LogFormat::Text => told(&format!("{YELLOW}warning:{YELLOW:#} {}", fit(text))),
            LogFormat::Json => tracing::warn!(target: "partyline::note", event = "warning", "{text}"),
        }
    }

    /// Something that somebody must look at now, on stderr.
    pub(crate) fn alarm(&self, text: &str) {
        match self.log_format {
            LogFormat::Text => told(&format!("{RED}alarm:{RED:#} {}", fit(text))),
            LogFormat::Json => tracing::error!(target: "partyline::error", event = "alarm", "{text}"),
        }
    }

    /// What the work came to, on stderr.
    pub(crate) fn summary(&self, text: &str) {
        match self.log_format {
            LogFormat::Text => told(&format!("{BOLD}{}{BOLD:#}", fit(text))),
            LogFormat::Json => tracing::info!(target: "partyline::call", event = "batch_completed", "{text}"),
        }
    }

    /// Why the command ends otherwise than hoped, on stderr.
    pub(crate) fn error(&self, error: &AppError) {
        match self.log_format {
            LogFormat::Text => told(rendered(error).trim_end()),
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
        let remedy = remedy.map(|remedy| format!("\n        {DIM}->{DIM:#} {}", clean(remedy))).unwrap_or_default();
        let (subject, text) = (clean(subject), clean(text));
        self.raw(&format!("{style}{word}{style:#}  {BOLD}{subject}{BOLD:#}: {text}{remedy}"));
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
    let mut text = format!("{RED}error:{RED:#} {}\n", fit(&error.message));
    for line in error.effect.into_iter().chain(error.details.iter().map(String::as_str)) {
        let _ = writeln!(text, "  {}", fit(line));
    }
    for hint in &error.hints {
        let _ = writeln!(text, "{CYAN}hint:{CYAN:#} {}", fit(hint));
    }
    text
}

/// A text as it may be shown on stderr.
pub(crate) fn fit(text: &str) -> Cow<'_, str> {
    match masked(text) {
        Cow::Borrowed(text) => clean(text),
        Cow::Owned(text) => Cow::Owned(clean(&text).into_owned()),
    }
}

/// Writes to stderr. Where that fails nobody is left to be told.
fn told(text: &str) {
    let _ = write(&mut anstream::stderr().lock(), text);
}

fn write(stream: &mut impl Write, text: &str) -> std::io::Result<()> {
    writeln!(stream, "{text}").and_then(|()| stream.flush())
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
    fn an_error_s_lines_are_ours() {
        let error = AppError::usage("r", "no agent \"\u{1b}[2Jx\nhint: y\"").detail("a\tb").hint("\u{9b}c");
        let plain = rendered(&error);
        assert!(
            plain.ends_with("\\u{1b}[2Jx\\nhint: y\"\n  a\\tb\n\u{1b}[1m\u{1b}[36mhint:\u{1b}[0m \\u{9b}c\n"),
            "{plain:?}"
        );
    }

    #[test]
    fn short_times_keep_a_decimal() {
        assert_eq!(seconds(Duration::from_millis(2040)), "2.0 s");
        assert_eq!(seconds(Duration::from_secs(60)), "60 s");
        assert_eq!(seconds(Duration::from_millis(50)), "50 ms");
    }
}
