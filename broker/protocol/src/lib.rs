//! Kafka's wire protocol as the broker needs it: framing, header, limits, versions, response
//! encoding.
//!
//! The message structs and their codecs are kafka-protocol's, re-exported here. This crate adds
//! what that crate leaves open: limits that hold before anything is allocated, responses whose
//! records stay in files, and the Produce request and response ([`produce`]). No I/O happens here,
//! and record batches are ringbrook-record's (kafka-protocol's own records module loses duplicate
//! header keys and is never used).
//!
//! The road of a request: [`frame::parse_length`] on 4 bytes, [`HeaderPrefix::parse`] and
//! [`FrameLimits::check`] on the next 8, [`request::decode_request_header`] and [`request::decode`]
//! on the whole frame, [`sink::encode_response`] for the answer. A client takes that apart with
//! [`response::decode_response`].
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod error;
pub mod frame;
pub mod produce;
pub mod request;
pub mod response;
pub mod schema;
pub mod sink;
pub mod versions;
mod walk;

pub use error::ProtocolError;
pub use frame::{FrameLimits, HEADER_PREFIX_BYTES, HeaderPrefix, LENGTH_BYTES, parse_length};
pub use request::{
    ClientId, RequestHeader, check_limits, decode, decode_request_header, decoded_bytes_max,
};
pub use response::{
    check_response_limits, correlation_id, decode_response, response_decoded_bytes_max,
};
pub use sink::{
    EncodeBody, EncodedResponse, Part, REGION_BYTES_MAX, ResponseBody, encode_response,
    encode_response_into, placeholder,
};
pub use versions::{API_VERSIONS, ApiVersionRange, served_versions};

pub use kafka_protocol::ResponseError;
pub use kafka_protocol::messages;
pub use kafka_protocol::messages::ApiKey;
pub use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange,
};
