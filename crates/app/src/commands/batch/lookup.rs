//! The agents and numbers of a batch, found once each: aliases without a request, ids together, names and phone
//! numbers in one list each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use partyline_domain::flow::Stage;
use partyline_domain::ports::{AgentProfile, Clock as _, Number};
use partyline_domain::{AgentId, FailureKind, Known, NumberChoice, ProviderError};

use crate::errors::AppError;
use crate::resolve::{NumberPlan, Resolver, all_agents, nearest};
use crate::text::shortened;

/// How ids of agents begin nowadays.
const ID_PREFIX: &str = "agent_";
/// How long ids of agents were before they began so.
const OLD_ID_LENGTH: usize = 20;

/// What the texts of a batch stand for; why not, where they stand for nothing.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) agents: BTreeMap<Arc<str>, Result<AgentId, String>>,
    pub(super) numbers: BTreeMap<Arc<str>, Result<NumberChoice, String>>,
    /// For rows that name no number.
    pub(super) number: Option<NumberChoice>,
    /// What was read on the way.
    pub(super) known: Known,
}

/// The texts that are to be found.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) agents: BTreeSet<Arc<str>>,
    pub(super) numbers: BTreeSet<Arc<str>>,
    /// Whether a row names no number.
    pub(super) default: bool,
}

/// Finds everything, agents and numbers side by side.
///
/// # Errors
/// What a failed request leads to, and what is wrong with the number of the rows that name none. A text of a row
/// that stands for nothing is no error here.
pub(super) async fn find(resolver: &Resolver<'_>, number: Option<&str>, wanted: &Wanted) -> Result<Found, AppError> {
    let default = if wanted.default { Some(resolver.plan(number)?) } else { None };
    let plans: BTreeMap<_, _> = wanted.numbers.iter().map(|text| (text, resolver.plan(Some(text)))).collect();
    let default_text = number.or(resolver.settings.number.as_deref());
    let by_id = |text: &str| !resolver.settings.numbers.contains_key(text);
    let ids = wanted.numbers.iter().any(|text| by_id(text)) || (wanted.default && default_text.is_some_and(by_id));
    let listed = ids || default.as_ref().is_some_and(NumberPlan::needs_list);
    let sent = resolver.clock.now().monotonic;
    let (agents, all) = tokio::join!(agents(resolver, &wanted.agents), numbers(resolver, listed));
    let (mut found, all) = (agents?, all?);
    let choice = |plan: &NumberPlan, text: Option<&str>| {
        let numbers = resolver.pick(plan, &all)?;
        match text.filter(|text| by_id(text)) {
            Some(text) if !all.iter().any(|number| numbers.contains(&number.id)) => Err(unknown(resolver, text, &all)),
            Some(_) | None => Ok(numbers),
        }
    };
    found.number = default.as_ref().map(|plan| choice(plan, default_text)).transpose()?;
    let numbers = plans.into_iter().map(|(text, plan)| {
        let choice = plan.and_then(|plan| choice(&plan, Some(text))).map_err(|error| error.message);
        (Arc::clone(text), choice)
    });
    found.numbers = numbers.collect();
    let used = |number: &Number| {
        let choices = found.numbers.values().filter_map(|choice| choice.as_ref().ok()).chain(&found.number);
        choices.into_iter().any(|choice| choice.contains(&number.id))
    };
    found.known.numbers = all.into_iter().filter(used).collect();
    found.known.sent = sent;
    Ok(found)
}

/// The error for a text that is no alias and no id of a number.
fn unknown(resolver: &Resolver<'_>, text: &str, all: &[Number]) -> AppError {
    let error = resolver.unknown_number(text, all);
    match nearest(text, resolver.settings.numbers.keys().map(String::as_str)) {
        Some(alias) => AppError { message: format!("{}; did you mean \"{alias}\"?", error.message), ..error },
        None => error,
    }
}

async fn numbers(resolver: &Resolver<'_>, listed: bool) -> Result<Vec<Number>, AppError> {
    if listed { resolver.numbers().await } else { Ok(Vec::new()) }
}

async fn agents(resolver: &Resolver<'_>, texts: &BTreeSet<Arc<str>>) -> Result<Found, AppError> {
    let mut found = Found::default();
    let failed = |error: ProviderError| resolver.failed(Stage::Verify, "could not look the agents up", &error);
    let mut ids = Vec::new();
    let mut names = Vec::new();
    for text in texts {
        match (resolver.settings.agents.get(text.as_ref()), AgentId::parse(text)) {
            (Some(id), _) => {
                found.agents.insert(Arc::clone(text), Ok(id.clone()));
            }
            (None, Ok(id)) if is_like_an_id(text) => ids.push((text, id)),
            (None, Ok(_) | Err(_)) => names.push(text),
        }
    }
    if !ids.is_empty() {
        let asked: Vec<AgentId> = ids.iter().map(|(_, id)| id.clone()).collect();
        let mut known = resolver.provider.summaries(&asked).await.map_err(failed)?;
        for (text, id) in ids {
            match known.remove(&id) {
                Some(profile) => found.take(text, profile),
                None => names.push(text),
            }
        }
    }
    if names.is_empty() {
        return Ok(found);
    }
    let all = all_agents(resolver.provider).await.map_err(failed)?;
    for text in names {
        match by_name(resolver, text, &all).await.map_err(failed)? {
            Ok(profile) => found.take(text, profile),
            Err(why) => {
                found.agents.insert(Arc::clone(text), Err(why));
            }
        }
    }
    Ok(found)
}

/// An agent among all, by id or by name; one that is in the archive is in no list and found by its id.
async fn by_name(
    resolver: &Resolver<'_>,
    text: &str,
    all: &[AgentProfile],
) -> Result<Result<AgentProfile, String>, ProviderError> {
    if let Some(profile) = all.iter().find(|agent| agent.id.as_str() == text) {
        return Ok(Ok(profile.clone()));
    }
    let wanted = text.to_lowercase();
    let named: Vec<&AgentProfile> = all.iter().filter(|agent| agent.name.to_lowercase() == wanted).collect();
    match named.as_slice() {
        [only] => return Ok(Ok((*only).clone())),
        [_, _, ..] => {
            let (count, shown) = (named.len(), shortened(text));
            return Ok(Err(format!("{count} agents are named \"{shown}\": name one by its id or an alias")));
        }
        [] => {}
    }
    if let Ok(id) = AgentId::parse(text)
        && !is_like_an_id(text)
    {
        match resolver.provider.agent(&id).await {
            Ok(Some(profile)) => return Ok(Ok(profile)),
            Ok(None) => {}
            // A name is no id, and the provider may say so in either way.
            Err(error) if error.kind() == FailureKind::Invalid => {}
            Err(error) => return Err(error),
        }
    }
    let aliases = resolver.settings.agents.keys().map(String::as_str);
    let hint = nearest(text, aliases.chain(all.iter().map(|agent| agent.name.as_str())));
    let hint = hint.map(|name| format!("; did you mean \"{name}\"?")).unwrap_or_default();
    let shown = shortened(text);
    Ok(Err(format!("no agent \"{shown}\": it is no alias, no agent id and no agent's name{hint}")))
}

fn is_like_an_id(text: &str) -> bool {
    let is_old = text.len() == OLD_ID_LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.starts_with(ID_PREFIX) || is_old
}

impl Found {
    fn take(&mut self, text: &Arc<str>, profile: AgentProfile) {
        self.agents.insert(Arc::clone(text), Ok(profile.id.clone()));
        if !self.known.agents.iter().any(|known| known.id == profile.id) {
            self.known.agents.push(profile);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_names() {
        for id in ["agent_01jydc3p56er8tn495y66hybmn", "F8y2pogcIfbxE7O2u4H8"] {
            assert!(is_like_an_id(id), "{id}");
        }
        for name in ["Hotel", "restaurant", "Hair Salon", ""] {
            assert!(!is_like_an_id(name), "{name}");
        }
    }
}
