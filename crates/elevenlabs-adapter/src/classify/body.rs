//! The bodies that come with an error, in every shape seen (`elevenlabs-api.md` section 6), and what of them
//! may be shown.

use serde_json::Value;

use crate::text::{masked, presentable, shortened};

/// So many findings of a validation are shown.
const FINDINGS_MAX: usize = 3;
/// The longest title of an HTML page that is shown, in characters.
const TITLE_CHARACTERS_MAX: usize = 60;
/// The longest code or request id that is taken over, in characters.
const WORD_CHARACTERS_MAX: usize = 100;
/// The body of a route that does not exist, as the provider's framework writes it. An agent or number that does
/// not exist is described by an object instead.
const UNKNOWN_ROUTE: &str = "Not Found";

/// A body, as far as it can be told what it is.
pub(super) enum Body {
    Empty,
    Html { title: Option<String> },
    Json(Value),
    Other,
}

/// What a body says about an error.
#[derive(Default)]
pub(super) struct Reason {
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    pub(super) status: Option<String>,
    pub(super) message: Option<String>,
    pub(super) request_id: Option<String>,
    /// Whether nobody at this address knows the route.
    pub(super) is_route_missing: bool,
}

impl Body {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        if bytes.trim_ascii().is_empty() {
            return Self::Empty;
        }
        if let Ok(value) = serde_json::from_slice(bytes) {
            return Self::Json(value);
        }
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
        let lowercase = head.to_ascii_lowercase();
        if lowercase.contains("<html") || lowercase.trim_start().starts_with("<!doctype html") {
            Self::Html { title: title(&head, &lowercase) }
        } else {
            Self::Other
        }
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self, Self::Json(Value::Object(_)))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        matches!(self, Self::Json(Value::Object(object)) if object.contains_key(key))
    }

    /// Whether a 404 with this body speaks of the thing that was asked for, not of the address.
    pub(super) fn is_from_the_route(&self) -> bool {
        self.is_object() && !self.is_route_missing()
    }

    fn is_route_missing(&self) -> bool {
        match self {
            Self::Json(value) => value["detail"] == UNKNOWN_ROUTE || !value.is_object(),
            Self::Empty | Self::Html { .. } | Self::Other => true,
        }
    }

    pub(super) fn reason(&self) -> Reason {
        let is_route_missing = self.is_route_missing();
        let Self::Json(value) = self else {
            return Reason { is_route_missing, ..Reason::default() };
        };
        let reason = match &value["detail"] {
            detail @ Value::Object(_) => of_object(detail),
            Value::Array(findings) => Reason { message: Some(of_findings(findings)), ..Reason::default() },
            Value::String(text) => Reason { message: Some(presentable(text)), ..Reason::default() },
            Value::Null | Value::Bool(_) | Value::Number(_) => of_object(value),
        };
        Reason { is_route_missing, ..reason }
    }

    /// What came, as the end of a sentence.
    pub(super) fn told(&self, reason: &Reason) -> String {
        match (self, &reason.message) {
            (_, Some(message)) => format!(": {message}"),
            (Self::Empty, None) => " with an empty body".to_owned(),
            (Self::Html { title: Some(title) }, None) => format!(" with an HTML page titled \"{title}\""),
            (Self::Html { title: None }, None) => " with an HTML page".to_owned(),
            (Self::Json(_), None) => {
                reason.first_name().map_or(" without a reason".to_owned(), |name| format!(": {name}"))
            }
            (Self::Other, None) => " with a text that is not JSON".to_owned(),
        }
    }
}

impl Reason {
    /// Whether type, code or status is this word. They may differ for the same error.
    pub(super) fn names(&self, word: &str) -> bool {
        [&self.kind, &self.code, &self.status].into_iter().flatten().any(|name| name == word)
    }

    fn first_name(&self) -> Option<&str> {
        self.code.as_deref().or(self.status.as_deref()).or(self.kind.as_deref())
    }

    /// The permission that the message names: "... is missing the permission X to execute this operation."
    pub(super) fn permission(&self) -> Option<&str> {
        let after = self.message.as_deref()?.split_once("permission ")?.1;
        let word = after.split_whitespace().next()?.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        (!word.is_empty() && word != "to").then_some(word)
    }
}

/// The legacy object and the one of 2026; other services write `message` or `error` at the top.
fn of_object(object: &Value) -> Reason {
    let message = ["message", "error", "msg"].iter().find_map(|key| object[*key].as_str());
    Reason {
        kind: word(&object["type"]).map(|kind| masked(&kind)),
        code: word(&object["code"]).map(|code| masked(&code)),
        status: word(&object["status"]).map(|status| masked(&status)),
        message: message.map(presentable).filter(|message| !message.is_empty()),
        request_id: word(&object["request_id"]),
        is_route_missing: false,
    }
}

/// The findings of a validation: where and what, never the input.
fn of_findings(findings: &[Value]) -> String {
    let one = |finding: &Value| {
        let path = finding["loc"].as_array().into_iter().flatten().map(|step| match step {
            Value::String(name) => name.clone(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => step.to_string(),
        });
        let message = finding["msg"].as_str().unwrap_or("not valid");
        presentable(&match path.collect::<Vec<_>>().join(".") {
            path if path.is_empty() => message.to_owned(),
            path => format!("{path}: {message}"),
        })
    };
    let mut told: Vec<String> = findings.iter().take(FINDINGS_MAX).map(one).collect();
    if findings.len() > FINDINGS_MAX {
        told.push(format!("and {} more", findings.len() - FINDINGS_MAX));
    }
    if told.is_empty() { "the validation names no field".to_owned() } else { told.join("; ") }
}

fn word(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let clean = shortened(&text.replace(char::is_control, ""), WORD_CHARACTERS_MAX);
    (!clean.trim().is_empty()).then_some(clean)
}

fn title(page: &str, lowercase: &str) -> Option<String> {
    let open = lowercase.find("<title")?;
    let start = open + lowercase[open..].find('>')? + 1;
    let end = start + lowercase[start..].find("</title")?;
    let text = page[start..end].split_whitespace().collect::<Vec<_>>().join(" ").replace(['"', '<'], "");
    let title = shortened(&masked(&text.replace(char::is_control, "")), TITLE_CHARACTERS_MAX);
    (!title.is_empty()).then_some(title)
}
