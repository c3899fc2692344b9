//! Producers of transactions against a model that only knows when things happened: guards given
//! out, transactions opened and ended. Batches that the real state accepts are justified by the
//! model, and refused ones are not; the first unstable offset is the same.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ringbrook_record::{Batch, BatchHeader, EndTransactionMarker};

use super::support::*;
use crate::error::AppendError;
use crate::log::producer_state::{Origin, ProducerState, TransactionTerms, Verdict};
use crate::log::{TransactionStart, VerificationGuard};

const PRODUCERS: i64 = 3;

#[derive(Debug, Clone)]
enum Step {
    Begin {
        producer: i64,
        epoch: i16,
        is_v2: bool,
    },
    /// With the guard that was given out `guard` guards ago, if there were so many.
    Data {
        producer: i64,
        epoch: i16,
        guard: usize,
    },
    /// A batch outside of any transaction.
    Plain { producer: i64, epoch: i16 },
    Marker {
        producer: i64,
        epoch: i16,
        is_commit: bool,
        version: i16,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let producer = || 1..=PRODUCERS;
    let epoch = || 0_i16..4;
    prop_oneof![
        4 => (producer(), epoch(), any::<bool>())
            .prop_map(|(producer, epoch, is_v2)| Step::Begin { producer, epoch, is_v2 }),
        6 => (producer(), epoch(), 0_usize..4)
            .prop_map(|(producer, epoch, guard)| Step::Data { producer, epoch, guard }),
        1 => (producer(), epoch()).prop_map(|(producer, epoch)| Step::Plain { producer, epoch }),
        4 => (producer(), epoch(), any::<bool>(), 0_i16..3).prop_map(
            |(producer, epoch, is_commit, version)| Step::Marker {
                producer,
                epoch,
                is_commit,
                version,
            }
        ),
    ]
}

/// What the model knows of a producer.
#[derive(Debug, Default, Clone)]
struct Known {
    epoch: Option<i16>,
    /// First offset of the open transaction.
    open: Option<i64>,
    /// The guard that is valid, the highest epoch that asked for it, and whether v2 did.
    guard: Option<(VerificationGuard, i16, bool)>,
}

struct Run {
    state: ProducerState,
    producers: BTreeMap<i64, Known>,
    guards: Vec<VerificationGuard>,
    next_offset: i64,
}

impl Run {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Begin {
                producer,
                epoch,
                is_v2,
            } => self.begin(producer, epoch, is_v2),
            Step::Data {
                producer,
                epoch,
                guard,
            } => self.data(producer, epoch, guard),
            Step::Plain { producer, epoch } => self.plain(producer, epoch),
            Step::Marker {
                producer,
                epoch,
                is_commit,
                version,
            } => self.marker(producer, epoch, is_commit, version),
        }
        let open = self.producers.values().filter_map(|known| known.open).min();
        // Markers are below the high watermark at once here.
        self.state.on_high_watermark(self.next_offset);
        assert_eq!(self.state.first_unstable(), open);
    }

    fn begin(&mut self, producer: i64, epoch: i16, is_v2: bool) {
        let known = self.producers.entry(producer).or_default();
        // A coordinator's batch: the order of sequence numbers is no matter here.
        let start = TransactionStart {
            producer_id: producer,
            producer_epoch: epoch,
            base_sequence: -1,
            is_v2,
        };
        let result = self.state.begin_verification(&start, 0);
        if known.epoch.is_some_and(|current| epoch < current) {
            assert!(matches!(
                result,
                Err(AppendError::InvalidProducerEpoch { .. })
            ));
            return;
        }
        let guard = result.expect("the epoch is not stale");
        if known.open.is_some() && known.epoch == Some(epoch) {
            assert_eq!(guard, None, "the transaction is open");
            return;
        }
        let guard = guard.expect("no transaction of that epoch is open");
        match &mut known.guard {
            Some((valid, highest, _)) => {
                assert_eq!(*valid, guard, "one guard for all who wait");
                *highest = epoch.max(*highest);
            }
            None => {
                assert!(!self.guards.contains(&guard), "no guard is given out twice");
                known.guard = Some((guard, epoch, is_v2));
            }
        }
        self.guards.push(guard);
    }

    fn data(&mut self, producer: i64, epoch: i16, guard: usize) {
        let guard = self.guards.iter().rev().nth(guard).copied();
        let known = self.producers.entry(producer).or_default();
        let batch = transactional(producer, epoch, -1, 2);
        let header = at(&batch, self.next_offset);
        let terms = TransactionTerms {
            must_verify: true,
            guard,
            marker_version: 0,
        };
        let verdict = self.state.check(&header, None, Origin::Coordinator, &terms);
        let is_stale = known.epoch.is_some_and(|current| epoch < current);
        let continues = known.open.is_some() && known.epoch == Some(epoch);
        let is_verified = guard.is_some() && known.guard.map(|valid| valid.0) == guard;
        match verdict {
            Err(AppendError::InvalidProducerEpoch { .. }) => assert!(is_stale),
            Err(AppendError::TransactionNotVerified { .. }) => {
                assert!(!is_stale && !continues && !is_verified);
            }
            Ok(Verdict::Append) => {
                assert!(
                    !is_stale && (continues || is_verified),
                    "nobody knew of {header:?}"
                );
                self.state.apply(&header, None);
                known.epoch = Some(epoch);
                known.open = known.open.or(Some(self.next_offset));
                known.guard = None;
                self.next_offset += 2;
            }
            other => panic!("another verdict: {other:?}"),
        }
    }

    fn plain(&mut self, producer: i64, epoch: i16) {
        let known = self.producers.entry(producer).or_default();
        let batch = produced(producer, epoch, -1, 1, 10);
        let header = at(&batch, self.next_offset);
        let terms = TransactionTerms::default();
        match self.state.check(&header, None, Origin::Coordinator, &terms) {
            Ok(Verdict::Append) => {
                assert!(known.open.is_none(), "outside of an open transaction");
                assert!(known.epoch.is_none_or(|current| current <= epoch));
                self.state.apply(&header, None);
                known.epoch = Some(epoch);
                self.next_offset += 1;
            }
            Err(AppendError::InvalidProducerEpoch { .. }) => {
                assert!(known.epoch.is_some_and(|current| epoch < current));
            }
            Err(AppendError::InvalidTxnState { .. }) => assert!(known.open.is_some()),
            other => panic!("another verdict: {other:?}"),
        }
    }

    fn marker(&mut self, producer: i64, epoch: i16, is_commit: bool, version: i16) {
        let known = self.producers.entry(producer).or_default();
        let batch = marker(producer, epoch, is_commit);
        let header = at(&batch, self.next_offset);
        let end = EndTransactionMarker {
            is_commit,
            coordinator_epoch: 0,
        };
        let terms = TransactionTerms {
            marker_version: version,
            ..TransactionTerms::default()
        };
        let verdict = self
            .state
            .check(&header, Some(&end), Origin::Coordinator, &terms);
        let is_allowed = known.epoch.is_none_or(|current| {
            if version == 2 && known.open.is_some() {
                current < epoch
            } else {
                current <= epoch
            }
        });
        if !is_allowed {
            assert!(matches!(
                verdict,
                Err(AppendError::InvalidProducerEpoch { .. })
            ));
            return;
        }
        assert_eq!(verdict.unwrap(), Verdict::Append);
        let aborted = self.state.apply(&header, Some(&end));
        let first_offset = known.open.take();
        let expected = first_offset.filter(|_| !is_commit);
        assert_eq!(aborted.map(|aborted| aborted.first_offset), expected);
        known.epoch = Some(epoch);
        known.guard = known
            .guard
            .filter(|(_, highest, is_v2)| *is_v2 && *highest == epoch);
        self.next_offset += 1;
    }
}

fn at(batch: &[u8], base_offset: i64) -> BatchHeader {
    let header = Batch::parse(batch).expect("a batch").header;
    BatchHeader {
        base_offset,
        ..header
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn every_accepted_batch_is_justified(steps in prop::collection::vec(step(), 1..60)) {
        let mut run = Run {
            state: ProducerState::default(),
            producers: BTreeMap::new(),
            guards: Vec::new(),
            next_offset: 0,
        };
        for step in &steps {
            run.step(step);
        }
    }
}
