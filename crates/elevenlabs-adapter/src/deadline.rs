//! The last look at the clock before the first byte: a request whose time has passed while its connection
//! was being opened is dropped with the connection, unsent.
//!
//! Tests are in `tests/socket/dial.rs`.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use partyline_domain::Instant;
use partyline_domain::ports::Clock;
use tower_layer::Layer;
use tower_service::Service;

tokio::task_local! {
    /// The `not_after` of the request that this task is sending.
    static NOT_AFTER: Instant;
}

type BoxError = Box<dyn Error + Send + Sync>;

/// The request's time had passed when its connection was open; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time to send had passed")]
pub(crate) struct Late;

/// Runs `send` so that a connection it opens is given up after `not_after`.
pub(crate) async fn within<F: Future>(not_after: Option<Instant>, send: F) -> F::Output {
    match not_after {
        Some(instant) => NOT_AFTER.scope(instant, send).await,
        None => send.await,
    }
}

/// Whether `error` or one of its causes is [`Late`].
pub(crate) fn is_late(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<Late>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Adds that look to a connector.
#[derive(Clone)]
pub(crate) struct SendInTime {
    clock: Arc<dyn Clock>,
}

impl SendInTime {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl<S> Layer<S> for SendInTime {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, clock: Arc::clone(&self.clock) }
    }
}

/// A connector with that look.
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    inner: S,
    clock: Arc<dyn Clock>,
}

impl<S, Destination> Service<Destination> for Guarded<S>
where
    S: Service<Destination, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, destination: Destination) -> Self::Future {
        // Read here: the connection may go on being opened in another task.
        let not_after = NOT_AFTER.try_with(|instant| *instant).ok();
        let clock = Arc::clone(&self.clock);
        let connecting = self.inner.call(destination);
        Box::pin(async move {
            let connection = connecting.await?;
            match not_after {
                Some(instant) if clock.now().monotonic > instant => Err(BoxError::from(Late)),
                Some(_) | None => Ok(connection),
            }
        })
    }
}
