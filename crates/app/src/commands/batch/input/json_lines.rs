//! JSON Lines: one object per line, with text, numbers and booleans as its values.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Unusable;
use super::column::{Column, Kept, meant, stand_in};
use super::row::{Cell, Reader};
use crate::text::shortened;

/// Reads all rows.
///
/// # Errors
/// [`Unusable`] where there are too many rows, or the file is one list of them.
pub(super) fn read(text: &[u8], reader: &mut Reader) -> Result<(), Unusable> {
    let mut columns = Columns::default();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if line.starts_with(b"[") && columns.0.is_empty() {
            let message = "the file is a list, and JSON Lines is one object a line";
            return Err(Unusable::new(None, message).hint("take the list apart, for example with `jq -c '.[]'`"));
        }
        reader.begin(u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1))?;
        match str::from_utf8(line) {
            Ok(line) => row(line, &mut columns, reader),
            Err(_) => reader.problem(None, "is not UTF-8"),
        }
        reader.end();
    }
    Ok(())
}

/// What the keys that were seen are for.
#[derive(Default)]
struct Columns(BTreeMap<String, Result<Column, String>>);

impl Columns {
    fn of(&mut self, key: &str, reader: &mut Reader) -> Result<Column, String> {
        if let Some(known) = self.0.get(key) {
            return known.clone();
        }
        let column = Column::of(key, false);
        if let (Ok(Column::Variable(..)), Some(known)) = (&column, meant(key)) {
            reader.doubt(format!("the key `{key}` is taken as a dynamic variable; did you mean `{known}`?"));
        }
        self.0.insert(key.to_owned(), column.clone());
        column
    }
}

fn row(line: &str, columns: &mut Columns, reader: &mut Reader) {
    let Fields(fields) = match serde_json::from_str(line) {
        Ok(fields) => fields,
        Err(why) => {
            reader.problem(None, format!("is no JSON object: {}", told(&why)));
            return;
        }
    };
    for (index, (key, value)) in fields.iter().enumerate() {
        if fields[..index].iter().any(|(known, _)| known == key) {
            reader.problem(Some(key), "is given twice");
            continue;
        }
        match columns.of(key, reader) {
            Ok(column) => take(key, &column, value.get(), reader),
            Err(why) => reader.problem(Some(key), why),
        }
    }
    let keys = || fields.iter().map(|(key, _)| key.as_str());
    for kept in [Kept::Agent, Kept::To] {
        if let Some(name) = stand_in(kept, keys().collect::<Vec<_>>())
            && !keys().any(|key| key == kept.name())
        {
            reader.problem(Some(kept.name()), format!("is missing; is it `{}`?", shortened(name)));
        }
    }
}

fn take(key: &str, column: &Column, value: &str, reader: &mut Reader) {
    match value.as_bytes().first() {
        Some(b'n') => {}
        Some(b'"') => match serde_json::from_str::<String>(value) {
            Ok(text) => reader.cell(key, column, Cell::Text(&text)),
            Err(why) => reader.problem(Some(key), told(&why)),
        },
        Some(b't') => reader.cell(key, column, Cell::Bool(true)),
        Some(b'f') => reader.cell(key, column, Cell::Bool(false)),
        Some(b'{') => reader.problem(Some(key), "is an object: only text, numbers and booleans can be given"),
        Some(b'[') => reader.problem(Some(key), "is a list: only text, numbers and booleans can be given"),
        Some(_) | None => reader.cell(key, column, Cell::Number(value)),
    }
}

/// What is wrong with a line of JSON; it is always "line 1" to the parser.
fn told(why: &serde_json::Error) -> String {
    let text = why.to_string();
    let plain = text.rsplit_once(" at line ").map_or(text.as_str(), |(plain, _)| plain);
    match why.column() {
        0 => plain.to_owned(),
        column => format!("{plain} at character {column}"),
    }
}

/// The keys and values of an object, in its order and with those that come twice.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}
