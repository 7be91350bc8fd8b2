//! Which calls are meant: from what people write to what the store is asked.

use partyline_domain::ports::Clock as _;
use partyline_domain::{AgentId, BatchId, PhoneNumber, PhoneNumberId};
use partyline_store_adapter::{CallFilter, CallRow};

use super::args::FilterArgs;
use super::{Desk, UNCHANGED, trouble};
use crate::errors::AppError;
use crate::resolve::{NumberPlan, Resolver};
use crate::text::shortened;

/// How many calls are read at once.
pub(in crate::commands) const PAGE: usize = 1_000;
/// How many batches are looked through for the beginning of an id.
const BATCHES_MAX: usize = 10_000;

/// The filter that the arguments describe. Names that only the provider knows are asked of it.
///
/// # Errors
/// 2 for what cannot be meant, 3 and 4 for agents and numbers that are not there.
pub(in crate::commands) async fn chosen(args: &FilterArgs, desk: Desk<'_>) -> Result<CallFilter, AppError> {
    let to = args.to.as_deref().map(PhoneNumber::parse).transpose();
    let to = to.map_err(|why| AppError::usage("bad_number", format!("`--to`: {why}")).effect(UNCHANGED))?;
    let now = desk.world.clock().now().wall;
    Ok(CallFilter {
        states: args.states.iter().copied().collect(),
        agent: match &args.agent {
            Some(text) => Some(agent(text, desk).await?),
            None => None,
        },
        number: match &args.number {
            Some(text) => Some(number(text, desk).await?),
            None => None,
        },
        batch: match &args.batch {
            Some(text) => Some(batch(text, desk).await?),
            None => None,
        },
        to,
        since: args.since.map(|since| since.at(now)),
        until: args.until.map(|until| until.at(now)),
        open_only: args.open,
        ..CallFilter::default()
    })
}

fn resolver(desk: Desk<'_>) -> Resolver<'_> {
    let world = desk.world;
    Resolver { provider: world.provider(), settings: desk.settings, host: world.host(), clock: world.clock() }
}

/// Calls are spoken of here, and none is placed.
fn not_dialling(error: AppError) -> AppError {
    let effect = error.effect.map(|_| UNCHANGED);
    AppError { effect, ..error }
}

async fn agent(text: &str, desk: Desk<'_>) -> Result<AgentId, AppError> {
    if let Some(id) = desk.settings.agents.get(text) {
        return Ok(id.clone());
    }
    // An agent that is gone may have calls all the same, so the store is asked before the provider.
    if let Ok(id) = AgentId::parse(text) {
        let any = CallFilter { agent: Some(id.clone()), limit: Some(1), ..CallFilter::default() };
        if !desk.archive.calls(&any).await.map_err(trouble)?.is_empty() {
            return Ok(id);
        }
    }
    let found = resolver(desk).agent(text).await;
    found.map(|agent| agent.id).map_err(not_dialling)
}

async fn number(text: &str, desk: Desk<'_>) -> Result<PhoneNumberId, AppError> {
    let resolver = resolver(desk);
    if let NumberPlan::Any(numbers) = resolver.plan(Some(text)).map_err(not_dialling)?
        && let Some(id) = numbers.only()
    {
        return Ok(id.clone());
    }
    resolver.number(text).await.map(|number| number.id).map_err(not_dialling)
}

async fn batch(text: &str, desk: Desk<'_>) -> Result<BatchId, AppError> {
    if let Ok(id) = BatchId::parse(text)
        && desk.archive.batch(&id).await.map_err(trouble)?.is_some()
    {
        return Ok(id);
    }
    let all = desk.archive.batches(false, BATCHES_MAX).await.map_err(trouble)?;
    let mut fit: Vec<_> = all.into_iter().filter(|batch| batch.batch.id.as_str().starts_with(text)).collect();
    if fit.len() > 1 {
        let message = format!("several batches have an id that begins with {}", shortened(text));
        let lines = fit.iter().map(|batch| format!("  {}  {}", batch.batch.id, batch.batch.file));
        return Err(AppError::usage("batch_ambiguous", message).effect(UNCHANGED).details(lines));
    }
    let unknown = || AppError::usage("batch_not_found", format!("no batch {} in this store", shortened(text)));
    fit.pop().map(|batch| batch.batch.id).ok_or_else(|| unknown().effect(UNCHANGED))
}

/// All calls that match, a page at a time.
///
/// # Errors
/// 1 where the store does not answer.
pub(in crate::commands) async fn all(mut filter: CallFilter, desk: Desk<'_>) -> Result<Vec<CallRow>, AppError> {
    let mut all: Vec<CallRow> = Vec::new();
    filter.limit = Some(PAGE);
    loop {
        let page = desk.archive.calls(&filter).await.map_err(trouble)?;
        let last = page.len() < PAGE;
        filter.after = page.last().map(|row| row.id.clone());
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}
