//! `partyline calls show`: everything about one call.

use partyline_domain::ports::Recorded;
use partyline_domain::{CallId, Timestamp};
use partyline_store_adapter::{CallFilter, CallRow, Holder, ProcessInfo, ProofWord};
use serde::Serialize;

use super::fields::{EventFields, Fields, Names, remark};
use super::filter::all;
use super::list::from;
use super::{Desk, process, words};
use crate::errors::{AppError, rang};
use crate::exit::Exit;
use crate::text::clean;
use crate::when;

/// The object of `calls show --json`.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    fields: Fields<'a>,
    phone_number_ids: Vec<&'a str>,
    process: Option<Process<'a>>,
    repeated_by: Vec<String>,
    events: Vec<EventFields<'a>>,
}

/// A process in JSON.
#[derive(Serialize)]
pub(in crate::commands) struct Process<'a> {
    host: &'a str,
    pid: u32,
    command: &'a str,
}

impl<'a> Process<'a> {
    /// The fields of a process.
    pub(in crate::commands) fn of(info: &'a ProcessInfo) -> Self {
        Self { host: &info.host, pid: info.pid, command: &info.command }
    }
}

/// Shows a call.
///
/// # Errors
/// 2 where it is not there, 1 where the store does not answer.
pub(super) async fn run(id: &str, desk: Desk<'_>) -> Result<Exit, AppError> {
    let call = desk.find(id).await?;
    let (row, events) = desk.read(&call).await?;
    let living = if row.closed { None } else { desk.living(row.owner.as_ref()).await? };
    let repeated_by = repeats(&row, desk).await?;
    let names = desk.names();
    if desk.printer.is_json() {
        desk.printer.object(&Whole {
            fields: Fields::of(&row, names),
            phone_number_ids: row.numbers.iter().map(partyline_domain::PhoneNumberId::as_str).collect(),
            process: living.as_ref().and_then(|holder| holder.process.as_ref()).map(Process::of),
            repeated_by: repeated_by.iter().map(|row| row.id.to_string()).collect(),
            events: events.iter().map(EventFields::of).collect(),
        });
        return Ok(Exit::Success);
    }
    let repeated_by: Vec<String> =
        repeated_by.iter().map(|row| format!("{} ({})", row.id, row.state.as_str())).collect();
    let mut text = header(&row, living.as_ref(), &repeated_by, names, desk.now());
    text.push_str(&timeline(&events, names));
    desk.printer.raw(text.trim_end());
    Ok(Exit::Success)
}

/// The calls that repeat a call, newest first.
pub(super) async fn repeats(row: &CallRow, desk: Desk<'_>) -> Result<Vec<CallRow>, AppError> {
    // A repetition has the same callee, or an erased one, and the same agent.
    let to = (!row.to.is_erased()).then_some(row.to);
    let mut filter = CallFilter { agent: Some(row.agent.clone()), ..CallFilter::default() };
    filter.to = to;
    let alike = all(filter, desk).await?;
    Ok(alike.into_iter().filter(|other| other.repeats.as_ref() == Some(&row.id)).collect())
}

fn header(row: &CallRow, living: Option<&Holder>, repeated_by: &[String], names: Names<'_>, now: Timestamp) -> String {
    let mut lines: Vec<(&str, String)> = vec![("call", row.id.to_string())];
    let remark = remark(row);
    let remark = if remark.is_empty() { String::new() } else { format!(": {remark}") };
    lines.push(("state", format!("{}{remark} ({})", row.state.as_str(), rang(row.dialed))));
    lines.extend(row.detail.as_ref().map(|detail| ("because", detail.clone())));
    lines.push(("agent", names.whole_agent(&row.agent)));
    lines.push(("to", if row.to.is_erased() { "erased".to_owned() } else { row.to.e164().to_owned() }));
    let number = row.number.as_ref().or(row.numbers.only());
    lines.push(("number", number.map_or_else(|| from(row, names), |number| names.whole_number(number))));
    let time = |at| format!("{} ({})", when::told(at), when::ago(at, now));
    lines.push(("asked for", time(row.submitted_at)));
    lines.push(("last event", time(row.updated_at)));
    lines.extend(row.conversation.as_ref().map(|id| ("conversation", id.to_string())));
    lines.extend(row.provider_call_id.as_ref().map(|id| ("provider's id", id.as_str().to_owned())));
    lines.extend(row.proof.map(|proof| ("proof", proof_words(proof).to_owned())));
    let batch = row.batch.as_ref();
    lines.extend(batch.map(|batch| ("batch", format!("{}, line {} ({})", batch.batch, batch.line, batch.agent))));
    lines.extend(row.key.as_ref().map(|key| ("key", key.to_string())));
    lines.extend(row.repeats.as_ref().map(|old: &CallId| ("repeats", old.to_string())));
    lines.extend(repeated_by.iter().map(|new| ("repeated by", new.clone())));
    lines.push(("owner", whose(row, living)));
    let line = |(name, text): (&str, String)| format!("{name:<14}{}\n", clean(&text));
    lines.into_iter().map(line).collect()
}

/// Who has something left to do for a call.
fn whose(row: &CallRow, living: Option<&Holder>) -> String {
    let cancel = if row.cancel { "; it is asked to cancel it" } else { "" };
    match (row.closed, living, &row.owner) {
        (true, _, _) => "nobody: nothing is left to do for it".to_owned(),
        (false, Some(holder), _) => format!("{}{cancel}", process(holder)),
        (false, None, Some(_)) => {
            "a process that has ended or lost its numbers: another one goes on with it".to_owned()
        }
        (false, None, None) => "nobody yet: it waits in the store".to_owned(),
    }
}

fn proof_words(proof: ProofWord) -> &'static str {
    match proof {
        ProofWord::Matches => "the provider's record matches the call",
        ProofWord::Mismatch => "MISROUTED: the provider's record names another agent, number or callee",
        ProofWord::Absent => "the provider had no record, or it could not be read",
    }
}

/// All events, a line each, with their times and how long after the first they were.
fn timeline(events: &[Recorded], names: Names<'_>) -> String {
    let Some(first) = events.first() else { return String::new() };
    let mut text = String::from("\n");
    for recorded in events {
        let after = recorded.at.since_unix().saturating_sub(first.at.since_unix());
        let told = words::told(&recorded.event, names);
        let line = format!("{}  {:>9}  {}\n", when::exactly(recorded.at), elapsed(after), clean(&told));
        text.push_str(&line);
    }
    text
}

/// How long after the first event: exact where it matters.
fn elapsed(after: std::time::Duration) -> String {
    if after.as_secs() < 600 { format!("+{:.2} s", after.as_secs_f64()) } else { format!("+{}", when::roughly(after)) }
}

#[cfg(test)]
mod tests {
    use partyline_store_adapter::StateWord;

    use super::super::tests::{aliases, at, history, names, row, unknown};
    use super::*;

    #[test]
    fn a_call_of_unknown_outcome_is_told_whole() {
        let aliases = aliases();
        let row = CallRow {
            state: StateWord::Unknown,
            dialed: partyline_domain::flow::Dialed::Unknown,
            reason: Some("outcome_unknown".into()),
            detail: Some("5 look-ups found nothing".into()),
            number: Some(super::super::tests::number()),
            closed: true,
            ..row()
        };
        let mut text = header(&row, None, &["call_2 (failed)".to_owned()], names(&aliases), at(7_200_000));
        text.push_str(&timeline(&history(unknown()), names(&aliases)));
        insta::assert_snapshot!(text, @r"
        call          call_1
        state         unknown: outcome_unknown (the phone may have rung)
        because       5 look-ups found nothing
        agent         hotel (agent_h)
        to            +12025550123
        number        main (phnum_1)
        asked for     2026-09-21T14:13:20Z (2 h ago)
        last event    2026-09-21T14:13:20Z (2 h ago)
        repeated by   call_2 (failed)
        owner         nobody: nothing is left to do for it

        2026-09-21T14:13:20.000Z    +0.00 s  asked for: hotel calls +12025550123 from main
        2026-09-21T14:13:20.250Z    +0.25 s  agent verified: Hotel (known)
        2026-09-21T14:13:20.500Z    +0.50 s  number main had the agent already (asked now)
        2026-09-21T14:13:20.750Z    +0.75 s  about to dial: attempt call_1.1
        2026-09-21T14:13:21.000Z    +1.00 s  in doubt, nobody knows whether it was dialled: no whole answer (timed_out)
        2026-09-21T14:13:21.250Z    +1.25 s  outcome unknown, the phone may have rung: 5 look-ups found nothing
        ");
    }

    #[test]
    fn whoever_has_it_is_told() {
        let process = ProcessInfo { host: "sun".into(), pid: 7, command: "batch".into() };
        let run = partyline_domain::RunId::parse("run_1").expect("valid");
        let holder = |process| Holder { owner: run.clone(), process, expires_in: std::time::Duration::from_secs(1) };
        let waiting = row();
        let row = CallRow { owner: Some(run.clone()), ..row() };
        for (row, living, told) in [
            (&row, Some(holder(Some(process))), "sun:7 (batch)"),
            (&row, Some(holder(None)), "another process"),
            (&row, None, "a process that has ended or lost its numbers: another one goes on with it"),
            (&waiting, None, "nobody yet: it waits in the store"),
        ] {
            assert_eq!(whose(row, living.as_ref()), told);
        }
    }
}
