//! The numbers: leased, renewed, given back, asked for by somebody else.

use std::collections::BTreeSet;
use std::time::Duration;

use partyline_domain::ports::{AgentProfile, Number, Release, Renewed, Taken};
use partyline_domain::{CallId, PhoneNumberId};

use super::transaction::Tx;
use crate::codec::{self, EvidenceRecord, IntentRecord};
use crate::error::Fault;
use crate::policy::AGENTS_KNOWN_FOR_MS;

/// Leases a number anew, under the next epoch; `None` where somebody has a lease that has not run out. From then on nobody
/// adds to what is known of the number, so it is read after this.
pub(super) async fn take(
    tx: &mut Tx<'_>,
    number: &PhoneNumberId,
    ttl: Duration,
    claim: u64,
) -> Result<Option<u64>, Fault> {
    let before: Option<i64> = sqlx::query_scalar(
        "INSERT INTO partyline.leases AS l (account, number, owner, epoch, expires_ms, claim) \
         VALUES ($1, $2, $3, 0, $4, $5) ON CONFLICT (account, number) DO UPDATE \
         SET owner = excluded.owner, expires_ms = excluded.expires_ms, claim = excluded.claim \
         WHERE l.expires_ms <= $6 RETURNING l.epoch",
    )
    .bind(tx.account)
    .bind(number.as_str())
    .bind(tx.me.as_str())
    .bind(tx.now.saturating_add(codec::milliseconds(ttl)))
    .bind(codec::stored(claim))
    .bind(tx.now)
    .fetch_optional(&mut *tx.connection)
    .await?;
    let Some(before) = before else { return Ok(None) };
    // Apart from the lease, because a row of that may be lost and an epoch never falls.
    let epoch: i64 = sqlx::query_scalar(
        "INSERT INTO partyline.numbers AS n (account, number, epoch) VALUES ($1, $2, 1 + greatest($3, COALESCE( \
         (SELECT max(epoch) FROM partyline.intents WHERE account = $1 AND number = $2 AND resolved_ms IS NULL), 0))) \
         ON CONFLICT (account, number) DO UPDATE SET epoch = greatest(n.epoch + 1, excluded.epoch) RETURNING n.epoch",
    )
    .bind(tx.account)
    .bind(number.as_str())
    .bind(before)
    .fetch_one(&mut *tx.connection)
    .await?;
    sqlx::query("UPDATE partyline.leases SET epoch = $3 WHERE account = $1 AND number = $2")
        .bind(tx.account)
        .bind(number.as_str())
        .bind(epoch)
        .execute(&mut *tx.connection)
        .await?;
    sqlx::query("DELETE FROM partyline.wishes WHERE account = $1 AND number = $2 AND (owner = $3 OR until_ms <= $4)")
        .bind(tx.account)
        .bind(number.as_str())
        .bind(tx.me.as_str())
        .bind(tx.now)
        .execute(&mut *tx.connection)
        .await?;
    Ok(Some(codec::count(epoch)))
}

/// What whoever has just taken a number must know.
pub(super) async fn taken(tx: &mut Tx<'_>, number: PhoneNumberId, epoch: u64) -> Result<Taken, Fault> {
    let unresolved: Vec<IntentRecord> = sqlx::query_as(
        "SELECT number, opened_ms, send_by_ms, format, payload FROM partyline.intents \
         WHERE account = $1 AND number = $2 AND resolved_ms IS NULL AND epoch < $3 ORDER BY seq",
    )
    .bind(tx.account)
    .bind(number.as_str())
    .bind(codec::stored(epoch))
    .fetch_all(&mut *tx.connection)
    .await?;
    let remembered = sqlx::query_scalar("SELECT agent FROM partyline.inbound WHERE account = $1 AND number = $2");
    let remembered: Option<Option<String>> =
        remembered.bind(tx.account).bind(number.as_str()).fetch_optional(&mut *tx.connection).await?;
    let ours = sqlx::query_scalar("SELECT agent FROM partyline.ours WHERE account = $1 AND number = $2");
    let ours: Vec<String> = ours.bind(tx.account).bind(number.as_str()).fetch_all(&mut *tx.connection).await?;
    let seen =
        sqlx::query_as("SELECT confirmed_ms AS at_ms, payload FROM partyline.seen WHERE account = $1 AND number = $2");
    let seen: Option<EvidenceRecord> =
        seen.bind(tx.account).bind(number.as_str()).fetch_optional(&mut *tx.connection).await?;
    Ok(Taken {
        unresolved: unresolved.iter().map(|record| record.unresolved(tx.now)).collect::<Result<_, _>>()?,
        remembered: remembered.map(codec::some_id).transpose()?,
        ours: ours.into_iter().map(codec::id).collect::<Result<_, _>>()?,
        seen: seen.map(|record| record.number(tx.now)).transpose()?,
        number,
        epoch,
    })
}

/// Takes one number, or asks for it; see [`partyline_domain::ports::Store::want`]. A process that holds it is told so under
/// the same epoch, because the answer to its first wish may have been lost.
pub(super) async fn want(tx: &mut Tx<'_>, number: &PhoneNumberId, ttl: Duration) -> Result<Option<Taken>, Fault> {
    let until = tx.now.saturating_add(codec::milliseconds(ttl));
    let mine: Option<i64> = sqlx::query_scalar(
        "UPDATE partyline.leases SET expires_ms = greatest(expires_ms, $5) \
         WHERE account = $1 AND number = $2 AND owner = $3 AND expires_ms > $4 RETURNING epoch",
    )
    .bind(tx.account)
    .bind(number.as_str())
    .bind(tx.me.as_str())
    .bind(tx.now)
    .bind(until)
    .fetch_optional(&mut *tx.connection)
    .await?;
    let epoch = match mine {
        Some(epoch) => Some(codec::count(epoch)),
        None => take(tx, number, ttl, 0).await?,
    };
    match epoch {
        Some(epoch) => taken(tx, number.clone(), epoch).await.map(Some),
        None => wish(tx, number, until).await.map(|()| None),
    }
}

async fn wish(tx: &mut Tx<'_>, number: &PhoneNumberId, until: i64) -> Result<(), Fault> {
    tx.wakes = true;
    sqlx::query(
        "INSERT INTO partyline.wishes (account, number, owner, until_ms) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (account, number, owner) DO UPDATE SET until_ms = excluded.until_ms",
    )
    .bind(tx.account)
    .bind(number.as_str())
    .bind(tx.me.as_str())
    .bind(until)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// Prolongs leases; see [`partyline_domain::ports::Store::renew`].
pub(super) async fn renew(tx: &mut Tx<'_>, ttl: Duration) -> Result<Renewed, Fault> {
    // Locked in the order of the numbers, so that nobody who wants several of them waits in a circle.
    let mine: Vec<String> = sqlx::query_scalar(
        "SELECT number FROM partyline.leases WHERE account = $1 AND owner = $2 ORDER BY number FOR UPDATE",
    )
    .bind(tx.account)
    .bind(tx.me.as_str())
    .fetch_all(&mut *tx.connection)
    .await?;
    let leases: Vec<(String, i64)> = sqlx::query_as(
        "UPDATE partyline.leases SET expires_ms = $3 WHERE account = $1 AND owner = $2 AND number = ANY($4) \
         RETURNING number, epoch",
    )
    .bind(tx.account)
    .bind(tx.me.as_str())
    .bind(tx.now.saturating_add(codec::milliseconds(ttl)))
    .bind(&mine)
    .fetch_all(&mut *tx.connection)
    .await?;
    sqlx::query("UPDATE partyline.processes SET seen_ms = $3 WHERE account = $1 AND owner = $2")
        .bind(tx.account)
        .bind(tx.me.as_str())
        .bind(tx.now)
        .execute(&mut *tx.connection)
        .await?;
    let cancel: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM partyline.calls WHERE account = $1 AND owner = $2 AND cancel AND NOT closed ORDER BY id",
    )
    .bind(tx.account)
    .bind(tx.me.as_str())
    .fetch_all(&mut *tx.connection)
    .await?;
    let wanted: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT w.number FROM partyline.wishes AS w \
         JOIN partyline.leases AS l ON l.account = $1 AND l.number = w.number \
         WHERE w.account = $1 AND l.owner = $2 AND w.owner <> $2 AND w.until_ms > $3 ORDER BY w.number",
    )
    .bind(tx.account)
    .bind(tx.me.as_str())
    .bind(tx.now)
    .fetch_all(&mut *tx.connection)
    .await?;
    let lease = |(number, epoch)| Ok((codec::id(number)?, codec::count(epoch)));
    let mut leases = leases.into_iter().map(lease).collect::<Result<Vec<_>, Fault>>()?;
    leases.sort();
    Ok(Renewed {
        leases,
        cancel: cancel.into_iter().map(codec::id).collect::<Result<_, _>>()?,
        wanted: wanted.into_iter().map(codec::id).collect::<Result<_, _>>()?,
    })
}

/// Takes numbers, calls and evidence back; see [`partyline_domain::ports::Store::release`].
pub(super) async fn release(tx: &mut Tx<'_>, release: &Release) -> Result<(), Fault> {
    tx.wakes = true;
    let mut given_back = BTreeSet::new();
    let mut numbers: Vec<_> = release.numbers.iter().collect();
    numbers.sort();
    for (number, epoch) in numbers {
        let delete = sqlx::query(
            "DELETE FROM partyline.leases WHERE account = $1 AND number = $2 AND owner = $3 AND epoch = $4",
        );
        let delete = delete.bind(tx.account).bind(number.as_str()).bind(tx.me.as_str()).bind(codec::stored(*epoch));
        if delete.execute(&mut *tx.connection).await?.rows_affected() > 0 {
            given_back.insert(number);
        }
    }
    for (number, age) in release.seen.iter().filter(|(number, _)| given_back.contains(&number.id)) {
        see(tx, number, *age).await?;
    }
    give_back_calls(tx, &release.calls).await?;
    let mut agents: Vec<_> = release.agents.iter().collect();
    agents.sort();
    for (agent, age) in agents {
        learn(tx, agent, *age).await?;
    }
    Ok(())
}

async fn see(tx: &mut Tx<'_>, number: &Number, age: Duration) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO partyline.seen (account, number, confirmed_ms, payload) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (account, number) DO UPDATE SET confirmed_ms = excluded.confirmed_ms, payload = excluded.payload",
    )
    .bind(tx.account)
    .bind(number.id.as_str())
    .bind(tx.now.saturating_sub(codec::milliseconds(age)))
    .bind(codec::json(number)?)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// Keeps what is known of an agent, unless something younger is known.
async fn learn(tx: &mut Tx<'_>, agent: &AgentProfile, age: Duration) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO partyline.agents AS a (account, agent, asked_ms, payload) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (account, agent) DO UPDATE SET asked_ms = excluded.asked_ms, payload = excluded.payload \
         WHERE excluded.asked_ms >= a.asked_ms",
    )
    .bind(tx.account)
    .bind(agent.id.as_str())
    .bind(tx.now.saturating_sub(codec::milliseconds(age)))
    .bind(codec::json(agent)?)
    .execute(&mut *tx.connection)
    .await?;
    sqlx::query("DELETE FROM partyline.agents WHERE account = $1 AND agent = $2 AND asked_ms < $3")
        .bind(tx.account)
        .bind(agent.id.as_str())
        .bind(tx.now.saturating_sub(AGENTS_KNOWN_FOR_MS))
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

async fn give_back_calls(tx: &mut Tx<'_>, calls: &[CallId]) -> Result<(), Fault> {
    if calls.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = calls.iter().map(CallId::as_str).collect();
    // Batches before calls: whether they go on is not to change now.
    sqlx::query(
        "SELECT 1 FROM partyline.batches WHERE account = $1 AND id IN (SELECT c.batch FROM partyline.calls AS c \
         WHERE c.account = $1 AND c.id = ANY($2)) ORDER BY id FOR SHARE",
    )
    .bind(tx.account)
    .bind(&ids)
    .execute(&mut *tx.connection)
    .await?;
    let mine: Vec<i64> = sqlx::query_scalar(
        "SELECT seq FROM partyline.calls WHERE account = $1 AND owner = $2 AND id = ANY($3) ORDER BY seq FOR UPDATE",
    )
    .bind(tx.account)
    .bind(tx.me.as_str())
    .bind(&ids)
    .fetch_all(&mut *tx.connection)
    .await?;
    sqlx::query(
        "UPDATE partyline.calls AS c SET owner = NULL, held = (NOT c.cancel \
         AND c.state IN ('waiting', 'verified', 'assigned') AND EXISTS (SELECT 1 FROM partyline.batches AS b \
         WHERE b.account = $1 AND b.id = c.batch AND b.state <> 'running')) WHERE c.seq = ANY($2)",
    )
    .bind(tx.account)
    .bind(&mine)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}
