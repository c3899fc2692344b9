//! The answer to a produce request: what it will say, and what it still waits for.
//!
//! Boxed once and filled, polled and encoded where it lies: no answer is given as often with so
//! little in it.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use ringbrook_protocol::produce::{Few, Request, Response, TopicResponse};
use ringbrook_protocol::{ProtocolError, ResponseError, encode_response_into};

use super::failed;
use super::wait::{Deadline, Wait};
use crate::api::RequestContext;
use crate::api::error::NONE;

/// See the module's documentation.
pub(crate) struct Produced {
    correlation_id: i32,
    api_version: i16,
    response: Response,
    pending: Few<Pending>,
    /// Of `pending`, those that need no more waiting.
    ended: usize,
    deadline: Deadline,
}

/// A partition's part of the answer, and what it still waits for.
struct Pending {
    topic_index: usize,
    partition_index: usize,
    wait: Wait,
}

impl Produced {
    /// An answer without topics.
    pub(super) fn new(ctx: &RequestContext, request: &Request) -> Box<Self> {
        let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
        Box::new(Self {
            correlation_id: ctx.correlation_id,
            api_version: ctx.api_version,
            response: Response {
                topics: Few::with_capacity(request.topics.len()),
            },
            pending: Few::new(),
            ended: 0,
            deadline: Deadline::new(timeout),
        })
    }

    /// Adds what there is to say of a topic.
    pub(super) fn push(&mut self, topic: TopicResponse) {
        self.response.topics.push(topic);
    }

    /// Has the answer wait for the partition at this place in it.
    pub(super) fn wait_for(&mut self, topic_index: usize, partition_index: usize, wait: Wait) {
        self.pending.push(Pending {
            topic_index,
            partition_index,
            wait,
        });
    }

    /// Whether any partition's part is an error.
    pub(super) fn has_errors(&self) -> bool {
        let mut partitions = self.response.topics.iter().flat_map(|it| &it.partitions);
        partitions.any(|partition| partition.error_code != NONE)
    }

    /// Ready when nothing has to be waited for any more.
    pub(crate) fn poll(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        while let Some(pending) = self.pending.get_mut(self.ended) {
            let error = ready!(pending.wait.poll(ctx, &mut self.deadline));
            let place = (pending.topic_index, pending.partition_index);
            self.ended += 1;
            if let Some(error) = error {
                self.fail(place, error);
            }
        }
        Poll::Ready(())
    }

    fn fail(&mut self, (topic_index, partition_index): (usize, usize), error: ResponseError) {
        let topic = self.response.topics.get_mut(topic_index);
        let partition = topic.and_then(|topic| topic.partitions.get_mut(partition_index));
        if let Some(partition) = partition {
            *partition = failed(partition.index, error, None);
        }
    }

    /// Appends the whole frame to `out`.
    ///
    /// # Errors
    /// [`ProtocolError::Unencodable`]; `out` is as it was.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        encode_response_into(out, self.correlation_id, &self.response, self.api_version)
    }
}
