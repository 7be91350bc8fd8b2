//! Answers with another status than 200, with everything both error envelopes need
//! (`elevenlabs-api.md` section 6).

use std::fmt;
use std::time::Duration;

use super::request::Operation;
use crate::faults::{Denial, FailStatus};

/// How the body of a failure is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// The object of 2026.
    #[default]
    Envelope,
    /// The object of before 2026.
    Legacy,
    /// The array of the validator.
    Validation,
    /// Text.
    Text,
    /// A page of HTML.
    Html,
    /// `{"detail": "text"}`, as the framework answers where there is no route.
    Framework,
}

/// An answer with another status than 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// `type` of the envelope.
    pub kind: &'static str,
    /// `code` of the envelope; of a validation error, what is wrong.
    pub code: &'static str,
    /// `status` of the envelope, the only word of the legacy one.
    pub legacy: &'static str,
    /// In words.
    pub message: Box<str>,
    /// Where in the request, for a validation error: `body` or `query`, and a field's name, for each item.
    pub locations: Box<[(&'static str, String)]>,
    /// What `Retry-After` says.
    pub retry_after: Option<Duration>,
    /// How it is written.
    pub form: Form,
    /// Under which id support finds it.
    pub request_id: Option<Box<str>>,
}

impl Failure {
    /// A failure in the usual envelope.
    pub fn new(
        status: u16,
        kind: &'static str,
        code: &'static str,
        legacy: &'static str,
        message: impl Into<Box<str>>,
    ) -> Self {
        let message = message.into();
        let (locations, retry_after, request_id) = (Box::default(), None, None);
        Self { status, kind, code, legacy, message, locations, retry_after, form: Form::Envelope, request_id }
    }

    /// The same in another form.
    #[must_use]
    pub fn in_form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// No key was sent.
    pub fn no_key() -> Self {
        let message = "Neither authorization header nor xi-api-key received, please provide one.";
        Self::new(401, "authentication_error", "missing_api_key", "needs_authorization", message)
    }

    /// The key is not known.
    pub fn bad_key() -> Self {
        Self::new(401, "authentication_error", "unauthorized", "invalid_api_key", "Invalid API key")
    }

    /// Something that was named does not exist.
    pub fn not_found(code: &'static str, id: impl fmt::Display) -> Self {
        let message = format!("Document with id {id} not found.");
        Self::new(404, "not_found", code, "document_not_found", message)
    }

    /// A conversation that was named does not exist.
    pub fn no_conversation(id: impl fmt::Display) -> Self {
        let message = format!("Conversation with id {id} not found.");
        Self::new(404, "not_found", "conversation_not_found", "conversation_history_not_found", message)
    }

    /// The request makes no sense.
    pub fn bad_request(code: &'static str, message: impl Into<Box<str>>) -> Self {
        Self::new(400, "invalid_request", code, code, message)
    }

    /// The number's provider is not that of the route.
    pub fn wrong_route() -> Self {
        let message = "The phone number's provider configuration is missing some credentials for this route. \
                       Please delete the number and create it again.";
        Self::bad_request("invalid_provider_config", message)
    }

    /// A field does not validate.
    pub fn invalid(location: &'static str, field: impl Into<String>, code: &'static str, message: &str) -> Self {
        let failure = Self::new(422, "validation_error", code, code, message).in_form(Form::Validation);
        Self { locations: Box::new([(location, field.into())]), ..failure }
    }

    /// Fields are missing from the body.
    pub fn missing_fields(fields: &[&str]) -> Self {
        let failure = Self::new(422, "validation_error", "missing", "missing", "Field required");
        let locations = fields.iter().map(|field| ("body", (*field).to_owned())).collect();
        Self { locations, ..failure.in_form(Form::Validation) }
    }

    /// A page of a gateway.
    pub fn html() -> Self {
        Self::new(502, "", "", "", "Bad Gateway").in_form(Form::Html)
    }

    /// Refused for its rate.
    pub fn rate_limited(retry_after: Option<Duration>) -> Self {
        let message = "Too many requests. Please slow down.";
        let failure =
            Self::new(429, "rate_limit_error", "rate_limit_exceeded", "too_many_concurrent_requests", message);
        Self { retry_after, ..failure }
    }

    pub(super) fn denied(denial: Denial, operation: Operation) -> Self {
        match denial {
            Denial::BadKey => Self::bad_key(),
            Denial::MissingPermission => {
                let message = "The API key you used is missing the permission convai_write to execute this operation.";
                Self::new(401, "authentication_error", "missing_permissions", "missing_permissions", message)
            }
            Denial::PaymentRequired => {
                Self::new(402, "payment_required", "insufficient_credits", "quota_exceeded", "Insufficient credits.")
            }
            Denial::Forbidden => {
                Self::new(403, "authorization_error", "forbidden", "forbidden", "This workspace may not do that.")
            }
            Denial::NotFound if operation == Operation::Conversation => Self::no_conversation("unknown"),
            Denial::NotFound => Self::not_found("document_not_found", "unknown"),
            Denial::Unprocessable => Self::missing_fields(&["something_new"]),
        }
    }

    pub(super) fn with_status(status: FailStatus) -> Self {
        match status {
            FailStatus::RequestTimeout => {
                Self::new(408, "invalid_request", "request_timeout", "request_timeout", "The request took too long.")
            }
            FailStatus::Conflict => Self::new(409, "conflict", "already_processing", "conflict", "Already processing."),
            FailStatus::TooManyRequests => Self::rate_limited(None),
            FailStatus::InternalError => {
                Self::new(500, "internal_error", "internal_error", "internal_error", "An internal error occurred.")
            }
            FailStatus::BadGateway => {
                Self::new(502, "internal_error", "internal_error", "bad_gateway", "The upstream did not answer.")
            }
            FailStatus::Unavailable => {
                let message = "The service is temporarily unavailable.";
                Self::new(503, "service_unavailable", "service_unavailable", "system_busy", message)
            }
            FailStatus::GatewayTimeout => {
                Self::new(504, "internal_error", "internal_error", "gateway_timeout", "The upstream took too long.")
            }
        }
    }
}
