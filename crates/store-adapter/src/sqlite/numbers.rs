//! What is known of every number.

use sqlx::SqlitePool;

use super::transaction::now;
use crate::archive::NumberRow;
use crate::census::Census;
use crate::error::Fault;

/// Every number of the account.
pub(super) async fn all(pool: &SqlitePool, account: i64) -> Result<Vec<NumberRow>, Fault> {
    let mut tx = pool.begin().await?;
    let mut census = Census { now_ms: now(&mut tx).await?, ..Census::default() };
    let leases = sqlx::query_as(
        "SELECT l.number, l.owner, l.epoch, l.expires_ms, p.host, p.pid, p.command FROM leases AS l \
         LEFT JOIN processes AS p ON p.account = l.account AND p.owner = l.owner WHERE l.account = $1",
    );
    census.leases = leases.bind(account).fetch_all(&mut *tx).await?;
    let numbers = sqlx::query_as("SELECT number, epoch, changed, agent FROM numbers WHERE account = $1");
    census.numbers = numbers.bind(account).fetch_all(&mut *tx).await?;
    let intents = sqlx::query_as(
        "SELECT number, opened_ms, send_by_ms, format, payload FROM intents \
         WHERE account = $1 AND resolved_ms IS NULL ORDER BY seq",
    );
    census.intents = intents.bind(account).fetch_all(&mut *tx).await?;
    let inbound = sqlx::query_as("SELECT number, agent FROM inbound WHERE account = $1");
    census.inbound = inbound.bind(account).fetch_all(&mut *tx).await?;
    let wishes =
        sqlx::query_as("SELECT number, owner FROM wishes WHERE account = $1 AND until_ms > $2 ORDER BY number, owner");
    census.wishes = wishes.bind(account).bind(census.now_ms).fetch_all(&mut *tx).await?;
    let choices = sqlx::query_as(
        "SELECT n.choice, n.number FROM choices AS h JOIN choice_numbers AS n ON n.choice = h.id WHERE h.account = $1",
    );
    census.choices = choices.bind(account).fetch_all(&mut *tx).await?;
    let waiting = sqlx::query_as(
        "SELECT choice, count(*) FROM calls WHERE account = $1 AND choice IS NOT NULL \
         AND owner IS NULL AND closed = 0 AND held = 0 GROUP BY choice",
    );
    census.waiting = waiting.bind(account).fetch_all(&mut *tx).await?;
    let claimed = sqlx::query_as(
        "SELECT choice, number, count(*) FROM calls WHERE account = $1 AND owner IS NOT NULL AND choice IS NOT NULL \
         GROUP BY choice, number",
    );
    census.claimed = claimed.bind(account).fetch_all(&mut *tx).await?;
    tx.commit().await?;
    census.read()
}
