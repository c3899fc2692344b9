//! Mutational fuzzing of everything in the crate that reads bytes.
//!
//! Starts from valid batches of every codec, changes them, and checks that reading never panics,
//! never returns more than the limit, and that the skim and the record iterator agree. The seed is
//! printed and can be given back in `RINGBROOK_FUZZ_SEED`; `RINGBROOK_FUZZ_ITERATIONS` makes a run
//! longer. Run by `cargo test`.

#![expect(
    clippy::unwrap_used,
    reason = "a test: the corpus is valid, and a panic is a finding"
)]

use std::hash::{BuildHasher, RandomState};

use ringbrook_record::{
    Batch, BatchBuilder, BatchHeader, BatchRewriter, Batches, Codec, DecoderContext,
    EndTransactionMarker, HEADER_BYTES, Header, NewHorizon, RecordBuffer, RecordError, RecordShape,
    Rewritten, compress, decompress,
};

/// About two seconds in a debug build.
const ITERATIONS_DEFAULT: u64 = 4_000;
const LIMIT_BYTES: usize = 64 * 1024;

#[test]
fn mutated_bytes_never_panic_and_both_readers_agree() {
    let seed = env_number("RINGBROOK_FUZZ_SEED")
        .unwrap_or_else(|| RandomState::new().hash_one("ringbrook"));
    let iterations = env_number("RINGBROOK_FUZZ_ITERATIONS").unwrap_or(ITERATIONS_DEFAULT);
    println!("RINGBROOK_FUZZ_SEED={seed} RINGBROOK_FUZZ_ITERATIONS={iterations}");
    let mut random = Random(seed);
    let corpus = corpus();
    let mut readers = Readers::default();
    for _ in 0..iterations {
        let mut bytes = random.pick(&corpus).clone();
        match random.below(4) {
            0 => mutate_records(&mut bytes, &mut random),
            1 => bytes.extend(random.pick(&corpus)),
            _ => {}
        }
        for _ in 0..random.below(4) {
            mutate(&mut bytes, &mut random);
        }
        readers.check(&bytes);
    }
    assert!(
        readers.batches_read * 20 > iterations,
        "only {} batches read",
        readers.batches_read
    );
    assert!(0 < readers.batches_valid && readers.batches_valid < readers.batches_read);
}

#[derive(Default)]
struct Readers {
    buffer: RecordBuffer,
    rewriter: BatchRewriter,
    context: DecoderContext,
    batches_read: u64,
    batches_valid: u64,
}

impl Readers {
    fn check(&mut self, bytes: &[u8]) {
        let mut walk = Batches::new(bytes);
        let batches: Vec<Batch<'_>> = walk.by_ref().map_while(Result::ok).collect();
        let read: usize = batches.iter().map(|batch| batch.bytes.len()).sum();
        assert_eq!(walk.position(), read);
        assert!(read <= bytes.len());
        for batch in &batches {
            assert_eq!(BatchHeader::parse(batch.bytes).unwrap(), batch.header);
            assert_eq!(batch.header.encode(), batch.bytes[..HEADER_BYTES]);
            self.check_batch(batch);
        }
        for codec in Codec::ALL {
            let mut out = Vec::new();
            if let Err(error) = decompress(codec, bytes, LIMIT_BYTES, &mut out) {
                assert!(!error.to_string().is_empty());
            }
            assert!(out.capacity() <= LIMIT_BYTES, "{codec}: {}", out.capacity());
        }
    }

    fn check_batch(&mut self, batch: &Batch<'_>) {
        self.batches_read += 1;
        let skimmed: Result<Vec<RecordShape>, RecordError> = batch
            .skim(&mut self.context, LIMIT_BYTES)
            .and_then(Iterator::collect);
        let mut shapes = Vec::new();
        let read = batch
            .records(&mut self.buffer, LIMIT_BYTES)
            .and_then(|records| {
                for (index, record) in (0..).zip(records) {
                    let record = record?;
                    assert_eq!(record.headers.len(), record.headers.count());
                    if let Err(error) = EndTransactionMarker::parse(&record) {
                        assert!(matches!(error, RecordError::MalformedControlRecord { .. }));
                    }
                    shapes.push(RecordShape {
                        index,
                        attributes: record.attributes,
                        timestamp_delta: record.timestamp_delta,
                        offset_delta: record.offset_delta,
                        has_key: record.key.is_some(),
                        has_value: record.value.is_some(),
                    });
                }
                Ok(())
            });
        match (read, skimmed) {
            (Ok(()), Ok(skimmed)) => {
                assert_eq!(shapes, skimmed);
                self.batches_valid += 1;
                self.check_rewrite(batch, true);
            }
            (Err(_), Err(_)) => self.check_rewrite(batch, false),
            (read, skimmed) => panic!("records: {read:?}, skim: {skimmed:?}"),
        }
    }
}

impl Readers {
    /// Rewriting takes what the readers take, and what it writes is a batch again.
    fn check_rewrite(&mut self, batch: &Batch<'_>, is_valid: bool) {
        let horizon = NewHorizon {
            time_ms: 1_700_000_000_000,
            is_due: false,
        };
        let mut asked = 0;
        let result = self
            .rewriter
            .rewrite(batch, horizon, LIMIT_BYTES, |record| {
                asked += 1;
                record.offset_delta % 2 == 0
            });
        assert_eq!(result.is_ok(), is_valid, "{result:?}");
        if let Ok(Rewritten::Changed { header, bytes }) = result {
            let rewritten = Batch::parse(bytes).unwrap();
            assert_eq!(rewritten.header, header);
            rewritten.verify_crc().unwrap();
            let records = rewritten.records(&mut self.buffer, LIMIT_BYTES * 2);
            let count = records.unwrap().map(Result::unwrap).count();
            assert_eq!(i32::try_from(count), Ok(header.records_count));
            assert!(count <= asked);
        }
    }
}

/// Valid batches: of every codec small and large, with headers, nulls and gaps; and a marker.
fn corpus() -> Vec<Vec<u8>> {
    let mut corpus = Vec::new();
    for codec in Codec::ALL {
        for (records, value_bytes) in [(1, 10), (5, 3), (40, 100), (3, 20_000)] {
            let mut builder = BatchBuilder::new().producer(1, 0, 0);
            for (index, n) in (0..records).enumerate() {
                let value = vec![b'v'; value_bytes];
                let header = |key, value| Header { key, value };
                let headers = [header(b"h", Some(&b"1"[..])), header(b"h", None)];
                let headers = headers.into_iter().take(index % 3);
                let key = (n % 2 == 0).then_some(&b"key"[..]);
                let value = (n % 5 != 4).then_some(value.as_slice());
                builder
                    .append_at(n * 2, 1_000 - i64::from(n), key, value, headers)
                    .unwrap();
            }
            corpus.push(builder.finish(codec, None).unwrap().to_vec());
        }
    }
    let marker = EndTransactionMarker {
        is_commit: true,
        coordinator_epoch: 3,
    };
    corpus.push(marker.build_batch(5, 6, 7).unwrap().to_vec());
    corpus
}

/// Changes the records under the compression, so that the mutation gets past the codec.
fn mutate_records(bytes: &mut Vec<u8>, random: &mut Random) {
    let batch = Batch::parse(bytes).unwrap();
    let mut header = batch.header;
    let codec = header.attributes.codec().unwrap();
    let mut records = Vec::new();
    decompress(codec, batch.payload(), LIMIT_BYTES, &mut records).unwrap();
    for _ in 0..=random.below(2) {
        mutate(&mut records, random);
    }
    let mut payload = Vec::new();
    compress(codec, None, &records, &mut payload).unwrap();
    header.batch_length = i32::try_from(payload.len() + HEADER_BYTES - 12).unwrap();
    *bytes = [header.encode().as_slice(), &payload].concat();
}

/// One small change: the kinds that find most in length-prefixed formats.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    const INTERESTING: [u8; 10] = [0, 1, 2, 0x0F, 0x7E, 0x7F, 0x80, 0x81, 0xFE, 0xFF];
    let position = random.below(bytes.len().max(1));
    // Half of the time in the first bytes, where headers and lengths are.
    let position = if random.below(2) == 0 {
        position % 80
    } else {
        position
    };
    let position = position.min(bytes.len().saturating_sub(1));
    match random.below(7) {
        _ if bytes.is_empty() => bytes.push(random.byte()),
        0 => bytes[position] ^= 1 << random.below(8),
        1 => bytes[position] = *random.pick(&INTERESTING),
        2 => bytes[position] = random.byte(),
        3 => bytes.truncate(position),
        4 => bytes.insert(position, random.byte()),
        5 => {
            bytes.remove(position);
        }
        _ => {
            let end = (position + random.below(9)).min(bytes.len());
            let copy = bytes[position..end].to_vec();
            let target = random.below(bytes.len());
            bytes.splice(target..target, copy);
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end`, exclusive.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

fn env_number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|error| panic!("{name}={value}: {error}")),
    )
}
