//! Text from records on its way to a reader. A program gets it as it is; a terminal would obey
//! what control characters and escape sequences in it say, so a person sees them written out.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` for standard output, which is a terminal or not.
pub(crate) fn on(is_terminal: bool, text: &str) -> Cow<'_, str> {
    let is_unsafe = |character: char| character.is_control() && character != '\t';
    if !is_terminal || !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            write!(safe, "\\x{:02x}", u32::from(character)).expect("a String takes every text");
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// Bytes of a record as they are shown on a terminal: as text where they are UTF-8 and without
/// control characters but line breaks and tabs; other bytes as `\x1b`.
pub(crate) fn bytes_on_terminal(bytes: &[u8]) -> String {
    let mut safe = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for (index, line) in chunk.valid().split('\n').enumerate() {
            if 0 < index {
                safe.push('\n');
            }
            safe.push_str(&on(true, line));
        }
        for byte in chunk.invalid() {
            write!(safe, "\\x{byte:02x}").expect("a String takes every text");
        }
    }
    safe
}

#[cfg(test)]
mod tests;
