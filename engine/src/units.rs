//! Lossless conversions between file sizes, memory sizes and Kafka's signed fields. Not a place for
//! arithmetic. Called wherever a number crosses between the three.

const _: () = assert!(usize::BITS == 64, "the engine needs 64-bit memory sizes");

/// A file size or position as a memory size; lossless because `usize` has 64 bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "usize has 64 bits, asserted above"
)]
pub(crate) fn usize_from(value: u64) -> usize {
    value as usize
}

/// An index position (at most `i32::MAX`) from a file position.
///
/// # Panics
/// When the position does not fit: segments are capped at `i32::MAX` bytes when they are rolled and
/// refused at open when longer, so this is a programmer's error.
pub(crate) fn position_u32(position: u64) -> u32 {
    u32::try_from(position).expect("segments never exceed i32::MAX bytes")
}

/// The number of milliseconds since the epoch of a file time, 0 before 1970.
pub(crate) fn epoch_ms(time: std::time::SystemTime) -> i64 {
    let since = time
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The file time of a number of milliseconds since the epoch; negative ones count as 0.
pub(crate) fn time_of(epoch_ms: i64) -> std::time::SystemTime {
    let since = std::time::Duration::from_millis(u64::try_from(epoch_ms).unwrap_or(0));
    std::time::UNIX_EPOCH + since
}
