//! What can go wrong: in opening a store, and in a statement.

use partyline_domain::ports::StoreUnavailable;
use partyline_domain::{JournalError, SideEffect};
use sqlx::error::ErrorKind;
use sqlx::postgres::PgDatabaseError;

/// A store that cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It cannot be reached, read or made.
    #[error("the store at {place} cannot be opened: {detail}")]
    Unavailable {
        /// Where it is, without a password.
        place: String,
        /// What happened, as a lowercase fragment.
        detail: String,
    },
    /// A newer program made it, or has upgraded it.
    #[error(
        "the store at {place} has tables of version {found}, and this program knows versions up to {known}: use a newer partyline"
    )]
    Newer {
        /// Where it is, without a password.
        place: String,
        /// The version of its tables.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// There is something else.
    #[error("{place} is not a store of partyline: {detail}")]
    Foreign {
        /// Where it is, without a password.
        place: String,
        /// What is there, as a lowercase fragment.
        detail: String,
    },
}

/// What a failed transaction means for whoever asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// It met another one: the same again will do.
    Met,
    /// The database is not well: the same again will do when it is.
    Trouble,
    /// The database does not take this, now or later.
    Refused,
}

/// A transaction that failed. It may have been committed all the same.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn trouble(detail: impl Into<String>) -> Self {
        Self { kind: FaultKind::Trouble, detail: detail.into() }
    }

    pub(crate) fn met(detail: impl Into<String>) -> Self {
        Self { kind: FaultKind::Met, detail: detail.into() }
    }

    /// Stored data that cannot be understood, or data that cannot be stored.
    pub(crate) fn refused(detail: impl Into<String>) -> Self {
        Self { kind: FaultKind::Refused, detail: detail.into() }
    }
}

impl From<Fault> for StoreUnavailable {
    fn from(fault: Fault) -> Self {
        Self { detail: fault.detail }
    }
}

impl From<Fault> for JournalError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable { detail: fault.detail, effect: SideEffect::None }
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Database(database) if database.kind() == ErrorKind::UniqueViolation => {
                Self::met(format!("another process was faster: {}", database.message()))
            }
            E::Database(database) => match database.try_downcast_ref::<PgDatabaseError>() {
                Some(server) => of_postgres(server),
                None => of_sqlite(database.code().and_then(|code| code.parse().ok()), database.message()),
            },
            E::Io(why) => Self::trouble(format!("the connection to the server is lost ({why})")),
            E::Tls(why) => Self::trouble(format!("no secure connection to the server ({why})")),
            E::PoolTimedOut => Self::trouble("no connection came free in time"),
            E::PoolClosed | E::WorkerCrashed | E::BeginFailed => Self::trouble("the store has been closed"),
            E::Protocol(why) => Self::trouble(format!("the connection to the server broke ({why})")),
            // The address could be in it.
            E::Configuration(_) => Self::refused("the address of the server cannot be understood"),
            E::InvalidArgument(_)
            | E::RowNotFound
            | E::TypeNotFound { .. }
            | E::ColumnIndexOutOfBounds { .. }
            | E::ColumnNotFound(_)
            | E::ColumnDecode { .. }
            | E::Encode(_)
            | E::Decode(_)
            | E::AnyDriverError(_)
            | E::Migrate(_)
            | E::InvalidSavePointStatement
            | _ => Self::refused(format!("a value in the store cannot be understood ({error})")),
        }
    }
}

/// Result codes of SQLite: <https://www.sqlite.org/rescode.html>. The low byte is the primary one.
fn of_sqlite(code: Option<u32>, message: &str) -> Fault {
    match code.unwrap_or_default() & 0xff {
        5 | 6 => Fault::trouble("another program holds the database locked"),
        8 => Fault::trouble("the database can only be read, not written"),
        10 => Fault::trouble(format!("the disk reports an error ({message})")),
        11 | 26 => Fault::trouble(format!("the database file is damaged, or is no database ({message})")),
        13 => Fault::trouble("the disk is full"),
        14 => Fault::trouble("the database file cannot be opened"),
        18..=20 | 25 => Fault::refused(message),
        _ => Fault::trouble(message),
    }
}

/// Error classes of PostgreSQL: appendix A of its manual.
fn of_postgres(server: &PgDatabaseError) -> Fault {
    let (code, message) = (server.code(), server.message());
    match (&code[..code.len().min(2)], code) {
        ("40", _) => Fault::met(message),
        ("22" | "23", _) => Fault::refused(message),
        (_, "25006") => Fault::trouble("the server takes no writes: it is a standby"),
        ("53", "53100") => Fault::trouble("the server's disk is full"),
        (_, "55P03") => Fault::trouble("another program holds rows locked"),
        ("57", "57P01" | "57P02" | "57P03") => Fault::trouble(format!("the server is not there for now ({message})")),
        _ => Fault::trouble(format!("the server says: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqlite_reports_is_said_plainly() {
        for (code, kind, part) in [
            (5, FaultKind::Trouble, "locked"),
            (517, FaultKind::Trouble, "locked"),
            (8, FaultKind::Trouble, "only be read"),
            (1032, FaultKind::Trouble, "only be read"),
            (13, FaultKind::Trouble, "disk is full"),
            (778, FaultKind::Trouble, "disk reports"),
            (11, FaultKind::Trouble, "damaged"),
            (14, FaultKind::Trouble, "opened"),
            (275, FaultKind::Refused, "message"),
            (1, FaultKind::Trouble, "message"),
        ] {
            let fault = of_sqlite(Some(code), "message");
            assert_eq!(fault.kind, kind, "{code}");
            assert!(fault.detail.contains(part), "{code}: {}", fault.detail);
        }
    }

    #[test]
    fn a_lost_connection_is_trouble_and_odd_data_is_not() {
        let lost = Fault::from(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()));
        assert_eq!(lost.kind, FaultKind::Trouble);
        let odd = Fault::from(sqlx::Error::RowNotFound);
        assert_eq!(odd.kind, FaultKind::Refused);
    }
}
