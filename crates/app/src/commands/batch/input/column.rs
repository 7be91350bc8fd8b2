//! What the columns of a batch mean: some names are kept for the call, every other one is a dynamic variable.

use partyline_domain::{InvalidVariable, VariableName};

use crate::commands::call::TYPES;
use crate::resolve::nearest;
use crate::text::shortened;

/// What a column is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Kept(Kept),
    /// A dynamic variable, and the type that the column's name asks for.
    Variable(VariableName, Option<Type>),
}

/// The names that are kept for the call itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kept {
    Agent,
    To,
    Number,
    Priority,
    Expires,
    UserId,
    Key,
    Language,
    FirstMessage,
    SystemPrompt,
    VoiceId,
}

/// The type of a variable, where it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Number,
    Bool,
}

const KEPT: [(&str, Kept); 11] = [
    ("agent", Kept::Agent),
    ("to", Kept::To),
    ("number", Kept::Number),
    ("priority", Kept::Priority),
    ("expires", Kept::Expires),
    ("user_id", Kept::UserId),
    ("key", Kept::Key),
    ("language", Kept::Language),
    ("first_message", Kept::FirstMessage),
    ("system_prompt", Kept::SystemPrompt),
    ("voice_id", Kept::VoiceId),
];

/// What people call the two columns that must be there.
const OTHER_NAMES: [(&str, Kept); 14] = [
    ("agent_id", Kept::Agent),
    ("agent_name", Kept::Agent),
    ("agents", Kept::Agent),
    ("assistant", Kept::Agent),
    ("phone", Kept::To),
    ("phone_number", Kept::To),
    ("phonenumber", Kept::To),
    ("to_number", Kept::To),
    ("telephone", Kept::To),
    ("mobile", Kept::To),
    ("callee", Kept::To),
    ("recipient", Kept::To),
    ("contact", Kept::To),
    ("number", Kept::To),
];

/// From this length on a name that differs in one letter from a kept one is probably meant to be it.
const SLIP_LENGTH_MIN: usize = 5;

impl Kept {
    /// Its name in the file.
    pub(super) fn name(self) -> &'static str {
        let found = KEPT.iter().find(|(_, kept)| *kept == self);
        found.map(|(name, _)| *name).expect("every kept column is in the table")
    }
}

impl Column {
    /// What a column of this name is for. With `types`, a name may end in `:text`, `:number` or `:bool`.
    ///
    /// # Errors
    /// Why there can be no such column, as a fragment.
    pub(super) fn of(name: &str, types: bool) -> Result<Self, String> {
        if let Some((_, kept)) = KEPT.iter().find(|(known, _)| *known == name) {
            return Ok(Self::Kept(*kept));
        }
        let (plain, forced) = match name.rsplit_once(':') {
            Some((plain, forced)) if types => (plain, Some(type_of(forced)?)),
            Some(_) | None => (name, None),
        };
        if KEPT.iter().any(|(known, _)| *known == plain) {
            return Err(format!("`{plain}` is not a variable: it has no type"));
        }
        let variable = VariableName::parse(plain).map_err(|why| {
            if why == InvalidVariable::NoName { "the column has no name".to_owned() } else { why.to_string() }
        })?;
        Ok(Self::Variable(variable, forced))
    }
}

fn type_of(text: &str) -> Result<Type, String> {
    match text {
        "text" => Ok(Type::Text),
        "number" => Ok(Type::Number),
        "bool" => Ok(Type::Bool),
        _ => {
            let hint = nearest(text, TYPES).map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
            Err(format!("there is no type `{}`, only `text`, `number` and `bool`{hint}", shortened(text)))
        }
    }
}

/// The name that was probably meant by one that is no kept name.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    let plain = normal(name);
    let is_slip = |known: &str| {
        plain == *known || (plain.len() >= SLIP_LENGTH_MIN && strsim::damerau_levenshtein(&plain, known) == 1)
    };
    KEPT.iter().map(|(known, _)| *known).filter(|known| *known != name).find(|known| is_slip(known))
}

/// Which of `names` was probably meant to be this column, which is missing.
pub(super) fn stand_in<'a>(kept: Kept, names: impl IntoIterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let by_slip = names.clone().into_iter().find(|name| meant(name) == Some(kept.name()));
    by_slip.or_else(|| {
        let is_other = |name: &str| OTHER_NAMES.iter().any(|(other, of)| *of == kept && normal(name) == *other);
        names.into_iter().find(|name| is_other(name))
    })
}

fn normal(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_names_are_exact_and_the_rest_are_variables() {
        for (name, kept) in KEPT {
            assert_eq!(Column::of(name, true), Ok(Column::Kept(kept)));
            assert_eq!(kept.name(), name);
        }
        let variable = |name: &str| VariableName::parse(name).expect("valid");
        assert_eq!(Column::of("To", true), Ok(Column::Variable(variable("To"), None)));
        assert_eq!(Column::of("table:number", true), Ok(Column::Variable(variable("table"), Some(Type::Number))));
        assert_eq!(Column::of("a:b", false), Ok(Column::Variable(variable("a:b"), None)));
    }

    #[test]
    fn what_can_be_no_column_is_said() {
        for (name, why) in [
            ("", "the column has no name"),
            ("first name", "the variable name \"first name\" holds ' '"),
            ("system__time", "the variable name \"system__time\" is reserved"),
            ("table:nmber", "there is no type `nmber`, only `text`, `number` and `bool`; did you mean `number`?"),
            ("to:text", "`to` is not a variable: it has no type"),
        ] {
            assert_eq!(Column::of(name, true), Err(why.to_owned()), "{name}");
        }
    }

    #[test]
    fn slips_are_noticed() {
        for (name, known) in
            [("Agent", "agent"), ("langauge", "language"), ("user-id", "user_id"), ("prioritiy", "priority")]
        {
            assert_eq!(meant(name), Some(known), "{name}");
        }
        for name in ["to", "no", "table", "guest", "numbers_of_guests", "voice"] {
            assert_eq!(meant(name), None, "{name}");
        }
        assert_eq!(stand_in(Kept::To, ["agent", "Phone"]), Some("Phone"));
        assert_eq!(stand_in(Kept::To, ["agent", "name"]), None);
        assert_eq!(stand_in(Kept::Agent, ["agent id", "to"]), Some("agent id"));
    }
}
