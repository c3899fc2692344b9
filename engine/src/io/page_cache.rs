//! The page cache: which pages of a file are in it (`cachestat(2)`, Linux 6.5), asked before a
//! `sendfile` so that a ring's thread never waits for the disk; and the start of writeback
//! (`sync_file_range(2)`), so that the kernel does not write a lot at once. Dropping pages and
//! turning the kernel's read-ahead off (`posix_fadvise(2)`) are in [`super::uring`].

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;

use super::disk::Cached;

const PAGE_BYTES: u64 = 4096;
/// Pages whose writing one call starts: 60 us of a core.
const CALL_BYTES: u64 = 256 << 10;
/// The same number on every architecture; the libc crate does not name it everywhere.
const SYS_CACHESTAT: libc::c_long = 451;

#[repr(C)]
struct CachestatRange {
    offset: u64,
    bytes: u64,
}

#[repr(C)]
#[derive(Default)]
struct Cachestat {
    cached_pages: u64,
    dirty_pages: u64,
    writeback_pages: u64,
    evicted_pages: u64,
    recently_evicted_pages: u64,
}

/// How much of `range` is cached; `None` when the kernel cannot tell.
pub(super) fn cached(file: &File, range: &Range<u64>) -> Option<Cached> {
    if range.end <= range.start {
        return Some(Cached::All);
    }
    let answer = cachestat(file, range)?;
    let pages = range.end.div_ceil(PAGE_BYTES) - range.start / PAGE_BYTES;
    Some(match answer.cached_pages {
        0 => Cached::Nothing,
        cached if cached < pages => Cached::Some,
        _ => Cached::All,
    })
}

fn cachestat(file: &File, range: &Range<u64>) -> Option<Cachestat> {
    let query = CachestatRange {
        offset: range.start,
        bytes: range.end - range.start,
    };
    let mut answer = Cachestat::default();
    let no_flags: libc::c_uint = 0;
    // SAFETY: both pointers are to live, properly laid out structs of the kernel's ABI, which it
    // reads and fills during the call only; the descriptor is open while `file` is borrowed.
    let result = unsafe {
        libc::syscall(
            SYS_CACHESTAT,
            file.as_raw_fd(),
            &raw const query,
            &raw mut answer,
            no_flags,
        )
    };
    (result == 0).then_some(answer)
}

/// Starts writing the range's dirty pages to the disk, in several calls: a kernel that is not
/// preemptible lets nobody else have the core during one, a ring's thread neither, and 8 MiB take
/// 2 ms.
pub(super) fn start_writeback(file: &File, range: &Range<u64>) -> io::Result<()> {
    let mut from = range.start;
    while from < range.end {
        let to = range.end.min(from + CALL_BYTES);
        sync_file_range(file, &(from..to), libc::SYNC_FILE_RANGE_WRITE)?;
        from = to;
    }
    Ok(())
}

/// Writes the range's dirty pages to the disk and waits for that, and for those that were being
/// written. Where the call is not there or not permitted, as in some sandboxes, the file is synced.
pub(super) fn write_back(file: &File, range: &Range<u64>) -> io::Result<()> {
    let wait = libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    match sync_file_range(file, range, wait | libc::SYNC_FILE_RANGE_WRITE) {
        Err(error) if must_sync_instead(&error) => file.sync_data(),
        result => result,
    }
}

fn must_sync_instead(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOSYS | libc::EPERM | libc::EOPNOTSUPP)
    )
}

fn sync_file_range(file: &File, range: &Range<u64>, flags: libc::c_uint) -> io::Result<()> {
    let too_large = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let offset = i64::try_from(range.start).map_err(too_large)?;
    let bytes = i64::try_from(range.end.saturating_sub(range.start)).map_err(too_large)?;
    let fd = file.as_raw_fd();
    // SAFETY: the call takes no pointers; the descriptor is open for as long as `file` is borrowed.
    let result = unsafe { libc::sync_file_range(fd, offset, bytes, flags) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Pages of the range that are not on the disk: to be written, or being written.
#[cfg(test)]
pub(super) fn unwritten_pages(file: &File, range: &Range<u64>) -> u64 {
    cachestat(file, range).map_or(0, |answer| answer.dirty_pages + answer.writeback_pages)
}

/// Pages of the range whose writing was not started.
#[cfg(test)]
pub(super) fn dirty_pages(file: &File, range: &Range<u64>) -> u64 {
    cachestat(file, range).map_or(0, |answer| answer.dirty_pages)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn writing_of_a_whole_range_is_started() {
        // Several calls and a part of one; begins and ends within pages.
        let range = 5_000..5_000 + 3 * CALL_BYTES + 10_000;
        let file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let bytes = vec![1; usize::try_from(range.end + CALL_BYTES).unwrap()];
        // Page by page: what is written at once may be a single folio, which is handed over whole.
        for (page, at) in bytes.chunks(4096).zip((0..).step_by(4096)) {
            file.write_all_at(page, at).unwrap();
        }
        let whole = 0..bytes.len() as u64;
        if dirty_pages(&file, &whole) == 0 {
            eprintln!("the kernel or the filesystem does not tell which pages are dirty");
            return;
        }
        start_writeback(&file, &range).unwrap();
        assert_eq!(dirty_pages(&file, &range), 0);
    }
}
