//! What the adapter is set up with: host, limits, time limits, and the key.
//!
//! Reads no environment and no file. Tests are below, in its modules and in `tests/socket/`.

mod base_url;
mod key;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use base_url::{BaseUrl, InvalidBaseUrl};
pub use key::{ApiKey, InvalidApiKey};

/// Everything that can be set.
///
/// ```
/// use partyline_elevenlabs_adapter::{Region, Settings};
/// use std::time::Duration;
///
/// let settings = Settings { connect_timeout: Duration::from_secs(2), ..Settings::new(Region::Eu.base_url()) };
/// assert_eq!(settings.base_url.to_string(), "https://api.eu.residency.elevenlabs.io");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the provider is.
    pub base_url: BaseUrl,
    /// Whether plain `http` to a host other than this machine is allowed. It shows the key to the network.
    pub allow_insecure: bool,
    /// How long name look-up, connection and TLS handshake may take together.
    pub connect_timeout: Duration,
    /// How long a read or an assignment may take, per attempt.
    pub read_timeout: Duration,
    /// How long a dial may take beyond its ringing timeout.
    pub dial_margin: Duration,
    /// How long a connection that is not in use is kept. Short, so that a dial does not meet one that the
    /// server is just closing, which would leave the dial in doubt.
    pub pool_idle_timeout: Duration,
    /// How reads and assignments are repeated. Dials never are.
    pub repeats: Repeats,
    /// The largest answer that is read.
    pub body_bytes_max: usize,
    /// How many redirects a read follows, each to the same scheme, host and port only.
    pub redirects_max: u32,
}

/// How reads and assignments are repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeats {
    /// How many times a request is sent at most, the first time included; at least once.
    pub sends_max: u32,
    /// All attempts and the waits between them take at most this long.
    pub budget: Duration,
    /// The wait before the second attempt; doubles with each further one, plus a random part of itself.
    pub delay: Duration,
    /// The longest such wait. What the provider asks for (`Retry-After`) is kept to, whatever it is, or the
    /// request fails.
    pub delay_max: Duration,
}

impl Settings {
    /// The defaults, for the provider at `base_url`.
    pub fn new(base_url: BaseUrl) -> Self {
        Self {
            base_url,
            allow_insecure: false,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(15),
            // The SIP route answers only at pickup (`elevenlabs-api.md` section 3).
            dial_margin: Duration::from_secs(30),
            pool_idle_timeout: Duration::from_secs(5),
            repeats: Repeats::default(),
            // An agent's whole configuration comes with `GET agents/{id}`; the largest ones have some 100 KB.
            body_bytes_max: 8 * 1024 * 1024,
            redirects_max: 3,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(Region::Global.base_url())
    }
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            sends_max: 4,
            budget: Duration::from_secs(20),
            delay: Duration::from_millis(250),
            delay_max: Duration::from_secs(5),
        }
    }
}

/// The provider's own hosts (`elevenlabs-api.md` section 10). The residency hosts are separate workspaces
/// with keys and ids of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Region {
    /// Routed to the nearest place.
    #[default]
    Global,
    /// United States.
    Us,
    /// European Union, with data residency.
    Eu,
    /// India, with data residency.
    India,
    /// Singapore, with data residency.
    Singapore,
}

/// A text that names no region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("there is no region of that name (global, us, eu, in, sg)")]
pub struct UnknownRegion;

impl Region {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Global, Self::Us, Self::Eu, Self::India, Self::Singapore];

    /// Its short name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Us => "us",
            Self::Eu => "eu",
            Self::India => "in",
            Self::Singapore => "sg",
        }
    }

    /// Where it is.
    #[expect(clippy::missing_panics_doc, reason = "it cannot: the texts are constants, and a test parses them all")]
    pub fn base_url(self) -> BaseUrl {
        let text = match self {
            Self::Global => "https://api.elevenlabs.io",
            Self::Us => "https://api.us.elevenlabs.io",
            Self::Eu => "https://api.eu.residency.elevenlabs.io",
            Self::India => "https://api.in.residency.elevenlabs.io",
            Self::Singapore => "https://api.sg.residency.elevenlabs.io",
        };
        BaseUrl::parse(text).expect("written above as a base URL")
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Region {
    type Err = UnknownRegion;
    fn from_str(text: &str) -> Result<Self, UnknownRegion> {
        Self::ALL.into_iter().find(|region| region.as_str() == text).ok_or(UnknownRegion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_has_a_name_and_a_host() {
        for region in Region::ALL {
            assert_eq!(region.as_str().parse(), Ok(region));
            assert!(region.base_url().is_https());
        }
        assert_eq!("mars".parse::<Region>(), Err(UnknownRegion));
    }
}
