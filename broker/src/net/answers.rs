//! The answers of a connection that are not yet written, in the order of its requests.

use std::collections::VecDeque;
use std::future::pending;
use std::task::Poll;

use futures_util::future::LocalBoxFuture;
use futures_util::poll;
use tokio::sync::OwnedSemaphorePermit;

use crate::api::Response;

/// An answer, and the request memory held until it is taken.
struct Awaited {
    answer: Begun,
    _memory: Option<OwnedSemaphorePermit>,
}

/// The answer of a request that was begun.
pub(super) enum Begun {
    Ready(Response),
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

    /// Takes the first answer if nothing has to be awaited for it any more. A write of a log that
    /// ends wakes a connection once for all the requests it held: asking until nothing comes lets
    /// their answers share a `send`, which costs more than the rest of a small request.
    pub(super) async fn take_ready(&mut self) -> Option<Response> {
        let response = match &mut self.queue.front_mut()?.answer {
            Begun::Ready(response) => std::mem::replace(response, Response::Nothing),
            Begun::Later(future) => match poll!(future) {
                Poll::Ready(response) => response,
                Poll::Pending => return None,
            },
        };
        self.queue.pop_front();
        Some(response)
    }

    /// Waits for the first answer and takes it; without one, for ever. Nothing is lost when the
    /// wait is given up.
    pub(super) async fn take(&mut self) -> Response {
        let response = match self.queue.front_mut().map(|head| &mut head.answer) {
            Some(Begun::Ready(response)) => std::mem::replace(response, Response::Nothing),
            Some(Begun::Later(future)) => future.await,
            None => pending().await,
        };
        self.queue.pop_front();
        response
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
            Response::Send(_) | Response::SendSpliced(_) | Response::Nothing => {
                panic!("not what was queued")
            }
        })
    }

    #[tokio::test]
    async fn those_that_became_ready_together_are_taken_without_waiting() {
        let mut answers = Answers::default();
        let mut senders = Vec::new();
        for _ in 0..3 {
            let (sender, receiver) = oneshot::channel();
            senders.push(sender);
            answers.push(later(receiver), None);
        }
        answers.push(Begun::Ready(Response::Close("ready")), None);
        assert_eq!(reason(answers.take_ready().await), None);
        let last = senders.pop().unwrap();
        for (sender, text) in senders.into_iter().zip(["first", "second"]) {
            sender.send(text).unwrap();
        }
        assert_eq!(reason(Some(answers.take().await)), Some("first"));
        assert_eq!(reason(answers.take_ready().await), Some("second"));
        assert_eq!(reason(answers.take_ready().await), None, "the third is not");
        assert_eq!(answers.len(), 2);
        last.send("third").unwrap();
        assert_eq!(reason(answers.take_ready().await), Some("third"));
        assert_eq!(reason(answers.take_ready().await), Some("ready"));
        assert!(answers.is_empty());
        assert_eq!(reason(answers.take_ready().await), None);
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_loses_nothing() {
        let mut answers = Answers::default();
        assert!(answers.take().now_or_never().is_none(), "there is none");
        let (sender, receiver) = oneshot::channel();
        answers.push(later(receiver), None);
        assert!(answers.take().now_or_never().is_none());
        sender.send("kept").unwrap();
        assert_eq!(reason(Some(answers.take().await)), Some("kept"));
    }
}
