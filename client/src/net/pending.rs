//! An answer that is yet to come.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use ringbrook_protocol::Request;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::connection::Shared;
use crate::error::ClientError;

/// An answer that is yet to come. Its time limit runs from the sending, whether or not anybody
/// looks: an answer that does not come in time ends the connection.
#[must_use = "the answer tells whether the request succeeded"]
pub struct PendingResponse<R> {
    shared: Arc<Shared>,
    version: i16,
    deadline: Instant,
    awaiting: oneshot::Receiver<Result<Bytes, ClientError>>,
    request: PhantomData<fn() -> R>,
}

impl<R: Request> PendingResponse<R> {
    pub(super) fn new(
        shared: Arc<Shared>,
        version: i16,
        deadline: Instant,
        awaiting: oneshot::Receiver<Result<Bytes, ClientError>>,
    ) -> Self {
        Self {
            shared,
            version,
            deadline,
            awaiting,
            request: PhantomData,
        }
    }

    /// The version that the request was sent in.
    #[must_use]
    pub fn version(&self) -> i16 {
        self.version
    }

    /// When the time limit ends.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The answer's frame, undecoded.
    pub(super) async fn frame(mut self) -> Result<Bytes, ClientError> {
        std::future::poll_fn(|ctx| self.poll_frame(ctx)).await
    }

    fn poll_frame(&mut self, ctx: &mut Context<'_>) -> Poll<Result<Bytes, ClientError>> {
        let answer = ready!(Pin::new(&mut self.awaiting).poll(ctx));
        let gone = |_| self.shared.disconnected("its task has ended");
        Poll::Ready(answer.map_err(gone).flatten())
    }
}

impl<R: Request> Future for PendingResponse<R> {
    type Output = Result<R::Response, ClientError>;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Self::Output> {
        let frame = ready!(self.poll_frame(ctx))?;
        let version = self.version;
        Poll::Ready(self.shared.decode::<R>(frame, version))
    }
}
