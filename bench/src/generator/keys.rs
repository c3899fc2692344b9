//! Keys of records.

use bytes::Bytes;
use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// How keys are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Keys {
    /// Records have none: the sticky partitioner spreads them.
    None,
    /// All keys are as likely.
    Uniform,
    /// Few keys are frequent: key `n` is as likely as `1 / n^0.99` says.
    Zipf,
}

const ZIPF_EXPONENT: f64 = 0.99;

/// Chooses the keys of one producer.
pub(crate) struct KeyChoice {
    /// Ready-made, as a producer of real records has them at hand.
    keys: Vec<Bytes>,
    /// By key, the share of all records with it or one before it; empty for uniform keys.
    shares: Vec<f64>,
    random: Rng,
}

impl KeyChoice {
    /// Of `count` keys.
    pub(crate) fn new(keys: Keys, count: u32, seed: u64) -> Self {
        let count = if keys == Keys::None { 0 } else { count.max(1) };
        let shares = if keys == Keys::Zipf {
            zipf(count)
        } else {
            Vec::new()
        };
        Self {
            keys: (0..count)
                .map(|index| format!("key-{index:08}").into())
                .collect(),
            shares,
            random: Rng::with_seed(seed),
        }
    }

    /// The key of the next record.
    pub(crate) fn key(&mut self) -> Option<Bytes> {
        if self.keys.is_empty() {
            return None;
        }
        let index = if self.shares.is_empty() {
            self.random.usize(0..self.keys.len())
        } else {
            let point = self.random.f64();
            self.shares.partition_point(|share| *share <= point)
        };
        self.keys.get(index).or(self.keys.last()).cloned()
    }
}

fn zipf(count: u32) -> Vec<f64> {
    let weights = (1..=count).map(|rank| f64::from(rank).powf(-ZIPF_EXPONENT));
    let sum: f64 = weights.clone().sum();
    let cumulative = weights.scan(0.0, |so_far, weight| {
        *so_far += weight / sum;
        Some(*so_far)
    });
    cumulative.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn counts(keys: Keys) -> BTreeMap<Bytes, u32> {
        let mut choice = KeyChoice::new(keys, 1000, 5);
        let mut counts = BTreeMap::new();
        for _ in 0..100_000 {
            *counts
                .entry(choice.key().expect("there are keys"))
                .or_default() += 1;
        }
        counts
    }

    #[test]
    fn without_keys_there_are_none() {
        assert_eq!(KeyChoice::new(Keys::None, 1000, 5).key(), None);
    }

    #[test]
    fn uniform_keys_are_all_as_frequent() {
        let counts = counts(Keys::Uniform);
        assert_eq!(counts.len(), 1000);
        assert!(
            counts.values().all(|count| (50..=160).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn the_first_key_of_zipf_is_twice_as_frequent_as_the_second() {
        let counts = counts(Keys::Zipf);
        let of = |key: &'static str| f64::from(counts[&Bytes::from_static(key.as_bytes())]);
        let ratio = of("key-00000000") / of("key-00000001");
        assert!((1.8..2.2).contains(&ratio), "{ratio}");
        // The harmonic sum of 1000 with this exponent is about 7.73.
        assert!((12_000.0..14_000.0).contains(&of("key-00000000")));
    }
}
