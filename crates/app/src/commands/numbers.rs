//! `partyline numbers`: the phone numbers of the account, and who answers them.

use partyline_domain::flow::Stage;
use partyline_domain::ports::{AgentProfile, Number};
use serde::Serialize;

use super::change::{Change, who};
use super::{add_row, lines, table};
use crate::compose::World;
use crate::errors::AppError;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::resolve::{Resolver, can_dial};
use crate::settings::Settings;
use crate::system::TokioTimer;

/// A number in JSON.
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
}

/// An agent in JSON.
#[derive(Serialize)]
struct AgentRow<'a> {
    agent_id: &'a str,
    name: &'a str,
}

/// The object of `numbers assign` and `numbers release`; `null` = nobody.
#[derive(Serialize)]
struct Changed<'a> {
    phone_number_id: &'a str,
    phone_number: &'a str,
    outcome: &'static str,
    before: Option<AgentRow<'a>>,
    after: Option<AgentRow<'a>>,
}

/// Lists the numbers.
///
/// # Errors
/// Whatever reading the list leads to.
pub(crate) async fn list(settings: &Settings, world: &World, printer: &Printer) -> Result<Exit, AppError> {
    let failed = |error| AppError::provider(Stage::Assign, "the numbers could not be listed", &error, world.host());
    let numbers = world.provider().numbers().await.map_err(failed)?;
    let rows: Vec<Row<'_>> = numbers.iter().map(|number| row(number, settings)).collect();
    if printer.is_json() {
        printer.object(&rows);
    } else if rows.is_empty() {
        printer.note("the account has no phone numbers: import one in the provider's dashboard");
    } else {
        let mut table = table(&["ALIAS", "NUMBER", "LABEL", "PROVIDER", "ANSWERED BY", "CALLS", "PHONE NUMBER ID"]);
        for (row, number) in rows.iter().zip(&numbers) {
            let answered_by = row.assigned_agent.as_ref().map_or("nobody", |agent| agent.name);
            let aliases = row.aliases.join(", ");
            let (called, id) = (calls(number), row.phone_number_id);
            let cells = [aliases.as_str(), row.phone_number, row.label, row.provider, answered_by, called, id];
            add_row(&mut table, cells);
        }
        printer.raw(&lines(&table));
    }
    for (alias, number) in &settings.numbers {
        if !numbers.iter().any(|known| known.id == number.id) {
            printer.warn(&format!("the alias {alias} stands for {}, which is not in this account", number.id));
        }
    }
    Ok(Exit::Success)
}

/// Makes an agent answer a number.
///
/// # Errors
/// 4 where the provider does not confirm it.
pub(crate) async fn assign(
    number: &str,
    agent: &str,
    settings: &Settings,
    world: &World,
    printer: &Printer,
) -> Result<Exit, AppError> {
    let resolver = Resolver { provider: world.provider(), settings, host: world.host(), clock: world.clock() };
    let (agent, number) = resolver.both_read(agent, Some(number)).await.map_err(not_dialling)?;
    if agent.archived {
        let message = format!("the agent {} ({}) is archived", agent.name, agent.id);
        return Err(AppError::new(Exit::NotVerified, "agent_archived", message).effect("nothing was changed"));
    }
    change(&number, Some(&agent), world, printer).await
}

/// Makes nobody answer a number.
///
/// # Errors
/// 4 where the provider does not confirm it.
pub(crate) async fn release(
    number: &str,
    settings: &Settings,
    world: &World,
    printer: &Printer,
) -> Result<Exit, AppError> {
    let resolver = Resolver { provider: world.provider(), settings, host: world.host(), clock: world.clock() };
    let number = resolver.number(number).await.map_err(not_dialling)?;
    change(&number, None, world, printer).await
}

async fn change(
    before: &Number,
    agent: Option<&AgentProfile>,
    world: &World,
    printer: &Printer,
) -> Result<Exit, AppError> {
    if !before.inbound {
        return Err(AppError::new(
            Exit::NotAssigned,
            "outbound_only",
            format!(
                "the number {} is outbound-only (a verified caller id): nobody can be made to answer it",
                before.id
            ),
        )
        .effect("nothing was changed")
        .hint("it can place calls all the same: the call names the agent"));
    }
    let wanted = agent.map(|agent| &agent.id);
    if before.assigned_id() == wanted {
        tell(before, before, "already", printer);
        return Ok(Exit::Success);
    }
    let clock = world.clock();
    let timer = TokioTimer::new(clock);
    let change =
        Change { numbers: world.provider(), ids: world.ids(), clock: &clock, timer: &timer, host: world.host() };
    let after = change.make(before, wanted, printer).await?;
    tell(before, &after, if agent.is_some() { "assigned" } else { "released" }, printer);
    Ok(Exit::Success)
}

fn tell(before: &Number, after: &Number, outcome: &'static str, printer: &Printer) {
    let phone_number = after.caller_id.expose();
    if printer.is_json() {
        let (before, after_row) = (agent_row(before), agent_row(after));
        let phone_number_id = after.id.as_str();
        printer.object(&Changed { phone_number_id, phone_number, outcome, before, after: after_row });
    } else if outcome == "already" {
        printer.data(&format!("{phone_number} ({}) is answered by {} already", after.id, who(after)));
    } else {
        printer.data(&format!("{phone_number} ({}) is answered by {}; before: {}", after.id, who(after), who(before)));
    }
}

/// No call is meant here, so none is spoken of.
fn not_dialling(error: AppError) -> AppError {
    let effect = error.effect.map(|_| "nothing was changed");
    AppError { effect, ..error }
}

fn row<'a>(number: &'a Number, settings: &'a Settings) -> Row<'a> {
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
