//! Where a store is: a file, or a server.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::OpenError;
use crate::options::StoreOptions;
use crate::store::SqlStore;
use crate::{postgres, sqlite};

/// A text that names no store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPlace {
    /// Nothing was given.
    #[error("the store's place is empty: give a path, sqlite:PATH or postgres://...")]
    Empty,
    /// An address of another kind.
    #[error("a store cannot be at an address of kind {0:?}: give a path, sqlite:PATH or postgres://...")]
    UnknownScheme(String),
    /// An address of a server that cannot be understood. It is not repeated: it may hold a password.
    #[error(
        "the address of the PostgreSQL server cannot be understood: it is postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    )]
    BadAddress,
}

/// Where a store is. Prints without the password.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// A file on this machine.
    Sqlite(PathBuf),
    /// A server.
    Postgres(ServerUrl),
}

/// The address of a PostgreSQL server, with its password. Prints without it.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The whole address. For the driver only.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl Place {
    /// Parses a path, `sqlite:PATH`, `sqlite://PATH` or `postgres://...`.
    ///
    /// ```
    /// use partyline_store_adapter::Place;
    /// let server = Place::parse("postgres://ada:secret@db.localhost/partyline?password=secret&x=1")?;
    /// assert_eq!(server.to_string(), "postgres://ada@db.localhost/partyline?x=1");
    /// assert_eq!(Place::parse("sqlite:calls.db")?, Place::parse("calls.db")?);
    /// assert!(Place::parse("mysql://localhost").is_err());
    /// # Ok::<(), partyline_store_adapter::InvalidPlace>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidPlace`] where the text is empty or an address of another kind.
    pub fn parse(text: &str) -> Result<Self, InvalidPlace> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidPlace::Empty);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(ServerUrl(text.to_owned())));
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(InvalidPlace::Empty) } else { Ok(Self::Sqlite(path.into())) };
        }
        match text.split_once("://") {
            Some((scheme, _)) => Err(InvalidPlace::UnknownScheme(scheme.to_owned())),
            None => Ok(Self::Sqlite(text.into())),
        }
    }

    /// Opens the store there, makes it where there is none, and upgrades it where it is old.
    ///
    /// # Errors
    /// [`OpenError`] where it cannot be reached or used; a newer one is refused.
    pub async fn open(&self, options: StoreOptions) -> Result<SqlStore, OpenError> {
        match self {
            Self::Sqlite(path) => sqlite::open(path, options).await,
            Self::Postgres(url) => postgres::connect(url, options).await,
        }
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self::Sqlite(path.to_owned())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => write!(f, "{url}"),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("postgres", &self.0));
        // A password may hold any character, also an @, a slash or a ? that should have been written otherwise.
        let (user, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (host, query) = place.split_once('?').unwrap_or((place, ""));
        let user = user.split(':').next().unwrap_or_default();
        let at = if user.is_empty() { "" } else { "@" };
        write!(f, "{scheme}://{user}{at}{host}")?;
        let harmless = |part: &&str| !part.is_empty() && !part.to_ascii_lowercase().contains("password");
        let shown: Vec<&str> = query.split('&').filter(harmless).collect();
        if shown.is_empty() { Ok(()) } else { write!(f, "?{}", shown.join("&")) }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_addresses_are_told_apart() {
        let sqlite = |path: &str| Ok(Place::Sqlite(path.into()));
        assert_eq!(Place::parse("/var/lib/calls.db"), sqlite("/var/lib/calls.db"));
        assert_eq!(Place::parse("sqlite:calls.db"), sqlite("calls.db"));
        assert_eq!(Place::parse("sqlite:///var/calls.db"), sqlite("/var/calls.db"));
        assert_eq!(Place::parse(" "), Err(InvalidPlace::Empty));
        assert_eq!(Place::parse("sqlite:"), Err(InvalidPlace::Empty));
        assert_eq!(Place::parse("redis://localhost"), Err(InvalidPlace::UnknownScheme("redis".into())));
    }

    #[test]
    fn no_password_is_ever_printed() {
        for text in [
            "postgres://ada:secret@localhost:5433/calls",
            "postgresql://ada:secret/@with@signs:secret@localhost/calls",
            "postgres:///calls?host=/run/pg&user=ada&password=secret",
            "postgres://:secret@localhost",
        ] {
            let place = Place::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            for shown in [place.to_string(), format!("{place:?}")] {
                assert!(!shown.contains("secret"), "{shown}");
                assert!(!shown.contains("@with"), "{shown}");
            }
        }
        let place = Place::parse("postgres:///calls?host=/run/pg&user=ada&password=secret").expect("valid");
        assert_eq!(place.to_string(), "postgres:///calls?host=/run/pg&user=ada");
    }
}
