//! Tests of [`super`].

use super::*;

#[test]
fn programs_get_text_unchanged() {
    assert_eq!(on(false, "\u{1b}[31mred\0"), "\u{1b}[31mred\0");
}

#[test]
fn terminals_get_no_control_characters() {
    assert_eq!(on(true, "a\tb \u{1b}[31m\u{9b}c"), "a\tb \\x1b[31m\\x9bc");
    let korean = "\u{d55c}\u{ad6d}\u{c5b4}";
    assert_eq!(on(true, korean), korean);
}
