//! Requests to frames.
//!
//! A frame is a few pieces of memory that are sent one after the other, so that record batches are
//! never copied: those of Produce requests stay where the producer built them.

#[cfg(test)]
mod tests;

use std::any::Any;

use bytes::{BufMut, Bytes, BytesMut};
use ringbrook_protocol::messages::{ProduceRequest, RequestHeader};
use ringbrook_protocol::{Encodable, Request, StrBytes};

use super::produce;

/// Bytes of a frame's length.
pub(super) const LENGTH_BYTES: usize = 4;

/// Records from this size on are a piece of their own. Below it a copy is cheaper than another
/// piece in the gathered write.
pub(super) const BY_REFERENCE_BYTES_MIN: usize = 4096;

/// A request with its length and header, ready to be sent.
#[derive(Debug)]
pub(super) enum Frame {
    Whole(Bytes),
    Pieces(Vec<Bytes>),
}

impl Frame {
    /// Moves its pieces to the end of what is to be written.
    pub(super) fn append_to(self, pieces: &mut impl Extend<Bytes>) {
        match self {
            Self::Whole(bytes) => pieces.extend([bytes]),
            Self::Pieces(all) => pieces.extend(all),
        }
    }
}

/// Bytes with others spliced in between, by reference.
#[derive(Debug)]
pub(super) struct Splicer {
    bytes: BytesMut,
    /// After how many of the bytes a piece comes.
    splices: Vec<(usize, Bytes)>,
    spliced_bytes: usize,
}

impl Splicer {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: BytesMut::with_capacity(bytes),
            splices: Vec::new(),
            spliced_bytes: 0,
        }
    }

    pub(super) fn out(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Copies short records and takes long ones by reference.
    pub(super) fn put_records(&mut self, records: &Bytes) {
        if records.len() < BY_REFERENCE_BYTES_MIN {
            self.bytes.put_slice(records);
            return;
        }
        self.splices.push((self.bytes.len(), records.clone()));
        self.spliced_bytes += records.len();
    }

    /// Sets the frame's length and cuts the bytes where pieces come between.
    fn finish(mut self) -> Result<Frame, String> {
        let frame_bytes = self.bytes.len() + self.spliced_bytes;
        let length =
            i32::try_from(frame_bytes - LENGTH_BYTES).map_err(|error| error.to_string())?;
        if let Some(field) = self.bytes.first_chunk_mut::<LENGTH_BYTES>() {
            *field = length.to_be_bytes();
        }
        if self.splices.is_empty() {
            return Ok(Frame::Whole(self.bytes.freeze()));
        }
        let mut pieces = Vec::with_capacity(2 * self.splices.len() + 1);
        let mut taken = 0;
        for (position, piece) in self.splices {
            pieces.push(self.bytes.split_to(position - taken).freeze());
            pieces.push(piece);
            taken = position;
        }
        if !self.bytes.is_empty() {
            pieces.push(self.bytes.freeze());
        }
        Ok(Frame::Pieces(pieces))
    }
}

/// A request with its length and header.
///
/// # Errors
/// The version cannot express the request, or it exceeds an i32.
pub(super) fn encode<R: Request + 'static>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &StrBytes,
) -> Result<Frame, String> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(client_id.clone()));
    let header_version = R::header_version(version);
    let produce = (request as &dyn Any).downcast_ref::<ProduceRequest>();
    let body_bytes = match produce {
        Some(request) => produce::in_memory_bytes(request, version)?,
        None => explained(request.compute_size(version))?,
    };
    let header_bytes = explained(header.compute_size(header_version))?;
    let mut splicer = Splicer::with_capacity(LENGTH_BYTES + header_bytes + body_bytes);
    splicer.out().put_i32(0);
    explained(header.encode(splicer.out(), header_version))?;
    match produce {
        Some(request) => produce::encode(request, version, &mut splicer)?,
        None => explained(request.encode(splicer.out(), version))?,
    }
    splicer.finish()
}

/// kafka-protocol's error type is anyhow's, which this crate does not name.
pub(super) fn explained<T>(result: Result<T, impl std::fmt::Display>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}
