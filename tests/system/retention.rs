//! Retention: old segments go by size and by time, and nothing else goes.

use std::fs;
use std::iter;
use std::path::Path;
use std::time::Duration;

use ringbrook_protocol::ResponseError;
use ringbrook_record::{BatchBuilder, Codec, Header};
use ringbrook_tests::{
    BrokerOptions, Client, TestBroker, batch, batch_of_bytes, error, now_ms, wait_until,
};

const DEADLINE: Duration = Duration::from_secs(40);

fn broker() -> anyhow::Result<TestBroker> {
    let options = BrokerOptions::fast()
        .set("log.retention.check.interval.ms", "100")
        .set("log.initial.task.delay.ms", "0");
    TestBroker::start_with(options)
}

fn log_bytes(partition_dir: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(partition_dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().contains(".log") {
            // Deleted meanwhile: nothing left of it.
            bytes += entry.metadata().map_or(0, |metadata| metadata.len());
        }
    }
    Ok(bytes)
}

fn start_offset(client: &mut Client, topic: &str) -> anyhow::Result<i64> {
    Ok(client.list_offset(topic, 0, -2)?.offset)
}

#[test]
fn old_segments_go_by_size() -> anyhow::Result<()> {
    let broker = broker()?;
    let mut client = broker.client()?;
    let configs = [
        ("segment.bytes", "1048576"),
        ("retention.bytes", "2097152"),
        ("file.delete.delay.ms", "100"),
    ];
    client.create_topic("by-size", 1, &configs)?;
    client.create_topic("kept", 1, &[("segment.bytes", "1048576")])?;
    for offset in 0..24 {
        assert_eq!(
            client.produce("by-size", 0, batch_of_bytes(500_000))?,
            offset
        );
        if offset < 8 {
            assert_eq!(client.produce("kept", 0, batch_of_bytes(500_000))?, offset);
        }
    }
    // Two batches to a segment; deleting one more would leave less than retention.bytes.
    let is_deleted = wait_until(DEADLINE, || {
        start_offset(&mut client, "by-size").is_ok_and(|offset| offset == 18)
    });
    assert!(
        is_deleted,
        "log start is {}",
        start_offset(&mut client, "by-size")?
    );
    let data_dir = broker.data_dir();
    let dir = data_dir.path().join("by-size-0");
    let is_gone = wait_until(DEADLINE, || {
        log_bytes(&dir).is_ok_and(|bytes| bytes <= 3_100_000)
    });
    assert!(is_gone, "{} bytes are left", log_bytes(&dir)?);
    let below = client.try_fetch("by-size", 0, 17)?;
    assert_eq!(
        error(below.error_code),
        Some(ResponseError::OffsetOutOfRange)
    );
    let offsets: Vec<_> = client
        .read_all("by-size", 0, 18)?
        .iter()
        .map(|record| record.offset)
        .collect();
    assert_eq!(offsets, (18..24).collect::<Vec<_>>());
    assert_eq!(client.produce("by-size", 0, batch(&["next"]))?, 24);
    assert_eq!(start_offset(&mut client, "kept")?, 0);
    // It stays so over a restart.
    let broker = broker.kill_and_restart()?;
    let mut client = broker.client()?;
    assert_eq!(start_offset(&mut client, "by-size")?, 18);
    assert_eq!(client.list_offset("by-size", 0, -1)?.offset, 25);
    Ok(())
}

#[test]
fn old_records_go_by_their_timestamps() -> anyhow::Result<()> {
    let broker = broker()?;
    let mut client = broker.client()?;
    let configs = [("retention.ms", "3600000"), ("file.delete.delay.ms", "100")];
    let at = |timestamp| -> anyhow::Result<_> {
        let mut builder = BatchBuilder::new();
        builder.append(timestamp, None, Some(b"value"), iter::empty::<Header<'_>>())?;
        Ok(builder.finish(Codec::None, None)?.freeze())
    };
    for topic in ["old", "new", "mixed"] {
        client.create_topic(topic, 1, &configs)?;
    }
    let (old, new) = (now_ms() - 7_200_000, now_ms());
    client.produce("new", 0, at(new)?)?;
    // One young record keeps the segment.
    client.produce("mixed", 0, at(old)?)?;
    client.produce("mixed", 0, at(new)?)?;
    client.produce("old", 0, at(old)?)?;
    client.produce("old", 0, at(old + 1)?)?;
    // The active segment goes too.
    let is_deleted = wait_until(DEADLINE, || {
        start_offset(&mut client, "old").is_ok_and(|offset| offset == 2)
    });
    assert!(
        is_deleted,
        "log start is {}",
        start_offset(&mut client, "old")?
    );
    assert_eq!(client.list_offset("old", 0, -1)?.offset, 2);
    assert_eq!(client.texts("old", 0, 2)?, [""; 0]);
    assert_eq!(start_offset(&mut client, "new")?, 0);
    assert_eq!(start_offset(&mut client, "mixed")?, 0);
    assert_eq!(client.produce("old", 0, at(new)?)?, 2);
    assert_eq!(client.texts("old", 0, 2)?, ["value"]);
    Ok(())
}

#[test]
fn a_deleted_topic_leaves_no_files() -> anyhow::Result<()> {
    use ringbrook_protocol::messages::DeleteTopicsRequest;
    use ringbrook_protocol::messages::delete_topics_request::DeleteTopicState;

    let broker = broker()?;
    let mut client = broker.client()?;
    client.create_topic("doomed", 3, &[("file.delete.delay.ms", "100")])?;
    client.produce("doomed", 1, batch(&["value"]))?;
    let state = DeleteTopicState::default().with_name(Some(ringbrook_tests::topic_name("doomed")));
    let request = DeleteTopicsRequest::default()
        .with_topics(vec![state])
        .with_timeout_ms(30_000);
    assert_eq!(client.call(&request, 6)?.responses[0].error_code, 0);
    let refused = client.try_produce("doomed", 1, batch(&["late"]))?;
    assert_eq!(
        error(refused.error_code),
        Some(ResponseError::UnknownTopicOrPartition)
    );
    let data_dir = broker.data_dir();
    let left = || -> Vec<String> {
        let entries = fs::read_dir(data_dir.path())
            .into_iter()
            .flatten()
            .flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("doomed")).collect()
    };
    assert!(
        wait_until(DEADLINE, || left().is_empty()),
        "left: {:?}",
        left()
    );
    Ok(())
}
