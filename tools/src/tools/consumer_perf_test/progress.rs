//! What was read, in all and since the last line, and the lines that tell of it. Pure.

use crate::perf::{DateFormat, MB_BYTES, fixed, float};

/// The names of the columns.
pub(super) fn header(shows_details: bool) -> String {
    let first = if shows_details {
        "time, threadId"
    } else {
        "start.time, end.time"
    };
    format!(
        "{first}, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, \
         rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec"
    )
}

/// How far reading has come.
#[derive(Debug)]
pub(super) struct Progress {
    begun_ms: i64,
    /// Records read.
    pub(super) records: u64,
    /// Bytes of their keys and values.
    pub(super) bytes: u64,
    last_ms: i64,
    last_records: u64,
    last_bytes: u64,
}

impl Progress {
    /// Nothing is read yet.
    pub(super) fn new(now_ms: i64) -> Self {
        Self {
            begun_ms: now_ms,
            records: 0,
            bytes: 0,
            last_ms: now_ms,
            last_records: 0,
            last_bytes: 0,
        }
    }

    /// Whether the last line is so long ago.
    pub(super) fn is_due(&self, now_ms: i64, interval_ms: i64) -> bool {
        interval_ms <= now_ms - self.last_ms
    }

    /// The line since the last one; `join_ms` went by while the group gave no partitions.
    pub(super) fn window(&mut self, format: &DateFormat, now_ms: i64, join_ms: i64) -> String {
        let elapsed_s = (now_ms - self.last_ms) as f64 / 1000.0;
        let fetch_ms = now_ms - self.last_ms - join_ms;
        let records = float(self.records - self.last_records);
        let mb = float(self.bytes - self.last_bytes) / MB_BYTES;
        let per_fetch_second = |amount: f64| match fetch_ms {
            ..=0 => 0.0,
            _ => 1000.0 * amount / fetch_ms as f64,
        };
        let line = format!(
            "{}, 0, {}, {}, {}, {}, {join_ms}, {fetch_ms}, {}, {}",
            format.format(now_ms),
            fixed(float(self.bytes) / MB_BYTES, 4),
            fixed(mb / elapsed_s, 4),
            self.records,
            fixed(records / elapsed_s, 4),
            fixed(per_fetch_second(mb), 4),
            fixed(per_fetch_second(records), 4)
        );
        self.last_ms = now_ms;
        self.last_records = self.records;
        self.last_bytes = self.bytes;
        line
    }

    /// The line at the end.
    pub(super) fn total(&self, format: &DateFormat, now_ms: i64, join_ms: i64) -> String {
        let elapsed_ms = now_ms - self.begun_ms;
        let elapsed_s = elapsed_ms as f64 / 1000.0;
        let fetch_ms = elapsed_ms - join_ms;
        let fetch_s = fetch_ms as f64 / 1000.0;
        let mb = float(self.bytes) / MB_BYTES;
        let records = float(self.records);
        format!(
            "{}, {}, {}, {}, {}, {}, {join_ms}, {fetch_ms}, {}, {}",
            format.format(self.begun_ms),
            format.format(now_ms),
            fixed(mb, 4),
            fixed(mb / elapsed_s, 4),
            self.records,
            fixed(records / elapsed_s, 4),
            fixed(mb / fetch_s, 4),
            fixed(records / fetch_s, 4)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_columns_of_the_header() {
        let format = DateFormat::new("HH:mm:ss").unwrap();
        let mut progress = Progress::new(0);
        progress.records = 100;
        progress.bytes = 2 * 1024 * 1024;
        assert!(!progress.is_due(999, 1000));
        assert!(progress.is_due(1000, 1000));
        assert_eq!(
            progress.window(&format, 1000, 500),
            "00:00:01, 0, 2.0000, 2.0000, 100, 100.0000, 500, 500, 4.0000, 200.0000"
        );
        progress.records = 150;
        assert_eq!(
            progress.window(&format, 2000, 1000),
            "00:00:02, 0, 2.0000, 0.0000, 150, 50.0000, 1000, 0, 0.0000, 0.0000"
        );
        let total = progress.total(&format, 4000, 2000);
        let expected =
            "00:00:00, 00:00:04, 2.0000, 0.5000, 150, 37.5000, 2000, 2000, 1.0000, 75.0000";
        assert_eq!(total, expected);
        for (is_detailed, line) in [(false, total), (true, progress.window(&format, 5000, 0))] {
            let columns = |text: &str| text.split(", ").count();
            assert_eq!(columns(&header(is_detailed)), columns(&line));
        }
    }
}
