//! Tests of the decisions about readers of old segments.

use super::*;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

fn wanted(segment: i64, start: u64, end: u64) -> Wanted {
    Wanted {
        segment,
        range: start..end,
        segment_bytes: 100 * MIB,
    }
}

/// Asks for bytes nothing of which is cached and reads them, with what is read ahead.
fn read_cold(scans: &mut Scans<u8>, file: &Arc<u8>, wanted: &Wanted) -> u64 {
    let (reader, step) = scans.step(wanted);
    if let Step::Ask(_) = step {
        scans.brought(wanted.segment, file, wanted.range.clone());
        scans.found(reader, wanted.range.end, true);
    }
    if let Some(ahead) = scans.read_ahead(reader, wanted) {
        scans.brought(wanted.segment, file, ahead.range.clone());
        scans.read_ahead_reached(reader, ahead.range.end);
    }
    reader
}

fn bytes(pages: &[(Arc<u8>, Range<u64>)]) -> u64 {
    pages.iter().map(|(_, range)| range.end - range.start).sum()
}

#[test]
fn a_reader_of_cached_bytes_asks_once_in_two_mib() {
    let mut scans = Scans::<()>::default();
    let mut asked = 0;
    for start in (0..16 * MIB).step_by(64 << 10) {
        let (reader, step) = scans.step(&wanted(0, start, start + 64 * KIB));
        if let Step::Ask(range) = step {
            scans.found(reader, range.end, false);
            asked += 1;
        }
        let ahead = scans.read_ahead(reader, &wanted(0, start, start + 64 * KIB));
        assert!(ahead.is_none(), "nothing is read ahead of cached bytes");
    }
    assert_eq!(asked, 8);
}

#[test]
fn a_cold_reader_is_read_ahead_for_from_its_second_fetch_on() {
    let mut scans = Scans::<()>::default();
    let first = wanted(0, 0, MIB);
    let (reader, step) = scans.step(&first);
    assert!(matches!(step, Step::Ask(_)));
    scans.found(reader, MIB, true);
    assert!(
        scans.read_ahead(reader, &first).is_none(),
        "one fetch is no scan"
    );
    let second = wanted(0, MIB - 100, 2 * MIB - 100);
    let (again, step) = scans.step(&second);
    assert_eq!(again, reader, "it goes on where its answer was cut");
    let Step::Ask(range) = step else {
        panic!("{step:?}")
    };
    assert_eq!(range, second.range, "only what is needed now");
    scans.found(reader, range.end, true);
    let ahead = scans.read_ahead(reader, &second).unwrap();
    assert_eq!(ahead.range, 2 * MIB - 100..4 * MIB - 100);
    assert!(scans.read_ahead(reader, &second).is_none(), "one at a time");
    // The third fetch finds it under way and waits, the fourth has it.
    let third = wanted(0, 2 * MIB - 100, 3 * MIB - 100);
    let (_, step) = scans.step(&third);
    assert!(matches!(step, Step::Wait(_)), "{step:?}");
    scans.read_ahead_reached(reader, ahead.range.end);
    drop(ahead);
    assert!(matches!(scans.step(&third).1, Step::Cached));
    let next = scans.read_ahead(reader, &third).unwrap();
    assert_eq!(next.range, 4 * MIB - 100..5 * MIB - 100);
}

#[test]
fn a_read_ahead_that_fails_leaves_the_reading_to_the_fetch() {
    let mut scans = Scans::<()>::default();
    for n in 0..2 {
        let (reader, _) = scans.step(&wanted(0, n * MIB, (n + 1) * MIB));
        scans.found(reader, (n + 1) * MIB, true);
    }
    let (reader, _) = scans.step(&wanted(0, MIB, 2 * MIB));
    drop(scans.read_ahead(reader, &wanted(0, MIB, 2 * MIB)).unwrap());
    let (_, step) = scans.step(&wanted(0, 2 * MIB, 3 * MIB));
    assert!(matches!(step, Step::Ask(_)), "{step:?}");
}

#[test]
fn pages_are_dropped_behind_the_only_reader() {
    let mut scans = Scans::default();
    let file = Arc::new(0);
    let (mut brought, mut dropped) = (0, 0);
    for n in 0..90 {
        let fetch = wanted(0, n * MIB, (n + 1) * MIB);
        read_cold(&mut scans, &file, &fetch);
        let pages = scans.take_droppable();
        dropped += bytes(&pages);
        assert!(
            pages.iter().all(|(_, range)| range.end <= n * MIB),
            "what is read now stays: {pages:?}"
        );
        brought = (n + 1) * MIB;
    }
    assert!(brought - 6 * MIB <= dropped, "{dropped} of {brought}");
    assert!(scans.sweep().is_empty(), "the reader is still there");
    assert!(!scans.sweep().is_empty(), "its last pages go with it");
    assert!(scans.is_empty());
}

#[test]
fn the_last_of_readers_that_follow_each_other_has_pages_dropped() {
    let mut scans = Scans::default();
    let file = Arc::new(0);
    let mut dropped = 0;
    // The second one stands at the beginning until the first one is 20 MiB ahead.
    scans.step(&wanted(0, 0, KIB));
    for n in 0..60 {
        read_cold(&mut scans, &file, &wanted(0, n * MIB, (n + 1) * MIB));
        let second = n.saturating_sub(20) * MIB;
        let fetch = wanted(0, second, second + MIB);
        let (reader, step) = scans.step(&fetch);
        if let Step::Ask(range) = step {
            scans.found(reader, range.end, false);
        }
        let pages = scans.take_droppable();
        assert!(
            pages.iter().all(|(_, range)| range.end <= second),
            "{pages:?} while one reads at {second}"
        );
        dropped += bytes(&pages);
    }
    assert!(35 * MIB <= dropped, "{dropped}");
}

#[test]
fn memory_is_limited() {
    let mut scans = Scans::default();
    let file = Arc::new(0);
    for n in 0..1000 {
        let start = n * 7 * MIB;
        let fetch = Wanted {
            segment_bytes: u64::MAX,
            ..wanted(0, start, start + MIB)
        };
        read_cold(&mut scans, &file, &fetch);
    }
    assert_eq!(scans.readers.len(), READERS_MAX);
    assert!(scans.brought.len() <= BROUGHT_MAX);
    // Everything but what the readers that are left may want is given up.
    let kept = u64::try_from(READERS_MAX).unwrap() * MIB;
    scans.take_droppable();
    let brought = scans.brought.iter();
    let brought: u64 = brought.map(|it| it.range.end - it.range.start).sum();
    assert!(brought <= kept, "{brought} bytes");
}

#[test]
fn a_scan_goes_on_in_the_next_segment() {
    let mut scans = Scans::<()>::default();
    let (first, _) = scans.step(&wanted(0, 98 * MIB, 99 * MIB));
    scans.found(first, 99 * MIB, true);
    let (again, _) = scans.step(&wanted(0, 99 * MIB, 100 * MIB));
    scans.found(first, 100 * MIB, true);
    let next = wanted(500, 0, MIB);
    let (in_next, step) = scans.step(&next);
    assert_eq!((again, in_next), (first, first));
    assert!(matches!(step, Step::Ask(_)));
    scans.found(first, MIB, true);
    let ahead = scans.read_ahead(first, &next).unwrap();
    assert_eq!(ahead.range, MIB..3 * MIB);
}
