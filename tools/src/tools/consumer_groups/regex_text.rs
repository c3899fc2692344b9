//! Whether a regular expression is valid, in the words of Kafka's tool. Pure.

use regex::Regex;

/// What is wrong, as Rust's and as Java's implementation of RE2 say it.
const WORDS: [(&str, &str); 8] = [
    ("unclosed group", "missing closing )"),
    ("unopened group", "regexp/syntax: internal error"),
    ("unclosed character class", "missing closing ]"),
    (
        "invalid character class range",
        "invalid character class range",
    ),
    (
        "repetition operator missing expression",
        "missing argument to repetition operator",
    ),
    (
        "incomplete escape sequence",
        "trailing backslash at end of expression",
    ),
    ("unrecognized escape sequence", "invalid escape sequence"),
    (
        "backreferences are not supported",
        "invalid escape sequence",
    ),
];

/// The line that says it.
pub(super) fn verdict(regex: &str) -> String {
    let Err(error) = Regex::new(regex) else {
        return format!("The regular expression `{regex}` is valid.");
    };
    let text = error.to_string();
    let known = WORDS.iter().find(|(ours, _)| text.contains(ours));
    let last_line = text.lines().last().unwrap_or_default();
    let what = known.map_or_else(
        || last_line.trim_start_matches("error: ").to_owned(),
        |(_, words)| (*words).to_owned(),
    );
    format!("The regular expression `{regex}` is invalid: {what}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_in_kafkas_words() {
        assert_eq!(verdict("a.*b"), "The regular expression `a.*b` is valid.");
        for (regex, what) in [
            ("(a", "missing closing )"),
            ("a)", "regexp/syntax: internal error"),
            ("[a", "missing closing ]"),
            ("*a", "missing argument to repetition operator"),
            ("a\\", "trailing backslash at end of expression"),
            ("[b-a]", "invalid character class range"),
            ("(a)\\1", "invalid escape sequence"),
        ] {
            let expected = format!("The regular expression `{regex}` is invalid: {what}.");
            assert_eq!(verdict(regex), expected);
        }
    }
}
