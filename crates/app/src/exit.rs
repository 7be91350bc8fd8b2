//! Exit codes: promises to scripts (`design.md` section 6), and what leads to each.

use std::process::ExitCode;

use partyline_domain::flow::{CallState, Dialed, Failure, FailureReason, Proof, Stage};
use partyline_domain::{CallReport, FailureKind, ProofPolicy};

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The call was initiated, or the command did what it was asked.
    Success = 0,
    /// Something that should not happen.
    Unexpected = 1,
    /// Wrong usage or configuration; nothing was changed.
    Usage = 2,
    /// The agent was not verified.
    NotVerified = 3,
    /// The number was not assigned.
    NotAssigned = 4,
    /// The dial was refused.
    Refused = 5,
    /// Nobody knows whether the phone rang.
    Unknown = 6,
    /// The provider does not accept the key, or the key lacks a permission.
    Unauthorized = 7,
    /// Initiated, but the provider's record names another agent, number or callee.
    Misrouted = 8,
    /// Interrupted before the dial.
    Interrupted = 130,
}

impl Exit {
    /// The number that scripts see.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// What a call's report leads to.
    pub(crate) fn of_report(report: &CallReport) -> Self {
        match &report.state {
            CallState::Initiated(_) if report.is_misrouted() => Self::Misrouted,
            CallState::Initiated(_) if is_unproven(report) => Self::Unknown,
            CallState::Initiated(_) => Self::Success,
            CallState::Failed(failed) => Self::of_failure(failed.failure()),
            CallState::Requested(_) | CallState::Verified(_) | CallState::Assigned(_) => Self::Unexpected,
        }
    }

    /// What a failure leads to. Before the dial the earliest failed stage decides.
    pub(crate) fn of_failure(failure: &Failure) -> Self {
        match &failure.reason {
            FailureReason::Provider(kind) => match failure.dialed {
                Dialed::No => Self::of_provider(failure.stage, *kind),
                Dialed::Unknown | Dialed::Yes => Self::Unknown,
            },
            FailureReason::Cancelled | FailureReason::ShutDown => Self::Interrupted,
            FailureReason::OutcomeUnknown | FailureReason::Superseded => Self::Unknown,
            FailureReason::AgentNotFound
            | FailureReason::AgentArchived
            | FailureReason::NumberNotFound
            | FailureReason::NumberUnsupported
            | FailureReason::NotAssigned
            | FailureReason::Expired
            | FailureReason::AgentFailing
            | FailureReason::NumberFailing
            | FailureReason::NumberStopped
            | FailureReason::Refused => Self::of_stage(failure.stage),
            FailureReason::Journal | _ => Self::Unexpected,
        }
    }

    /// What a provider request that had no effect leads to.
    pub(crate) fn of_provider(stage: Stage, kind: FailureKind) -> Self {
        if matches!(kind, FailureKind::Unauthorized | FailureKind::MissingPermission) {
            Self::Unauthorized
        } else {
            Self::of_stage(stage)
        }
    }

    fn of_stage(stage: Stage) -> Self {
        match stage {
            Stage::Verify => Self::NotVerified,
            Stage::Assign => Self::NotAssigned,
            Stage::Initiate => Self::Refused,
        }
    }
}

/// Whether proof was required and never came, or never named all three: agent, number and callee.
pub(crate) fn is_unproven(report: &CallReport) -> bool {
    let lacks = matches!(report.proof(), None | Some(Proof::Absent | Proof::Matches { complete: false }));
    report.request.policies.proof == ProofPolicy::Required && lacks
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(stage: Stage, reason: FailureReason, dialed: Dialed) -> Failure {
        Failure { stage, reason, dialed, detail: "detail".to_owned() }
    }

    #[test]
    fn every_failure_has_its_code() {
        use {Dialed as D, FailureKind as K, FailureReason as R, Stage as S};
        for (stage, reason, dialed, code) in [
            (S::Verify, R::AgentNotFound, D::No, 3),
            (S::Verify, R::AgentArchived, D::No, 3),
            (S::Verify, R::Provider(K::Unreachable), D::No, 3),
            (S::Verify, R::Provider(K::Unauthorized), D::No, 7),
            (S::Verify, R::Provider(K::MissingPermission), D::No, 7),
            (S::Verify, R::Cancelled, D::No, 130),
            (S::Assign, R::NumberNotFound, D::No, 4),
            (S::Assign, R::NumberUnsupported, D::No, 4),
            (S::Assign, R::NotAssigned, D::No, 4),
            (S::Assign, R::Provider(K::Unavailable), D::No, 4),
            (S::Assign, R::Provider(K::MissingPermission), D::No, 7),
            (S::Assign, R::ShutDown, D::No, 130),
            (S::Assign, R::Journal, D::No, 1),
            (S::Initiate, R::Refused, D::No, 5),
            (S::Initiate, R::Refused, D::Unknown, 5),
            (S::Initiate, R::Provider(K::RateLimited), D::No, 5),
            (S::Initiate, R::Provider(K::Unauthorized), D::No, 7),
            (S::Initiate, R::Provider(K::TimedOut), D::Unknown, 6),
            (S::Initiate, R::OutcomeUnknown, D::Unknown, 6),
            (S::Initiate, R::ShutDown, D::No, 130),
        ] {
            let exit = Exit::of_failure(&failure(stage, reason.clone(), dialed));
            assert_eq!(exit.code(), code, "{stage:?} {reason:?} {dialed:?}");
        }
    }
}
