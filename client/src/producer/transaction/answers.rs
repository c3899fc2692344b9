//! The state machine: answers of coordinators.

use ringbrook_protocol::ResponseError;

use super::fate::{Failure, Fate, fate};
use super::request::{Request, RequestKind};
use super::state::State;
use super::transactions::Transactions;
use crate::error::{BrokerError, ClientError};
use crate::producer::sequences::ProducerId;
use crate::topic_partition::TopicPartition;

/// What a coordinator answered, without an error of the request as a whole.
#[derive(Debug)]
pub(in crate::producer) enum Answer {
    InitProducerId(ProducerId),
    /// With each partition's error code.
    AddPartitions(Vec<(TopicPartition, i16)>),
    AddOffsets,
    /// With each partition's error code.
    CommitOffsets(Vec<(TopicPartition, i16)>),
    /// With the producer's new id or epoch (version 2).
    EndTxn(Option<ProducerId>),
}

/// When the next request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::producer) enum Next {
    Now,
    /// After `retry.backoff.ms`, growing.
    AfterBackoff,
    /// After a few milliseconds.
    Soon,
}

impl Transactions {
    /// Takes in how a request that [`Transactions::next_request`] gave has ended. `answer` is of
    /// the request's kind.
    pub(in crate::producer) fn handle(
        &mut self,
        request: Request,
        answer: Result<Answer, Failure>,
    ) -> Next {
        self.passing_error = None;
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => return self.fail(request, &failure),
        };
        match (&request.kind, answer) {
            (RequestKind::InitProducerId, Answer::InitProducerId(producer)) => {
                self.producer = Some(producer);
                self.adopt_features();
                self.follow(State::Ready);
                request.outcome.done();
            }
            (RequestKind::AddPartitions(_), Answer::AddPartitions(codes)) => {
                return self.handle_partitions(request, &codes);
            }
            (RequestKind::AddOffsets(offsets), Answer::AddOffsets) => {
                self.is_started = true;
                // The operation is over when the offsets are committed.
                let kind = RequestKind::CommitOffsets(offsets.clone());
                let outcome = request.outcome;
                self.push(Request { kind, outcome });
            }
            (RequestKind::CommitOffsets(_), Answer::CommitOffsets(codes)) => {
                return self.handle_offsets(request, &codes);
            }
            (RequestKind::EndTxn { .. }, Answer::EndTxn(producer)) => {
                self.producer = producer.or(self.producer);
                self.complete_transaction(request.outcome);
            }
            (kind, answer) => {
                let text = format!("{answer:?} is no answer to {}", kind.name());
                let failure = Failure::Answer(ClientError::IllegalState(text));
                return self.fail(request, &failure);
            }
        }
        Next::Now
    }

    /// The first error that concerns the whole request decides; otherwise all partitions must do.
    fn handle_partitions(&mut self, request: Request, codes: &[(TopicPartition, i16)]) -> Next {
        let mut refused = None;
        for (partition, code) in codes.iter().filter(|(_, code)| *code != 0) {
            let error = BrokerError::new(*code, format!("adding {partition} to the transaction"));
            let failure = Failure::Answer(error.into());
            if fate(&request.kind, &failure, self.is_first()) != Fate::Abort {
                return self.fail(request, &failure);
            }
            // Partitions that were not even tried tell nothing of the reason.
            let not_tried = ResponseError::OperationNotAttempted.code();
            if refused.is_none() || *code != not_tried {
                refused = Some(failure);
            }
        }
        let RequestKind::AddPartitions(asked) = &request.kind else {
            unreachable!("the caller has looked at the kind");
        };
        self.partitions.answered(asked, refused.is_none());
        if let Some(failure) = refused {
            return self.fail(request, &failure);
        }
        self.is_started = true;
        request.outcome.done();
        Next::Now
    }

    /// What is not committed for a passing reason is sent again.
    fn handle_offsets(&mut self, mut request: Request, codes: &[(TopicPartition, i16)]) -> Next {
        let RequestKind::CommitOffsets(remaining) = &mut request.kind else {
            unreachable!("the caller has looked at the kind");
        };
        let is_done = |partition: &TopicPartition| {
            let code = codes.iter().find(|(answered, _)| answered == partition);
            code.is_some_and(|(_, code)| *code == 0)
        };
        remaining
            .offsets
            .retain(|(partition, _)| !is_done(partition));
        if remaining.offsets.is_empty() {
            request.outcome.done();
            return Next::Now;
        }
        let mut passing = None;
        for (partition, code) in codes.iter().filter(|(_, code)| *code != 0) {
            let error = BrokerError::new(*code, format!("committing the offset of {partition}"));
            let failure = Failure::Answer(error.into());
            if fate(&request.kind, &failure, self.is_first()) != Fate::Retry {
                return self.fail(request, &failure);
            }
            passing = Some(failure);
        }
        let failure = passing.unwrap_or_else(|| {
            let text = "the coordinator left out some offsets in its answer";
            Failure::Answer(ClientError::IllegalState(text.to_owned()))
        });
        self.fail(request, &failure)
    }

    fn is_first(&self) -> bool {
        !self.partitions.is_any_added()
    }

    fn fail(&mut self, request: Request, failure: &Failure) -> Next {
        let fate = fate(&request.kind, failure, self.is_first());
        let error = failure.error().clone();
        match fate {
            Fate::Retry | Fate::RetrySoon => {
                self.push(request);
                self.passing_error = Some(error);
                return if fate == Fate::Retry {
                    Next::AfterBackoff
                } else {
                    Next::Soon
                };
            }
            Fate::Abort => self.fail_abortably(error.clone()),
            Fate::AbortAndBump => self.fail_abortably_with_bump(error.clone()),
            Fate::StartAnew => self.follow(State::Uninitialized),
            Fate::Fenced => {
                let fenced = ResponseError::ProducerFenced.code();
                let subject = format!("transactional.id {}", self.transactional_id());
                let producer = self.producer.map_or(-1, |producer| producer.id);
                let text = format!("another producer has taken over from producer id {producer}");
                let error = BrokerError::new(fenced, subject).with_message(Some(text));
                self.fail_fatally(error.into());
            }
            Fate::Fatal => self.fail_fatally(error.clone()),
        }
        // In an abort that goes on nothing but the request has failed.
        request.outcome.fail(self.error().unwrap_or(error));
        Next::Now
    }
}
