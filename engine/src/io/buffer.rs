//! Buffers of one vectored write: small heads that the log patched itself, each followed by a body
//! that is shared and never copied. Not tied to any backend; the drain fills them, a
//! [`super::Disk`] writes them.

use bytes::Bytes;

use ringbrook_record::HEADER_BYTES;

/// A run of bytes to write: a patched batch header and the batch's unchanged payload.
#[derive(Debug, Clone)]
pub struct Piece {
    head: [u8; HEADER_BYTES],
    head_bytes: u8,
    body: Bytes,
}

impl Piece {
    /// A batch header with the payload that follows it.
    #[must_use]
    pub fn batch(head: [u8; HEADER_BYTES], body: Bytes) -> Self {
        const HEAD: u8 = {
            assert!(HEADER_BYTES <= 255);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "asserted on the line above"
            )]
            let head = HEADER_BYTES as u8;
            head
        };
        Self {
            head,
            head_bytes: HEAD,
            body,
        }
    }

    /// Bytes without a head.
    #[must_use]
    pub fn plain(body: Bytes) -> Self {
        Self {
            head: [0; HEADER_BYTES],
            head_bytes: 0,
            body,
        }
    }

    /// The head; empty for a plain piece.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.head_bytes)]
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body without copying it.
    pub(crate) fn shared_body(&self) -> Bytes {
        self.body.clone()
    }

    /// Bytes of both parts.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        usize::from(self.head_bytes) + self.body.len()
    }
}

/// The pieces of one drain. Lent to the disk for a write and given back, so that its memory serves
/// the next drain.
#[derive(Debug, Default)]
pub struct WriteBuffers {
    /// The pieces in file order.
    pub pieces: Vec<Piece>,
}

impl WriteBuffers {
    /// The non-empty slices of `pieces[first..last]` with the first `skip` bytes left out.
    pub(crate) fn slices(
        &self,
        first: usize,
        last: usize,
        skip: usize,
    ) -> impl Iterator<Item = &[u8]> {
        let mut skip = skip;
        self.pieces[first..last]
            .iter()
            .flat_map(|piece| [piece.head(), piece.body()])
            .filter_map(move |slice| {
                let skipped = skip.min(slice.len());
                skip -= skipped;
                let rest = &slice[skipped..];
                (!rest.is_empty()).then_some(rest)
            })
    }

    /// Bytes of `pieces[first..last]`.
    #[must_use]
    pub fn range_bytes(&self, first: usize, last: usize) -> usize {
        self.pieces[first..last].iter().map(Piece::size_bytes).sum()
    }
}
