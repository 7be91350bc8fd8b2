//! `partyline calls`: a table.

use partyline_domain::{CallId, ConversationId};
use partyline_store_adapter::CallRow;

use super::args::ListCallsArgs;
use super::fields::{Fields, Names, remark};
use super::filter::{all, chosen};
use super::{Desk, trouble};
use crate::commands::{add_row, lines, table};
use crate::errors::AppError;
use crate::exit::Exit;
use crate::when;

/// The heading of the table.
const HEADING: [&str; 8] = ["ASKED FOR", "AGENT", "TO", "NUMBER", "STATE", "REASON", "CONVERSATION", "CALL ID"];

/// Lists calls, the newest first.
///
/// # Errors
/// What choosing them leads to, and 1 where the store does not answer.
pub(super) async fn run(args: &ListCallsArgs, desk: Desk<'_>) -> Result<Exit, AppError> {
    let mut filter = chosen(&args.filter, desk).await?;
    let calls = if args.limit == 0 {
        all(filter, desk).await?
    } else {
        // One more, to know whether there are more.
        filter.limit = Some(args.limit.saturating_add(1));
        desk.archive.calls(&filter).await.map_err(trouble)?
    };
    let shown = if args.limit == 0 { calls.len() } else { calls.len().min(args.limit) };
    tell(&calls[..shown], desk);
    if calls.len() > shown && !desk.printer.is_json() {
        desk.printer.note(&format!("these are the newest {shown}; all of them with `--limit 0`"));
    }
    Ok(Exit::Success)
}

fn tell(calls: &[CallRow], desk: Desk<'_>) {
    let names = desk.names();
    if desk.printer.is_json() {
        let fields: Vec<Fields<'_>> = calls.iter().map(|row| Fields::of(row, names)).collect();
        desk.printer.object(&fields);
    } else if calls.is_empty() {
        desk.printer.note("no such call in this store");
    } else {
        desk.printer.raw(&rendered(calls, names));
    }
}

fn rendered(calls: &[CallRow], names: Names<'_>) -> String {
    let mut table = table(&HEADING);
    for row in calls {
        let asked = when::told(row.submitted_at);
        let to = if row.to.is_erased() { "erased" } else { row.to.e164() };
        let conversation = row.conversation.as_ref().map_or("", ConversationId::as_str);
        let agent = names.agent(&row.agent);
        let state = row.state.as_str();
        let id = CallId::as_str(&row.id);
        add_row(&mut table, &[&asked, agent, to, &from(row, names), state, remark(row), conversation, id]);
    }
    lines(&table)
}

/// The number a call went from, or may be placed from.
pub(super) fn from(row: &CallRow, names: Names<'_>) -> String {
    match row.number.as_ref().or(row.numbers.only()) {
        Some(number) => names.number(number).to_owned(),
        None => format!("one of {}", row.numbers.iter().count()),
    }
}
