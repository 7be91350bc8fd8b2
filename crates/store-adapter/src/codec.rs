//! Between rows and domain values. What is shared by both databases: how an event is written down, which words stand in
//! which columns, how times are counted.

use std::collections::BTreeMap;
use std::time::Duration;

use partyline_domain::flow::{CallEvent, Dialed, Stage};
use partyline_domain::ports::{AgentProfile, BatchRow, Followed, Intent, Number, ProviderCallId, Recorded, Unresolved};
use partyline_domain::{InvalidId, LinePolicy, NumberChoice, PhoneNumber, Priority, RunId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use sqlx::FromRow;

use crate::archive::{Batch, BatchCounts, BatchState, CallRow, NewBatch, ProofWord, StateWord};
use crate::error::Fault;
use crate::plan::KnownCall;
use crate::progress::Progress;

/// The form in which events and intents are written today: the domain's own (its feature `serde`), as JSON. It is only ever
/// added to; `crates/domain/tests/fixtures/events-v1.jsonl` holds what must stay readable.
pub(crate) const FORMAT: i64 = 1;

/// As JSON text. Control characters are escaped in it, so either database takes it.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|why| Fault::refused(format!("a value cannot be written down ({why})")))
}

/// Reads what was written in this form.
pub(crate) fn read<T: DeserializeOwned>(format: i64, text: &str) -> Result<T, Fault> {
    if format != FORMAT {
        return Err(Fault::refused(format!("a record has form {format}, which a newer partyline has written")));
    }
    serde_json::from_str(text).map_err(|why| Fault::refused(format!("a record cannot be understood ({why})")))
}

/// A free text without what PostgreSQL does not take.
pub(crate) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// An id that was stored.
pub(crate) fn id<T: TryFrom<String, Error = InvalidId>>(text: String) -> Result<T, Fault> {
    T::try_from(text).map_err(|why| Fault::refused(format!("an id cannot be understood ({why})")))
}

pub(crate) fn some_id<T: TryFrom<String, Error = InvalidId>>(text: Option<String>) -> Result<Option<T>, Fault> {
    text.map(id).transpose()
}

/// A count that was stored.
pub(crate) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

/// A count as the databases hold it.
pub(crate) fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A limit as the databases take it.
pub(crate) fn limit(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A short text that stands for a long one.
pub(crate) fn digest(text: &str) -> String {
    hexadecimal(&Sha256::digest(text.as_bytes()))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).flatten().collect()
}

/// Wall time in nanoseconds, which an `i64` holds until 2262.
pub(crate) fn nanoseconds(at: Timestamp) -> i64 {
    i64::try_from(at.since_unix().as_nanos()).unwrap_or(i64::MAX)
}

pub(crate) fn timestamp(nanoseconds: i64) -> Timestamp {
    Timestamp::from_unix(Duration::from_nanos(count(nanoseconds)))
}

/// Whole milliseconds, rounded up: what must last so long lasts at least so long.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    let whole = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    if duration.subsec_nanos().is_multiple_of(1_000_000) { whole } else { whole.saturating_add(1) }
}

/// The time from one point on the store's clock to another; zero where that is not later.
pub(crate) fn between(from_ms: i64, to_ms: i64) -> Duration {
    Duration::from_millis(count(to_ms.saturating_sub(from_ms)))
}

/// The place in the queue of a call that is taken in now.
pub(crate) fn turn(priority: Priority, now_ms: i64) -> i64 {
    match priority {
        Priority::Urgent => now_ms,
        Priority::Normal => now_ms.saturating_add(milliseconds(LinePolicy::default().urgent_ahead)),
    }
}

/// The first text behind all that begin with this, by the order of bytes; `None` where there is none.
pub(crate) fn after_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        if let Some(next) = ((last as u32 + 1)..=(char::MAX as u32)).find_map(char::from_u32) {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

pub(crate) fn numbers_of(text: &str) -> Result<NumberChoice, Fault> {
    read(FORMAT, text)
}

fn word<T>(text: &str, parsed: Option<T>) -> Result<T, Fault> {
    parsed.ok_or_else(|| Fault::refused(format!("the word {text:?} is not known here")))
}

fn stage(text: &str) -> Option<Stage> {
    [Stage::Verify, Stage::Assign, Stage::Initiate].into_iter().find(|stage| stage.as_str() == text)
}

fn dialed(text: &str) -> Option<Dialed> {
    [Dialed::Yes, Dialed::No, Dialed::Unknown].into_iter().find(|dialed| dialed.as_str() == text)
}

/// The columns of [`ProgressRecord`].
macro_rules! progress_columns {
    () => {
        "c.version, c.updated_at, c.state, c.stage, c.reason, c.dialed, c.detail, c.number, c.conversation, \
         c.provider_call_id, c.proof, c.given_up"
    };
}
pub(crate) use progress_columns;

/// How far a call is, as the databases hold it.
#[derive(Debug, FromRow)]
pub(crate) struct ProgressRecord {
    version: i64,
    updated_at: i64,
    state: String,
    stage: Option<String>,
    reason: Option<String>,
    dialed: String,
    detail: Option<String>,
    number: Option<String>,
    conversation: Option<String>,
    provider_call_id: Option<String>,
    proof: Option<String>,
    given_up: bool,
}

impl ProgressRecord {
    pub(crate) fn read(self) -> Result<Progress, Fault> {
        let stage = self.stage.map(|text| word(&text, stage(&text))).transpose()?;
        let proof = self.proof.map(|text| word(&text, ProofWord::parse(&text))).transpose()?;
        Ok(Progress {
            version: count(self.version),
            updated_at: timestamp(self.updated_at),
            state: word(&self.state, StateWord::parse(&self.state))?,
            stage,
            reason: self.reason,
            dialed: word(&self.dialed, dialed(&self.dialed))?,
            detail: self.detail,
            number: some_id(self.number)?,
            conversation: some_id(self.conversation)?,
            provider_call_id: self.provider_call_id.and_then(ProviderCallId::new),
            proof,
            given_up: self.given_up,
        })
    }
}

/// What a commit must know of a call.
#[derive(Debug, FromRow)]
pub(crate) struct KnownRecord {
    pub(crate) id: String,
    seq: i64,
    owner: Option<String>,
    origin: Option<String>,
    closed: bool,
    #[sqlx(flatten)]
    progress: ProgressRecord,
}

impl KnownRecord {
    pub(crate) fn read(self) -> Result<KnownCall, Fault> {
        Ok(KnownCall {
            seq: Some(self.seq),
            owner: some_id::<RunId>(self.owner)?,
            origin: some_id::<RunId>(self.origin)?,
            closed: self.closed,
            progress: self.progress.read()?,
            request: None,
        })
    }
}

/// The columns of [`CallRecord`], of the tables `calls` as `c` and `choices` as `h`.
macro_rules! call_columns {
    () => {
        concat!(
            "c.seq, c.changed, c.id, c.agent, c.callee, h.numbers, c.submitted_at, c.batch, c.line, c.row_agent, c.key, \
             c.repeats, c.closed, c.cancel, c.owner, ",
            crate::codec::progress_columns!()
        )
    };
}
pub(crate) use call_columns;

/// A call, as the databases hold it.
#[derive(Debug, FromRow)]
pub(crate) struct CallRecord {
    pub(crate) seq: i64,
    pub(crate) changed: i64,
    id: String,
    agent: String,
    callee: String,
    numbers: String,
    submitted_at: i64,
    batch: Option<String>,
    line: Option<i64>,
    row_agent: Option<String>,
    key: Option<String>,
    repeats: Option<String>,
    closed: bool,
    cancel: bool,
    owner: Option<String>,
    #[sqlx(flatten)]
    progress: ProgressRecord,
}

impl CallRecord {
    pub(crate) fn read(self) -> Result<CallRow, Fault> {
        let progress = self.progress.read()?;
        let unreadable = |_| Fault::refused("a callee's number cannot be understood");
        let batch = match self.batch {
            None => None,
            Some(batch) => Some(BatchRow {
                batch: id(batch)?,
                line: count(self.line.unwrap_or_default()),
                agent: self.row_agent.unwrap_or_default(),
            }),
        };
        Ok(CallRow {
            id: id(self.id)?,
            agent: id(self.agent)?,
            to: PhoneNumber::try_from(self.callee).map_err(unreadable)?,
            numbers: numbers_of(&self.numbers)?,
            number: progress.number,
            state: progress.state,
            stage: progress.stage,
            reason: progress.reason,
            dialed: progress.dialed,
            detail: progress.detail,
            conversation: progress.conversation,
            provider_call_id: progress.provider_call_id,
            proof: progress.proof,
            submitted_at: timestamp(self.submitted_at),
            updated_at: progress.updated_at,
            version: progress.version,
            batch,
            key: some_id(self.key)?,
            repeats: some_id(self.repeats)?,
            closed: self.closed,
            cancel: self.cancel,
            owner: some_id(self.owner)?,
        })
    }
}

/// An event, as the databases hold it.
#[derive(Debug, FromRow)]
pub(crate) struct EventRecord {
    /// The call it belongs to, by its place.
    pub(crate) call: i64,
    version: i64,
    at: i64,
    format: i64,
    payload: String,
}

impl EventRecord {
    pub(crate) fn read(self) -> Result<Recorded, Fault> {
        let event: CallEvent = read(self.format, &self.payload)?;
        Ok(Recorded { version: count(self.version), at: timestamp(self.at), event })
    }
}

/// An intent, as the databases hold it.
#[derive(Debug, FromRow)]
pub(crate) struct IntentRecord {
    pub(crate) number: String,
    pub(crate) opened_ms: i64,
    pub(crate) send_by_ms: i64,
    format: i64,
    payload: String,
}

impl IntentRecord {
    pub(crate) fn read(&self) -> Result<Intent, Fault> {
        read(self.format, &self.payload)
    }

    pub(crate) fn unresolved(&self, now_ms: i64) -> Result<Unresolved, Fault> {
        Ok(Unresolved {
            intent: self.read()?,
            open_for: between(now_ms, self.send_by_ms),
            over_for: between(self.send_by_ms, now_ms),
        })
    }
}

/// A piece of evidence, as the databases hold it.
#[derive(Debug, FromRow)]
pub(crate) struct EvidenceRecord {
    at_ms: i64,
    payload: String,
}

impl EvidenceRecord {
    pub(crate) fn agent(&self, now_ms: i64) -> Result<(AgentProfile, Duration), Fault> {
        Ok((read(FORMAT, &self.payload)?, between(self.at_ms, now_ms)))
    }

    pub(crate) fn number(&self, now_ms: i64) -> Result<(Number, Duration), Fault> {
        Ok((read(FORMAT, &self.payload)?, between(self.at_ms, now_ms)))
    }
}

/// A batch with its counts, as the databases give it.
#[derive(Debug, FromRow)]
pub(crate) struct BatchRecord {
    id: String,
    file: String,
    total: i64,
    options: String,
    created_at: i64,
    batch_state: String,
    calls: i64,
    waiting: i64,
    running: i64,
    initiated: i64,
    failed: i64,
    unknown: i64,
    closed_calls: i64,
}

impl BatchRecord {
    pub(crate) fn read(self) -> Result<Batch, Fault> {
        let batch = NewBatch {
            id: id(self.id)?,
            file: self.file,
            rows: count(self.total),
            options: self.options,
            created_at: timestamp(self.created_at),
        };
        let counts = BatchCounts {
            total: count(self.calls),
            waiting: count(self.waiting),
            running: count(self.running),
            initiated: count(self.initiated),
            failed: count(self.failed),
            unknown: count(self.unknown),
            closed: count(self.closed_calls),
        };
        Ok(Batch { batch, state: word(&self.batch_state, BatchState::parse(&self.batch_state))?, counts })
    }
}

/// Calls that were asked about with what has happened to them: events come in the order of the calls' places.
pub(crate) fn followed(calls: Vec<(i64, String, bool)>, events: Vec<EventRecord>) -> Result<Vec<Followed>, Fault> {
    let mut histories = histories(events)?;
    let mut followed = Vec::with_capacity(calls.len());
    for (seq, call, closed) in calls {
        let events = histories.remove(&seq).unwrap_or_default();
        // Whoever asks about a call that is closed has not heard of that.
        if closed || !events.is_empty() {
            followed.push(Followed { call: id(call)?, events, closed });
        }
    }
    Ok(followed)
}

/// Events by the place of their call, each history in order.
pub(crate) fn histories(events: Vec<EventRecord>) -> Result<BTreeMap<i64, Vec<Recorded>>, Fault> {
    let mut histories: BTreeMap<i64, Vec<Recorded>> = BTreeMap::new();
    for record in events {
        let call = record.call;
        histories.entry(call).or_default().push(record.read()?);
    }
    Ok(histories)
}

/// The same for calls that are handed out. One whose history cannot be understood, because a later version has written it
/// or it is damaged, has none: whoever takes it leaves it alone, and the others are not held up.
pub(crate) fn readable_histories(events: Vec<EventRecord>) -> BTreeMap<i64, Vec<Recorded>> {
    let mut histories: BTreeMap<i64, Option<Vec<Recorded>>> = BTreeMap::new();
    for record in events {
        let history = histories.entry(record.call).or_insert_with(|| Some(Vec::new()));
        match (record.read(), &mut *history) {
            (Ok(recorded), Some(events)) => events.push(recorded),
            (Err(_), _) => *history = None,
            (Ok(_), None) => {}
        }
    }
    histories.into_iter().map(|(call, history)| (call, history.unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURE: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../domain/tests/fixtures/events-v1.jsonl"));

    #[test]
    fn what_the_first_version_wrote_is_readable_for_ever() {
        for line in FIXTURE.lines() {
            let whole: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
            let payload = whole["event"].to_string();
            let record = EventRecord { call: 1, version: 1, at: 2, format: 1, payload };
            let expected: Recorded = serde_json::from_str(line).expect("readable");
            assert_eq!(record.read().expect("readable").event, expected.event);
        }
    }

    #[test]
    fn what_a_newer_one_wrote_is_refused() {
        let record = EventRecord { call: 1, version: 1, at: 2, format: 2, payload: "{}".into() };
        let fault = record.read().expect_err("an unknown form");
        assert!(fault.detail.contains("newer partyline"), "{}", fault.detail);
    }

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        assert_eq!(after_prefix("ab"), Some("ac".to_owned()));
        assert_eq!(after_prefix("a\u{10ffff}"), Some("b".to_owned()));
        assert_eq!(after_prefix("\u{d7ff}"), Some("\u{e000}".to_owned()));
        assert_eq!(after_prefix(""), None);
    }

    #[test]
    fn what_must_last_is_rounded_up() {
        assert_eq!(milliseconds(Duration::from_millis(2)), 2);
        assert_eq!(milliseconds(Duration::from_micros(2001)), 3);
        assert_eq!(milliseconds(Duration::MAX), i64::MAX);
        assert_eq!(between(5, 3), Duration::ZERO);
        assert_eq!(between(i64::MIN, i64::MAX), Duration::from_millis(i64::MAX.unsigned_abs()));
    }

    #[test]
    fn times_beyond_the_column_are_the_latest_it_holds() {
        assert_eq!(timestamp(nanoseconds(Timestamp::from_unix(Duration::MAX))), timestamp(i64::MAX));
        let at = Timestamp::from_unix(Duration::new(1_790_000_000, 123_456_789));
        assert_eq!(timestamp(nanoseconds(at)), at);
    }
}
