//! Starting and stopping: the first line, signals, and one clear sentence for every refusal.

use std::collections::VecDeque;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use ringbrook_protocol::messages::ProduceRequest;
use ringbrook_tests::{
    BrokerOptions, Client, TestBroker, batch, by_name, produce_request, resident_bytes,
    single_produced, wait_until,
};
use rustix::process::Signal;
use tempfile::TempDir;

const CLEAN_MARKER: &str = ".kafka_cleanshutdown";

/// The one sentence that a refused start ends with.
fn refusal(options: &BrokerOptions, data_dir: &Path) -> anyhow::Result<String> {
    let said = TestBroker::refused(options, data_dir)?;
    let sentences: Vec<_> = said
        .lines()
        .filter_map(|line| line.strip_prefix("ringbrook: "))
        .collect();
    assert_eq!(sentences.len(), 1, "not one sentence: {said}");
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(
        said.lines().last(),
        Some(&*format!("ringbrook: {}", sentences[0])),
        "{said}"
    );
    assert!(
        sentences[0].len() < 400,
        "not one clear sentence: {}",
        sentences[0]
    );
    Ok(sentences[0].to_owned())
}

fn assert_says(sentence: &str, words: &[&str]) {
    for word in words {
        assert!(
            sentence.contains(word),
            "{word:?} is missing in: {sentence}"
        );
    }
}

#[test]
fn the_first_line_says_what_has_started() -> anyhow::Result<()> {
    let options = BrokerOptions::fast().set("core.threads", "1");
    let broker = TestBroker::start_with(options)?;
    let data_dir = broker.data_dir().path().display().to_string();
    let version = env!("CARGO_PKG_VERSION");
    let address = format!("PLAINTEXT://{}", broker.address());
    let words = [
        version,
        &address,
        &data_dir,
        "1 core thread",
        "log.flush.before.ack=true",
    ];
    assert_says(broker.banner(), &words);
    let options = BrokerOptions::fast().set("log.flush.before.ack", "false");
    let broker = TestBroker::start_with(options)?;
    assert_says(broker.banner(), &["log.flush.before.ack=false"]);
    Ok(())
}

#[test]
fn both_signals_stop_cleanly_and_leave_the_marker() -> anyhow::Result<()> {
    let data_dir = Arc::new(TempDir::new()?);
    for (round, signal) in (0..).zip([Signal::TERM, Signal::INT]) {
        let mut broker = TestBroker::start_in(BrokerOptions::fast(), Arc::clone(&data_dir))?;
        let marker = data_dir.path().join(CLEAN_MARKER);
        assert!(!marker.exists(), "the marker must not outlive the start");
        let mut client = broker.client()?;
        if round == 0 {
            client.create_topic("kept", 1, &[])?;
        }
        assert_eq!(client.produce("kept", 0, batch(&["value"]))?, round);
        let status = broker.terminate(signal)?;
        assert_eq!(status.code(), Some(0), "{signal:?}: {}", broker.log());
        assert!(marker.exists(), "{signal:?} left no marker");
    }
    Ok(())
}

#[test]
fn a_broker_stops_while_clients_wait() -> anyhow::Result<()> {
    let broker = TestBroker::start()?;
    let mut client = broker.client()?;
    client.create_topic("waited-for", 1, &[])?;
    let topic = ringbrook_protocol::messages::fetch_request::FetchTopic::default()
        .with_topic(ringbrook_tests::topic_name("waited-for"));
    let request = ringbrook_tests::fetch_request(topic, &[(0, 0)])
        .with_max_wait_ms(60_000)
        .with_min_bytes(1);
    client.wire().send(&request, 12)?;
    assert!(client.wire().is_silent_for(Duration::from_millis(50))?);
    let begin = ringbrook_tests::now();
    broker.stop()?;
    assert!(ringbrook_tests::now() - begin < Duration::from_secs(20));
    Ok(())
}

/// Sends batches, five under way at a time, until the broker is gone; returns how many it
/// acknowledged.
fn produce_until_gone(mut client: Client, topic: &str, partition: i32) -> anyhow::Result<i64> {
    let request = produce_request(by_name(topic), partition, -1, batch(&["value"]));
    let wire = client.wire();
    let (mut awaited, mut answered) = (VecDeque::new(), 0);
    let mut is_gone = false;
    loop {
        while !is_gone && awaited.len() < 5 {
            match wire.send(&request, 9) {
                Ok(correlation_id) => awaited.push_back(correlation_id),
                Err(_) => is_gone = true,
            }
        }
        let Some(correlation_id) = awaited.pop_front() else {
            return Ok(answered);
        };
        let Ok(answer) = wire.receive::<ProduceRequest>(correlation_id, 9) else {
            return Ok(answered);
        };
        ensure!(
            single_produced(answer)?.error_code == 0,
            "refused at the stop"
        );
        answered += 1;
    }
}

#[test]
fn a_clean_stop_answers_all_that_it_appends() -> anyhow::Result<()> {
    const PRODUCERS: i32 = 4;
    for flush in ["true", "false"] {
        let options = BrokerOptions::fast().set("log.flush.before.ack", flush);
        let broker = TestBroker::start_with(options.clone())?;
        broker.client()?.create_topic("busy", PRODUCERS, &[])?;
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|partition| {
                let client = broker.client()?;
                Ok(std::thread::spawn(move || {
                    produce_until_gone(client, "busy", partition)
                }))
            })
            .collect::<anyhow::Result<_>>()?;
        let mut watcher = broker.client()?;
        let ends = |broker: &mut Client| -> anyhow::Result<Vec<i64>> {
            let end = |partition| Ok(broker.list_offset("busy", partition, -1)?.offset);
            (0..PRODUCERS).map(end).collect()
        };
        let mut is_busy = false;
        wait_until(Duration::from_secs(30), || {
            let ends = ends(&mut watcher);
            is_busy = ends.is_ok_and(|ends| ends.iter().all(|&end| 20 < end));
            is_busy
        });
        assert!(is_busy);
        let data_dir = broker.data_dir();
        broker.stop()?;
        let answered = producers.into_iter().map(|it| it.join().expect("no panic"));
        let answered = answered.collect::<anyhow::Result<Vec<_>>>()?;
        let broker = TestBroker::start_in(options, data_dir)?;
        assert_eq!(ends(&mut broker.client()?)?, answered, "flush {flush}");
    }
    Ok(())
}

#[test]
fn a_kill_leaves_no_marker_and_the_next_start_recovers() -> anyhow::Result<()> {
    let mut broker = TestBroker::start()?;
    let mut client = broker.client()?;
    client.create_topic("recovered", 1, &[])?;
    client.produce("recovered", 0, batch(&["value"]))?;
    broker.kill()?;
    let data_dir = broker.data_dir();
    assert!(!data_dir.path().join(CLEAN_MARKER).exists());
    let unclean = TestBroker::start_in(BrokerOptions::fast(), Arc::clone(&data_dir))?;
    let said_unclean = unclean.banner().to_owned();
    assert_eq!(unclean.client()?.texts("recovered", 0, 0)?, ["value"]);
    unclean.stop()?;
    let clean = TestBroker::start_in(BrokerOptions::fast(), data_dir)?;
    let recovered = |banner: &str| banner.rsplit("; ").next().map(str::to_owned);
    assert_ne!(
        recovered(&said_unclean),
        recovered(clean.banner()),
        "what was recovered is not said"
    );
    Ok(())
}

#[test]
fn a_second_broker_on_the_same_directory_is_refused() -> anyhow::Result<()> {
    let broker = TestBroker::start()?;
    let data_dir = broker.data_dir();
    let sentence = refusal(&BrokerOptions::fast(), data_dir.path())?;
    assert_says(
        &sentence,
        &[&data_dir.path().display().to_string(), "another"],
    );
    // The first one is none the worse for it.
    broker.client()?.create_topic("still-served", 1, &[])?;
    broker.stop()
}

#[test]
fn a_port_in_use_is_refused() -> anyhow::Result<()> {
    let holder = TcpListener::bind("127.0.0.1:0")?;
    let address = holder.local_addr()?.to_string();
    let options = BrokerOptions::fast().set("listeners", &format!("PLAINTEXT://{address}"));
    let sentence = refusal(&options, TempDir::new()?.path())?;
    assert_says(&sentence, &[&address, "in use"]);
    Ok(())
}

#[test]
fn a_data_directory_that_cannot_be_made_is_refused() -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    let file = dir.path().join("file");
    fs::write(&file, "not a directory")?;
    for data_dir in [file.clone(), file.join("below")] {
        let sentence = refusal(&BrokerOptions::fast(), &data_dir)?;
        assert_says(&sentence, &[&data_dir.display().to_string()]);
    }
    // Nobody may write there, not even root.
    let sentence = refusal(&BrokerOptions::fast(), Path::new("/proc/ringbrook"))?;
    assert_says(&sentence, &["/proc/ringbrook"]);
    Ok(())
}

#[test]
fn a_bad_value_is_refused_with_key_value_and_range() -> anyhow::Result<()> {
    let cases = [
        ("num.partitions", "many", "many"),
        ("num.partitions", "0", "1"),
        ("log.segment.bytes", "5", "5"),
        ("log.cleanup.policy", "shred", "compact"),
        ("compression.type", "rar", "zstd"),
        ("log.flush.before.ack", "maybe", "true"),
        ("listeners", "nonsense", "nonsense"),
        ("process.roles", "controller,cook", "cook"),
    ];
    for (key, value, also) in cases {
        let options = BrokerOptions::fast().set(key, value);
        let sentence = refusal(&options, TempDir::new()?.path())?;
        assert_says(&sentence, &[key, value, also]);
    }
    Ok(())
}

#[test]
fn an_unknown_key_is_a_warning_with_the_nearest_name() -> anyhow::Result<()> {
    let options = BrokerOptions::fast()
        .set("num.partitons", "3")
        .set("zookeeper.connect", "localhost:2181");
    let broker = TestBroker::start_with(options)?;
    let log = broker.log();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert!(
        warnings
            .iter()
            .any(|it| it.contains("num.partitons") && it.contains("num.partitions")),
        "{warnings:#?}"
    );
    assert!(
        warnings.iter().any(|it| it.contains("zookeeper.connect")),
        "{warnings:#?}"
    );
    Ok(())
}

/// The file that Kafka's own distribution starts people with, comments and all.
#[test]
fn an_existing_server_properties_works() -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    let file = dir.path().join("server.properties");
    let properties = "# a comment\n\
        process.roles=broker,controller\n\
        node.id=7\n\
        controller.quorum.bootstrap.servers=localhost:9093\n\
        listeners=PLAINTEXT://127.0.0.1:0\n\
        inter.broker.listener.name=PLAINTEXT\n\
        num.network.threads=3\nnum.io.threads=8\n\
        socket.send.buffer.bytes=102400\nsocket.receive.buffer.bytes=102400\n\
        socket.request.max.bytes=104857600\n\
        log.dirs=/nowhere/at/all\n\
        num.partitions = 3\n\
        num.recovery.threads.per.data.dir=1\n\
        offsets.topic.replication.factor=1\n\
        transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
        log.retention.hours=168\nlog.segment.bytes=1073741824\n\
        log.retention.check.interval.ms=300000\n";
    fs::write(&file, properties)?;
    let broker = TestBroker::start_with(BrokerOptions::default().config(&file))?;
    let mut client = broker.client()?;
    // -1 partitions: the broker's default, from the file.
    let topic = ringbrook_protocol::messages::create_topics_request::CreatableTopic::default()
        .with_name(ringbrook_tests::topic_name("defaults"))
        .with_num_partitions(-1)
        .with_replication_factor(-1);
    let request = ringbrook_protocol::messages::CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(30_000);
    let response = client.call(&request, 7)?;
    assert_eq!(
        (
            response.topics[0].error_code,
            response.topics[0].num_partitions
        ),
        (0, 3)
    );
    let metadata = ringbrook_protocol::messages::MetadataRequest::default().with_topics(None);
    assert_eq!(client.call(&metadata, 12)?.brokers[0].node_id.0, 7);
    Ok(())
}

/// 1,000 partitions, cleanly closed. In a debug build only a tenfold bound is held.
#[test]
fn a_thousand_partitions_start_at_once_and_rest_in_little_memory() -> anyhow::Result<()> {
    let (start_max, resident_max) = if cfg!(debug_assertions) {
        (Duration::from_millis(1500), 80 << 20)
    } else {
        (Duration::from_millis(150), 40 << 20)
    };
    let mut broker = TestBroker::start()?;
    let empty = broker.start_time();
    broker.client()?.create_topic("thousand", 1000, &[])?;
    // The best of three: other tests use the same CPUs.
    let mut times = Vec::new();
    for _ in 0..3 {
        broker = broker.stop_and_restart()?;
        times.push(broker.start_time());
    }
    let best = times.iter().min().copied().unwrap_or_default();
    let resident = resident_bytes(broker.pid())?;
    eprintln!("started empty in {empty:?}, with 1,000 partitions in {times:?}; {resident} bytes");
    assert!(best <= start_max, "started in {times:?}");
    assert!(
        resident <= resident_max,
        "{resident} bytes resident with 1,000 idle partitions"
    );
    assert_eq!(broker.client()?.list_offset("thousand", 999, -1)?.offset, 0);
    Ok(())
}
