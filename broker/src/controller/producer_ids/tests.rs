//! No id twice: not concurrently, not after a restart, not after a crash.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::tempdir;

use super::*;
use crate::controller::testing::options;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap()
}

/// Draws `count` ids by eight tasks at once.
fn draw(allocator: &Arc<ProducerIdAllocator>, count: usize) -> Vec<i64> {
    runtime().block_on(async {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let allocator = Arc::clone(allocator);
                tokio::spawn(async move {
                    let mut ids = Vec::new();
                    for _ in 0..count / 8 {
                        ids.push(allocator.next().await.unwrap());
                    }
                    ids
                })
            })
            .collect();
        let mut ids = Vec::new();
        for task in tasks {
            ids.extend(task.await.unwrap());
        }
        ids
    })
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn ids_are_unique_among_tasks_and_blocks() {
    let dir = tempdir().unwrap();
    let controller = Controller::start(options(dir.path())).unwrap();
    let allocator = Arc::new(ProducerIdAllocator::new(controller.clone(), 1));
    let ids = draw(&allocator, 4800);
    let distinct: BTreeSet<i64> = ids.iter().copied().collect();
    assert_eq!(distinct.len(), 4800);
    assert_eq!(
        distinct.last(),
        Some(&4799),
        "blocks are used up before the next one begins"
    );
    controller.shutdown();
}

#[test]
fn a_restart_goes_on_with_a_new_block() {
    let dir = tempdir().unwrap();
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let controller = Controller::start(options(dir.path())).unwrap();
        let allocator = Arc::new(ProducerIdAllocator::new(controller.clone(), 1));
        for id in draw(&allocator, 40) {
            assert!(seen.insert(id), "{id} was given out before the restart");
        }
        controller.shutdown();
    }
}

/// The files as a crash would leave them at the moment an id was returned: whoever starts from
/// them must not give out that id again.
#[test]
fn an_id_is_durable_when_it_is_returned() {
    let dir = tempdir().unwrap();
    let controller = Controller::start(options(dir.path())).unwrap();
    let allocator = Arc::new(ProducerIdAllocator::new(controller.clone(), 1));
    for round in 0..3 {
        let last = draw(&allocator, 1000).into_iter().max().unwrap();
        let crashed = dir.path().join(format!("crashed-{round}"));
        copy_files(&options(dir.path()).dir, &options(&crashed).dir);
        let restarted = Controller::start(options(&crashed)).unwrap();
        let first = draw(&Arc::new(ProducerIdAllocator::new(restarted.clone(), 1)), 8)[0];
        assert!(
            last < first,
            "{first} is given out again, {last} was already"
        );
        restarted.shutdown();
    }
    controller.shutdown();
}

#[test]
fn without_a_controller_there_is_no_id() {
    let dir = tempdir().unwrap();
    let controller = Controller::start(options(dir.path())).unwrap();
    let unregistered = ProducerIdAllocator::new(controller.clone(), 5);
    assert!(matches!(
        runtime().block_on(unregistered.next()),
        Err(ProducerIdError::Metadata(
            MetadataError::BrokerNotRegistered(5)
        ))
    ));
    let allocator = ProducerIdAllocator::new(controller.clone(), 1);
    controller.shutdown();
    assert!(matches!(
        runtime().block_on(allocator.next()),
        Err(ProducerIdError::Controller(ControllerError::Stopped))
    ));
}
