//! The arguments of `partyline calls`, `export` and `purge`, and their help texts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use partyline_store_adapter::StateWord;

use crate::when::{Moment, age, moment};

/// The heading of what chooses calls.
const WHICH: &str = "Which calls";
/// What an id may be.
const ID: &str = "ID";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct CallsArgs {
    #[command(flatten)]
    pub(crate) list: ListCallsArgs,
    #[command(subcommand)]
    pub(crate) command: Option<CallsCommand>,
}

#[derive(Debug, Args)]
pub(crate) struct ListCallsArgs {
    /// As many at most, the newest; 0 = all of them [default: 20]
    #[arg(long, value_name = "COUNT", default_value_t = 20, hide_default_value = true)]
    pub(crate) limit: usize,

    /// Print one JSON array
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = WHICH)]
pub(crate) struct FilterArgs {
    /// In this state: `waiting`, `verified`, `assigned`, `dialling`, `in_doubt`, `initiated`, `failed` or `unknown` (repeatable)
    #[arg(long = "state", value_name = "STATE", value_parser = state)]
    pub(crate) states: Vec<StateWord>,

    /// Of this agent: an alias, an exact id, or a unique name
    #[arg(long, value_name = "AGENT")]
    pub(crate) agent: Option<String>,

    /// From this number, or that may be placed from it: an alias, the number itself, or its id
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(crate) number: Option<String>,

    /// Of this batch: its id, or the beginning of it
    #[arg(long, value_name = "BATCH")]
    pub(crate) batch: Option<String>,

    /// To this callee
    // Parsed later: clap would repeat a bad number on stderr.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(crate) to: Option<String>,

    /// Asked for at this time or later: a time such as 2026-12-24T18:00:00Z, or an age such as 30m, 2h or 7d
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(crate) since: Option<Moment>,

    /// Asked for before this time, which is written likewise
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(crate) until: Option<Moment>,

    /// Only those that somebody has something left to do for
    #[arg(long)]
    pub(crate) open: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CallsCommand {
    /// Show everything about a call, with all that has happened to it
    Show {
        /// The call: its id, or the beginning of it
        #[arg(value_name = ID)]
        id: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Follow calls until they have ended
    Watch {
        /// The calls: their ids, or the beginnings of them [default: all open ones]
        #[arg(value_name = ID)]
        ids: Vec<String>,
        /// Print one JSON object for each event
        #[arg(long)]
        json: bool,
    },
    /// Take calls back that have not been dialled; exit code 5 = a phone rings all the same, 6 = it may
    Cancel {
        /// The calls: their ids, or the beginnings of them
        #[arg(value_name = ID, required = true)]
        ids: Vec<String>,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Look calls of unknown outcome up at the provider; nothing is dialled
    Reconcile {
        /// The calls: their ids, or the beginnings of them [default: all of unknown outcome of the last 24 hours]
        #[arg(value_name = ID)]
        ids: Vec<String>,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Place a call of unknown outcome once more, as a new call
    Redial(RedialArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RedialArgs {
    /// The call: its id, or the beginning of it
    #[arg(value_name = ID)]
    pub(crate) id: String,

    /// Yes: the first dial was not found, but it may have rung, and then the callee's phone rings twice
    #[arg(long)]
    pub(crate) may_ring_twice: bool,

    /// Print one JSON object, that of `call`
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// How the calls are written [default: by the extension of `--out`, else `csv`]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<ExportFormat>,

    /// With all events of each call (JSON Lines only)
    #[arg(long)]
    pub(crate) events: bool,

    /// Write to this file, over one that is there [default: stdout]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Comma-separated values with a heading
    Csv,
    /// One JSON object a line
    Jsonl,
}

#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    /// Delete calls that were closed so long ago, with all their events: an age such as 12h, 90d or 26w
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) older_than: Option<Duration>,

    /// Erase the callees' numbers of calls that were closed so long ago
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) redact_after: Option<Duration>,

    /// Also where that is less than an hour
    #[arg(long)]
    pub(crate) force: bool,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl CallsArgs {
    /// Whether data is asked for as JSON.
    pub(crate) fn wants_json(&self) -> bool {
        match &self.command {
            None => self.list.json,
            Some(
                CallsCommand::Show { json, .. }
                | CallsCommand::Watch { json, .. }
                | CallsCommand::Cancel { json, .. }
                | CallsCommand::Reconcile { json, .. }
                | CallsCommand::Redial(RedialArgs { json, .. }),
            ) => *json,
        }
    }
}

fn state(text: &str) -> Result<StateWord, String> {
    StateWord::parse(text).ok_or_else(|| {
        let words: Vec<String> = StateWord::ALL.iter().map(|word| format!("`{}`", word.as_str())).collect();
        format!("expected {}", words.join(", "))
    })
}
