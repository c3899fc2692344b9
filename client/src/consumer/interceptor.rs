//! Those who see what `poll` returns and what is committed: Kafka's `ConsumerInterceptor`.

use std::sync::Arc;

use super::commit::Offsets;
use super::record::ConsumerRecords;

/// Sees, and may change, records of keys `K` and values `V` on their way to the application. What
/// takes long here holds up `poll`.
pub trait ConsumerInterceptor<K, V>: Send + Sync {
    /// Before `poll` or a stream returns records: those to be returned in their place. Records may
    /// be changed and left out ([`ConsumerRecords::retain`]); positions move behind all of them.
    fn on_consume(&self, records: ConsumerRecords<K, V>) -> ConsumerRecords<K, V> {
        records
    }

    /// After offsets were committed, in whatever way. Called on the runtime.
    fn on_commit(&self, _offsets: &Offsets) {}

    /// When the consumer closes.
    fn close(&self) {}
}

/// Interceptors in the order they were given in: each gets what the one before returned.
pub(super) struct Interceptors<K, V>(pub(super) Vec<Arc<dyn ConsumerInterceptor<K, V>>>);

/// Is told of offsets that were committed.
pub(super) type OnCommit = Arc<dyn Fn(&Offsets) + Send + Sync>;

impl<K: 'static, V: 'static> Interceptors<K, V> {
    pub(super) fn on_commit(&self) -> OnCommit {
        let all = self.0.clone();
        Arc::new(move |offsets| {
            for interceptor in &all {
                interceptor.on_commit(offsets);
            }
        })
    }
}

impl<K, V> Interceptors<K, V> {
    pub(super) fn on_consume(&self, records: ConsumerRecords<K, V>) -> ConsumerRecords<K, V> {
        let on_consume = |records, it: &Arc<dyn ConsumerInterceptor<K, V>>| it.on_consume(records);
        self.0.iter().fold(records, on_consume)
    }

    pub(super) fn close(&self) {
        for interceptor in &self.0 {
            interceptor.close();
        }
    }
}
