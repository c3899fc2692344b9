//! The random numbers of a campaign: the same for the same seed (SplitMix64).

/// A generator.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The generator of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A generator of its own for the part called `name` number `index` of the campaign.
    #[must_use]
    pub fn of(seed: u64, name: &str, index: u64) -> Self {
        let mut random = Self::new(seed ^ index.rotate_left(32));
        for byte in name.bytes() {
            random.state ^= u64::from(byte);
            random.draw();
        }
        random
    }

    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of `low..high`; `low` when that is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.draw() % high.saturating_sub(low).max(1)
    }

    /// A number of `low..high`; `low` when that is empty.
    pub fn index(&mut self, low: usize, high: usize) -> usize {
        // The bounds fit into 64 bits, so the number between them fits back.
        usize::try_from(self.between(low as u64, high as u64)).unwrap_or(low)
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.between(0, 100) < percent
    }
}
