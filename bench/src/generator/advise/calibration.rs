//! Measures costs: three saturated loads of different shape, one that hardly loads at all, and the
//! load itself with Kafka's default settings.

use anyhow::Context;

use super::super::TargetArgs;
use super::super::observed::Observed;
use super::super::run::run;
use super::super::target::Target;
use super::super::workload::{Load, Verify, Workload};
use super::costs::Costs;

/// Few enough records that none meets another.
const IDLE_RECORDS_PER_S: f64 = 200.0;
/// How often a rate is tried that was not kept: a machine that was busy with something else for a
/// moment tells nothing of the broker.
const TRIES: u32 = 3;

/// Measures what requests of `base` cost, each load for as long as it says.
///
/// # Errors
/// The broker or a client failed.
pub(super) fn calibrate(
    target: &Target,
    base: &Workload,
    records_per_s: f64,
    args: &TargetArgs,
) -> anyhow::Result<Costs> {
    let workload = |partitions: i32, batch_size: &str, linger_ms: &str, load: Load| {
        let mut workload = Workload {
            partitions_per_topic: partitions,
            verify: Verify::Off,
            load,
            ..base.clone()
        };
        for (name, value) in [("batch.size", batch_size), ("linger.ms", linger_ms)] {
            workload.producer.insert(name.to_owned(), value.to_owned());
        }
        workload
    };
    let own = base.partitions_per_topic;
    let idle = Load::Rate(IDLE_RECORDS_PER_S.min(records_per_s));
    let loads = [
        // A batch.size of 1 makes every batch hold one record.
        workload(1, "1", "0", Load::Max),
        workload(own.max(8), "1", "0", Load::Max),
        workload(1, "1000000", "0", Load::Max),
        workload(own, "16384", "0", idle),
        workload(own, "16384", "5", Load::Rate(records_per_s)),
    ];
    let mut cells = Vec::new();
    for workload in loads {
        let rate = match workload.load {
            Load::Rate(rate) => Some(rate),
            _ => None,
        };
        let measure = || -> anyhow::Result<Observed> {
            let measured = run(target, &workload, 0, rate, args, &mut |_| {})?;
            Ok(Observed::of(&measured))
        };
        let mut cell = measure()?;
        for _ in 1..TRIES {
            if rate.is_none() || cell.is_sustained() {
                break;
            }
            cell = measure()?;
        }
        cells.push(cell);
    }
    let costs = Costs::fit(&cells.iter().collect::<Vec<_>>());
    costs.context("not even a few records per second were sustained")
}
