//! A topic's name used again, and logs on disk that belong to no topic.

use std::path::{Path, PathBuf};

use ringbrook_protocol::messages::DeleteTopicsRequest;
use ringbrook_protocol::messages::delete_topics_request::DeleteTopicState;
use ringbrook_tests::{Client, TestBroker, batch, topic_name};

fn delete(client: &mut Client, topic: &str) -> anyhow::Result<()> {
    let state = DeleteTopicState::default().with_name(Some(topic_name(topic)));
    let request = DeleteTopicsRequest::default()
        .with_topics(vec![state])
        .with_timeout_ms(30_000);
    assert_eq!(client.call(&request, 6)?.responses[0].error_code, 0);
    Ok(())
}

fn copy_dir(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn strays(data_dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut strays = Vec::new();
    for entry in std::fs::read_dir(data_dir)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with("-stray") {
            strays.push(path);
        }
    }
    Ok(strays)
}

#[test]
fn a_topic_created_again_begins_empty() -> anyhow::Result<()> {
    let broker = TestBroker::start()?;
    let mut client = broker.client()?;
    for round in 0..20 {
        client.create_topic("again", 2, &[])?;
        assert_eq!(client.texts("again", 1, 0)?, [""; 0], "round {round}");
        assert_eq!(client.produce("again", 1, batch(&["x"]))?, 0);
        delete(&mut client, "again")?;
    }
    Ok(())
}

#[test]
fn logs_of_no_topic_are_set_aside_and_not_served() -> anyhow::Result<()> {
    let broker = TestBroker::start()?;
    let mut client = broker.client()?;
    client.create_topic("known", 1, &[])?;
    client.produce("known", 0, batch(&["of known"]))?;
    client.create_topic("other", 1, &[])?;
    client.produce("other", 0, batch(&["of other"]))?;
    let data_dir = broker.data_dir();
    broker.stop()?;
    // As a crash leaves them that keeps a deletion from the disk: a topic that is gone, and one
    // whose name another topic has now.
    copy_dir(
        &data_dir.path().join("known-0"),
        &data_dir.path().join("gone-0"),
    )?;
    std::fs::remove_dir_all(data_dir.path().join("other-0"))?;
    copy_dir(
        &data_dir.path().join("known-0"),
        &data_dir.path().join("other-0"),
    )?;
    let broker = TestBroker::start_in(Default::default(), data_dir)?;
    let mut client = broker.client()?;
    assert_eq!(client.texts("known", 0, 0)?, ["of known"]);
    assert_eq!(
        client.texts("other", 0, 0)?,
        [""; 0],
        "the log is of another topic"
    );
    let stray = strays(broker.data_dir().path())?;
    assert_eq!(stray.len(), 2, "{stray:?}");
    client.create_topic("gone", 1, &[])?;
    assert_eq!(client.texts("gone", 0, 0)?, [""; 0]);
    Ok(())
}
