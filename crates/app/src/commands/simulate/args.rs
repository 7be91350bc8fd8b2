//! The arguments of `partyline simulate` and their help texts.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use partyline_simulation::Strategy;

/// The heading of what belongs to storms.
const STORM: &str = "Storms";

/// The most calls, agents or numbers of one storm.
const SIZE_MAX: usize = 10_000;

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// The scenario, `S1` to `S14` or a part of one such as `S6/16`; `all` = all of them
    #[arg(long, value_name = "NAME", required_unless_present_any = ["list", "faults"])]
    pub(crate) scenario: Option<String>,

    /// Who decides what is sent when [default: all]
    #[arg(long, value_name = "NAME", conflicts_with = "faults")]
    pub(crate) strategy: Option<StrategyArg>,

    /// What chance begins from [default: 1]
    #[arg(long, value_name = "SEED", conflicts_with = "seeds")]
    pub(crate) seed: Option<u64>,

    /// Run with as many seeds, from 1 on, and show means
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: Option<u64>,

    /// Rather than a scenario, run storms, each seed with some of these faults: `all`, or names such as F1,F5
    #[arg(long, value_name = "FAULTS", conflicts_with = "scenario", help_heading = STORM)]
    pub(crate) faults: Option<String>,

    /// The first seed of a storm [default: 1]
    #[arg(long, value_name = "SEED", requires = "faults", conflicts_with = "seed", help_heading = STORM)]
    pub(crate) first_seed: Option<u64>,

    /// How many calls each seed of a storm has; one of overload (F18) has three times as many [default: 50]
    #[arg(long, value_name = "COUNT", value_parser = size, requires = "faults", help_heading = STORM)]
    pub(crate) calls: Option<usize>,

    /// The most agents a seed of a storm may have [default: 6]
    #[arg(long, value_name = "COUNT", value_parser = size, requires = "faults", help_heading = STORM)]
    pub(crate) agents: Option<usize>,

    /// The most numbers a seed of a storm may have [default: 3]
    #[arg(long, value_name = "COUNT", value_parser = size, requires = "faults", help_heading = STORM)]
    pub(crate) numbers: Option<usize>,

    /// How many processes share a store in a storm at most; with more than 1, see `--faults shared` [default: 1]
    #[arg(long, value_name = "COUNT", value_parser = size, requires = "faults", help_heading = STORM)]
    pub(crate) processes: Option<usize>,

    /// Do not check the invariants after each event, which is faster
    #[arg(long)]
    pub(crate) unchecked: bool,

    /// List the scenarios
    #[arg(long, conflicts_with_all = ["scenario", "strategy", "seed", "seeds", "faults", "plot"])]
    pub(crate) list: bool,

    /// Draw what the numbers did, and compare the strategies
    #[arg(long, value_name = "FILE", conflicts_with = "faults")]
    pub(crate) plot: Option<PathBuf>,

    /// Print one JSON object for each strategy and scenario
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StrategyArg {
    /// The core that places real calls
    Partyline,
    /// List, assign, dial, by several workers without a lock
    Script,
    /// The same under one mutex
    Mutex,
    /// A mutex for each number, and caches
    Cached,
    /// One after the other
    All,
}

impl SimulateArgs {
    /// The seeds to run with.
    pub(crate) fn seeds(&self) -> Vec<u64> {
        self.seeds.map_or_else(|| vec![self.seed.unwrap_or(1)], |count| (1..=count).collect())
    }

    /// The strategies to run.
    pub(crate) fn strategies(&self) -> Vec<Strategy> {
        match self.strategy {
            Some(StrategyArg::Partyline) => vec![Strategy::Partyline],
            Some(StrategyArg::Script) => vec![Strategy::Script],
            Some(StrategyArg::Mutex) => vec![Strategy::Mutex],
            Some(StrategyArg::Cached) => vec![Strategy::Cached],
            Some(StrategyArg::All) | None => Strategy::ALL.to_vec(),
        }
    }
}

/// Reads how large a storm is to be.
fn size(text: &str) -> Result<usize, String> {
    let fits = text.parse().ok().filter(|size| (1..=SIZE_MAX).contains(size));
    fits.ok_or_else(|| format!("expected a whole number from 1 to {SIZE_MAX}"))
}
