//! Fills a running broker, Ringbrook or Apache Kafka, as the restart benchmark fills the engine:
//! batches of one size to all partitions in turn. `compare/kafka-restart` calls it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;

use crate::admin::{Admin, TOPIC};
use crate::client::{self, Limit};
use crate::frames;
use crate::load::{BrokerProduce, Turn};
use crate::report::line;
use crate::round::now_ms;

const IN_FLIGHT: usize = 5;
/// Longest time the load may take.
const LOAD_TIMEOUT: Duration = Duration::from_secs(3600);

/// Which broker, and how much.
#[derive(clap::Args)]
pub(crate) struct LoadArgs {
    /// Where the broker listens
    address: SocketAddr,
    /// Partitions of the topic that is created
    #[arg(long, default_value_t = 1000)]
    partitions: u16,
    /// MiB in all partitions together
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// Bytes of a batch
    #[arg(long, default_value_t = 16384)]
    batch: usize,
}

/// Creates the topic and fills it.
///
/// # Errors
/// The broker refused or failed.
pub(crate) fn load(args: &LoadArgs) -> anyhow::Result<()> {
    let mut admin = Admin::connect(args.address)?;
    let topic = admin.create_served(TOPIC, args.partitions)?;
    let batch = frames::batch(args.batch, now_ms()?)?;
    let frames = (0..i32::from(args.partitions))
        .map(|partition| frames::produce(topic, partition, &batch))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let limit = Limit {
        duration: LOAD_TIMEOUT,
        requests: (args.mib << 20) / args.batch as u64,
    };
    let connection = BrokerProduce::new(Turn::new(frames, 0));
    let (done, _) = client::run(args.address, vec![connection], IN_FLIGHT, limit)?;
    ensure!(done.requests == limit.requests, "the load took too long");
    let mib_per_s = args.mib as f64 / done.elapsed.as_secs_f64();
    line(&format!(
        "{} batches of {} bytes to {} partitions, {mib_per_s:.0} MiB/s",
        done.requests, args.batch, args.partitions
    ));
    Ok(())
}
