//! Ids as Kafka writes them: base64 for URLs, without padding (`org.apache.kafka.common.Uuid`).

use uuid::Uuid;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const DIGITS_COUNT: u32 = 22;

/// An id as 22 characters.
#[must_use]
pub fn uuid_text(id: Uuid) -> String {
    // 128 bits are 21 digits of six bits and one that has two bits of its own.
    let bits = id.as_u128();
    let digits = (0..DIGITS_COUNT).map(|index| {
        let shift = 128 - 6 * (i64::from(index) + 1);
        let digit = if shift < 0 {
            bits << -shift
        } else {
            bits >> shift
        };
        let digit = usize::try_from(digit & 63).unwrap_or_default();
        DIGITS.get(digit).copied().map_or('A', char::from)
    });
    digits.collect()
}

/// Reads what [`uuid_text`] writes.
#[must_use]
pub fn uuid_of_text(text: &str) -> Option<Uuid> {
    let text = text.trim_end_matches('=');
    if text.len() != usize::try_from(DIGITS_COUNT).ok()? {
        return None;
    }
    let mut bits = 0_u128;
    for (index, c) in (0..DIGITS_COUNT).zip(text.bytes()) {
        let digit = DIGITS.iter().position(|known| *known == c)?;
        let digit = u128::try_from(digit).ok()?;
        bits = if index + 1 < DIGITS_COUNT {
            bits << 6 | digit
        } else {
            bits << 2 | digit >> 4
        };
    }
    Some(Uuid::from_u128(bits))
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
