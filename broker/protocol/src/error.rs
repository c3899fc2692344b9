//! The crate's error type. The broker maps it to closing the connection or to a Kafka error code.

/// What can be wrong with bytes from a client or a broker, or with a response handed to the
/// encoder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The frame length is negative.
    #[error("frame length {length} is negative")]
    FrameLengthNegative {
        /// The length on the wire.
        length: i32,
    },
    /// The frame is too short to hold API key, API version and correlation id.
    #[error("frame of {frame_bytes} bytes is shorter than a request header")]
    FrameTooShort {
        /// Bytes after the length field.
        frame_bytes: usize,
    },
    /// The frame is longer than its API may be.
    #[error("frame of {frame_bytes} bytes for api key {api_key:?} exceeds {frame_bytes_max}")]
    FrameTooLarge {
        /// Bytes after the length field.
        frame_bytes: usize,
        /// The limit that it exceeds.
        frame_bytes_max: usize,
        /// The API key, once it is known.
        api_key: Option<i16>,
    },
    /// This API or this version of it is not served.
    #[error("api key {api_key} version {api_version} is not served")]
    VersionNotServed {
        /// The API key on the wire.
        api_key: i16,
        /// The version on the wire.
        api_version: i16,
    },
    /// The bytes end inside a field.
    #[error("the message ends inside field {field}")]
    Truncated {
        /// The field's name in Kafka's message definition, or a word for a part of the header.
        field: &'static str,
    },
    /// A length or count is below -1, or null where that cannot be, or not a valid varint.
    #[error("field {field} has an invalid length")]
    LengthInvalid {
        /// The field's name in Kafka's message definition, or a word for a part of the header.
        field: &'static str,
    },
    /// Decoding would take more memory than the limit for a frame of this size.
    #[error("field {field} takes the decoded message over its limit of {decoded_bytes_max} bytes")]
    DecodedTooLarge {
        /// The array, or the structure with unknown tagged fields, that exceeded the limit.
        field: &'static str,
        /// The limit for the whole message.
        decoded_bytes_max: usize,
    },
    /// kafka-protocol refused the bytes: a null where none may be, text that is not UTF-8.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// No client of this project asks for such responses.
    #[error("responses of api key {api_key} are not known here")]
    ResponseUnknown {
        /// The API key.
        api_key: i16,
    },
    /// A response cannot be expressed in the version asked for: a programmer's error.
    #[error("response cannot be encoded: {0}")]
    Unencodable(String),
}
