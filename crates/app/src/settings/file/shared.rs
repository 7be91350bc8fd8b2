//! `[store]` and `[limits]`.

use std::time::Duration;

use toml::de::{DeFloat, DeInteger, DeTable, DeValue};

use super::{Outcome, Pair, Wrong, mistyped, text, unknown};
use crate::settings::choices;
use crate::settings::shared::{self, Limits, Place, StoreSettings};

const STORE_KEYS: &[&str] = &["place", "lateness", "lease"];
const LIMITS_KEYS: &[&str] = &["max_in_flight", "max_live", "dials_per_second", "requests_per_second"];

pub(super) fn read_store(store: &DeTable<'_>) -> Outcome<StoreSettings> {
    let mut settings = StoreSettings::default();
    for pair in store {
        match pair.0.get_ref().as_ref() {
            "place" => settings.place = Some(read("store.place", pair, Place::parse)?),
            "lateness" => settings.lateness = Some(read("store.lateness", pair, shared::lateness)?),
            "lease" => settings.lease = Some(read("store.lease", pair, shared::lease)?),
            _ => return Err(unknown("store", pair, STORE_KEYS)),
        }
    }
    Ok(settings)
}

pub(super) fn read_limits(limits: &DeTable<'_>) -> Outcome<Limits> {
    let mut settings = Limits::default();
    for pair in limits {
        let count = |key: &str| figure(key, pair, choices::count);
        let rate = |key: &str| figure(key, pair, choices::rate);
        match pair.0.get_ref().as_ref() {
            "max_in_flight" => settings.max_in_flight = Some(count("limits.max_in_flight")?),
            "max_live" => settings.max_live = Some(count("limits.max_live")?),
            "dials_per_second" => settings.dials_per_second = Some(rate("limits.dials_per_second")?),
            "requests_per_second" => settings.requests_per_second = Some(rate("limits.requests_per_second")?),
            _ => return Err(unknown("limits", pair, LIMITS_KEYS)),
        }
    }
    Ok(settings)
}

/// How long a dial may take beyond its ringing.
pub(super) fn dial_margin(key: &str, pair: Pair<'_, '_>) -> Outcome<Duration> {
    read(key, pair, shared::dial_margin)
}

fn read<T>(key: &str, pair: Pair<'_, '_>, parse: impl Fn(&str) -> Result<T, String>) -> Outcome<T> {
    parse(text(key, pair)?).map_err(|expected| Wrong::at(pair.1.span(), format!("`{key}`: {expected}")))
}

/// A figure, with or without quotes.
fn figure<T>(key: &str, pair: Pair<'_, '_>, parse: impl Fn(&str) -> Result<T, String>) -> Outcome<T> {
    let value: &DeValue<'_> = pair.1.get_ref();
    let plain = value.as_integer().map(DeInteger::as_str);
    let plain = plain.or_else(|| value.as_float().map(DeFloat::as_str));
    let figure = plain.or_else(|| value.as_str()).ok_or_else(|| mistyped(key, pair, "a number"))?;
    parse(figure).map_err(|expected| Wrong::at(pair.1.span(), format!("`{key}`: {expected}")))
}
