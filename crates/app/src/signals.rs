//! Ctrl-C, SIGTERM, and SIGHUP where it is not ignored (as under `nohup`).

use crate::errors::AppError;

/// Waits for the user, or the system, to end the program.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    /// Begins to listen; from now on no signal of these ends the process by itself.
    ///
    /// # Errors
    /// Exit code 1 where the system does not allow it.
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self, AppError> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |why| AppError::unexpected(format!("cannot listen for signals: {why}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            hangup: (!ignores_hangup()).then(|| signal(SignalKind::hangup())).transpose().map_err(failed)?,
        })
    }

    /// Waits for the next signal.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }

    /// Begins to listen.
    #[cfg(not(unix))]
    pub(crate) fn listen() -> Result<Self, AppError> {
        Ok(Self {})
    }

    /// Waits for the next signal.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        // Where Ctrl-C cannot be heard, it ends the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Does `work`, unless a signal comes first; `effect` says what that leaves behind.
    ///
    /// # Errors
    /// Exit code 130 after a signal; else whatever `work` fails with.
    pub(crate) async fn unless_interrupted<T>(
        &mut self,
        effect: &'static str,
        work: impl Future<Output = Result<T, AppError>>,
    ) -> Result<T, AppError> {
        tokio::select! {
            biased;
            outcome = work => outcome,
            () = self.next() => Err(AppError::interrupted(effect)),
        }
    }
}

/// Whether the process was started so that a lost terminal does not end it. Where that cannot be seen it was not.
#[cfg(unix)]
fn ignores_hangup() -> bool {
    let Ok(status) = fs_err::read_to_string("/proc/self/status") else { return false };
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is signal 1, the lowest bit of the mask.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
