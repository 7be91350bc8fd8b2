//! The routes of the provider.

use axum::Router;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use partyline_domain::ports::NumberProvider;

use super::state::State;
use super::{control, parse, render};
use crate::world::Operation;

pub(super) fn router(state: State) -> Router {
    let provider = Router::new()
        .route("/v1/convai/agents", get(agents))
        .route("/v1/convai/agents/summaries", get(summaries))
        .route("/v1/convai/agents/{agent_id}", get(agent))
        .route("/v1/convai/phone-numbers", get(numbers))
        .route("/v1/convai/phone-numbers/{phone_number_id}", get(number).patch(assign))
        .route("/v1/convai/twilio/outbound-call", post(dial_twilio))
        // The spelling with an underscore was seen to work too (`elevenlabs-api.md` section 3).
        .route("/v1/convai/twilio/outbound_call", post(dial_twilio))
        .route("/v1/convai/sip-trunk/outbound-call", post(dial_sip_trunk))
        .route("/v1/convai/exotel/outbound-call", post(dial_exotel))
        .route("/v1/convai/conversations", get(conversations))
        .route("/v1/convai/conversations/{conversation_id}", get(conversation));
    provider
        .merge(control::router())
        .fallback(|| async { render::framework(StatusCode::NOT_FOUND, "Not Found") })
        .method_not_allowed_fallback(|| async {
            render::framework(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .with_state(state)
}

async fn agents(Shared(state): Shared<State>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    state.serve(&headers, Operation::Agents, parse::agents(query.as_deref())).await
}

async fn summaries(Shared(state): Shared<State>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    state.serve(&headers, Operation::Summaries, parse::summaries(query.as_deref())).await
}

async fn agent(Shared(state): Shared<State>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    state.serve(&headers, Operation::Agent, parse::agent(&id)).await
}

async fn numbers(Shared(state): Shared<State>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    state.serve(&headers, Operation::Numbers, parse::numbers(query.as_deref())).await
}

async fn number(Shared(state): Shared<State>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    state.serve(&headers, Operation::Number, parse::number(&id)).await
}

async fn assign(Shared(state): Shared<State>, headers: HeaderMap, Path(id): Path<String>, body: Bytes) -> Response {
    state.serve(&headers, Operation::Assign, parse::assign(&id, &body)).await
}

async fn dial_twilio(Shared(state): Shared<State>, headers: HeaderMap, body: Bytes) -> Response {
    state.serve(&headers, Operation::Dial, parse::dial(NumberProvider::Twilio, &body)).await
}

async fn dial_sip_trunk(Shared(state): Shared<State>, headers: HeaderMap, body: Bytes) -> Response {
    state.serve(&headers, Operation::Dial, parse::dial(NumberProvider::SipTrunk, &body)).await
}

async fn dial_exotel(Shared(state): Shared<State>, headers: HeaderMap, body: Bytes) -> Response {
    state.serve(&headers, Operation::Dial, parse::dial(NumberProvider::Exotel, &body)).await
}

async fn conversations(Shared(state): Shared<State>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    state.serve(&headers, Operation::Conversations, parse::conversations(query.as_deref())).await
}

async fn conversation(Shared(state): Shared<State>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    state.serve(&headers, Operation::Conversation, parse::conversation(&id)).await
}
