//! Exactly once while workers and the broker are killed: the campaign of `ringbrook_tests`, short.
//!
//! `RINGBROOK_TEST_SEED` repeats a run's faults. With `RINGBROOK_TEST_BOOTSTRAP` it is run against
//! that broker, which is not killed then.

use std::net::ToSocketAddrs;
use std::time::Duration;

use anyhow::{Context, ensure};
use ringbrook_tests::exactly_once::{Campaign, ClientKind, Protocol, Sabotage, Summary, Target};
use ringbrook_tests::now_ms;

fn campaign(seconds: u64) -> Campaign {
    let seed = std::env::var("RINGBROOK_TEST_SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| now_ms().unsigned_abs() % 1_000_000);
    eprintln!("RINGBROOK_TEST_SEED={seed} repeats this run's faults");
    Campaign {
        seed,
        duration: Duration::from_secs(seconds),
        group_workers: 2,
        fixed_workers: 1,
        protocol: Protocol::Classic,
        client: ClientKind::Librdkafka,
        has_faults: true,
        records_per_s: 200,
        sabotage: None,
        binary: env!("CARGO_BIN_EXE_exactly-once").into(),
        is_talkative: false,
    }
}

fn run(campaign: &Campaign) -> anyhow::Result<Summary> {
    let mut target = match std::env::var("RINGBROOK_TEST_BOOTSTRAP") {
        Ok(bootstrap) => {
            let address = bootstrap.to_socket_addrs()?.next().context("no address")?;
            Target::running(address)
        }
        Err(_) => Target::start()?,
    };
    let summary = campaign.run(&mut target)?;
    eprintln!("{summary}");
    target.stop()?;
    Ok(summary)
}

#[test]
fn every_input_is_in_the_output_exactly_once_whoever_is_killed() -> anyhow::Result<()> {
    let summary = run(&campaign(15))?;
    // A campaign in which nothing happens shows nothing.
    ensure!(500 <= summary.records, "{summary}");
    ensure!(20 <= summary.transactions, "{summary}");
    ensure!(0 < summary.aborted, "{summary}");
    ensure!(3 <= summary.faults.values().sum::<u32>(), "{summary}");
    Ok(())
}

#[test]
fn members_of_the_consumer_protocol_transfer_exactly_once_as_well() -> anyhow::Result<()> {
    let summary = run(&Campaign {
        protocol: Protocol::Consumer,
        fixed_workers: 0,
        ..campaign(10)
    })?;
    ensure!(200 <= summary.records, "{summary}");
    ensure!(5 <= summary.transactions, "{summary}");
    Ok(())
}

#[test]
fn workers_with_the_native_client_transfer_exactly_once() -> anyhow::Result<()> {
    for protocol in [Protocol::Classic, Protocol::Consumer] {
        let summary = run(&Campaign {
            protocol,
            client: ClientKind::Native,
            ..campaign(12)
        })?;
        ensure!(300 <= summary.records, "{protocol:?}: {summary}");
        ensure!(15 <= summary.transactions, "{protocol:?}: {summary}");
        ensure!(0 < summary.aborted, "{protocol:?}: {summary}");
        let faults = summary.faults.values().sum::<u32>();
        ensure!(3 <= faults, "{protocol:?}: {summary}");
    }
    Ok(())
}

#[test]
fn workers_without_transactions_are_found_out() {
    let campaign = Campaign {
        sabotage: Some(Sabotage::Plain),
        fixed_workers: 0,
        has_faults: false,
        ..campaign(10)
    };
    let error = run(&campaign).expect_err("aborted records were written plainly");
    let error = format!("{error:#}");
    assert!(error.contains("aborted data is visible"), "{error}");
}
