//! What a request costs beside its records: header, limits, decoding, encoding of the answer.

use std::hint::black_box;

use ringbrook_protocol::messages::{FetchRequest, ProduceRequest};
use ringbrook_protocol::{Request, encode_response};
use ringbrook_record::Codec;

use super::{Row, repeated};
use crate::pieces::{
    FETCH_VERSION, PRODUCE_VERSION, batch, decode_frame, fetch_request, fetch_response, frame,
    produce_request, produce_response,
};

fn decode<Q: Request + 'static>(
    name: String,
    request: impl FnOnce() -> Q + 'static,
    version: i16,
    times: usize,
) -> Row {
    Row::new(name, move |_| {
        let frame = frame(&request(), version);
        move || repeated(times, || decode_frame::<Q>(black_box(&frame), version))
    })
}

fn produce(partitions: i32, times: usize) -> [Row; 2] {
    let request = move || produce_request(partitions, &batch(1, 200, Codec::None));
    let name = format!("protocol/decode Produce, {partitions} partitions");
    let decode = decode::<ProduceRequest>(name, request, PRODUCE_VERSION, times);
    let name = format!("protocol/encode Produce answer, {partitions} partitions");
    let encode = Row::new(name, move |_| {
        let response = produce_response(partitions);
        move || {
            repeated(times, || {
                encode_response(7, black_box(&response), PRODUCE_VERSION)
            });
        }
    });
    [decode, encode]
}

fn fetch(partitions: i32, times: usize) -> [Row; 2] {
    let name = format!("protocol/decode Fetch, {partitions} partitions");
    let request = move || fetch_request(partitions);
    let decode = decode::<FetchRequest>(name, request, FETCH_VERSION, times);
    let name = format!("protocol/encode Fetch answer, {partitions} partitions");
    let encode = Row::new(name, move |_| {
        let response = fetch_response((0..partitions).map(|_| 64 << 10));
        move || {
            repeated(times, || {
                encode_response(7, black_box(&response), FETCH_VERSION)
            });
        }
    });
    [decode, encode]
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (partitions, times) in [(1, 500), (100, 10)] {
        rows.extend(produce(partitions, times));
        rows.extend(fetch(partitions, times));
    }
    rows
}
