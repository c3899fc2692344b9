//! A partition's log in the fake cluster, and Produce, Fetch and ListOffsets on it.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::fetch_request::FetchPartition;
use ringbrook_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use ringbrook_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use ringbrook_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use ringbrook_protocol::messages::produce_request::PartitionProduceData;
use ringbrook_protocol::messages::produce_response::{
    LeaderIdAndEpoch, PartitionProduceResponse, TopicProduceResponse,
};
use ringbrook_protocol::messages::{
    FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, ProduceRequest, ProduceResponse,
    TopicName,
};
use ringbrook_record::{
    Batch, BatchHeader, Batches, HEADER_BYTES, HeaderPatch, RecordBuffer, next_sequence,
};
use uuid::Uuid;

use super::Asked;
use super::topics::{Partition, Topic, Topics};

/// How many batches of a producer a broker remembers.
const REMEMBERED_COUNT: usize = 5;

/// The last version of Produce and Fetch that names topics; later ones give their ids.
const LAST_BY_NAME: i16 = 12;

/// What a partition holds.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) start_offset: i64,
    pub(crate) end_offset: i64,
    batches: Vec<Bytes>,
    producers: BTreeMap<i64, Producer>,
}

#[derive(Default)]
struct Producer {
    epoch: i16,
    /// First and last sequence number and base offset.
    recent: VecDeque<(i32, i32, i64)>,
}

impl Log {
    /// The batches with their offsets.
    pub(crate) fn batches(&self) -> &[Bytes] {
        &self.batches
    }

    /// Appends without any check but the CRC.
    pub(crate) fn append(&mut self, batch: &Bytes, leader_epoch: i32) -> i64 {
        let parsed = Batch::parse(batch).expect("a batch");
        parsed.verify_crc().expect("an intact batch");
        let base_offset = self.end_offset;
        let patch = HeaderPatch::new(&parsed.header)
            .base_offset(base_offset)
            .partition_leader_epoch(leader_epoch);
        let mut stored = BytesMut::from(&batch[..]);
        stored[..HEADER_BYTES].copy_from_slice(&patch.encode(parsed.payload()));
        self.batches.push(stored.freeze());
        self.end_offset += i64::from(parsed.header.last_offset_delta) + 1;
        base_offset
    }

    /// Appends as Kafka does for a producer with an id, or says why not.
    fn append_in_sequence(
        &mut self,
        batch: &Bytes,
        leader_epoch: i32,
    ) -> Result<i64, ResponseError> {
        let header = BatchHeader::parse(batch).map_err(|_| ResponseError::CorruptMessage)?;
        if header.has_producer_id() {
            let producer = self.producers.entry(header.producer_id).or_default();
            if header.producer_epoch < producer.epoch {
                return Err(ResponseError::InvalidProducerEpoch);
            }
            if producer.epoch < header.producer_epoch {
                producer.epoch = header.producer_epoch;
                producer.recent.clear();
            }
            let (first, last) = (header.base_sequence, header.last_sequence());
            let same = |it: &&(i32, i32, i64)| (it.0, it.1) == (first, last);
            if let Some((_, _, base_offset)) = producer.recent.iter().find(same) {
                return Ok(*base_offset);
            }
            let expected = producer.recent.back();
            let expected = expected.map_or(0, |(_, last, _)| next_sequence(*last, 1));
            if first != expected {
                return Err(ResponseError::OutOfOrderSequenceNumber);
            }
            producer.recent.push_back((first, last, self.end_offset));
            if REMEMBERED_COUNT < producer.recent.len() {
                producer.recent.pop_front();
            }
        }
        Ok(self.append(batch, leader_epoch))
    }

    /// Forgets what producers have sent, as if retention had removed it.
    pub(crate) fn forget_producers(&mut self) {
        self.producers.clear();
    }

    pub(super) fn values(&self) -> Vec<String> {
        let mut buffer = RecordBuffer::new();
        let mut values = Vec::new();
        for batch in &self.batches {
            let batch = Batch::parse(batch).expect("a batch");
            for record in batch.records(&mut buffer, usize::MAX).expect("records") {
                let value = record.expect("a record").value.unwrap_or_default();
                values.push(String::from_utf8_lossy(value).into_owned());
            }
        }
        values
    }

    /// The batches from the one that holds `offset` on, up to `bytes_max` but at least one.
    fn read(&self, offset: i64, bytes_max: usize) -> Bytes {
        let mut read = BytesMut::new();
        for batch in &self.batches {
            let header = BatchHeader::parse(batch).expect("a batch");
            if header.last_offset() < offset {
                continue;
            }
            if !read.is_empty() && bytes_max < read.len() + batch.len() {
                break;
            }
            read.extend_from_slice(batch);
        }
        read.freeze()
    }

    /// Drops the batches from the one that holds `offset` on.
    pub(crate) fn truncate(&mut self, offset: i64) {
        let is_before = |batch: &Bytes| {
            let header = BatchHeader::parse(batch).expect("a batch");
            header.last_offset() < offset
        };
        self.batches.retain(is_before);
        self.end_offset = offset.min(self.end_offset);
    }

    /// The newest epoch up to `epoch` that has records, and where it ends.
    fn end_of_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        let mut found = None;
        for batch in &self.batches {
            let header = BatchHeader::parse(batch).expect("a batch");
            if epoch < header.partition_leader_epoch {
                break;
            }
            found = Some((header.partition_leader_epoch, header.last_offset() + 1));
        }
        found
    }

    /// The first record at or after `timestamp`: its offset and timestamp.
    fn offset_for(&self, timestamp: i64) -> (i64, i64) {
        match timestamp {
            -1 => return (self.end_offset, -1),
            -2 => return (self.start_offset, -1),
            _ => {}
        }
        let mut buffer = RecordBuffer::new();
        for batch in &self.batches {
            let batch = Batch::parse(batch).expect("a batch");
            for record in batch.records(&mut buffer, usize::MAX).expect("records") {
                let record = record.expect("a record");
                let at = batch.header.record_timestamp(record.timestamp_delta);
                if timestamp <= at {
                    return (batch.header.record_offset(record.offset_delta), at);
                }
            }
        }
        (-1, -1)
    }
}

impl Topics {
    pub(super) fn produce(&mut self, asked: &Asked, request: &ProduceRequest) -> ProduceResponse {
        let responses = request.topic_data.iter().map(|data| {
            let (mut topic, unknown) = self.named(asked.version, &data.name, data.topic_id);
            let partitions = data.partition_data.iter().map(|data| {
                let found = led(topic.as_deref_mut(), data.index, asked.node, unknown);
                produced(asked.version, data, found)
            });
            let response =
                TopicProduceResponse::default().with_partition_responses(partitions.collect());
            if asked.version <= LAST_BY_NAME {
                response.with_name(data.name.clone())
            } else {
                response.with_topic_id(data.topic_id)
            }
        });
        ProduceResponse::default().with_responses(responses.collect())
    }

    /// The answer without a session, and whether it need not wait for more.
    pub(super) fn fetch(&mut self, asked: &Asked, request: &FetchRequest) -> (FetchResponse, bool) {
        let responses = request.topics.iter().map(|wanted| {
            let (mut topic, unknown) = self.named(asked.version, &wanted.topic, wanted.topic_id);
            let partitions = wanted.partitions.iter().map(|wanted| {
                let found = led(topic.as_deref_mut(), wanted.partition, asked.node, unknown);
                fetched(asked.version, wanted, found)
            });
            let response = FetchableTopicResponse::default().with_partitions(partitions.collect());
            if asked.version <= LAST_BY_NAME {
                response.with_topic(wanted.topic.clone())
            } else {
                response.with_topic_id(wanted.topic_id)
            }
        });
        let responses: Vec<_> = responses.collect();
        let mut partitions = responses.iter().flat_map(|topic| &topic.partitions);
        let has_error = partitions
            .clone()
            .any(|partition| partition.error_code != 0);
        let records_bytes: usize = partitions
            .by_ref()
            .map(|partition| partition.records.as_ref().map_or(0, Bytes::len))
            .sum();
        let min_bytes = usize::try_from(request.min_bytes).unwrap_or_default();
        let is_enough = has_error || min_bytes <= records_bytes;
        (
            FetchResponse::default().with_responses(responses),
            is_enough,
        )
    }

    pub(super) fn list_offsets(
        &mut self,
        asked: &Asked,
        request: &ListOffsetsRequest,
    ) -> ListOffsetsResponse {
        let topics = request.topics.iter().map(|wanted| {
            let mut topic = self.by_name_mut(wanted.name.as_str());
            let partitions = wanted.partitions.iter().map(|wanted| {
                let unknown = ResponseError::UnknownTopicOrPartition;
                let index = wanted.partition_index;
                let response = ListOffsetsPartitionResponse::default().with_partition_index(index);
                match led(topic.as_deref_mut(), index, asked.node, unknown) {
                    Ok(partition) => {
                        let (offset, timestamp) = partition.log.offset_for(wanted.timestamp);
                        let response = response.with_offset(offset).with_timestamp(timestamp);
                        if asked.version < 4 {
                            response
                        } else {
                            response.with_leader_epoch(partition.leader_epoch)
                        }
                    }
                    Err(refused) => response.with_error_code(refused.error.code()),
                }
            });
            ListOffsetsTopicResponse::default()
                .with_name(wanted.name.clone())
                .with_partitions(partitions.collect())
        });
        ListOffsetsResponse::default().with_topics(topics.collect())
    }

    pub(super) fn offsets_for_leader_epochs(
        &mut self,
        asked: &Asked,
        request: &OffsetForLeaderEpochRequest,
    ) -> OffsetForLeaderEpochResponse {
        let topics = request.topics.iter().map(|wanted| {
            let mut topic = self.by_name_mut(wanted.topic.as_str());
            let partitions = wanted.partitions.iter().map(|wanted| {
                let unknown = ResponseError::UnknownTopicOrPartition;
                let response = EpochEndOffset::default().with_partition(wanted.partition);
                match led(topic.as_deref_mut(), wanted.partition, asked.node, unknown) {
                    Ok(it) if wanted.leader_epoch == it.leader_epoch => response
                        .with_leader_epoch(it.leader_epoch)
                        .with_end_offset(it.log.end_offset),
                    Ok(it) => match it.log.end_of_epoch(wanted.leader_epoch) {
                        Some((epoch, end)) => {
                            response.with_leader_epoch(epoch).with_end_offset(end)
                        }
                        None => response,
                    },
                    Err(refused) => response.with_error_code(refused.error.code()),
                }
            });
            OffsetForLeaderTopicResult::default()
                .with_topic(wanted.topic.clone())
                .with_partitions(partitions.collect())
        });
        OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
    }

    /// The topic that Produce or Fetch names or gives the id of, and the error when it is unknown.
    fn named(
        &mut self,
        version: i16,
        name: &TopicName,
        id: Uuid,
    ) -> (Option<&mut Topic>, ResponseError) {
        if version <= LAST_BY_NAME {
            let unknown = ResponseError::UnknownTopicOrPartition;
            return (self.by_name_mut(name.as_str()), unknown);
        }
        let topic = self.by_id_mut(id).map(|(_, topic)| topic);
        (topic, ResponseError::UnknownTopicId)
    }
}

fn produced(
    version: i16,
    data: &PartitionProduceData,
    found: Result<&mut Partition, Refused>,
) -> PartitionProduceResponse {
    let appended = found.and_then(|partition| {
        let records = data.records.clone().unwrap_or_default();
        let batches_count = Batches::new(&records).count();
        assert_eq!(batches_count, 1, "Kafka takes one batch per partition");
        let log = &mut partition.log;
        let appended = log.append_in_sequence(&records, partition.leader_epoch);
        let base_offset = appended.map_err(Refused::of)?;
        Ok((base_offset, log.start_offset))
    });
    let response = PartitionProduceResponse::default().with_index(data.index);
    match appended {
        Ok((base_offset, start_offset)) => {
            let response = response.with_base_offset(base_offset);
            if version < 5 {
                response
            } else {
                response.with_log_start_offset(start_offset)
            }
        }
        Err(refused) => {
            let code = refused.error.code();
            let response = response.with_error_code(code).with_base_offset(-1);
            match refused.leader {
                Some((id, epoch)) if 10 <= version => response.with_current_leader(
                    LeaderIdAndEpoch::default()
                        .with_leader_id(id.into())
                        .with_leader_epoch(epoch),
                ),
                _ => response,
            }
        }
    }
}

fn fetched(
    version: i16,
    wanted: &FetchPartition,
    found: Result<&mut Partition, Refused>,
) -> PartitionData {
    let bytes_max = usize::try_from(wanted.partition_max_bytes).unwrap_or_default();
    let response = PartitionData::default()
        .with_partition_index(wanted.partition)
        .with_records(Some(Bytes::new()));
    let read = found.and_then(|partition| {
        let log = &partition.log;
        if !(log.start_offset..=log.end_offset).contains(&wanted.fetch_offset) {
            return Err(Refused::of(ResponseError::OffsetOutOfRange));
        }
        let records = log.read(wanted.fetch_offset, bytes_max);
        Ok((log.start_offset, log.end_offset, records))
    });
    match read {
        Ok((start_offset, end_offset, records)) => response
            .with_high_watermark(end_offset)
            .with_last_stable_offset(end_offset)
            .with_log_start_offset(start_offset)
            .with_records(Some(records)),
        Err(refused) => {
            let mut response = response
                .with_error_code(refused.error.code())
                .with_high_watermark(-1);
            if let Some((id, epoch)) = refused.leader.filter(|_| 12 <= version) {
                response.current_leader.leader_id = id.into();
                response.current_leader.leader_epoch = epoch;
            }
            response
        }
    }
}

struct Refused {
    error: ResponseError,
    /// The leader's id and epoch, when it is another node.
    leader: Option<(i32, i32)>,
}

impl Refused {
    fn of(error: ResponseError) -> Self {
        Self {
            error,
            leader: None,
        }
    }
}

fn led(
    topic: Option<&mut Topic>,
    index: i32,
    node: i32,
    unknown: ResponseError,
) -> Result<&mut Partition, Refused> {
    let topic = topic.ok_or(Refused::of(unknown))?;
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    let partition = topic.partitions.get_mut(index);
    let partition = partition.ok_or(Refused::of(ResponseError::UnknownTopicOrPartition))?;
    if partition.leader != node {
        return Err(Refused {
            error: ResponseError::NotLeaderOrFollower,
            leader: Some((partition.leader, partition.leader_epoch)),
        });
    }
    Ok(partition)
}
