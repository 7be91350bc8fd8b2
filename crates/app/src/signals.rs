//! Ctrl-C and SIGTERM.

use crate::errors::AppError;

/// Waits for the user, or the system, to end the program.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Begins to listen; from now on neither signal ends the process by itself.
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
        })
    }

    /// Waits for the next signal.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
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
