//! Tests of the disks: what a power cut leaves, faults, and the ring operations on real files.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::*;

const CACHED: WriteMode = WriteMode {
    durable: Durable::Later,
    is_file_busy: false,
};
const BEHIND_JOB: WriteMode = WriteMode {
    durable: Durable::Later,
    is_file_busy: true,
};
const SYNCED_NEXT: WriteMode = WriteMode {
    durable: Durable::AfterSync,
    is_file_busy: false,
};
const DURABLE: WriteMode = WriteMode {
    durable: Durable::OnReturn,
    is_file_busy: false,
};

fn plain(parts: &[&'static [u8]]) -> WriteBuffers {
    let pieces = parts
        .iter()
        .map(|part| Piece::plain(Bytes::from_static(part)))
        .collect();
    WriteBuffers { pieces }
}

#[test]
fn power_cut_keeps_what_was_synced_and_only_tears_the_rest() {
    let (mut lengths, mut has_hole) = (std::collections::BTreeSet::new(), false);
    for seed in 0..200 {
        let disk = SimDisk::new(seed);
        disk.create_dir_all(Path::new("/d")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let file = disk.create(Path::new("/d/kept")).unwrap();
        disk.write_all_at(&file, &[1; 2000], 0).unwrap();
        disk.sync(&file).unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        disk.write_all_at(&file, &[2; 2000], 2000).unwrap();
        disk.create(Path::new("/d/maybe")).unwrap();
        let after = disk.restart();
        assert!(
            disk.stat(Path::new("/d/kept")).is_err(),
            "the old machine is off"
        );
        let content = after
            .read_file(Path::new("/d/kept"), 10_000)
            .unwrap()
            .unwrap();
        assert_eq!(content[..2000], [1; 2000], "seed {seed}");
        // Sectors are whole; the one that begins below the write keeps its synced bytes.
        lengths.insert(content.len());
        let mut is_lost = false;
        for (number, sector) in (0..).zip(content.chunks(512)) {
            let written = &sector[2000_usize.saturating_sub(number * 512).min(sector.len())..];
            let is_zero = written.iter().all(|byte| *byte == 0);
            assert!(
                is_zero || written.iter().all(|byte| *byte == 2),
                "seed {seed}: sector {number} is torn inside"
            );
            has_hole |= is_lost && !is_zero;
            is_lost |= is_zero && !written.is_empty();
        }
    }
    assert!(
        has_hole,
        "a later sector may survive without an earlier one"
    );
    let expected = [2000, 2048, 2560, 3072, 3584, 4000];
    assert!(lengths.iter().eq(&expected), "{lengths:?}");
}

#[test]
fn later_synced_write_hides_an_earlier_one_and_keeps_the_length_it_was_made_at() {
    for seed in 0..100 {
        let disk = SimDisk::new(seed);
        let file = disk.create(Path::new("/f")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk.write_all_at(&file, &[1; 3000], 0).unwrap();
        disk.sync(&file).unwrap();
        disk.write_all_at(&file, &[2; 3000], 0).unwrap();
        disk.set_len(&file, 1000).unwrap();
        let write = disk.write_vectored_at(&file, plain(&[b"synced"]), 0..1, 0, 500, DURABLE);
        block_on_ready(write).0.unwrap();
        let content = disk.restart().read_file(Path::new("/f"), 9000).unwrap();
        let content = content.unwrap();
        assert_eq!((content.len(), &content[500..506]), (1000, &b"synced"[..]));
    }
}

#[test]
fn background_jobs_wait_when_deferred_and_die_with_the_machine() {
    let disk = SimDisk::new(1);
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let health = DirHealth::new("/".into());
    let start = || {
        let count = Arc::clone(&count);
        disk.in_background(health.id(), move || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        });
    };
    start();
    disk.defer_background(true);
    (0..3).for_each(|_| start());
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(disk.run_background_jobs(2), 2);
    drop(disk.restart());
    assert_eq!(disk.run_background_jobs(2), 0);
    assert_eq!(Arc::strong_count(&count), 1, "the last one is forgotten");
}

#[test]
fn durable_write_does_not_make_earlier_writes_durable() {
    let lost = (0..100).filter(|&seed| {
        let disk = SimDisk::new(seed);
        let file = disk.create(Path::new("/f")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk.write_all_at(&file, b"early", 0).unwrap();
        let write = disk.write_vectored_at(&file, plain(&[b"la", b"te"]), 0..2, 0, 5, DURABLE);
        let (result, _) = block_on_ready(write);
        assert_eq!(result.unwrap(), 4);
        let content = disk
            .restart()
            .read_file(Path::new("/f"), 100)
            .unwrap()
            .unwrap();
        assert_eq!(content[5..], *b"late", "seed {seed}");
        content[..5] != *b"early"
    });
    assert!(
        0 < lost.count(),
        "the early write must be lost for some seed"
    );
}

/// How many of 100 power cuts lose 1,000 bytes written to `at` and synced as if they overwrote
/// durable ones.
fn lost_overwrites(at: u64, prepare: fn(&SimDisk, &Arc<SimFile>)) -> usize {
    let is_lost = |seed: &u64| {
        let disk = SimDisk::new(*seed);
        let file = disk.create(Path::new("/f")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        prepare(&disk, &file);
        let barrier = disk.barrier(&file, Path::new("/")).unwrap();
        disk.write_all_at(&file, &[7; 1000], at).unwrap();
        let synced = disk.sync_overwritten(&file, at..at + 1000, &barrier);
        block_on_ready(synced).unwrap();
        let content = disk.restart().read_file(Path::new("/f"), 9000).unwrap();
        let at = usize::try_from(at).unwrap();
        content.unwrap().get(at..at + 1000) != Some(&[7; 1000])
    };
    (0..100).filter(is_lost).count()
}

#[test]
fn only_what_overwrites_durable_bytes_is_durable_without_metadata() {
    let zeroed = |disk: &SimDisk, file: &Arc<SimFile>| {
        disk.write_all_at(file, &[0; 4000], 500).unwrap();
        disk.sync(file).unwrap();
    };
    assert_eq!(lost_overwrites(600, zeroed), 0);
    assert_ne!(lost_overwrites(4000, zeroed), 0, "the file becomes longer");
    let unsynced = |disk: &SimDisk, file: &Arc<SimFile>| {
        disk.write_all_at(file, &[0; 4000], 500).unwrap();
    };
    assert_ne!(lost_overwrites(600, unsynced), 0);
    let hole = |disk: &SimDisk, file: &Arc<SimFile>| {
        disk.write_all_at(file, &[0; 4000], 4000).unwrap();
        disk.sync(file).unwrap();
    };
    assert_ne!(lost_overwrites(600, hole), 0, "blocks become used");
    let cut = |disk: &SimDisk, file: &Arc<SimFile>| {
        disk.write_all_at(file, &[0; 4000], 0).unwrap();
        disk.sync(file).unwrap();
        disk.set_len(file, 0).unwrap();
        disk.set_len(file, 4000).unwrap();
        disk.sync(file).unwrap();
    };
    assert_ne!(lost_overwrites(600, cut), 0, "its blocks were given back");
}

#[test]
fn faults_hit_the_operation_they_name() {
    let disk = SimDisk::new(1);
    disk.fail_at(1, Fault::Enospc);
    disk.fail_at(3, Fault::Eio);
    disk.fail_at(5, Fault::PowerCut);
    let file = disk.create(Path::new("/f")).unwrap();
    let error = disk.write_all_at(&file, b"abc", 0).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    disk.write_all_at(&file, b"abc", 0).unwrap();
    assert_eq!(
        disk.sync(&file).unwrap_err().raw_os_error(),
        Some(libc::EIO)
    );
    disk.sync(&file).unwrap();
    let mut buf = [0; 3];
    assert_eq!(disk.read_at(&file, &mut buf, 0).unwrap(), 3);
    disk.sync_dir(Path::new("/")).unwrap_err();
    assert!(
        disk.read_at(&file, &mut buf, 0).is_err(),
        "the machine is off"
    );
    let again = [("sync", "/f".into())];
    assert_eq!(disk.retries(), again, "synced again after a sync failed");
    let met: Vec<_> = disk
        .met_faults()
        .into_iter()
        .map(|met| (met.fault, met.operation))
        .collect();
    assert_eq!(
        met,
        [
            (Fault::Enospc, "write"),
            (Fault::Eio, "sync"),
            (Fault::PowerCut, "sync the directory")
        ]
    );
}

#[test]
fn failed_sync_may_lose_what_it_had_to_write_for_good() {
    let lost = (0..50).filter(|&seed| {
        let disk = SimDisk::new(seed);
        let file = disk.create(Path::new("/f")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk.write_all_at(&file, b"abc", 0).unwrap();
        disk.fail_at(3, Fault::Eio);
        disk.sync(&file).unwrap_err();
        disk.sync(&file).unwrap();
        let survived = disk.restart().read_file(Path::new("/f"), 10).unwrap();
        survived.unwrap() != b"abc"
    });
    assert!((10..50).contains(&lost.count()));
}

#[test]
fn lock_is_exclusive_until_dropped() {
    let disk = SimDisk::new(1);
    let lock = disk.lock(Path::new("/.lock")).unwrap();
    assert!(lock.is_some());
    assert!(disk.lock(Path::new("/.lock")).unwrap().is_none());
    drop(lock);
    assert!(disk.lock(Path::new("/.lock")).unwrap().is_some());
}

#[test]
fn slices_leave_out_what_is_skipped() {
    let mut buffers = plain(&[b"abc", b"", b"defg"]);
    buffers.pieces.push(Piece::batch(
        [7; ringbrook_record::HEADER_BYTES],
        Bytes::from_static(b"x"),
    ));
    let joined = |first, last, skip| {
        buffers
            .slices(first, last, skip)
            .flatten()
            .copied()
            .collect::<Vec<u8>>()
    };
    assert_eq!(joined(0, 3, 0), b"abcdefg");
    assert_eq!(joined(0, 3, 2), b"cdefg");
    assert_eq!(joined(1, 3, 3), b"g");
    assert_eq!(joined(0, 3, 7), b"");
    assert_eq!(joined(3, 4, 61), b"x");
    assert_eq!(buffers.range_bytes(0, 4), 7 + 62);
}

fn on_ring<F: Future>(future: F) -> F::Output {
    tokio_uring::start(future)
}

#[test]
fn ring_writes_reads_and_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    on_ring(async {
        let disk = UringDisk;
        let file = disk.create(&path).unwrap();
        let (result, buffers) = Access::Ring
            .write(
                &disk,
                &file,
                plain(&[b"hello ", b"", b"world"]),
                0..3,
                3,
                DURABLE,
            )
            .await;
        result.unwrap();
        assert_eq!(buffers.pieces.len(), 3, "the buffers come back");
        disk.sync_async(&file).await.unwrap();
        let (result, buf) = disk.read_at_async(&file, vec![9; 20], 3).await;
        assert_eq!(result.unwrap(), 11);
        assert_eq!(buf[..11], *b"hello world");
        let (result, buf) = Access::Ring.read(&disk, &file, vec![0; 5], 0).await;
        assert_eq!(result.unwrap(), 5);
        assert_eq!(buf, b"\0\0\0he");
        assert_eq!(disk.off_loop(|| 7).await.unwrap(), 7);
    });
    assert_eq!(std::fs::read(&path).unwrap(), b"\0\0\0hello world");
}

#[test]
fn ring_writes_more_slices_than_one_operation_takes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let pieces: Vec<_> = (0..3000_u32)
        .map(|n| Piece::plain(n.to_be_bytes().to_vec().into()))
        .collect();
    let count = pieces.len();
    on_ring(async {
        let file = UringDisk.create(&path).unwrap();
        let buffers = WriteBuffers { pieces };
        let (result, _) = Access::Ring
            .write(&UringDisk, &file, buffers, 0..count, 0, CACHED)
            .await;
        result.unwrap();
    });
    let expected: Vec<u8> = (0..3000_u32).flat_map(u32::to_be_bytes).collect();
    assert_eq!(std::fs::read(&path).unwrap(), expected);
}

/// L7: the kernel may still read the buffers of an operation whose future is gone.
#[test]
fn ring_write_completes_when_its_future_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    on_ring(async {
        let file = UringDisk.create(&path).unwrap();
        let body = Bytes::from(vec![5_u8; 1 << 20]);
        let buffers = WriteBuffers {
            pieces: vec![Piece::plain(body)],
        };
        let write = UringDisk.write_vectored_at(&file, buffers, 0..1, 0, 0, DURABLE);
        let mut write = Box::pin(write);
        let mut ctx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(write.as_mut().poll(&mut ctx).is_pending());
        drop(write);
        // A sync is submitted after the write, so the write was submitted, too.
        UringDisk.sync_async(&file).await.unwrap();
    });
    let content = std::fs::read(&path).unwrap();
    assert!(
        content.iter().all(|byte| *byte == 5),
        "no freed memory was written"
    );
}

/// Bytes that tell when they are freed.
struct Observed {
    bytes: Vec<u8>,
    is_freed: Arc<std::sync::atomic::AtomicBool>,
}

impl AsRef<[u8]> for Observed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.is_freed
            .store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

/// Whether an operation that cannot complete yet keeps its buffers when its future is dropped, as
/// L7 demands. It writes to a pipe that is full.
fn keeps_its_buffers<F: Future>(write: impl FnOnce(Arc<std::fs::File>, WriteBuffers) -> F) -> bool {
    let is_freed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let observed = Observed {
        bytes: vec![6; 4096],
        is_freed: Arc::clone(&is_freed),
    };
    on_ring(async {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        while rustix::io::write(&writer, &[1; 4096]).is_ok() {}
        rustix::io::ioctl_fionbio(&writer, false).unwrap();
        let buffers = WriteBuffers {
            pieces: vec![Piece::plain(Bytes::from_owner(observed))],
        };
        let mut running = Box::pin(write(Arc::new(writer.into()), buffers));
        let mut ctx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(running.as_mut().poll(&mut ctx).is_pending());
        drop(running);
        let is_kept = !is_freed.load(std::sync::atomic::Ordering::SeqCst);
        // Makes room, so that the kernel ends the operation and the ring can be left.
        drop(reader);
        is_kept
    })
}

/// L7 is held to by the ring's write, and a write that keeps its buffers in its future is caught.
#[test]
fn buffers_belong_to_the_operation_and_a_variant_without_that_is_caught() {
    let of_the_ring = keeps_its_buffers(|file, buffers| {
        super::ring::write_vectored(file, buffers, 0..1, 0, 0, BEHIND_JOB)
    });
    assert!(of_the_ring, "the kernel may still read them");
    let broken = keeps_its_buffers(|_file, buffers| async move {
        std::future::pending::<()>().await;
        buffers
    });
    assert!(!broken, "freed while the operation runs (L7)");
}

#[test]
fn page_cache_is_asked() {
    // Next to the other files of the build, as a temporary directory may be in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let file = UringDisk.create(&dir.path().join("f")).unwrap();
    UringDisk.write_all_at(&file, &[1; 100_000], 0).unwrap();
    let cached = |range| UringDisk.cached(&file, range);
    assert_eq!(cached(0..100_000), Cached::All, "it was just written");
    assert_eq!(cached(5000..5000), Cached::All, "nothing is always cached");
    assert_eq!(
        cached(0..10_000_000),
        Cached::Some,
        "what does not exist is not"
    );
    assert_eq!(cached(8_000_000..10_000_000), Cached::Nothing);
    let mut buf = [0; 10];
    assert_eq!(UringDisk.read_cached(&file, &mut buf, 50).unwrap(), 10);
    const MIB: u64 = 1 << 20;
    UringDisk.write_all_at(&file, &[1; 8 << 20], 0).unwrap();
    UringDisk.sync(&file).unwrap();
    UringDisk.drop_cache(&file, 0..4 * MIB).unwrap();
    if cached(0..4 * MIB) != Cached::Nothing {
        eprintln!("not tested: this filesystem does not drop cached pages");
        return;
    }
    assert_eq!(cached(4 * MIB..8 * MIB), Cached::All, "the rest stays");
    UringDisk.expect_random_reads(&file).unwrap();
    assert_eq!(UringDisk.read_at(&file, &mut buf, 0).unwrap(), 10);
    assert_eq!(
        cached(4096..4 * MIB),
        Cached::Nothing,
        "nothing is read ahead"
    );
}

/// Only pages that the disk has are dropped from the page cache.
#[test]
fn what_is_written_back_is_on_its_way_to_the_disk_no_more() {
    const BYTES: usize = 8 << 20;
    let range = 0..BYTES as u64;
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let file = UringDisk.create(&dir.path().join("f")).unwrap();
    UringDisk.write_all_at(&file, &[1; BYTES], 0).unwrap();
    UringDisk.sync(&file).unwrap();
    UringDisk.drop_cache(&file, range.clone()).unwrap();
    if UringDisk.cached(&file, range.clone()) != Cached::Nothing {
        eprintln!("not tested: this filesystem does not drop cached pages");
        return;
    }
    UringDisk.write_all_at(&file, &[2; BYTES], 0).unwrap();
    UringDisk.write_back(&file, range.clone()).unwrap();
    UringDisk.drop_cache(&file, range.clone()).unwrap();
    assert_eq!(UringDisk.cached(&file, range), Cached::Nothing);
}

/// tmpfs cannot say whether bytes are cached; a fetch from such a log dir failed.
#[test]
fn a_file_system_without_nowait_is_read_through_the_ring() {
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        eprintln!("NOT TESTED: /dev/shm is not there");
        return;
    };
    let file = UringDisk.create(&dir.path().join("f")).unwrap();
    UringDisk.write_all_at(&file, b"abc", 0).unwrap();
    let (result, bytes) =
        run_on_ring(async { Access::Ring.read(&UringDisk, &file, vec![0; 3], 0).await });
    assert_eq!((result.unwrap(), &*bytes), (3, &b"abc"[..]));
}

#[test]
fn missing_files_and_held_locks_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    assert_eq!(
        UringDisk.open(&missing).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    assert_eq!(UringDisk.read_file(&missing, 10).unwrap(), None);
    UringDisk.replace_file(&missing, b"0123456789").unwrap();
    assert_eq!(
        UringDisk.read_file(&missing, 10).unwrap().unwrap(),
        b"0123456789"
    );
    assert_eq!(
        UringDisk.read_file(&missing, 9).unwrap_err().kind(),
        io::ErrorKind::InvalidData
    );
    let lock = UringDisk.lock(&dir.path().join(".lock")).unwrap();
    assert!(lock.is_some());
    assert!(UringDisk.lock(&dir.path().join(".lock")).unwrap().is_none());
    assert!(UringDisk.space(dir.path()).unwrap().usable_bytes > 0);
    let names: Vec<_> = UringDisk
        .list(dir.path())
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    assert_eq!(names, [".lock", "missing"]);
}

#[test]
fn offline_is_told_once_to_every_observer() {
    struct Count(std::sync::atomic::AtomicUsize);
    impl OfflineObserver for Count {
        fn on_offline(&self) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let health = DirHealth::new("/d".into());
    let observer = Arc::new(Count(0.into()));
    let as_trait: Arc<dyn OfflineObserver> = observer.clone();
    health.observe(Arc::downgrade(&as_trait));
    assert!(!health.is_offline());
    health.fail("write", Path::new("/d/x"), &"first");
    health.fail("write", Path::new("/d/x"), &"second");
    assert!(health.is_offline());
    assert_eq!(health.reason().as_deref(), Some("write /d/x: first"));
    assert_eq!(observer.0.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn small_page_cache_writes_are_made_at_once_and_others_through_the_ring() {
    use std::task::{Context, Poll, Waker};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    on_ring(async {
        let file = UringDisk.create(&path).unwrap();
        let cases = [
            (10_usize, CACHED, true),
            (10, BEHIND_JOB, false),
            (10, SYNCED_NEXT, true),
            (100_000, SYNCED_NEXT, true),
            (10, DURABLE, false),
            (200_000, CACHED, false),
        ];
        for (bytes, mode, is_at_once) in cases {
            let piece = Piece::plain(Bytes::from(vec![7; bytes]));
            let buffers = WriteBuffers {
                pieces: vec![piece],
            };
            let write = UringDisk.write_vectored_at(&file, buffers, 0..1, 0, 0, mode);
            let mut write = std::pin::pin!(write);
            let first = write.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(
                matches!(first, Poll::Ready(_)),
                is_at_once,
                "{bytes} bytes, {mode:?}"
            );
            if first.is_pending() {
                let (result, _) = write.await;
                assert_eq!(result.unwrap(), bytes);
            }
        }
    });
    assert_eq!(std::fs::read(&path).unwrap(), vec![7; 200_000]);
}

/// Left to itself the kernel writes it after seconds.
#[test]
fn a_large_write_that_is_synced_next_is_on_its_way_to_the_disk() {
    const BYTES: usize = 100_000;
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let dirty_after = |mode| {
        let path = dir.path().join(format!("{mode:?}"));
        on_ring(async move {
            let file = UringDisk.create(&path).unwrap();
            let piece = Piece::plain(Bytes::from(vec![7; BYTES]));
            let buffers = WriteBuffers {
                pieces: vec![piece],
            };
            let write = UringDisk.write_vectored_at(&file, buffers, 0..1, 0, 0, mode);
            assert_eq!(write.await.0.unwrap(), BYTES);
            page_cache::dirty_pages(&file, &(0..BYTES as u64))
        })
    };
    if dirty_after(CACHED) < BYTES as u64 / 4096 {
        eprintln!("not tested: the kernel does not tell which pages are dirty");
        return;
    }
    assert_eq!(dirty_after(SYNCED_NEXT), 0);
}

#[test]
fn a_thread_that_syncs_may_have_many_syncs_in_flight() {
    let dir = tempfile::tempdir().unwrap();
    on_ring(async {
        let file = UringDisk.create(&dir.path().join("f")).unwrap();
        let (result, _) = UringDisk
            .write_vectored_at(&file, plain(&[b"x"]), 0..1, 0, 0, DURABLE)
            .await;
        assert_eq!(result.unwrap(), 1);
        // The limits of this thread, which zeroes leave as they are.
        let limits = &mut [0, 0];
        let ring = io_uring_06::IoUring::new(1).unwrap();
        ring.submitter().register_iowq_max_workers(limits).unwrap();
        assert_eq!(limits[0], 64);
    });
}
