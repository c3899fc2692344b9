//! Measures costs: three saturated loads of different shape, and one that hardly loads at all.

use super::super::TargetArgs;
use super::super::measured::Measured;
use super::super::run::run;
use super::super::target::Target;
use super::super::workload::{Verify, Workload};
use super::costs::{Costs, Saturated};

/// Few enough records that none meets another.
const IDLE_RECORDS_PER_S: f64 = 200.0;

/// Measures what requests of `base` cost, each load for as long as it says.
///
/// # Errors
/// The broker or a client failed.
pub(super) fn calibrate(
    target: &Target,
    base: &Workload,
    args: &TargetArgs,
) -> anyhow::Result<Costs> {
    let workload = |partitions: i32, batch_size: &str| {
        let mut workload = Workload {
            partitions_per_topic: partitions,
            verify: Verify::Off,
            ..base.clone()
        };
        workload
            .producer
            .insert("batch.size".to_owned(), batch_size.to_owned());
        workload
            .producer
            .insert("linger.ms".to_owned(), "0".to_owned());
        workload
    };
    let measure = |workload: &Workload, rate| run(target, workload, 0, rate, args, &mut |_| {});
    let saturated = |workload: &Workload| anyhow::Ok(shape(&measure(workload, None)?));
    // A batch.size of 1 makes every batch hold one record.
    let one_batch = saturated(&workload(1, "1"))?;
    let many_batches = saturated(&workload(base.partitions_per_topic.max(8), "1"))?;
    let large_batches = saturated(&workload(1, "1000000"))?;
    let mut idle = workload(base.partitions_per_topic, "16384");
    idle.producers = 1;
    let idle = measure(&idle, Some(IDLE_RECORDS_PER_S))?
        .latencies()
        .response;
    let idle = (idle.ms(50.0), idle.ms(99.0));
    Ok(Costs::solve(one_batch, many_batches, large_batches, idle))
}

fn shape(measured: &Measured) -> Saturated {
    let batching = &measured.batching;
    let per_s = |count: u64| count as f64 / measured.elapsed_s;
    Saturated {
        requests_per_s: per_s(batching.requests),
        batches_per_s: per_s(batching.batches),
        bytes_per_s: per_s(batching.bytes),
    }
}
