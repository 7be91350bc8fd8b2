//! `partyline calls watch`: what happens to calls, as it happens.

use std::collections::BTreeMap;

use partyline_domain::CallId;
use partyline_domain::ports::{Followed, Recorded};
use partyline_store_adapter::CallFilter;
use serde::Serialize;

use super::fields::EventFields;
use super::{Desk, trouble, words};
use crate::errors::AppError;
use crate::exit::Exit;
use crate::signals::Signals;
use crate::when;

/// How many calls are followed at most where none is named.
const CALLS_MAX: usize = 1_000;

/// The object of `calls watch --json`.
#[derive(Serialize)]
struct Event<'a> {
    call_id: &'a str,
    #[serde(flatten)]
    event: EventFields<'a>,
}

/// Follows calls until they have ended, or until a signal comes. Both are a success.
///
/// # Errors
/// 2 where a call is not there, 1 where the store does not answer.
pub(super) async fn run(ids: &[String], desk: Desk<'_>, signals: &mut Signals) -> Result<Exit, AppError> {
    let work = async {
        let mut watched = if ids.is_empty() { open(desk).await? } else { named(ids, desk).await? };
        follow(&mut watched, desk).await
    };
    tokio::select! {
        biased;
        outcome = work => outcome,
        () = signals.next() => Ok(Exit::Success),
    }
}

/// The calls that are named, from their first event on.
async fn named(ids: &[String], desk: Desk<'_>) -> Result<BTreeMap<CallId, u64>, AppError> {
    Ok(desk.find_all(ids).await?.into_iter().map(|call| (call, 0)).collect())
}

/// The open calls, from now on.
async fn open(desk: Desk<'_>) -> Result<BTreeMap<CallId, u64>, AppError> {
    let filter = CallFilter { open_only: true, limit: Some(CALLS_MAX), ..CallFilter::default() };
    let calls = desk.archive.calls(&filter).await.map_err(trouble)?;
    match calls.len() {
        0 => desk.printer.note("no call is open"),
        CALLS_MAX => desk.printer.note(&format!("following the newest {CALLS_MAX} open calls (Ctrl-C ends this)")),
        1 => desk.printer.note("following the open call (Ctrl-C ends this)"),
        count => desk.printer.note(&format!("following {count} open calls (Ctrl-C ends this)")),
    }
    Ok(calls.into_iter().map(|row| (row.id, row.version)).collect())
}

async fn follow(watched: &mut BTreeMap<CallId, u64>, desk: Desk<'_>) -> Result<Exit, AppError> {
    let is_one = watched.len() == 1;
    while !watched.is_empty() {
        let from: Vec<(CallId, u64)> = watched.iter().map(|(call, version)| (call.clone(), *version)).collect();
        // Whoever asks while the store is away wants to know when it is back.
        let news = match desk.store.follow(&from).await {
            Ok(news) => news,
            Err(why) => {
                desk.printer.warn(&format!("{why}; trying again"));
                desk.pause().await;
                continue;
            }
        };
        tell(&news, is_one, desk);
        for Followed { call, events, closed } in news {
            if closed {
                watched.remove(&call);
            } else if let Some(last) = events.last() {
                watched.insert(call, last.version);
            }
        }
        if !watched.is_empty() {
            desk.pause().await;
        }
    }
    Ok(Exit::Success)
}

/// Tells what has happened, in the order in which it did.
fn tell(news: &[Followed], is_one: bool, desk: Desk<'_>) {
    let mut all: Vec<(&CallId, &Recorded)> =
        news.iter().flat_map(|one| one.events.iter().map(|recorded| (&one.call, recorded))).collect();
    all.sort_by_key(|(_, recorded)| recorded.at);
    for (call, recorded) in all {
        if desk.printer.is_json() {
            desk.printer.object(&Event { call_id: call.as_str(), event: EventFields::of(recorded) });
        } else {
            let told = words::told(&recorded.event, desk.names());
            let call = if is_one { String::new() } else { format!("{call}  ") };
            desk.printer.data(&format!("{}  {call}{told}", when::told(recorded.at)));
        }
    }
}
