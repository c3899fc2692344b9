//! Asking a coordinator that is busy, away, or says no.

use std::cell::{Cell, RefCell};

use futures_util::future::ready;

use super::*;

/// Answers from a list, in turn; the last answer stays.
struct Scripted {
    answers: RefCell<Vec<Result<(), TxnError>>>,
    asked: RefCell<Vec<(bool, Vec<TopicPartition>)>>,
}

impl Scripted {
    fn new(answers: &[Result<(), TxnError>]) -> Self {
        Self {
            answers: RefCell::new(answers.to_vec()),
            asked: RefCell::default(),
        }
    }

    fn answer(&self, is_add: bool, partitions: &[TopicPartition]) -> Result<(), TxnError> {
        self.asked.borrow_mut().push((is_add, partitions.to_vec()));
        let mut answers = self.answers.borrow_mut();
        if 1 < answers.len() {
            answers.remove(0)
        } else {
            answers[0]
        }
    }

    fn times_asked(&self) -> usize {
        self.asked.borrow().len()
    }
}

impl TransactionPartitions for Scripted {
    fn add<'a>(
        &'a self,
        _claim: &'a Claim,
        partitions: &'a [TopicPartition],
    ) -> LocalBoxFuture<'a, Result<(), TxnError>> {
        ready(self.answer(true, partitions)).boxed_local()
    }

    /// The first partition gets the answer, the others are fine.
    fn verify(
        &self,
        _claim: &Claim,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<(), TxnError>>, TxnError> {
        let mut answers = vec![Ok(()); partitions.len()];
        answers[0] = self.answer(false, partitions);
        match answers[0] {
            Err(TxnError::NotCoordinator) => Err(TxnError::NotCoordinator),
            _ => Ok(answers),
        }
    }
}

fn claim(support: TransactionSupport) -> Claim {
    Claim {
        transactional_id: "id".to_owned(),
        producer: ProducerIdAndEpoch::new(7, 0),
        support,
    }
}

fn partitions(count: i32) -> Vec<TopicPartition> {
    (0..count).map(|it| TopicPartition::new("t", it)).collect()
}

const PATIENCE: Patience = Patience {
    backoff: Duration::from_millis(20),
    limit: Duration::from_millis(100),
};

/// Stands for a guard: who asks for it is all that matters here.
const GUARD: u32 = 7;

#[tokio::test(start_paused = true)]
async fn partitions_with_an_open_transaction_are_not_asked_about() {
    let coordinator = Scripted::new(&[Ok(())]);
    let begin = |index: usize| match index {
        0 => Ok(None),
        1 => Ok(Some(GUARD)),
        _ => Err(ResponseError::InvalidProducerEpoch),
    };
    let claim = claim(TransactionSupport::Add);
    let verdicts = check(&coordinator, &claim, &partitions(3), begin, PATIENCE).await;
    let expected = [
        Ok(None),
        Ok(Some(GUARD)),
        Err(ResponseError::InvalidProducerEpoch),
    ];
    assert_eq!(verdicts, expected);
    let asked = coordinator.asked.borrow().clone();
    assert_eq!(asked, [(true, vec![TopicPartition::new("t", 1)])]);

    let nobody = Scripted::new(&[Err(TxnError::UnknownServerError)]);
    let begin = |_| Ok(None::<u32>);
    let verdicts = check(&nobody, &claim, &partitions(2), begin, PATIENCE).await;
    assert_eq!(verdicts, [Ok(None), Ok(None)]);
    assert_eq!(nobody.times_asked(), 0);
}

/// The marker of the transaction before is on its way: it takes a moment, so that sending the
/// produce again would cost more.
#[tokio::test(start_paused = true)]
async fn a_busy_coordinator_is_asked_again_with_new_guards() {
    let busy = Err(TxnError::ConcurrentTransactions);
    let coordinator = Scripted::new(&[busy, busy, Ok(())]);
    let guards = Cell::new(0);
    let last = Cell::new(None::<u32>);
    let begin = |_| {
        guards.set(guards.get() + 1);
        last.set(Some(guards.get()));
        Ok(last.get())
    };
    let started = Instant::now();
    let claim = claim(TransactionSupport::Add);
    let verdicts = check(&coordinator, &claim, &partitions(1), begin, PATIENCE).await;
    assert_eq!(verdicts, [Ok(last.get())]);
    assert_eq!(guards.get(), 3, "a marker may have come in between");
    assert_eq!(started.elapsed(), Duration::from_millis(40));
}

#[tokio::test(start_paused = true)]
async fn patience_ends_and_old_clients_ask_again_themselves() {
    let busy = [Err(TxnError::ConcurrentTransactions)];
    for (support, times, waited_ms) in [
        (TransactionSupport::Add, 6, 100),
        (TransactionSupport::Verify, 1, 0),
        (TransactionSupport::OldErrors, 1, 0),
    ] {
        let coordinator = Scripted::new(&busy);
        let started = Instant::now();
        let begin = |_| Ok(Some(GUARD));
        let claim = claim(support);
        let verdicts = check(&coordinator, &claim, &partitions(1), begin, PATIENCE).await;
        assert_eq!(verdicts, [Err(ResponseError::ConcurrentTransactions)]);
        assert_eq!(coordinator.times_asked(), times, "{support:?}");
        assert_eq!(started.elapsed(), Duration::from_millis(waited_ms));
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_in_words_the_client_knows() {
    use TransactionSupport::{Add, OldErrors, Verify};
    for (support, refusal, told) in [
        (
            Add,
            TxnError::ProducerFenced,
            ResponseError::InvalidProducerEpoch,
        ),
        (
            Verify,
            TxnError::ProducerFenced,
            ResponseError::InvalidProducerEpoch,
        ),
        (
            Verify,
            TxnError::TransactionAbortable,
            ResponseError::TransactionAbortable,
        ),
        (
            Add,
            TxnError::TransactionAbortable,
            ResponseError::TransactionAbortable,
        ),
        (
            OldErrors,
            TxnError::TransactionAbortable,
            ResponseError::InvalidTxnState,
        ),
        (Add, TxnError::NotCoordinator, ResponseError::NotCoordinator),
        (
            Verify,
            TxnError::InvalidProducerIdMapping,
            ResponseError::InvalidProducerIdMapping,
        ),
    ] {
        let coordinator = Scripted::new(&[Err(refusal)]);
        let begin = |_| Ok(Some(GUARD));
        let claim = claim(support);
        let verdicts = check(&coordinator, &claim, &partitions(2), begin, PATIENCE).await;
        assert_eq!(verdicts[0], Err(told), "{support:?} {refusal}");
        // Added together or not at all, verified one by one.
        let second = if support == Add {
            Err(told)
        } else {
            Ok(Some(GUARD))
        };
        assert_eq!(verdicts[1], second, "{support:?} {refusal}");
    }
    let coordinator = Scripted::new(&[Err(TxnError::NotCoordinator)]);
    let begin = |_| Ok(Some(GUARD));
    let verdicts = check(
        &coordinator,
        &claim(Verify),
        &partitions(2),
        begin,
        PATIENCE,
    )
    .await;
    assert_eq!(
        verdicts,
        [Err(ResponseError::NotCoordinator); 2],
        "of the whole question"
    );
}

#[test]
fn versions_tell_what_a_client_knows() {
    use TransactionSupport::{Add, OldErrors, Verify};
    let produce = [9, 10, 11, 12, 13].map(TransactionSupport::of_produce);
    assert_eq!(produce, [OldErrors, OldErrors, Verify, Add, Add]);
    let commit = [0, 3, 4, 5].map(TransactionSupport::of_txn_offset_commit);
    assert_eq!(commit, [OldErrors, OldErrors, Verify, Add]);
}
