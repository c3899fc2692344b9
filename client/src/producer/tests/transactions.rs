//! The transactional producer against coordinators that refuse, lose, hang and move: every error of
//! every request, and what the application can do then.

use ringbrook_protocol::ResponseError as E;
use ringbrook_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, EndTxnResponse,
    FindCoordinatorRequest, TxnOffsetCommitRequest,
};

use super::*;
use crate::group_metadata::ConsumerGroupMetadata;
use crate::offset_and_metadata::OffsetAndMetadata;
use crate::testing::ErrorAnswer;
use crate::topic_partition::TopicPartition;

/// The first EndTxn that brings an epoch.
const END_TXN_V2: i16 = 5;

/// What a call or a transaction came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Well,
    /// To be aborted.
    Abortable,
    /// To be closed.
    Fatal,
    /// Neither: to be called again.
    Other,
}

impl Ended {
    fn of(result: &Result<(), ClientError>) -> Self {
        match result {
            Ok(()) => Self::Well,
            Err(error) if error.is_abortable() => Self::Abortable,
            Err(error) if error.is_fatal() => Self::Fatal,
            Err(_) => Self::Other,
        }
    }
}

/// All codes that brokers answer with.
fn errors() -> impl Iterator<Item = E> {
    (-1..140)
        .filter(|code| *code != 0)
        .filter_map(E::try_from_code)
}

/// As Kafka 4.3's client sees it.
fn is_retriable(error: E) -> bool {
    error.is_retriable() || error == E::ConcurrentTransactions
}

/// A transactional producer, and coordinators that say yes to everything.
struct Bench {
    rig: Rig,
    /// Of each EndTxn that was carried out: whether it was a commit.
    ended: Arc<Mutex<Vec<bool>>>,
}

impl Bench {
    fn new(version: i16) -> Self {
        Self::with(version, &[])
    }

    fn with(version: i16, pairs: &[(&str, &str)]) -> Self {
        let pairs = [&[("transactional.id", "id")], pairs].concat();
        let rig = Rig::new(3, &pairs);
        let fake = &rig.fake;
        fake.finalize_feature("transaction.version", version);
        fake.on(|asked, request: AddPartitionsToTxnRequest| yes(asked, &request));
        fake.on(|asked, request: AddOffsetsToTxnRequest| yes(asked, &request));
        fake.on(|asked, request: TxnOffsetCommitRequest| yes(asked, &request));
        let ended = Arc::<Mutex<Vec<bool>>>::default();
        let told = Arc::clone(&ended);
        fake.on(move |asked, request: EndTxnRequest| {
            told.lock().unwrap().push(request.committed);
            Reply::answer(end(asked, &request))
        });
        Self { rig, ended }
    }

    async fn ready(version: i16) -> Self {
        let bench = Self::new(version);
        bench.producer().init_transactions().await.unwrap();
        bench
    }

    fn producer(&self) -> &Producer<String, String> {
        &self.rig.producer
    }

    fn ends(&self) -> Vec<bool> {
        self.ended.lock().unwrap().clone()
    }

    async fn send_offsets(&self) -> Result<(), ClientError> {
        let offset = (TopicPartition::new("t", 3), OffsetAndMetadata::new(7));
        let group = ConsumerGroupMetadata::new("group");
        let producer = self.producer();
        producer.send_offsets_to_transaction([offset], &group).await
    }

    /// A record, offsets, and the commit.
    async fn transaction(&self, value: &str) -> Result<(), ClientError> {
        self.producer().begin_transaction()?;
        let record = ProducerRecord::new("t", value.to_owned()).with_partition(0);
        drop(self.producer().send(record).await?);
        self.send_offsets().await?;
        self.producer().commit_transaction().await
    }

    /// After `result` the application can do what `result` says, and nothing else.
    async fn check_after(&self, result: &Result<(), ClientError>, what: &str) {
        match Ended::of(result) {
            Ended::Well => assert_eq!(self.ends(), [true], "{what}"),
            Ended::Abortable => {
                let begun = self.producer().begin_transaction();
                assert_eq!(Ended::of(&begun), Ended::Abortable, "{what}");
                self.producer().abort_transaction().await.expect(what);
                assert!(!self.ends().contains(&true), "{what}");
                self.transaction("again").await.expect(what);
                assert_eq!(self.rig.values(0).last().unwrap(), "again", "{what}");
            }
            Ended::Fatal => {
                let (begun, aborted) = (
                    self.producer().begin_transaction(),
                    self.producer().abort_transaction().await,
                );
                assert_eq!(Ended::of(&begun), Ended::Fatal, "{what}");
                assert_eq!(Ended::of(&aborted), Ended::Fatal, "{what}");
                let closing = self.producer().close_within(Duration::from_secs(100));
                closing.await.expect(what);
            }
            Ended::Other => panic!("{what}: {result:?}"),
        }
    }

    /// The next request `R` of a transaction is refused with each error in turn.
    async fn refuse<R: ErrorAnswer>(version: i16, expected: impl Fn(E) -> Ended)
    where
        R::Response: Send + 'static,
    {
        for error in errors() {
            let bench = Self::ready(version).await;
            bench.rig.fake.next_error::<R>(error);
            let result = bench.transaction("first").await;
            let what = format!("API {} v{version}: {error:?}", R::KEY);
            assert_eq!(bench.rig.fake.steps_left_count(), 0, "{what}");
            assert_eq!(Ended::of(&result), expected(error), "{what}: {result:?}");
            bench.check_after(&result, &what).await;
        }
    }
}

fn yes<R: ErrorAnswer>(asked: &crate::testing::Asked, request: &R) -> Reply<R>
where
    R::Response: Send + 'static,
{
    Reply::answer(request.error_answer(asked.version, 0))
}

fn end(asked: &crate::testing::Asked, request: &EndTxnRequest) -> EndTxnResponse {
    let answer = EndTxnResponse::default();
    if asked.version < END_TXN_V2 {
        return answer;
    }
    answer
        .with_producer_id(request.producer_id)
        .with_producer_epoch(request.producer_epoch + 1)
}

#[tokio::test(start_paused = true)]
async fn every_error_of_init_producer_id() {
    for error in errors().filter(|error| *error != E::TransactionAbortable) {
        let bench = Bench::new(2);
        bench.rig.fake.next_error::<InitProducerIdRequest>(error);
        let result = bench.producer().init_transactions().await;
        let expected = match error {
            _ if is_retriable(error) => Ended::Well,
            // Rights may be granted meanwhile.
            E::TransactionalIdAuthorizationFailed | E::ClusterAuthorizationFailed => Ended::Other,
            _ => Ended::Fatal,
        };
        assert_eq!(Ended::of(&result), expected, "{error:?}: {result:?}");
        if expected == Ended::Fatal {
            bench.check_after(&result, &format!("{error:?}")).await;
            continue;
        }
        if expected == Ended::Other {
            bench.producer().init_transactions().await.unwrap();
        }
        bench.transaction("first").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn every_error_of_finding_the_coordinator() {
    for error in errors().filter(|error| *error != E::TransactionAbortable) {
        let bench = Bench::new(2);
        bench.rig.fake.next_error::<FindCoordinatorRequest>(error);
        let result = bench.producer().init_transactions().await;
        if error.is_retriable() {
            result.unwrap();
            bench.transaction("first").await.unwrap();
        } else if error != E::GroupAuthorizationFailed {
            assert_eq!(Ended::of(&result), Ended::Fatal, "{error:?}: {result:?}");
            bench.check_after(&result, &format!("{error:?}")).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_error_of_add_partitions_to_txn() {
    Bench::refuse::<AddPartitionsToTxnRequest>(1, |error| match error {
        _ if is_retriable(error) => Ended::Well,
        E::InvalidProducerEpoch
        | E::ProducerFenced
        | E::TransactionalIdAuthorizationFailed
        | E::InvalidTxnState
        | E::InvalidProducerIdMapping => Ended::Fatal,
        _ => Ended::Abortable,
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_error_of_add_offsets_to_txn() {
    Bench::refuse::<AddOffsetsToTxnRequest>(1, |error| match error {
        _ if is_retriable(error) => Ended::Well,
        E::UnknownProducerId | E::TransactionAbortable | E::GroupAuthorizationFailed => {
            Ended::Abortable
        }
        _ => Ended::Fatal,
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_error_of_txn_offset_commit() {
    for version in [1, 2] {
        Bench::refuse::<TxnOffsetCommitRequest>(version, |error| match error {
            _ if is_retriable(error) => Ended::Well,
            E::TransactionAbortable
            | E::GroupAuthorizationFailed
            | E::FencedInstanceId
            | E::UnknownMemberId
            | E::IllegalGeneration => Ended::Abortable,
            _ => Ended::Fatal,
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_error_of_end_txn() {
    for version in [1, 2] {
        Bench::refuse::<EndTxnRequest>(version, |error| match error {
            _ if is_retriable(error) => Ended::Well,
            E::UnknownProducerId | E::TransactionAbortable => Ended::Abortable,
            _ => Ended::Fatal,
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_error_of_an_abort() {
    for error in errors() {
        let bench = Bench::ready(2).await;
        bench.producer().begin_transaction().unwrap();
        bench.send_offsets().await.unwrap();
        bench.rig.fake.next_error::<EndTxnRequest>(error);
        let result = bench.producer().abort_transaction().await;
        if is_retriable(error) {
            result.unwrap();
            assert_eq!(bench.ends(), [false]);
            bench.transaction("again").await.unwrap();
        } else {
            assert_eq!(Ended::of(&result), Ended::Fatal, "{error:?}: {result:?}");
            bench.check_after(&result, &format!("{error:?}")).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_error_of_a_batch() {
    for version in [1, 2] {
        Bench::refuse::<ProduceRequest>(version, |error| match error {
            // That a batch is there twice means that it is there. A leader that does not know the
            // producer, and does not say where its log starts, is asked again.
            E::DuplicateSequenceNumber | E::UnknownProducerId => Ended::Well,
            _ if is_retriable(error) => Ended::Well,
            E::ClusterAuthorizationFailed
            | E::TransactionalIdAuthorizationFailed
            | E::ProducerFenced
            | E::UnsupportedVersion
            | E::InvalidProducerIdMapping => Ended::Fatal,
            _ => Ended::Abortable,
        })
        .await;
    }
}

/// Slow, lost, cut and garbled answers of each request: it is sent again, and nothing is done
/// twice.
#[tokio::test(start_paused = true)]
async fn answers_that_do_not_come_are_asked_for_again() {
    async fn lose<R: ErrorAnswer + 'static>(
        version: i16,
        answer: fn(&crate::testing::Asked, &R) -> Reply<R>,
    ) where
        R::Response: Send + 'static,
    {
        for fault in 0..5 {
            let bench = Bench::ready(version).await;
            bench.rig.fake.next::<R>(move |asked, request| {
                let answer = answer(asked, &request);
                match fault {
                    // Longer than request.timeout.ms.
                    0 => answer.delayed(Duration::from_secs(40)),
                    1 => answer.hang_up(),
                    2 => answer.cut_after(6),
                    3 => answer.misnumbered(3),
                    _ => Reply::ignored(),
                }
            });
            let what = format!("API {} v{version}, fault {fault}", R::KEY);
            bench.transaction("first").await.expect(&what);
            bench.transaction("second").await.expect(&what);
            assert_eq!(bench.rig.values(0), ["first", "second"], "{what}");
            assert!(bench.ends().iter().all(|is_commit| *is_commit), "{what}");
        }
    }
    lose::<AddPartitionsToTxnRequest>(1, yes).await;
    lose::<AddOffsetsToTxnRequest>(1, yes).await;
    for version in [1, 2] {
        lose::<TxnOffsetCommitRequest>(version, yes).await;
        lose::<EndTxnRequest>(version, |asked, request| Reply::answer(end(asked, request))).await;
        lose::<ProduceRequest>(version, |_, _| Reply::builtin()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn requests_follow_the_coordinator() {
    for version in [1, 2] {
        let bench = Bench::ready(version).await;
        let fake = &bench.rig.fake;
        bench.transaction("first").await.unwrap();
        fake.move_coordinator(2);
        fake.next_error::<TxnOffsetCommitRequest>(E::NotCoordinator);
        fake.next_error::<EndTxnRequest>(E::NotCoordinator);
        bench.transaction("second").await.unwrap();
        let nodes: Vec<_> = fake.requests::<EndTxnRequest>();
        let nodes: Vec<_> = nodes.iter().map(|(asked, _)| asked.node).collect();
        assert_eq!(nodes, [0, 0, 2], "version {version}");
        // The node goes away, connections and all.
        fake.move_coordinator(1);
        fake.stop_node(2);
        bench.transaction("third").await.unwrap();
        let ends = fake.requests::<EndTxnRequest>();
        assert_eq!(ends.last().unwrap().0.node, 1);
        assert_eq!(bench.rig.values(0), ["first", "second", "third"]);
    }
}

/// `max.block.ms` ends the waiting, not the commit: nobody knows yet how it ends.
#[tokio::test(start_paused = true)]
async fn a_commit_that_takes_too_long_is_waited_for_again() {
    let bench = Bench::with(2, &[("max.block.ms", "5000")]);
    bench.producer().init_transactions().await.unwrap();
    bench.producer().begin_transaction().unwrap();
    drop(bench.rig.send("x").await);
    bench.producer().flush().await;
    bench.rig.fake.freeze_node(0);
    let begin = Instant::now();
    let late = bench.producer().commit_transaction().await.unwrap_err();
    assert!(matches!(late, ClientError::Timeout { .. }), "{late}");
    assert_eq!(begin.elapsed().as_secs(), 5);
    let begun = bench.producer().begin_transaction().unwrap_err();
    assert!(begun.to_string().contains("commit_transaction"), "{begun}");
    let aborted = bench.producer().abort_transaction().await.unwrap_err();
    assert!(matches!(aborted, ClientError::IllegalState(_)), "{aborted}");
    bench.rig.fake.start_node(0);
    while let Err(error) = bench.producer().commit_transaction().await {
        assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
        assert!(begin.elapsed().as_secs() < 100, "{error}");
    }
    assert!(bench.ends().iter().all(|is_commit| *is_commit));
    bench.transaction("y").await.unwrap();
    assert_eq!(bench.rig.values(0), ["x", "y"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_goes_on() {
    let bench = Bench::ready(2).await;
    bench.producer().begin_transaction().unwrap();
    drop(bench.rig.send("x").await);
    {
        let commit = bench.producer().commit_transaction();
        let first_poll = futures_util::FutureExt::now_or_never(commit);
        assert!(first_poll.is_none());
    }
    let fake = &bench.rig.fake;
    fake.received::<EndTxnRequest>(1).await;
    bench.producer().commit_transaction().await.unwrap();
    assert_eq!(bench.ends(), [true], "once");
    bench.transaction("y").await.unwrap();
}
