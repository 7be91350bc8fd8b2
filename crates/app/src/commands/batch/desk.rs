//! Takes what becomes of the calls of a batch, tells it, and keeps what the end needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use partyline_domain::flow::Proof;
use partyline_domain::{
    AgentId, CallId, CallReport, ConversationId, Failing, FailureKind, Notice, PhoneNumberId, RestoreOutcome,
};

use super::drive::{Interrupted, Row, RowsByCall, Told};
use super::output::{Ended, Left, RowOutput};
use super::progress::{Progress, time};
use super::results::Results;
use super::spool::Spool;
use crate::commands::call;
use crate::commands::neighbours::quarantine;
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
    /// Rows that no call was made of, for another reason than what is wrong with them.
    refused: usize,
    /// How a batch goes on that is not at its end.
    goes_on: Option<String>,
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
            refused: 0,
            goes_on: None,
            spool: Spool::new(printer),
            lines: Vec::new(),
            stopped: None,
            unread: None,
        }
    }

    /// Whether every call has ended.
    pub(super) fn is_over(&self) -> bool {
        self.sums.ended == self.rows.len() + self.refused
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

    /// Whether this call has ended.
    pub(super) fn has_ended(&self, call: &CallId) -> bool {
        self.rows.get(call).is_some_and(|row| row.ended)
    }

    /// Whether this call has ended, and it is known what the provider's record says of it.
    pub(super) fn is_proved(&self, call: &CallId) -> bool {
        self.rows.get(call).is_some_and(|row| row.proved)
    }

    /// Calls that have not ended.
    pub(super) fn open(&self) -> impl Iterator<Item = &CallId> {
        self.rows.iter().filter(|(_, row)| !row.ended).map(|(call, _)| call)
    }

    /// All its calls.
    pub(super) fn all(&self) -> impl Iterator<Item = &CallId> {
        self.rows.keys()
    }

    /// Takes a call that had ended before this process began: it counts, and is not told again.
    pub(super) fn before(&mut self, report: &CallReport) {
        let waiting = self.lines.len();
        self.ended(report);
        self.lines.truncate(waiting);
    }

    /// A row whose call is one of before, by its key.
    pub(super) fn replay(&mut self, own: &CallId, earlier: CallId) {
        if let Some(row) = self.rows.remove(own) {
            self.rows.insert(earlier, Row { replayed: true, ..row });
        }
    }

    /// A row that no call was made of.
    pub(super) fn refuse(&mut self, line: u64, reason: &'static str, message: &str) {
        self.refused += 1;
        self.sums.ended += 1;
        self.sums.failed.entry(reason).or_default().add(line, || message.to_owned());
        if self.printer.is_json() {
            let object = RowOutput::refused(line, reason, message.to_owned());
            self.lines.push(serde_json::to_string(&object).expect("our own types have string keys only"));
        } else {
            self.lines.push(format!("line {line}: failed: {reason}: {message}"));
        }
        if let Some(results) = &mut self.results {
            results.refuse(line, reason, message);
        }
    }

    /// The same for a call that was handed in under a word that belongs to another one.
    pub(super) fn refuse_call(&mut self, call: &CallId, reason: &'static str, message: &str) {
        if let Some(row) = self.rows.remove(call) {
            self.refuse(row.line, reason, message);
        }
    }

    /// A call that is left where it is.
    pub(super) fn left(&mut self, call: &Left<'_>) {
        let Some(row) = self.rows.get(call.call) else { return };
        if self.printer.is_json() {
            let object = RowOutput::left(row.line, call);
            self.lines.push(serde_json::to_string(&object).expect("our own types have string keys only"));
        }
        if let Some(results) = &mut self.results {
            results.add(&call.result(row.line, &row.agent));
        }
    }

    /// How the batch is gone on with.
    pub(super) fn goes_on(&mut self, how: String) {
        self.goes_on = Some(how);
    }

    fn ended(&mut self, report: &CallReport) {
        let Some(row) = self.rows.get_mut(&report.request.id) else { return };
        let is_first = !std::mem::replace(&mut row.ended, true);
        let (line, agent, replayed) = (row.line, Arc::clone(&row.agent), row.replayed);
        if is_first {
            let ended = Ended { line, agent: &agent, report, replayed };
            self.count(&ended);
        }
        if let Some(proof) = report.proof() {
            self.proved(line, &report.request.id, call::conversation(report), proof);
        }
    }

    fn count(&mut self, ended: &Ended<'_>) {
        let line = ended.line;
        let message = ended.message();
        let reason = ended.reason();
        self.sums.ended += 1;
        match reason {
            None => self.sums.initiated += 1,
            Some(_) if ended.is_unknown() => {
                self.sums.unknown.add(line, || message.clone().unwrap_or_default());
            }
            Some(reason) => {
                let group = self.sums.failed.entry(reason).or_default();
                // Why nothing is dialled any more has been told.
                let is_told = self.stopped == Some(reason);
                let why = || if is_told { Some("not dialled".to_owned()) } else { message.clone() };
                group.add(line, || why().unwrap_or_default());
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
    }

    fn audited(&mut self, call: &CallId, conversation: &ConversationId, proof: &Proof) {
        let Some(row) = self.rows.get(call) else { return };
        self.proved(row.line, call, Some(conversation), proof);
    }

    fn proved(&mut self, line: u64, call: &CallId, conversation: Option<&ConversationId>, proof: &Proof) {
        if self.rows.get_mut(call).is_some_and(|row| std::mem::replace(&mut row.proved, true)) {
            return;
        }
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
            Notice::NumberTaken { .. } => {
                if let Some(told) = quarantine(notice) {
                    self.printer.note(&told);
                }
            }
            Notice::NumberLost { number } => self.printer.warn(&format!(
                "another process has the number {} by now: this one did not prolong its lease in time",
                self.progress.number(number)
            )),
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
        let open = if self.goes_on.is_some() { self.rows.len() + self.refused - ended } else { 0 };
        parts.extend((open > 0).then(|| format!("{open} left")));
        let elapsed = time(Duration::from_millis(self.printer.elapsed_ms()));
        let requests = if requests == 1 { "1 request".to_owned() } else { format!("{requests} requests") };
        let summary = format!("{} in {elapsed}: {}; {requests}", calls(*ended), parts.join(", "));
        self.printer.summary(&summary);
        if let Some(how) = &self.goes_on {
            self.printer.note(how);
        }
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
        } else if !self.is_over() {
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
        if !self.is_over() && self.goes_on.is_none() {
            let open = self.rows.len() + self.refused - ended;
            errors.push(AppError::unexpected(format!("{} ended without a report", calls(open))));
        }
        errors
    }
}

fn calls(count: usize) -> String {
    if count == 1 { "1 call".to_owned() } else { format!("{count} calls") }
}
