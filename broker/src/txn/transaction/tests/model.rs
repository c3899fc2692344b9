//! Random sequences of requests, failed and lost appends, retries, timeouts and reloads from the
//! log at any point, against a model that is as flat as the tables it was written from.

use std::collections::{BTreeSet, HashSet};

use proptest::prelude::*;

use super::support::*;
use crate::txn::error::TxnError::{self, *};
use crate::txn::metadata::TransactionMetadata;
use crate::txn::producer::ProducerIdAndEpoch;
use crate::txn::schema::{decode_value, encode_value};
use crate::txn::state::TransactionState::{self, *};
use crate::txn::topic_partition::TopicPartition;
use crate::txn::transaction::{Next, Outcome, Transaction};

const LAST: i16 = 32_766;

/// Who sends a request, seen from the record of the id.
#[derive(Clone, Copy, Debug)]
enum Who {
    Owner,
    /// The epoch before the owner's.
    Fenced,
    /// The owner before the producer id was replaced.
    Replaced,
    Stranger,
}

#[derive(Clone, Debug)]
enum Event {
    Init(Option<Who>),
    Add(Who, u8, bool),
    End(Who, bool, bool),
    TimeOut,
    /// The record under way is committed, or fails.
    Append(bool),
    Marker,
    RetryCompletion,
    /// The broker is killed and reads its log: the record under way is in it, or not.
    Reload(bool),
}

/// What the log says, and what the tables say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    id: i64,
    previous: i64,
    next: Option<i64>,
    epoch: i16,
    last: i16,
    state: TransactionState,
    partitions: BTreeSet<u8>,
    is_v2: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Busy {
    No,
    Appending,
    Markers(usize),
    CompletionFailed,
}

struct Model {
    is_v2_cluster: bool,
    record: Record,
    target: Option<Record>,
    busy: Busy,
    next_fresh: i64,
}

type Expected = Result<(i64, i16), TxnError>;

impl Model {
    fn who(&self, who: Who) -> ProducerIdAndEpoch {
        let record = &self.record;
        match who {
            Who::Owner => ProducerIdAndEpoch::new(record.id, record.epoch),
            Who::Fenced => ProducerIdAndEpoch::new(record.id, record.epoch.wrapping_sub(1)),
            Who::Replaced => ProducerIdAndEpoch::new(record.previous, LAST),
            Who::Stranger => ProducerIdAndEpoch::new(-77, record.epoch),
        }
    }

    fn begin(&mut self, target: Record, reply: Expected) -> Expected {
        self.target = Some(Record {
            previous: self.record.id,
            ..target
        });
        self.busy = Busy::Appending;
        reply
    }

    fn fresh(&mut self) -> i64 {
        self.next_fresh += 1;
        self.next_fresh
    }

    fn abort_under_new_epoch(&mut self) {
        let next = (self.is_v2_cluster && LAST <= self.record.epoch).then(|| self.fresh());
        let target = Record {
            epoch: self.record.epoch + 1,
            last: if self.is_v2_cluster {
                self.record.epoch
            } else {
                -1
            },
            state: PrepareAbort,
            next,
            is_v2: self.is_v2_cluster,
            ..self.record.clone()
        };
        self.begin(target, Err(ConcurrentTransactions)).ok();
    }

    fn init(&mut self, who: Option<Who>) -> Expected {
        let expected = who.map(|who| self.who(who));
        let record = self.record.clone();
        if self.busy != Busy::No {
            return Err(ConcurrentTransactions);
        }
        if let Some(expected) = expected {
            let (id, epoch) = (expected.producer_id, expected.producer_epoch);
            if id != record.id && !(id == record.previous && LAST <= epoch) {
                return Err(ProducerFenced);
            }
        }
        match record.state {
            PrepareCommit | PrepareAbort => return Err(ConcurrentTransactions),
            Ongoing => {
                self.abort_under_new_epoch();
                return Err(ConcurrentTransactions);
            }
            _ => {}
        }
        let expected_epoch = expected.map(|expected| expected.producer_epoch);
        let is_retry = expected_epoch.is_some_and(|it| it != record.epoch && it == record.last);
        if expected_epoch.is_some_and(|it| it != record.epoch) && !is_retry {
            return Err(ProducerFenced);
        }
        let mut target = Record {
            state: Empty,
            partitions: BTreeSet::new(),
            last: expected_epoch.unwrap_or(-1),
            ..record.clone()
        };
        if is_retry && record.epoch != i16::MAX {
            // As it was answered before.
        } else if LAST <= record.epoch {
            (target.id, target.epoch) = (self.fresh(), 0);
        } else {
            target.epoch += 1;
        }
        let reply = Ok((target.id, target.epoch));
        self.begin(target, reply)
    }

    fn add(&mut self, who: Who, partitions: u8, is_v2: bool) -> Expected {
        let asking = self.who(who);
        if self.busy != Busy::No {
            return Err(ConcurrentTransactions);
        }
        if asking.producer_id != self.record.id {
            return Err(InvalidProducerIdMapping);
        }
        if asking.producer_epoch != self.record.epoch || self.record.epoch == i16::MAX {
            return Err(ProducerFenced);
        }
        let added: BTreeSet<u8> = (0..3).filter(|bit| partitions & (1 << bit) != 0).collect();
        let reply = Ok((self.record.id, self.record.epoch));
        match self.record.state {
            PrepareCommit | PrepareAbort => Err(ConcurrentTransactions),
            Ongoing if added.is_subset(&self.record.partitions) => reply,
            _ => {
                let target = Record {
                    state: Ongoing,
                    partitions: self.record.partitions.union(&added).copied().collect(),
                    is_v2,
                    ..self.record.clone()
                };
                self.begin(target, reply)
            }
        }
    }

    fn end(&mut self, who: Who, is_commit: bool, is_v2: bool) -> Expected {
        let asking = self.who(who);
        if is_v2 {
            self.end_v2(asking, is_commit)
        } else {
            self.end_v1(asking, is_commit)
        }
    }

    fn end_v1(&mut self, asking: ProducerIdAndEpoch, is_commit: bool) -> Expected {
        let record = self.record.clone();
        if asking.producer_id != record.id {
            return Err(InvalidProducerIdMapping);
        }
        if asking.producer_epoch != record.epoch || record.epoch == i16::MAX {
            return Err(ProducerFenced);
        }
        if self.busy != Busy::No {
            return Err(ConcurrentTransactions);
        }
        let reply = Ok((record.id, record.epoch));
        match (record.state, is_commit) {
            (Ongoing, _) => {
                let target = Record {
                    state: if is_commit {
                        PrepareCommit
                    } else {
                        PrepareAbort
                    },
                    is_v2: false,
                    next: None,
                    ..record
                };
                self.begin(target, reply)
            }
            (CompleteCommit, true) | (CompleteAbort, false) => reply,
            (PrepareCommit, true) | (PrepareAbort, false) => Err(ConcurrentTransactions),
            _ => Err(InvalidTxnState),
        }
    }

    fn end_v2(&mut self, asking: ProducerIdAndEpoch, is_commit: bool) -> Expected {
        let record = self.record.clone();
        if self.busy != Busy::No {
            return Err(ConcurrentTransactions);
        }
        let epoch = asking.producer_epoch;
        let overflowed =
            asking.producer_id == record.previous && epoch == LAST && record.epoch == 0;
        if asking.producer_id != record.id && !overflowed {
            return Err(InvalidProducerIdMapping);
        }
        let is_retry = overflowed || (epoch != i16::MAX && epoch.wrapping_add(1) == record.epoch);
        let is_current = !overflowed && epoch == record.epoch && epoch != i16::MAX;
        // The table of v2, row by row: commit current, commit retry, abort current, abort retry.
        let fenced = Some(Err(ProducerFenced));
        let invalid = Some(Err(InvalidTxnState));
        let again = Some(Err(ConcurrentTransactions));
        let done = Some(Ok((record.id, record.epoch)));
        let row: [Option<Expected>; 4] = match record.state {
            Ongoing => [None, fenced, None, fenced],
            Empty => [invalid, fenced, None, fenced],
            PrepareCommit => [fenced, again, fenced, invalid],
            PrepareAbort => [fenced, invalid, fenced, again],
            CompleteCommit => [invalid, done, None, invalid],
            CompleteAbort => [invalid, invalid, None, done],
            Dead | PrepareEpochFence => unreachable!("never stored"),
        };
        let column = match (is_commit, is_current, is_retry) {
            (true, true, _) => 0,
            (true, _, true) => 1,
            (false, true, _) => 2,
            (false, _, true) => 3,
            _ => return Err(ProducerFenced),
        };
        if let Some(reply) = row[column] {
            return reply;
        }
        let next = (LAST <= record.epoch).then(|| self.fresh());
        let target = Record {
            state: if is_commit {
                PrepareCommit
            } else {
                PrepareAbort
            },
            epoch: record.epoch + 1,
            last: record.epoch,
            next,
            is_v2: true,
            ..record
        };
        let reply = next.map_or((target.id, target.epoch), |id| (id, 0));
        self.begin(target, Ok(reply))
    }

    fn complete(&mut self) {
        let mut target = Record {
            state: if self.record.state == PrepareCommit {
                CompleteCommit
            } else {
                CompleteAbort
            },
            partitions: BTreeSet::new(),
            next: None,
            ..self.record.clone()
        };
        if let Some(id) = self.record.next {
            (target.id, target.epoch) = (id, 0);
        }
        self.begin(target, Ok((0, 0))).ok();
    }

    fn decided(&mut self) {
        self.busy = Busy::Markers(self.record.partitions.len());
        if self.record.partitions.is_empty() {
            self.complete();
        }
    }

    fn append(&mut self, is_committed: bool) {
        if self.busy != Busy::Appending {
            return;
        }
        let target = self.target.take().expect("something is appended");
        self.busy = Busy::No;
        if is_committed {
            self.record = target;
            if self.record.state.is_prepared() {
                self.decided();
            }
        } else if self.record.state.is_prepared() {
            self.busy = Busy::CompletionFailed;
        }
    }

    fn marker(&mut self) {
        match self.busy {
            Busy::Markers(1) => self.complete(),
            Busy::Markers(left) => self.busy = Busy::Markers(left - 1),
            _ => {}
        }
    }

    fn reload(&mut self, is_committed: bool) {
        if let Some(target) = self.target.take().filter(|_| is_committed) {
            self.record = target;
        }
        self.record.last = -1;
        self.busy = Busy::No;
        if self.record.state.is_prepared() {
            self.decided();
        }
    }
}

fn name(index: u8) -> TopicPartition {
    TopicPartition::new("topic", i32::from(index))
}

fn record_of(metadata: &TransactionMetadata) -> Record {
    Record {
        id: metadata.producer_id,
        previous: metadata.previous_producer_id,
        next: (metadata.next_producer_id != -1).then_some(metadata.next_producer_id),
        epoch: metadata.producer_epoch,
        last: metadata.last_producer_epoch,
        state: metadata.state,
        partitions: metadata
            .partitions
            .iter()
            .map(|it| u8::try_from(it.partition).unwrap())
            .collect(),
        is_v2: metadata.client_version == 2,
    }
}

/// The machine next to the model.
struct Pair {
    machine: Transaction,
    model: Model,
    now_ms: i64,
    granted: HashSet<(i64, i16)>,
}

impl Pair {
    fn new(epoch: i16, is_v2_cluster: bool) -> Self {
        let machine = idle(metadata(Empty, epoch));
        let record = record_of(machine.metadata());
        Self {
            machine,
            model: Model {
                is_v2_cluster,
                record,
                target: None,
                busy: Busy::No,
                next_fresh: FRESH_ID,
            },
            now_ms: NOW_MS,
            granted: HashSet::new(),
        }
    }

    const fn version(&self) -> i16 {
        if self.model.is_v2_cluster { 2 } else { 1 }
    }

    /// What the machine answers; a fresh id is handed over when it asks for one.
    fn ask(&mut self, event: impl Fn(&mut Transaction, Option<i64>, i64) -> Outcome) -> Expected {
        let fresh = self.model.next_fresh + 1;
        let mut outcome = event(&mut self.machine, None, self.now_ms);
        if outcome == Outcome::ProducerIdNeeded {
            outcome = event(&mut self.machine, Some(fresh), self.now_ms);
        }
        let (Outcome::Reply(reply) | Outcome::Append(reply)) = outcome else {
            panic!("asked twice for a producer id");
        };
        if let Outcome::Append(_) = outcome {
            assert!(self.machine.appending().is_some());
        }
        reply.map(|producer| (producer.producer_id, producer.producer_epoch))
    }

    fn run(&mut self, event: &Event) {
        self.now_ms += 1;
        let version = self.version();
        match *event {
            Event::Init(who) => {
                let request = init(who.map(|who| self.model.who(who)));
                let is_free = !self.machine.is_busy();
                let reply = self.ask(|it, fresh, now| it.init(request, fresh, version, now));
                assert_eq!(reply, self.model.init(who));
                if let Ok(granted) = reply {
                    assert!(is_free, "granted while busy");
                    assert_ne!(granted.1, i16::MAX, "the reserved epoch is given to nobody");
                }
            }
            Event::Add(who, partitions, is_v2) => {
                let asking = self.model.who(who);
                let added: Vec<_> = (0..3).filter(|bit| partitions & (1 << bit) != 0).collect();
                let added: Vec<_> = added.into_iter().map(name).collect();
                let protocol = if is_v2 { 2 } else { 0 };
                let reply = self.ask(|it, _, now| it.add_partitions(asking, &added, protocol, now));
                assert_eq!(reply, self.model.add(who, partitions, is_v2));
            }
            Event::End(who, is_commit, is_v2) => {
                let asking = self.model.who(who);
                let protocol = if is_v2 { 2 } else { 0 };
                let reply =
                    self.ask(|it, fresh, now| it.end(asking, is_commit, protocol, fresh, now));
                assert_eq!(reply, self.model.end(who, is_commit, is_v2));
            }
            Event::TimeOut => {
                self.now_ms += i64::from(TIMEOUT_MS) + 1;
                let is_due = self.model.busy == Busy::No && self.model.record.state == Ongoing;
                assert_eq!(self.machine.is_timed_out(self.now_ms), is_due);
                if is_due {
                    self.ask(|it, fresh, now| it.fence(fresh, version, now))
                        .expect("an open transaction can always be aborted");
                    self.model.abort_under_new_epoch();
                }
            }
            Event::Append(is_committed) => self.append(is_committed),
            Event::Marker => {
                if self.machine.is_writing_markers() {
                    self.machine.marker_written(self.now_ms);
                }
                self.model.marker();
            }
            Event::RetryCompletion => {
                if self.machine.is_completion_failed() {
                    self.machine.retry_completion(self.now_ms);
                    self.model.complete();
                }
            }
            Event::Reload(is_committed) => self.reload(is_committed),
        }
        self.compare();
    }

    fn append(&mut self, is_committed: bool) {
        if self.machine.appending().is_some() {
            let before = self.machine.metadata().clone();
            if is_committed {
                self.machine.appended(self.now_ms);
                let now = self.machine.metadata();
                if now.producer() != before.producer() {
                    let pair = (now.producer_id, now.producer_epoch);
                    assert!(self.granted.insert(pair), "{pair:?} was in use before");
                }
            } else {
                let next = self.machine.append_failed();
                assert!(matches!(next, Next::Nothing | Next::RetryCompletion));
                assert_eq!(*self.machine.metadata(), before);
            }
        }
        self.model.append(is_committed);
    }

    fn reload(&mut self, is_committed: bool) {
        let in_log = match self.machine.appending() {
            Some(target) if is_committed => target,
            _ => self.machine.metadata(),
        };
        if in_log.producer() != self.machine.metadata().producer() {
            let pair = (in_log.producer_id, in_log.producer_epoch);
            assert!(self.granted.insert(pair), "{pair:?} was in use before");
        }
        let value = encode_value(in_log, self.version()).unwrap();
        let loaded = decode_value(&value).unwrap();
        let forgetful = TransactionMetadata {
            last_producer_epoch: -1,
            ..in_log.clone()
        };
        assert_eq!(loaded, forgetful);
        (self.machine, _) = Transaction::loaded(loaded, self.now_ms);
        self.model.reload(is_committed);
    }

    fn compare(&self) {
        let model = &self.model;
        assert_eq!(record_of(self.machine.metadata()), model.record);
        let appending = self.machine.appending().map(record_of);
        assert_eq!(appending, model.target);
        assert_eq!(self.machine.is_busy(), model.busy != Busy::No);
        let is_writing = matches!(model.busy, Busy::Markers(_));
        assert_eq!(self.machine.is_writing_markers(), is_writing);
        if is_writing {
            let marker = self.machine.marker(0);
            assert_eq!(marker.producer_epoch, model.record.epoch);
            assert_eq!(marker.is_commit, model.record.state == PrepareCommit);
        }
    }
}

fn any_who() -> impl Strategy<Value = Who> {
    prop_oneof![
        6 => Just(Who::Owner),
        2 => Just(Who::Fenced),
        1 => Just(Who::Replaced),
        1 => Just(Who::Stranger),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => prop::option::of(any_who()).prop_map(Event::Init),
        6 => (any_who(), 0..8_u8, any::<bool>()).prop_map(|(who, it, v2)| Event::Add(who, it, v2)),
        6 => (any_who(), any::<bool>(), any::<bool>())
            .prop_map(|(who, commit, v2)| Event::End(who, commit, v2)),
        1 => Just(Event::TimeOut),
        12 => prop::bool::weighted(0.85).prop_map(Event::Append),
        8 => Just(Event::Marker),
        2 => Just(Event::RetryCompletion),
        1 => any::<bool>().prop_map(Event::Reload),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]
    #[test]
    fn random_events_lead_where_the_tables_say(
        is_v2_cluster in any::<bool>(),
        epochs_left in 0..6_i16,
        events in prop::collection::vec(any_event(), 1..120),
    ) {
        let mut pair = Pair::new(LAST - epochs_left, is_v2_cluster);
        for event in &events {
            pair.run(event);
        }
    }
}
