//! Patterns against topics.

use super::super::fake_topics::FakeTopics;
use super::*;

fn names(names: &[&str]) -> BTreeSet<Arc<str>> {
    names.iter().map(|&name| name.into()).collect()
}

#[test]
fn patterns_resolve_to_the_topics_they_describe_as_a_whole() {
    let topics = FakeTopics::new(&[("foo", 1), ("foobar", 1), ("bar", 1), ("xfoo", 1)]);
    let patterns = names(&["foo.*", "bar|foo", "nothing"]);
    let resolved = resolve_topic_regexes(&patterns, &topics);
    let expected: BTreeMap<Arc<str>, BTreeSet<Arc<str>>> = [
        ("foo.*".into(), names(&["foo", "foobar"])),
        ("bar|foo".into(), names(&["bar", "foo"])),
        ("nothing".into(), names(&[])),
    ]
    .into();
    assert_eq!(resolved, expected);
}

#[test]
fn an_invalid_stored_pattern_matches_nothing() {
    let topics = FakeTopics::new(&[("foo", 1)]);
    let resolved = resolve_topic_regexes(&names(&["f(", "f.*"]), &topics);
    assert_eq!(resolved["f("], names(&[]));
    assert_eq!(resolved["f.*"], names(&["foo"]));
}

#[test]
fn errors_name_the_pattern_and_the_reason() {
    let error = TopicRegex::parse("a**").unwrap_err();
    assert_eq!(
        error.to_string(),
        "SubscribedTopicRegex `a**` is not a valid regular expression: \
         invalid nested repetition operator."
    );
    let error = TopicRegex::parse("(a").unwrap_err();
    assert_eq!(error.reason, "unclosed group");
}

#[test]
fn a_pattern_that_compiles_too_large_is_refused() {
    let error = TopicRegex::parse("((a{100}){100}){100}").unwrap_err();
    assert!(error.reason.contains("exceeds size limit"), "{error}");
}
