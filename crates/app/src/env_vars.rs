//! Every environment variable that is read, with its documentation. Nothing else reads the environment, but for
//! the search for the user's directories, which is `etcetera`'s.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;

/// The provider's API key.
pub(crate) const ELEVENLABS_API_KEY: &str = "ELEVENLABS_API_KEY";
/// Where the provider's API is.
pub(crate) const ELEVENLABS_BASE_URL: &str = "ELEVENLABS_BASE_URL";
/// Whether the key may travel over plain http to another machine.
pub(crate) const PARTYLINE_ALLOW_HTTP: &str = "PARTYLINE_ALLOW_HTTP";
/// The settings file.
pub(crate) const PARTYLINE_CONFIG: &str = "PARTYLINE_CONFIG";
/// The number to call from.
pub(crate) const PARTYLINE_NUMBER: &str = "PARTYLINE_NUMBER";
/// See `--assignment`.
pub(crate) const PARTYLINE_ASSIGNMENT: &str = "PARTYLINE_ASSIGNMENT";
/// See `--after-call`.
pub(crate) const PARTYLINE_AFTER_CALL: &str = "PARTYLINE_AFTER_CALL";
/// See `--proof`.
pub(crate) const PARTYLINE_PROOF: &str = "PARTYLINE_PROOF";
/// See `--lookup-window`.
pub(crate) const PARTYLINE_LOOKUP_WINDOW: &str = "PARTYLINE_LOOKUP_WINDOW";
/// See `--ringing-timeout`.
pub(crate) const PARTYLINE_RINGING_TIMEOUT: &str = "PARTYLINE_RINGING_TIMEOUT";
/// See `--settle`.
pub(crate) const PARTYLINE_SETTLE: &str = "PARTYLINE_SETTLE";
/// See `--log-format`.
pub(crate) const PARTYLINE_LOG_FORMAT: &str = "PARTYLINE_LOG_FORMAT";
/// See `--store`.
pub(crate) const PARTYLINE_STORE: &str = "PARTYLINE_STORE";
/// Where the user's settings are.
pub(crate) const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// Where the user's data is.
pub(crate) const XDG_DATA_HOME: &str = "XDG_DATA_HOME";
/// Which log lines are shown.
pub(crate) const RUST_LOG: &str = "RUST_LOG";
/// Whether output is coloured.
pub(crate) const NO_COLOR: &str = "NO_COLOR";

/// What begins so is ours.
const PREFIX: &str = "PARTYLINE_";

/// One variable.
pub(crate) struct EnvVar {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is for.
    pub(crate) doc: &'static str,
}

/// All variables, in the order in which they are told.
pub(crate) const ALL: &[EnvVar] = &[
    EnvVar { name: ELEVENLABS_API_KEY, doc: "the provider's API key; never read from a file or a flag" },
    EnvVar { name: ELEVENLABS_BASE_URL, doc: "where the provider's API is [default: https://api.elevenlabs.io]" },
    EnvVar { name: PARTYLINE_ALLOW_HTTP, doc: "`true` = the key may travel over plain http to another machine" },
    EnvVar { name: PARTYLINE_CONFIG, doc: "the settings file, as `--config`" },
    EnvVar { name: PARTYLINE_NUMBER, doc: "the number to call from, as `--number`" },
    EnvVar { name: PARTYLINE_ASSIGNMENT, doc: "as `--assignment`" },
    EnvVar { name: PARTYLINE_AFTER_CALL, doc: "as `--after-call`" },
    EnvVar { name: PARTYLINE_PROOF, doc: "as `--proof`" },
    EnvVar { name: PARTYLINE_LOOKUP_WINDOW, doc: "as `--lookup-window`" },
    EnvVar { name: PARTYLINE_RINGING_TIMEOUT, doc: "as `--ringing-timeout`" },
    EnvVar { name: PARTYLINE_SETTLE, doc: "as `--settle`" },
    EnvVar { name: PARTYLINE_LOG_FORMAT, doc: "as `--log-format`" },
    EnvVar { name: PARTYLINE_STORE, doc: "as `--store`; may hold the password of a server" },
    EnvVar { name: XDG_CONFIG_HOME, doc: "where `partyline/config.toml` is looked for [default: ~/.config]" },
    EnvVar { name: XDG_DATA_HOME, doc: "where `partyline/store.db` is kept [default: ~/.local/share]" },
    EnvVar { name: RUST_LOG, doc: "which log lines are shown, for example `partyline=debug`" },
    EnvVar { name: NO_COLOR, doc: "no colours, where set to anything" },
];

/// The part of the environment that is read. An empty variable counts as absent.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    values: BTreeMap<&'static str, String>,
    unreadable: Vec<&'static str>,
    unknown: Vec<String>,
}

impl Environment {
    /// Reads this process's environment.
    pub(crate) fn of_process() -> Self {
        Self::gather(std::env::vars_os())
    }

    /// Takes what is registered out of `variables`.
    pub(crate) fn gather(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            match (ALL.iter().find(|known| known.name == name), value.into_string()) {
                (Some(known), Ok(value)) if !value.is_empty() => {
                    environment.values.insert(known.name, value);
                }
                (Some(known), Err(_)) => environment.unreadable.push(known.name),
                (None, _) if name.starts_with(PREFIX) => environment.unknown.push(name.to_owned()),
                (Some(_), Ok(_)) | (None, _) => {}
            }
        }
        environment.unknown.sort();
        environment
    }

    /// A registered variable's value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Registered variables whose value is not Unicode.
    pub(crate) fn unreadable(&self) -> &[&'static str] {
        &self.unreadable
    }

    /// Variables that look like ours and are not.
    pub(crate) fn unknown(&self) -> &[String] {
        &self.unknown
    }
}

/// The list of all variables for the help text.
pub(crate) fn help() -> String {
    let width = ALL.iter().map(|known| known.name.len()).max().unwrap_or(0);
    ALL.iter().fold("Environment:\n".to_owned(), |mut text, EnvVar { name, doc }| {
        let _ = writeln!(text, "  {name:width$}  {doc}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(pairs: &[(&str, &str)]) -> Environment {
        Environment::gather(pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
    }

    #[test]
    fn only_registered_variables_are_kept() {
        let environment = gather(&[("ELEVENLABS_API_KEY", "test-key"), ("HOME", "/root"), ("PARTYLINE_PROFF", "off")]);
        assert_eq!(environment.get(ELEVENLABS_API_KEY), Some("test-key"));
        assert_eq!(environment.get("HOME"), None);
        assert_eq!(environment.unknown(), ["PARTYLINE_PROFF"]);
    }

    #[test]
    fn an_empty_variable_is_absent() {
        assert_eq!(gather(&[("ELEVENLABS_API_KEY", "")]).get(ELEVENLABS_API_KEY), None);
    }

    #[test]
    fn the_help_names_every_variable() {
        let help = help();
        assert!(ALL.iter().all(|known| help.contains(known.name)), "{help}");
    }
}
