//! What a person writes about one call, parsed into the domain's types before anything is sent.

use std::sync::Arc;

use partyline_domain::{
    CallOptions, Decimal, IdempotencyKey, InvalidVariable, Overrides, PhoneNumber, Timestamp, UserId, VariableName,
    VariableValue, Variables,
};

use crate::cli::CallArgs;
use crate::commands::batch::expiry;
use crate::errors::AppError;
use crate::resolve::nearest;
use crate::settings::CallChoices;
use crate::text::shortened;

/// The keys of `--override`.
const OVERRIDES: [&str; 4] = ["language", "first_message", "prompt", "voice"];
/// The types of `--var`.
pub(in crate::commands) const TYPES: [&str; 3] = ["text", "number", "bool"];

/// A call's arguments, apart from agent and number.
pub(super) struct Inputs {
    pub(super) to: PhoneNumber,
    variables: Variables,
    overrides: Overrides,
    user_id: Option<UserId>,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) expires_at: Option<Timestamp>,
}

impl Inputs {
    /// Parses what was written; durations count from `now`.
    ///
    /// # Errors
    /// Exit code 2; nothing was sent.
    pub(super) fn parse(args: &CallArgs, now: Timestamp) -> Result<Self, AppError> {
        let wrong =
            |reason: &'static str, message: String| AppError::usage(reason, message).effect("nothing was dialled");
        let to = PhoneNumber::parse(&args.to).map_err(|why| wrong("bad_phone_number", format!("`--to`: {why}")))?;
        let mut variables = Variables::new();
        for text in &args.variables {
            let (name, value) = variable(text).map_err(|why| {
                wrong("bad_variable", format!("`--var`: {why}"))
                    .hint("write `--var name=value`, or `--var name:text=value` to force a type")
            })?;
            if variables.contains_key(&name) {
                return Err(wrong("bad_variable", format!("`--var`: the variable {name} is given twice")));
            }
            variables.insert(name, value);
        }
        let overrides =
            overrides(&args.overrides).map_err(|why| wrong("bad_override", format!("`--override`: {why}")))?;
        let user_id = args.user_id.as_deref().map(UserId::parse).transpose();
        let user_id = user_id.map_err(|why| wrong("bad_user_id", format!("`--user-id`: {why}")))?;
        let key = args.idempotency_key.as_deref().map(IdempotencyKey::parse).transpose();
        let key = key.map_err(|why| wrong("bad_idempotency_key", format!("`--idempotency-key`: {why}")))?;
        let expires_at = args.expires.as_deref().map(|text| expiry(text, now)).transpose();
        let expires_at = expires_at.map_err(|why| wrong("bad_expiry", format!("`--expires`: {why}")))?;
        Ok(Self { to, variables, overrides, user_id, key, expires_at })
    }

    /// What the provider is told.
    pub(super) fn options(self, choices: &CallChoices) -> Arc<CallOptions> {
        Arc::new(CallOptions {
            overrides: self.overrides,
            variables: self.variables,
            user_id: self.user_id,
            ringing_timeout: choices.ringing_timeout.unwrap_or_default(),
            recording: choices.recording,
        })
    }
}

/// What the flags choose.
pub(super) fn flags(args: &CallArgs) -> CallChoices {
    CallChoices {
        assignment: args.policies.assignment.map(Into::into),
        after_call: args.policies.after_call.map(Into::into),
        proof: args.proof.map(Into::into),
        lookup_window: args.policies.lookup_window,
        settle: args.policies.settle,
        ringing_timeout: args.ringing_timeout,
        recording: args.recording,
        dial_retry: args.policies.no_dial_retry.then_some(false),
        at_least_once: args.policies.at_least_once.then_some(true),
    }
}

/// `name=value` with the type inferred, or `name:type=value` with the type forced.
fn variable(text: &str) -> Result<(VariableName, VariableValue), String> {
    let (name, value) = text.split_once('=').ok_or("there is no `=`")?;
    let (name, forced) = match name.rsplit_once(':') {
        Some((name, forced)) => (name, Some(forced)),
        None => (name, None),
    };
    let invalid = |why: InvalidVariable| why.to_string();
    let value = match forced {
        None => inferred(value),
        Some("text") => VariableValue::Text(value.to_owned()),
        Some("number") => VariableValue::Number(Decimal::parse(value).map_err(invalid)?),
        Some("bool") => VariableValue::Bool(value.parse().map_err(|_| "a bool is `true` or `false`")?),
        Some(other) => {
            let hint = nearest(other, TYPES).map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
            return Err(format!("there is no type `{}`, only `text`, `number` and `bool`{hint}", shortened(other)));
        }
    };
    Ok((VariableName::parse(name).map_err(invalid)?, value))
}

/// The value that a text without a type is.
pub(in crate::commands) fn inferred(value: &str) -> VariableValue {
    match value {
        "true" => VariableValue::Bool(true),
        "false" => VariableValue::Bool(false),
        _ => Decimal::parse(value).map_or_else(|_| VariableValue::Text(value.to_owned()), VariableValue::Number),
    }
}

fn overrides(texts: &[String]) -> Result<Overrides, String> {
    let mut overrides = Overrides::default();
    for text in texts {
        let (key, value) = text.split_once('=').ok_or("write it as `key=value`")?;
        let place = match key {
            "language" => &mut overrides.language,
            "first_message" => &mut overrides.first_message,
            "prompt" => &mut overrides.prompt,
            "voice" => &mut overrides.voice,
            _ => {
                let hint =
                    nearest(key, OVERRIDES).map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
                return Err(format!(
                    "there is no `{}`, only {}{hint}",
                    shortened(key),
                    OVERRIDES.map(|k| format!("`{k}`")).join(", ")
                ));
            }
        };
        if value.is_empty() {
            return Err(format!("`{key}` is empty"));
        }
        if place.replace(value.to_owned()).is_some() {
            return Err(format!("`{key}` is given twice"));
        }
    }
    Ok(overrides)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> VariableValue {
        variable(text).unwrap_or_else(|why| panic!("{text}: {why}")).1
    }

    fn number(text: &str) -> VariableValue {
        VariableValue::Number(Decimal::parse(text).expect("a number"))
    }

    #[test]
    fn types_are_inferred() {
        assert_eq!(value("vip=true"), VariableValue::Bool(true));
        assert_eq!(value("table=4"), number("4"));
        assert_eq!(value("price=0.10"), number("0.10"));
        assert_eq!(value("name=Ada"), VariableValue::Text("Ada".into()));
        assert_eq!(value("zip=01234"), VariableValue::Text("01234".into()));
        assert_eq!(value("note="), VariableValue::Text(String::new()));
        assert_eq!(value("formula=a=b"), VariableValue::Text("a=b".into()));
    }

    #[test]
    fn types_are_forced() {
        assert_eq!(value("code:text=007"), VariableValue::Text("007".into()));
        assert_eq!(value("vip:text=true"), VariableValue::Text("true".into()));
        assert_eq!(value("table:number=4"), number("4"));
        assert_eq!(value("vip:bool=false"), VariableValue::Bool(false));
        assert_eq!(value("at=12:30"), VariableValue::Text("12:30".into()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, why) in [
            ("name", "there is no `=`"),
            ("=x", "the variable has no name"),
            ("a b=x", "the variable name \"a b\" holds ' '"),
            ("system__time=1", "the variable name \"system__time\" is reserved"),
            ("n:number=four", "the value is not a number"),
            ("v:bool=yes", "a bool is `true` or `false`"),
            ("v:nmber=4", "there is no type `nmber`, only `text`, `number` and `bool`; did you mean `number`?"),
        ] {
            let error = variable(text).expect_err(text);
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }

    #[test]
    fn overrides_are_known_words_given_once() {
        let read = |texts: &[&str]| overrides(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let good = read(&["language=en", "first_message=Good evening"]).expect("good");
        assert_eq!(good.language.as_deref(), Some("en"));
        assert_eq!(good.first_message.as_deref(), Some("Good evening"));
        assert_eq!(read(&["voice="]), Err("`voice` is empty".to_owned()));
        assert_eq!(read(&["voice=a", "voice=b"]), Err("`voice` is given twice".to_owned()));
        assert!(read(&["langage=en"]).is_err_and(|why| why.ends_with("did you mean `language`?")));
    }
}
