//! What a process takes: numbers for which calls wait, and calls for the numbers that it holds.

use std::collections::BTreeMap;
use std::time::Duration;

use partyline_domain::PhoneNumberId;
use partyline_domain::ports::{AgentProfile, Claim, Claimed, StoredCall, Taken};

use super::lease::{self, taken};
use super::transaction::Tx;
use crate::codec::{self, EventRecord, EvidenceRecord};
use crate::error::Fault;
use crate::policy::AGENTS_KNOWN_FOR_MS;

/// A call that no process has, and whose batch goes on.
macro_rules! free {
    () => {
        "f.owner IS NULL AND NOT f.closed AND NOT f.held"
    };
}

/// A call that one of the processes $dead has, which hold nothing any more. If its batch does not go on, it is left alone,
/// unless it has to be brought to its end.
macro_rules! orphaned {
    ($dead:literal) => {
        concat!(
            "f.owner = ANY(",
            $dead,
            "::text[]) AND (f.cancel OR f.state NOT IN ('waiting', 'verified', 'assigned') OR NOT EXISTS (SELECT 1 FROM \
             partyline.batches AS b WHERE b.account = f.account AND b.id = f.batch AND b.state <> 'running'))"
        )
    };
}

/// Whether the choice `h` has such a call. The order is that of the index to be gone by. Without it, or with `EXISTS`, the
/// planner would rather look at calls until it meets such a one, which may be the last of a million, or none.
macro_rules! any {
    ($which:expr, $order:literal) => {
        concat!(
            "(SELECT f.seq FROM partyline.calls AS f WHERE f.choice = h.id AND ",
            $which,
            " ORDER BY ",
            $order,
            " LIMIT 1) IS NOT NULL"
        )
    };
}

/// Takes numbers and calls; see [`partyline_domain::ports::Store::claim`].
pub(super) async fn run(tx: &mut Tx<'_>, claim: &Claim) -> Result<Claimed, Fault> {
    let dead = dead(tx).await?;
    let only = claim.numbers.as_ref().map(|numbers| numbers.iter().map(|number| number.as_str().to_owned()).collect());
    for number in numbers_to_take(tx, only.as_ref(), &dead).await? {
        // Where another process was faster, it is that one's.
        lease::take(tx, &number, claim.ttl, claim.ordinal).await?;
    }
    let choices = choices_of_mine(tx).await?;
    // One who holds nothing has nothing: its calls are as free as anybody's.
    let am_dead = dead.iter().any(|owner| owner == tx.me.as_str());
    let again = if am_dead { Vec::new() } else { unheard_of(tx, claim.answered).await? };
    let next = next(tx, &choices, &dead, claim.calls_max).await?;
    let mut given = locked(tx, &next, &dead).await?;
    given.extend(again);
    Ok(Claimed {
        calls: give(tx, &given, claim.ordinal).await?,
        numbers: numbers_unheard_of(tx, claim).await?,
        more: next.more,
        agents: agents(tx).await?,
        retry_in: retry_in(tx, only.as_ref(), &choices).await?,
    })
}

/// The processes that have calls and hold nothing any more.
pub(super) async fn dead(tx: &mut Tx<'_>) -> Result<Vec<String>, Fault> {
    let dead: Vec<String> = sqlx::query_scalar(
        // From one owner to the next in the index, so that it does not matter how many calls each has.
        "WITH RECURSIVE owners (owner) AS ((SELECT owner FROM partyline.calls WHERE account = $1 AND owner IS NOT NULL \
         ORDER BY owner LIMIT 1) UNION ALL SELECT (SELECT c.owner FROM partyline.calls AS c \
         WHERE c.account = $1 AND c.owner > owners.owner ORDER BY c.owner LIMIT 1) \
         FROM owners WHERE owners.owner IS NOT NULL) \
         SELECT o.owner FROM owners AS o WHERE o.owner IS NOT NULL AND NOT EXISTS (SELECT 1 FROM partyline.leases AS l \
         WHERE l.account = $1 AND l.owner = o.owner AND l.expires_ms > $2)",
    )
    .bind(tx.account)
    .bind(tx.now)
    .fetch_all(&mut *tx.connection)
    .await?;
    Ok(dead)
}

/// The numbers that nobody holds, nobody else asks for, and for which calls wait or which are still to be given back.
async fn numbers_to_take(
    tx: &mut Tx<'_>,
    only: Option<&Vec<String>>,
    dead: &[String],
) -> Result<Vec<PhoneNumberId>, Fault> {
    let numbers: Vec<String> = sqlx::query_scalar(concat!(
        "SELECT n.number FROM (SELECT d.number FROM partyline.choices AS h \
         JOIN partyline.choice_numbers AS d ON d.choice = h.id WHERE h.account = $1 \
         AND (",
        any!(free!(), "f.turn, f.seq"),
        " OR ",
        any!(orphaned!("$5"), "f.owner"),
        ") UNION SELECT number FROM partyline.inbound WHERE account = $1) AS n \
         WHERE ($2::text[] IS NULL OR n.number = ANY($2)) \
         AND NOT EXISTS (SELECT 1 FROM partyline.leases AS l \
         WHERE l.account = $1 AND l.number = n.number AND l.expires_ms > $3) \
         AND NOT EXISTS (SELECT 1 FROM partyline.wishes AS w \
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

/// The choices that leave a number that this process holds.
async fn choices_of_mine(tx: &mut Tx<'_>) -> Result<Vec<i64>, Fault> {
    let choices = sqlx::query_scalar(
        "SELECT DISTINCT n.choice FROM partyline.choices AS h \
         JOIN partyline.choice_numbers AS n ON n.choice = h.id \
         JOIN partyline.leases AS l ON l.account = $1 AND l.number = n.number \
         WHERE h.account = $1 AND l.owner = $2 AND l.expires_ms > $3",
    );
    let choices = choices.bind(tx.account).bind(tx.me.as_str()).bind(tx.now);
    Ok(choices.fetch_all(&mut *tx.connection).await?)
}

/// The calls that this process has from claims whose answers it never saw.
async fn unheard_of(tx: &mut Tx<'_>, answered: u64) -> Result<Vec<i64>, Fault> {
    let calls = sqlx::query_scalar("SELECT seq FROM partyline.calls WHERE account = $1 AND owner = $2 AND claim > $3");
    let calls = calls.bind(tx.account).bind(tx.me.as_str()).bind(codec::stored(answered));
    Ok(calls.fetch_all(&mut *tx.connection).await?)
}

/// Which calls are next, before anybody is kept from taking them.
#[derive(Default)]
struct Next {
    /// The choices that calls nobody has would be taken from, and how many from each.
    free: BTreeMap<i64, i64>,
    orphans: Vec<i64>,
    /// Whether there are more than were asked for.
    more: bool,
}

/// The first free calls of these choices, in the order of the queue.
async fn next(tx: &mut Tx<'_>, choices: &[i64], dead: &[String], most: usize) -> Result<Next, Fault> {
    if choices.is_empty() {
        return Ok(Next::default());
    }
    let calls: Vec<(i64, i64, i64, bool)> = sqlx::query_as(concat!(
        "(SELECT c.seq, c.turn, h.id, true FROM unnest($1::bigint[]) AS h (id) CROSS JOIN LATERAL \
         (SELECT f.seq, f.turn FROM partyline.calls AS f WHERE f.choice = h.id AND ",
        free!(),
        " ORDER BY f.turn, f.seq LIMIT $2) AS c) UNION ALL \
         (SELECT f.seq, f.turn, f.choice, false FROM partyline.calls AS f \
         WHERE f.choice = ANY($1) AND ",
        orphaned!("$3"),
        " ORDER BY f.turn, f.seq LIMIT $2) ORDER BY 2, 1 LIMIT $2"
    ))
    .bind(choices)
    .bind(codec::limit(most.saturating_add(1)))
    .bind(dead)
    .fetch_all(&mut *tx.connection)
    .await?;
    let mut next = Next { more: calls.len() > most, ..Next::default() };
    for (seq, _, choice, is_free) in calls.into_iter().take(most) {
        if is_free {
            *next.free.entry(choice).or_default() += 1;
        } else {
            next.orphans.push(seq);
        }
    }
    Ok(next)
}

/// Free calls that nobody else takes from now on, as many as are next. What another process is about to take is left to it,
/// and the one behind it is taken instead.
async fn locked(tx: &mut Tx<'_>, next: &Next, dead: &[String]) -> Result<Vec<i64>, Fault> {
    let mut seqs = Vec::new();
    if !next.free.is_empty() {
        let (choices, counts): (Vec<i64>, Vec<i64>) = next.free.iter().unzip();
        let calls: Vec<i64> = sqlx::query_scalar(concat!(
            "SELECT c.seq FROM unnest($1::bigint[], $2::bigint[]) AS h (id, count) CROSS JOIN LATERAL \
             (SELECT f.seq FROM partyline.calls AS f WHERE f.choice = h.id AND ",
            free!(),
            " ORDER BY f.turn, f.seq LIMIT h.count FOR UPDATE SKIP LOCKED) AS c"
        ))
        .bind(&choices)
        .bind(&counts)
        .fetch_all(&mut *tx.connection)
        .await?;
        seqs.extend(calls);
    }
    if !next.orphans.is_empty() {
        let calls = sqlx::query_scalar(
            "SELECT f.seq FROM partyline.calls AS f WHERE f.seq = ANY($1) AND f.owner = ANY($2) AND NOT f.closed \
             ORDER BY f.seq FOR UPDATE SKIP LOCKED",
        );
        let calls: Vec<i64> = calls.bind(&next.orphans).bind(dead).fetch_all(&mut *tx.connection).await?;
        seqs.extend(calls);
    }
    Ok(seqs)
}

/// Makes calls this process's, and reads them with all their events.
async fn give(tx: &mut Tx<'_>, seqs: &[i64], ordinal: u64) -> Result<Vec<StoredCall>, Fault> {
    if seqs.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query("UPDATE partyline.calls SET owner = $1, claim = $2 WHERE seq = ANY($3)")
        .bind(tx.me.as_str())
        .bind(codec::stored(ordinal))
        .bind(seqs)
        .execute(&mut *tx.connection)
        .await?;
    let rows: Vec<(i64, i64, bool, Option<i64>)> = sqlx::query_as(
        "SELECT c.seq, c.taken_ms, c.cancel, (SELECT max(i.send_by_ms) FROM partyline.intents AS i \
         WHERE i.account = $1 AND i.call = c.id AND i.resolved_ms IS NULL) \
         FROM partyline.calls AS c WHERE c.seq = ANY($2) ORDER BY c.turn, c.seq",
    )
    .bind(tx.account)
    .bind(seqs)
    .fetch_all(&mut *tx.connection)
    .await?;
    let events: Vec<EventRecord> = sqlx::query_as(
        "SELECT call, version, at, format, payload FROM partyline.events WHERE call = ANY($1) ORDER BY call, version",
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
async fn numbers_unheard_of(tx: &mut Tx<'_>, claim: &Claim) -> Result<Vec<Taken>, Fault> {
    let mine: Vec<(String, i64)> = sqlx::query_as(
        "UPDATE partyline.leases SET expires_ms = greatest(expires_ms, $4) \
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
async fn agents(tx: &mut Tx<'_>) -> Result<Vec<(AgentProfile, Duration)>, Fault> {
    let known: Vec<EvidenceRecord> = sqlx::query_as(
        "SELECT asked_ms AS at_ms, payload FROM partyline.agents WHERE account = $1 AND asked_ms >= $2 ORDER BY agent",
    )
    .bind(tx.account)
    .bind(tx.now.saturating_sub(AGENTS_KNOWN_FOR_MS))
    .fetch_all(&mut *tx.connection)
    .await?;
    known.iter().map(|record| record.agent(tx.now)).collect()
}

/// So long until the first number may become free for which calls are left to its holder. Calls that the holder has count
/// as well: if it is dead, they wait for whoever comes next.
async fn retry_in(tx: &mut Tx<'_>, only: Option<&Vec<String>>, choices: &[i64]) -> Result<Option<Duration>, Fault> {
    let first: Option<i64> = sqlx::query_scalar(concat!(
        "SELECT min(l.expires_ms) FROM partyline.leases AS l WHERE l.account = $1 AND l.expires_ms > $2 \
         AND ($3::text[] IS NULL OR l.number = ANY($3)) \
         AND EXISTS (SELECT 1 FROM partyline.choices AS h JOIN partyline.choice_numbers AS n ON n.choice = h.id \
         WHERE h.account = $1 AND n.number = l.number AND h.id <> ALL($4) \
         AND (",
        any!(free!(), "f.turn, f.seq"),
        " OR ",
        any!("f.owner < $5", "f.owner"),
        " OR ",
        any!("f.owner > $5", "f.owner"),
        "))"
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
