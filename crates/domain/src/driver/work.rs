//! One piece of work per effect: a port is asked, and the answer becomes an input.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::dispatch::{Input, LookUp, Slot};
use crate::driver::{Ports, find_dial};
use crate::ids::{AgentId, ConversationId, PhoneNumberId};
use crate::ports::{
    AssignNumber, Claim, ConversationQuery, DialRequest, PAGE_SIZE_MAX, PageRequest, Permit, PermitRequest, Release,
    Store,
};
use crate::time::Timestamp;

/// Work under way.
pub(super) struct Work {
    future: BoxFuture<'static, Done>,
    /// Dropped together with its [`Dropper`].
    dropped: Option<oneshot::Receiver<()>>,
}

/// Drops a piece of work when it is dropped itself.
pub(super) type Dropper = oneshot::Sender<()>;

/// What a piece of work came to: an answer for the dispatcher, or nothing that it needs to know.
pub(super) type Done = Option<Input>;

impl Future for Work {
    type Output = Done;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Done> {
        if let Some(dropped) = &mut self.dropped
            && dropped.poll_unpin(context).is_ready()
        {
            return Poll::Ready(None);
        }
        self.future.poll_unpin(context)
    }
}

fn work(future: impl Future<Output = Input> + Send + 'static) -> Work {
    Work { future: future.map(Some).boxed(), dropped: None }
}

fn droppable(future: impl Future<Output = Input> + Send + 'static) -> (Work, Dropper) {
    let (keep, dropped) = oneshot::channel();
    (Work { dropped: Some(dropped), ..work(future) }, keep)
}

pub(super) fn ask_permit(ports: &Ports, slot: Slot, request: PermitRequest) -> (Work, Dropper) {
    let permits = ports.permits.clone();
    droppable(async move { Input::Permitted(slot, permits.acquire(&request).await) })
}

pub(super) fn return_permit(ports: &Ports, permit: Permit) -> BoxFuture<'static, ()> {
    let permits = ports.permits.clone();
    async move { permits.release(permit).await }.boxed()
}

pub(super) fn place_call(ports: &Ports, slot: Slot, request: Box<DialRequest>) -> (Work, Dropper) {
    let provider = ports.provider.clone();
    droppable(async move {
        let answer = provider.dial(&request).await;
        Input::DialAnswered(slot, request.attempt, answer)
    })
}

pub(super) fn verify_agent(ports: &Ports, agent: AgentId) -> Work {
    let (provider, permits) = (ports.provider.clone(), ports.permits.clone());
    work(async move {
        permits.pace().await;
        let answer = provider.agent(&agent).await;
        Input::AgentAnswered(agent, answer)
    })
}

pub(super) fn verify_agents(ports: &Ports, agents: Vec<AgentId>) -> Work {
    let (provider, permits) = (ports.provider.clone(), ports.permits.clone());
    work(async move {
        permits.pace().await;
        let answer = provider.summaries(&agents).await;
        Input::AgentsAnswered(agents, answer)
    })
}

pub(super) fn list_numbers(ports: &Ports) -> Work {
    let (provider, permits) = (ports.provider.clone(), ports.permits.clone());
    work(async move {
        permits.pace().await;
        Input::NumbersListed(provider.numbers().await)
    })
}

/// The most pages that one survey reads.
const SURVEY_PAGES_MAX: u32 = 50;

pub(super) fn survey(ports: &Ports, started_after: Timestamp, wanted: Vec<ConversationId>) -> Work {
    let (provider, permits) = (ports.provider.clone(), ports.permits.clone());
    work(async move {
        let mut missing: BTreeSet<ConversationId> = wanted.into_iter().collect();
        let page = PageRequest { size: Some(PAGE_SIZE_MAX), ..PageRequest::default() };
        let mut query = ConversationQuery { started_after: Some(started_after), page, ..ConversationQuery::default() };
        let mut seen = Vec::new();
        for _ in 0..SURVEY_PAGES_MAX {
            permits.pace().await;
            match provider.conversations(&query).await {
                Ok(page) => {
                    for item in &page.items {
                        missing.remove(&item.id);
                    }
                    seen.extend(page.items);
                    query.page.cursor = page.next;
                }
                Err(error) => return Input::Surveyed(Err(error)),
            }
            if query.page.cursor.is_none() || missing.is_empty() {
                break;
            }
        }
        Input::Surveyed(Ok(seen))
    })
}

pub(super) fn claim(store: Arc<dyn Store>, claim: Claim) -> Work {
    work(async move { Input::Claimed(store.claim(&claim).await) })
}

pub(super) fn renew(store: Arc<dyn Store>, ttl: Duration) -> Work {
    work(async move { Input::Renewed(store.renew(ttl).await) })
}

pub(super) fn release(store: Arc<dyn Store>, release: Release) -> Work {
    work(async move { Input::Released(store.release(release).await) })
}

pub(super) fn read_number(ports: &Ports, number: PhoneNumberId) -> Work {
    let (provider, permits) = (ports.provider.clone(), ports.permits.clone());
    work(async move {
        permits.pace().await;
        let answer = provider.number(&number).await;
        Input::NumberAnswered(number, answer)
    })
}

pub(super) fn assign_number(ports: &Ports, order: AssignNumber) -> Work {
    let (provider, permits) = (ports.provider.clone(), ports.permits.clone());
    work(async move {
        permits.pace().await;
        let answer = provider.assign(&order).await;
        Input::AssignAnswered(order.number, order.attempt, answer)
    })
}

pub(super) fn look_up(ports: &Ports, slot: Slot, wanted: LookUp) -> Work {
    let (provider, permits) = (ports.provider.clone(), ports.permits.clone());
    work(async move {
        let answer = find_dial(provider.as_ref(), permits.as_ref(), &wanted).await;
        Input::LookedUp(slot, wanted.attempt, answer)
    })
}

pub(super) fn read_conversation(ports: &Ports, slot: Slot, id: ConversationId) -> Work {
    let (provider, permits) = (ports.provider.clone(), ports.permits.clone());
    work(async move {
        permits.pace().await;
        let answer = provider.conversation(&id).await;
        Input::ConversationRead(slot, answer)
    })
}
