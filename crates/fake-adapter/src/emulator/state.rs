//! What all connections share.

use std::future::pending;
use std::sync::Arc;

use axum::response::Response;
use http::HeaderMap;
use partyline_domain::ports::{Clock, Timer};

use super::{Key, render};
use crate::clock::RealClock;
use crate::world::{Failure, Operation, Reply, Request, Sent, SharedWorld};

#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) world: SharedWorld,
    pub(super) clock: RealClock,
    key: Option<Arc<Key>>,
}

impl State {
    pub(super) fn new(world: SharedWorld, key: Option<Key>) -> Self {
        Self { world, clock: RealClock::default(), key: key.map(Arc::new) }
    }

    /// Takes a request as it was read and answers it in its time.
    pub(super) async fn serve(
        &self,
        headers: &HeaderMap,
        operation: Operation,
        request: Result<Request, Failure>,
    ) -> Response {
        let request = self.authorize(headers).and(request);
        let request = request.unwrap_or_else(|failure| Request::Rejected(operation, Box::new(failure)));
        let asked = match &request {
            Request::Summaries(ids) => ids.clone(),
            Request::Agents { .. }
            | Request::Agent { .. }
            | Request::Numbers { .. }
            | Request::Number(_)
            | Request::Assign(_)
            | Request::Dial(_)
            | Request::Conversations(_)
            | Request::Conversation(_)
            | Request::Rejected(..) => Vec::new(),
        };
        let reply = self.exchange(request).await;
        render::response(&self.world, &asked, reply)
    }

    async fn exchange(&self, request: Request) -> Reply {
        match self.world.begin(request, self.clock.now()) {
            Sent::Answered(reply) => reply,
            Sent::Waiting(answer, Some(at)) => {
                self.clock.sleep_until(at).await;
                answer.claim(self.clock.now())
            }
            // Held until the client goes away.
            Sent::Waiting(_answer, None) => pending().await,
        }
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let given = headers.get("xi-api-key").filter(|given| !given.is_empty()).ok_or_else(Failure::no_key)?;
        match &self.key {
            Some(key) if !key.is(given.as_bytes()) => Err(Failure::bad_key()),
            Some(_) | None => Ok(()),
        }
    }
}
