//! Notices what other processes do: looks at the file's version every few milliseconds, and where that has changed, at
//! whether it concerns this process.

use std::time::Duration;

use partyline_domain::RunId;
use sqlx::{SqliteConnection, SqlitePool};
use tokio::time::Instant;

use crate::changes::Teller;
use crate::error::Fault;

/// Without any change it is told so often all the same: time may have freed something.
const ANYWAY: Duration = Duration::from_secs(1);

/// Runs until nobody waits any more.
pub(super) async fn run(pool: SqlitePool, account: i64, me: RunId, every: Duration, teller: Teller) {
    while !teller.is_idle() && !pool.is_closed() {
        if let Ok(mut connection) = pool.acquire().await {
            let _ = watch(&mut connection, account, &me, every, (&teller, &pool)).await;
        }
        // The file cannot be read for now, or the store is going.
        teller.tell();
        tokio::time::sleep(ANYWAY).await;
    }
}

async fn watch(
    connection: &mut SqliteConnection,
    account: i64,
    me: &RunId,
    every: Duration,
    (teller, pool): (&Teller, &SqlitePool),
) -> Result<(), Fault> {
    // The first look tells too: what happened before it is not known.
    let (mut version, mut wakes) = (-1, -1);
    let mut told = Instant::now();
    while !teller.is_idle() && !pool.is_closed() {
        let found: i64 = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut *connection).await?;
        if found != version {
            version = found;
            let sum: i64 =
                sqlx::query_scalar("SELECT COALESCE(sum(wakes), 0) FROM processes WHERE account = $1 AND owner <> $2")
                    .bind(account)
                    .bind(me.as_str())
                    .fetch_one(&mut *connection)
                    .await?;
            if wakes != sum {
                wakes = sum;
                teller.tell();
                told = Instant::now();
            }
        }
        if told.elapsed() >= ANYWAY {
            teller.tell();
            told = Instant::now();
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            // Who closes the store waits for this connection.
            () = pool.close_event() => break,
        }
    }
    Ok(())
}
