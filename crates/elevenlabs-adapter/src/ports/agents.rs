//! Agents.
//!
//! One agent is asked for with `agents/summaries`: one small answer that also says whether the agent is
//! archived, which `GET agents/{id}` may not (`elevenlabs-api.md` section 1 lists no such field there). How
//! that route describes a missing agent is inferred there, not known, and older servers lack it. So whatever
//! it does not say clearly is asked again with `GET agents/{id}`, the older and surest route.

use std::collections::BTreeMap;

use async_trait::async_trait;
use partyline_domain::ports::{AgentProfile, Agents, PAGE_SIZE_MAX, Page, PageRequest};
use partyline_domain::{AgentId, FailureKind, ProviderError};
use serde_json::{Map, Value};

use super::{found, page_query};
use crate::classify::Purpose;
use crate::convert::{self, Summary};
use crate::elevenlabs::{ElevenLabs, Query, understood};
use crate::wire::Object;

const LIST: &str = "/v1/convai/agents";
const ONE: &str = "/v1/convai/agents/{id}";
const SUMMARIES: &str = "/v1/convai/agents/summaries";

/// What the route of summaries says, by agent id; `None` where there is no such route.
type Summaries = Option<Map<String, Value>>;

impl ElevenLabs {
    async fn some_summaries(&self, ids: &[AgentId]) -> Result<Summaries, ProviderError> {
        if self.has_no_summaries() {
            return Ok(None);
        }
        let query: Query = ids.iter().map(|id| ("agent_ids", id.to_string())).collect();
        let read = self.read(SUMMARIES, "", &query).await;
        match read.and_then(|answer| understood(Purpose::Read, &answer, Ok)) {
            Ok(entries) => Ok(Some(entries)),
            Err(error) if is_no_such_route(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn whole_agent(&self, id: &AgentId) -> Result<Option<AgentProfile>, ProviderError> {
        let Some(answer) = found(self.read(ONE, id.as_str(), &Query::new()).await)? else {
            return Ok(None);
        };
        let profile = understood(Purpose::Read, &answer, |Object(agent)| {
            convert::about(id, convert::agent(agent)?, |profile| &profile.id)
        });
        profile.map(Some)
    }

    async fn agent_in(&self, summaries: &Summaries, id: &AgentId) -> Result<Option<AgentProfile>, ProviderError> {
        let entry = summaries.as_ref().and_then(|entries| entries.get(id.as_str()));
        match convert::summary(id, entry) {
            Summary::Known(profile) => Ok(Some(profile)),
            Summary::Unknown => Ok(None),
            Summary::Unclear => {
                let profile = self.whole_agent(id).await?;
                if profile.is_some() && summaries.is_none() {
                    self.note_no_summaries();
                }
                Ok(profile)
            }
        }
    }
}

/// Whether this answer of the route of summaries may mean that there is no such route. An older server takes
/// "summaries" for the id of an agent, and a hundred long ids may make too long a URL.
fn is_no_such_route(error: &ProviderError) -> bool {
    error.kind() == FailureKind::Unreadable || matches!(error.status(), Some(400 | 404 | 405 | 414 | 422))
}

#[async_trait]
impl Agents for ElevenLabs {
    async fn agent(&self, id: &AgentId) -> Result<Option<AgentProfile>, ProviderError> {
        let summaries = self.some_summaries(std::slice::from_ref(id)).await?;
        self.agent_in(&summaries, id).await
    }

    async fn agents(&self, page: &PageRequest) -> Result<Page<AgentProfile>, ProviderError> {
        let mut query = page_query(page);
        query.extend(page.search.clone().map(|search| ("search", search)));
        let answer = self.read(LIST, "", &query).await?;
        let mut page: Page<AgentProfile> = understood(Purpose::Read, &answer, |list| {
            convert::page("agent", list, page.cursor.as_deref(), convert::agent)
        })?;
        page.items.retain(|agent| !agent.archived);
        Ok(page)
    }

    async fn summaries(&self, ids: &[AgentId]) -> Result<BTreeMap<AgentId, AgentProfile>, ProviderError> {
        let mut known = BTreeMap::new();
        for some in ids.chunks(usize::from(PAGE_SIZE_MAX)) {
            let summaries = self.some_summaries(some).await?;
            for id in some {
                if let Some(profile) = self.agent_in(&summaries, id).await? {
                    known.insert(id.clone(), profile);
                }
            }
        }
        Ok(known)
    }
}
