//! Log lines on stderr: as text for people, or as flat JSON objects for programs. Texts in them are masked like
//! everything else on stderr; figures and the provider's ids are left as they are.

use std::fmt::{self, Debug};
use std::io::{IsTerminal as _, Write as _};

use partyline_domain::Timestamp;
use partyline_domain::ports::Clock as _;
use serde::Serializer as _;
use serde::ser::SerializeMap as _;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, Targets};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::cli::LogFormat;
use crate::env_vars::{self, Environment};
use crate::errors::AppError;
use crate::mask::masked;
use crate::system::SystemClock;
use crate::text::clean;

/// Fields that hold ids made by us or the provider. They stay whole: without them no call could be found again.
const IDS: [&str; 5] = ["call_id", "conversation_id", "provider_call_id", "attempt_id", "request_id"];
/// Fields that hold ids as a user may have written them: whole too, but for one that is no more than digits.
const NAMED_IDS: [&str; 2] = ["agent_id", "phone_number_id"];

/// Begins to log.
///
/// # Errors
/// Exit code 2 where `RUST_LOG` cannot be read.
pub(crate) fn start(
    format: LogFormat,
    verbose: u8,
    environment: &Environment,
    clock: SystemClock,
) -> Result<(), AppError> {
    let subscriber = Registry::default();
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Json => Box::new(FlatJson { clock }),
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal() && environment.get(env_vars::NO_COLOR).is_none();
            let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours).compact();
            Box::new(layer.fmt_fields(TextFields))
        }
    };
    let result = match environment.get(env_vars::RUST_LOG) {
        Some(directives) => {
            let filter = EnvFilter::try_new(directives)
                .map_err(|why| AppError::usage("configuration", format!("environment variable `RUST_LOG`: {why}")))?;
            match format {
                LogFormat::Json => {
                    let filter = filter.or(promised());
                    tracing::subscriber::set_global_default(subscriber.with(layer.with_filter(filter)))
                }
                LogFormat::Text => tracing::subscriber::set_global_default(subscriber.with(layer.with_filter(filter))),
            }
        }
        None => tracing::subscriber::set_global_default(subscriber.with(layer.with_filter(usual(format, verbose)))),
    };
    result.map_err(|why| AppError::unexpected(format!("cannot start logging: {why}")))
}

/// What is written as JSON whatever `RUST_LOG` says: the events that are promises, warnings, and errors.
fn promised() -> Targets {
    Targets::new()
        .with_target("partyline::call", LevelFilter::INFO)
        .with_target("partyline::note", LevelFilter::WARN)
        .with_target("partyline::error", LevelFilter::ERROR)
}

/// What is shown where `RUST_LOG` says nothing. [`EnvFilter`] is left alone then: it costs start-up time.
fn usual(format: LogFormat, verbose: u8) -> Targets {
    let (own, adapters) = match (format, verbose) {
        (LogFormat::Text, 0) => (LevelFilter::OFF, LevelFilter::OFF),
        (LogFormat::Text, 1) => (LevelFilter::INFO, LevelFilter::INFO),
        (LogFormat::Json, 0) => (LevelFilter::INFO, LevelFilter::ERROR),
        (LogFormat::Json, 1) | (LogFormat::Text, 2) => (LevelFilter::DEBUG, LevelFilter::DEBUG),
        (LogFormat::Json | LogFormat::Text, _) => (LevelFilter::TRACE, LevelFilter::TRACE),
    };
    Targets::new()
        .with_target("partyline", own)
        .with_target("partyline_elevenlabs_adapter", adapters)
        .with_target("partyline_fake_adapter", adapters)
}

/// Writes each event as one JSON object without nesting: the fields of the spans around it, outermost first,
/// then its own.
struct FlatJson {
    clock: SystemClock,
}

/// Fields in the order in which they were recorded; a later value of the same name takes the earlier one's place.
#[derive(Clone, Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn put(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => self.0.push((name, value)),
        }
    }

    fn put_text(&mut self, name: &'static str, text: &str) {
        let is_id = IDS.contains(&name) || NAMED_IDS.contains(&name) && text.contains(char::is_alphabetic);
        let shown = if is_id { text.into() } else { masked(text) };
        self.put(name, Value::from(shown));
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), Value::from(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put_text(field.name(), &format!("{value:?}"));
    }
}

/// Writes fields as `name=value`, the message without its name.
struct TextFields;

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut recorded = Fields::default();
        fields.record(&mut recorded);
        for (index, (name, value)) in recorded.0.iter().enumerate() {
            if index > 0 {
                writer.write_char(' ')?;
            }
            match value {
                Value::String(text) if *name == "message" => writer.write_str(&clean(text))?,
                Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '=', '\n']) => {
                    write!(writer, "{name}={}", clean(text))?;
                }
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_)
                | Value::Object(_) => write!(writer, "{name}={}", clean(&value.to_string()))?,
            }
        }
        Ok(())
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for FlatJson {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            if let Some(outer) = span.extensions().get::<Fields>() {
                outer.0.iter().for_each(|(name, value)| fields.put(name, value.clone()));
            }
        }
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = line(self.clock.now().wall, *metadata.level(), metadata.target(), &fields);
        // Nobody is left to be told where stderr is gone.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

/// One line: time, level, event and call first, then the rest. The flow's events are known by their name alone.
fn line(at: Timestamp, level: Level, target: &str, fields: &Fields) -> String {
    let find = |wanted: &str| fields.0.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let mut bytes = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::new(&mut bytes);
    let written = serializer.serialize_map(None).and_then(|mut map| {
        map.serialize_entry("timestamp", &timestamp(at))?;
        map.serialize_entry("level", &level.as_str().to_ascii_lowercase())?;
        let first = ["event", "call_id", "message"];
        for name in first {
            if let Some(value) = find(name) {
                map.serialize_entry(name, value)?;
            }
        }
        if find("event").is_none() {
            map.serialize_entry("target", target)?;
        }
        for (name, value) in fields.0.iter().filter(|(name, _)| !first.contains(name)) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    });
    written.expect("JSON values with string keys go into a vector");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

fn timestamp(at: Timestamp) -> String {
    let since_unix = at.since_unix();
    let seconds = i64::try_from(since_unix.as_secs()).unwrap_or(i64::MAX);
    match jiff::Timestamp::new(seconds, since_unix.subsec_nanos().cast_signed()) {
        Ok(timestamp) => format!("{timestamp:.3}"),
        Err(_) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn example(fields: &Fields) -> String {
        line(Timestamp::from_unix(Duration::from_millis(1_764_000_000_123)), Level::INFO, "partyline::call", fields)
    }

    #[test]
    fn a_line_is_flat_and_begins_with_what_matters() {
        let mut fields = Fields::default();
        fields.put("agent_id", Value::from("agent_r"));
        fields.put("elapsed_ms", Value::from(12));
        fields.put("call_id", Value::from("c1"));
        fields.put("event", Value::from("agent_verified"));
        assert_eq!(
            example(&fields),
            "{\"timestamp\":\"2025-11-24T16:00:00.123Z\",\"level\":\"info\",\"event\":\"agent_verified\",\
             \"call_id\":\"c1\",\"agent_id\":\"agent_r\",\"elapsed_ms\":12}\n"
        );
    }

    #[test]
    fn an_inner_field_takes_the_place_of_an_outer_one() {
        let mut fields = Fields::default();
        fields.put("route", Value::from("outer"));
        fields.put("route", Value::from("inner"));
        assert_eq!(fields.0, [("route", Value::from("inner"))]);
    }

    #[test]
    fn texts_are_masked_and_ids_and_figures_are_not() {
        let mut fields = Fields::default();
        fields.put_text("agent_name", "Desk +12025550123");
        fields.put_text("phone_number_id", "2025550123");
        fields.put_text("agent_id", "F8y2 12025550123");
        fields.put_text("provider_call_id", "12025550123");
        fields.put("after_ms", Value::from(12_025_550_123_u64));
        let line = example(&fields);
        assert!(line.contains("\"agent_name\":\"Desk +1***0123\""), "{line}");
        assert!(line.contains("\"phone_number_id\":\"20***0123\",\"agent_id\":\"F8y2 12025550123\""), "{line}");
        assert!(line.contains("\"provider_call_id\":\"12025550123\",\"after_ms\":12025550123"), "{line}");
    }

    #[test]
    fn a_line_without_an_event_names_its_target() {
        let mut fields = Fields::default();
        fields.put("message", Value::from("line\nbreak \"quoted\""));
        let line = example(&fields);
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(line.contains("\"message\":\"line\\nbreak \\\"quoted\\\"\",\"target\":\"partyline::call\""), "{line}");
    }
}
