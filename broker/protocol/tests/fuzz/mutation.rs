//! Damage to valid bytes, of the kinds that find decoder bugs: lengths, truncation, repetition.

use crate::random::Random;

const LENGTHS: [i32; 10] = [
    -1,
    -2,
    0,
    1,
    127,
    128,
    0xffff,
    0x00ff_ffff,
    i32::MAX,
    i32::MIN,
];

/// Applies one to four kinds of damage.
pub(crate) fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        mutate_once(bytes, random);
    }
}

fn mutate_once(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        *bytes = random.bytes(8);
        return;
    }
    let at = random.below(bytes.len());
    let end = at + random.below((bytes.len() - at).min(16) + 1);
    match random.below(8) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.pick(&[0, 1, 0x7f, 0x80, 0xff]),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => bytes.extend_from_within(at..end),
        5 => drop(bytes.splice(at..at, random.bytes(8))),
        6 => {
            let length = random.pick(&LENGTHS).to_be_bytes();
            let end = bytes.len().min(at + 4);
            drop(bytes.splice(at..end, length));
        }
        _ => {
            let varint = random.pick(&[b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\x07\0"]);
            drop(bytes.splice(at..at + 1, *varint));
        }
    }
}
