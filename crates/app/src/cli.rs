//! The command line: arguments and their help texts, nothing else.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use partyline_domain::ports::Rate;
use partyline_domain::{AfterCall, AssignmentPolicy, ProofPolicy, RingingTimeout};

use crate::commands::calls::args::{CallsArgs, ExportArgs, PurgeArgs};
use crate::commands::simulate::SimulateArgs;
use crate::settings::{count, duration, lookup_window, rate, ringing_timeout, settle};

/// The menu of faults.
pub(crate) const FAULTS: &str = "\
Faults are written <operation>:<fault>[:<count>[@<skip>]]; a count of `*` means always.
  Operations: any, agents, agent, summaries, numbers, number, assign, dial, conversations, conversation
  Faults: 408-before, 408-after, 409-before, 409-after, 429-before, 429-after, 500-before, 500-after, \
    502-before, 502-after, 503-before, 503-after, 504-before, 504-after, 429, 429-text, \
    429-retry-<seconds>s, 502-html, 502-html-after, 401, 401-permission, 402, 403, 404, 422, hang-before, \
    hang-after, reset-before, reset-after, half, garbage, refused, refused-with-conversation, \
    no-conversation-id, ignored, lying, unknown-enum, missing-optional, legacy, slow-<duration>, \
    late-<duration>, hang-late-<duration>, twice-<duration>, untagged, page-missing, page-shuffled";

/// The heading of what is neither about the call nor about how it is placed.
const MODE: &str = "Trying it out, and output";
/// The heading of how a call is placed.
const MANNER: &str = "How the call is placed";
/// The heading of how many and how fast.
const PACE: &str = "How many at once, and how fast";

/// What a batch is written in.
const BATCH_FORMAT: &str = "\
CSV with a heading, or JSON Lines (one object a line). Columns (keys):
  agent          an alias from the settings file, an exact id, or a unique name (required)
  to             the callee, with country code (required)
  number         the number to call from: an alias, the number itself, or its id
  priority       `normal` or `urgent`
  expires        not dialled after this: a time such as 2026-12-24T18:00:00Z, or in how long, as 30m
  user_id        the end user this call is for
  key            your own word for this call: with the same word it is not placed twice
  language, first_message, system_prompt, voice_id
                 changes to the agent for this call
Every other column is a dynamic variable. In CSV its type is inferred as by `call --var`; a column \
named `x:text`, `x:number` or `x:bool` forces it. An empty cell is not given.
A file that is named like a subcommand is written with its folder: `./resume`.";

/// Many voice agents, one phone number: verify the agent, assign the number, dial, and tell the truth about it
#[derive(Debug, Parser)]
#[command(name = "partyline", version, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// The settings file [default: ./partyline.toml, else partyline/config.toml in the XDG configuration directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Where the provider's API is
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) base_url: Option<String>,

    /// Where calls and numbers are kept for all processes that share them: a path, `sqlite:<PATH>`, `postgres://...`, or
    /// `memory` for nowhere [default: partyline/store.db in the XDG data directory]
    // Parsed later: clap would repeat a password on stderr.
    #[arg(long, global = true, value_name = "PLACE")]
    pub(crate) store: Option<String>,

    /// How log lines are written to stderr; with `json` the log events take the place of the step lines
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,

    /// Show log lines; twice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One flat JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Place one call
    Call(Box<CallArgs>),
    /// Place many calls, from a file
    Batch(Box<BatchArgs>),
    /// List the calls in the store, follow them, take them back, or find out what became of them
    Calls(Box<CallsArgs>),
    /// Write the calls in the store as CSV or JSON Lines
    Export(Box<ExportArgs>),
    /// Throw old calls in the store away, or erase their callees
    Purge(PurgeArgs),
    /// List the agents
    Agents(ListArgs),
    /// List the phone numbers, or change who answers one
    Numbers(NumbersArgs),
    /// Check key, host, permissions, aliases and numbers
    Doctor(ListArgs),
    /// Serve an emulator of the provider on this machine
    Emulate(EmulateArgs),
    /// Run the core through the scenarios of its design, in virtual time
    Simulate(Box<SimulateArgs>),
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// The agent: an alias from the settings file, an exact id, or a unique name
    #[arg(value_name = "AGENT")]
    pub(crate) agent: String,

    /// The callee, with country code, for example +12025550123
    // Parsed later: clap would repeat a bad number on stderr.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(crate) to: String,

    /// The number to call from: an alias, the number itself, or its id [default: any configured one, else the only one there is]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(crate) number: Option<String>,

    /// A dynamic variable; `key=value` infers the type, `key:text=`, `key:number=` and `key:bool=` force it (repeatable)
    #[arg(long = "var", value_name = "KEY=VALUE")]
    pub(crate) variables: Vec<String>,

    /// A change to the agent for this call: `language`, `first_message`, `prompt` or `voice` (repeatable)
    #[arg(long = "override", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,

    /// The end user this call is for [default: the id of this attempt]
    #[arg(long, value_name = "TEXT")]
    pub(crate) user_id: Option<String>,

    /// How long the callee's phone may ring, 1 to 999 seconds [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = ringing_timeout)]
    pub(crate) ringing_timeout: Option<RingingTimeout>,

    /// Whether the telephony provider records the call (Twilio only) [default: as the provider is set up]
    #[arg(long, value_name = "BOOL")]
    pub(crate) recording: Option<bool>,

    /// Your own word for this call: asked for again with the same word, it is not placed twice, and its outcome is told
    /// again
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,

    /// Not dialled after this: a time such as 2026-12-24T18:00:00Z, or in how long, as 30m [default: 1h, with a store]
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    pub(crate) expires: Option<String>,

    #[command(flatten)]
    pub(crate) policies: PolicyArgs,

    /// Whether the provider's record is read back and compared with the call [default: once]
    #[arg(long, value_name = "HOW", help_heading = MANNER)]
    pub(crate) proof: Option<ProofArg>,

    /// Verify and read, say what would be changed, and change nothing
    #[arg(long, help_heading = MODE)]
    pub(crate) dry_run: bool,

    /// Call in a sandbox on this machine: no account needed, no phone rings
    #[arg(long, help_heading = MODE)]
    pub(crate) sandbox: bool,

    /// Print one JSON object
    #[arg(long, help_heading = MODE)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = BATCH_FORMAT, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct BatchArgs {
    #[command(subcommand)]
    pub(crate) command: Option<BatchCommand>,

    /// The calls: a CSV or JSON Lines file; `-` = stdin
    #[arg(value_name = "FILE", required = true)]
    pub(crate) file: Option<PathBuf>,

    /// How the file is written [default: by its extension, else by its first byte]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<FormatArg>,

    /// The number for rows that name none: an alias, the number itself, or its id [default: any configured one, else the only one there is]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(crate) number: Option<String>,

    /// Leave bad rows out, rather than dial nothing
    #[arg(long)]
    pub(crate) skip_invalid: bool,

    /// Take several rows for one callee
    #[arg(long)]
    pub(crate) allow_duplicates: bool,

    /// How long a callee's phone may ring, 1 to 999 seconds [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = ringing_timeout)]
    pub(crate) ringing_timeout: Option<RingingTimeout>,

    /// Whether the telephony provider records the calls (Twilio only) [default: as the provider is set up]
    #[arg(long, value_name = "BOOL")]
    pub(crate) recording: Option<bool>,

    #[command(flatten)]
    pub(crate) pace: PaceArgs,

    #[command(flatten)]
    pub(crate) policies: PolicyArgs,

    /// Say in which order the calls would be dialled and which requests that takes; nothing is sent
    #[arg(long, help_heading = MODE)]
    pub(crate) dry_run: bool,

    /// Call in a sandbox on this machine: no account needed, no phone rings
    #[arg(long, help_heading = MODE)]
    pub(crate) sandbox: bool,

    /// Print one JSON object for each call that has ended
    #[arg(long, help_heading = MODE)]
    pub(crate) json: bool,

    /// Write what became of each row as CSV: as the calls end, and in the end in the order of the input
    #[arg(long, value_name = "FILE", help_heading = MODE)]
    pub(crate) out: Option<PathBuf>,
}

impl BatchArgs {
    /// The calls.
    pub(crate) fn file(&self) -> &Path {
        self.file.as_deref().expect("clap asks for it where there is no subcommand")
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum BatchCommand {
    /// Go on with a batch that was interrupted, or whose process has ended
    Resume(Box<ResumeArgs>),
    /// Say how far a batch is
    Status {
        /// The batch, by its id or how that begins [default: the latest that is not finished, else the latest]
        #[arg(value_name = "ID")]
        id: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Take back what is not dialled of a batch, for good
    Cancel {
        /// The batch, by its id or how that begins [default: the latest that is not finished]
        #[arg(value_name = "ID")]
        id: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The batch, by its id or how that begins [default: the latest that is not finished]
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,

    #[command(flatten)]
    pub(crate) pace: PaceArgs,

    /// Print one JSON object for each call that ends from now on
    #[arg(long, help_heading = MODE)]
    pub(crate) json: bool,

    /// Write what became of each row as CSV, also of those that ended before
    #[arg(long, value_name = "FILE", help_heading = MODE)]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    /// Comma-separated values with a heading
    Csv,
    /// One JSON object a line
    Jsonl,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = PACE)]
pub(crate) struct PaceArgs {
    /// How many dials may wait for their answer at once [default: no limit]
    #[arg(long, value_name = "COUNT", value_parser = count)]
    pub(crate) max_in_flight: Option<usize>,

    /// The same for each number [default: 16]
    #[arg(long, value_name = "COUNT", value_parser = count)]
    pub(crate) max_in_flight_per_number: Option<usize>,

    /// How many calls may be live at once, calls in doubt included [default: no limit]
    #[arg(long, value_name = "COUNT", value_parser = count)]
    pub(crate) max_live: Option<usize>,

    /// How many calls beyond those that may be dialled are looked at for one whose agent a number has [default: 0]
    #[arg(long, value_name = "COUNT")]
    pub(crate) look_ahead: Option<usize>,

    /// How many dials may be sent a second; telephony accounts begin with 1 [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) dials_per_second: Option<Rate>,

    /// How many requests of any kind may be sent a second [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) requests_per_second: Option<Rate>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = MANNER)]
pub(crate) struct PolicyArgs {
    /// When the number is assigned to the agent [default: if-different]
    #[arg(long, value_name = "WHEN")]
    pub(crate) assignment: Option<AssignmentArg>,

    /// Who answers the number after the call [default: keep]
    #[arg(long, value_name = "WHAT")]
    pub(crate) after_call: Option<AfterCallArg>,

    /// How long the number stays with the agent after the dial was answered, before it is given back; for example
    /// 500ms, 2s, 1m; at most 10m [default: 0s]
    #[arg(long, value_name = "DURATION", value_parser = settle)]
    pub(crate) settle: Option<Duration>,

    /// How long a dial without a clear answer is looked up; for example 500ms, 30s, 5m; at most 1h [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = lookup_window)]
    pub(crate) lookup_window: Option<Duration>,

    /// Send the dial only once, also where the provider provably refused it before dialling
    #[arg(long)]
    pub(crate) no_dial_retry: bool,

    /// Dial once more where a dial was in doubt and never found: the callee's phone may ring twice
    #[arg(long, conflicts_with = "no_dial_retry")]
    pub(crate) at_least_once: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AssignmentArg {
    /// Assign it, also where it has the agent already
    Always,
    /// Assign it unless it has the agent
    IfDifferent,
    /// Leave it: only the dial request names the agent
    Never,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AfterCallArg {
    /// The agent of the call
    Keep,
    /// Whoever answered before, unless somebody else changed it meanwhile
    Restore,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ProofArg {
    /// Nothing is read
    Off,
    /// One read; a record that is not there yet does not fail the call
    Once,
    /// Read until agent, number and callee are known, or the look-up window ends
    Required,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print one JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct NumbersArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[command(subcommand)]
    pub(crate) command: Option<NumbersCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NumbersCommand {
    /// Make an agent answer a number
    Assign {
        /// The number: an alias, the number itself, or its id
        number: String,
        /// The agent: an alias, an exact id, or a unique name
        agent: String,
        /// How long a process that places calls from the number is waited for, for example 30s, 5m; 0s = not at all
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
        wait: Duration,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make nobody answer a number
    Release {
        /// The number: an alias, the number itself, or its id
        number: String,
        /// How long a process that places calls from the number is waited for, for example 30s, 5m; 0s = not at all
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
        wait: Duration,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
#[command(after_help = FAULTS)]
pub(crate) struct EmulateArgs {
    /// The port to listen on; 0 = any free one
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,

    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub(crate) host: IpAddr,

    /// How many agents there are
    #[arg(long, default_value_t = 3, value_name = "COUNT")]
    pub(crate) agents: usize,

    /// How many phone numbers there are
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    pub(crate) numbers: usize,

    /// Who provides the lines of the numbers: `twilio`, `sip_trunk` or `exotel`
    #[arg(long, default_value = "twilio", value_name = "KIND")]
    pub(crate) provider: String,

    /// How long every answer takes, for example 500ms, 2s, 1m
    #[arg(long, default_value = "0ms", value_name = "DURATION", value_parser = duration)]
    pub(crate) latency: Duration,

    /// What random choices start from
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,

    /// The API key that is accepted
    #[arg(long, default_value = "test-key-emulator", value_name = "KEY")]
    pub(crate) key: String,

    /// How long a new conversation is missing from the list, for example 500ms, 2s, 1m
    #[arg(long, default_value = "0ms", value_name = "DURATION", value_parser = duration)]
    pub(crate) list_lag: Duration,

    /// How long a phone rings before it is picked up (a SIP dial is answered only then), for example 500ms, 2s, 1m
    #[arg(long, default_value = "0ms", value_name = "DURATION", value_parser = duration)]
    pub(crate) ring: Duration,

    /// A fault, for example `dial:504-after:1` (repeatable): the menu is below
    #[arg(long = "fault", value_name = "FAULT")]
    pub(crate) faults: Vec<String>,
}

impl From<AssignmentArg> for AssignmentPolicy {
    fn from(word: AssignmentArg) -> Self {
        match word {
            AssignmentArg::Always => Self::Always,
            AssignmentArg::IfDifferent => Self::IfDifferent,
            AssignmentArg::Never => Self::Never,
        }
    }
}

impl From<AfterCallArg> for AfterCall {
    fn from(word: AfterCallArg) -> Self {
        match word {
            AfterCallArg::Keep => Self::Keep,
            AfterCallArg::Restore => Self::Restore,
        }
    }
}

impl From<ProofArg> for ProofPolicy {
    fn from(word: ProofArg) -> Self {
        match word {
            ProofArg::Off => Self::Off,
            ProofArg::Once => Self::Once,
            ProofArg::Required => Self::Required,
        }
    }
}

impl Command {
    /// Whether data is asked for as JSON.
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Call(args) => args.json,
            Self::Batch(args) => match &args.command {
                None => args.json,
                Some(BatchCommand::Resume(args)) => args.json,
                Some(BatchCommand::Status { json, .. } | BatchCommand::Cancel { json, .. }) => *json,
            },
            Self::Agents(args) | Self::Doctor(args) => args.json,
            Self::Numbers(args) => match &args.command {
                None => args.list.json,
                Some(NumbersCommand::Assign { json, .. } | NumbersCommand::Release { json, .. }) => *json,
            },
            Self::Simulate(args) => args.json,
            Self::Calls(args) => args.wants_json(),
            Self::Purge(args) => args.json,
            Self::Export(_) | Self::Emulate(_) | Self::Completions { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
