//! The search for the greatest rate that a broker sustains. Pure: rates out, observations in.

/// The first rate tried.
const FIRST_RECORDS_PER_S: f64 = 10_000.0;
/// The search ends when the bounds are this close.
const PRECISION: f64 = 0.05;
/// Never faster than this.
const GREATEST_RECORDS_PER_S: f64 = 1e8;
/// Never slower than this.
const LEAST_RECORDS_PER_S: f64 = 1.0;

/// Doubles the rate until one is too much, halves it until one is not, then halves the distance.
#[derive(Debug)]
pub(crate) struct FindMax {
    rate: f64,
    sustained: Option<f64>,
    too_much: Option<f64>,
}

impl FindMax {
    pub(crate) fn new() -> Self {
        Self {
            rate: FIRST_RECORDS_PER_S,
            sustained: None,
            too_much: None,
        }
    }

    /// The rate to try.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    /// The rate was sustained, or not. Returns whether another has to be tried.
    pub(crate) fn observe(&mut self, is_sustained: bool) -> bool {
        if is_sustained {
            self.sustained = Some(self.rate);
        } else {
            self.too_much = Some(self.rate);
        }
        self.rate = match (self.sustained, self.too_much) {
            (Some(low), Some(high)) if high <= low * (1.0 + PRECISION) => return false,
            (Some(low), Some(high)) => (low * high).sqrt(),
            (Some(low), None) if GREATEST_RECORDS_PER_S <= low => return false,
            (Some(low), None) => low * 2.0,
            (None, Some(high)) if high <= LEAST_RECORDS_PER_S => return false,
            (None, Some(high)) => high / 2.0,
            (None, None) => self.rate,
        };
        true
    }

    /// The greatest rate that was sustained.
    pub(crate) fn found(&self) -> Option<f64> {
        self.sustained
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(limit: f64) -> (Option<f64>, u32) {
        let mut search = FindMax::new();
        let mut tries = 1;
        while search.observe(search.rate() <= limit) {
            tries += 1;
            assert!(tries < 100, "the search for {limit} does not end");
        }
        (search.found(), tries)
    }

    #[test]
    fn any_limit_is_found_to_within_the_precision() {
        for limit in [3.0, 999.0, 10_000.0, 123_456.0, 3e6] {
            let (found, tries) = search(limit);
            let found = found.expect("some rate is sustained");
            assert!(
                found <= limit && limit <= found * (1.0 + PRECISION),
                "{limit}: {found}"
            );
            assert!(tries < 25, "{limit} took {tries} tries");
        }
    }

    #[test]
    fn a_broker_that_takes_nothing_ends_the_search() {
        assert_eq!(search(0.5).0, None);
    }

    #[test]
    fn a_broker_that_takes_everything_ends_the_search() {
        assert!(GREATEST_RECORDS_PER_S <= search(f64::INFINITY).0.expect("all"));
    }
}
