//! Any calls and any answers in any order: what must hold always.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    Begin,
    Commit,
    Abort,
    Offsets,
    Add(i32),
    /// The next request, if a transaction's end may go and there is one, gets this answer.
    Answer {
        is_drained: bool,
        error: Option<ResponseError>,
    },
    FailBatch(ResponseError),
    Features(i64, i16),
    LoseSequences,
}

fn error() -> impl Strategy<Value = ResponseError> {
    use ResponseError as E;
    prop::sample::select(vec![
        E::NotCoordinator,
        E::ConcurrentTransactions,
        E::CoordinatorLoadInProgress,
        E::TransactionAbortable,
        E::UnknownProducerId,
        E::IllegalGeneration,
        E::ProducerFenced,
        E::UnknownServerError,
    ])
}

fn step() -> impl Strategy<Value = Step> {
    let answer = (any::<bool>(), prop::option::weighted(0.3, error()))
        .prop_map(|(is_drained, error)| Step::Answer { is_drained, error });
    prop_oneof![
        4 => Just(Step::Begin),
        3 => Just(Step::Commit),
        3 => Just(Step::Abort),
        2 => Just(Step::Offsets),
        4 => (0..4).prop_map(Step::Add),
        12 => answer,
        1 => error().prop_map(Step::FailBatch),
        1 => (0..6_i64, 0..4_i16).prop_map(|(epoch, version)| Step::Features(epoch, version)),
        1 => Just(Step::LoseSequences),
    ]
}

/// The answer that means success.
fn success(kind: &RequestKind, producer: ProducerId) -> Answer {
    let next = ProducerId {
        epoch: producer.epoch + 1,
        ..producer
    };
    let all = |partitions: &[TopicPartition]| partitions.iter().map(|it| (it.clone(), 0)).collect();
    match kind {
        RequestKind::InitProducerId => Answer::InitProducerId(next),
        RequestKind::AddPartitions(partitions) => Answer::AddPartitions(all(partitions)),
        RequestKind::AddOffsets(_) => Answer::AddOffsets,
        RequestKind::CommitOffsets(it) => {
            let partitions: Vec<_> = it.offsets.iter().map(|(it, _)| it.clone()).collect();
            Answer::CommitOffsets(all(&partitions))
        }
        RequestKind::EndTxn { is_v2, .. } => Answer::EndTxn(is_v2.then_some(next)),
    }
}

/// A run: the machine, the operation that is waited for, and what the last transaction met.
struct Run {
    bench: Bench,
    waited_for: Option<(Operation, Outcome)>,
    has_failed: bool,
}

impl Run {
    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let machine = &mut self.bench.0;
        match step {
            Step::Begin => {
                if machine.begin_transaction().is_ok() {
                    self.has_failed = false;
                }
            }
            Step::Commit => {
                let called = machine.commit_transaction();
                self.called(Operation::CommitTransaction, called);
            }
            Step::Abort => {
                let called = machine.abort_transaction();
                self.called(Operation::AbortTransaction, called);
            }
            Step::Offsets => drop(machine.send_offsets(offsets(2), group())),
            Step::Add(index) => drop(machine.add_partition(&partition(index))),
            Step::FailBatch(error) => {
                self.has_failed |= machine.is_ongoing();
                if machine.is_ongoing() {
                    machine.fail_batch(&broker_error(error));
                }
            }
            Step::Features(epoch, version) => machine.note_features(epoch, version),
            Step::LoseSequences => {
                if machine.is_ongoing() {
                    self.has_failed = true;
                    machine.lose_sequences();
                }
            }
            Step::Answer { is_drained, error } => self.answer(is_drained, error)?,
        }
        self.check()
    }

    fn called(&mut self, operation: Operation, called: Result<Outcome, ClientError>) {
        if let Ok(outcome) = called {
            self.waited_for = Some((operation, outcome));
        }
    }

    fn answer(
        &mut self,
        is_drained: bool,
        error: Option<ResponseError>,
    ) -> Result<(), TestCaseError> {
        let machine = &mut self.bench.0;
        let Some(request) = machine.next_request(!is_drained) else {
            return Ok(());
        };
        if let RequestKind::EndTxn { is_commit, .. } = request.kind {
            prop_assert!(is_drained, "an end before all batches");
            prop_assert!(
                !(is_commit && self.has_failed),
                "a commit in spite of failures"
            );
        }
        if let RequestKind::AddPartitions(asked) = &request.kind {
            prop_assert!(!asked.is_empty() && !asked.iter().any(|it| machine.is_send_allowed(it)));
        }
        let answer = match error {
            Some(error) => refusal(error),
            None => Ok(success(&request.kind, machine.producer().unwrap())),
        };
        machine.handle(request, answer);
        Ok(())
    }

    /// After every step.
    fn check(&mut self) -> Result<(), TestCaseError> {
        let machine = &mut self.bench.0;
        let state = machine.state();
        let has_error = matches!(state, State::AbortableError | State::FatalError);
        prop_assert_eq!(has_error, machine.error().is_some());
        let is_allowed = (0..4).any(|index| machine.is_send_allowed(&partition(index)));
        prop_assert!(
            !is_allowed || machine.is_ongoing(),
            "sending while {:?}",
            state
        );
        if let Some((operation, outcome)) = &self.waited_for
            && let Some(result) = outcome.result()
        {
            let is_abort = *operation == Operation::AbortTransaction;
            prop_assert!(
                result.is_err() || is_abort || !self.has_failed,
                "committed a failure"
            );
            machine.acknowledge(outcome);
            self.waited_for = None;
        }
        Ok(())
    }

    /// With a coordinator that answers everything, every operation comes to an end, and after an
    /// abort the producer goes on, unless it has failed.
    fn finish(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..20 {
            self.answer(true, None)?;
            self.check()?;
        }
        prop_assert!(self.waited_for.is_none(), "an operation without an end");
        if self.bench.0.is_ongoing() {
            let outcome = self.bench.0.abort_transaction().unwrap();
            self.waited_for = Some((Operation::AbortTransaction, outcome));
            for _ in 0..5 {
                self.answer(true, None)?;
                self.check()?;
            }
        }
        let state = self.bench.0.state();
        prop_assert!(
            matches!(state, State::Ready | State::FatalError),
            "ended in {:?}",
            state
        );
        Ok(())
    }
}

proptest! {
    #[test]
    fn a_transaction_that_met_a_failure_is_never_committed(
        version in 1..=2_i16,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut run = Run {
            bench: Bench::ready(version),
            waited_for: None,
            has_failed: false,
        };
        for step in steps {
            run.take(step)?;
        }
        run.finish()?;
    }
}
