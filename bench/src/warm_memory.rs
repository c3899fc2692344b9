//! Free memory that is at hand. A virtual machine may give free memory back to its host, as blocks
//! of 2 MiB and some seconds after it became free. Then whoever writes first to a page of the page
//! cache waits for the host, 10 us for what costs 0.3 us otherwise, and at random.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use anyhow::Context;
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};

const PAGE_BYTES: u64 = 4096;
/// One page in so many is kept: what is free between two of them is no block that is given back.
const KEPT_EVERY: u64 = 64;
const WRITE_BYTES: usize = 1 << 20;

/// Memory that was taken from the host and is free in pieces, which the kernel uses first, for as
/// long as this lives.
pub(crate) struct WarmMemory {
    _kept: File,
}

impl WarmMemory {
    /// Takes about `bytes`, or half of what is available, if that is less: a GiB takes 2 to 3 s.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) fn take(bytes: u64) -> anyhow::Result<Self> {
        let bytes = bytes.min(available_bytes()? / 2);
        let mut kept = File::from(memfd_create("warm", MemfdFlags::CLOEXEC)?);
        let written = vec![1; WRITE_BYTES];
        for _ in 0..bytes / WRITE_BYTES as u64 {
            kept.write_all(&written)?;
        }
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let piece_bytes = KEPT_EVERY * PAGE_BYTES;
        for piece in 0..kept.metadata()?.len() / piece_bytes {
            let begin = piece * piece_bytes + PAGE_BYTES;
            fallocate(kept.as_fd(), flags, begin, piece_bytes - PAGE_BYTES)?;
        }
        Ok(Self { _kept: kept })
    }
}

/// Memory that can be had without others losing theirs.
fn available_bytes() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.context("MemAvailable")?.parse::<u64>()? * 1024)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn one_page_of_each_piece_is_kept() {
        let pieces = 32;
        let bytes = pieces * KEPT_EVERY * PAGE_BYTES;
        let memory = WarmMemory::take(bytes).unwrap();
        let metadata = memory._kept.metadata().unwrap();
        assert_eq!(metadata.len(), bytes);
        assert_eq!(metadata.blocks() * 512, pieces * PAGE_BYTES);
    }
}
