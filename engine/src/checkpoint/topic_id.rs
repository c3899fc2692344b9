//! Kafka's text form of a UUID: 22 characters of unpadded base64url. (Kafka `Uuid`.) Used for topic
//! ids, directory ids and the cluster id.

use uuid::Uuid;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const TEXT_BYTES: usize = 22;

/// The text form.
pub(crate) fn encode_id(id: Uuid) -> String {
    // 128 bits are 21 groups of 6 and one of 2, which stands in the group's high bits.
    let bits = id.as_u128();
    let mut text = String::with_capacity(TEXT_BYTES);
    for group in 0..21 {
        let index = (bits >> (122 - 6 * group)) & 0x3f;
        text.push(char::from(
            ALPHABET[usize::try_from(index).expect("six bits")],
        ));
    }
    let last = usize::try_from(bits & 0x3).expect("two bits") << 4;
    text.push(char::from(ALPHABET[last]));
    text
}

/// The UUID of a text form; `None` when it is none.
pub(crate) fn decode_id(text: &str) -> Option<Uuid> {
    let bytes: &[u8; TEXT_BYTES] = text.as_bytes().try_into().ok()?;
    let mut bits: u128 = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let value = ALPHABET.iter().position(|known| known == byte)? as u128;
        if index == TEXT_BYTES - 1 {
            if value & 0xf != 0 {
                return None;
            }
            bits = (bits << 2) | (value >> 4);
        } else {
            bits = (bits << 6) | value;
        }
    }
    Some(Uuid::from_u128(bits))
}

/// A new random id whose text does not start with `-`, which command lines would take for an
/// option.
pub(crate) fn random_id() -> Uuid {
    loop {
        let id = Uuid::new_v4();
        if !encode_id(id).starts_with('-') {
            return id;
        }
    }
}
