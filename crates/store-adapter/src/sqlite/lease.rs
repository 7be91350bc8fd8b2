//! The numbers: leased, renewed, given back, asked for by somebody else.

use std::collections::BTreeSet;
use std::time::Duration;

use partyline_domain::ports::{Release, Renewed, Taken};
use partyline_domain::{CallId, PhoneNumberId};

use super::transaction::Tx;
use crate::codec::{self, EvidenceRecord, IntentRecord};
use crate::error::Fault;
use crate::policy::AGENTS_KNOWN_FOR_MS;

/// Leases a number anew, under the next epoch, whoever has it.
pub(super) async fn take(tx: &mut Tx<'_>, number: &PhoneNumberId, ttl: Duration, claim: u64) -> Result<u64, Fault> {
    // Apart from the lease, because a row of that may be lost and an epoch never falls.
    let epoch: i64 = sqlx::query_scalar(
        "INSERT INTO numbers (account, number, epoch) VALUES ($1, $2, 1 + max( \
         COALESCE((SELECT epoch FROM leases WHERE account = $1 AND number = $2), 0), \
         COALESCE((SELECT max(epoch) FROM intents WHERE account = $1 AND number = $2 AND resolved_ms IS NULL), 0))) \
         ON CONFLICT (account, number) DO UPDATE SET epoch = max(numbers.epoch + 1, excluded.epoch) RETURNING epoch",
    )
    .bind(tx.account)
    .bind(number.as_str())
    .fetch_one(&mut *tx.connection)
    .await?;
    sqlx::query(
        "INSERT INTO leases (account, number, owner, epoch, expires_ms, claim) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (account, number) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch, \
         expires_ms = excluded.expires_ms, claim = excluded.claim",
    )
    .bind(tx.account)
    .bind(number.as_str())
    .bind(tx.me.as_str())
    .bind(epoch)
    .bind(tx.now.saturating_add(codec::milliseconds(ttl)))
    .bind(codec::stored(claim))
    .execute(&mut *tx.connection)
    .await?;
    sqlx::query("DELETE FROM wishes WHERE account = $1 AND number = $2 AND (owner = $3 OR until_ms <= $4)")
        .bind(tx.account)
        .bind(number.as_str())
        .bind(tx.me.as_str())
        .bind(tx.now)
        .execute(&mut *tx.connection)
        .await?;
    Ok(codec::count(epoch))
}

/// What whoever has just taken a number must know.
pub(super) async fn taken(tx: &mut Tx<'_>, number: PhoneNumberId, epoch: u64) -> Result<Taken, Fault> {
    let unresolved: Vec<IntentRecord> = sqlx::query_as(
        "SELECT number, opened_ms, send_by_ms, format, payload FROM intents \
         WHERE account = $1 AND number = $2 AND resolved_ms IS NULL AND epoch < $3 ORDER BY seq",
    )
    .bind(tx.account)
    .bind(number.as_str())
    .bind(codec::stored(epoch))
    .fetch_all(&mut *tx.connection)
    .await?;
    let remembered = sqlx::query_scalar("SELECT agent FROM inbound WHERE account = $1 AND number = $2");
    let remembered: Option<Option<String>> =
        remembered.bind(tx.account).bind(number.as_str()).fetch_optional(&mut *tx.connection).await?;
    let ours = sqlx::query_scalar("SELECT agent FROM ours WHERE account = $1 AND number = $2");
    let ours: Vec<String> = ours.bind(tx.account).bind(number.as_str()).fetch_all(&mut *tx.connection).await?;
    let seen = sqlx::query_as("SELECT confirmed_ms AS at_ms, payload FROM seen WHERE account = $1 AND number = $2");
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
    let lease =
        sqlx::query_as("SELECT owner, epoch FROM leases WHERE account = $1 AND number = $2 AND expires_ms > $3");
    let lease: Option<(String, i64)> =
        lease.bind(tx.account).bind(number.as_str()).bind(tx.now).fetch_optional(&mut *tx.connection).await?;
    let epoch = match lease {
        None => take(tx, number, ttl, 0).await?,
        Some((owner, epoch)) if owner == tx.me.as_str() => {
            sqlx::query("UPDATE leases SET expires_ms = max(expires_ms, $3) WHERE account = $1 AND number = $2")
                .bind(tx.account)
                .bind(number.as_str())
                .bind(until)
                .execute(&mut *tx.connection)
                .await?;
            codec::count(epoch)
        }
        Some(_) => {
            wish(tx, number, until).await?;
            return Ok(None);
        }
    };
    taken(tx, number.clone(), epoch).await.map(Some)
}

async fn wish(tx: &mut Tx<'_>, number: &PhoneNumberId, until: i64) -> Result<(), Fault> {
    tx.wakes = true;
    sqlx::query(
        "INSERT INTO wishes (account, number, owner, until_ms) VALUES ($1, $2, $3, $4) \
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
    sqlx::query("UPDATE processes SET seen_ms = $3 WHERE account = $1 AND owner = $2")
        .bind(tx.account)
        .bind(tx.me.as_str())
        .bind(tx.now)
        .execute(&mut *tx.connection)
        .await?;
    let leases: Vec<(String, i64)> =
        sqlx::query_as("UPDATE leases SET expires_ms = $3 WHERE account = $1 AND owner = $2 RETURNING number, epoch")
            .bind(tx.account)
            .bind(tx.me.as_str())
            .bind(tx.now.saturating_add(codec::milliseconds(ttl)))
            .fetch_all(&mut *tx.connection)
            .await?;
    let cancel: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM calls WHERE account = $1 AND owner = $2 AND cancel = 1 AND closed = 0 ORDER BY +id",
    )
    .bind(tx.account)
    .bind(tx.me.as_str())
    .fetch_all(&mut *tx.connection)
    .await?;
    let wanted: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT w.number FROM wishes AS w JOIN leases AS l ON l.account = $1 AND l.number = w.number \
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
    for (number, epoch) in &release.numbers {
        let delete = sqlx::query("DELETE FROM leases WHERE account = $1 AND number = $2 AND owner = $3 AND epoch = $4");
        let delete = delete.bind(tx.account).bind(number.as_str()).bind(tx.me.as_str()).bind(codec::stored(*epoch));
        if delete.execute(&mut *tx.connection).await?.rows_affected() > 0 {
            given_back.insert(number);
        }
    }
    for (number, age) in release.seen.iter().filter(|(number, _)| given_back.contains(&number.id)) {
        sqlx::query(
            "INSERT INTO seen (account, number, confirmed_ms, payload) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (account, number) DO UPDATE SET confirmed_ms = excluded.confirmed_ms, payload = excluded.payload",
        )
        .bind(tx.account)
        .bind(number.id.as_str())
        .bind(tx.now.saturating_sub(codec::milliseconds(*age)))
        .bind(codec::json(number)?)
        .execute(&mut *tx.connection)
        .await?;
    }
    give_back_calls(tx, &release.calls).await?;
    for (agent, age) in &release.agents {
        // Unless something younger is known.
        sqlx::query(
            "INSERT INTO agents (account, agent, asked_ms, payload) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (account, agent) DO UPDATE SET asked_ms = excluded.asked_ms, payload = excluded.payload \
             WHERE excluded.asked_ms >= agents.asked_ms",
        )
        .bind(tx.account)
        .bind(agent.id.as_str())
        .bind(tx.now.saturating_sub(codec::milliseconds(*age)))
        .bind(codec::json(agent)?)
        .execute(&mut *tx.connection)
        .await?;
    }
    sqlx::query("DELETE FROM agents WHERE account = $1 AND asked_ms < $2")
        .bind(tx.account)
        .bind(tx.now.saturating_sub(AGENTS_KNOWN_FOR_MS))
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

async fn give_back_calls(tx: &mut Tx<'_>, calls: &[CallId]) -> Result<(), Fault> {
    if calls.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE calls SET owner = NULL, held = (cancel = 0 AND state IN ('waiting', 'verified', 'assigned') AND EXISTS \
         (SELECT 1 FROM batches AS b WHERE b.account = $1 AND b.id = calls.batch AND b.state <> 'running')) \
         WHERE account = $1 AND owner = $2 AND id IN (SELECT value FROM json_each($3))",
    )
    .bind(tx.account)
    .bind(tx.me.as_str())
    .bind(codec::json(calls)?)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}
