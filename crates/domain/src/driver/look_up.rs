//! Finding a dial in doubt among the provider's conversations.
//!
//! The list is filtered by user id, or by time, and never by agent: a misrouted conversation names the
//! agent that answered. A candidate counts only when its own record carries our attempt id.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::dispatch::LookUp;
use crate::error::ProviderError;
use crate::ids::ConversationId;
use crate::ports::{Conversation, ConversationQuery, PAGE_SIZE_MAX, PageRequest, Permits, Provider};

/// How much earlier than our send time the provider's start time may be, for clocks that differ.
const CLOCK_MARGIN: Duration = Duration::from_secs(120);
/// The most pages of one list that are read in one look-up.
const PAGES_MAX: u32 = 5;
/// The most candidates whose records are read in one look-up.
const CANDIDATES_MAX: usize = 100;

/// Looks for a dial in doubt among the provider's conversations; `None` where it is not to be seen (yet). A candidate
/// counts only when its own record carries the dial's attempt id.
///
/// # Errors
/// The first read that fails, where the dial was not found before it.
pub async fn find_dial(
    provider: &dyn Provider,
    permits: &dyn Permits,
    wanted: &LookUp,
) -> Result<Option<Conversation>, ProviderError> {
    let since = wanted.sent_at.before(CLOCK_MARGIN);
    let by_user = ConversationQuery {
        user_id: Some(wanted.user_id.clone()),
        // The attempt id is nobody else's, so the provider's clock need not be trusted.
        started_after: (!wanted.unique).then_some(since),
        ..ConversationQuery::default()
    };
    let mut search = Search { provider, permits, wanted, seen: BTreeSet::new(), trouble: None };
    if let Some(found) = search.list(by_user).await {
        return Ok(Some(found));
    }
    if wanted.last {
        // That the user id filter finds a user id exactly is an inference of ours; the last look-up does without.
        let by_time = ConversationQuery { started_after: Some(since), ..ConversationQuery::default() };
        if let Some(found) = search.list(by_time).await {
            return Ok(Some(found));
        }
    }
    search.trouble.map_or(Ok(None), Err)
}

struct Search<'a> {
    provider: &'a dyn Provider,
    permits: &'a dyn Permits,
    wanted: &'a LookUp,
    seen: BTreeSet<ConversationId>,
    /// The first read that failed. The others are tried all the same: one bad record must not hide the call.
    trouble: Option<ProviderError>,
}

impl Search<'_> {
    async fn list(&mut self, mut query: ConversationQuery) -> Option<Conversation> {
        query.page = PageRequest { size: Some(PAGE_SIZE_MAX), ..PageRequest::default() };
        for _ in 0..PAGES_MAX {
            self.permits.pace().await;
            let page = match self.provider.conversations(&query).await {
                Ok(page) => page,
                Err(error) => {
                    self.trouble.get_or_insert(error);
                    return None;
                }
            };
            for candidate in page.items {
                if let Some(found) = self.candidate(candidate.id).await {
                    return Some(found);
                }
            }
            query.page.cursor = Some(page.next?);
        }
        None
    }

    async fn candidate(&mut self, id: ConversationId) -> Option<Conversation> {
        if self.seen.len() >= CANDIDATES_MAX || !self.seen.insert(id.clone()) {
            return None;
        }
        self.permits.pace().await;
        match self.provider.conversation(&id).await {
            Ok(found) => found.filter(|found| is_it(found, self.wanted)),
            Err(error) => {
                self.trouble.get_or_insert(error);
                None
            }
        }
    }
}

fn is_it(found: &Conversation, wanted: &LookUp) -> bool {
    match &found.attempt {
        Some(attempt) => *attempt == wanted.attempt,
        None => wanted.unique && found.user_id.as_deref() == Some(wanted.attempt.as_str()),
    }
}
