//! What is measured (`scheduling.md` 3.1), by name.

use serde::Serialize;

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// List, verify, PATCH and POST requests (R_core times N).
    Requests,
    /// All others: re-reads, audit, look-ups.
    RequestsSafety,
    /// R_core: `requests` for each accepted call.
    RequestsPerCall,
    /// R: `requests` and `requests_safety` for each accepted call.
    RequestsTotalPerCall,
    /// PATCH requests (n_P).
    Assignments,
    /// `assignments` over what the calls need if all are there at the beginning (ρ_B).
    AssignmentsPerBound,
    /// `assignments` over Belady's count for the order of submission.
    AssignmentsPerFifo,
    /// `assignments` over the window bound (ρ_W).
    AssignmentsPerWindow,
    /// Dials executed while another agent was assigned (the server's truth).
    Misroutes,
    /// `misroutes` over executed dials (M).
    MisrouteShare,
    /// `misroutes` for each change by somebody outside that took a number from an agent.
    MisroutesPerWrite,
    /// The longest from a misroute's execution to its alarm, in seconds.
    FlagDelayMaxS,
    /// Misroutes that no alarm named.
    Unflagged,
    /// Calls with more than one executed dial (D₂).
    DoubleDials,
    /// Calls that were submitted and have no end.
    Lost,
    /// From the first submission to the last answer to a dial, in seconds.
    MakespanS,
    /// From the first submission until the last dial was executed, in seconds: where dials are answered at pickup, the
    /// last answers say nothing about the dispatcher.
    LastDialS,
    /// `makespan_s` over that of the reference without assignment.
    MakespanRatio,
    /// From a call's submission to the sending of its dial, in seconds: the median.
    WaitP50S,
    /// The same: the 99th percentile.
    WaitP99S,
    /// The same: the longest.
    WaitMaxS,
    /// The wait beyond that of the same call in the reference without assignment (A_j), in seconds: the median.
    AddedWaitP50S,
    /// The same: the 99th percentile.
    AddedWaitP99S,
    /// The most calls submitted later that were dialled before one (B).
    OvertakingMax,
    /// How much of the allowed dials in flight was used (U).
    Utilisation,
    /// Accepted calls for each second of the makespan (X).
    CallsPerSecond,
    /// `calls_per_second` over that of the script under one mutex (S).
    SpeedUp,
    /// Until as many dials were executed as may be live (F_C), in seconds.
    RampS,
    /// How often the process that had the number failed.
    Failovers,
    /// `misroutes` for each of `failovers`, within 60 s.
    MisroutesPerFailover,
    /// The share of the failovers with any misroute.
    MisroutedFailovers,
    /// From a failure with no request open, or from giving the number back, to the first dial of whoever takes over, in
    /// seconds: the mean.
    TakeoverFreeS,
    /// The same: the longest.
    TakeoverFreeMaxS,
    /// From a failure with requests open to the first dial for their agent, in seconds: the mean.
    TakeoverSameS,
    /// The same: the longest.
    TakeoverSameMaxS,
    /// From a failure with requests open to the first dial for another agent than theirs, in seconds: the mean.
    TakeoverOtherS,
    /// The same: the longest.
    TakeoverOtherMaxS,
}

impl Metric {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 37] = [
        Self::Requests,
        Self::RequestsSafety,
        Self::RequestsPerCall,
        Self::RequestsTotalPerCall,
        Self::Assignments,
        Self::AssignmentsPerBound,
        Self::AssignmentsPerFifo,
        Self::AssignmentsPerWindow,
        Self::Misroutes,
        Self::MisrouteShare,
        Self::MisroutesPerWrite,
        Self::FlagDelayMaxS,
        Self::Unflagged,
        Self::DoubleDials,
        Self::Lost,
        Self::MakespanS,
        Self::LastDialS,
        Self::MakespanRatio,
        Self::WaitP50S,
        Self::WaitP99S,
        Self::WaitMaxS,
        Self::AddedWaitP50S,
        Self::AddedWaitP99S,
        Self::OvertakingMax,
        Self::Utilisation,
        Self::CallsPerSecond,
        Self::SpeedUp,
        Self::RampS,
        Self::Failovers,
        Self::MisroutesPerFailover,
        Self::MisroutedFailovers,
        Self::TakeoverFreeS,
        Self::TakeoverFreeMaxS,
        Self::TakeoverSameS,
        Self::TakeoverSameMaxS,
        Self::TakeoverOtherS,
        Self::TakeoverOtherMaxS,
    ];

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::RequestsSafety => "requests_safety",
            Self::RequestsPerCall => "requests_per_call",
            Self::RequestsTotalPerCall => "requests_total_per_call",
            Self::Assignments => "assignments",
            Self::AssignmentsPerBound => "assignments_per_bound",
            Self::AssignmentsPerFifo => "assignments_per_fifo",
            Self::AssignmentsPerWindow => "assignments_per_window",
            Self::Misroutes => "misroutes",
            Self::MisrouteShare => "misroute_share",
            Self::MisroutesPerWrite => "misroutes_per_write",
            Self::FlagDelayMaxS => "flag_delay_max_s",
            Self::Unflagged => "unflagged",
            Self::DoubleDials => "double_dials",
            Self::Lost => "lost",
            Self::MakespanS => "makespan_s",
            Self::LastDialS => "last_dial_s",
            Self::MakespanRatio => "makespan_ratio",
            Self::WaitP50S => "wait_p50_s",
            Self::WaitP99S => "wait_p99_s",
            Self::WaitMaxS => "wait_max_s",
            Self::AddedWaitP50S => "added_wait_p50_s",
            Self::AddedWaitP99S => "added_wait_p99_s",
            Self::OvertakingMax => "overtaking_max",
            Self::Utilisation => "utilisation",
            Self::CallsPerSecond => "calls_per_second",
            Self::SpeedUp => "speed_up",
            Self::RampS => "ramp_s",
            Self::Failovers => "failovers",
            Self::MisroutesPerFailover => "misroutes_per_failover",
            Self::MisroutedFailovers => "misrouted_failovers",
            Self::TakeoverFreeS => "takeover_free_s",
            Self::TakeoverFreeMaxS => "takeover_free_max_s",
            Self::TakeoverSameS => "takeover_same_s",
            Self::TakeoverSameMaxS => "takeover_same_max_s",
            Self::TakeoverOtherS => "takeover_other_s",
            Self::TakeoverOtherMaxS => "takeover_other_max_s",
        }
    }

    /// Whether it is a whole number in one run.
    pub fn is_count(self) -> bool {
        match self {
            Self::Requests
            | Self::RequestsSafety
            | Self::Assignments
            | Self::Misroutes
            | Self::Unflagged
            | Self::DoubleDials
            | Self::Lost
            | Self::OvertakingMax
            | Self::Failovers => true,
            Self::RequestsPerCall
            | Self::RequestsTotalPerCall
            | Self::AssignmentsPerBound
            | Self::AssignmentsPerFifo
            | Self::AssignmentsPerWindow
            | Self::MisrouteShare
            | Self::MisroutesPerWrite
            | Self::FlagDelayMaxS
            | Self::MakespanS
            | Self::LastDialS
            | Self::MakespanRatio
            | Self::WaitP50S
            | Self::WaitP99S
            | Self::WaitMaxS
            | Self::AddedWaitP50S
            | Self::AddedWaitP99S
            | Self::Utilisation
            | Self::CallsPerSecond
            | Self::SpeedUp
            | Self::RampS
            | Self::MisroutesPerFailover
            | Self::MisroutedFailovers
            | Self::TakeoverFreeS
            | Self::TakeoverFreeMaxS
            | Self::TakeoverSameS
            | Self::TakeoverSameMaxS
            | Self::TakeoverOtherS
            | Self::TakeoverOtherMaxS => false,
        }
    }
}
