//! Tests of conclusions from studies made up to have each outcome.

use super::super::super::observed::tests::cell;
use super::*;

const LINGERS: [u32; 4] = [0, 1, 5, 20];

/// Three rates and closed loops; `p99` of rate and linger.ms.
fn study(p99_ms: impl Fn(f64, f64) -> f64) -> Vec<Observed> {
    let mut cells = Vec::new();
    for rate in [1000.0, 50_000.0, 400_000.0] {
        for linger_ms in LINGERS {
            for batch_size in [16_384, 131_072] {
                let mut cell = cell(rate, linger_ms, batch_size, 1.0);
                cell.p99_ms = p99_ms(rate, f64::from(linger_ms));
                cell.batches_per_s = rate / (1.0 + f64::from(linger_ms) * 10.0);
                cell.client_cores = 0.1 + cell.batches_per_s * 5e-6;
                cells.push(cell);
            }
        }
    }
    cells
}

/// A closed loop that reached `records_per_s`.
fn closed(batch_size: u32, records_per_s: f64) -> Observed {
    Observed {
        target_rate: None,
        records_per_s,
        ..cell(1.0, 5, batch_size, 50.0)
    }
}

fn sentences(cells: &[Observed]) -> Vec<String> {
    let mut all = sections(cells);
    assert_eq!(all.len(), 1, "{all:?}");
    let (title, sentences) = all.remove(0);
    assert_eq!(title, "Records of 1024 B without keys");
    sentences
}

fn one(cells: &[Observed], part: &str) -> String {
    let all = sentences(cells);
    let found = all.iter().find(|it| it.contains(part));
    found.unwrap_or_else(|| panic!("{part}: {all:#?}")).clone()
}

/// Linear at low rates, a U at the high one.
fn u_shaped(rate: f64, linger_ms: f64) -> f64 {
    if rate < 100_000.0 {
        return 0.5 + linger_ms;
    }
    match linger_ms {
        0.0 => 40.0,
        1.0 => 9.0,
        5.0 => 8.0,
        _ => 24.0,
    }
}

#[test]
fn a_u_is_told_with_its_least_and_both_ends() {
    let text = one(&study(u_shaped), "shape of a U");
    assert!(text.contains("least with linger.ms 5, 8.00 ms"), "{text}");
    assert!(
        text.contains("with linger.ms 0 it is 5.0 times as much (40 ms)"),
        "{text}"
    );
    assert!(
        text.contains("with linger.ms 20 it is 3.0 times as much (24 ms)"),
        "{text}"
    );
}

#[test]
fn without_a_u_there_is_none() {
    let text = one(&study(|_, linger_ms| 0.5 + linger_ms), "there is no U");
    assert!(
        text.contains("linger.ms 0 has a p99 of 0.50 ms with 1.0 records"),
        "{text}"
    );
    let falling = study(|_, linger_ms| 30.0 - linger_ms);
    let text = one(&falling, "waiting makes p99 shorter");
    assert!(text.contains("10 ms with linger.ms 20"), "{text}");
    let flat = one(
        &study(|_, linger_ms| 8.0 + linger_ms / 100.0),
        "no difference to p99",
    );
    assert!(flat.contains("At 400000 records/s"), "{flat}");
}

#[test]
fn a_short_linger_that_does_not_keep_the_rate_is_worse_than_any() {
    let mut cells = study(|_, linger_ms| 0.5 + linger_ms);
    for cell in &mut cells {
        cell.is_overloaded = cell.linger_ms() == 0.0 && cell.target_rate == Some(400_000.0);
    }
    let text = one(&cells, "shape of a U");
    assert!(
        text.contains("linger.ms 0 does not keep the rate"),
        "{text}"
    );
    for cell in &mut cells {
        cell.is_overloaded = cell.target_rate == Some(400_000.0);
    }
    let text = one(&cells, "with every setting. At 50000");
    assert!(text.starts_with("400000 records/s were too much"), "{text}");
    for cell in &mut cells {
        cell.is_overloaded = true;
    }
    assert_eq!(
        sentences(&cells),
        ["1000 records/s were too much with every setting."]
    );
}

#[test]
fn the_cost_of_linger_is_the_slope_at_the_low_rate() {
    let text = one(&study(u_shaped), "each ms of linger.ms");
    assert!(
        text.contains("At 1000 records/s each ms of linger.ms adds 1.00 ms"),
        "{text}"
    );
    assert!(
        text.contains("0.50 ms with linger.ms 0 and 20 ms with linger.ms 20"),
        "{text}"
    );
    let text = one(&study(|_, _| 3.0), "next to nothing");
    assert!(text.contains("At 1000 records/s"), "{text}");
}

#[test]
fn the_knee_is_where_p99_leaves_the_range() {
    // linger.ms 20 goes from 20.5 to 24 ms.
    let text = one(&study(u_shaped), "no other setting does better");
    assert!(
        text.contains("up to 400000 records/s, the highest rate measured"),
        "{text}"
    );
    let steep = study(|rate, linger_ms| (0.5 + linger_ms) * (1.0 + rate / 20_000.0));
    let text = one(&steep, "the knee is between");
    assert!(
        text.contains("up to 1000 records/s") || text.contains("at 50000"),
        "{text}"
    );
}

#[test]
fn batch_size_pays_as_far_as_throughput_grows() {
    let text = |rates: [f64; 3]| {
        let sizes = [16_384, 131_072, 1_048_576];
        let loops = sizes
            .into_iter()
            .zip(rates)
            .map(|(size, rate)| closed(size, rate));
        one(&loops.collect::<Vec<_>>(), "As fast as possible")
    };
    assert!(text([1e5, 2e5, 2.01e5]).contains("pays up to 131072 and gains nothing beyond"));
    assert!(text([1e5, 2e5, 3e5]).contains("up to the largest, 1048576"));
    assert!(text([3e5, 2.9e5, 3e5]).contains("beyond 16384 gains nothing"));
}

#[test]
fn saved_cpu_is_told_with_both_settings() {
    let text = one(&study(u_shaped), "batching saves");
    assert!(
        text.contains("At 400000 records/s batching saves"),
        "{text}"
    );
    assert!(
        text.contains("linger.ms 0") && text.contains("linger.ms 20"),
        "{text}"
    );
    let mut cells = study(u_shaped);
    for cell in &mut cells {
        cell.client_cores = 0.2;
    }
    assert!(one(&cells, "less than a tenth").contains("broker and client"));
}

#[test]
fn a_single_run_concludes_nothing() {
    assert_eq!(sections(&[cell(1000.0, 5, 16_384, 6.0)]), []);
    assert_eq!(markdown(&[]), "");
}
