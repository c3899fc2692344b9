//! Tests of the reader over a simulated disk: every batch comes whole and checked, whatever the
//! pieces it is read in.

use std::cell::Cell;
use std::path::Path;

use ringbrook_record::{BatchBuilder, Codec};

use super::super::clean_error::Stopped;
use super::*;
use crate::io::SimDisk;

struct Free;

impl Pace for Free {
    fn spend(&self, _: u64) -> Result<(), Stopped> {
        Ok(())
    }
}

fn batch(offset: i64, value_bytes: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new().base_offset(offset);
    let value = vec![7; value_bytes];
    builder.append(1, Some(b"k"), Some(&value), []).unwrap();
    builder.finish(Codec::None, None).unwrap().to_vec()
}

fn source(content: &[u8]) -> SegmentSource<SimDisk> {
    let disk = SimDisk::new(1);
    let path = Path::new("/segment.log");
    let file = disk.create(path).unwrap();
    disk.write_all_at(&file, content, 0).unwrap();
    SegmentSource {
        disk,
        file,
        path: path.to_owned(),
        base_offset: 0,
        end_offset: 1000,
        bytes: content.len() as u64,
    }
}

fn read(source: &SegmentSource<SimDisk>) -> Result<Vec<Vec<u8>>, CleanProblem> {
    let mut buffer = BatchBuffer::default();
    let mut reader = BatchReader::new(source, &Free, &mut buffer, 0);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((batch, position)) = reader.next()? {
        assert_eq!(position, at);
        at += batch.bytes.len() as u64;
        found.push(batch.bytes.to_vec());
    }
    Ok(found)
}

fn damage(source: &SegmentSource<SimDisk>) -> (u64, String) {
    match read(source) {
        Err(CleanProblem::Damaged {
            path,
            position,
            problem,
        }) => {
            assert_eq!(path, source.path);
            (position, problem)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn batches_of_all_sizes_come_whole() {
    let sizes = [
        0,
        1000,
        CHUNK_BYTES - 100,
        CHUNK_BYTES,
        3,
        3 * CHUNK_BYTES,
        UNCHECKED_BYTES_MAX,
        5,
    ];
    let batches: Vec<Vec<u8>> = (0..).zip(sizes).map(|(n, size)| batch(n, size)).collect();
    assert_eq!(read(&source(&batches.concat())).unwrap(), batches);
    assert_eq!(read(&source(&[])).unwrap(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_flipped_bit_is_damage_with_its_place() {
    let first = batch(0, 100);
    for size in [100, UNCHECKED_BYTES_MAX] {
        let mut content = [first.clone(), batch(1, size)].concat();
        *content.last_mut().unwrap() ^= 1;
        let (position, problem) = damage(&source(&content));
        assert_eq!(position, first.len() as u64);
        assert!(problem.contains("crc"), "{problem}");
    }
}

#[test]
fn a_length_past_the_end_is_damage_and_costs_no_memory() {
    let mut content = batch(0, 100);
    content[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
    let (position, problem) = damage(&source(&content));
    assert_eq!(position, 0);
    assert!(problem.contains("bytes are there"), "{problem}");
}

#[test]
fn a_header_that_is_cut_is_damage() {
    let content = [batch(0, 100), batch(1, 100)[..40].to_vec()].concat();
    assert_eq!(damage(&source(&content)).0, batch(0, 100).len() as u64);
}

#[test]
fn a_file_shorter_than_its_segment_is_damage() {
    let mut source = source(&batch(0, 100));
    source.bytes += 200;
    assert!(damage(&source).1.contains("shorter"));
}

#[test]
fn offsets_that_do_not_follow_are_damage() {
    for offsets in [[5, 5], [5, 4], [0, 1000]] {
        let content = offsets.map(|offset| batch(offset, 10)).concat();
        let (position, problem) = damage(&source(&content));
        assert_eq!(position, batch(0, 10).len() as u64);
        assert!(problem.contains("offsets"), "{problem}");
    }
}

#[test]
fn every_byte_read_is_spent_before_and_a_stop_ends_the_walk() {
    struct Counting(Cell<u64>, u64);
    impl Pace for Counting {
        fn spend(&self, bytes: u64) -> Result<(), Stopped> {
            self.0.set(self.0.get() + bytes);
            if self.1 < self.0.get() {
                Err(Stopped)
            } else {
                Ok(())
            }
        }
    }
    let batches: Vec<Vec<u8>> = (0..100).map(|n| batch(n, 20_000)).collect();
    let source = source(&batches.concat());
    for (limit, is_whole) in [(u64::MAX, true), (CHUNK_BYTES as u64, false)] {
        let pace = Counting(Cell::new(0), limit);
        let mut buffer = BatchBuffer::default();
        let mut reader = BatchReader::new(&source, &pace, &mut buffer, 0);
        let end = loop {
            match reader.next() {
                Ok(Some(_)) => {}
                Ok(None) => break true,
                Err(CleanProblem::Stopped(Stopped)) => break false,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(end, is_whole);
        if is_whole {
            assert_eq!(pace.0.get(), source.bytes, "no byte is read twice");
        }
    }
}
