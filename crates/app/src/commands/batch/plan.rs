//! From rows to calls: what stands for nothing and what comes twice is found before anything is dialled.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use partyline_domain::ports::Ids;
use partyline_domain::{
    AgentId, CallId, CallOptions, CallRequest, IdempotencyKey, NumberChoice, PhoneNumber, Policies, ProofPolicy,
};

use super::input::{Draft, Problem, Row, Rows};
use super::lookup::{Found, Wanted};
use crate::errors::AppError;
use crate::settings::{CallChoices, Settings};

/// A call that is to be placed.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    /// The line of its row.
    pub(super) line: u64,
    /// The agent as the row names it.
    pub(super) agent: Arc<str>,
    pub(super) request: CallRequest,
    /// The caller's own word for it.
    pub(super) key: Option<IdempotencyKey>,
}

/// How calls from a choice of numbers are placed.
#[derive(Clone, Debug)]
struct Manner {
    choices: CallChoices,
    policies: Arc<Policies>,
}

/// Adds a problem for every row but the first of those for one callee. Where bad rows are left out, they do not count.
pub(super) fn refuse_duplicates(rows: &mut Rows, skip_invalid: bool) {
    let mut first: BTreeMap<PhoneNumber, u64> = BTreeMap::new();
    for row in &mut rows.all {
        let Some(to) = row.to.filter(|_| !skip_invalid || row.draft.is_some()) else { continue };
        let Some(line) = first.get(&to) else {
            first.insert(to, row.line);
            continue;
        };
        row.draft = None;
        let reason = format!("the same callee as line {line}");
        rows.problems.push(Problem { line: row.line, column: Some("to".to_owned()), reason });
    }
    rows.problems.sort_by_key(|problem| problem.line);
}

/// Adds a problem for every row but the first of those with one key.
pub(super) fn refuse_same_keys(rows: &mut Rows) {
    let mut first: BTreeMap<IdempotencyKey, u64> = BTreeMap::new();
    for row in &mut rows.all {
        let Some(key) = row.draft.as_ref().and_then(|draft| draft.key.clone()) else { continue };
        let Some(line) = first.get(&key) else {
            first.insert(key, row.line);
            continue;
        };
        row.draft = None;
        let reason = format!("the same key as line {line}");
        rows.problems.push(Problem { line: row.line, column: Some("key".to_owned()), reason });
    }
    rows.problems.sort_by_key(|problem| problem.line);
}

/// What the rows name; of bad rows only where they are not left out, so that everything wrong with them is told.
pub(super) fn wanted(rows: &[Row], skip_invalid: bool) -> Wanted {
    let mut wanted = Wanted::default();
    for row in rows.iter().filter(|row| !skip_invalid || row.draft.is_some()) {
        wanted.agents.extend(row.agent.clone());
        wanted.numbers.extend(row.number.clone());
        wanted.default |= row.number.is_none() && row.draft.is_some();
    }
    wanted
}

/// Adds a problem for every row whose agent or number stands for nothing.
pub(super) fn refuse_unknown(rows: &mut Rows, found: &Found) {
    for row in &mut rows.all {
        let agent = row.agent.as_ref().and_then(|agent| found.agents.get(agent)?.as_ref().err());
        let number = row.number.as_ref().and_then(|number| found.numbers.get(number)?.as_ref().err());
        let wrong = [("agent", agent), ("number", number)];
        let wrong = wrong.into_iter().filter_map(|(column, why)| Some((column, why?.clone())));
        let before = rows.problems.len();
        rows.problems.extend(wrong.map(|(column, reason)| Problem {
            line: row.line,
            column: Some(column.to_owned()),
            reason,
        }));
        if rows.problems.len() > before {
            row.draft = None;
        }
    }
    rows.problems.sort_by_key(|problem| problem.line);
}

/// Makes calls of the good rows, in their order.
///
/// # Errors
/// Exit code 2 where the numbers that a call may use are to be used differently.
pub(super) fn calls(
    rows: Vec<Row>,
    found: &Found,
    flags: &CallChoices,
    settings: &Settings,
    ids: &dyn Ids,
) -> Result<Vec<Planned>, AppError> {
    let mut manners: BTreeMap<NumberChoice, Manner> = BTreeMap::new();
    let mut shared: HashSet<Arc<CallOptions>> = HashSet::new();
    let mut calls = Vec::with_capacity(rows.len());
    for Row { line, draft, .. } in rows {
        let Some(draft) = draft else { continue };
        let Some((agent, numbers)) = ends(&draft, found) else { continue };
        if !manners.contains_key(numbers) {
            manners.insert(numbers.clone(), manner(numbers, flags, settings)?);
        }
        let Some(manner) = manners.get(numbers) else { continue };
        let planned = planned(line, *draft, (agent, numbers), manner, &mut shared, ids.call_id());
        calls.push(planned);
    }
    Ok(calls)
}

fn ends<'f>(draft: &Draft, found: &'f Found) -> Option<(&'f AgentId, &'f NumberChoice)> {
    let agent = found.agents.get(&draft.agent)?.as_ref().ok()?;
    let numbers = match &draft.number {
        Some(number) => found.numbers.get(number)?.as_ref().ok()?,
        None => found.number.as_ref()?,
    };
    Some((agent, numbers))
}

fn manner(numbers: &NumberChoice, flags: &CallChoices, settings: &Settings) -> Result<Manner, AppError> {
    let choices = settings.choices_of(flags, numbers)?;
    let policies = choices.policies();
    // What `once` and `required` read call by call, a batch reads by pages.
    let proof = if policies.proof == ProofPolicy::Off { ProofPolicy::Off } else { ProofPolicy::Pages };
    Ok(Manner { choices, policies: Arc::new(Policies { proof, ..policies }) })
}

fn planned(
    line: u64,
    draft: Draft,
    (agent, numbers): (&AgentId, &NumberChoice),
    manner: &Manner,
    shared: &mut HashSet<Arc<CallOptions>>,
    id: CallId,
) -> Planned {
    let options = CallOptions {
        overrides: draft.overrides,
        variables: draft.variables,
        user_id: draft.user_id,
        ringing_timeout: manner.choices.ringing_timeout.unwrap_or_default(),
        recording: manner.choices.recording,
    };
    let options = shared.get(&options).map_or_else(|| Arc::new(options), Arc::clone);
    shared.insert(Arc::clone(&options));
    let request = CallRequest {
        id,
        agent: agent.clone(),
        numbers: numbers.clone(),
        to: draft.to,
        priority: draft.priority,
        expires_at: draft.expires_at,
        options,
        policies: Arc::clone(&manner.policies),
    };
    Planned { line, agent: draft.agent, request, key: draft.key }
}
