//! What a request costs beside its records, on both sides: header, limits, decoding, encoding.
//!
//! Explains the CPU time per request: `cargo bench -p ringbrook-bench --bench protocol`.

use std::hint::black_box;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use criterion::{Criterion, criterion_group, criterion_main};
use ringbrook_gate::pieces::{
    FETCH_VERSION, PRODUCE_VERSION, batch, decode_fetch, decode_produce, fetch_request,
    fetch_response, frame, produce_request, produce_response,
};
use ringbrook_protocol::messages::{FetchRequest, ProduceRequest};
use ringbrook_protocol::{
    LENGTH_BYTES, Part, Request, ResponseBody, decode_response, encode_response,
    encode_response_into,
};
use ringbrook_record::Codec;

/// Both ends of a request: the client encodes it, the broker decodes it.
fn request<Q: Request, D>(
    c: &mut Criterion,
    name: &str,
    (request, version): (&Q, i16),
    mut decode: impl FnMut(&Bytes) -> D,
) {
    c.bench_function(&format!("{name}/encode request"), |b| {
        b.iter(|| frame(black_box(request), version));
    });
    let frame = frame(request, version);
    c.bench_function(&format!("{name}/decode request"), |b| {
        b.iter(|| decode(black_box(&frame)));
    });
}

/// The bytes of an answer that stands in memory, without the length field.
fn answer<R: ResponseBody>(response: &R, version: i16) -> Bytes {
    let encoded = encode_response(7, response, version).expect("the answer fits its version");
    let mut bytes = BytesMut::new();
    for part in encoded.into_parts() {
        match part {
            Part::Bytes(part) => bytes.extend_from_slice(&part),
            Part::Region(_) => panic!("the answer has no gaps"),
        }
    }
    bytes.advance(LENGTH_BYTES);
    bytes.freeze()
}

fn produce(c: &mut Criterion) {
    let batch = batch(1, 200, Codec::None);
    for partitions in [1, 100] {
        let name = format!("produce, {partitions} partitions");
        let sent = produce_request(partitions, &batch);
        let mut decoded = ringbrook_protocol::produce::Request::default();
        request(c, &name, (&sent, PRODUCE_VERSION), |frame| {
            decode_produce(frame, black_box(&mut decoded));
        });
        let response = produce_response(partitions);
        c.bench_function(&format!("{name}/encode response"), |b| {
            let mut frames = Vec::new();
            b.iter(|| {
                frames.clear();
                encode_response_into(&mut frames, 7, black_box(&response), PRODUCE_VERSION)
            });
        });
        let mut answer = Vec::new();
        encode_response_into(&mut answer, 7, &response, PRODUCE_VERSION).expect("an answer");
        let answer = Bytes::from(answer).slice(LENGTH_BYTES..);
        c.bench_function(&format!("{name}/decode response"), |b| {
            b.iter(|| {
                let answer = black_box(&answer).clone();
                decode_response::<ProduceRequest>(answer, PRODUCE_VERSION).expect("an answer")
            });
        });
    }
}

fn fetch(c: &mut Criterion) {
    let batch = batch(60, 1024, Codec::None);
    for partitions in [1, 100] {
        let name = format!("fetch, {partitions} partitions");
        let sent = fetch_request(partitions);
        request(c, &name, (&sent, FETCH_VERSION), decode_fetch);
        let mut response = fetch_response((0..partitions).map(|_| batch.len()));
        c.bench_function(&format!("{name}/encode response"), |b| {
            b.iter(|| encode_response(7, black_box(&response), FETCH_VERSION));
        });
        // What `sendfile` puts into the gaps.
        for partition in &mut response.responses[0].partitions {
            partition.records = Some(batch.clone());
        }
        let answer = answer(&response, FETCH_VERSION);
        c.bench_function(&format!("{name}/decode response"), |b| {
            b.iter(|| {
                let answer = black_box(&answer).clone();
                decode_response::<FetchRequest>(answer, FETCH_VERSION).expect("an answer")
            });
        });
    }
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
}

criterion_group! {
    name = benches;
    config = quick();
    targets = produce, fetch
}
criterion_main!(benches);
