//! Ids as Kafka writes them: base64 for URLs, without padding (`org.apache.kafka.common.Uuid`).

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use uuid::Uuid;

/// As lenient as Java's: padding or not, whatever the last digit's spare bits are.
const URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// An id as 22 characters.
#[must_use]
pub fn uuid_text(id: Uuid) -> String {
    URL.encode(id.as_bytes())
}

/// Reads what [`uuid_text`] writes.
#[must_use]
pub fn uuid_of_text(text: &str) -> Option<Uuid> {
    Uuid::from_slice(&URL.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_written_as_kafka_writes_them() {
        assert_eq!(uuid_text(Uuid::nil()), "AAAAAAAAAAAAAAAAAAAAAA");
        // org.apache.kafka.common.Uuid.ONE_UUID and METADATA_TOPIC_ID.
        assert_eq!(uuid_text(Uuid::from_u128(1)), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(uuid_text(Uuid::max()), "_____________________w");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "A", "AAAAAAAAAAAAAAAAAAAAA!", "AAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(uuid_of_text(text), None);
        }
    }

    proptest! {
        #[test]
        fn ids_are_read_back(bits: u128) {
            let id = Uuid::from_u128(bits);
            prop_assert_eq!(uuid_of_text(&uuid_text(id)), Some(id));
        }
    }
}
