//! What is told of a batch that is left before its end.

use std::time::Duration;

use partyline_domain::CallReport;
use partyline_domain::flow::Dialed;
use partyline_domain::ports::StoreUnavailable;

use super::Stored;
use crate::commands::batch::desk::Desk;
use crate::commands::batch::drive::Told;
use crate::commands::batch::output::Left;
use crate::commands::story::Story;
use crate::compose::archive::{CallRow, StateWord};
use crate::printer::Printer;

/// How many rows are read at once.
const PAGE: usize = 1000;
/// How long the store is asked for it, where somebody wants to leave.
const LAST_LOOK: Duration = Duration::from_secs(5);

impl Stored<'_> {
    /// Tells how the calls are that have not ended, where a batch is left before its end.
    pub(in crate::commands::batch) async fn tell_left(&self, desk: &mut Desk<'_>, printer: &Printer) {
        if desk.is_over() {
            return;
        }
        desk.goes_on(self.how_to_go_on());
        match tokio::time::timeout(LAST_LOOK, self.left(desk)).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => printer.warn(&format!("how the other calls are could not be read: {}", why.detail)),
            Err(_) => printer.warn("how the other calls are could not be read in time"),
        }
        desk.print();
    }

    async fn left(&self, desk: &mut Desk<'_>) -> Result<(), StoreUnavailable> {
        let mut after = 0;
        loop {
            let rows = self.open.archive.batch_calls(&self.batch, after, PAGE).await?;
            let Some(last) = rows.last().and_then(|row| row.batch.as_ref()) else { return Ok(()) };
            after = last.line;
            for row in &rows {
                if desk.has_ended(&row.id) {
                    continue;
                }
                match self.end_of(row).await? {
                    Some(report) => desk.take(Told::Ended(Box::new(report))),
                    None => desk.left(&left_row(row)),
                }
            }
        }
    }

    /// How a call ended; one that this process dialled and does not wait for any more counts as unknown.
    async fn end_of(&self, row: &CallRow) -> Result<Option<CallReport>, StoreUnavailable> {
        let is_open = matches!(row.state, StateWord::Dialling | StateWord::InDoubt);
        let is_own = row.owner.as_ref().is_none_or(|owner| owner == self.open.store.owner());
        let is_ours = is_open && is_own;
        if !(row.state.has_ended() || is_ours) {
            return Ok(None);
        }
        let mut story = Story::of(row.id.clone());
        for followed in self.open.store.follow(&[(row.id.clone(), 0)]).await? {
            story.stored(followed);
        }
        let why = "it was left while nobody knew; whoever has the number next looks it up";
        Ok(story.report().cloned().or_else(|| story.left(why)).filter(|report| report.state.is_terminal()))
    }
}

fn left_row(row: &CallRow) -> Left<'_> {
    let state = match row.state {
        StateWord::Waiting | StateWord::Verified | StateWord::Assigned => StateWord::Waiting.as_str(),
        StateWord::Dialling | StateWord::InDoubt | StateWord::Initiated | StateWord::Failed | StateWord::Unknown => {
            row.state.as_str()
        }
    };
    let dialed = if row.state.has_ended() { Dialed::Unknown } else { row.dialed };
    Left { call: &row.id, state, dialed, agent: &row.agent, to: row.to, number: row.number.as_ref() }
}
