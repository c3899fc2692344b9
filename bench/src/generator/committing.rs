//! The transactions of one producer of a load: when they begin, when they end, and what committing
//! takes.

use anyhow::Context;

use super::latency::as_ns;
use super::producing::LoadProducer;
use super::recorder::Recorder;
use super::workload::Workload;
use crate::process::now;

/// How far transactions go; one of the two at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    duration_ns: Option<u64>,
    records_max: Option<u64>,
}

impl Bounds {
    /// Nothing without transactions.
    fn of(workload: &Workload) -> Option<Self> {
        let above_0 = |value: u64| (0 < value).then_some(value);
        workload.is_transactional().then_some(Self {
            duration_ns: above_0(workload.transaction_ms.saturating_mul(1_000_000)),
            records_max: above_0(workload.transaction_records),
        })
    }

    fn is_reached(self, open: Open, now_ns: u64) -> bool {
        let is_full = self.records_max.is_some_and(|max| max <= open.records);
        is_full || self.deadline_ns(open).is_some_and(|at| at <= now_ns)
    }

    fn deadline_ns(self, open: Open) -> Option<u64> {
        let duration = self.duration_ns?;
        Some(open.begun_ns.saturating_add(duration))
    }
}

/// A transaction that has begun.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// Since the load began.
    begun_ns: u64,
    records: u64,
}

/// Begins and ends the transactions of one producer.
pub(crate) struct Committer {
    producer: LoadProducer,
    index: u32,
    recorder: Recorder,
    bounds: Bounds,
    open: Option<Open>,
}

impl Committer {
    /// For the producer `index`; nothing when the workload has no transactions.
    pub(crate) fn of(
        workload: &Workload,
        producer: &LoadProducer,
        index: u32,
        recorder: &Recorder,
    ) -> Option<Self> {
        Bounds::of(workload).map(|bounds| Self {
            producer: producer.clone(),
            index,
            recorder: recorder.clone(),
            bounds,
            open: None,
        })
    }

    /// To be called before each record: it needs a transaction.
    ///
    /// # Errors
    /// The producer has failed.
    pub(crate) fn begin_record(&mut self) -> anyhow::Result<()> {
        if self.open.is_none() {
            self.producer.begin_transaction()?;
            self.open = Some(Open {
                begun_ns: self.recorder.elapsed_ns(),
                records: 0,
            });
        }
        if let Some(open) = &mut self.open {
            open.records += 1;
        }
        Ok(())
    }

    /// When the open transaction has to end, since the load began.
    pub(crate) fn deadline_ns(&self) -> Option<u64> {
        self.bounds.deadline_ns(self.open?)
    }

    /// To be called after each record: ends the transaction that has gone far enough.
    ///
    /// # Errors
    /// See [`Committer::end`].
    pub(crate) async fn end_if_due(&mut self) -> anyhow::Result<()> {
        let now_ns = self.recorder.elapsed_ns();
        match self.open {
            Some(open) if self.bounds.is_reached(open, now_ns) => self.end().await,
            _ => Ok(()),
        }
    }

    /// Commits the open transaction, if there is one. What cannot be committed is aborted and
    /// counts as failed.
    ///
    /// # Errors
    /// The producer has failed, or nobody knows whether it is committed.
    pub(crate) async fn end(&mut self) -> anyhow::Result<()> {
        if self.open.take().is_none() {
            return Ok(());
        }
        let begin = now();
        match self.producer.commit_transaction().await {
            Ok(()) => self
                .recorder
                .note_committed(self.index, as_ns(begin.elapsed())),
            Err(error) if error.is_abortable() => {
                self.recorder.note_aborted(self.index, &error);
                let aborted = self.producer.abort_transaction().await;
                aborted.context("aborting a transaction")?;
            }
            Err(error) => return Err(error).context("committing a transaction"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(transaction_ms: u64, transaction_records: u64) -> Option<Bounds> {
        Bounds::of(&Workload {
            transaction_ms,
            transaction_records,
            ..Workload::default()
        })
    }

    #[test]
    fn the_first_bound_that_is_reached_ends_a_transaction() {
        let both = bounds(100, 1000).expect("transactions");
        let open = |records| Open {
            begun_ns: 5_000_000,
            records,
        };
        assert!(!both.is_reached(open(999), 104_999_999));
        assert!(both.is_reached(open(1000), 5_000_000));
        assert!(both.is_reached(open(1), 105_000_000));
        assert_eq!(both.deadline_ns(open(1)), Some(105_000_000));
    }

    #[test]
    fn a_bound_of_0_is_none() {
        assert_eq!(bounds(0, 0), None);
        let by_records = bounds(0, 10).expect("transactions");
        let open = Open {
            begun_ns: 0,
            records: 9,
        };
        assert_eq!(by_records.deadline_ns(open), None);
        assert!(!by_records.is_reached(open, u64::MAX));
    }
}
