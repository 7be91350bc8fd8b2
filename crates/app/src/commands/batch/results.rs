//! `--out`: what became of each row, as CSV.
//!
//! While the batch runs, a line is added for each call that has ended, in one write, so that a crash leaves whole lines.
//! In the end the file is put into the order of the input, with what the audit has found, and takes the other's place
//! in one step.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fs_err::File;
use partyline_domain::flow::Dialed;

use super::input::{Problem, by_row};
use super::output::INVALID_ROW;
use crate::errors::AppError;

/// The columns. They are promises.
const HEADING: [&str; 12] = [
    "row",
    "agent",
    "to",
    "phone_number_id",
    "state",
    "stage",
    "reason",
    "dialed",
    "conversation_id",
    "provider_call_id",
    "error",
    "proof",
];

/// One row's line; empty = not known.
#[derive(Debug, Default)]
pub(super) struct Line<'a> {
    pub(super) row: u64,
    pub(super) agent: &'a str,
    pub(super) to: &'a str,
    pub(super) phone_number_id: &'a str,
    pub(super) state: &'a str,
    pub(super) stage: &'a str,
    pub(super) reason: &'a str,
    pub(super) dialed: &'a str,
    pub(super) conversation_id: &'a str,
    pub(super) provider_call_id: &'a str,
    pub(super) error: &'a str,
}

/// The file with the results.
pub(super) struct Results {
    path: PathBuf,
    file: File,
    /// Whether it is a file that another one can take the place of.
    replaceable: bool,
    lines: BTreeMap<u64, (Box<[u8]>, &'static str)>,
    trouble: Option<String>,
}

impl Results {
    /// Makes the file, over one that is there.
    ///
    /// # Errors
    /// Exit code 2 where it cannot be made, or is the file that the batch comes from.
    pub(super) fn create(path: &Path, input: Option<&Path>) -> Result<Self, AppError> {
        let refused = |why: String| {
            let message = format!("`--out`: {why}");
            AppError::usage("bad_output", message).effect("nothing was dialled")
        };
        let is_input = |out| input.is_some_and(|input| fs_err::canonicalize(input).is_ok_and(|input| input == out));
        let same = fs_err::canonicalize(path).is_ok_and(is_input);
        if same {
            return Err(refused(format!("`{}` is the file that the batch comes from", path.display())));
        }
        let mut file = File::create(path).map_err(|why| refused(why.to_string()))?;
        let replaceable = file.metadata().is_ok_and(|metadata| metadata.is_file());
        file.write_all(&heading()).map_err(|why| refused(why.to_string()))?;
        Ok(Self { path: path.to_owned(), file, replaceable, lines: BTreeMap::new(), trouble: None })
    }

    /// Adds the line of a row.
    pub(super) fn add(&mut self, line: &Line<'_>) {
        let bytes = line.bytes();
        let mut whole = bytes.clone();
        whole.extend_from_slice(b",\n");
        if let Err(why) = self.file.write_all(&whole) {
            self.trouble.get_or_insert(why.to_string());
        }
        self.lines.insert(line.row, (bytes.into_boxed_slice(), ""));
    }

    /// Adds the lines of rows that are left out.
    pub(super) fn leave_out(&mut self, problems: &[Problem]) {
        for (row, error) in by_row(problems) {
            self.refuse(row, INVALID_ROW, &error);
        }
    }

    /// Adds the line of a row that no call was made of.
    pub(super) fn refuse(&mut self, row: u64, reason: &str, error: &str) {
        self.add(&Line { row, state: "failed", reason, dialed: Dialed::No.as_str(), error, ..Line::default() });
    }

    /// What the provider's record says of a row.
    pub(super) fn proved(&mut self, row: u64, proof: &'static str) {
        if let Some((_, place)) = self.lines.get_mut(&row) {
            *place = proof;
        }
    }

    /// Puts the lines into the order of the input.
    ///
    /// # Errors
    /// Exit code 1 where a line could not be written.
    pub(super) fn finish(mut self) -> Result<(), AppError> {
        if self.trouble.is_none() && self.replaceable {
            self.trouble = self.replace().err().map(|why| why.to_string());
        }
        match self.trouble {
            Some(why) => Err(AppError::unexpected(format!("the results could not all be written: {why}"))),
            None => Ok(()),
        }
    }

    fn replace(&self) -> std::io::Result<()> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = self.path.with_file_name(name);
        let mut whole = heading();
        for (bytes, proof) in self.lines.values() {
            whole.extend_from_slice(bytes);
            whole.push(b',');
            whole.extend_from_slice(proof.as_bytes());
            whole.push(b'\n');
        }
        let mut file = File::create(&partial)?;
        file.write_all(&whole)?;
        file.sync_all()?;
        fs_err::rename(&partial, &self.path)
    }
}

impl Line<'_> {
    /// All columns but the last, without the end of the line.
    fn bytes(&self) -> Vec<u8> {
        let row = self.row.to_string();
        let fields = [
            row.as_str(),
            self.agent,
            self.to,
            self.phone_number_id,
            self.state,
            self.stage,
            self.reason,
            self.dialed,
            self.conversation_id,
            self.provider_call_id,
            self.error,
        ];
        record(&fields)
    }
}

fn heading() -> Vec<u8> {
    let mut heading = record(&HEADING);
    heading.push(b'\n');
    heading
}

/// A line of CSV without its end.
fn record(fields: &[&str]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(fields).expect("a vector takes everything");
    let mut bytes = writer.into_inner().expect("a vector takes everything");
    bytes.truncate(bytes.len() - 1);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_as_they_end_and_are_put_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("results.csv");
        let mut results = Results::create(&path, None).unwrap_or_else(|why| panic!("{why:?}"));
        results.add(&Line { row: 3, agent: "a,b", state: "failed", error: "said \"no\"", ..Line::default() });
        results.add(&Line { row: 2, agent: "hotel", state: "initiated", ..Line::default() });
        let text = fs_err::read_to_string(&path).expect("written");
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines, ["3,\"a,b\",,,failed,,,,,,\"said \"\"no\"\"\",", "2,hotel,,,initiated,,,,,,,"]);
        results.proved(2, "mismatch");
        results.finish().unwrap_or_else(|why| panic!("{why:?}"));
        let text = fs_err::read_to_string(&path).expect("written");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("row,agent,to,") && lines[0].ends_with(",error,proof"));
        assert_eq!(lines[1..], ["2,hotel,,,initiated,,,,,,,mismatch", "3,\"a,b\",,,failed,,,,,,\"said \"\"no\"\"\","]);
        assert_eq!(fs_err::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn the_input_is_not_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("calls.csv");
        fs_err::write(&path, "agent,to\n").expect("written");
        let error = Results::create(&path, Some(&path)).err().expect("refused");
        assert!(error.message.ends_with("is the file that the batch comes from"), "{}", error.message);
        assert_eq!(fs_err::read_to_string(&path).expect("still there"), "agent,to\n");
    }
}
