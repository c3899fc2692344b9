//! What records hold: random letters, lines of a file, or their numbers.

use bytes::{Bytes, BytesMut};
use regex::Regex;

use super::arguments::Payload;
use crate::frame::{Context, Failure};

/// Where the values of records come from. The same for every run.
#[derive(Debug)]
pub(super) enum Payloads {
    Letters(usize),
    Chosen(Vec<Bytes>),
    Numbers,
}

impl Payloads {
    /// After the options; a file is read, and told of.
    pub(super) fn new(payload: &Payload, context: &mut Context) -> Result<Self, Failure> {
        Ok(match payload {
            Payload::Size(bytes) => Self::Letters(*bytes),
            Payload::Monotonic => Self::Numbers,
            Payload::File { path, delimiter } => {
                let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
                context.line(format_args!(
                    "Reading payloads from: {}",
                    absolute.display()
                ))?;
                let text = std::fs::read_to_string(path).unwrap_or_default();
                if text.is_empty() {
                    return Err(Failure::Message(
                        "File does not exist or empty file provided.".to_owned(),
                    ));
                }
                let payloads = split(&text, delimiter)?;
                context.line(format_args!("Number of records read: {}", payloads.len()))?;
                if payloads.is_empty() {
                    return Err(Failure::Message(format!(
                        "{} holds nothing but delimiters",
                        path.display()
                    )));
                }
                Self::Chosen(payloads)
            }
        })
    }

    /// The value of a record.
    pub(super) fn next(&self, number: u64, random: &mut Random) -> Bytes {
        match self {
            Self::Letters(size) => random.letters(*size),
            Self::Numbers => Bytes::from(number.to_string()),
            Self::Chosen(payloads) => {
                let index = random.next() % (payloads.len().max(1) as u64);
                let index = usize::try_from(index).unwrap_or_default();
                payloads.get(index).cloned().unwrap_or_default()
            }
        }
    }
}

/// The parts between delimiters, a regular expression; one at the very end begins no part.
fn split(text: &str, delimiter: &str) -> Result<Vec<Bytes>, Failure> {
    let delimiter = Regex::new(delimiter)
        .map_err(|error| Failure::Message(format!("--payload-delimiter {delimiter}: {error}")))?;
    let mut parts: Vec<_> = delimiter.split(text).collect();
    if parts.last().is_some_and(|last| last.is_empty()) {
        parts.pop();
    }
    Ok(parts
        .into_iter()
        .map(|part| Bytes::copy_from_slice(part.as_bytes()))
        .collect())
}

/// Steele's and Vigna's generator of random numbers, which Java's `SplittableRandom` is, too.
#[derive(Debug, Default)]
pub(super) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// Capital letters, eight from each number: faster than one from each, and as hard to compress.
    fn letters(&mut self, bytes: usize) -> Bytes {
        let mut letters = BytesMut::with_capacity(bytes);
        while letters.len() < bytes {
            let eight = self.next().to_le_bytes().map(|byte| b'A' + byte % 26);
            let rest = (bytes - letters.len()).min(eight.len());
            letters.extend_from_slice(eight.get(..rest).unwrap_or_default());
        }
        letters.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_the_size_that_is_asked_for() {
        let mut random = Random(0);
        for bytes in [0, 1, 7, 8, 9, 100] {
            let letters = random.letters(bytes);
            assert_eq!(letters.len(), bytes);
            assert!(letters.iter().all(u8::is_ascii_uppercase));
        }
        assert_ne!(random.letters(20), random.letters(20));
    }

    #[test]
    fn files_are_split_at_delimiters() {
        let split = |text, delimiter| {
            let parts = split(text, delimiter).unwrap();
            let parts: Vec<_> = parts.iter().map(|it| it.to_vec()).collect();
            parts
        };
        assert_eq!(split("a\nb\n", "\n"), [b"a", b"b"]);
        assert_eq!(split("a--b-c", "-+"), [b"a", b"b", b"c"]);
        assert_eq!(split("a\n\nb", "\n"), [&b"a"[..], b"", b"b"]);
        assert!(split("\n", "\n").len() < 2);
    }
}
