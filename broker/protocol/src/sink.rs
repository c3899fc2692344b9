//! Encoding of responses, with records kept out of the way: by reference, or as regions of files.
//!
//! Called by the broker's APIs; the connection sends the parts in order, bytes with a write and
//! regions with sendfile. A Fetch response is built with kafka-protocol's own struct: records that
//! lie in a file are represented by [`placeholder`] of the same length. Only the Fetch response
//! knows how to leave records out (module `fetch`), and the Produce response is a struct of our own
//! ([`crate::produce`]); all others are encoded by kafka-protocol into one allocation of exactly
//! the right size.
//!
//! kafka-protocol's encoder is generic over its `ByteBufMut`, but a sink type of our own would need
//! an unsafe impl of `BufMut`. The Fetch response is written by hand instead; a test holds it to
//! kafka-protocol's bytes in every version.

mod body;
mod fetch;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use bytes::{BufMut, Bytes};

pub use body::{EncodeBody, ResponseBody};
pub(crate) use writer::Writer;

use crate::error::ProtocolError;
use crate::frame::LENGTH_BYTES;

/// The largest region one [`placeholder`] can stand for. More than this is never sent for one
/// partition.
pub const REGION_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Records in memory from this size on are sent as a part of their own instead of being copied into
/// the response's bytes. Below it a copy is cheaper than another element in the gathered write.
pub const BY_REFERENCE_BYTES_MIN: usize = 4096;

/// Length, correlation id and no tagged fields.
const FRAME_HEADER_BYTES_MAX: usize = LENGTH_BYTES + 5;

/// Zeroes that are never read or written, so the kernel never backs them with memory.
static REGION: OnceLock<&'static [u8]> = OnceLock::new();

/// Stands for `bytes` bytes of records that lie in a file, in the `records` of a Fetch response.
/// [`encode_response`] recognises it by its address and yields a [`Part::Region`].
///
/// # Panics
/// When `bytes` exceeds [`REGION_BYTES_MAX`]: the caller limits what it reads.
#[must_use]
pub fn placeholder(bytes: usize) -> Bytes {
    let region = REGION.get_or_init(|| vec![0; REGION_BYTES_MAX].leak());
    let Some(slice) = region.get(..bytes) else {
        panic!("placeholder of {bytes} bytes exceeds {REGION_BYTES_MAX}")
    };
    Bytes::from_static(slice)
}

fn is_placeholder(records: &Bytes) -> bool {
    REGION
        .get()
        .is_some_and(|region| region.as_ptr_range().contains(&records.as_ptr()))
}

/// A piece of a response, in the order of sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Bytes to send as they are.
    Bytes(Bytes),
    /// The next region, of so many bytes: the n-th region of a response is its n-th non-empty
    /// placeholder.
    Region(usize),
}

impl Part {
    /// How many bytes of the frame it is.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Region(bytes) => *bytes,
        }
    }
}

/// An encoded response frame: its bytes, and what is spliced in between them.
#[derive(Debug, Clone)]
pub struct EncodedResponse {
    bytes: Vec<u8>,
    splices: Vec<Splice>,
    frame_bytes: usize,
}

/// A part to send after the first `position` bytes in memory.
#[derive(Debug, Clone)]
struct Splice {
    position: usize,
    part: Part,
}

impl EncodedResponse {
    /// Bytes of the whole frame with the length field in front and all regions.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.frame_bytes
    }

    /// All of it, unless regions of files or large records in memory are part of it.
    ///
    /// # Errors
    /// Itself, when it has such parts.
    pub fn into_bytes(self) -> Result<Vec<u8>, Self> {
        if self.splices.is_empty() {
            Ok(self.bytes)
        } else {
            Err(self)
        }
    }

    /// The parts in the order of sending, none of them empty.
    pub fn into_parts(self) -> impl Iterator<Item = Part> {
        let Self { bytes, splices, .. } = self;
        let mut bytes = Bytes::from(bytes);
        let mut taken = 0usize;
        let tail = Splice {
            position: bytes.len(),
            part: Part::Region(0),
        };
        let steps = splices.into_iter().chain([tail]);
        let pairs = steps.flat_map(move |Splice { position, part }| {
            let head = bytes.split_to(position.saturating_sub(taken));
            taken = position;
            [Part::Bytes(head), part]
        });
        pairs.filter(|part| part.size_bytes() != 0)
    }
}

/// What an [`EncodeBody`] writes to: the bytes in memory so far, and the records spliced in.
#[derive(Debug)]
pub struct ResponseSink {
    bytes: Vec<u8>,
    splices: Vec<Splice>,
    spliced_bytes: usize,
}

impl ResponseSink {
    /// Takes records whose length has been written: by reference when they are a placeholder or
    /// long.
    fn put_records(&mut self, records: &Bytes) {
        if !is_spliced(records) {
            self.bytes.put_slice(records);
            return;
        }
        let part = if is_placeholder(records) {
            Part::Region(records.len())
        } else {
            Part::Bytes(records.clone())
        };
        self.spliced_bytes = self.spliced_bytes.saturating_add(records.len());
        self.splices.push(Splice {
            position: self.bytes.len(),
            part,
        });
    }
}

fn is_spliced(records: &Bytes) -> bool {
    !records.is_empty() && (BY_REFERENCE_BYTES_MIN <= records.len() || is_placeholder(records))
}

/// Encodes a response frame: length, response header, body. The header version follows from the
/// body's type and version; ApiVersions has version 0 always (KIP-511).
///
/// A response without splices costs one allocation, of exactly its size.
///
/// # Errors
/// [`ProtocolError::Unencodable`] when the body holds what this version cannot express, or exceeds
/// an i32.
pub fn encode_response<T: ResponseBody>(
    correlation_id: i32,
    body: &T,
    version: i16,
) -> Result<EncodedResponse, ProtocolError> {
    let body_bytes = body.in_memory_bytes(version)?;
    let mut sink = ResponseSink {
        bytes: Vec::with_capacity(FRAME_HEADER_BYTES_MAX.saturating_add(body_bytes)),
        splices: Vec::new(),
        spliced_bytes: 0,
    };
    let frame_bytes = put_frame(&mut sink, correlation_id, body, version)?;
    Ok(EncodedResponse {
        bytes: sink.bytes,
        splices: sink.splices,
        frame_bytes,
    })
}

/// [`encode_response`] of a body without records, behind the frames that `out` holds already.
///
/// # Errors
/// As [`encode_response`], and when there are records to splice; `out` is as it was then.
pub fn encode_response_into<T: EncodeBody>(
    out: &mut Vec<u8>,
    correlation_id: i32,
    body: &T,
    version: i16,
) -> Result<(), ProtocolError> {
    let begin = out.len();
    let mut sink = ResponseSink {
        bytes: std::mem::take(out),
        splices: Vec::new(),
        spliced_bytes: 0,
    };
    let encoded = put_frame(&mut sink, correlation_id, body, version);
    let encoded = encoded.and_then(|_| match sink.splices[..] {
        [] => Ok(()),
        _ => Err(ProtocolError::Unencodable(
            "records by reference".to_owned(),
        )),
    });
    *out = sink.bytes;
    if encoded.is_err() {
        out.truncate(begin);
    }
    encoded
}

/// Writes length, header and body; returns their bytes with those of spliced records.
fn put_frame<T: EncodeBody>(
    sink: &mut ResponseSink,
    correlation_id: i32,
    body: &T,
    version: i16,
) -> Result<usize, ProtocolError> {
    let begin = sink.bytes.len();
    sink.bytes.put_slice(&[0; LENGTH_BYTES]);
    sink.bytes.put_i32(correlation_id);
    if 1 <= T::header_version(version) {
        sink.bytes.put_u8(0);
    }
    body.encode_body(sink, version)?;
    let own_bytes = sink.bytes.len().saturating_sub(begin);
    let frame_bytes = own_bytes.saturating_add(sink.spliced_bytes);
    let length = i32::try_from(frame_bytes.saturating_sub(LENGTH_BYTES))
        .map_err(|_| ProtocolError::Unencodable(format!("{frame_bytes} bytes exceed an i32")))?;
    let frame = sink.bytes.get_mut(begin..).unwrap_or_default();
    if let Some(field) = frame.first_chunk_mut::<LENGTH_BYTES>() {
        *field = length.to_be_bytes();
    }
    Ok(frame_bytes)
}
