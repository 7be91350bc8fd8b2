//! What a process takes: numbers for which calls wait, and calls for the numbers that it holds.

use std::collections::BTreeSet;

use partyline_domain::PhoneNumberId;
use partyline_domain::ports::{AgentProfile, Claim, Claimed, StoredCall};

use super::lease::{self, taken};
use super::transaction::Tx;
use crate::codec::{self, EventRecord, EvidenceRecord};
use crate::error::Fault;
use crate::policy::AGENTS_KNOWN_FOR_MS;

/// A call that no process has, and whose batch goes on.
macro_rules! free {
    () => {
        "f.owner IS NULL AND f.closed = 0 AND f.held = 0"
    };
}

/// A call that one of the processes $dead has, which hold nothing any more. If its batch does not go on, it is left alone,
/// unless it has to be brought to its end.
macro_rules! orphaned {
    ($dead:literal) => {
        concat!(
            "f.owner IN (SELECT value FROM json_each(",
            $dead,
            ")) AND (f.cancel = 1 OR f.state NOT IN ('waiting', 'verified', 'assigned') OR NOT EXISTS (SELECT 1 FROM \
             batches AS b WHERE b.account = f.account AND b.id = f.batch AND b.state <> 'running'))"
        )
    };
}

/// Takes numbers and calls; see [`partyline_domain::ports::Store::claim`].
pub(super) async fn run(tx: &mut Tx<'_>, claim: &Claim) -> Result<Claimed, Fault> {
    let dead = dead(tx).await?;
    let dead_text = codec::json(&dead)?;
    let only = claim.numbers.as_ref().map(codec::json).transpose()?;
    for number in numbers_to_take(tx, only.as_deref(), &dead_text).await? {
        lease::take(tx, &number, claim.ttl, claim.ordinal).await?;
    }
    let choices = choices_of_mine(tx).await?;
    // One who holds nothing has nothing: its calls are as free as anybody's.
    let again = if dead.contains(tx.me.as_str()) { Vec::new() } else { unheard_of(tx, claim.answered).await? };
    let mut given = free_calls(tx, &choices, &dead_text, claim.calls_max.saturating_add(1)).await?;
    let more = given.len() > claim.calls_max;
    given.truncate(claim.calls_max);
    given.extend(again);
    Ok(Claimed {
        calls: give(tx, &codec::json(&given)?, claim.ordinal).await?,
        numbers: numbers_unheard_of(tx, claim).await?,
        more,
        agents: agents(tx).await?,
        retry_in: retry_in(tx, only.as_deref(), &choices).await?,
    })
}

/// The processes that have calls and hold nothing any more.
pub(super) async fn dead(tx: &mut Tx<'_>) -> Result<BTreeSet<String>, Fault> {
    let dead: Vec<String> = sqlx::query_scalar(
        // From one owner to the next in the index, so that it does not matter how many calls each has.
        "WITH RECURSIVE owners (owner) AS (SELECT min(owner) FROM calls WHERE account = $1 AND owner IS NOT NULL \
         UNION ALL SELECT (SELECT min(c.owner) FROM calls AS c WHERE c.account = $1 AND c.owner > owners.owner) \
         FROM owners WHERE owners.owner IS NOT NULL) \
         SELECT o.owner FROM owners AS o WHERE o.owner IS NOT NULL AND NOT EXISTS \
         (SELECT 1 FROM leases AS l WHERE l.account = $1 AND l.owner = o.owner AND l.expires_ms > $2)",
    )
    .bind(tx.account)
    .bind(tx.now)
    .fetch_all(&mut *tx.connection)
    .await?;
    Ok(dead.into_iter().collect())
}

/// The numbers that nobody holds, nobody else asks for, and for which calls wait or which are still to be given back.
async fn numbers_to_take(tx: &mut Tx<'_>, only: Option<&str>, dead: &str) -> Result<Vec<PhoneNumberId>, Fault> {
    let numbers: Vec<String> = sqlx::query_scalar(concat!(
        "SELECT n.number FROM (SELECT d.number FROM choices AS h JOIN choice_numbers AS d ON d.choice = h.id \
         WHERE h.account = $1 AND (EXISTS (SELECT 1 FROM calls AS f WHERE f.choice = h.id AND ",
        free!(),
        ") OR EXISTS (SELECT 1 FROM calls AS f WHERE f.choice = h.id AND ",
        orphaned!("$5"),
        ")) UNION SELECT number FROM inbound WHERE account = $1) AS n \
         WHERE ($2 IS NULL OR n.number IN (SELECT value FROM json_each($2))) \
         AND NOT EXISTS (SELECT 1 FROM leases AS l WHERE l.account = $1 AND l.number = n.number AND l.expires_ms > $3) \
         AND NOT EXISTS (SELECT 1 FROM wishes AS w \
         WHERE w.account = $1 AND w.number = n.number AND w.owner <> $4 AND w.until_ms > $3) ORDER BY n.number"
    ))
    .bind(tx.account)
    .bind(only)
    .bind(tx.now)
    .bind(tx.me.as_str())
    .bind(dead)
    .fetch_all(&mut *tx.connection)
    .await?;
    numbers.into_iter().map(codec::id).collect()
}

/// The choices that leave a number that this process holds, as JSON.
async fn choices_of_mine(tx: &mut Tx<'_>) -> Result<String, Fault> {
    let choices: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT n.choice FROM choices AS h JOIN choice_numbers AS n ON n.choice = h.id \
         JOIN leases AS l ON l.account = $1 AND l.number = n.number \
         WHERE h.account = $1 AND l.owner = $2 AND l.expires_ms > $3",
    )
    .bind(tx.account)
    .bind(tx.me.as_str())
    .bind(tx.now)
    .fetch_all(&mut *tx.connection)
    .await?;
    codec::json(&choices)
}

/// The calls that this process has from claims whose answers it never saw.
async fn unheard_of(tx: &mut Tx<'_>, answered: u64) -> Result<Vec<i64>, Fault> {
    let calls = sqlx::query_scalar("SELECT seq FROM calls WHERE account = $1 AND owner = $2 AND claim > $3");
    let calls = calls.bind(tx.account).bind(tx.me.as_str()).bind(codec::stored(answered));
    Ok(calls.fetch_all(&mut *tx.connection).await?)
}

/// The first free calls of these choices, in the order of the queue.
async fn free_calls(tx: &mut Tx<'_>, choices: &str, dead: &str, most: usize) -> Result<Vec<i64>, Fault> {
    let calls: Vec<(i64, i64)> = sqlx::query_as(concat!(
        "SELECT c.seq, c.turn FROM json_each($1) AS j CROSS JOIN calls AS c ON c.seq IN (SELECT f.seq FROM calls AS f \
         WHERE f.choice = j.value AND ",
        free!(),
        " ORDER BY f.turn, f.seq LIMIT $2) UNION ALL \
         SELECT f.seq, f.turn FROM calls AS f WHERE f.choice IN (SELECT value FROM json_each($1)) AND ",
        orphaned!("$3"),
        " ORDER BY 2, 1 LIMIT $2"
    ))
    .bind(choices)
    .bind(codec::limit(most))
    .bind(dead)
    .fetch_all(&mut *tx.connection)
    .await?;
    Ok(calls.into_iter().map(|(seq, _)| seq).collect())
}

/// Makes calls this process's, and reads them with all their events.
async fn give(tx: &mut Tx<'_>, seqs: &str, ordinal: u64) -> Result<Vec<StoredCall>, Fault> {
    if seqs == "[]" {
        return Ok(Vec::new());
    }
    sqlx::query("UPDATE calls SET owner = $1, claim = $2 WHERE seq IN (SELECT value FROM json_each($3))")
        .bind(tx.me.as_str())
        .bind(codec::stored(ordinal))
        .bind(seqs)
        .execute(&mut *tx.connection)
        .await?;
    let rows: Vec<(i64, i64, bool, Option<i64>)> = sqlx::query_as(
        "SELECT c.seq, c.taken_ms, c.cancel, (SELECT max(i.send_by_ms) FROM intents AS i \
         WHERE i.account = $1 AND i.call = c.id AND i.resolved_ms IS NULL) \
         FROM json_each($2) AS j CROSS JOIN calls AS c ON c.seq = j.value ORDER BY c.turn, c.seq",
    )
    .bind(tx.account)
    .bind(seqs)
    .fetch_all(&mut *tx.connection)
    .await?;
    let events: Vec<EventRecord> = sqlx::query_as(
        "SELECT e.call, e.version, e.at, e.format, e.payload FROM json_each($1) AS j \
         CROSS JOIN events AS e ON e.call = j.value ORDER BY e.call, e.version",
    )
    .bind(seqs)
    .fetch_all(&mut *tx.connection)
    .await?;
    let mut histories = codec::readable_histories(events);
    let stored = |(seq, taken_ms, cancel, send_by): (i64, i64, bool, Option<i64>)| StoredCall {
        events: histories.remove(&seq).unwrap_or_default(),
        waited: codec::between(taken_ms, tx.now),
        open_for: send_by.map(|at| codec::between(tx.now, at)).unwrap_or_default(),
        over_for: send_by.map(|at| codec::between(at, tx.now)).unwrap_or_default(),
        cancel,
    };
    Ok(rows.into_iter().map(stored).collect())
}

/// The numbers that this process has from this claim, and from those whose answers it never saw. The leases of the latter
/// hold as long as this claim says: that is what the process will believe.
async fn numbers_unheard_of(tx: &mut Tx<'_>, claim: &Claim) -> Result<Vec<partyline_domain::ports::Taken>, Fault> {
    let mine: Vec<(String, i64)> = sqlx::query_as(
        "UPDATE leases SET expires_ms = max(expires_ms, $4) \
         WHERE account = $1 AND owner = $2 AND expires_ms > $3 AND claim > $5 RETURNING number, epoch",
    )
    .bind(tx.account)
    .bind(tx.me.as_str())
    .bind(tx.now)
    .bind(tx.now.saturating_add(codec::milliseconds(claim.ttl)))
    .bind(codec::stored(claim.answered))
    .fetch_all(&mut *tx.connection)
    .await?;
    let mut numbers = Vec::with_capacity(mine.len());
    for (number, epoch) in mine {
        numbers.push(taken(tx, codec::id(number)?, codec::count(epoch)).await?);
    }
    numbers.sort_by(|one, other| one.number.cmp(&other.number));
    Ok(numbers)
}

/// The agents that were verified lately.
async fn agents(tx: &mut Tx<'_>) -> Result<Vec<(AgentProfile, std::time::Duration)>, Fault> {
    let known: Vec<EvidenceRecord> = sqlx::query_as(
        "SELECT asked_ms AS at_ms, payload FROM agents WHERE account = $1 AND asked_ms >= $2 ORDER BY agent",
    )
    .bind(tx.account)
    .bind(tx.now.saturating_sub(AGENTS_KNOWN_FOR_MS))
    .fetch_all(&mut *tx.connection)
    .await?;
    known.iter().map(|record| record.agent(tx.now)).collect()
}

/// So long until the first number may become free for which calls are left to its holder. Calls that the holder has count
/// as well: if it is dead, they wait for whoever comes next.
async fn retry_in(tx: &mut Tx<'_>, only: Option<&str>, choices: &str) -> Result<Option<std::time::Duration>, Fault> {
    let first: Option<i64> = sqlx::query_scalar(concat!(
        "SELECT min(l.expires_ms) FROM leases AS l WHERE l.account = $1 AND l.expires_ms > $2 \
         AND ($3 IS NULL OR l.number IN (SELECT value FROM json_each($3))) \
         AND EXISTS (SELECT 1 FROM choices AS h JOIN choice_numbers AS n ON n.choice = h.id \
         WHERE h.account = $1 AND n.number = l.number AND h.id NOT IN (SELECT value FROM json_each($4)) \
         AND (EXISTS (SELECT 1 FROM calls AS f WHERE f.choice = h.id AND ",
        free!(),
        ") OR EXISTS (SELECT 1 FROM calls AS f WHERE f.choice = h.id AND f.owner < $5) \
         OR EXISTS (SELECT 1 FROM calls AS f WHERE f.choice = h.id AND f.owner > $5)))"
    ))
    .bind(tx.account)
    .bind(tx.now)
    .bind(only)
    .bind(choices)
    .bind(tx.me.as_str())
    .fetch_one(&mut *tx.connection)
    .await?;
    Ok(first.map(|at| codec::between(tx.now, at)))
}
