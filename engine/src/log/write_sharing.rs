//! Whether batches that come one after the other share writes. Pure.

/// So many writes of one batch in a row tell that the next one will have no more either.
const ALONE_MIN: u8 = 16;

/// How many batches the last writes of a log had.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WriteSharing {
    /// The last writes, up to [`ALONE_MIN`] of them, that had one batch each.
    alone: u8,
}

impl WriteSharing {
    /// So many batches go into the next writes.
    pub(crate) fn on_take(&mut self, batches: usize) {
        self.alone = if batches == 1 {
            (self.alone + 1).min(ALONE_MIN)
        } else {
            0
        };
    }

    /// A batch that waits for others to share its write is likely to wait for nobody.
    pub(crate) fn is_unlikely(self) -> bool {
        ALONE_MIN <= self.alone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_lone_writes_in_a_row_make_sharing_unlikely_and_one_shared_write_ends_that() {
        let mut sharing = WriteSharing::default();
        for _ in 0..ALONE_MIN {
            assert!(!sharing.is_unlikely());
            sharing.on_take(1);
        }
        assert!(sharing.is_unlikely());
        (0..1000).for_each(|_| sharing.on_take(1));
        assert!(sharing.is_unlikely());
        sharing.on_take(2);
        assert!(!sharing.is_unlikely());
    }
}
