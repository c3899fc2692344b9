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

#[cfg(test)]
mod tests;
