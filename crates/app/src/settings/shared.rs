//! Where processes meet that share numbers, and what they may do together: `[store]` and `[limits]`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use partyline_domain::SharingPolicy;
use partyline_domain::ports::Rate;
use secrecy::{ExposeSecret as _, SecretString};

use super::choices;

/// The store below the XDG data directory.
pub(super) const USER_STORE: &str = "partyline/store.db";
/// What was expected of a place.
const EXPECTED: &str = "expected `memory`, a path, `sqlite:<PATH>` or `postgres://<USER>@<HOST>/<DATABASE>`";

/// Where the store is.
#[derive(Clone)]
pub(crate) enum Place {
    /// Nowhere: nothing is shared, and nothing outlives the process.
    Memory,
    /// In a file on this machine.
    File(PathBuf),
    /// On a server. The address may hold a password.
    Server(SecretString),
}

/// `[store]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoreSettings {
    /// Where it is; `None` where nobody says and there is no home directory.
    pub(crate) place: Option<Place>,
    /// How long after it was sent a request may still take effect.
    pub(crate) lateness: Option<Duration>,
    /// How long a process that is not heard of keeps its numbers.
    pub(crate) lease: Option<Duration>,
}

/// `[limits]`, and the flags of the same names: for all processes together where they share a store.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Limits {
    pub(crate) max_in_flight: Option<usize>,
    pub(crate) max_live: Option<usize>,
    pub(crate) dials_per_second: Option<Rate>,
    pub(crate) requests_per_second: Option<Rate>,
}

impl Place {
    /// Reads a place. A path counts from the working directory.
    ///
    /// # Errors
    /// What was expected, as a fragment; the text is not repeated, since it may hold a password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "memory" {
            return Ok(Self::Memory);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Server(SecretString::from(text)));
        }
        let path = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")).unwrap_or(text);
        if path.is_empty() || path.contains("://") || path.contains('\0') || path.ends_with('/') {
            return Err(EXPECTED.to_owned());
        }
        Ok(Self::File(PathBuf::from(path)))
    }

    /// For people: without user and password.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Memory => "memory".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Server(address) => without_login(address.expose_secret()),
        }
    }

    /// A path counted from `folder`, where it is not a whole one.
    pub(super) fn below(self, folder: Option<&Path>) -> Self {
        match (self, folder) {
            (Self::File(path), Some(folder)) => Self::File(folder.join(path)),
            (place @ (Self::Memory | Self::File(_) | Self::Server(_)), _) => place,
        }
    }
}

/// The address of a server without who logs in and how, and without parameters.
fn without_login(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return "a server".to_owned() };
    // A password may hold everything, also an `@` or a `?`.
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let place = place.split(['?', '#']).next().unwrap_or_default();
    let (host, database) = place.split_once('/').unwrap_or((place, ""));
    format!("{scheme}://{host}/{database}")
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told())
    }
}

/// The shortest and the longest lateness.
const LATENESS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60 * 60));
/// The shortest and the longest lease.
const LEASE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10 * 60));
/// The longest that a dial may take beyond its ringing.
const MARGIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10 * 60));

/// Reads how long after it was sent a request may still take effect.
///
/// # Errors
/// What was expected, as a fragment.
pub(super) fn lateness(text: &str) -> Result<Duration, String> {
    within(LATENESS, "1 second (`1s`) to 1 hour (`1h`)", text)
}

/// Reads how long a lease holds.
///
/// # Errors
/// What was expected, as a fragment.
pub(super) fn lease(text: &str) -> Result<Duration, String> {
    within(LEASE, "half a second (`500ms`) to 10 minutes (`10m`)", text)
}

/// Reads how long a dial may take beyond its ringing.
///
/// # Errors
/// What was expected, as a fragment.
pub(super) fn dial_margin(text: &str) -> Result<Duration, String> {
    within(MARGIN, "100 milliseconds (`100ms`) to 10 minutes (`10m`)", text)
}

fn within((least, most): (Duration, Duration), told: &str, text: &str) -> Result<Duration, String> {
    let duration = choices::duration(text)?;
    if (least..=most).contains(&duration) { Ok(duration) } else { Err(format!("expected {told}")) }
}

impl StoreSettings {
    /// How numbers are shared: the proportions of the defaults, for leases of another length.
    pub(crate) fn sharing(&self) -> SharingPolicy {
        let usual = SharingPolicy::default();
        let Some(ttl) = self.lease else { return usual };
        let part = |part: Duration| ttl.mul_f64(part.as_secs_f64() / usual.ttl.as_secs_f64());
        SharingPolicy {
            ttl,
            margin: part(usual.margin),
            renew_every: part(usual.renew_every),
            retry_after: usual.retry_after.min(ttl / 10),
            ..usual
        }
    }
}

impl Limits {
    /// These limits, and those of `lower` where there are none.
    pub(crate) fn or(self, lower: Self) -> Self {
        Self {
            max_in_flight: self.max_in_flight.or(lower.max_in_flight),
            max_live: self.max_live.or(lower.max_live),
            dials_per_second: self.dials_per_second.or(lower.dials_per_second),
            requests_per_second: self.requests_per_second.or(lower.requests_per_second),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_of_three() {
        for (text, told) in [
            ("memory", "memory"),
            ("store.db", "store.db"),
            ("sqlite:/var/lib/partyline.db", "/var/lib/partyline.db"),
            ("sqlite:///var/lib/partyline.db", "/var/lib/partyline.db"),
            ("postgres://ada:se@cr/et@db.internal:5432/calls?sslmode=require", "postgres://db.internal:5432/calls"),
            ("postgresql://db", "postgresql://db/"),
            ("postgres:///calls?host=/run/postgresql&password=secret", "postgres:///calls"),
        ] {
            let place = Place::parse(text).expect(text);
            assert_eq!(place.told(), told);
            assert_eq!(format!("{place:?}"), told);
        }
        for text in ["", "sqlite:", "mysql://ada:secret@db/calls", "folder/"] {
            assert_eq!(Place::parse(text).err().as_deref(), Some(EXPECTED), "{text}");
        }
    }

    #[test]
    fn a_path_in_a_file_counts_from_where_the_file_is() {
        let place = |text: &str| Place::parse(text).expect(text).below(Some(Path::new("/etc/partyline"))).told();
        assert_eq!(place("store.db"), "/etc/partyline/store.db");
        assert_eq!(place("/var/store.db"), "/var/store.db");
        assert_eq!(place("memory"), "memory");
    }

    #[test]
    fn a_lease_keeps_its_proportions() {
        let usual = SharingPolicy::default();
        assert_eq!(StoreSettings::default().sharing(), usual);
        let same = StoreSettings { lease: Some(usual.ttl), ..StoreSettings::default() };
        assert_eq!(same.sharing(), usual);
        let short = StoreSettings { lease: Some(Duration::from_secs(1)), ..StoreSettings::default() }.sharing();
        assert_eq!((short.margin, short.renew_every), (Duration::from_millis(50), Duration::from_millis(300)));
        assert!(short.margin + short.renew_every < short.ttl);
    }

    #[test]
    fn times_have_bounds() {
        assert_eq!(lateness("1s"), Ok(Duration::from_secs(1)));
        assert!(lateness("61m").is_err() && lateness("999ms").is_err());
        assert!(lease("499ms").is_err() && lease("10s").is_ok());
        assert!(dial_margin("1s").is_ok() && dial_margin("1ms").is_err());
    }
}
