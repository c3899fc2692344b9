//! Tests of the model of batching.

use super::*;

fn workload(keys: Keys, linger_ms: &str, batch_size: &str) -> Workload {
    let mut workload = Workload {
        keys,
        ..Workload::default()
    };
    for (name, value) in [("linger.ms", linger_ms), ("batch.size", batch_size)] {
        workload.producer.insert(name.to_owned(), value.to_owned());
    }
    workload
}

#[test]
fn without_keys_a_batch_gathers_for_linger_ms() {
    let bytes = expected_batch_bytes(&workload(Keys::None, "5", "16384"), 1000.0);
    assert!((bytes - (6.5 * 1032.0 + 61.0)).abs() < 1.0, "{bytes}");
}

#[test]
fn every_third_of_full_batches_without_keys_is_small() {
    let bytes = expected_batch_bytes(&workload(Keys::None, "100", "16384"), 1e6);
    assert!((bytes - (10.0 * 1032.0 + 61.0)).abs() < 1e-6, "{bytes}");
}

#[test]
fn a_batch_holds_one_record_at_least() {
    for keys in [Keys::None, Keys::Uniform] {
        let workload = workload(keys, "0", "1");
        let bytes = expected_batch_bytes(&workload, 1e6);
        let one = record_bytes(&workload) + 61.0;
        assert!((bytes - one).abs() < 0.1, "{bytes}");
    }
}

#[test]
fn with_keys_the_partitions_share_what_gathers() {
    let batching = Batching::of(&workload(Keys::Uniform, "5", "16384"));
    let gathered = batching.gathered(100.0);
    // 8 partitions of 15 records each, if they filled alike; the first is full earlier.
    assert!(gathered.is_full);
    assert!((70.0..100.0).contains(&gathered.records), "{gathered:?}");
    let few = batching.gathered(0.1);
    assert!(!few.is_full && (few.records - 1.55).abs() < 1e-9, "{few:?}");
    let batches = batching.batches(few.records);
    assert!((1.0..1.55).contains(&batches), "{batches}");
}

/// Counts by throwing, to compare with what is computed.
#[test]
fn the_first_full_batch_comes_as_early_as_chance_says() {
    let mut random = fastrand::Rng::with_seed(7);
    for (count, bins) in [(1_u32, 8_usize), (15, 8), (15, 64), (100, 8), (300, 16)] {
        let rounds = 300;
        let mut thrown = 0;
        for _ in 0..rounds {
            let mut filled = vec![0; bins];
            while filled.iter().all(|it| *it < count) {
                filled[random.usize(..bins)] += 1;
                thrown += 1;
            }
        }
        let counted = f64::from(thrown) / f64::from(rounds);
        let computed = bins as f64 * first_to_reach(f64::from(count), bins as f64);
        let ratio = computed / counted;
        assert!(
            (0.93..1.07).contains(&ratio),
            "{count} {bins}: {computed} {counted}"
        );
    }
}

#[test]
fn normal_quantiles_are_those_of_tables() {
    for (place, value) in [(0.5, 0.0), (0.99, 2.3263), (0.01, -2.3263), (0.8413, 1.0)] {
        let computed = normal_quantile(place);
        assert!((computed - value).abs() < 0.002, "{place}: {computed}");
    }
}
