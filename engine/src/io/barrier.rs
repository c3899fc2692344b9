//! Whether overwriting a file's bytes leaves its metadata alone, and the disk's flush that makes
//! what was overwritten durable then.
//!
//! `sync_file_range(2)` writes a file's pages and nothing else, neither its inode nor its extents,
//! and leaves them in the disk's cache. That is enough for bytes that overwrite others which are on
//! the disk, **if the filesystem puts them where those were**. ext4 does, and cannot share blocks
//! between files; a filesystem that copies on write does not, nor does one that may have to once a
//! file was cloned. With `data=journal` bytes go to the journal first. So this is known of ext4
//! without it, and everything else is synced file by file. Moving the blocks of an open segment
//! (`e4defrag`) while the machine loses its power is the one thing that could undo it.
//!
//! The flush itself is an `fdatasync` of a directory: ext4 flushes the disk's cache with every
//! one, and a directory is written only where names in it changed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{IFlags, major, minor};

/// The mounts of this process, with the options of their filesystems.
const MOUNTS: &str = "/proc/self/mountinfo";

/// One per filesystem that is in use; held by those who use it.
static KNOWN: Mutex<Vec<(u64, Weak<Barrier>)>> = Mutex::new(Vec::new());

/// Flushes what was written to the files of one filesystem.
#[derive(Debug)]
pub struct Barrier {
    /// Any directory of the filesystem.
    pub(super) dir: File,
}

impl Barrier {
    /// The barrier for a file in `dir`; `None` where it would not make overwritten bytes durable.
    pub(super) fn of(file: &File, dir: &Path) -> Option<Arc<Self>> {
        let device = file.metadata().ok()?.dev();
        // Set by `chattr +j`, also on a directory for the files in it.
        let flags = rustix::fs::ioctl_getflags(file).ok()?;
        if flags.contains(IFlags::JOURNALING) {
            return None;
        }
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, barrier)| 0 < barrier.strong_count());
        let found = known.iter().find(|(other, _)| *other == device);
        if let Some(barrier) = found.and_then(|(_, barrier)| barrier.upgrade()) {
            return Some(barrier);
        }
        let barrier = Arc::new(Self::open(device, dir)?);
        known.push((device, Arc::downgrade(&barrier)));
        Some(barrier)
    }

    fn open(device: u64, dir: &Path) -> Option<Self> {
        let mounts = fs::read_to_string(MOUNTS).ok()?;
        if !overwrites_in_place(&mounts, &format!("{}:{}", major(device), minor(device))) {
            return None;
        }
        let dir = File::open(dir).ok()?;
        (dir.metadata().ok()?.dev() == device).then_some(Self { dir })
    }

    /// Flushes the disk's cache: what was written to the disk before is durable when this returns.
    /// Blocks.
    ///
    /// # Errors
    /// As the operating system says.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.dir.sync_data()
    }
}

/// Whether the device's filesystem is known to. `mounts` has lines as proc(5) describes them for
/// `/proc/[pid]/mountinfo`: the third field is the device; after a field `-` come the type, the
/// source and the filesystem's own options.
fn overwrites_in_place(mounts: &str, device: &str) -> bool {
    let mut of_device = mounts.lines().filter_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        (mount.split(' ').nth(2) == Some(device)).then_some(filesystem)
    });
    of_device.next().is_some_and(|filesystem| {
        let mut fields = filesystem.split(' ');
        let (kind, options) = (fields.next(), fields.nth(1));
        let is_journaled = |options: &str| options.split(',').any(|it| it == "data=journal");
        kind == Some("ext4") && options.is_some_and(|options| !is_journaled(options))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 22 0:25 / /dev/shm rw,nosuid - tmpfs tmpfs rw
36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
37 35 98:1 / /j rw - ext4 /dev/sdb rw,data=journal
38 35 98:2 / /o rw shared:4 - ext4 /dev/sdc rw,stripe=4,data=ordered
39 35 98:3 / /x rw - xfs /dev/sdd rw,attr2
40 35 98:4 / /short rw - ext4
";

    #[test]
    fn only_ext4_is_known_to_overwrite_in_place_and_not_with_data_journaling() {
        let known: Vec<_> = [
            "254:0", "0:25", "98:0", "98:1", "98:2", "98:3", "98:4", "1:1",
        ]
        .into_iter()
        .filter(|device| overwrites_in_place(LINES, device))
        .collect();
        assert_eq!(known, ["254:0", "98:2"]);
    }

    #[test]
    fn the_files_of_a_filesystem_share_a_barrier() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let file = |name| File::create(dir.path().join(name)).unwrap();
        let Some(first) = Barrier::of(&file("a"), dir.path()) else {
            eprintln!("the filesystem is not known to overwrite in place");
            return;
        };
        let second = Barrier::of(&file("b"), dir.path()).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        first.flush().unwrap();
        let other = Path::new("/proc");
        assert!(
            Barrier::of(&File::open("/proc/self/mountinfo").unwrap(), other).is_none(),
            "not a disk"
        );
    }
}
