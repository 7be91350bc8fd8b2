//! The settings file. It is walked by hand rather than derived: errors name line, column and key, unknown
//! keys are refused with the nearest known one, and no value is ever repeated, since it may be a secret.

mod shared;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use partyline_domain::{AgentId, PhoneNumberId};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::choices::{self, CallChoices};
use super::shared::{Limits, StoreSettings};
use crate::resolve::nearest;

/// What a settings file says.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileSettings {
    pub(crate) agents: BTreeMap<String, AgentId>,
    pub(crate) numbers: BTreeMap<String, NumberSettings>,
    pub(crate) provider: ProviderSettings,
    pub(crate) number: Option<String>,
    pub(crate) call: CallChoices,
    pub(crate) store: StoreSettings,
    pub(crate) limits: Limits,
}

/// `[provider]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProviderSettings {
    pub(crate) base_url: Option<String>,
    pub(crate) dial_margin: Option<Duration>,
}

/// `[numbers.<alias>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberSettings {
    pub(crate) id: PhoneNumberId,
    pub(crate) call: CallChoices,
}

/// What is wrong with a settings file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub(crate) struct FileError {
    /// Counted from 1.
    pub(crate) line: usize,
    /// In characters, counted from 1.
    pub(crate) column: usize,
    /// A lowercase fragment that repeats no value.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
}

const TABLES: &[&str] = &["agents", "numbers", "provider", "call", "store", "limits"];
const PROVIDER_KEYS: &[&str] = &["base_url", "dial_margin"];
const CHOICE_KEYS: &[&str] =
    &["assignment", "after_call", "proof", "lookup_window", "settle", "ringing_timeout", "recording", "dial_retry"];
const KEY_ADVICE: &str = "take it out of the file and set the environment variable `ELEVENLABS_API_KEY`";

/// What is wrong, and which bytes of the file it is about.
struct Wrong {
    at: Range<usize>,
    message: String,
    hint: Option<String>,
}

type Outcome<T> = Result<T, Wrong>;

/// A table's key and value, borrowed.
type Pair<'a, 'i> = (&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>);

impl FileSettings {
    /// Reads a whole file.
    ///
    /// # Errors
    /// [`FileError`] for the first thing that is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, FileError> {
        let parsed = DeTable::parse(text).map_err(|error| {
            let at = error.span().unwrap_or(0..0);
            let message = error.message().lines().collect::<Vec<_>>().join("; ");
            match key_at(text, at.start) {
                Some(key) => Wrong::at(at, format!("`{key}`: {message}")),
                None => Wrong::at(at, message),
            }
        });
        parsed.and_then(|root| read_root(root.get_ref())).map_err(|wrong| wrong.locate(text))
    }
}

impl Wrong {
    fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { at: span, message: message.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn locate(self, text: &str) -> FileError {
        let before = text.get(..self.at.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        FileError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: self.message,
            hint: self.hint,
        }
    }
}

/// The key of the line at this place, where the line has one that can be nothing else.
fn key_at(text: &str, at: usize) -> Option<&str> {
    let (before, after) = text.split_at_checked(at)?;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let end = after.find('\n').map_or(text.len(), |length| at + length);
    let (key, _) = text[start..end].split_once('=')?;
    let key = key.trim();
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!key.is_empty() && key.chars().all(is_bare)).then_some(key)
}

fn read_root(root: &DeTable<'_>) -> Outcome<FileSettings> {
    let mut settings = FileSettings::default();
    for pair in root {
        match pair.0.get_ref().as_ref() {
            "agents" => settings.agents = read_agents(table("agents", pair)?)?,
            "numbers" => settings.numbers = read_numbers(table("numbers", pair)?)?,
            "provider" => settings.provider = read_provider(table("provider", pair)?)?,
            "call" => read_call(table("call", pair)?, &mut settings)?,
            "store" => settings.store = shared::read_store(table("store", pair)?)?,
            "limits" => settings.limits = shared::read_limits(table("limits", pair)?)?,
            _ => return Err(unknown("", pair, TABLES)),
        }
    }
    Ok(settings)
}

fn read_agents(agents: &DeTable<'_>) -> Outcome<BTreeMap<String, AgentId>> {
    let read = |pair: Pair<'_, '_>| {
        let (alias, path) = alias("agents", pair)?;
        let id =
            AgentId::parse(text(&path, pair)?).map_err(|why| Wrong::at(pair.1.span(), format!("`{path}`: {why}")))?;
        Ok((alias, id))
    };
    agents.iter().map(read).collect()
}

fn read_numbers(numbers: &DeTable<'_>) -> Outcome<BTreeMap<String, NumberSettings>> {
    let read = |pair: Pair<'_, '_>| {
        let (alias, path) = alias("numbers", pair)?;
        if pair.1.get_ref().is_str() {
            let wrong = Wrong::at(pair.1.span(), format!("`{path}`: expected a table, found a string"));
            return Err(wrong.hint(format!("write `[{path}]` and below it `id = \"...\"`")));
        }
        Ok((alias, read_number(&path, pair)?))
    };
    numbers.iter().map(read).collect()
}

fn read_number(path: &str, pair: Pair<'_, '_>) -> Outcome<NumberSettings> {
    let mut id = None;
    let mut call = CallChoices::default();
    for inner in table(path, pair)? {
        let key = format!("{path}.{}", inner.0.get_ref());
        if inner.0.get_ref() == "id" {
            let parsed = PhoneNumberId::parse(text(&key, inner)?);
            id = Some(parsed.map_err(|why| Wrong::at(inner.1.span(), format!("`{key}`: {why}")))?);
        } else if !read_choice(&key, inner, &mut call)? {
            let known: Vec<&str> = ["id"].iter().chain(CHOICE_KEYS).copied().collect();
            return Err(unknown(path, inner, &known));
        }
    }
    let missing = || Wrong::at(pair.0.span(), format!("`{path}`: `id` is missing"));
    let id = id.ok_or_else(|| missing().hint("see the ids with `partyline numbers`"))?;
    Ok(NumberSettings { id, call })
}

fn read_provider(provider: &DeTable<'_>) -> Outcome<ProviderSettings> {
    let mut settings = ProviderSettings::default();
    for pair in provider {
        match pair.0.get_ref().as_ref() {
            "base_url" => settings.base_url = Some(text("provider.base_url", pair)?.to_owned()),
            "dial_margin" => settings.dial_margin = Some(shared::dial_margin("provider.dial_margin", pair)?),
            _ => return Err(unknown("provider", pair, PROVIDER_KEYS)),
        }
    }
    Ok(settings)
}

fn read_call(call: &DeTable<'_>, settings: &mut FileSettings) -> Outcome<()> {
    for pair in call {
        let key = format!("call.{}", pair.0.get_ref());
        if pair.0.get_ref() == "number" {
            settings.number = Some(text(&key, pair)?.to_owned());
        } else if !read_choice(&key, pair, &mut settings.call)? {
            let known: Vec<&str> = ["number"].iter().chain(CHOICE_KEYS).copied().collect();
            return Err(unknown("call", pair, &known));
        }
    }
    Ok(())
}

/// Reads one of [`CHOICE_KEYS`]; `false` where the key is none of them.
fn read_choice(key: &str, pair: Pair<'_, '_>, call: &mut CallChoices) -> Outcome<bool> {
    let wrong = |expected: String| Wrong::at(pair.1.span(), format!("`{key}`: {expected}"));
    match pair.0.get_ref().as_ref() {
        "assignment" => call.assignment = Some(choices::word(choices::ASSIGNMENT, text(key, pair)?).map_err(wrong)?),
        "after_call" => call.after_call = Some(choices::word(choices::AFTER_CALL, text(key, pair)?).map_err(wrong)?),
        "proof" => call.proof = Some(choices::word(choices::PROOF, text(key, pair)?).map_err(wrong)?),
        "lookup_window" => call.lookup_window = Some(choices::lookup_window(text(key, pair)?).map_err(wrong)?),
        "settle" => call.settle = Some(choices::settle(text(key, pair)?).map_err(wrong)?),
        "ringing_timeout" => {
            let seconds = match pair.1.get_ref().as_integer() {
                Some(integer) => integer.as_str(),
                None => text(key, pair)?,
            };
            call.ringing_timeout = Some(choices::ringing_timeout(seconds).map_err(wrong)?);
        }
        "recording" => call.recording = Some(boolean(key, pair)?),
        "dial_retry" => call.dial_retry = Some(boolean(key, pair)?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// An alias as it is written, and its path in the file.
fn alias(table: &str, pair: Pair<'_, '_>) -> Outcome<(String, String)> {
    let name = pair.0.get_ref().as_ref();
    refuse_secret(table, pair)?;
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Wrong::at(pair.0.span(), format!("an alias in `[{table}]` is empty or holds a control character")));
    }
    Ok((name.to_owned(), format!("{table}.{name}")))
}

fn unknown(path: &str, pair: Pair<'_, '_>, known: &[&str]) -> Wrong {
    if let Err(secret) = refuse_secret(path, pair) {
        return secret;
    }
    let name = pair.0.get_ref().as_ref();
    let place = if path.is_empty() { "at the top level".to_owned() } else { format!("in `[{path}]`") };
    let list: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
    let hint = match nearest(name, known.iter().copied()) {
        Some(key) => format!("did you mean `{key}`? known keys: {}", list.join(", ")),
        None => format!("known keys: {}", list.join(", ")),
    };
    Wrong::at(pair.0.span(), format!("unknown key `{name}` {place}")).hint(hint)
}

/// Refuses what looks like an API key by its name or by its value.
fn refuse_secret(path: &str, pair: Pair<'_, '_>) -> Outcome<()> {
    let name: String = pair.0.get_ref().chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    let named = name.contains("apikey") || ["key", "token", "secret", "password"].contains(&name.as_str());
    // The provider's keys begin with `sk_`; no id does.
    let valued = pair.1.get_ref().as_str().is_some_and(|value| value.starts_with("sk_"));
    if named || valued {
        let dot = if path.is_empty() { "" } else { "." };
        let message = format!("`{path}{dot}{}`: an API key does not belong in this file", pair.0.get_ref());
        return Err(Wrong::at(pair.0.span(), message).hint(KEY_ADVICE));
    }
    Ok(())
}

fn table<'a, 'i>(path: &str, pair: Pair<'a, 'i>) -> Outcome<&'a DeTable<'i>> {
    pair.1.get_ref().as_table().ok_or_else(|| mistyped(path, pair, "a table"))
}

fn text<'a>(key: &str, pair: Pair<'a, '_>) -> Outcome<&'a str> {
    pair.1.get_ref().as_str().ok_or_else(|| mistyped(key, pair, "a text in quotes"))
}

fn boolean(key: &str, pair: Pair<'_, '_>) -> Outcome<bool> {
    pair.1.get_ref().as_bool().ok_or_else(|| mistyped(key, pair, "`true` or `false`"))
}

fn mistyped(key: &str, pair: Pair<'_, '_>, expected: &str) -> Wrong {
    let found = pair.1.get_ref().type_str();
    let article = if found.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    Wrong::at(pair.1.span(), format!("`{key}`: expected {expected}, found {article} {found}"))
}

#[cfg(test)]
mod tests {
    use partyline_domain::ports::Rate;
    use partyline_domain::{AfterCall, RingingTimeout};

    use super::*;

    fn wrong(text: &str) -> FileError {
        FileSettings::parse(text).expect_err("this file is wrong")
    }

    #[test]
    fn the_documented_file_is_read() {
        let text = r#"
            [agents]
            restaurant  = "agent_r"
            "front desk" = "agent_h"

            [numbers.main]
            id = "phnum_1"
            after_call = "restore"
            ringing_timeout = 45

            [provider]
            base_url = "http://127.0.0.1:8080"
            dial_margin = "10s"

            [store]
            place = "postgres://ada:secret@db/calls"
            lateness = "90s"
            lease = "5s"

            [limits]
            max_in_flight = 8
            max_live = "20"
            dials_per_second = 1
            requests_per_second = 2.5

            [call]
            number = "main"
            lookup_window = "90s"
            dial_retry = false
        "#;
        let settings = FileSettings::parse(text).expect("a good file");
        assert_eq!(settings.agents["front desk"].as_str(), "agent_h");
        assert_eq!(settings.numbers["main"].id.as_str(), "phnum_1");
        assert_eq!(settings.numbers["main"].call.after_call, Some(AfterCall::Restore));
        assert_eq!(settings.numbers["main"].call.ringing_timeout.map(RingingTimeout::seconds), Some(45));
        assert_eq!(settings.provider.base_url.as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(settings.number.as_deref(), Some("main"));
        assert_eq!(settings.call.lookup_window, Some(Duration::from_secs(90)));
        assert_eq!(settings.call.dial_retry, Some(false));
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(settings.provider.dial_margin, seconds(10));
        assert_eq!((settings.store.lateness, settings.store.lease), (seconds(90), seconds(5)));
        assert_eq!(settings.store.place.map(|place| place.told()).as_deref(), Some("postgres://db/calls"));
        let limits = settings.limits;
        assert_eq!((limits.max_in_flight, limits.max_live), (Some(8), Some(20)));
        let interval = |rate: Option<Rate>| rate.map(Rate::interval);
        assert_eq!(interval(limits.dials_per_second), seconds(1));
        assert_eq!(interval(limits.requests_per_second), Some(Duration::from_millis(400)));
    }

    #[test]
    fn errors_name_line_column_and_key() {
        for (text, message, hint) in [
            (
                "[agent]\nx = \"y\"\n",
                "line 1, column 2: unknown key `agent` at the top level",
                "did you mean `agents`?",
            ),
            (
                "\n[call]\n  prof = \"off\"\n",
                "line 3, column 3: unknown key `prof` in `[call]`",
                "did you mean `proof`?",
            ),
            ("[call]\nproof = \"maybe\"\n", "line 2, column 9: `call.proof`: expected `off`, `once`, `required`", ""),
            (
                "[agents]\nhotel = 3\n",
                "line 2, column 9: `agents.hotel`: expected a text in quotes, found an integer",
                "",
            ),
            ("[agents]\nhotel = \"a b\"\n", "line 2, column 9: `agents.hotel`: an agent id holds a blank", ""),
            (
                "[numbers.main]\nlabel = \"x\"\n",
                "line 2, column 1: unknown key `label` in `[numbers.main]`",
                "known keys: `id`",
            ),
            (
                "[numbers.main]\nafter_call = \"keep\"\n",
                "line 1, column 10: `numbers.main`: `id` is missing",
                "partyline numbers",
            ),
            ("[numbers]\nmain = \"phnum_1\"\n", "line 2, column 8: `numbers.main`: expected a table", "[numbers.main]"),
            ("[store]\nplace = \"mysql://x\"\n", "line 2, column 9: `store.place`: expected `memory`, a path", ""),
            ("[store]\nlease = \"1ms\"\n", "line 2, column 9: `store.lease`: expected half a second", ""),
            ("[limits]\nmax_live = 0\n", "line 2, column 12: `limits.max_live`: expected a whole number from 1 on", ""),
            ("[limits]\nmax_liv = 1\n", "line 2, column 1: unknown key `max_liv` in `[limits]`", "`max_live`?"),
            ("[call]\nringing_timeout = 0\n", "line 2, column 19: `call.ringing_timeout`: expected whole seconds", ""),
        ] {
            let error = wrong(text);
            assert!(error.to_string().starts_with(message), "{text}: {error}");
            assert!(error.hint.clone().unwrap_or_default().contains(hint), "{text}: {:?}", error.hint);
        }
    }

    #[test]
    fn broken_syntax_has_a_line() {
        let error = wrong("[agents]\nrestaurant = \"agent_r\"\nhotel = agent_h\n");
        assert_eq!(error.line, 3, "{error}");
        assert!(error.message.starts_with("`hotel`: "), "{error}");
        assert!(!error.to_string().contains("agent_h"), "{error}");
    }

    #[test]
    fn a_key_is_refused_and_never_repeated() {
        for text in [
            "api_key = \"test-key-secret\"\n",
            "[provider]\napi_key = \"test-key-secret\"\n",
            "[provider]\nxi-api-key = \"test-key-secret\"\n",
            "[agents]\nhotel = \"sk_test-key-secret\"\n",
            "[call]\ntoken = \"test-key-secret\"\n",
            "ELEVENLABS_API_KEY = \"test-key-secret\"\n",
        ] {
            let error = wrong(text);
            assert!(error.message.contains("an API key does not belong in this file"), "{text}: {error}");
            assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("ELEVENLABS_API_KEY")), "{text}");
            assert!(!format!("{error:?}").contains("test-key-secret"), "{text}");
        }
    }

    #[test]
    fn a_key_in_broken_syntax_is_not_repeated() {
        for text in ["api_key = test-key-secret\n", "[provider]\nbase_url = \"test-key-secret\n", "test-key-secret\n"] {
            assert!(!format!("{:?}", wrong(text)).contains("test-key-secret"), "{text}: {:?}", wrong(text));
        }
    }
}
