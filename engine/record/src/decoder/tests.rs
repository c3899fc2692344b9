//! Tests of bounded decompression: limits, bombs, what memory is kept.

#![expect(
    clippy::indexing_slicing,
    reason = "test arithmetic and positions are on small constants"
)]

use proptest::prelude::*;

use super::*;
use crate::codec::compress;

const COMPRESSED: [Codec; 4] = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn compressed(codec: Codec, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    compress(codec, None, input, &mut out).unwrap();
    out
}

#[test]
fn the_limit_is_exact_for_every_codec() {
    for codec in Codec::ALL {
        for size_bytes in [0, 1, 1000, 65_535, 65_536, 65_537, 300_000] {
            let input = vec![b'r'; size_bytes];
            let stream = compressed(codec, &input);
            let mut out = Vec::new();
            decompress(codec, &stream, size_bytes, &mut out).unwrap();
            assert_eq!(out, input, "{codec} {size_bytes}");
            if 0 < size_bytes {
                let limit = size_bytes - 1;
                let error = decompress(codec, &stream, limit, &mut Vec::new()).unwrap_err();
                let RecordError::DecompressedTooLarge { limit_bytes } = error else {
                    panic!("{codec} {size_bytes}: {error}");
                };
                assert_eq!(limit_bytes, limit);
            }
        }
    }
}

#[test]
fn a_bomb_allocates_no_more_than_the_limit() {
    let bomb = vec![0; 64 << 20];
    for codec in COMPRESSED {
        let stream = compressed(codec, &bomb);
        for limit_bytes in [100, 5_000, 1_000_000] {
            let mut context = DecoderContext::new();
            let mut out = Vec::new();
            let found = decompress_with(&mut context, codec, &stream, limit_bytes, &mut out);
            assert!(
                matches!(found, Err(RecordError::DecompressedTooLarge { .. })),
                "{codec}"
            );
            assert!(out.len() <= limit_bytes, "{codec}: {}", out.len());
            assert!(out.capacity() <= limit_bytes, "{codec}: {}", out.capacity());
            let buffer_bytes = context.buffer.capacity();
            assert!(buffer_bytes <= limit_bytes + 1, "{codec}: {buffer_bytes}");
        }
    }
}

#[test]
fn a_snappy_block_that_claims_more_than_it_can_hold_allocates_nothing() {
    // A varint of 2^32 - 1 and of 2^20, and no data behind it.
    for claim in [&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F][..], &[0x80, 0x80, 0x40]] {
        let mut context = DecoderContext::new();
        let mut out = Vec::new();
        let found = decompress_with(&mut context, Codec::Snappy, claim, usize::MAX, &mut out);
        assert!(
            matches!(found, Err(RecordError::Decompress { .. })),
            "{found:?}"
        );
        assert_eq!(context.buffer.capacity(), 0);
    }
}

#[test]
fn a_zstd_frame_may_not_ask_for_a_window_far_over_the_limit() {
    // Magic, a header without content size, window log 27 and 23, an empty last raw block.
    let frame = |window_log: u8| [0x28, 0xB5, 0x2F, 0xFD, 0, (window_log - 10) << 3, 1, 0, 0];
    let read = |window_log, limit_bytes| {
        decompress(
            Codec::Zstd,
            &frame(window_log),
            limit_bytes,
            &mut Vec::new(),
        )
    };
    assert!(read(23, 1000).is_ok());
    assert!(matches!(
        read(24, 1000),
        Err(RecordError::Decompress { .. })
    ));
    assert!(matches!(
        read(27, 1 << 20),
        Err(RecordError::Decompress { .. })
    ));
    assert!(read(27, 128 << 20).is_ok());
    assert!(matches!(
        read(28, usize::MAX),
        Err(RecordError::Decompress { .. })
    ));
}

#[test]
fn large_buffers_are_given_back() {
    let input = vec![1; 2 * RETAINED_BYTES_MAX];
    let block = snap::raw::Encoder::new().compress_vec(&input).unwrap();
    let mut context = DecoderContext::new();
    let mut out = Vec::new();
    decompress_with(&mut context, Codec::Snappy, &block, input.len(), &mut out).unwrap();
    assert_eq!(out, input);
    assert_eq!(context.buffer.capacity(), 0);
}

#[test]
fn a_context_serves_every_codec_also_after_errors() {
    let mut context = DecoderContext::new();
    let input: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
    for codec in COMPRESSED.into_iter().chain(COMPRESSED) {
        let stream = compressed(codec, &input);
        let cut = stream.len() / 2;
        let mut out = Vec::new();
        let found = decompress_with(&mut context, codec, &stream[..cut], usize::MAX, &mut out);
        assert!(
            matches!(found, Err(RecordError::Decompress { .. })),
            "{codec}: {found:?}"
        );
        let found = decompress_with(&mut context, codec, &stream, 70_000, &mut out);
        assert!(
            matches!(found, Err(RecordError::DecompressedTooLarge { .. })),
            "{codec}"
        );
        out.clear();
        decompress_with(&mut context, codec, &stream, input.len(), &mut out).unwrap();
        assert!(out == input, "{codec}");
    }
}

#[test]
fn an_abandoned_decoder_leaves_nothing_for_the_next() {
    let mut context = DecoderContext::new();
    for codec in COMPRESSED {
        let stream = compressed(codec, &[5; 500_000]);
        let mut decoder = context.decoder(codec, &stream, usize::MAX).unwrap();
        let some = decoder.fill().unwrap().len();
        decoder.consume(some / 2);
        drop(decoder);
        let stream = compressed(codec, b"next");
        let mut out = Vec::new();
        decompress_with(&mut context, codec, &stream, 4, &mut out).unwrap();
        assert_eq!(out, b"next", "{codec}");
    }
}

#[test]
fn as_a_reader_it_reads_all_and_carries_the_error() {
    let input = vec![3; 150_000];
    for codec in Codec::ALL {
        let stream = compressed(codec, &input);
        let mut context = DecoderContext::new();
        let mut out = Vec::new();
        context
            .decoder(codec, &stream, input.len())
            .unwrap()
            .read_to_end(&mut out)
            .unwrap();
        assert_eq!(out, input, "{codec}");
        if codec == Codec::None {
            continue;
        }
        let mut decoder = context.decoder(codec, &stream, 10).unwrap();
        let error = decoder
            .read_to_end(&mut out)
            .unwrap_err()
            .downcast::<RecordError>()
            .unwrap();
        assert!(matches!(
            error,
            RecordError::DecompressedTooLarge { limit_bytes: 10 }
        ));
        assert!(decoder.fill().unwrap().is_empty(), "it has ended");
    }
}

proptest! {
    #[test]
    fn what_was_compressed_is_read_back(
        seed in prop::collection::vec(any::<u8>(), 0..300),
        repeats in 1_usize..2_000,
        codec in prop::sample::select(Codec::ALL.to_vec()),
    ) {
        let input = seed.repeat(repeats);
        let stream = compressed(codec, &input);
        let mut out = b"before".to_vec();
        decompress(codec, &stream, input.len(), &mut out).unwrap();
        prop_assert!(out.strip_prefix(b"before").unwrap() == input);
    }

    #[test]
    fn random_bytes_never_panic_and_stay_under_the_limit(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        limit_bytes in 0_usize..5_000,
        codec in prop::sample::select(Codec::ALL.to_vec()),
    ) {
        let mut out = Vec::new();
        if decompress(codec, &bytes, limit_bytes, &mut out).is_ok() {
            prop_assert!(out.len() <= limit_bytes);
        }
        prop_assert!(out.capacity() <= limit_bytes);
    }
}
