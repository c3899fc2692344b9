//! The answers of a connection that are not yet written, in the order of its requests.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::OwnedSemaphorePermit;

use crate::api::{Produced, Response};

/// An answer, and the request memory held until it is taken.
struct Awaited {
    answer: Begun,
    _memory: Option<OwnedSemaphorePermit>,
}

/// The answer of a request that was begun.
pub(super) enum Begun {
    Ready(Response),
    Produced(Box<Produced>),
    Later(LocalBoxFuture<'static, Response>),
}

/// A queue of answers; only the first can be taken.
#[derive(Default)]
pub(super) struct Answers {
    queue: VecDeque<Awaited>,
}

impl Answers {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn push(&mut self, answer: Begun, memory: Option<OwnedSemaphorePermit>) {
        self.queue.push_back(Awaited {
            answer,
            _memory: memory,
        });
    }

    /// Takes the first answer when nothing has to be awaited for it any more; without one, never.
    /// A write of a log that ends wakes a connection once for all the requests it held: asking
    /// until nothing comes lets their answers share a `send`, which costs more than the rest of a
    /// small request.
    pub(super) fn poll_take(&mut self, ctx: &mut Context<'_>) -> Poll<Response> {
        let Some(first) = self.queue.front_mut() else {
            return Poll::Pending;
        };
        match &mut first.answer {
            Begun::Ready(_) => {}
            Begun::Produced(produced) => ready!(produced.poll(ctx)),
            Begun::Later(future) => {
                let response = ready!(future.poll_unpin(ctx));
                first.answer = Begun::Ready(response);
            }
        }
        match self.queue.pop_front().map(|first| first.answer) {
            Some(Begun::Ready(response)) => Poll::Ready(response),
            Some(Begun::Produced(produced)) => Poll::Ready(Response::Produced(produced)),
            Some(Begun::Later(_)) | None => Poll::Pending,
        }
    }

    /// Waits for the first answer and takes it; without one, for ever. Nothing is lost when the
    /// wait is given up.
    pub(super) async fn take(&mut self) -> Response {
        poll_fn(|ctx| self.poll_take(ctx)).await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    fn later(reason: oneshot::Receiver<&'static str>) -> Begun {
        Begun::Later(reason.map(|it| Response::Close(it.unwrap())).boxed_local())
    }

    fn reason(response: Option<Response>) -> Option<&'static str> {
        response.map(|it| match it {
            Response::Close(reason) => reason,
            _ => panic!("not what was queued"),
        })
    }

    #[test]
    fn those_that_became_ready_together_are_taken_without_waiting() {
        let mut answers = Answers::default();
        let mut senders = Vec::new();
        for _ in 0..3 {
            let (sender, receiver) = oneshot::channel();
            senders.push(sender);
            answers.push(later(receiver), None);
        }
        answers.push(Begun::Ready(Response::Close("ready")), None);
        assert_eq!(reason(answers.take().now_or_never()), None);
        let last = senders.pop().unwrap();
        for (sender, text) in senders.into_iter().zip(["first", "second"]) {
            sender.send(text).unwrap();
        }
        assert_eq!(reason(answers.take().now_or_never()), Some("first"));
        assert_eq!(reason(answers.take().now_or_never()), Some("second"));
        assert_eq!(
            reason(answers.take().now_or_never()),
            None,
            "the third is not"
        );
        assert_eq!(answers.len(), 2);
        last.send("third").unwrap();
        assert_eq!(reason(answers.take().now_or_never()), Some("third"));
        assert_eq!(reason(answers.take().now_or_never()), Some("ready"));
        assert!(answers.is_empty());
        assert_eq!(reason(answers.take().now_or_never()), None);
    }

    #[test]
    fn a_wait_that_is_given_up_loses_nothing() {
        let mut answers = Answers::default();
        assert!(answers.take().now_or_never().is_none(), "there is none");
        let (sender, receiver) = oneshot::channel();
        answers.push(later(receiver), None);
        assert!(answers.take().now_or_never().is_none());
        sender.send("kept").unwrap();
        assert_eq!(reason(answers.take().now_or_never()), Some("kept"));
    }
}
