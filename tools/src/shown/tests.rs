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

#[test]
fn bytes_that_are_no_text_are_written_out() {
    let bytes = [b"ok\n\xed\x95\x9c".as_slice(), b"\xff\xfe\x07"].concat();
    assert_eq!(bytes_on_terminal(&bytes), "ok\n\u{d55c}\\xff\\xfe\\x07");
}
