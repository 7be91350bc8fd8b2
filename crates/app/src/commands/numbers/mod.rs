//! `partyline numbers`: the phone numbers of the account, who answers them, and who uses them.

mod assign;
mod change;
mod lease;
mod shared;

use partyline_domain::flow::Stage;
use partyline_domain::ports::Number;
use partyline_store_adapter::NumberRow;
use serde::Serialize;

use super::calls::Names;
use super::{add_row, lines, table};
use crate::cli::{NumbersArgs, NumbersCommand};
use crate::compose::{OpenStore, World};
use crate::errors::AppError;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::resolve::can_dial;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::system::SystemClock;
use assign::Changing;
use shared::{Shared, SharedFields};

/// A number in JSON. What only a store knows is absent where there is none.
#[derive(Serialize)]
struct Row<'a> {
    phone_number_id: &'a str,
    phone_number: &'a str,
    label: &'a str,
    provider: &'a str,
    aliases: Vec<&'a str>,
    assigned_agent: Option<AgentRow<'a>>,
    supports_inbound: bool,
    supports_outbound: bool,
    #[serde(flatten)]
    shared: Option<SharedFields<'a>>,
}

/// An agent in JSON.
#[derive(Serialize)]
struct AgentRow<'a> {
    agent_id: &'a str,
    name: &'a str,
}

/// Lists the numbers, or changes who answers one.
///
/// # Errors
/// Whatever reading the list leads to; 4 where a change is not confirmed, or the number is in use.
pub(crate) async fn run(
    args: &NumbersArgs,
    settings: Result<Settings, AppError>,
    printer: &Printer,
    clock: SystemClock,
) -> Result<Exit, AppError> {
    let mut signals = Signals::listen()?;
    let settings = settings?;
    let world = World::connect(&settings, clock)?;
    let (settings, world) = (&settings, &world);
    match &args.command {
        None => signals.unless_interrupted("nothing was changed", list(settings, world, printer)).await,
        Some(NumbersCommand::Assign { number, agent, wait, .. }) => {
            let changing = Changing { settings, world, printer, wait: *wait };
            changing.assign(number, agent, &mut signals).await
        }
        Some(NumbersCommand::Release { number, wait, .. }) => {
            Changing { settings, world, printer, wait: *wait }.release(number, &mut signals).await
        }
    }
}

/// Lists the numbers.
async fn list(settings: &Settings, world: &World, printer: &Printer) -> Result<Exit, AppError> {
    let failed = |error| AppError::provider(Stage::Assign, "the numbers could not be listed", &error, world.host());
    let (numbers, shared) = tokio::join!(world.provider().numbers(), shared_numbers(settings, world, printer));
    let numbers = numbers.map_err(failed)?;
    let rows: Vec<Row<'_>> = numbers.iter().map(|number| row(number, settings, shared.as_deref())).collect();
    if printer.is_json() {
        printer.object(&rows);
    } else if rows.is_empty() {
        printer.note("the account has no phone numbers: import one in the provider's dashboard");
    } else {
        printer.raw(&rendered(&rows, &numbers, shared.as_deref(), Names::of(settings)));
    }
    for (alias, number) in &settings.numbers {
        if !numbers.iter().any(|known| known.id == number.id) {
            printer.warn(&format!("the alias {alias} stands for {}, which is not in this account", number.id));
        }
    }
    Ok(Exit::Success)
}

/// What the store knows of the numbers; `None` where there is none, or it does not answer, which is told.
async fn shared_numbers(settings: &Settings, world: &World, printer: &Printer) -> Option<Vec<NumberRow>> {
    let read = async {
        let Some(open) = OpenStore::open(settings, world.clock(), "numbers", printer).await? else { return Ok(None) };
        let rows = open.archive.numbers().await;
        open.close().await;
        rows.map(Some).map_err(super::calls::trouble)
    };
    read.await.unwrap_or_else(|why: AppError| {
        printer.warn(&format!("who uses the numbers is not known: {}", why.message));
        None
    })
}

fn rendered(rows: &[Row<'_>], numbers: &[Number], shared: Option<&[NumberRow]>, names: Names<'_>) -> String {
    let heading = ["ALIAS", "NUMBER", "LABEL", "PROVIDER", "ANSWERED BY", "CALLS"];
    let more: &[&str] = if shared.is_some() { &shared::HEADING } else { &[] };
    let mut table = table(&[&heading, more, &["PHONE NUMBER ID"]].concat());
    for (row, number) in rows.iter().zip(numbers) {
        let answered_by = row.assigned_agent.as_ref().map_or("nobody", |agent| agent.name);
        let aliases = row.aliases.join(", ");
        let cells = [&aliases, row.phone_number, row.label, row.provider, answered_by, calls(number)];
        let known = shared.map(|shared| Shared::of(&number.id, shared).cells(number, names));
        let mut cells: Vec<&str> = cells.into_iter().collect();
        cells.extend(known.iter().flatten().map(String::as_str));
        cells.push(row.phone_number_id);
        add_row(&mut table, &cells);
    }
    lines(&table)
}

fn row<'a>(number: &'a Number, settings: &'a Settings, shared: Option<&'a [NumberRow]>) -> Row<'a> {
    let aliases = settings.numbers.iter().filter(|(_, known)| known.id == number.id);
    Row {
        phone_number_id: number.id.as_str(),
        phone_number: number.caller_id.expose(),
        label: &number.label,
        provider: number.provider.as_str(),
        aliases: aliases.map(|(alias, _)| alias.as_str()).collect(),
        assigned_agent: agent_row(number),
        supports_inbound: number.inbound,
        supports_outbound: number.outbound,
        shared: shared.map(|shared| Shared::of(&number.id, shared).fields()),
    }
}

fn agent_row(number: &Number) -> Option<AgentRow<'_>> {
    number.assigned.as_ref().map(|agent| AgentRow { agent_id: agent.id.as_str(), name: &agent.name })
}

fn calls(number: &Number) -> &'static str {
    match (number.inbound, can_dial(number)) {
        (true, true) => "in and out",
        (true, false) => "in only",
        (false, true) => "out only",
        (false, false) => "none",
    }
}
