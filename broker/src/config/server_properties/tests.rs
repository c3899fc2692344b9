//! Java's properties syntax as people use it.

use std::{io::Write, path::PathBuf};

use super::*;

fn value_of(text: &str, key: &str) -> Option<String> {
    parse_properties(text.as_bytes())
        .expect("valid syntax")
        .remove(key)
}

#[test]
fn separators_comments_and_continuations() {
    let text = "# note\n! note\n a = 1\nb:2\nc 3\nlist=x,\\\n    y\nempty=\n";
    assert_eq!(value_of(text, "a").as_deref(), Some("1"));
    assert_eq!(value_of(text, "b").as_deref(), Some("2"));
    assert_eq!(value_of(text, "c").as_deref(), Some("3"));
    assert_eq!(value_of(text, "list").as_deref(), Some("x,y"));
    assert_eq!(value_of(text, "empty").as_deref(), Some(""));
    assert_eq!(value_of(text, "note"), None);
}

#[test]
fn the_last_of_several_lines_wins() {
    assert_eq!(value_of("k=1\nk=2\n", "k").as_deref(), Some("2"));
}

#[test]
fn windows_line_ends_do_not_stick_to_values() {
    assert_eq!(value_of("k=1\r\nj=2\r\n", "k").as_deref(), Some("1"));
}

#[test]
fn utf_8_latin_1_and_escapes_give_the_same_text() {
    assert_eq!(
        value_of("rack=K\u{f6}ln", "rack").as_deref(),
        Some("K\u{f6}ln")
    );
    assert_eq!(
        value_of("rack=K\\u00f6ln", "rack").as_deref(),
        Some("K\u{f6}ln")
    );
    let latin = parse_properties(b"rack=K\xf6ln").expect("valid syntax");
    assert_eq!(latin.get("rack").map(String::as_str), Some("K\u{f6}ln"));
}

#[test]
fn a_missing_file_and_a_broken_escape_name_the_file() {
    let missing = read_properties(&PathBuf::from("/nonexistent/server.properties"));
    let text = missing.unwrap_err().to_string();
    assert!(text.contains("/nonexistent/server.properties"), "{text}");

    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(b"a=1\nb=\\u00zz\n").expect("written");
    let text = read_properties(file.path()).unwrap_err().to_string();
    assert!(text.contains(&*file.path().to_string_lossy()), "{text}");
}
