//! The state machine, step by step and at random.

mod errors;
mod protocol_v1;
mod protocol_v2;
mod random;

use std::sync::Arc;

use ringbrook_protocol::ResponseError;

use super::fate::Fate;
use super::operation::Operation;
use super::request::{GroupOffsets, RequestKind};
use super::state::State;
use super::*;
use crate::error::{BrokerError, ClientError};
use crate::group_metadata::ConsumerGroupMetadata;
use crate::offset_and_metadata::OffsetAndMetadata;
use crate::producer::sequences::ProducerId;
use crate::topic_partition::TopicPartition;

const FIRST: ProducerId = ProducerId { id: 7, epoch: 0 };

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new("topic", index)
}

fn broker_error(error: ResponseError) -> ClientError {
    BrokerError::new(error.code(), "test").into()
}

fn refusal(error: ResponseError) -> Result<Answer, Failure> {
    Err(Failure::Answer(broker_error(error)))
}

fn group() -> Arc<ConsumerGroupMetadata> {
    Arc::new(ConsumerGroupMetadata::new("group"))
}

fn offsets(count: i32) -> Vec<(TopicPartition, OffsetAndMetadata)> {
    let offset = |index| (partition(index), OffsetAndMetadata::new(i64::from(index)));
    (0..count).map(offset).collect()
}

fn codes(errors: &[(i32, i16)]) -> Vec<(TopicPartition, i16)> {
    let code = |&(index, code)| (partition(index), code);
    errors.iter().map(code).collect()
}

/// A machine and the answers it gets.
struct Bench(Transactions);

impl Bench {
    /// Before `init_transactions`, with a coordinator that bumps epochs.
    fn new(transaction_version: i16) -> Self {
        let mut transactions = Transactions::new("id");
        transactions.note_features(1, transaction_version);
        transactions.note_bump_support(true);
        Self(transactions)
    }

    /// Ready to begin.
    fn ready(transaction_version: i16) -> Self {
        let mut this = Self::new(transaction_version);
        let outcome = this.0.init_transactions().unwrap();
        let next = this.answer(Ok(Answer::InitProducerId(FIRST)));
        assert_eq!((next, this.0.state()), (Next::Now, State::Ready));
        this.ok(&outcome);
        this
    }

    fn begun(transaction_version: i16) -> Self {
        let mut this = Self::ready(transaction_version);
        this.0.begin_transaction().unwrap();
        this
    }

    /// The next request when no batch is under way.
    fn next(&mut self) -> Request {
        self.0.next_request(false).expect("a request")
    }

    /// Answers the next request.
    fn answer(&mut self, answer: Result<Answer, Failure>) -> Next {
        let request = self.next();
        self.0.handle(request, answer)
    }

    /// With a partition that the coordinator knows.
    fn with_partition(mut self) -> Self {
        let is_v2 = self.0.is_v2();
        self.0.add_partition(&partition(0)).unwrap();
        if !is_v2 {
            assert!(!self.0.is_send_allowed(&partition(0)));
            self.answer(Ok(Answer::AddPartitions(codes(&[(0, 0)]))));
        }
        assert!(self.0.is_send_allowed(&partition(0)));
        self
    }

    #[track_caller]
    fn ok(&mut self, outcome: &Outcome) {
        assert!(outcome.result().expect("an end").is_ok());
        self.0.acknowledge(outcome);
    }

    #[track_caller]
    fn failed(&mut self, outcome: &Outcome) -> ClientError {
        let error = outcome.result().expect("an end").unwrap_err();
        self.0.acknowledge(outcome);
        error
    }
}

fn name(request: &Request) -> &'static str {
    request.kind.name()
}
