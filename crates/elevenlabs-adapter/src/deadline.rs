//! The last look at the clock before the first byte, on whatever connection the request got.
//!
//! The HTTP library asks for a request's body when it has a connection for it and the head lies in its buffer,
//! before it writes anything. A body that fails then makes it drop the connection with the buffer. Were the head
//! on its way already, nothing would be ordered either: an order is in the body, and none of that is given out.
//!
//! Tests are in `tests/socket/dial.rs`.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use partyline_domain::Instant;
use partyline_domain::ports::Clock;

/// The request's time had passed when it could have been written; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time to send had passed")]
pub(crate) struct Late;

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

/// A body that is given out whole, and not after its time.
pub(crate) struct TimelyBody {
    bytes: Option<Bytes>,
    not_after: Instant,
    clock: Arc<dyn Clock>,
}

impl TimelyBody {
    pub(crate) fn new(bytes: Bytes, not_after: Instant, clock: Arc<dyn Clock>) -> Self {
        Self { bytes: Some(bytes), not_after, clock }
    }
}

impl Body for TimelyBody {
    type Data = Bytes;
    type Error = Late;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Late>>> {
        let Some(bytes) = self.bytes.take() else { return Poll::Ready(None) };
        let is_late = self.clock.now().monotonic > self.not_after;
        Poll::Ready(Some(if is_late { Err(Late) } else { Ok(Frame::data(bytes)) }))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
