//! The translation against what re2j 1.8 does with the same patterns and names.

use super::super::topic_regex::TopicRegex;
use super::*;

/// Pattern, `ok` or `invalid`, and which of [`NAMES`] it matches as a whole (`""` is the empty
/// name): what a program asked of `com.google.re2j.Pattern` (1.8), the library of Kafka 4.3.
const RE2J: &str = include_str!("re2j.tsv");

const NAMES: [&str; 42] = [
    "a", "b", "aa", "aaa", "ab", "A", "foo", "foo-1", "foobar", "a.b", "a{", "a{,2}", "a{2", "-",
    "&", "+", ",", "[b", "ab]", "B]", "z", "K", "k", "1", "_", "A{start}", "{start}", "", "aab",
    "abb", "ABC", "abc", "<a", ">", "a&b", "a-b", "]", "a]", "^]", "S", ":", "l",
];

#[test]
fn patterns_mean_what_they_mean_to_re2j() {
    let mut checked = 0;
    for line in RE2J.lines() {
        let mut columns = line.split('\t');
        let (pattern, verdict) = (columns.next().unwrap(), columns.next().unwrap());
        let parsed = TopicRegex::parse(pattern);
        assert_eq!(parsed.is_ok(), verdict == "ok", "{pattern}: {parsed:?}");
        checked += 1;
        let Ok(regex) = parsed else { continue };
        let expected: Vec<&str> = columns
            .next()
            .unwrap()
            .split(' ')
            .filter(|name| !name.is_empty())
            .map(|name| if name == r#""""# { "" } else { name })
            .collect();
        for name in NAMES {
            let is_expected = expected.contains(&name);
            assert_eq!(regex.matches(name), is_expected, "{pattern} on {name}");
        }
    }
    assert!(100 < checked, "only {checked} patterns");
}

#[test]
fn characters_beyond_ascii_stand_for_themselves() {
    let regex = TopicRegex::parse("[\u{e0}-\u{ff}]\u{e9}").unwrap();
    assert!(regex.matches("\u{e8}\u{e9}"));
    assert!(!regex.matches("e\u{e9}"));
}

#[test]
fn counts_with_leading_zeros_are_characters() {
    let regex = TopicRegex::parse("a{02}").unwrap();
    assert!(regex.matches("a{02}"));
    assert!(!regex.matches("aa"));
}

#[test]
fn large_counts_are_refused_however_long() {
    for pattern in ["a{1001}", "a{1,1001}", "a{99999999999999999999}", "a{3,2}"] {
        assert_eq!(translate(pattern), Err(Re2Error::InvalidRepeatCount));
    }
}

mod random {
    use proptest::prelude::*;

    use super::super::*;

    proptest! {
        /// Whatever is translated, the regex crate accepts, but for parentheses and names of
        /// classes, which are left to it; and nothing panics.
        #[test]
        fn what_is_translated_compiles(pattern in r"[a-c\[\]\\{}*+?|.^$&~:,0-9QEdwx-]{0,24}") {
            if let Ok(translated) = translate(&pattern) {
                let compiled = regex::Regex::new(&translated);
                prop_assert!(compiled.is_ok(), "{pattern} -> {translated}: {compiled:?}");
            }
        }

        #[test]
        fn arbitrary_text_never_panics(pattern in ".{0,40}") {
            drop(translate(&pattern));
        }

        /// A quoted name is matched by nothing but itself.
        #[test]
        fn quoted_text_matches_itself(name in "[ -~]{0,20}") {
            prop_assume!(!name.contains(r"\E"));
            let regex = super::TopicRegex::parse(&format!(r"\Q{name}\E")).unwrap();
            prop_assert!(regex.matches(&name));
            let longer = format!("{name}x");
            prop_assert!(!regex.matches(&longer));
        }
    }
}
