//! What a call about several items came to: a result for each of them.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::Deref;

use crate::error::ClientError;

/// One result per item asked for, by item. One item's failure never hides another's success.
#[derive(Debug, Clone)]
pub struct PerItem<K, V>(BTreeMap<K, Result<V, ClientError>>);

impl<K: Ord, V> PerItem<K, V> {
    /// All values, or the first error in the order of items.
    ///
    /// # Errors
    /// Some item has failed.
    pub fn all(self) -> Result<BTreeMap<K, V>, ClientError> {
        let items = self.0.into_iter();
        items.map(|(key, result)| Ok((key, result?))).collect()
    }

    /// The result of one item: for calls about one only.
    ///
    /// # Errors
    /// It has failed, or was never asked for.
    pub fn only(mut self, key: &K) -> Result<V, ClientError> {
        self.0.remove(key).unwrap_or_else(|| {
            let text = "the result of an item that was not asked for".to_owned();
            Err(ClientError::InvalidArgument(text))
        })
    }

    /// As a map.
    #[must_use]
    pub fn into_map(self) -> BTreeMap<K, Result<V, ClientError>> {
        self.0
    }

    /// The same items with other values.
    #[must_use]
    pub fn map<T>(self, mut with: impl FnMut(V) -> T) -> PerItem<K, T> {
        let items = self.0.into_iter();
        items
            .map(|(key, result)| (key, result.map(&mut with)))
            .collect()
    }
}

impl<K, V> Deref for PerItem<K, V> {
    type Target = BTreeMap<K, Result<V, ClientError>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K: Ord, V> FromIterator<(K, Result<V, ClientError>)> for PerItem<K, V> {
    fn from_iter<T: IntoIterator<Item = (K, Result<V, ClientError>)>>(items: T) -> Self {
        Self(items.into_iter().collect())
    }
}

impl<K, V> IntoIterator for PerItem<K, V> {
    type Item = (K, Result<V, ClientError>);
    type IntoIter = btree_map::IntoIter<K, Result<V, ClientError>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
