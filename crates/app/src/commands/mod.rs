//! The commands, a file each.

pub(crate) mod agents;
pub(crate) mod batch;
pub(crate) mod call;
pub(crate) mod calls;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod emulate;
mod export;
mod neighbours;
pub(crate) mod numbers;
mod purge;
pub(crate) mod simulate;
pub(crate) mod stored;
mod story;
mod waiting;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use crate::text::clean;

/// A table without lines, its heading in capitals.
fn table(heading: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(heading.to_vec());
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table
}

/// Adds a row. What its cells hold is others' text.
fn add_row(table: &mut Table, cells: &[&str]) {
    table.add_row(cells.iter().map(|cell| clean(cell).into_owned()));
}

/// The table's lines without blanks at their ends.
fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
