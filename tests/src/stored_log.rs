//! Segments of a broker that does not run, changed as a crash may leave them.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes before a batch's length, and those of the length itself, which it does not count.
const LENGTH_AT: usize = 8;
const UNCOUNTED_BYTES: usize = 12;

/// Writes `bytes` right behind the last batch of a segment, over the zeros that may follow it.
///
/// # Errors
/// As the operating system says.
pub fn write_behind_batches(log: &Path, bytes: &[u8]) -> io::Result<()> {
    let end = batches_bytes(&fs::read(log)?);
    let file = OpenOptions::new().write(true).open(log)?;
    file.write_all_at(bytes, end as u64)
}

/// Bytes of the batches that a segment begins with.
fn batches_bytes(segment: &[u8]) -> usize {
    let mut end = 0;
    while let Some(length) = segment.get(end + LENGTH_AT..end + UNCOUNTED_BYTES) {
        let length = i32::from_be_bytes(length.try_into().expect("four bytes were taken"));
        match usize::try_from(length) {
            Ok(length) if 0 < length => end += UNCOUNTED_BYTES + length,
            _ => break,
        }
    }
    end
}
