//! `partyline agents`: the agents of the account, with their aliases.

use partyline_domain::flow::Stage;
use partyline_domain::ports::AgentProfile;
use serde::Serialize;

use super::{add_row, lines, table};
use crate::compose::World;
use crate::errors::AppError;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::resolve::all_agents;
use crate::settings::Settings;

/// An agent in JSON.
#[derive(Serialize)]
struct Row<'a> {
    agent_id: &'a str,
    name: &'a str,
    aliases: Vec<&'a str>,
}

/// Lists the agents.
///
/// # Errors
/// Whatever reading the list leads to.
pub(crate) async fn run(settings: &Settings, world: &World, printer: &Printer) -> Result<Exit, AppError> {
    let failed = |error| AppError::provider(Stage::Verify, "the agents could not be listed", &error, world.host());
    let agents = all_agents(world.provider()).await.map_err(failed)?;
    let rows: Vec<Row<'_>> = agents.iter().map(|agent| row(agent, settings)).collect();
    if printer.is_json() {
        printer.object(&rows);
    } else if rows.is_empty() {
        printer.note("the account has no agents");
    } else {
        let mut table = table(&["ALIAS", "NAME", "AGENT ID"]);
        for row in &rows {
            add_row(&mut table, &[row.aliases.join(", ").as_str(), row.name, row.agent_id]);
        }
        printer.raw(&lines(&table));
    }
    for (alias, id) in &settings.agents {
        if !agents.iter().any(|agent| agent.id == *id) {
            printer
                .warn(&format!("the alias {alias} stands for {id}, which is not in this list (archived or deleted?)"));
        }
    }
    Ok(Exit::Success)
}

fn row<'a>(agent: &'a AgentProfile, settings: &'a Settings) -> Row<'a> {
    let aliases = settings.agents.iter().filter(|(_, id)| **id == agent.id).map(|(alias, _)| alias.as_str()).collect();
    Row { agent_id: agent.id.as_str(), name: &agent.name, aliases }
}
