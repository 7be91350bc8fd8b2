//! The store in a SQLite file, as a store and as a journal.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::Store;
use partyline_domain::{PhoneNumberId, RunId};
use partyline_store_adapter::{Account, StoreOptions, sqlite};
use partyline_tests::contract::Harness;
use partyline_tests::contract::store::{AsJournal, StoreHarness, StoreWorld};
use sqlx::Connection as _;
use tempfile::TempDir;

/// Fresh files.
struct Files;

impl Harness for Files {
    fn run(&self, case: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be made").block_on(case);
    }
}

#[async_trait]
impl StoreHarness for Files {
    async fn store(&self) -> Box<dyn StoreWorld> {
        Box::new(File(tempfile::tempdir().expect("a folder can be made")))
    }
}

struct File(TempDir);

#[async_trait]
impl StoreWorld for File {
    async fn member(&self, owner: RunId) -> Arc<dyn Store> {
        let account = Arc::new(|salt: &_| Account::of(salt, "http://localhost", b"test-key"));
        let opened = sqlite::open(&self.0.path().join("calls.db"), StoreOptions::new(owner, account)).await;
        Arc::new(opened.unwrap_or_else(|why| panic!("{why}")))
    }

    async fn pass(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }

    async fn lose_lease(&self, number: &PhoneNumberId) {
        let address = format!("sqlite:{}", self.0.path().join("calls.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&address).await.expect("it can be opened");
        let lost = sqlx::query("DELETE FROM leases WHERE number = $1").bind(number.as_str());
        lost.execute(&mut connection).await.expect("it can be written");
    }
}

partyline_tests::store_contract!(Files);

mod as_journal {
    use super::{AsJournal, Files};
    partyline_tests::journal_contract!(AsJournal::new(Files));
}
