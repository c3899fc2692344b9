//! Which topics an expression such as `--topic 'orders-.*,payments'` means (Kafka's `IncludeList`).

use regex::Regex;

use super::Failure;

/// An expression over topic names: commas stand for alternatives, the whole name has to match.
#[derive(Debug, Clone)]
pub struct TopicFilter {
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// No character of it has a meaning of its own. By far the most frequent, and compiling an
    /// expression takes longer than asking the broker.
    Name(String),
    Expression(Box<Regex>),
}

impl TopicFilter {
    /// Reads an expression; blanks and enclosing quotes are dropped, as Kafka's tools do.
    ///
    /// # Errors
    /// It is no regular expression.
    pub fn new(text: &str) -> Result<Self, Failure> {
        let text = text.trim().replace(',', "|").replace(' ', "");
        let text = text.trim_matches(['"', '\'']);
        let is_plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let kind = if text.chars().all(is_plain) {
            Kind::Name(text.to_owned())
        } else {
            let expression = Regex::new(&format!("^(?:{text})$"));
            let expression =
                expression.map_err(|_| Failure::Message(format!("{text} is an invalid regex.")))?;
            Kind::Expression(Box::new(expression))
        };
        Ok(Self { kind })
    }

    /// Whether the expression means this topic.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        match &self.kind {
            Kind::Name(name) => name == topic,
            Kind::Expression(expression) => expression.is_match(topic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lists_and_expressions_match_whole_names() {
        for (text, matching, other) in [
            ("orders", "orders", "orders-2"),
            ("orders, payments", "payments", "orders,payments"),
            ("\"a.*\"", "abc", "ba"),
            ("a.c", "abc", "abcd"),
            ("a|b", "b", "ab"),
        ] {
            let filter = TopicFilter::new(text).unwrap();
            assert!(filter.matches(matching), "{text} {matching}");
            assert!(!filter.matches(other), "{text} {other}");
        }
        let error = TopicFilter::new("a(").unwrap_err().to_string();
        assert_eq!(error, "a( is an invalid regex.");
    }
}
