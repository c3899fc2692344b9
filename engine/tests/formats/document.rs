//! Holds FORMAT.md to itself and to the files: its byte tables have no gaps, and files of Kafka
//! have the sizes it states.

use super::log_dir::TestDir;

const DOCUMENT: &str = include_str!("../../FORMAT.md");

/// Offset and bytes of every row of each table of fixed fields.
fn tables() -> Vec<Vec<(usize, usize)>> {
    let mut tables = Vec::new();
    for line in DOCUMENT.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.get(1..3) == Some(&["offset", "bytes"]) {
            tables.push(Vec::new());
        } else if let [_, offset, bytes, ..] = cells[..]
            && let (Ok(offset), Ok(bytes)) = (offset.parse(), bytes.parse())
            && let Some(table) = tables.last_mut()
        {
            table.push((offset, bytes));
        }
    }
    tables
}

#[test]
fn byte_tables_have_no_gaps_and_the_stated_sizes() {
    let ends: Vec<usize> = tables()
        .iter()
        .map(|rows| {
            let add = |end, (offset, bytes): &(usize, usize)| {
                assert_eq!(*offset, end, "in {rows:?}");
                end + bytes
            };
            rows.iter().fold(0, add)
        })
        .collect();
    // Batch header, control key, marker, xerial header, the indices, head and entry of a snapshot.
    let header = ringbrook_record::HEADER_BYTES;
    assert_eq!(ends, [header, 4, 6, 16, 8, 12, 34, 10, 46]);
}

#[test]
fn files_of_kafka_have_whole_entries() {
    let dir = TestDir::unpack("kafka-4.3.1-clean");
    let mut files = 0;
    for partition in dir.expected().keys() {
        for (name, bytes) in dir.files(partition, &["index", ".snapshot"]) {
            let (_, suffix) = name.split_once('.').unwrap();
            let (head, entry) = match suffix {
                "index" => (0, 8),
                "timeindex" => (0, 12),
                "txnindex" => (0, 34),
                _ => (10, 46),
            };
            assert_eq!((bytes.len() - head) % entry, 0, "{partition}/{name}");
            files += 1;
        }
    }
    assert!(40 < files, "{files} files");
}
