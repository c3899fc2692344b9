//! What a machine does between its stops: one random step at a time, each checked against what it
//! has to lead to. An operation may fail only when the power is off or a fault was met in its
//! directory.

use std::sync::Arc;
use std::time::Duration;

use ringbrook_record::TimestampType;

use super::breach::{Breach, Checked, Rule, check};
use super::campaign::Progress;
use super::ledger::{Existence, Ledger};
use super::machine::{Key, Log, Machine};
use super::produce::{Expected, Request, next_request};
use super::verify::verify_producers;
use crate::config::{CleanupPolicy, LogConfig};
use crate::error::AppendError;
use crate::io::block_on_ready;

/// Logs at a time.
const LOGS_MAX: usize = 4;
const TOPICS: [&str; 4] = ["t", "u", "v-w", "x"];

fn broken(what: &str, error: &dyn std::fmt::Display) -> Breach {
    Breach::new(Rule::Operation, format!("{what}: {error}"))
}

/// The settings that differ from log to log.
fn settings(config: &LogConfig) -> String {
    let LogConfig {
        segment_bytes,
        segment_ms,
        index_interval_bytes,
        retention_ms,
        retention_bytes,
        flush_messages,
        flush_before_ack,
        timestamp_type,
        ..
    } = config;
    format!(
        "segments of {segment_bytes} bytes and {segment_ms} ms, index interval \
         {index_interval_bytes}, retention {retention_ms} ms and {retention_bytes} bytes, \
         flush.messages {flush_messages}, flush.before.ack {flush_before_ack}, {timestamp_type:?}"
    )
}

impl Machine {
    /// Does one thing.
    pub(crate) fn step(&mut self, progress: &mut Progress) -> Checked {
        self.clock
            .advance(Duration::from_millis(self.random.below(3000)));
        if self.ledgers.is_empty() {
            return self.create(progress);
        }
        match self.random.below(100) {
            0..55 => self.append(progress)?,
            55..60 => self.append_many(progress)?,
            60..64 => self.flush(progress)?,
            64..69 => self.run_background(progress),
            69..72 => self.write_checkpoints(progress)?,
            72..75 => self.retain(progress),
            75..78 => self.delete_records(progress)?,
            78..82 => self.change_config(progress)?,
            82..86 => self.create(progress)?,
            86..87 => self.delete(progress)?,
            87..90 => self.assign_epoch(progress)?,
            90..94 => {
                let count = self.random.index(4);
                let count = self.disk.run_background_jobs(count);
                progress.note(format!("{count} background jobs"));
            }
            94..96 => self.truncate(progress)?,
            _ => {
                let minutes = self.random.below(7);
                self.clock.advance(Duration::from_secs(60 * minutes));
            }
        }
        self.observe_all()
    }

    fn any_key(&mut self) -> Option<Key> {
        let keys: Vec<&Key> = self.ledgers.keys().collect();
        if keys.is_empty() {
            return None;
        }
        Some(keys[self.random.index(keys.len())].clone())
    }

    /// A log that exists for certain.
    fn any_log(&mut self) -> Checked<Option<(Key, Log)>> {
        let Some(key) = self.any_key() else {
            return Ok(None);
        };
        match self.manager().log(&key.0, key.1) {
            Some(log) => Ok(Some((key, log))),
            None => {
                let is_certain = self.ledgers[&key].existence == Existence::Certain;
                check(Rule::Logs, !is_certain, || format!("{key:?} is not served"))?;
                Ok(None)
            }
        }
    }

    fn ledger(&mut self, key: &Key) -> &mut Ledger {
        self.ledgers.get_mut(key).expect("keys come from here")
    }

    /// Whether operations on the log may fail from now on.
    fn may_fail(&self, log: &Log) -> bool {
        self.disk.is_off() || log.is_offline()
    }

    fn observe_all(&mut self) -> Checked {
        let manager = Arc::clone(self.manager());
        for ((topic, partition), ledger) in &mut self.ledgers {
            let Some(log) = manager.log(topic, *partition) else {
                continue;
            };
            if ledger.is_half_cut {
                continue;
            }
            let before = ledger.published_to;
            ledger.observe(&log.offsets()).map_err(|breach| {
                let detail = format!("{topic}-{partition}: {}", breach.detail);
                Breach::new(breach.rule, detail)
            })?;
            let is_late = ledger.was_offline && before < ledger.published_to;
            check(Rule::L6, !is_late, || {
                format!(
                    "{topic}-{partition} went on to {} offline",
                    ledger.published_to
                )
            })?;
            ledger.was_offline = log.is_offline();
        }
        Ok(())
    }

    fn create(&mut self, progress: &mut Progress) -> Checked {
        let topic = TOPICS[self.random.index(TOPICS.len())];
        let partition = i32::from(self.random.chance(3));
        let key = (topic.to_owned(), partition);
        if LOGS_MAX <= self.ledgers.len() || self.ledgers.contains_key(&key) {
            return Ok(());
        }
        let topic_id = self.new_topic_id();
        let siblings = self.ledgers.iter().find(|((name, _), _)| name == topic);
        let config = match siblings {
            Some((_, sibling)) => sibling.config,
            None => self.new_config(),
        };
        let is_follower = self.random.chance(6);
        progress.note(format!(
            "create {key:?}, follower: {is_follower}, {}",
            settings(&config)
        ));
        let ledger = Ledger::new(topic_id, config, is_follower);
        self.ledgers.insert(key.clone(), ledger);
        match self
            .manager()
            .create_log(topic, partition, topic_id, config)
        {
            Ok(_) => {
                self.ledger(&key).existence = Existence::Certain;
                Ok(())
            }
            Err(_) if self.disk.is_off() || !self.disk.met_faults().is_empty() => Ok(()),
            Err(error) => Err(broken("create", &error)),
        }
    }

    fn new_config(&mut self) -> LogConfig {
        let random = &mut self.random;
        LogConfig {
            segment_bytes: [1400, 2500, 5000][random.index(3)],
            segment_ms: [20_000, 1_000_000][random.index(2)],
            index_interval_bytes: [0, 150, 700][random.index(3)],
            segment_index_bytes: [40, 4096][usize::from(!random.chance(8))],
            retention_ms: [-1, 60_000, 600_000][random.index(3)],
            retention_bytes: [-1, 2000, 6000][random.index(3)],
            file_delete_delay_ms: [0, 60_000][random.index(2)],
            flush_messages: [3, 10, i64::MAX][random.index(3)],
            flush_ms: [5_000, i64::MAX][random.index(2)],
            flush_before_ack: !random.chance(3),
            cleanup_policy: CleanupPolicy {
                delete: true,
                compact: false,
            },
            timestamp_type: if random.chance(6) {
                TimestampType::LogAppendTime
            } else {
                TimestampType::CreateTime
            },
            preallocate: random.chance(5),
            recovery_unflushed_bytes_max: [500, 2000, 64 << 20][random.index(3)],
            ..LogConfig::default()
        }
    }

    fn change_config(&mut self, progress: &mut Progress) -> Checked {
        let Some((key, _)) = self.any_log()? else {
            return Ok(());
        };
        let new = self.new_config();
        let manager = Arc::clone(self.manager());
        // Settings belong to topics.
        for ((topic, partition), ledger) in &mut self.ledgers {
            if *topic != key.0 {
                continue;
            }
            let config = LogConfig {
                segment_bytes: new.segment_bytes,
                segment_ms: new.segment_ms,
                retention_ms: new.retention_ms,
                retention_bytes: new.retention_bytes,
                flush_messages: new.flush_messages,
                flush_before_ack: new.flush_before_ack,
                ..ledger.config
            };
            ledger.config = config;
            ledger.is_always_durable &= config.flush_before_ack;
            if let Some(log) = manager.log(topic, *partition) {
                log.update_config(config);
            }
        }
        progress.note(format!("{:?} gets {}", key.0, settings(&new)));
        Ok(())
    }

    fn append(&mut self, progress: &mut Progress) -> Checked {
        let Some((key, log)) = self.any_log()? else {
            return Ok(());
        };
        let is_left = self.random.chance(12);
        self.append_to(&key, &log, progress)?
            .map_or(Ok(()), |drain| {
                if is_left {
                    progress.note("  the drain is dropped".to_owned());
                    drop(drain);
                    return Ok(());
                }
                self.drain(&key, &log, drain)
            })
    }

    /// Several appends share a write.
    fn append_many(&mut self, progress: &mut Progress) -> Checked {
        let Some((key, log)) = self.any_log()? else {
            return Ok(());
        };
        let mut drain = None;
        for _ in 0..=self.random.below(6) {
            let new = self.append_to(&key, &log, progress)?;
            drain = drain.or(new);
        }
        drain.map_or(Ok(()), |drain| self.drain(&key, &log, drain))
    }

    fn append_to(
        &mut self,
        key: &Key,
        log: &Log,
        progress: &mut Progress,
    ) -> Checked<Option<crate::log::Drain<crate::io::SimDisk>>> {
        let now_ms = crate::clock::Clock::now_ms(&*self.clock);
        let ledger = self.ledgers.get_mut(key).expect("keys come from here");
        let Request {
            records,
            ctx,
            expected,
        } = next_request(ledger, &mut self.random, now_ms)?;
        progress.note(format!(
            "append {} bytes to {key:?} at {}, {:?} of epoch {}, duplicate: {}",
            records.len(),
            ledger.next_offset(),
            ctx.origin,
            ctx.leader_epoch,
            matches!(expected, Expected::Duplicate(_)),
        ));
        let appended = match log.append(records, ctx) {
            Ok(appended) => appended,
            Err(AppendError::LogDirOffline) if log.is_offline() => return Ok(None),
            Err(error) => return Err(broken("append", &error)),
        };
        match expected {
            Expected::Added(batches) => {
                let base_offset = batches.first().map(super::ledger::Sent::base_offset);
                let is_right = !appended.is_duplicate && base_offset == Some(appended.base_offset);
                check(Rule::L4, is_right, || {
                    format!("{appended:?} instead of {base_offset:?}")
                })?;
                batches.into_iter().for_each(|sent| ledger.push(sent));
            }
            Expected::Duplicate(base_offset) => {
                let is_right = appended.is_duplicate && appended.base_offset == base_offset;
                check(Rule::Producers, is_right, || {
                    format!("{appended:?} instead of a duplicate of {base_offset}")
                })?;
            }
        }
        Ok(appended.drain)
    }

    /// Writes what is queued; then it is acknowledged.
    fn drain(
        &mut self,
        key: &Key,
        log: &Log,
        drain: crate::log::Drain<crate::io::SimDisk>,
    ) -> Checked {
        if self.random.chance(2) {
            drain.run_blocking();
        } else {
            // The simulated disk's operations are ready at once on this road, too.
            block_on_ready(drain.run());
        }
        if self.may_fail(log) {
            return Ok(());
        }
        let offsets = log.offsets();
        let ledger = self.ledger(key);
        let next_offset = ledger.next_offset();
        check(Rule::L5, offsets.log_end == next_offset, || {
            format!("{offsets:?} after everything up to {next_offset} was written")
        })?;
        ledger.observe(&offsets)?;
        ledger.acknowledge(&offsets)?;
        if !self.random.chance(4) {
            log.advance_high_watermark(i64::MAX);
        } else {
            let to = self.random.between(offsets.high_watermark, offsets.log_end);
            log.advance_high_watermark(to);
        }
        Ok(())
    }

    fn flush(&mut self, progress: &mut Progress) -> Checked {
        let Some((key, log)) = self.any_log()? else {
            return Ok(());
        };
        progress.note(format!("flush {key:?}"));
        let now_ms = crate::clock::Clock::now_ms(&*self.clock);
        match log.flush(now_ms) {
            Ok(()) => {
                let offsets = log.offsets();
                check(Rule::L5, offsets.flushed == offsets.log_end, || {
                    format!("{offsets:?} after a flush")
                })
            }
            Err(_) if self.may_fail(&log) => Ok(()),
            Err(error) => Err(broken("flush", &error)),
        }
    }

    fn run_background(&mut self, progress: &mut Progress) {
        let report = self.manager().run_background();
        progress.note(format!("background: {report:?}"));
    }

    fn write_checkpoints(&mut self, progress: &mut Progress) -> Checked {
        progress.note("write checkpoints".to_owned());
        match self.manager().write_checkpoints() {
            Ok(()) => {
                let manager = Arc::clone(self.manager());
                for ((topic, partition), ledger) in &mut self.ledgers {
                    if let Some(log) = manager.log(topic, *partition)
                        && !log.is_offline()
                    {
                        ledger.start_checkpointed = log.offsets().log_start;
                    }
                }
                Ok(())
            }
            Err(_) if self.disk.is_off() || !self.disk.met_faults().is_empty() => Ok(()),
            Err(error) => Err(broken("write checkpoints", &error)),
        }
    }

    fn retain(&mut self, progress: &mut Progress) {
        let report = self.manager().run_retention();
        progress.note(format!("retention: {report:?}"));
    }

    fn delete_records(&mut self, progress: &mut Progress) -> Checked {
        let Some((key, log)) = self.any_log()? else {
            return Ok(());
        };
        let offsets = log.offsets();
        let to = self
            .random
            .between(offsets.log_start, offsets.high_watermark);
        progress.note(format!("delete records of {key:?} below {to}"));
        let start = log
            .advance_log_start_offset(to)
            .map_err(|error| broken("delete records", &error))?;
        check(Rule::L1, start == to, || format!("{start} instead of {to}"))
    }

    fn delete(&mut self, progress: &mut Progress) -> Checked {
        let Some((key, log)) = self.any_log()? else {
            return Ok(());
        };
        progress.note(format!("delete {key:?}"));
        self.ledger(&key).existence = Existence::Deleting;
        self.deleted.push(log.dir.load().to_path_buf());
        match self.manager().delete_log(&key.0, key.1) {
            Ok(()) => {
                self.ledgers.remove(&key);
                Ok(())
            }
            Err(_) if self.may_fail(&log) => Ok(()),
            Err(error) => Err(broken("delete", &error)),
        }
    }

    fn truncate(&mut self, progress: &mut Progress) -> Checked {
        let Some((key, log)) = self.any_log()? else {
            return Ok(());
        };
        let offsets = log.offsets();
        if offsets.log_end <= offsets.log_start {
            return Ok(());
        }
        let to = self.random.between(offsets.log_start, offsets.log_end - 1);
        progress.note(format!("truncate {key:?} to {to}"));
        let ledger = self.ledger(&key);
        ledger.begin_truncation(to);
        match log.truncate_to(to) {
            Ok(()) => {
                let log_end = log.offsets().log_end;
                let first_base = log.lock().segments[0].base_offset();
                let ledger = self.ledger(&key);
                ledger.end_truncation(to, log_end)?;
                verify_producers(&log, ledger, first_base)
            }
            Err(_) if self.may_fail(&log) => Ok(()),
            Err(error) => Err(broken("truncate", &error)),
        }
    }

    fn assign_epoch(&mut self, progress: &mut Progress) -> Checked {
        let Some((key, log)) = self.any_log()? else {
            return Ok(());
        };
        let ledger = self.ledger(&key);
        ledger.leader_epoch += 1;
        let epoch = ledger.leader_epoch;
        progress.note(format!("{key:?} has the leader epoch {epoch}"));
        match log.assign_epoch_start(epoch) {
            Ok(()) => {
                let latest = log.latest_epoch();
                check(Rule::Epochs, latest == Some(epoch), || {
                    format!("the latest epoch is {latest:?}, not {epoch}")
                })
            }
            Err(_) if self.may_fail(&log) => Ok(()),
            Err(error) => Err(broken("assign an epoch", &error)),
        }
    }
}
