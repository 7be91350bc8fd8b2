//! `partyline batch --dry-run`: the batch in a world that is made up, with the real dispatcher. No network, no dial.

use std::collections::BTreeMap;
use std::sync::Arc;

use partyline_domain::ports::Clock as _;
use partyline_domain::{AgentId, LinePolicy, NumberChoice, PhoneNumberId};
use serde::Serialize;

use super::input::Rows;
use super::lookup::{Found, Wanted};
use super::plan::{self, Planned};
use super::{check, flags, limits, line_policy};
use crate::cli::BatchArgs;
use crate::compose::{Rehearsal, Rehearsed};
use crate::errors::AppError;
use crate::exit::Exit;
use crate::printer::{Printer, milliseconds, seconds};
use crate::resolve::{NumberPlan, plan_number};
use crate::settings::Settings;
use crate::system::{SystemClock, UuidIds};

/// Stands for the account's only number, which nobody is asked for.
const ONLY: &str = "only-number";
/// Before the name of an agent that nobody is asked for.
const NAMED: &str = "named:";

/// A dial of `batch --dry-run --json`.
#[derive(Serialize)]
struct DialOutput<'a> {
    dry_run: bool,
    order: usize,
    row: u64,
    agent: &'a str,
    number: &'a str,
    to: &'a str,
    at_ms: u64,
}

/// The last object of `batch --dry-run --json`.
#[derive(Serialize)]
struct SumsOutput<'a> {
    dry_run: bool,
    dials: usize,
    requests: usize,
    by_kind: &'a BTreeMap<&'static str, usize>,
    proof_requests: &'a BTreeMap<&'static str, usize>,
    elapsed_ms: u64,
    latency_ms: u64,
}

pub(super) fn run(
    args: &BatchArgs,
    mut rows: Rows,
    settings: &Settings,
    printer: &Printer,
    clock: SystemClock,
) -> Result<Exit, AppError> {
    let wanted = plan::wanted(&rows.all, args.skip_invalid);
    let found = made_up(&wanted, args.number.as_deref(), settings)?;
    check(&mut rows, &found, args, printer)?;
    let ids = UuidIds::new(clock)?;
    let calls = plan::calls(rows.all, &found, &flags(args), settings, &ids)?;
    let rehearsal = Rehearsal::of(calls.iter().map(|planned| &planned.request), clock.now().wall);
    let requests = calls.iter().map(|planned| planned.request.clone()).collect();
    let limits = limits(&args.pace).or(settings.limits);
    let usual =
        LinePolicy { in_flight_total: limits.max_in_flight, live_max: limits.max_live, ..LinePolicy::default() };
    let rehearsed = rehearsal.run(requests, &line_policy(&usual, &args.pace, calls.len()), limits)?;
    tell(&calls, &rehearsed, &number_names(settings), printer);
    Ok(Exit::Success)
}

/// What the texts stand for, as far as that is known without asking anybody.
fn made_up(wanted: &Wanted, number: Option<&str>, settings: &Settings) -> Result<Found, AppError> {
    let agents = wanted.agents.iter().map(|text| {
        let known = settings.agents.get(text.as_ref()).cloned().map(Ok);
        let named = || AgentId::parse(text).or_else(|_| AgentId::parse(&format!("{NAMED}{}", text.replace(' ', "_"))));
        let agent = known.unwrap_or_else(|| named().map_err(|why| why.to_string()));
        (Arc::clone(text), agent)
    });
    let choice = |text: Option<&str>| match plan_number(settings, text)? {
        NumberPlan::Any(numbers) => Ok(numbers),
        NumberPlan::Spelled(number) => of_text(number.e164()),
        NumberPlan::Only => of_text(ONLY),
    };
    let numbers = wanted.numbers.iter().map(|text| {
        let numbers = choice(Some(text)).map_err(|error: AppError| error.message);
        (Arc::clone(text), numbers)
    });
    Ok(Found {
        agents: agents.collect(),
        numbers: numbers.collect(),
        number: if wanted.default { Some(choice(number)?) } else { None },
        ..Found::default()
    })
}

fn of_text(text: &str) -> Result<NumberChoice, AppError> {
    PhoneNumberId::parse(text).map(NumberChoice::one).map_err(|why| AppError::unexpected(why.to_string()))
}

fn number_names(settings: &Settings) -> BTreeMap<PhoneNumberId, String> {
    let only = PhoneNumberId::parse(ONLY).ok().map(|only| (only, "the account's number".to_owned()));
    let aliases = settings.numbers.iter().map(|(alias, number)| (number.id.clone(), alias.clone()));
    only.into_iter().chain(aliases).collect()
}

fn tell(calls: &[Planned], rehearsed: &Rehearsed, names: &BTreeMap<PhoneNumberId, String>, printer: &Printer) {
    let dials = rehearsed.dials.iter().filter_map(|dial| Some((calls.get(dial.index)?, dial)));
    for (index, (planned, dial)) in dials.enumerate() {
        let number = names.get(&dial.number).map_or(dial.number.as_str(), String::as_str);
        let (order, to, row) = (index + 1, planned.request.to.e164(), planned.line);
        if printer.is_json() {
            let (agent, at_ms) = (planned.agent.as_ref(), milliseconds(dial.at));
            printer.object(&DialOutput { dry_run: true, order, row, agent, number, to, at_ms });
        } else {
            let at = dial.at.as_secs_f64();
            printer.data(&format!("{order:>6}.  {at:>7.2} s  line {row}: {}, {number} -> {to}", planned.agent));
        }
    }
    if printer.is_json() {
        printer.object(&SumsOutput {
            dry_run: true,
            dials: rehearsed.dials.len(),
            requests: rehearsed.core.values().sum(),
            by_kind: &rehearsed.core,
            proof_requests: &rehearsed.proof,
            elapsed_ms: milliseconds(rehearsed.took),
            latency_ms: milliseconds(Rehearsed::latency()),
        });
        return;
    }
    let kinds = |kinds: &BTreeMap<&'static str, usize>| {
        kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
    };
    printer.data("dry run: nothing was sent and nobody was called");
    printer.data(&format!("  dials     {}", rehearsed.dials.len()));
    printer.data(&format!("  requests  {} ({})", rehearsed.core.values().sum::<usize>(), kinds(&rehearsed.core)));
    if !rehearsed.proof.is_empty() {
        let more = rehearsed.proof.values().sum::<usize>();
        printer.data(&format!("  proof     {more} more ({})", kinds(&rehearsed.proof)));
    }
    printer.data(&format!(
        "  time      {}, where each request takes {}, no number has an agent yet and nothing goes wrong",
        seconds(rehearsed.took),
        seconds(Rehearsed::latency())
    ));
}
