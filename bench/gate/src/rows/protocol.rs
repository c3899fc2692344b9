//! What a request costs beside its records: header, limits, decoding, encoding of the answer.

use std::hint::black_box;

use ringbrook_protocol::produce::Request;
use ringbrook_protocol::{encode_response, encode_response_into};
use ringbrook_record::Codec;

use super::{Row, repeated};
use crate::pieces::{
    FETCH_VERSION, PRODUCE_VERSION, batch, decode_fetch, decode_produce, fetch_request,
    fetch_response, frame, produce_request, produce_response,
};

fn produce(partitions: i32, times: usize) -> [Row; 2] {
    let name = format!("protocol/decode Produce, {partitions} partitions");
    let decode = Row::new(name, move |_| {
        let request = produce_request(partitions, &batch(1, 200, Codec::None));
        let frame = frame(&request, PRODUCE_VERSION);
        let mut request = Request::default();
        move || {
            repeated(times, || {
                decode_produce(black_box(&frame), black_box(&mut request));
            });
        }
    });
    let name = format!("protocol/encode Produce answer, {partitions} partitions");
    let encode = Row::new(name, move |_| {
        let response = produce_response(partitions);
        let mut frames = Vec::new();
        move || {
            repeated(times, || {
                frames.clear();
                encode_response_into(&mut frames, 7, black_box(&response), PRODUCE_VERSION)
            });
        }
    });
    [decode, encode]
}

fn fetch(partitions: i32, times: usize) -> [Row; 2] {
    let name = format!("protocol/decode Fetch, {partitions} partitions");
    let decode = Row::new(name, move |_| {
        let frame = frame(&fetch_request(partitions), FETCH_VERSION);
        move || repeated(times, || decode_fetch(black_box(&frame)))
    });
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
