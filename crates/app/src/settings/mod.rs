//! The settings of one run: flags before environment before file before defaults.

mod choices;
mod file;
mod shared;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use etcetera::BaseStrategy as _;
use partyline_domain::{AgentId, NumberChoice, PhoneNumberId};
use secrecy::SecretString;

pub(crate) use choices::{
    AFTER_CALL, ASSIGNMENT, CallChoices, PROOF, count, duration, lookup_window, rate, ringing_timeout, settle, word,
};
pub(crate) use file::{FileSettings, NumberSettings};
pub(crate) use shared::{Limits, Place, StoreSettings};

use crate::env_vars::{self, Environment};
use crate::errors::AppError;

/// Where the provider is unless somebody says otherwise (`elevenlabs-api.md`).
pub(crate) const DEFAULT_BASE_URL: &str = "https://api.elevenlabs.io";
/// The settings file of the working directory.
const LOCAL_FILE: &str = "partyline.toml";
/// The settings file below the XDG configuration directory.
const USER_FILE: &str = "partyline/config.toml";

/// Everything a command may need to know, apart from its own arguments.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// The key; absent where none is set.
    pub(crate) key: Option<SecretString>,
    /// Where the provider's API is.
    pub(crate) base_url: String,
    /// Whether the key may travel over plain http to another machine.
    pub(crate) allow_http: bool,
    /// Agents by alias.
    pub(crate) agents: BTreeMap<String, AgentId>,
    /// Numbers by alias.
    pub(crate) numbers: BTreeMap<String, NumberSettings>,
    /// The number to call from, as somebody wrote it: alias, E.164 or id.
    pub(crate) number: Option<String>,
    /// Where processes meet that share numbers.
    pub(crate) store: StoreSettings,
    /// How many dials and calls there may be, and how fast.
    pub(crate) limits: Limits,
    /// How long a dial may take beyond its ringing.
    pub(crate) dial_margin: Option<Duration>,
    environment: CallChoices,
    defaults: CallChoices,
    /// Variables that look like ours and are not.
    pub(crate) unknown_variables: Vec<String>,
}

/// What the command line says for every command.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags<'a> {
    pub(crate) config: Option<&'a Path>,
    pub(crate) base_url: Option<&'a str>,
    pub(crate) store: Option<&'a str>,
}

impl Settings {
    /// Reads environment and file.
    ///
    /// # Errors
    /// Exit code 2 with the place of what is wrong.
    pub(crate) fn load(flags: Flags<'_>, environment: &Environment) -> Result<Self, AppError> {
        let config = flags.config;
        if let Some(name) = environment.unreadable().first() {
            return Err(AppError::usage("configuration", format!("the environment variable `{name}` is not Unicode")));
        }
        let (path, file) = match find_file(config, environment)? {
            Some(path) => {
                let is_variable = config.is_none() && environment.get(env_vars::PARTYLINE_CONFIG).is_some();
                let file = read_file(&path, is_variable)?;
                (Some(path), file)
            }
            None => (None, FileSettings::default()),
        };
        Self::merge(path, file, flags, environment)
    }

    fn merge(
        path: Option<PathBuf>,
        file: FileSettings,
        flags: Flags<'_>,
        environment: &Environment,
    ) -> Result<Self, AppError> {
        let folder = path.as_deref().and_then(Path::parent);
        let in_file = file.store.place.map(|place| place.below(folder));
        let place = place(flags.store, environment)?.or(in_file).or_else(usual_place);
        let base_url = flags.base_url.or(environment.get(env_vars::ELEVENLABS_BASE_URL)).map(str::to_owned);
        Ok(Self {
            file: path,
            key: environment.get(env_vars::ELEVENLABS_API_KEY).map(SecretString::from),
            base_url: base_url.or(file.provider.base_url).unwrap_or_else(|| DEFAULT_BASE_URL.to_owned()),
            allow_http: read(environment, env_vars::PARTYLINE_ALLOW_HTTP, boolean)?.unwrap_or(false),
            agents: file.agents,
            numbers: file.numbers,
            number: environment.get(env_vars::PARTYLINE_NUMBER).map(str::to_owned).or(file.number),
            store: StoreSettings { place, ..file.store },
            limits: file.limits,
            dial_margin: file.provider.dial_margin,
            environment: environment_choices(environment)?,
            defaults: file.call,
            unknown_variables: environment.unknown().to_vec(),
        })
    }

    /// The settings of a sandbox: how calls are placed stays, everything that names the outside world goes, and nothing
    /// is shared.
    pub(crate) fn sandbox(
        self,
        base_url: String,
        key: SecretString,
        agents: BTreeMap<String, AgentId>,
        number: NumberSettings,
    ) -> Self {
        let numbers = BTreeMap::from([("sandbox".to_owned(), number)]);
        let store = StoreSettings { place: Some(Place::Memory), ..self.store };
        Self { file: None, key: Some(key), base_url, agents, numbers, number: None, store, ..self }
    }

    /// How a call from the number of this alias is placed: flags, environment, the number's own settings, `[call]`.
    pub(crate) fn choices(&self, flags: CallChoices, number: Option<&NumberSettings>) -> CallChoices {
        let own = number.map(|number| number.call.clone()).unwrap_or_default();
        flags.or(&self.environment).or(&own).or(&self.defaults)
    }

    /// How a call that may use any of these numbers is placed.
    ///
    /// # Errors
    /// Exit code 2 where the numbers are set up differently, so that it would depend on the number.
    pub(crate) fn choices_of(&self, flags: &CallChoices, numbers: &NumberChoice) -> Result<CallChoices, AppError> {
        let configured = |id: &PhoneNumberId| self.numbers.values().find(|number| number.id == *id);
        let mut choices = numbers.iter().map(|id| self.choices(flags.clone(), configured(id)));
        let first = choices.next().unwrap_or_else(|| self.choices(flags.clone(), None));
        if choices.all(|other| other == first) {
            return Ok(first);
        }
        let aliases = self.numbers.iter().filter(|(_, number)| numbers.contains(&number.id));
        let aliases: Vec<&str> = aliases.map(|(alias, _)| alias.as_str()).collect();
        Err(AppError::usage("number_ambiguous", format!("the numbers {} are set up differently", aliases.join(", ")))
            .effect("nothing was dialled")
            .hint("choose one with `--number <ALIAS>`, or say for all of them what differs (see `--help`)"))
    }

    /// The key, or what to do about its absence.
    ///
    /// # Errors
    /// Exit code 2.
    pub(crate) fn key(&self) -> Result<SecretString, AppError> {
        self.key.clone().ok_or_else(|| {
            AppError::usage("no_api_key", "no API key: `ELEVENLABS_API_KEY` is not set")
                .effect("nothing was sent")
                .hint("export ELEVENLABS_API_KEY=<the key from the provider's settings page>")
                .hint("no account? try `partyline call restaurant --to <number> --sandbox`")
        })
    }
}

fn read<T>(
    environment: &Environment,
    name: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, AppError> {
    let wrong = |expected| AppError::usage("configuration", format!("environment variable `{name}`: {expected}"));
    environment.get(name).map(|text| parse(text).map_err(wrong)).transpose()
}

/// Where the store is, as far as a flag or the environment says.
fn place(flag: Option<&str>, environment: &Environment) -> Result<Option<Place>, AppError> {
    match flag {
        Some(text) => {
            let wrong = |expected| AppError::usage("configuration", format!("`--store`: {expected}"));
            Place::parse(text).map(Some).map_err(wrong)
        }
        None => read(environment, env_vars::PARTYLINE_STORE, Place::parse),
    }
}

/// Without a home directory there is none.
fn usual_place() -> Option<Place> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(Place::File(strategy.data_dir().join(shared::USER_STORE)))
}

fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "expected `true` or `false`".to_owned())
}

fn environment_choices(environment: &Environment) -> Result<CallChoices, AppError> {
    Ok(CallChoices {
        assignment: read(environment, env_vars::PARTYLINE_ASSIGNMENT, |text| word(ASSIGNMENT, text))?,
        after_call: read(environment, env_vars::PARTYLINE_AFTER_CALL, |text| word(AFTER_CALL, text))?,
        proof: read(environment, env_vars::PARTYLINE_PROOF, |text| word(PROOF, text))?,
        lookup_window: read(environment, env_vars::PARTYLINE_LOOKUP_WINDOW, lookup_window)?,
        settle: read(environment, env_vars::PARTYLINE_SETTLE, settle)?,
        ringing_timeout: read(environment, env_vars::PARTYLINE_RINGING_TIMEOUT, ringing_timeout)?,
        recording: None,
        dial_retry: None,
        at_least_once: None,
    })
}

/// The file to read: the one that was named (it must exist), else the first that exists.
fn find_file(config: Option<&Path>, environment: &Environment) -> Result<Option<PathBuf>, AppError> {
    let named = config.map(Path::to_owned).or_else(|| environment.get(env_vars::PARTYLINE_CONFIG).map(PathBuf::from));
    if let Some(path) = named {
        return Ok(Some(path));
    }
    let local = PathBuf::from(LOCAL_FILE);
    if exists(&local)? {
        return Ok(Some(local));
    }
    // Without a home directory there is no such file.
    let Ok(strategy) = etcetera::choose_base_strategy() else { return Ok(None) };
    let user = strategy.config_dir().join(USER_FILE);
    Ok(exists(&user)?.then_some(user))
}

fn exists(path: &Path) -> Result<bool, AppError> {
    path.try_exists().map_err(|why| {
        AppError::usage("configuration", format!("cannot look for the settings file `{}`: {why}", path.display()))
    })
}

/// Reads the file at this path, which comes from a variable or not.
fn read_file(path: &Path, is_variable: bool) -> Result<FileSettings, AppError> {
    let text = fs_err::read_to_string(path).map_err(|why| {
        // The path is in our own words already.
        let why = why.to_string();
        let why = why.rsplit_once("`: ").map_or(why.as_str(), |(_, why)| why);
        let message = format!("the settings file `{}` cannot be read: {why}", path.display());
        AppError::usage("configuration", message).hint(if is_variable {
            "the environment variable `PARTYLINE_CONFIG` names this file: correct it, or unset it"
        } else {
            "name the settings file with `--config <FILE>`"
        })
    })?;
    FileSettings::parse(&text).map_err(|error| {
        let app = AppError::usage("configuration", format!("settings file `{}`, {error}", path.display()));
        match error.hint {
            Some(hint) => app.hint(hint),
            None => app,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use partyline_domain::{AfterCall, AssignmentPolicy, PhoneNumberId, ProofPolicy};
    use secrecy::ExposeSecret as _;

    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::gather(pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
    }

    fn settings(file: &str, flag: Option<&str>, pairs: &[(&str, &str)]) -> Settings {
        let file = FileSettings::parse(file).expect("a good file");
        let flags = Flags { base_url: flag, ..Flags::default() };
        Settings::merge(None, file, flags, &environment(pairs)).unwrap_or_else(|why| panic!("{why:?}"))
    }

    const FILE: &str = "[provider]\nbase_url = \"http://file\"\n[call]\nproof = \"off\"\nafter_call = \"restore\"\n\
                        assignment = \"never\"\n[numbers.main]\nid = \"phnum_1\"\nassignment = \"always\"\n";

    #[test]
    fn flags_beat_environment_beats_file_beats_defaults() {
        let variables = [("ELEVENLABS_BASE_URL", "http://environment")];
        assert_eq!(settings(FILE, Some("http://flag"), &variables).base_url, "http://flag");
        assert_eq!(settings(FILE, None, &variables).base_url, "http://environment");
        assert_eq!(settings(FILE, None, &[]).base_url, "http://file");
        assert_eq!(settings("", None, &[]).base_url, DEFAULT_BASE_URL);
    }

    #[test]
    fn a_number_s_own_choices_stand_between_environment_and_the_general_ones() {
        let settings = settings(FILE, None, &[("PARTYLINE_PROOF", "required")]);
        let flags = CallChoices { after_call: Some(AfterCall::Keep), ..CallChoices::default() };
        let policies = settings.choices(flags, settings.numbers.get("main")).policies();
        assert_eq!(policies.after_call, AfterCall::Keep);
        assert_eq!(policies.proof, ProofPolicy::Required);
        assert_eq!(policies.assignment, AssignmentPolicy::Always);
        let policies = settings.choices(CallChoices::default(), None).policies();
        assert_eq!(policies.assignment, AssignmentPolicy::Never);
    }

    #[test]
    fn a_wrong_variable_is_named_and_not_repeated() {
        let wrong = Settings::merge(
            None,
            FileSettings::default(),
            Flags::default(),
            &environment(&[("PARTYLINE_PROOF", "sk_x")]),
        );
        let error = wrong.err().expect("refused");
        assert_eq!(error.message, "environment variable `PARTYLINE_PROOF`: expected `off`, `once`, `required`");
    }

    #[test]
    fn a_sandbox_forgets_the_outside_world() {
        let outside = [("ELEVENLABS_API_KEY", "test-key-outside"), ("PARTYLINE_NUMBER", "main")];
        let number =
            NumberSettings { id: PhoneNumberId::parse("phnum_sandbox").expect("valid"), call: CallChoices::default() };
        let sandbox = settings(FILE, None, &outside).sandbox(
            "http://127.0.0.1:1".to_owned(),
            SecretString::from("test-key-sandbox"),
            BTreeMap::new(),
            number,
        );
        assert_eq!(sandbox.key().map(|key| key.expose_secret().to_owned()).ok().as_deref(), Some("test-key-sandbox"));
        assert_eq!(sandbox.number, None);
        assert_eq!(sandbox.numbers.keys().collect::<Vec<_>>(), ["sandbox"]);
        assert!(matches!(sandbox.store.place, Some(Place::Memory)));
    }

    #[test]
    fn the_store_is_where_flag_environment_or_file_say() {
        let place = |flag, variable: &[(&str, &str)], file: &str| {
            let file = FileSettings::parse(file).expect("a good file");
            let flags = Flags { store: flag, ..Flags::default() };
            let path = Some(PathBuf::from("/etc/partyline.toml"));
            let settings = Settings::merge(path, file, flags, &environment(variable));
            settings.unwrap_or_else(|why| panic!("{why:?}")).store.place.map(|place| place.told()).unwrap_or_default()
        };
        let (variable, file) = ([("PARTYLINE_STORE", "environment.db")], "[store]\nplace = \"file.db\"\n");
        assert_eq!(place(Some("memory"), &variable, file), "memory");
        assert_eq!(place(None, &variable, file), "environment.db");
        assert_eq!(place(None, &[], file), "/etc/file.db");
        let wrong = Settings::merge(
            None,
            FileSettings::default(),
            Flags { store: Some("mysql://ada:secret@db"), ..Flags::default() },
            &environment(&[]),
        );
        let error = wrong.err().expect("refused");
        assert!(error.message.starts_with("`--store`: expected `memory`, a path"), "{}", error.message);
    }
}
