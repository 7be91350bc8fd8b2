//! Hears what other processes tell (`LISTEN`). A notification may be lost with its connection, so without any it is told
//! every second all the same.

use std::time::Duration;

use partyline_domain::RunId;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::time::Instant;

use crate::changes::Teller;
use crate::error::Fault;

/// See the module.
const ANYWAY: Duration = Duration::from_secs(1);

/// Runs until nobody waits any more.
pub(super) async fn run(pool: PgPool, channel: String, me: RunId, teller: Teller) {
    while !teller.is_idle() && !pool.is_closed() {
        let _ = listen(&pool, &channel, &me, &teller).await;
        // The server is not there for now, or the store is going.
        teller.tell();
        tokio::time::sleep(ANYWAY).await;
    }
}

async fn listen(pool: &PgPool, channel: &str, me: &RunId, teller: &Teller) -> Result<(), Fault> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    // What happened before it is not known.
    teller.tell();
    let mut told = Instant::now();
    while !teller.is_idle() && !pool.is_closed() {
        let next = told + ANYWAY;
        let heard = tokio::time::timeout_at(next, listener.try_recv()).await;
        match heard {
            Ok(Ok(Some(notification))) if notification.payload() == me.as_str() => continue,
            Ok(Ok(Some(_))) | Err(_) => {}
            // The connection was lost: it is made again by the next wait. What was told meanwhile is not known.
            Ok(Ok(None)) => tokio::time::sleep(Duration::from_millis(100)).await,
            Ok(Err(why)) => return Err(why.into()),
        }
        teller.tell();
        told = Instant::now();
    }
    Ok(())
}
