//! How large the writes to a segment were of late. Pure.

/// A write counts for so much of the average: a single one that is unlike the others changes
/// little.
const SHARE: u64 = 16;
/// Averages are kept in such parts of a batch or byte.
const PARTS: u64 = 4096;

/// Averages of the last writes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RecentWrites {
    batches_parts: u64,
    bytes_parts: u64,
}

impl RecentWrites {
    /// A write of so many batches with so many bytes in all.
    pub(crate) fn add(&mut self, batches: u64, bytes: u64) {
        let is_first = self.batches_parts == 0;
        for (average, of_write) in [
            (&mut self.batches_parts, batches),
            (&mut self.bytes_parts, bytes),
        ] {
            let of_write = of_write * PARTS;
            *average = if is_first {
                of_write
            } else {
                *average - *average / SHARE + of_write / SHARE
            };
        }
    }

    /// Bytes of a write.
    pub(crate) fn bytes(self) -> u64 {
        self.bytes_parts / PARTS
    }

    /// Bytes of a batch.
    pub(crate) fn batch_bytes(self) -> u64 {
        self.bytes_parts / self.batches_parts.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(writes: &[(u64, u64)]) -> RecentWrites {
        let mut recent = RecentWrites::default();
        writes.iter().for_each(|&(n, bytes)| recent.add(n, bytes));
        recent
    }

    #[test]
    fn writes_of_one_size_have_that_size() {
        for count in [1, 2, 100, 10_000] {
            let recent = after(&vec![(5, 80_000); count]);
            assert_eq!((recent.bytes(), recent.batch_bytes()), (80_000, 16_000));
        }
        assert_eq!(RecentWrites::default().batch_bytes(), 0);
    }

    #[test]
    fn one_that_is_unlike_the_others_changes_little_and_many_change_it() {
        let mut recent = after(&[(4, 64_000); 50]);
        recent.add(1, 16_000);
        assert!((60_000..64_000).contains(&recent.bytes()));
        (0..50).for_each(|_| recent.add(1, 16_000));
        assert!((16_000..20_000).contains(&recent.bytes()));
        assert!((15_900..16_100).contains(&recent.batch_bytes()));
    }
}
