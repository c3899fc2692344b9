//! The disk beneath the broker: what it can do by itself, and how often it was told to flush.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{major, minor};
use serde::Serialize;

use super::latency::{Latency, as_ns};
use crate::process::now;

const SYNCS: u32 = 200;
const SYNC_BYTES: usize = 4096;
const WRITE_BYTES: usize = 1 << 20;
const WRITES: u32 = 256;

/// What the disk does when nobody else uses it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct DiskBaseline {
    /// 4 KiB appended, then `fdatasync`, over and over.
    pub(crate) fdatasync_p50_ms: f64,
    pub(crate) fdatasync_p99_ms: f64,
    /// 256 MiB in pieces of 1 MiB, `fdatasync` at the end; MB are 10^6 bytes.
    pub(crate) sequential_write_mb_per_s: f64,
}

/// Measures it, in a file of `dir` that is removed again.
///
/// # Errors
/// The directory cannot be written.
pub(crate) fn baseline(dir: &Path) -> anyhow::Result<DiskBaseline> {
    let mut file = tempfile::tempfile_in(dir)?;
    let mut latency = Latency::default();
    for _ in 0..SYNCS {
        let begin = now();
        file.write_all(&[7; SYNC_BYTES])?;
        file.sync_data()?;
        latency.record_ns(as_ns(begin.elapsed()));
    }
    Ok(DiskBaseline {
        fdatasync_p50_ms: latency.ms(50.0),
        fdatasync_p99_ms: latency.ms(99.0),
        sequential_write_mb_per_s: sequential_write(tempfile::tempfile_in(dir)?)?,
    })
}

fn sequential_write(mut file: File) -> anyhow::Result<f64> {
    let piece = vec![7; WRITE_BYTES];
    let begin = now();
    for _ in 0..WRITES {
        file.write_all(&piece)?;
    }
    file.sync_data()?;
    let bytes = f64::from(WRITES) * WRITE_BYTES as f64;
    Ok(bytes / 1e6 / begin.elapsed().as_secs_f64())
}

/// How often the disk of `dir` was told to flush since the machine started; nothing when the kernel
/// does not count that, as on file systems without a disk.
pub(crate) fn flushes(dir: &Path) -> Option<u64> {
    /// Of `/proc/diskstats`, counted from 0.
    const FLUSHES_FIELD: usize = 18;
    let device = std::fs::metadata(dir).ok()?.dev();
    let (major, minor) = (major(device).to_string(), minor(device).to_string());
    let stats = std::fs::read_to_string("/proc/diskstats").ok()?;
    let line = stats.lines().find(|line| {
        let mut fields = line.split_whitespace();
        fields.next() == Some(&major) && fields.next() == Some(&minor)
    });
    line?.split_whitespace().nth(FLUSHES_FIELD)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_a_baseline() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let baseline = baseline(dir.path())?;
        assert!(0.0 < baseline.fdatasync_p50_ms);
        assert!(baseline.fdatasync_p50_ms <= baseline.fdatasync_p99_ms);
        assert!(0.0 < baseline.sequential_write_mb_per_s);
        Ok(())
    }
}
