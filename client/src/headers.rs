//! Headers of records: an ordered list in which keys may repeat, as Kafka's `Headers`.

use bytes::Bytes;
use ringbrook_protocol::StrBytes;

/// One header. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    key: StrBytes,
    value: Option<Bytes>,
}

impl Header {
    /// A header with a value.
    pub fn new(key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self::of(StrBytes::from_string(key.into()), Some(value.into()))
    }

    /// A header whose value is null.
    pub fn null(key: impl Into<String>) -> Self {
        Self::of(StrBytes::from_string(key.into()), None)
    }

    /// From parts that may point into a response.
    pub(crate) fn of(key: StrBytes, value: Option<Bytes>) -> Self {
        Self { key, value }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value, unless it is null.
    #[must_use]
    pub fn value(&self) -> Option<&Bytes> {
        self.value.as_ref()
    }
}

/// The headers of a record, in order. An empty list takes no memory of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one at the end; others with the same key stay.
    pub fn add(&mut self, header: Header) {
        self.0.push(header);
    }

    /// Takes all headers with a key out.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|header| header.key() != key);
    }

    /// The last header with a key.
    #[must_use]
    pub fn last(&self, key: &str) -> Option<&Header> {
        self.0.iter().rev().find(|header| header.key() == key)
    }

    /// All headers with a key, in order.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Header> {
        self.0.iter().filter(move |header| header.key() == key)
    }

    /// All headers, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl IntoIterator for Headers {
    type Item = Header;
    type IntoIter = std::vec::IntoIter<Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_may_repeat_and_keep_their_order() {
        let mut headers: Headers = [
            Header::new("a", "1"),
            Header::null("b"),
            Header::new("a", "2"),
        ]
        .into_iter()
        .collect();
        let value = |header: &Header| header.value().cloned();
        assert_eq!(headers.last("a").and_then(value), Some("2".into()));
        let all: Vec<_> = headers.all("a").filter_map(value).collect();
        assert_eq!(all, ["1", "2"]);
        assert_eq!(headers.last("b").map(value), Some(None));
        headers.remove("a");
        let keys: Vec<_> = headers.iter().map(Header::key).collect();
        assert_eq!(keys, ["b"]);
    }
}
