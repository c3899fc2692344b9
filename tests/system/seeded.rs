//! The random generator of the randomised tests: its seed is printed and can be given back.

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use ringbrook_tests::unique;

/// A runner for `cases` cases, or as many as `PROPTEST_CASES` says. `RINGBROOK_TEST_SEED` repeats a
/// run. A failing case is shrunk and shown; nothing is written to the source directory.
pub(crate) fn runner(cases: u32) -> TestRunner {
    let variable = |name| std::env::var(name).ok();
    let seed = variable("RINGBROOK_TEST_SEED").and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| {
        let random = unique("");
        u64::from_str_radix(random.trim_start_matches('-'), 16).unwrap_or(0)
    });
    let cases = variable("PROPTEST_CASES")
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(cases);
    eprintln!("RINGBROOK_TEST_SEED={seed} PROPTEST_CASES={cases} repeats this run");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}
