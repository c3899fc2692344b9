//! The scrub: damage in old segments is reported before a consumer meets it.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use ringbrook_tests::{BrokerOptions, TestBroker, batch_of_bytes, wait_until};
use rustix::process::Signal;

const DEADLINE: Duration = Duration::from_secs(40);

#[test]
fn a_flipped_bit_in_an_old_segment_is_reported_by_file_and_position() -> anyhow::Result<()> {
    let broker = TestBroker::start()?;
    let mut client = broker.client()?;
    client.create_topic("old", 1, &[("segment.bytes", "1048576")])?;
    for offset in 0..7 {
        assert_eq!(client.produce("old", 0, batch_of_bytes(300_000))?, offset);
    }
    let data_dir = broker.data_dir();
    drop(client);
    broker.stop()?;
    let path = data_dir.path().join("old-0/00000000000000000000.log");
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, 400_000)?;
    file.write_all_at(&[byte[0] ^ 1], 400_000)?;
    let options = BrokerOptions::fast()
        .set("log.scrub.enable", "true")
        .set("log.initial.task.delay.ms", "0");
    let mut broker = TestBroker::start_in(options, data_dir)?;
    let has_finished = || broker.log().contains("the scrub has finished a round");
    assert!(wait_until(DEADLINE, has_finished), "{}", broker.log());
    let status = broker.terminate(Signal::TERM)?;
    assert!(status.success(), "{status}");
    let log = broker.log();
    for said in [
        "the scrub found damage",
        "old-0/00000000000000000000.log",
        "position=300000",
        "offset=1",
        "damages_found=1",
    ] {
        assert!(log.contains(said), "{said:?} is missing in: {log}");
    }
    Ok(())
}
