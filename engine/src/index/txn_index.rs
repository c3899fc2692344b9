//! The `.txnindex` of a segment: the aborted transactions whose marker lies in it. Rare and small,
//! so it is held in memory whole. (Kafka `TransactionIndex`, `AbortedTxn`.)
//!
//! | offset | bytes | type | meaning |
//! |---:|---:|---|---|
//! | 0 | 2 | i16 | version, 0 |
//! | 2 | 8 | i64 | producer id |
//! | 10 | 8 | i64 | first offset of the transaction |
//! | 18 | 8 | i64 | last offset: that of the abort marker |
//! | 26 | 8 | i64 | last stable offset right after the marker |

/// Encoded size of an entry.
pub(crate) const TXN_ENTRY_BYTES: usize = 34;
const VERSION: i16 = 0;
/// A disk writes these whole or not at all.
const SECTOR_BYTES: usize = 512;

/// An aborted transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Who wrote it.
    pub producer_id: i64,
    /// Offset of its first record here.
    pub first_offset: i64,
    /// Offset of its abort marker.
    pub last_offset: i64,
    /// Where the last stable offset stood right after the marker.
    pub last_stable_offset: i64,
}

impl AbortedTransaction {
    /// Appends the encoded entry.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&VERSION.to_be_bytes());
        for field in [
            self.producer_id,
            self.first_offset,
            self.last_offset,
            self.last_stable_offset,
        ] {
            out.extend_from_slice(&field.to_be_bytes());
        }
    }

    fn decode(bytes: &[u8; TXN_ENTRY_BYTES]) -> Option<Self> {
        let (version, mut rest) = bytes.split_first_chunk::<2>()?;
        if i16::from_be_bytes(*version) != VERSION {
            return None;
        }
        let mut fields = [0; 4];
        for field in &mut fields {
            let (value, after) = rest.split_first_chunk::<8>()?;
            *field = i64::from_be_bytes(*value);
            rest = after;
        }
        let [producer_id, first_offset, last_offset, last_stable_offset] = fields;
        // The marker comes after what it ends; zeroes, as a crash may leave, are no entry.
        if last_offset <= first_offset {
            return None;
        }
        Some(Self {
            producer_id,
            first_offset,
            last_offset,
            last_stable_offset,
        })
    }
}

/// The aborted transactions of one segment, by rising marker offset.
#[derive(Debug, Default)]
pub(crate) struct TxnIndex {
    entries: Vec<AbortedTransaction>,
}

impl TxnIndex {
    /// Reads a whole file. `None` when it does not follow the format: the segment must be
    /// recovered.
    pub(crate) fn decode(bytes: &[u8], base_offset: i64) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<TXN_ENTRY_BYTES>();
        let mut entries = Vec::with_capacity(chunks.len());
        let mut above = base_offset - 1;
        for chunk in chunks {
            let entry = AbortedTransaction::decode(chunk)?;
            if entry.last_offset <= above {
                return None;
            }
            above = entry.last_offset;
            entries.push(entry);
        }
        rest.is_empty().then_some(Self { entries })
    }

    /// Reads the entries below `limit` of a file whose rest may be torn.
    pub(crate) fn decode_below(bytes: &[u8], base_offset: i64, limit: i64) -> Self {
        let (chunks, _) = bytes.as_chunks::<TXN_ENTRY_BYTES>();
        let mut above = base_offset - 1;
        let entries = chunks.iter().map_while(|chunk| {
            let entry = AbortedTransaction::decode(chunk)?;
            let is_next = above < entry.last_offset && entry.last_offset < limit;
            above = entry.last_offset;
            is_next.then_some(entry)
        });
        Self {
            entries: entries.collect(),
        }
    }

    /// Reads the entries below `limit` of a file that is on disk as far as they go. A crash may
    /// have lost sectors of what follows them, which are zeros then, or the end of the file. `None`
    /// when it has anything else that is no entry, or one of those below out of their order: then
    /// something is damaged.
    pub(crate) fn decode_trusted(bytes: &[u8], base_offset: i64, limit: i64) -> Option<Self> {
        let index = Self::decode_below(bytes, base_offset, limit);
        let (chunks, _) = bytes.as_chunks::<TXN_ENTRY_BYTES>();
        let mut rest = chunks.iter().enumerate().skip(index.entries.len());
        let is_above = |(number, entry)| match AbortedTransaction::decode(entry) {
            Some(aborted) => limit <= aborted.last_offset,
            None => has_lost_sector(entry, number * TXN_ENTRY_BYTES),
        };
        rest.all(is_above).then_some(index)
    }

    /// The entries of markers below `limit`.
    pub(crate) fn below(&self, limit: i64) -> Self {
        let count = self.entries.partition_point(|it| it.last_offset < limit);
        Self {
            entries: self.entries[..count].to_vec(),
        }
    }

    /// The entries, by rising marker offset.
    pub(crate) fn entries(&self) -> &[AbortedTransaction] {
        &self.entries
    }

    /// Adds the newest entry.
    pub(crate) fn push(&mut self, entry: AbortedTransaction) {
        if let Some(last) = self.entries.last() {
            assert!(
                last.last_offset < entry.last_offset,
                "marker offsets must strictly increase"
            );
        }
        self.entries.push(entry);
    }

    /// Size of the file in bytes.
    pub(crate) fn file_bytes(&self) -> u64 {
        (self.entries.len() * TXN_ENTRY_BYTES) as u64
    }

    /// The whole file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len() * TXN_ENTRY_BYTES);
        for entry in &self.entries {
            entry.encode(&mut bytes);
        }
        bytes
    }

    /// Collects what concerns a fetch of `[start, upper)`. Returns whether later segments can be
    /// left out.
    pub(crate) fn collect(
        &self,
        start: i64,
        upper: i64,
        found: &mut Vec<AbortedTransaction>,
    ) -> bool {
        let first = self.entries.partition_point(|it| it.last_offset < start);
        for entry in &self.entries[first..] {
            if entry.first_offset < upper {
                found.push(*entry);
            }
            if upper <= entry.last_stable_offset {
                return true;
            }
        }
        false
    }

    /// Whether no transaction was aborted here.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether every transaction that begins below `upper` has ended by the end of this segment.
    pub(crate) fn decides_all_below(&self, upper: i64) -> bool {
        let last = self.entries.last();
        last.is_some_and(|entry| upper <= entry.last_stable_offset)
    }
}

/// Whether all bytes that an entry at `position` of its file has in one sector are zero.
fn has_lost_sector(entry: &[u8; TXN_ENTRY_BYTES], position: usize) -> bool {
    let in_first = SECTOR_BYTES - position % SECTOR_BYTES;
    let (first, second) = entry.split_at(in_first.min(TXN_ENTRY_BYTES));
    let is_lost = |part: &[u8]| !part.is_empty() && part.iter().all(|&byte| byte == 0);
    is_lost(first) || is_lost(second)
}
