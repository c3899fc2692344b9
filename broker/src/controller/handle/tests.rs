//! The controller as a whole: start, submit, restart, stop.

use std::time::Duration;

use tempfile::tempdir;

use super::*;
use crate::controller::command::{ConfigChange, ConfigOperation};
use crate::controller::image::ConfigResource;
use crate::controller::testing::{id_of, options, topic};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap()
}

fn created(applied: Applied) -> Vec<Result<Arc<TopicImage>, MetadataError>> {
    match applied {
        Applied::TopicsCreated(results) => results,
        other => panic!("{other:?}"),
    }
}

/// Submits commands until a snapshot was written and the log in front of it purged.
fn until_purged(controller: &Controller, options: &ControllerOptions) {
    let is_purged = || std::fs::read(options.dir.join("log")).unwrap()[20..24] == [0, 0, 0, 1];
    for _ in 0..100_000 {
        if is_purged() {
            return;
        }
        let command = Command::AllocateProducerIds { broker_id: 1 };
        controller.submit_blocking(command).unwrap();
    }
    panic!("no snapshot after 100,000 commands");
}

#[test]
fn a_fresh_start_registers_the_broker() {
    let dir = tempdir().unwrap();
    let controller = Controller::start(options(dir.path())).unwrap();
    let image = controller.image();
    assert_eq!(image.cluster_id(), "cluster");
    assert_eq!(image.controller_id(), 1);
    let broker = image.broker(1).unwrap();
    assert_eq!(broker.epoch, controller.broker_epoch());
    assert_eq!(broker.endpoint("PLAINTEXT").unwrap().port, 9092);
    assert_eq!(image.topic_count(), 0);
    controller.shutdown();
}

#[test]
fn an_outcome_is_visible_in_the_image_and_survives_a_restart() {
    let dir = tempdir().unwrap();
    let controller = Controller::start(options(dir.path())).unwrap();
    let epoch = controller.broker_epoch();
    let command = Command::CreateTopics(vec![topic("orders", 3), topic("orders", 3)]);
    let results = created(controller.submit_blocking(command).unwrap());
    assert_eq!(results[0].as_ref().unwrap().partitions.len(), 3);
    assert_eq!(
        results[1],
        Err(MetadataError::TopicExists("orders".to_owned()))
    );
    let image = controller.image();
    assert_eq!(image.topic("orders").unwrap().id, id_of("orders"));
    controller.shutdown();
    assert!(matches!(
        controller.submit_blocking(Command::AllocateProducerIds { broker_id: 1 }),
        Err(ControllerError::Stopped)
    ));

    let controller = Controller::start(options(dir.path())).unwrap();
    let again = controller.image();
    assert_eq!(again.topic("orders"), image.topic("orders"));
    assert_eq!(again.topic_config("orders"), image.topic_config("orders"));
    assert!(image.version() < again.version());
    assert!(epoch < controller.broker_epoch());
    controller.shutdown();
}

#[test]
fn racing_creations_are_decided_once() {
    let dir = tempdir().unwrap();
    let controller = Controller::start(options(dir.path())).unwrap();
    runtime().block_on(async {
        let racers: Vec<_> = (0..200)
            .map(|racer| {
                let mut topic = topic(&format!("topic-{}", racer % 20), 1);
                topic.id = id_of(&format!("id-{racer}"));
                let submitted = controller.submit(Command::CreateTopics(vec![topic]));
                tokio::spawn(submitted)
            })
            .collect();
        let mut winners = 0;
        for racer in racers {
            match created(racer.await.unwrap().unwrap()).remove(0) {
                Ok(topic) => {
                    winners += 1;
                    assert_eq!(controller.image().topic(&topic.name), Some(&topic));
                }
                Err(error) => assert!(matches!(error, MetadataError::TopicExists(_))),
            }
        }
        assert_eq!(winners, 20);
    });
    assert_eq!(controller.image().topic_count(), 20);
    controller.shutdown();
}

/// Three times what the queue holds: who finds it full waits for a place, nobody is lost.
#[test]
fn a_full_queue_makes_submitters_wait() {
    let dir = tempdir().unwrap();
    let controller = Controller::start(options(dir.path())).unwrap();
    let first = controller.image().next_producer_id();
    runtime().block_on(async {
        let submitters: Vec<_> = (0..3 * QUEUE_COMMANDS_MAX)
            .map(|_| {
                let command = Command::AllocateProducerIds { broker_id: 1 };
                tokio::spawn(controller.submit(command))
            })
            .collect();
        let mut blocks = std::collections::BTreeSet::new();
        for submitter in submitters {
            let block = producer_id_block(submitter.await.unwrap().unwrap())
                .unwrap()
                .unwrap();
            assert!(
                blocks.insert(block.first),
                "block {} was given twice",
                block.first
            );
        }
        assert_eq!(blocks.len(), 3 * QUEUE_COMMANDS_MAX);
    });
    let given = controller.image().next_producer_id() - first;
    assert_eq!(given, 3 * 1000 * i64::try_from(QUEUE_COMMANDS_MAX).unwrap());
    controller.shutdown();
}

#[test]
fn subscribers_hear_of_new_images() {
    let dir = tempdir().unwrap();
    let controller = Controller::start(options(dir.path())).unwrap();
    let before = controller.image();
    let mut versions = controller.subscribe();
    versions.mark_unchanged();
    runtime().block_on(async {
        controller
            .create_topics(vec![topic("a", 1)])
            .await
            .unwrap()
            .remove(0)
            .unwrap();
        tokio::time::timeout(Duration::from_secs(10), versions.changed())
            .await
            .unwrap()
            .unwrap();
    });
    let image = controller.image();
    assert_eq!(*versions.borrow(), image.version());
    let delta = image.topics_delta(&before);
    assert_eq!(delta.created.len(), 1);
    assert!(delta.changed.is_empty() && delta.deleted.is_empty());
    controller.shutdown();
}

/// A submit future that is never polled must not keep the controller's thread from stopping.
#[test]
fn shutdown_does_not_wait_for_futures_nobody_polls() {
    let dir = tempdir().unwrap();
    let controller = Controller::start(options(dir.path())).unwrap();
    let idle = controller.submit(Command::AllocateProducerIds { broker_id: 1 });
    controller.shutdown();
    assert!(matches!(
        runtime().block_on(idle),
        Err(ControllerError::Stopped)
    ));
}

#[test]
fn a_directory_of_another_node_is_refused() {
    let dir = tempdir().unwrap();
    Controller::start(options(dir.path())).unwrap().shutdown();
    let other = ControllerOptions {
        node_id: 2,
        ..options(dir.path())
    };
    match Controller::start(other) {
        Err(ControllerError::WrongNode {
            expected: 2, found, ..
        }) => assert_eq!(found, vec![1]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_too_large_for_the_log_is_refused() {
    let dir = tempdir().unwrap();
    let controller = Controller::start(options(dir.path())).unwrap();
    let alteration = |bytes: usize| ConfigAlteration {
        resource: ConfigResource::broker_default(),
        change: ConfigChange::Incremental(vec![ConfigOperation {
            key: "key".to_owned(),
            action: crate::controller::command::ConfigAction::Set("x".repeat(bytes)),
        }]),
    };
    let submit = |bytes| controller.submit_blocking(Command::AlterConfigs(vec![alteration(bytes)]));
    assert!(matches!(
        submit(17 << 20),
        Err(ControllerError::CommandTooLarge { .. })
    ));
    // Larger than a batch aims at, but a command goes through alone.
    assert_eq!(
        submit(2 << 20).unwrap(),
        Applied::ConfigsAltered(vec![Ok(())])
    );
    controller.shutdown();
}

/// Snapshots are written as the log grows, and a restart from snapshot plus log reaches the state
/// before it.
#[test]
fn snapshots_bound_the_log() {
    let dir = tempdir().unwrap();
    let small = ControllerOptions {
        snapshot_log_bytes: 4096,
        ..options(dir.path())
    };
    let controller = Controller::start(small.clone()).unwrap();
    for index in 0..200 {
        let command = Command::CreateTopics(vec![topic(&format!("topic-{index}"), 1)]);
        created(controller.submit_blocking(command).unwrap())
            .remove(0)
            .unwrap();
    }
    until_purged(&controller, &small);
    let before = controller.image();
    controller.shutdown();
    assert!(small.dir.join("snapshot").is_file());
    let controller = Controller::start(small).unwrap();
    let after = controller.image();
    assert!(after.topics_delta(&before) == crate::controller::image::TopicsDelta::default());
    assert!(after.configs_delta(&before).is_empty());
    assert_eq!(after.topic_count(), 200);
    controller.shutdown();
}

/// A disk that fails stops the controller; nobody waits for ever or is told of success.
#[test]
fn a_storage_failure_is_final() {
    let dir = tempdir().unwrap();
    let small = ControllerOptions {
        snapshot_log_bytes: 1,
        ..options(dir.path())
    };
    let controller = Controller::start(small.clone()).unwrap();
    // Open files go on, but nothing can be created any more: the next snapshot fails.
    std::fs::rename(&small.dir, dir.path().join("gone")).unwrap();
    let failure = (0..1000).find_map(|_| {
        controller
            .submit_blocking(Command::AllocateProducerIds { broker_id: 1 })
            .err()
    });
    assert!(
        matches!(
            failure,
            Some(ControllerError::Failed(_) | ControllerError::Stopped)
        ),
        "{failure:?}"
    );
    let again = controller.submit_blocking(Command::AllocateProducerIds { broker_id: 1 });
    assert!(again.is_err());
    // The broker waits for this and stops.
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(controller.closed());
    controller.shutdown();
}

#[test]
fn a_lost_snapshot_stops_the_start() {
    let dir = tempdir().unwrap();
    let small = ControllerOptions {
        snapshot_log_bytes: 1,
        ..options(dir.path())
    };
    let controller = Controller::start(small.clone()).unwrap();
    until_purged(&controller, &small);
    controller.shutdown();
    std::fs::remove_file(small.dir.join("snapshot")).unwrap();
    assert!(matches!(
        Controller::start(small),
        Err(ControllerError::Storage(
            crate::controller::StorageError::Corrupt { .. }
        ))
    ));
}

#[test]
fn the_metadata_directory_is_found_in_any_log_dir() {
    use crate::controller::{METADATA_DIRECTORY, metadata_directory};
    let dir = tempdir().unwrap();
    let log_dirs = ["a", "b"].map(|name| dir.path().join(name));
    let place = |index: usize| log_dirs[index].join(METADATA_DIRECTORY);
    assert_eq!(metadata_directory(&log_dirs).unwrap(), place(0));
    std::fs::create_dir_all(place(1)).unwrap();
    assert_eq!(metadata_directory(&log_dirs).unwrap(), place(1));
    std::fs::create_dir_all(place(0)).unwrap();
    assert!(matches!(
        metadata_directory(&log_dirs),
        Err(ControllerError::AmbiguousDirectory { .. })
    ));
}

/// The vote file for term 1 and node 1.
fn vote(is_committed: bool) -> Vec<u8> {
    let mut bytes = b"RBMETVOT\0\0\0\x01".to_vec();
    bytes.extend(1u64.to_be_bytes());
    bytes.extend(1u64.to_be_bytes());
    bytes.extend(u32::from(is_committed).to_be_bytes());
    bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
    bytes
}

/// Where the header and each frame of a log end.
fn frame_ends(log: &[u8]) -> Vec<usize> {
    let mut ends = vec![52];
    while let Some(end) = ends.last().copied().filter(|end| *end < log.len()) {
        let length = u32::from_be_bytes(log[end + 4..end + 8].try_into().unwrap());
        ends.push(end + 12 + usize::try_from(length).unwrap());
    }
    ends
}

/// The first start writes log header, membership, vote, committed vote, a blank entry, the
/// registration and the features, one after another. Whatever of that a crash leaves, the next
/// start works, and does not wait for an election timer.
#[test]
fn a_first_start_interrupted_anywhere_is_taken_up() {
    let dir = tempdir().unwrap();
    Controller::start(options(dir.path())).unwrap().shutdown();
    let log = std::fs::read(options(dir.path()).dir.join("log")).unwrap();
    let ends = frame_ends(&log);
    assert_eq!(
        ends.len(),
        5,
        "header, membership, blank, registration, features"
    );
    let states = [
        (ends[0], None),
        (ends[1], None),
        (ends[1], Some(vote(false))),
        (ends[1], Some(vote(true))),
        (ends[2], Some(vote(true))),
        (ends[3], Some(vote(true))),
        (ends[4], Some(vote(true))),
    ];
    for (step, (end, vote)) in states.into_iter().enumerate() {
        let crashed = options(&dir.path().join(format!("crashed-{step}")));
        std::fs::create_dir_all(&crashed.dir).unwrap();
        std::fs::write(crashed.dir.join("log"), &log[..end]).unwrap();
        if let Some(vote) = vote {
            std::fs::write(crashed.dir.join("vote"), vote).unwrap();
        }
        let controller =
            Controller::start(crashed).unwrap_or_else(|error| panic!("after step {step}: {error}"));
        let image = controller.image();
        assert!(image.broker(1).is_some(), "after step {step}");
        assert_eq!(image.feature_level("metadata.version"), 30);
        controller.shutdown();
    }
}

/// A crash between writing a snapshot and purging what it covers leaves the old log beside it.
#[test]
fn a_snapshot_ahead_of_the_log_wins() {
    let dir = tempdir().unwrap();
    let controller = Controller::start(options(dir.path())).unwrap();
    let create = |controller: &Controller, name: &str| {
        let command = Command::CreateTopics(vec![topic(name, 1)]);
        created(controller.submit_blocking(command).unwrap())
            .remove(0)
            .unwrap();
    };
    create(&controller, "in-both");
    controller.shutdown();
    let log_path = options(dir.path()).dir.join("log");
    let old_log = std::fs::read(&log_path).unwrap();

    // The registration alone makes a snapshot due, and it is behind the end of the old log.
    let eager = ControllerOptions {
        snapshot_log_bytes: 1,
        ..options(dir.path())
    };
    let controller = Controller::start(eager.clone()).unwrap();
    until_purged(&controller, &eager);
    controller.shutdown();
    assert!(eager.dir.join("snapshot").is_file());
    std::fs::write(&log_path, old_log).unwrap();

    for name in ["later-1", "later-2"] {
        let controller = Controller::start(options(dir.path())).unwrap();
        create(&controller, name);
        controller.shutdown();
    }
    let controller = Controller::start(options(dir.path())).unwrap();
    let mut names: Vec<_> = controller
        .image()
        .topics()
        .map(|topic| topic.name.to_string())
        .collect();
    names.sort();
    assert_eq!(names, ["in-both", "later-1", "later-2"]);
    controller.shutdown();
}
