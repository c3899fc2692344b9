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
    let before = controller.image();
    controller.shutdown();
    assert!(small.dir.join("snapshot").is_file());
    let log_bytes = std::fs::metadata(small.dir.join("log")).unwrap().len();
    assert!(
        log_bytes < 20_000,
        "the log has {log_bytes} bytes, nothing was purged"
    );
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
        matches!(failure, Some(ControllerError::Failed(_))),
        "{failure:?}"
    );
    let again = controller.submit_blocking(Command::AllocateProducerIds { broker_id: 1 });
    assert!(again.is_err());
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
    for _ in 0..50 {
        controller
            .submit_blocking(Command::AllocateProducerIds { broker_id: 1 })
            .unwrap();
    }
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
