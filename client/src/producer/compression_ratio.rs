//! How well the records of a topic compress, so that a batch takes records until it is full when
//! compressed.
//!
//! Source: Kafka `CompressionRatioEstimator`, and the margin of `MemoryRecordsBuilder`.

/// The estimate goes down by at most so much per batch.
const IMPROVING_STEP: f64 = 0.005;
/// And up by at least so much.
const DETERIORATE_STEP: f64 = 0.05;
/// What is added to the estimate, to be on the safe side.
const MARGIN: f64 = 1.05;

/// Bytes after compression per byte before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CompressionRatio(f64);

impl Default for CompressionRatio {
    fn default() -> Self {
        Self(1.0)
    }
}

impl CompressionRatio {
    /// How large `bytes` are likely to be when compressed.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive estimate; a float holds every length of a batch"
    )]
    pub(super) fn estimate(self, bytes: usize) -> usize {
        (bytes as f64 * self.0 * MARGIN) as usize
    }

    /// A batch of `before` bytes has become one of `after`.
    pub(super) fn observe(&mut self, before: usize, after: usize) {
        let observed = after as f64 / before.max(1) as f64;
        if self.0 < observed {
            self.0 = observed.max(self.0 + DETERIORATE_STEP);
        } else if observed < self.0 {
            self.0 = observed.max(self.0 - IMPROVING_STEP);
        }
    }

    /// A broker found a batch too large: nothing is expected of compression for now.
    pub(super) fn reset(&mut self) {
        self.0 = self.0.max(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_falls_slowly_and_rises_fast() {
        let mut ratio = CompressionRatio::default();
        ratio.observe(1000, 100);
        assert_eq!(ratio.estimate(100_000), 104_475);
        for _ in 0..1000 {
            ratio.observe(1000, 100);
        }
        assert_eq!(ratio.estimate(100_000), 10_500);
        ratio.observe(1000, 101);
        assert_eq!(ratio.estimate(100_000), 15_750);
        ratio.observe(1000, 900);
        assert_eq!(ratio.estimate(100_000), 94_500);
        ratio.reset();
        assert_eq!(ratio.estimate(100_000), 105_000);
    }
}
