//! From the cells of a row to what is to be dialled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use partyline_domain::{
    Decimal, IdempotencyKey, Overrides, PhoneNumber, Priority, Timestamp, UserId, VariableName, VariableValue,
    Variables,
};

use super::column::{Column, Kept, Type};
use super::{Problem, Rows, Unusable};
use crate::commands::call::inferred;
use crate::text::shortened;

/// A row of the file.
#[derive(Debug)]
pub(in crate::commands::batch) struct Row {
    /// The line on which it begins, from 1.
    pub(in crate::commands::batch) line: u64,
    /// The callee, agent and number as far as they are given, also of a row that cannot be dialled for another reason.
    pub(in crate::commands::batch) to: Option<PhoneNumber>,
    pub(in crate::commands::batch) agent: Option<Arc<str>>,
    pub(in crate::commands::batch) number: Option<Arc<str>>,
    /// What is to be dialled; `None` where the row has a problem.
    pub(in crate::commands::batch) draft: Option<Box<Draft>>,
}

/// What is to be dialled, with agent and number as somebody wrote them.
#[derive(Debug)]
pub(in crate::commands::batch) struct Draft {
    pub(in crate::commands::batch) agent: Arc<str>,
    pub(in crate::commands::batch) to: PhoneNumber,
    pub(in crate::commands::batch) number: Option<Arc<str>>,
    pub(in crate::commands::batch) priority: Priority,
    pub(in crate::commands::batch) expires_at: Option<Timestamp>,
    pub(in crate::commands::batch) user_id: Option<UserId>,
    pub(in crate::commands::batch) key: Option<IdempotencyKey>,
    pub(in crate::commands::batch) overrides: Overrides,
    pub(in crate::commands::batch) variables: Variables,
}

/// The value of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell<'a> {
    /// As CSV gives it: what type it has depends on the column, and an empty one is not given.
    Plain(&'a str),
    /// A JSON text.
    Text(&'a str),
    /// A JSON number, as it is written.
    Number(&'a str),
    /// A JSON boolean.
    Bool(bool),
}

/// Takes rows, one cell after the other.
pub(super) struct Reader {
    now: Timestamp,
    rows_max: usize,
    words: BTreeSet<Arc<str>>,
    rows: Rows,
    open: Open,
}

/// The row that is being taken.
#[derive(Default)]
struct Open {
    line: u64,
    broken: bool,
    agent: Option<Arc<str>>,
    to: Option<PhoneNumber>,
    number: Option<Arc<str>>,
    priority: Priority,
    expires_at: Option<Timestamp>,
    user_id: Option<UserId>,
    key: Option<IdempotencyKey>,
    overrides: Overrides,
    variables: BTreeMap<VariableName, VariableValue>,
}

impl Reader {
    /// Durations count from `now`; more than `rows_max` rows are no batch.
    pub(super) fn new(now: Timestamp, rows_max: usize) -> Self {
        Self { now, rows_max, words: BTreeSet::new(), rows: Rows::default(), open: Open::default() }
    }

    pub(super) fn into_rows(self) -> Rows {
        self.rows
    }

    /// Tells of something that is probably not meant as it is taken; once.
    pub(super) fn doubt(&mut self, doubt: String) {
        if !self.rows.doubts.contains(&doubt) {
            self.rows.doubts.push(doubt);
        }
    }

    /// A row begins.
    pub(super) fn begin(&mut self, line: u64) -> Result<(), Unusable> {
        if self.rows.all.len() >= self.rows_max {
            let message = format!("more than {} rows", self.rows_max);
            return Err(Unusable::new(line, message).hint("split the file into several batches"));
        }
        self.open = Open { line, ..Open::default() };
        Ok(())
    }

    /// Something is wrong with the row that is being taken.
    pub(super) fn problem(&mut self, column: Option<&str>, reason: impl Into<String>) {
        self.open.broken = true;
        let column = column.map(|column| shortened(column).into_owned());
        self.rows.problems.push(Problem { line: self.open.line, column, reason: reason.into() });
    }

    /// Takes one cell. One that is empty is not given.
    pub(super) fn cell(&mut self, name: &str, column: &Column, cell: Cell<'_>) {
        let taken = match column {
            Column::Variable(variable, forced) => self.variable(variable, *forced, cell),
            Column::Kept(kept) => match cell {
                Cell::Plain(text) | Cell::Text(text) => match text.trim() {
                    "" => Ok(()),
                    trimmed => self.kept(*kept, trimmed, text),
                },
                Cell::Number(_) | Cell::Bool(_) => Err("is no text: put it in quotes".to_owned()),
            },
        };
        if let Err(reason) = taken {
            self.problem(Some(name), reason);
        }
    }

    /// The row is whole.
    pub(super) fn end(&mut self) {
        for kept in [Kept::Agent, Kept::To] {
            if self.lacks(kept) {
                self.problem(Some(kept.name()), "is missing");
            }
        }
        let open = std::mem::take(&mut self.open);
        let line = open.line;
        let (agent, number) = (open.agent.clone(), open.number.clone());
        let draft = match (open.agent, open.to) {
            (Some(agent), Some(to)) if !open.broken => Some(Box::new(Draft {
                agent,
                to,
                number: open.number,
                priority: open.priority,
                expires_at: open.expires_at,
                user_id: open.user_id,
                key: open.key,
                overrides: open.overrides,
                variables: open.variables,
            })),
            (Some(_) | None, _) => None,
        };
        self.rows.all.push(Row { line, to: open.to, agent, number, draft });
    }

    /// Whether a cell that must be there is not, and nothing else was said of it or of the whole row.
    fn lacks(&self, kept: Kept) -> bool {
        let is_there = match kept {
            Kept::Agent => self.open.agent.is_some(),
            Kept::To => self.open.to.is_some(),
            Kept::Number
            | Kept::Priority
            | Kept::Expires
            | Kept::UserId
            | Kept::Key
            | Kept::Language
            | Kept::FirstMessage
            | Kept::SystemPrompt
            | Kept::VoiceId => true,
        };
        let own = self.rows.problems.iter().rev().take_while(|problem| problem.line == self.open.line);
        !is_there
            && !own.into_iter().any(|problem| problem.column.as_deref().is_none_or(|column| column == kept.name()))
    }

    fn kept(&mut self, kept: Kept, text: &str, whole: &str) -> Result<(), String> {
        match kept {
            Kept::Agent => self.open.agent = Some(self.word(text)),
            Kept::Number => self.open.number = Some(self.word(text)),
            Kept::To => self.open.to = Some(PhoneNumber::parse(text).map_err(|why| why.to_string())?),
            Kept::Priority => self.open.priority = priority(text)?,
            Kept::Expires => self.open.expires_at = Some(expiry(text, self.now)?),
            Kept::UserId => self.open.user_id = Some(UserId::parse(text).map_err(|why| why.to_string())?),
            Kept::Key => self.open.key = Some(IdempotencyKey::parse(text).map_err(|why| why.to_string())?),
            Kept::Language => self.open.overrides.language = Some(text.to_owned()),
            Kept::VoiceId => self.open.overrides.voice = Some(text.to_owned()),
            // Blanks and line breaks around a text that is spoken or read by a model are the author's.
            Kept::FirstMessage => self.open.overrides.first_message = Some(whole.to_owned()),
            Kept::SystemPrompt => self.open.overrides.prompt = Some(whole.to_owned()),
        }
        Ok(())
    }

    fn variable(&mut self, name: &VariableName, forced: Option<Type>, cell: Cell<'_>) -> Result<(), String> {
        let number = |text| Decimal::parse(text).map(VariableValue::Number).map_err(|why| why.to_string());
        let value = match (cell, forced) {
            (Cell::Plain(""), _) => return Ok(()),
            (Cell::Plain(text), None) => inferred(text),
            (Cell::Plain(text), Some(Type::Text)) | (Cell::Text(text), _) => VariableValue::Text(text.to_owned()),
            (Cell::Plain(text), Some(Type::Number)) => number(text.trim())?,
            (Cell::Plain(text), Some(Type::Bool)) => {
                VariableValue::Bool(text.trim().parse().map_err(|_| "a bool is `true` or `false`")?)
            }
            (Cell::Number(text), _) => number(text)?,
            (Cell::Bool(value), _) => VariableValue::Bool(value),
        };
        self.open.variables.insert(name.clone(), value);
        Ok(())
    }

    /// The text, kept once however many rows have it.
    fn word(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.words.get(text) {
            return Arc::clone(known);
        }
        let word: Arc<str> = Arc::from(text);
        self.words.insert(Arc::clone(&word));
        word
    }
}

fn priority(text: &str) -> Result<Priority, String> {
    match text {
        "normal" => Ok(Priority::Normal),
        "urgent" => Ok(Priority::Urgent),
        _ => Err("expected `normal` or `urgent`".to_owned()),
    }
}

/// A point in time, or a duration from now.
///
/// # Errors
/// What was expected, as a fragment.
pub(in crate::commands) fn expiry(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let expected = || "expected a time with its zone such as `2026-12-24T18:00:00Z`, or a duration such as `30m`";
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        let since_unix = at.duration_since(jiff::Timestamp::UNIX_EPOCH);
        let at = Duration::try_from(since_unix).map(Timestamp::from_unix).unwrap_or_default();
        return if at > now { Ok(at) } else { Err("is in the past".to_owned()) };
    }
    let duration = text.parse::<SignedDuration>().map_err(|_| expected())?;
    match Duration::try_from(duration) {
        Ok(duration) if !duration.is_zero() => Ok(now.after(duration)),
        Ok(_) | Err(_) => Err("is in the past".to_owned()),
    }
}
