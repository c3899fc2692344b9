//! What the machine does between its stops: keyed appends with tombstones, rounds of the cleaner,
//! moves between log dirs, and the background tasks.

use std::time::Duration;

use ringbrook_record::{BatchBuilder, Codec, Header, RecordError};

use super::ledger::{SentBatch, SentRecord};
use super::machine::{KeyedMachine, Log, TOPICS, in_topic, is_offline};
use crate::compaction::OffsetMap;
use crate::error::{AppendError, EngineError};
use crate::log::{AppendContext, Origin};
use crate::proof::breach::{Breach, Checked, Rule, check};
use crate::proof::campaign::Progress;

const NO_HEADERS: [Header<'static>; 0] = [];
/// Idempotent producers, from 1; 0 is none.
pub(super) const PRODUCERS: i64 = 3;
const KEYS: u64 = 7;

fn broken(what: &str, error: &dyn std::fmt::Display) -> Breach {
    Breach::new(Rule::Operation, format!("{what}: {error}"))
}

impl KeyedMachine {
    /// Does one thing.
    pub(super) fn step(&mut self, progress: &mut Progress) -> Checked {
        let pause = Duration::from_millis(self.random.below(3000));
        self.clock.advance(pause);
        match self.random.below(100) {
            0..60 => self.append(progress)?,
            60..63 => self.flush(progress)?,
            63..68 => {
                let report = self.manager().run_background();
                progress.note(format!("background: {report:?}"));
            }
            68..71 => self.write_checkpoints(progress)?,
            71..73 => {
                let report = self.manager().run_retention();
                progress.note(format!("retention: {report:?}"));
            }
            73..85 => self.clean(progress)?,
            85..91 => self.move_log(progress)?,
            91..93 => self.delete_records(progress)?,
            93..96 => {
                let count = self.random.index(4);
                let count = self.disk.run_background_jobs(count);
                progress.note(format!("{count} background jobs"));
            }
            _ => {
                let minutes = self.random.below(7);
                self.clock.advance(Duration::from_secs(60 * minutes));
            }
        }
        for topic in TOPICS {
            let log = self.log(topic)?;
            let ledger = self.ledgers.get_mut(topic).expect("all have one");
            ledger
                .observe(&log.offsets())
                .map_err(|breach| in_topic(topic, breach))?;
        }
        Ok(())
    }

    fn append(&mut self, progress: &mut Progress) -> Checked {
        let topic = self.any_topic();
        let log = self.log(topic)?;
        let producer_id = self.random.between(0, PRODUCERS);
        if self.random.chance(8) {
            return self.repeat(topic, &log, producer_id, progress);
        }
        let (batch, records) = self
            .next_batch(topic, producer_id)
            .map_err(|error| broken("make a batch", &error))?;
        progress.note(format!(
            "append {} to {} of producer {producer_id} to {topic}",
            batch.base_offset, batch.last_offset
        ));
        let ctx = AppendContext {
            leader_epoch: 0,
            origin: Origin::Client,
            now_ms: self.now_ms(),
        };
        let appended = match log.append(batch.bytes.clone(), ctx) {
            Ok(appended) => appended,
            Err(AppendError::LogDirOffline) if self.may_fail(&log) => return Ok(()),
            Err(error) => return Err(broken("append", &error)),
        };
        let is_right = !appended.is_duplicate && appended.base_offset == batch.base_offset;
        check(Rule::L4, is_right, || {
            format!("{appended:?} instead of {batch:?}")
        })?;
        let next_offset = batch.last_offset + 1;
        let ledger = self.ledgers.get_mut(topic).expect("all have one");
        ledger.push(batch, records);
        if let Some(drain) = appended.drain {
            drain.run_blocking();
        }
        if self.may_fail(&log) {
            return Ok(());
        }
        let offsets = log.offsets();
        let is_written = offsets.log_end == next_offset && offsets.flushed == next_offset;
        check(Rule::L5, is_written, || {
            format!("{offsets:?} after everything up to {next_offset} was acknowledged")
        })?;
        log.advance_high_watermark(i64::MAX);
        Ok(())
    }

    /// The producer's newest batch once more.
    fn repeat(
        &mut self,
        topic: &str,
        log: &Log,
        producer_id: i64,
        progress: &mut Progress,
    ) -> Checked {
        let Some(last) = self.ledgers[topic].last_batch(producer_id) else {
            return Ok(());
        };
        let is_kept = log.offsets().log_start <= last.last_offset;
        if producer_id == 0 || !is_kept || self.may_fail(log) {
            return Ok(());
        }
        progress.note(format!("{} once more to {topic}", last.base_offset));
        let ctx = AppendContext {
            leader_epoch: 0,
            origin: Origin::Client,
            now_ms: self.now_ms(),
        };
        let appended = log
            .append(last.bytes.clone(), ctx)
            .map_err(|error| broken("append a duplicate", &error))?;
        let is_right = appended.is_duplicate && appended.base_offset == last.base_offset;
        check(Rule::Producers, is_right, || {
            format!("{appended:?} instead of a duplicate of {last:?}")
        })
    }

    fn next_batch(
        &mut self,
        topic: &str,
        producer_id: i64,
    ) -> Result<(SentBatch, Vec<SentRecord>), RecordError> {
        let now_ms = self.now_ms();
        let ledger = &self.ledgers[topic];
        let sequence = ledger
            .last_batch(producer_id)
            .map_or(0, |last| last.last_sequence + 1);
        let base_offset = ledger.next_offset;
        let mut builder = BatchBuilder::new();
        if 0 < producer_id {
            builder = builder.producer(producer_id, 0, sequence);
        }
        let mut records = Vec::new();
        for _ in 0..=self.random.below(3) {
            let key = self.random.below(KEYS).to_be_bytes()[7];
            let timestamp_ms = now_ms - self.random.between(0, 50);
            let value = (!self.random.chance(4)).then(|| {
                let mut value = self.random.next().to_be_bytes().to_vec();
                value.resize(8 + self.random.index(100), key);
                value
            });
            builder.append(timestamp_ms, Some(&[key]), value.as_deref(), NO_HEADERS)?;
            records.push(SentRecord {
                key,
                value,
                timestamp_ms,
            });
        }
        let codec = [Codec::None, Codec::None, Codec::Lz4, Codec::Zstd][self.random.index(4)];
        let last_delta = i32::try_from(records.len()).unwrap_or(0) - 1;
        let batch = SentBatch {
            base_offset,
            last_offset: base_offset + i64::from(last_delta),
            producer_id,
            last_sequence: sequence + last_delta,
            bytes: builder.finish(codec, None)?.freeze(),
        };
        Ok((batch, records))
    }

    /// A round of the cleaner over the log that asks most for it.
    fn clean(&mut self, progress: &mut Progress) -> Checked {
        let now_ms = self.now_ms();
        for topic in TOPICS {
            let active = self.log(topic)?.lock().active().base_offset();
            let ledger = self.ledgers.get_mut(topic).expect("all have one");
            ledger.cover(active, now_ms);
        }
        // Room for the keys of a batch at least, not always for all there are.
        let slots = 5 + self.random.index(20);
        let mut map = OffsetMap::new(slots * 24, 0.9);
        let has_cleaned = self.manager().clean_filthiest_log(&mut map);
        let status = self.manager().cleaner_status();
        progress.note(format!(
            "clean with {slots} slots: {has_cleaned}, {status:?}"
        ));
        self.tally.rounds += u64::from(has_cleaned);
        for topic in TOPICS {
            let log = self.log(topic)?;
            if self.may_fail(&log) {
                continue;
            }
            let is_left = status.uncleanable.iter().any(|(name, _)| name == topic);
            let has_failed = !self.disk.met_faults().is_empty();
            check(Rule::Operation, !is_left || has_failed, || {
                format!("{topic} is not cleaned any more")
            })?;
            self.check_log(topic)?;
        }
        Ok(())
    }

    /// Moves a log, or leaves the move for later or for the next start.
    fn move_log(&mut self, progress: &mut Progress) -> Checked {
        let (topic, to) = (self.any_topic(), self.any_dir());
        let before = self.log(topic)?;
        let runs = !self.random.chance(4);
        progress.note(format!(
            "move {topic} from {} to {}, at once: {runs}",
            before.log_dir().display(),
            to.display()
        ));
        match self.manager().alter_log_dir(topic, 0, &to) {
            Ok(()) => {}
            Err(EngineError::LogDirOffline { .. }) => return Ok(()),
            Err(_) if !self.disk.met_faults().is_empty() => return Ok(()),
            Err(error) => return Err(broken("move", &error)),
        }
        if !runs {
            return Ok(());
        }
        self.manager().run_moves();
        let log = self.log(topic)?;
        let has_failed = !self.disk.met_faults().is_empty();
        let is_there = log.log_dir() == to;
        check(Rule::Logs, is_there || has_failed, || {
            format!("{topic} is in {}", log.log_dir().display())
        })?;
        self.tally.moves += u64::from(is_there && before.log_dir() != to);
        if self.may_fail(&log) || is_offline(self.manager(), &to) {
            return Ok(());
        }
        self.check_log(topic)
    }

    fn flush(&mut self, progress: &mut Progress) -> Checked {
        let topic = self.any_topic();
        let log = self.log(topic)?;
        progress.note(format!("flush {topic}"));
        match log.flush(self.now_ms()) {
            Ok(()) => Ok(()),
            Err(_) if self.may_fail(&log) => Ok(()),
            Err(error) => Err(broken("flush", &error)),
        }
    }

    fn write_checkpoints(&mut self, progress: &mut Progress) -> Checked {
        progress.note("write checkpoints".to_owned());
        match self.manager().write_checkpoints() {
            Ok(()) => Ok(()),
            Err(_) if !self.disk.met_faults().is_empty() => Ok(()),
            Err(error) => Err(broken("write checkpoints", &error)),
        }
    }

    fn delete_records(&mut self, progress: &mut Progress) -> Checked {
        let topic = self.any_topic();
        let log = self.log(topic)?;
        let offsets = log.offsets();
        let to = self
            .random
            .between(offsets.log_start, offsets.high_watermark);
        progress.note(format!("delete records of {topic} below {to}"));
        let start = log
            .advance_log_start_offset(to)
            .map_err(|error| broken("delete records", &error))?;
        check(Rule::L1, start == to, || format!("{start} instead of {to}"))
    }
}
