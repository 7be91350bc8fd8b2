//! `partyline purge`: old calls are deleted, and the callees of less old ones erased.

use std::time::Duration;

use partyline_store_adapter::{Purge, Purged};
use serde::Serialize;

use super::calls::args::PurgeArgs;
use super::calls::{Desk, UNCHANGED, trouble};
use crate::errors::AppError;
use crate::exit::Exit;

/// What is younger is not thrown away by accident: a slip in the unit is likelier than the wish.
const YOUNG: Duration = Duration::from_secs(3600);

/// The object of `purge --json`.
#[derive(Serialize)]
struct Output {
    deleted_calls: u64,
    deleted_batches: u64,
    erased_callees: u64,
}

/// Throws away what is old enough.
///
/// # Errors
/// 2 for ages that cannot be meant, 1 where the store does not answer.
pub(super) async fn run(args: &PurgeArgs, desk: Desk<'_>) -> Result<Exit, AppError> {
    let purge = checked(args)?;
    let purged = desk.archive.purge(&purge).await.map_err(trouble)?;
    if desk.printer.is_json() {
        let Purged { deleted, redacted, batches } = purged;
        desk.printer.object(&Output { deleted_calls: deleted, deleted_batches: batches, erased_callees: redacted });
    } else {
        desk.printer.data(&told(purge, purged));
    }
    Ok(Exit::Success)
}

fn checked(args: &PurgeArgs) -> Result<Purge, AppError> {
    let purge = Purge { delete_after: args.older_than, redact_after: args.redact_after };
    let wrong = |message: &str| AppError::usage("usage", message.to_owned()).effect(UNCHANGED);
    match (purge.delete_after, purge.redact_after) {
        (None, None) => {
            return Err(wrong("nothing is said of what is old").hint(
                "delete calls with `--older-than 90d`, erase the numbers of callees with `--redact-after 30d`, or both",
            ));
        }
        (Some(delete), Some(redact)) if redact >= delete => {
            return Err(wrong("`--redact-after` is not less than `--older-than`: what it would erase is deleted"));
        }
        (_, _) => {}
    }
    let youngest = purge.delete_after.into_iter().chain(purge.redact_after).min().unwrap_or_default();
    if youngest < YOUNG && !args.force {
        return Err(wrong("that is less than an hour").hint("add `--force` where it is meant"));
    }
    Ok(purge)
}

fn told(purge: Purge, purged: Purged) -> String {
    let count = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let of_batches = if purged.batches == 0 {
        String::new()
    } else {
        format!(" (with {} batch{})", purged.batches, if purged.batches == 1 { "" } else { "es" })
    };
    let deleted = purge.delete_after.map(|_| format!("{} deleted{of_batches}", count(purged.deleted, "call")));
    let erased = purge.redact_after.map(|_| format!("{} erased", count(purged.redacted, "callee")));
    deleted.into_iter().chain(erased).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(older_than: Option<u64>, redact_after: Option<u64>, force: bool) -> PurgeArgs {
        let hours = |hours| Duration::from_secs(hours * 3600);
        PurgeArgs { older_than: older_than.map(hours), redact_after: redact_after.map(hours), force, json: false }
    }

    #[test]
    fn nonsense_is_refused() {
        for (args, why) in [
            (args(None, None, true), "nothing is said of what is old"),
            (args(Some(0), None, false), "that is less than an hour"),
            (args(Some(5), Some(0), false), "that is less than an hour"),
            (args(Some(5), Some(5), true), "`--redact-after` is not less than"),
        ] {
            let error = checked(&args).expect_err(why);
            assert!(error.message.starts_with(why) && error.exit == Exit::Usage, "{error:?}");
        }
        assert!(checked(&args(Some(0), None, true)).is_ok());
        assert!(checked(&args(Some(5), Some(4), false)).is_ok());
        assert!(checked(&args(None, Some(4), false)).is_ok());
    }

    #[test]
    fn counts_are_told() {
        let purge = Purge { delete_after: Some(Duration::from_secs(7200)), redact_after: Some(YOUNG) };
        let purged = Purged { deleted: 1, redacted: 3, batches: 2 };
        assert_eq!(told(purge, purged), "1 call deleted (with 2 batches), 3 callees erased");
        let only = Purge { redact_after: None, ..purge };
        assert_eq!(told(only, Purged::default()), "0 calls deleted");
    }
}
