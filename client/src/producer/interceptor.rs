//! Those who see every record before it is sent and after it was answered: Kafka's
//! `ProducerInterceptor`. They see records as the application gives them, before serializers and
//! partitioners.

use std::sync::Arc;

use super::{ProducerRecord, RecordMetadata};
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// Sees, and may change, records of keys `K` and values `V`. Called from many tasks at once; what
/// takes long here holds up sending.
pub trait ProducerInterceptor<K, V>: Send + Sync {
    /// Before a record is serialized: the record to be sent in its place.
    fn on_send(&self, record: ProducerRecord<K, V>) -> ProducerRecord<K, V> {
        record
    }

    /// After a record was acknowledged, or could not be sent; before its callback. Without a
    /// partition yet, the `topic_partition` has partition -1.
    fn on_acknowledgement(
        &self,
        _topic_partition: &TopicPartition,
        _outcome: Result<&RecordMetadata, &ClientError>,
    ) {
    }

    /// When the producer closes.
    fn close(&self) {}
}

/// Interceptors in the order they were given in: each gets the record that the one before returned.
/// Cheap to clone.
pub struct Interceptors<K, V>(Arc<[Arc<dyn ProducerInterceptor<K, V>>]>);

impl<K, V> Interceptors<K, V> {
    /// In this order.
    #[must_use]
    pub fn new(interceptors: Vec<Arc<dyn ProducerInterceptor<K, V>>>) -> Self {
        Self(interceptors.into())
    }

    /// Whether there are none: nothing need be kept for them then.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The record to be sent.
    #[must_use]
    pub fn on_send(&self, record: ProducerRecord<K, V>) -> ProducerRecord<K, V> {
        let on_send =
            |record, interceptor: &Arc<dyn ProducerInterceptor<K, V>>| interceptor.on_send(record);
        self.0.iter().fold(record, on_send)
    }

    /// Tells all how a record fared.
    pub fn on_acknowledgement(
        &self,
        topic_partition: &TopicPartition,
        outcome: Result<&RecordMetadata, &ClientError>,
    ) {
        for interceptor in self.0.iter() {
            interceptor.on_acknowledgement(topic_partition, outcome);
        }
    }

    /// Tells all that the producer closes.
    pub fn close(&self) {
        for interceptor in self.0.iter() {
            interceptor.close();
        }
    }
}

impl<K, V> Clone for Interceptors<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Default for Interceptors<K, V> {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Adds its name to values, and notes what it sees.
    struct Named(&'static str, Arc<Mutex<Vec<String>>>);

    impl Named {
        fn note(&self, seen: String) {
            self.1.lock().unwrap().push(format!("{} {seen}", self.0));
        }
    }

    impl ProducerInterceptor<(), String> for Named {
        fn on_send(&self, mut record: ProducerRecord<(), String>) -> ProducerRecord<(), String> {
            record.value = record.value.map(|value| value + self.0);
            record
        }

        fn on_acknowledgement(
            &self,
            topic_partition: &TopicPartition,
            outcome: Result<&RecordMetadata, &ClientError>,
        ) {
            let outcome = outcome.map_or_else(ToString::to_string, ToString::to_string);
            self.note(format!("{topic_partition}: {outcome}"));
        }

        fn close(&self) {
            self.note("closed".to_owned());
        }
    }

    struct Idle;

    impl ProducerInterceptor<(), String> for Idle {}

    #[test]
    fn all_see_every_record_in_order_and_its_outcome() {
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let named = |name| -> Arc<dyn ProducerInterceptor<(), String>> {
            Arc::new(Named(name, Arc::clone(&seen)))
        };
        let interceptors = Interceptors::new(vec![named("a"), Arc::new(Idle), named("b")]);
        let record = interceptors.on_send(ProducerRecord::new("t", "x".to_owned()));
        assert_eq!(record.value.as_deref(), Some("xab"));
        let closed = ClientError::Closed("producer");
        interceptors.on_acknowledgement(&TopicPartition::new("t", -1), Err(&closed));
        interceptors.clone().close();
        let expected = [
            "a t--1: the producer is closed",
            "b t--1: the producer is closed",
            "a closed",
            "b closed",
        ];
        assert_eq!(*seen.lock().unwrap(), expected);
        assert!(!interceptors.is_empty() && Interceptors::<(), ()>::default().is_empty());
    }
}
