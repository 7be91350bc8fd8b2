//! The provider's address, and the routes below it.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// Where the provider is: scheme, host, port and, for a proxy in front of it, a path prefix.
///
/// ```
/// use partyline_elevenlabs_adapter::BaseUrl;
/// let base = BaseUrl::parse("http://127.0.0.1:8080/voice/")?;
/// assert_eq!(base.to_string(), "http://127.0.0.1:8080/voice");
/// assert!(BaseUrl::parse("api.elevenlabs.io").is_err());
/// # Ok::<(), partyline_elevenlabs_adapter::InvalidBaseUrl>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BaseUrl(Url);

/// A text that cannot be a base URL. The text is not repeated: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBaseUrl {
    /// Not a URL at all.
    #[error("the base URL is not a URL ({why}); write it as https://host or http://127.0.0.1:port")]
    NotAUrl {
        /// What the parser says.
        why: String,
    },
    /// Neither `https` nor `http`.
    #[error("the base URL begins with {scheme}:, not with https: or http:")]
    Scheme {
        /// What it begins with.
        scheme: String,
    },
    /// A user name, password, query or fragment.
    #[error("the base URL must not hold a user name, a password, a `?` or a `#`")]
    Surplus,
}

/// An id that has no place in a URL's path: `.` and `..` mean directories there, however they are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id of only dots cannot be asked for")]
pub(crate) struct UnfitId;

impl BaseUrl {
    /// Parses a base URL; a path prefix is kept, blanks around the text are not.
    ///
    /// # Errors
    /// [`InvalidBaseUrl`] says why a text is refused; it never repeats the text.
    pub fn parse(text: &str) -> Result<Self, InvalidBaseUrl> {
        let url = Url::parse(text.trim()).map_err(|error| InvalidBaseUrl::NotAUrl { why: error.to_string() })?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(InvalidBaseUrl::Scheme { scheme: url.scheme().to_owned() });
        }
        let surplus =
            !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some();
        if surplus { Err(InvalidBaseUrl::Surplus) } else { Ok(Self(url)) }
    }

    /// Whether what is sent there is encrypted.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// Host and, where it is not the scheme's own, port.
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The URL of a route; `{id}` in `template` becomes `id`, whatever characters it has.
    pub(crate) fn route(&self, template: &'static str, id: &str) -> Result<Url, UnfitId> {
        if matches!(id, "." | "..") {
            return Err(UnfitId);
        }
        let mut url = self.0.clone();
        url.path_segments_mut()
            .expect("http and https URLs have a path")
            .pop_if_empty()
            .extend(template.split('/').skip(1).map(|segment| if segment == "{id}" { id } else { segment }));
        Ok(url)
    }

    /// Whether `url` is at the same scheme, host and port, and carries no credentials of its own.
    pub(crate) fn is_home_of(&self, url: &Url) -> bool {
        url.origin() == self.0.origin() && url.username().is_empty() && url.password().is_none()
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidBaseUrl;
    fn from_str(text: &str) -> Result<Self, InvalidBaseUrl> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> BaseUrl {
        BaseUrl::parse(text).expect("a base URL")
    }

    #[test]
    fn ids_never_change_the_route() {
        let template = "/v1/convai/agents/{id}";
        for (id, path) in [
            ("agent_1", "/v1/convai/agents/agent_1"),
            ("a/b", "/v1/convai/agents/a%2Fb"),
            ("a?b#c", "/v1/convai/agents/a%3Fb%23c"),
            ("../numbers", "/v1/convai/agents/..%2Fnumbers"),
            ("%2e%2e", "/v1/convai/agents/%252e%252e"),
            ("a\\b", "/v1/convai/agents/a%5Cb"),
            ("ü", "/v1/convai/agents/%C3%BC"),
            ("{id}", "/v1/convai/agents/%7Bid%7D"),
        ] {
            let url = base("https://host").route(template, id).expect("fit");
            assert_eq!((url.path(), url.query(), url.fragment()), (path, None, None), "{id}");
            let again = Url::parse(url.as_str()).expect("a URL");
            assert_eq!(again.path_segments().map(Iterator::count), Some(4), "{id}");
        }
        assert_eq!(base("https://host").route(template, ".."), Err(UnfitId));
        assert_eq!(base("https://host").route(template, "."), Err(UnfitId));
    }

    #[test]
    fn a_path_prefix_is_kept() {
        for text in ["http://127.0.0.1:8080/a/b", "http://127.0.0.1:8080/a/b/"] {
            let url = base(text).route("/v1/convai/agents", "").expect("fit");
            assert_eq!(url.as_str(), "http://127.0.0.1:8080/a/b/v1/convai/agents");
        }
        assert_eq!(base(" https://host ").route("/v1/x", "").expect("fit").as_str(), "https://host/v1/x");
    }

    #[test]
    fn what_is_no_base_url_is_refused_without_being_repeated() {
        for text in [
            "",
            "host",
            "ftp://host",
            "https://",
            "https://user@host",
            "https://:secret@host",
            "https://h?a",
            "https://h#a",
        ] {
            let error = BaseUrl::parse(text).expect_err(text);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn this_machine_is_known() {
        for text in
            ["http://localhost", "http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:2", "http://a.localhost"]
        {
            assert!(base(text).is_loopback(), "{text}");
        }
        for text in ["http://192.168.0.1", "http://localhost.example", "https://api.elevenlabs.io"] {
            assert!(!base(text).is_loopback(), "{text}");
        }
    }

    #[test]
    fn home_is_scheme_host_and_port() {
        let home = base("https://host/a");
        for (url, same) in [
            ("https://host/b", true),
            ("https://host:443/b", true),
            ("https://HOST/b", true),
            ("http://host/b", false),
            ("https://host:444/b", false),
            ("https://host.example/b", false),
            ("https://user@host/b", false),
        ] {
            assert_eq!(home.is_home_of(&Url::parse(url).expect("a URL")), same, "{url}");
        }
    }
}
