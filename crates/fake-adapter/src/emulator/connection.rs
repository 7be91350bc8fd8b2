//! One connection. It can be cut without an answer, which no ordinary server does on purpose.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

/// Marks a response that is never sent: the connection is cut instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut;

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
struct CutOnPurpose;

type Answered = Pin<Box<dyn Future<Output = Result<Response, CutOnPurpose>> + Send>>;

pub(super) async fn serve(stream: TcpStream, router: Router) {
    // Small answers must not wait for the acknowledgement of earlier ones.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request: Request<Incoming>| -> Answered {
        let mut router = router.clone();
        Box::pin(async move {
            let response: Result<_, Infallible> = router.call(request.map(Body::new)).await;
            let Ok(response) = response;
            if response.extensions().get::<Cut>().is_some() { Err(CutOnPurpose) } else { Ok(response) }
        })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    if ended.is_err_and(|error| is_cut(&error)) {
        // Without lingering, closing resets the connection: the client sees a reset, not an end.
        let _ = stream.set_zero_linger();
    }
}

fn is_cut(error: &hyper::Error) -> bool {
    std::error::Error::source(error).and_then(|source| source.downcast_ref::<CutOnPurpose>()).is_some()
}

/// A body that announces its whole length, sends half of it and breaks off.
pub(super) struct HalfBody {
    length: u64,
    half: Option<Bytes>,
    flushed: bool,
}

impl HalfBody {
    pub(super) fn of(whole: &Bytes) -> Self {
        Self { length: whole.len() as u64, half: Some(whole.slice(..whole.len() / 2)), flushed: false }
    }
}

/// A body that was broken off on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the answer is broken off on purpose")]
pub(super) struct BrokenOff;

impl http_body::Body for HalfBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !self.flushed {
            // What was given out is sent only when the body has nothing more to give for the moment.
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(BrokenOff)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
