//! The requests of each kind of load, and what their answers have to look like.

use anyhow::{Context, ensure};
use bytes::{Buf, Bytes};
use ringbrook_protocol::messages::{FetchResponse, ProduceResponse, ResponseHeader};
use ringbrook_protocol::{Decodable, HeaderVersion};
use ringbrook_record::Batches;

use crate::client::Requests;
use crate::frames::PRODUCE_VERSION;
use crate::null_server::REPLY_BYTES;

/// Frames sent again and again, in turn.
#[derive(Clone)]
pub(crate) struct Turn {
    frames: Vec<Bytes>,
    next: usize,
    next_answered: usize,
}

impl Turn {
    /// Begins with the frame at `first`.
    pub(crate) fn new(frames: Vec<Bytes>, first: usize) -> Self {
        let first = first % frames.len().max(1);
        Self {
            frames,
            next: first,
            next_answered: first,
        }
    }

    fn next(&mut self) -> Bytes {
        let frame = self.frames.get(self.next).cloned().unwrap_or_default();
        self.next = (self.next + 1) % self.frames.len();
        frame
    }

    /// Index of the frame whose answer is next.
    fn answered(&mut self) -> usize {
        let index = self.next_answered;
        self.next_answered = (index + 1) % self.frames.len();
        index
    }
}

/// Produce requests to a broker; frame i goes to partition i with correlation id i.
pub(crate) struct BrokerProduce {
    turn: Turn,
    /// Lowest offset that the next answer of each partition may bring.
    next_offsets: Vec<i64>,
    version: i16,
}

impl BrokerProduce {
    /// Of the newest version.
    pub(crate) fn new(turn: Turn) -> Self {
        Self::in_version(PRODUCE_VERSION, turn)
    }

    /// Of another version, which the frames are in.
    pub(crate) fn in_version(version: i16, turn: Turn) -> Self {
        let next_offsets = vec![0; turn.frames.len()];
        Self {
            turn,
            next_offsets,
            version,
        }
    }
}

impl Requests for BrokerProduce {
    fn next(&mut self) -> Bytes {
        self.turn.next()
    }

    fn check(&mut self, head: &[u8], _answer_bytes: usize) -> anyhow::Result<()> {
        let index = self.turn.answered();
        let head = Bytes::copy_from_slice(head);
        let base_offset = produced_offset_in(self.version, head, i32::try_from(index)?)?;
        let next = self.next_offsets.get_mut(index).context("a partition")?;
        ensure!(*next <= base_offset, "offset {base_offset} given twice");
        *next = base_offset + 1;
        Ok(())
    }
}

/// Fetch requests to a broker for a partition that does not change meanwhile: all answers are
/// alike.
pub(crate) struct BrokerFetch {
    turn: Turn,
    /// First offset of the records in the answer to each frame.
    offsets: Vec<i64>,
    /// What an answer begins with, up to its records.
    head: Bytes,
    answer_bytes: usize,
}

impl BrokerFetch {
    /// `answer` is a whole answer to the first of the frames, without the length field: it is
    /// checked completely, so that looking at the beginning suffices for the others. All are of
    /// `version`.
    ///
    /// # Errors
    /// It is not an answer that holds exactly `records_bytes` of intact batches.
    pub(crate) fn new(
        version: i16,
        turn: Turn,
        offsets: Vec<i64>,
        answer: &Bytes,
        correlation_id: i32,
        records_bytes: usize,
    ) -> anyhow::Result<Self> {
        let response: FetchResponse = decode(answer.clone(), correlation_id, version)?;
        let data = response
            .responses
            .first()
            .and_then(|topic| topic.partitions.first());
        let data = data.context("an answer for one partition")?;
        ensure!(
            response.error_code == 0 && data.error_code == 0,
            "fetch refused with {} and {}",
            response.error_code,
            data.error_code
        );
        let records = data.records.as_ref().context("records")?;
        ensure!(
            records.len() == records_bytes,
            "{} bytes of records, expected {records_bytes}",
            records.len()
        );
        for batch in Batches::new(records) {
            batch?.verify_crc()?;
        }
        // Records are a slice of the answer, so what precedes them is the distance.
        let head_bytes = records.as_ptr().addr() - answer.as_ptr().addr();
        Ok(Self {
            turn,
            offsets,
            head: answer.slice(..head_bytes),
            answer_bytes: answer.len(),
        })
    }
}

impl Requests for BrokerFetch {
    fn next(&mut self) -> Bytes {
        self.turn.next()
    }

    fn check(&mut self, head: &[u8], answer_bytes: usize) -> anyhow::Result<()> {
        let offset = self.offsets.get(self.turn.answered()).context("a frame")?;
        let records = head.strip_prefix(&*self.head);
        let base_offset = records.and_then(|records| records.first_chunk());
        ensure!(
            answer_bytes == self.answer_bytes
                && base_offset.copied().map(i64::from_be_bytes) == Some(*offset),
            "an answer of {answer_bytes} bytes is unlike the first, of {} bytes",
            self.answer_bytes
        );
        Ok(())
    }
}

/// Produce requests to a null server.
pub(crate) struct NullProduce {
    turn: Turn,
    /// The CRCs of the frames; none when the server does not compute them.
    crcs: Option<Vec<u32>>,
}

impl NullProduce {
    pub(crate) fn new(turn: Turn, has_crcs: bool) -> Self {
        let crcs = has_crcs.then(|| {
            let bodies = turn.frames.iter().map(|frame| frame.slice(4..));
            bodies.map(|body| crc32c::crc32c(&body)).collect()
        });
        Self { turn, crcs }
    }
}

impl Requests for NullProduce {
    fn next(&mut self) -> Bytes {
        self.turn.next()
    }

    fn check(&mut self, mut head: &[u8], answer_bytes: usize) -> anyhow::Result<()> {
        let index = self.turn.answered();
        ensure!(answer_bytes == REPLY_BYTES, "{answer_bytes} bytes");
        if let Some(crcs) = &self.crcs {
            ensure!(crcs.get(index) == Some(&head.get_u32()), "another CRC");
        }
        Ok(())
    }
}

/// Requests to a null server for ranges of a file.
pub(crate) struct NullFetch {
    pub(crate) turn: Turn,
    /// Bytes of the file in an answer.
    pub(crate) range_bytes: usize,
}

impl Requests for NullFetch {
    fn next(&mut self) -> Bytes {
        self.turn.next()
    }

    fn check(&mut self, _head: &[u8], answer_bytes: usize) -> anyhow::Result<()> {
        ensure!(
            answer_bytes == REPLY_BYTES + self.range_bytes,
            "{answer_bytes} bytes"
        );
        Ok(())
    }
}

/// The base offset in the answer to a produce request for one partition.
///
/// # Errors
/// The broker refused, or it is another answer.
pub(crate) fn produced_offset(answer: Bytes, correlation_id: i32) -> anyhow::Result<i64> {
    produced_offset_in(PRODUCE_VERSION, answer, correlation_id)
}

/// The same in another version.
///
/// # Errors
/// The broker refused, or it is another answer.
pub(crate) fn produced_offset_in(
    version: i16,
    answer: Bytes,
    correlation_id: i32,
) -> anyhow::Result<i64> {
    let response: ProduceResponse = decode(answer, correlation_id, version)?;
    let topic = response.responses.first();
    let answer = topic
        .and_then(|topic| topic.partition_responses.first())
        .context("an answer for one partition")?;
    ensure!(answer.error_code == 0, "produce refused: {answer:?}");
    Ok(answer.base_offset)
}

/// Decodes an answer, without its length field.
///
/// # Errors
/// It is of another request, or not whole.
pub(crate) fn decode<R: Decodable + HeaderVersion>(
    mut answer: Bytes,
    correlation_id: i32,
    version: i16,
) -> anyhow::Result<R> {
    let as_error = |error| anyhow::anyhow!("cannot decode an answer: {error}");
    let header = ResponseHeader::decode(&mut answer, R::header_version(version));
    let header = header.map_err(as_error)?;
    ensure!(
        header.correlation_id == correlation_id,
        "an answer to request {}, expected {correlation_id}",
        header.correlation_id
    );
    let response = R::decode(&mut answer, version).map_err(as_error)?;
    ensure!(answer.is_empty(), "bytes behind an answer");
    Ok(response)
}

#[cfg(test)]
mod tests {
    use ringbrook_protocol::produce::{PartitionResponse, Response, TopicResponse};
    use ringbrook_protocol::{StrBytes, encode_response_into};
    use uuid::Uuid;

    use super::*;

    fn answer(correlation_id: i32, error_code: i16, base_offset: i64) -> Vec<u8> {
        let partition = PartitionResponse {
            index: 0,
            error_code,
            base_offset,
            log_append_time_ms: -1,
            log_start_offset: 0,
            refusal: None,
        };
        let topic = TopicResponse {
            name: StrBytes::new(),
            topic_id: Uuid::nil(),
            partitions: vec![partition].into(),
        };
        let response = Response {
            topics: vec![topic].into(),
        };
        let mut frame = Vec::new();
        encode_response_into(&mut frame, correlation_id, &response, PRODUCE_VERSION).unwrap();
        frame.split_off(4)
    }

    fn check(answers: &[Vec<u8>]) -> anyhow::Result<()> {
        let mut requests = BrokerProduce::new(Turn::new(vec![Bytes::new(), Bytes::new()], 1));
        for answer in answers {
            requests.next();
            requests.check(answer, answer.len())?;
        }
        Ok(())
    }

    #[test]
    fn answers_in_order_with_rising_offsets_pass() {
        check(&[answer(1, 0, 7), answer(0, 0, 3), answer(1, 0, 8)]).unwrap();
    }

    #[test]
    fn a_refused_produce_fails_the_benchmark() {
        assert!(check(&[answer(1, 6, -1)]).is_err());
    }

    #[test]
    fn an_offset_given_twice_fails_the_benchmark() {
        assert!(check(&[answer(1, 0, 7), answer(0, 0, 3), answer(1, 0, 7)]).is_err());
    }

    #[test]
    fn an_answer_out_of_order_fails_the_benchmark() {
        assert!(check(&[answer(0, 0, 7)]).is_err());
    }
}
