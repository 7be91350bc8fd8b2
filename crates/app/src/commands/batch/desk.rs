//! Takes what becomes of the calls of a batch, tells it, and keeps what the end needs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use partyline_domain::flow::Proof;
use partyline_domain::{
    AgentId, CallId, CallReport, ConversationId, Failing, FailureKind, Notice, PhoneNumberId, RestoreOutcome,
};

use super::drive::{Interrupted, RowsByCall, Told};
use super::output::Ended;
use super::progress::{Progress, time};
use super::results::Results;
use super::spool::Spool;
use crate::commands::call;
use crate::errors::{AppError, kind_word, remedy};
use crate::exit::Exit;
use crate::printer::{Printer, seconds};

/// How many lines of the input are named for one reason at most.
const LINES_MAX: usize = 20;

/// Failed calls of one kind.
#[derive(Debug, Default)]
struct Group {
    count: usize,
    /// The first of them, by their place in the file.
    lines: BTreeSet<u64>,
    /// Why, of the first of them.
    message: String,
}

/// What came of the calls so far.
#[derive(Debug, Default)]
struct Sums {
    ended: usize,
    initiated: usize,
    failed: BTreeMap<&'static str, Group>,
    unknown: Group,
    misrouted: Group,
}

/// Tells what becomes of the calls.
pub(super) struct Desk<'a> {
    printer: &'a Printer,
    progress: &'a Progress,
    host: &'a str,
    rows: RowsByCall,
    results: Option<Results>,
    sums: Sums,
    spool: Spool,
    /// Of calls that have ended, not printed yet.
    lines: Vec<String>,
    /// Told for all: why nothing is dialled any more, as one word.
    stopped: Option<&'static str>,
    /// Why the list of conversations could not be read when it was tried last.
    unread: Option<String>,
}

impl Group {
    fn add(&mut self, line: u64, message: impl FnOnce() -> String) {
        if self.count == 0 {
            self.message = message();
        }
        self.count += 1;
        self.lines.insert(line);
        if self.lines.len() > LINES_MAX {
            self.lines.pop_last();
        }
    }

    /// `line 3` or `lines 3, 5 and 12 more`.
    fn told(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(u64::to_string).collect();
        let more = self.count - self.lines.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("line{} {}{more}", if self.count == 1 { "" } else { "s" }, lines.join(", "))
    }
}

impl<'a> Desk<'a> {
    /// For these calls.
    pub(super) fn new(
        printer: &'a Printer,
        progress: &'a Progress,
        host: &'a str,
        rows: RowsByCall,
        results: Option<Results>,
    ) -> Self {
        Self {
            printer,
            progress,
            host,
            rows,
            results,
            sums: Sums::default(),
            spool: Spool::new(printer),
            lines: Vec::new(),
            stopped: None,
            unread: None,
        }
    }

    /// Whether every call has ended.
    pub(super) fn is_over(&self) -> bool {
        self.sums.ended == self.rows.len()
    }

    pub(super) fn warn(&self, text: &str) {
        self.printer.warn(text);
    }

    /// Takes what the core tells. Of calls that have ended nothing is printed yet.
    pub(super) fn take(&mut self, told: Told) {
        match told {
            Told::Ended(report) => self.ended(&report),
            Told::Audited { call, conversation, proof } => self.audited(&call, &conversation, &proof),
            Told::Other(notice) => self.other(&notice),
        }
    }

    /// Prints what has not been printed of calls that have ended.
    pub(super) fn print(&mut self) {
        for line in self.lines.drain(..) {
            self.spool.print(line);
        }
    }

    /// Resolves when everything that was to be printed is printed.
    pub(super) fn printed(&mut self) -> impl Future<Output = ()> + use<> {
        self.print();
        self.spool.close()
    }

    fn ended(&mut self, report: &CallReport) {
        let Some((line, agent)) = self.rows.get(&report.request.id) else { return };
        let ended = Ended { line: *line, agent, report, replayed: false };
        let message = ended.message();
        let reason = ended.reason();
        self.sums.ended += 1;
        match reason {
            None => self.sums.initiated += 1,
            Some(_) if ended.is_unknown() => {
                self.sums.unknown.add(*line, || message.clone().unwrap_or_default());
            }
            Some(reason) => {
                let group = self.sums.failed.entry(reason).or_default();
                // Why nothing is dialled any more has been told.
                let is_told = self.stopped == Some(reason);
                let why = || if is_told { Some("not dialled".to_owned()) } else { message.clone() };
                group.add(*line, || why().unwrap_or_default());
            }
        }
        if self.printer.is_json() {
            self.lines.push(serde_json::to_string(&ended.object()).expect("our own types have string keys only"));
        } else if reason.is_none() || reason != self.stopped {
            self.lines.push(ended.told());
        }
        if let Some(results) = &mut self.results {
            results.add(&ended.result(message.as_deref()));
        }
        if let Some(proof) = report.proof() {
            let line = *line;
            self.proved(line, &report.request.id, call::conversation(report), proof);
        }
    }

    fn audited(&mut self, call: &CallId, conversation: &ConversationId, proof: &Proof) {
        let Some((line, _)) = self.rows.get(call) else { return };
        self.proved(*line, call, Some(conversation), proof);
    }

    fn proved(&mut self, line: u64, call: &CallId, conversation: Option<&ConversationId>, proof: &Proof) {
        let word = match proof {
            Proof::Matches { .. } => "matches",
            Proof::Absent => "absent",
            Proof::Mismatch { .. } => "mismatch",
        };
        if let Some(results) = &mut self.results {
            results.proved(line, word);
        }
        let Proof::Mismatch { agent, number, callee } = proof else { return };
        let seen = agent.as_ref().map(|agent| format!("the agent {}", self.progress.agent(agent)));
        let number = number.as_ref().map(|number| format!("the number {}", self.progress.number(number)));
        let callee = callee.then(|| "another callee".to_owned());
        let seen: Vec<String> = seen.into_iter().chain(number).chain(callee).collect();
        let conversation = conversation.map_or_else(|| call.to_string(), ToString::to_string);
        let message = format!("the provider's record of {conversation} names {}", seen.join(" and "));
        self.printer.alarm(&format!("line {line} was misrouted: {message}"));
        self.sums.misrouted.add(line, || message);
    }

    fn other(&mut self, notice: &Notice) {
        match notice {
            Notice::OutsideChange { number, was, now } => {
                let name =
                    |agent: &Option<AgentId>| agent.as_ref().map_or("nobody".to_owned(), |id| self.progress.agent(id));
                self.printer.warn(&format!(
                    "somebody else has changed the number {}: it was answered by {}, now by {}",
                    self.progress.number(number),
                    name(was),
                    name(now)
                ));
            }
            Notice::NumberStopped { number, detail } => {
                self.printer.alarm(&format!("nothing more is dialled from {}: {detail}", self.progress.number(number)));
            }
            Notice::NumberQuarantined { number, .. } => {
                self.printer
                    .warn(&format!("the number {} is read again before it is used", self.progress.number(number)));
            }
            Notice::InboundRestored { number, outcome } => self.given_back(number, outcome),
            Notice::BreakerOpened { of, pause, detail } => {
                let (who, pause) = (self.failing(of), seconds(*pause));
                self.printer.warn(&format!("{who} keeps failing ({detail}): left alone for {pause}"));
            }
            Notice::BreakerClosed { of } => self.printer.note(&format!("{} works again", self.failing(of))),
            Notice::SurveyFailed { detail } if self.unread.as_ref() != Some(detail) => {
                self.unread = Some(detail.clone());
                let why = "so it is not known yet whether the right agents speak";
                self.printer.warn(&format!("the list of conversations could not be read ({detail}), {why}"));
            }
            Notice::DiallingStopped { kind, detail } => self.stopped(*kind, detail),
            Notice::Recorded { .. }
            | Notice::VerificationStarted { .. }
            | Notice::AssignmentStarted { .. }
            | Notice::DialAnswered { .. }
            | Notice::AssignRetryScheduled { .. }
            | Notice::RetryScheduled { .. }
            | Notice::LookedUp { .. }
            | Notice::RecordUnread { .. }
            | Notice::Audited { .. }
            | Notice::SurveyFailed { .. }
            | Notice::NumberTrusted { .. }
            | Notice::RestoreDelayed { .. }
            | Notice::Completed(_)
            | _ => {}
        }
    }

    fn given_back(&self, id: &PhoneNumberId, outcome: &RestoreOutcome) {
        let number = self.progress.number(id);
        let name = |agent: &Option<AgentId>| agent.as_ref().map_or("nobody".to_owned(), |id| self.progress.agent(id));
        match outcome {
            RestoreOutcome::Restored { to } => {
                self.printer.step(&format!("number {number} given back: answered by {}", name(to)));
            }
            RestoreOutcome::LeftAlone { now } => self.printer.note(&format!(
                "the number {number} was not given back: somebody else has changed it meanwhile, it is answered by {}",
                name(now)
            )),
            RestoreOutcome::Failed { to, detail } => {
                let command = match to {
                    Some(agent) => format!("assign {id} {agent}"),
                    None => format!("release {id}"),
                };
                self.printer.warn(&format!(
                    "the number {number} was NOT given back ({detail}): it should be answered by {}; set it with \
                     `partyline numbers {command}`",
                    name(to)
                ));
            }
        }
    }

    fn failing(&self, of: &Failing) -> String {
        match of {
            Failing::Agent(agent) => format!("the agent {}", self.progress.agent(agent)),
            Failing::Number(number) => format!("the number {}", self.progress.number(number)),
        }
    }

    /// Key or quota: told once, for all calls that are not dialled for it.
    fn stopped(&mut self, kind: FailureKind, detail: &str) {
        self.stopped = Some(kind_word(kind));
        let error = AppError::new(Exit::Refused, kind_word(kind), format!("dialling has stopped: {detail}"))
            .effect("calls that were not dialled by now are not dialled")
            .hint_maybe(remedy(kind, detail, self.host));
        self.printer.error(&error);
    }

    /// Tells what came of the whole batch, after its last call.
    pub(super) fn conclude(self, interrupted: Interrupted, requests: u32) -> Exit {
        let Sums { ended, initiated, failed, unknown, misrouted } = &self.sums;
        let failures: usize = failed.values().map(|group| group.count).sum();
        let mut parts = vec![format!("{initiated} initiated"), format!("{failures} failed")];
        parts.extend((unknown.count > 0).then(|| format!("{} unknown", unknown.count)));
        parts.extend((misrouted.count > 0).then(|| format!("{} misrouted", misrouted.count)));
        let elapsed = time(Duration::from_millis(self.printer.elapsed_ms()));
        let requests = if requests == 1 { "1 request".to_owned() } else { format!("{requests} requests") };
        let summary = format!("{} in {elapsed}: {}; {requests}", calls(*ended), parts.join(", "));
        self.printer.summary(&summary);
        let exit = self.exit(interrupted, failures);
        for error in self.errors(interrupted) {
            self.printer.error(&AppError { exit, ..error });
        }
        match self.results.map(Results::finish) {
            Some(Err(error)) => {
                let exit = if exit == Exit::Success { Exit::Unexpected } else { exit };
                self.printer.error(&AppError { exit, ..error });
                exit
            }
            Some(Ok(())) | None => exit,
        }
    }

    fn exit(&self, interrupted: Interrupted, failures: usize) -> Exit {
        if self.sums.unknown.count > 0 {
            Exit::Unknown
        } else if interrupted > Interrupted::No {
            Exit::Interrupted
        } else if failures > 0 || self.sums.misrouted.count > 0 {
            Exit::Refused
        } else if self.sums.ended < self.rows.len() {
            Exit::Unexpected
        } else {
            Exit::Success
        }
    }

    fn errors(&self, interrupted: Interrupted) -> Vec<AppError> {
        let Sums { ended, failed, unknown, misrouted, .. } = &self.sums;
        let mut errors = Vec::new();
        if !failed.is_empty() {
            let count = failed.values().map(|group| group.count).sum();
            let error = AppError::new(Exit::Refused, "calls_failed", format!("{} failed", calls(count)));
            let told = failed.iter().map(|(reason, group)| format!("{reason}, {}: {}", group.told(), group.message));
            errors.push(error.details(told));
        }
        if unknown.count > 0 {
            let message = format!(
                "nobody knows whether {} placed",
                match unknown.count {
                    1 => "1 call was".to_owned(),
                    count => format!("{count} calls were"),
                }
            );
            let left = interrupted == Interrupted::Twice;
            let hint =
                "do not call them again before you know: look at the newest conversations in the provider's dashboard";
            let error = AppError::new(Exit::Unknown, "outcome_unknown", message)
                .effect("their phones may have rung")
                .detail(format!("{}: {}", unknown.told(), if left { "left in doubt" } else { &unknown.message }))
                .hint(hint);
            errors.push(error);
        }
        if misrouted.count > 0 {
            let message = format!("{} misrouted: {}", calls(misrouted.count), misrouted.told());
            errors.push(AppError::new(Exit::Refused, "misrouted", message).hint(
                "somebody else may be changing a number: see `partyline numbers`, and do not trust it until you know",
            ));
        }
        if *ended < self.rows.len() {
            let open = self.rows.len() - ended;
            errors.push(AppError::unexpected(format!("{} ended without a report", calls(open))));
        }
        errors
    }
}

fn calls(count: usize) -> String {
    if count == 1 { "1 call".to_owned() } else { format!("{count} calls") }
}
