//! Tests of the codecs against streams other implementations wrote, and of compression.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test arithmetic and positions are on small constants"
)]

use super::*;
use crate::decoder::decompress;

/// The text of every stream below: "ringbrook " eight times.
fn text() -> Vec<u8> {
    b"ringbrook ".repeat(8)
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex
        .chars()
        .map(|digit| digit.to_digit(16).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

fn read(codec: Codec, stream: &[u8]) -> Result<Vec<u8>, RecordError> {
    let mut out = Vec::new();
    decompress(codec, stream, 1 << 20, &mut out).map(|()| out)
}

fn read_hex(codec: Codec, hex: &str) -> Result<Vec<u8>, RecordError> {
    read(codec, &unhex(hex))
}

/// CPython's gzip module, mtime 0.
const GZIP: &str = "1f8b08000000000002032bcacc4b4f2acacfcf5628a20a0b001b88633550000000";
/// kafka-python 3.0 with cramjam: xerial framing.
const XERIAL: &str = "82534e4150505900000000010000000100000011502472696e6762726f6f6b20fe0a00090a";
/// The block in it, as librdkafka sends it.
const RAW_SNAPPY: &str = "502472696e6762726f6f6b20fe0a00090a";
/// lz4 1.10: -B4 -BI --no-frame-crc, the flags Kafka's own writer uses.
const LZ4: &str = "04224d1860408214000000af72696e6762726f6f6b200a002e50726f6f6b2000000000";
/// lz4 1.10: -B4 -BI -BX --content-size: block checksums, content size, content checksum.
const LZ4_CHECKSUMS: &str = "04224d187c4050000000000000005414000000af72696e6762726f6f6b200a002e50\
                             726f6f6b20e638cef4000000008bad6f94";
/// lz4 1.10: -B4: content checksum.
const LZ4_CONTENT_CHECKSUM: &str =
    "04224d186440a714000000af72696e6762726f6f6b200a002e50726f6f6b20000000008bad6f94";
/// zstd 1.5: level 3 from a pipe, so with a checksum and without a content size.
const ZSTD: &str = "28b52ffd04588d00005072696e6762726f6f6b20010053b4200155b8316d";
/// kafka-python 3.0 with cramjam: with a content size.
const ZSTD_SIZED: &str = "28b52ffd20508d00005072696e6762726f6f6b20010053b42001";

#[test]
fn streams_of_other_implementations_are_read() {
    for (codec, hex) in [
        (Codec::Gzip, GZIP),
        (Codec::Snappy, XERIAL),
        (Codec::Snappy, RAW_SNAPPY),
        (Codec::Lz4, LZ4),
        (Codec::Lz4, LZ4_CHECKSUMS),
        (Codec::Lz4, LZ4_CONTENT_CHECKSUM),
        (Codec::Zstd, ZSTD),
        (Codec::Zstd, ZSTD_SIZED),
    ] {
        assert_eq!(read_hex(codec, hex).unwrap(), text(), "{codec} {hex}");
    }
}

#[test]
fn every_cut_stream_is_an_error() {
    for (codec, hex) in [
        (Codec::Gzip, GZIP),
        (Codec::Snappy, RAW_SNAPPY),
        (Codec::Lz4, LZ4),
        (Codec::Lz4, LZ4_CHECKSUMS),
        (Codec::Lz4, LZ4_CONTENT_CHECKSUM),
        (Codec::Zstd, ZSTD),
        (Codec::Zstd, ZSTD_SIZED),
    ] {
        let stream = unhex(hex);
        for cut in 0..stream.len() {
            let found = read(codec, &stream[..cut]);
            assert!(
                matches!(found, Err(RecordError::Decompress { .. })),
                "{codec} {hex} cut at {cut}: {found:?}"
            );
        }
    }
    // A xerial stream may end after its header or any block, as it has no end mark.
    let stream = unhex(XERIAL);
    for cut in 8..stream.len() {
        assert_eq!(
            read(Codec::Snappy, &stream[..cut]).is_err(),
            cut != 16,
            "cut at {cut}"
        );
    }
}

#[test]
fn writing_uses_the_form_kafka_writes() {
    let written = |codec| {
        let mut out = Vec::new();
        compress(codec, None, &text(), &mut out).unwrap();
        out
    };
    assert!(written(Codec::Snappy).starts_with(&unhex(XERIAL)[..16]));
    // Version 1, independent 64 KiB blocks, no checksums and no content size.
    assert!(written(Codec::Lz4).starts_with(&unhex("04224d18604082")));
    assert!(written(Codec::Lz4).ends_with(&[0; 4]));
    assert!(written(Codec::Gzip).starts_with(&[0x1F, 0x8B, 8, 0]));
    assert!(written(Codec::Zstd).starts_with(&[0x28, 0xB5, 0x2F, 0xFD]));
    assert_eq!(written(Codec::None), text());
}

#[test]
fn large_xerial_streams_have_blocks_of_32_kib() {
    let input = vec![7; 100 * 1024];
    let mut stream = Vec::new();
    compress(Codec::Snappy, None, &input, &mut stream).unwrap();
    let mut rest = &stream[16..];
    let mut sizes = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (block, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        sizes.push(snap::raw::decompress_len(block).unwrap());
        rest = after;
    }
    assert_eq!(sizes, [32 * 1024, 32 * 1024, 32 * 1024, 4 * 1024]);
    assert_eq!(read(Codec::Snappy, &stream).unwrap(), input);
}

#[test]
fn xerial_streams_one_behind_the_other_are_read() {
    let twice = [unhex(XERIAL), unhex(XERIAL)].concat();
    assert_eq!(read(Codec::Snappy, &twice).unwrap(), text().repeat(2));
}

#[test]
fn gzip_members_and_zstd_frames_one_behind_the_other_are_read() {
    let members = [unhex(GZIP), unhex(GZIP)].concat();
    assert_eq!(read(Codec::Gzip, &members).unwrap(), text().repeat(2));
    let frames = [unhex(ZSTD), unhex(ZSTD_SIZED)].concat();
    assert_eq!(read(Codec::Zstd, &frames).unwrap(), text().repeat(2));
}

#[test]
fn bad_xerial_streams_are_refused() {
    let header = &XERIAL[..32];
    let bad = [
        "82534e41505059000000000000000001".to_owned(), // version 0
        format!("{header}ffffffff00"),                 // negative length
        format!("{header}0000001150"),                 // length past the end
        format!("{header}00000001ff"),                 // no snappy block
    ];
    for hex in bad {
        let found = read_hex(Codec::Snappy, &hex);
        assert!(
            matches!(found, Err(RecordError::Decompress { .. })),
            "{hex}: {found:?}"
        );
    }
}

#[test]
fn lz4_frames_are_held_to_kafkas_restrictions() {
    let changed = |position: usize, byte: u8| {
        let mut stream = unhex(LZ4);
        stream[position] = byte;
        read(Codec::Lz4, &stream)
    };
    assert!(changed(6, 0x82).is_ok());
    assert!(changed(6, 0x83).is_err(), "header checksum");
    assert!(changed(0, 0x02).is_err(), "magic");
    // With a right header checksum, so that the flag itself is what is refused.
    let with_flags = |flags: u8, block_size: u8| {
        let mut stream = unhex(LZ4);
        let [_, checksum, ..] = twox_hash::XxHash32::oneshot(0, &[flags, block_size]).to_le_bytes();
        stream.splice(4..7, [flags, block_size, checksum]);
        read(Codec::Lz4, &stream)
    };
    assert!(with_flags(0x60, 0x40).is_ok());
    assert!(with_flags(0x60, 0x70).is_ok(), "4 MiB blocks");
    assert!(with_flags(0x40, 0x40).is_err(), "linked blocks");
    assert!(with_flags(0xA0, 0x40).is_err(), "version 2");
    assert!(with_flags(0x61, 0x40).is_err(), "dictionary");
    assert!(with_flags(0x62, 0x40).is_err(), "reserved bit");
    assert!(with_flags(0x60, 0x30).is_err(), "block size code 3");
    assert!(
        with_flags(0x60, 0xC0).is_err(),
        "reserved bit of the block size"
    );
    assert!(
        with_flags(0x60, 0x41).is_err(),
        "reserved bits of the block size"
    );
}

#[test]
fn lz4_checksums_are_checked_where_kafka_does_and_ignored_where_it_does() {
    let changed = |position: usize| {
        let mut stream = unhex(LZ4_CHECKSUMS);
        let end = stream.len();
        stream[if position < end {
            position
        } else {
            2 * end - position
        }] ^= 1;
        read(Codec::Lz4, &stream)
    };
    let end = unhex(LZ4_CHECKSUMS).len();
    assert!(
        changed(end - 1).is_ok(),
        "content checksum: skipped by Kafka"
    );
    assert!(changed(end - 9).is_err(), "block checksum");
    assert!(
        changed(7).is_err(),
        "content size: under the header checksum"
    );
    assert!(changed(40).is_err(), "block");
}

#[test]
fn an_uncompressed_lz4_block_is_read_and_bounded_by_the_frame() {
    let frame = |length: u32, block: &[u8]| {
        let mut stream = unhex("04224d18604082");
        stream.extend_from_slice(&(length | 0x8000_0000).to_le_bytes());
        stream.extend_from_slice(block);
        stream.extend_from_slice(&[0; 4]);
        read(Codec::Lz4, &stream)
    };
    assert_eq!(frame(5, b"hello").unwrap(), b"hello");
    assert!(frame(65_536, &[1; 65_536]).is_ok());
    assert!(frame(65_537, &[1; 65_537]).is_err());
}

#[test]
fn bytes_after_the_end_of_an_lz4_frame_are_ignored_as_kafka_does() {
    let stream = [unhex(LZ4), b"more".to_vec()].concat();
    assert_eq!(read(Codec::Lz4, &stream).unwrap(), text());
}

#[test]
fn every_level_of_the_range_compresses_and_others_are_refused() {
    for codec in Codec::ALL {
        let ends = codec
            .levels()
            .map(|levels| [*levels.start(), *levels.end()]);
        for level in ends.into_iter().flatten().chain(codec.default_level()) {
            let mut out = Vec::new();
            compress(codec, Some(level), &text(), &mut out).unwrap();
            assert_eq!(read(codec, &out).unwrap(), text(), "{codec} {level}");
        }
    }
    for (codec, level) in [
        (Codec::None, 1),
        (Codec::Snappy, 1),
        (Codec::Gzip, 0),
        (Codec::Gzip, 10),
        (Codec::Gzip, -2),
        (Codec::Lz4, 0),
        (Codec::Lz4, 18),
        (Codec::Zstd, 23),
        (Codec::Zstd, -131_073),
    ] {
        let found = compress(codec, Some(level), b"x", &mut Vec::new());
        assert!(
            matches!(found, Err(RecordError::InvalidLevel { .. })),
            "{codec} {level}"
        );
    }
}

#[test]
fn levels_reach_the_compressor() {
    let input: Vec<u8> = (0..20_000_u32)
        .flat_map(|n| (n * n % 1013).to_le_bytes())
        .collect();
    let size = |codec, level| {
        let mut out = Vec::new();
        compress(codec, Some(level), &input, &mut out).unwrap();
        out.len()
    };
    assert!(size(Codec::Gzip, 9) < size(Codec::Gzip, 1));
    assert!(size(Codec::Zstd, 19) < size(Codec::Zstd, -5));
    assert_eq!(size(Codec::Gzip, -1), size(Codec::Gzip, 6));
}

#[test]
fn compression_appends_to_what_is_there() {
    for codec in Codec::ALL {
        let mut out = b"before".to_vec();
        compress(codec, None, &text(), &mut out).unwrap();
        let stream = out.strip_prefix(b"before").unwrap();
        assert_eq!(read(codec, stream).unwrap(), text(), "{codec}");
    }
}

#[test]
fn names_and_ids_are_kafkas() {
    for (id, name) in [
        (0, "none"),
        (1, "gzip"),
        (2, "snappy"),
        (3, "lz4"),
        (4, "zstd"),
    ] {
        let codec = Codec::from_id(id).unwrap();
        assert_eq!((codec.id(), codec.name()), (id, name));
        assert_eq!(Codec::from_name(name), Some(codec));
    }
    assert_eq!(Codec::from_name("uncompressed"), Some(Codec::None));
    assert_eq!(Codec::from_name("producer"), None);
    assert!(matches!(
        Codec::from_id(5),
        Err(RecordError::UnknownCodec { id: 5 })
    ));
}
