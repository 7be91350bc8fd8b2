//! Conversations.

use async_trait::async_trait;
use partyline_domain::ports::{Conversation, ConversationQuery, ConversationSummary, Conversations, Page};
use partyline_domain::{ConversationId, ProviderError};

use super::{found, page_query};
use crate::classify::Purpose;
use crate::convert;
use crate::elevenlabs::{ElevenLabs, Query, understood};
use crate::wire::Object;

const LIST: &str = "/v1/convai/conversations";
const ONE: &str = "/v1/convai/conversations/{id}";

#[async_trait]
impl Conversations for ElevenLabs {
    async fn conversation(&self, id: &ConversationId) -> Result<Option<Conversation>, ProviderError> {
        let Some(answer) = found(self.read(ONE, id.as_str(), &Query::new()).await)? else {
            return Ok(None);
        };
        let conversation = understood(Purpose::Read, &answer, |Object(conversation)| {
            convert::about(id, convert::conversation(conversation)?, |conversation| &conversation.id)
        });
        conversation.map(Some)
    }

    async fn conversations(&self, query: &ConversationQuery) -> Result<Page<ConversationSummary>, ProviderError> {
        let mut pairs = page_query(&query.page);
        pairs.extend(query.user_id.clone().map(|user| ("user_id", user)));
        pairs.extend(query.agent.as_ref().map(|agent| ("agent_id", agent.to_string())));
        let seconds = |at: partyline_domain::Timestamp| at.unix_seconds().to_string();
        pairs.extend(query.started_after.map(|at| ("call_start_after_unix", seconds(at))));
        pairs.extend(query.started_before.map(|at| ("call_start_before_unix", seconds(at))));
        let answer = self.read(LIST, "", &pairs).await?;
        understood(Purpose::Read, &answer, |list| {
            convert::page("conversation", list, query.page.cursor.as_deref(), convert::conversation_summary)
        })
    }
}
