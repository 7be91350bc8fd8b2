//! The file: its rights, its version, what is in it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use partyline_domain::ports::{Accepted, Journal as _, Store as _};
use partyline_store_adapter::{Archive as _, CallFilter, OpenError, StoreKind, sqlite};
use sqlx::Connection as _;

use crate::support::{Folder, KEY, call, new_call, open, options};

fn mode(path: &Path) -> u32 {
    fs_err::metadata(path).unwrap_or_else(|why| panic!("{why}")).permissions().mode() & 0o777
}

async fn change(file: &Path, sql: &'static str) {
    let mut connection =
        sqlx::SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.expect("it can be opened");
    sqlx::raw_sql(sql).execute(&mut connection).await.expect("it can be changed");
    connection.close().await.expect("it can be closed");
}

#[tokio::test]
async fn only_its_owner_can_read_the_file() {
    let folder = Folder::new();
    let store = open(&folder.file(), "ada").await;
    store.submit(vec![new_call("c1", "n1")]).await.expect("answers");
    for end in ["", "-wal", "-shm"] {
        let path = format!("{}{end}", folder.file().display());
        assert_eq!(mode(Path::new(&path)), 0o600, "{path}");
    }
    assert_eq!(mode(&folder.path().join("deep")), 0o700);
    store.close().await;
}

#[tokio::test]
async fn what_was_written_is_there_when_it_is_opened_again() {
    let folder = Folder::new();
    for round in 0..3 {
        let store = open(&folder.file(), &format!("run_{round}")).await;
        let expected = if round == 0 { Accepted::New } else { Accepted::Again };
        assert_eq!(store.submit(vec![new_call("c1", "n1")]).await, Ok(vec![expected]));
        assert_eq!(store.events(&call("c1"), 0).await.expect("answers").len(), 1);
        let info = store.info().await.expect("answers");
        assert_eq!((info.kind, info.schema, info.calls), (StoreKind::Sqlite, 1, 1));
        assert!(info.bytes > 0);
        store.close().await;
    }
}

#[tokio::test]
async fn looking_writes_nothing() {
    let folder = Folder::new();
    let store = open(&folder.file(), "ada").await;
    store.submit(vec![new_call("c1", "n1")]).await.expect("answers");
    store.close().await;
    let before = fs_err::read(folder.file()).expect("it is there");
    let store = open(&folder.file(), "bob").await;
    assert_eq!(store.calls(&CallFilter::default()).await.expect("answers").len(), 1);
    store.close().await;
    assert_eq!(fs_err::read(folder.file()).expect("it is there"), before);
}

#[tokio::test]
async fn several_open_a_new_file_at_once() {
    let folder = Folder::new();
    let file = folder.file();
    let names: Vec<String> = (0..8).map(|index| format!("run_{index}")).collect();
    let opened = futures_util::future::join_all(names.iter().map(|name| open(&file, name))).await;
    assert_eq!(opened.len(), 8);
}

#[tokio::test]
async fn a_newer_file_is_refused_and_left_alone() {
    let folder = Folder::new();
    open(&folder.file(), "ada").await.close().await;
    change(&folder.file(), "PRAGMA user_version = 7").await;
    let before = fs_err::read(folder.file()).expect("it is there");
    let refused = sqlite::open(&folder.file(), options("bob", KEY)).await.expect_err("it is newer");
    assert!(matches!(refused, OpenError::Newer { found: 7, known: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("use a newer partyline"), "{refused}");
    assert_eq!(fs_err::read(folder.file()).expect("it is there"), before);
}

#[tokio::test]
async fn another_programs_file_is_refused() {
    let folder = Folder::new();
    let file = folder.path().join("other.db");
    fs_err::write(&file, "").expect("it can be written");
    change(&file, "CREATE TABLE theirs (x)").await;
    let refused = sqlite::open(&file, options("ada", KEY)).await.expect_err("it is theirs");
    assert!(matches!(refused, OpenError::Foreign { .. }), "{refused}");
    fs_err::write(&file, "this is a text of more than a hundred bytes, which is no database at all, ".repeat(99))
        .expect("it can be written");
    let refused = sqlite::open(&file, options("ada", KEY)).await.expect_err("it is a text");
    assert!(matches!(refused, OpenError::Foreign { .. }), "{refused}");
}

#[tokio::test]
async fn a_place_that_cannot_be_used_is_told() {
    let folder = Folder::new();
    let refused = sqlite::open(folder.path(), options("ada", KEY)).await.expect_err("it is a folder");
    assert!(matches!(refused, OpenError::Unavailable { .. }), "{refused}");
}

#[tokio::test]
async fn the_key_is_nowhere_in_the_file() {
    let folder = Folder::new();
    let store = open(&folder.file(), "ada").await;
    store.submit(vec![new_call("c1", "n1")]).await.expect("answers");
    for end in ["", "-wal"] {
        let bytes = fs_err::read(format!("{}{end}", folder.file().display())).expect("it is there");
        let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert!(!found, "the key is in the file{end}");
    }
    store.close().await;
}

#[tokio::test]
async fn accounts_see_nothing_of_each_other() {
    let folder = Folder::new();
    let one = open(&folder.file(), "ada").await;
    let other = sqlite::open(&folder.file(), options("bob", "another-key")).await.unwrap_or_else(|why| panic!("{why}"));
    one.submit(vec![new_call("c1", "n1")]).await.expect("answers");
    let claimed = other.claim(&crate::support::claim(1, 10)).await.expect("answers");
    assert_eq!((claimed.numbers.len(), claimed.calls.len()), (0, 0));
    assert_eq!(other.calls(&CallFilter::default()).await, Ok(Vec::new()));
    assert_eq!(other.submit(vec![new_call("c1", "n1")]).await, Ok(vec![Accepted::New]));
    let taken = other.claim(&crate::support::claim(2, 10)).await.expect("answers");
    assert_eq!(taken.numbers[0].epoch, 1);
    let mine = one.claim(&crate::support::claim(1, 10)).await.expect("answers");
    assert_eq!((mine.numbers[0].epoch, mine.calls.len()), (1, 1));
    assert_eq!(one.numbers().await.expect("answers").len(), 1);
}
