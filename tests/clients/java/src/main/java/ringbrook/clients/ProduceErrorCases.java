package ringbrook.clients;

import java.util.List;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.errors.InvalidTimestampException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TimeoutException;

/** Records that a broker refuses, each with the exception of its own error code. */
final class ProduceErrorCases {
    private ProduceErrorCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("a_batch_one_byte_above_max_message_bytes_is_record_too_large",
                ProduceErrorCases::tooLarge),
            new Case("a_record_above_the_topics_own_limit_is_record_too_large",
                ProduceErrorCases::topicLimit),
            new Case("a_record_above_max_request_size_is_refused_by_the_client",
                ProduceErrorCases::clientLimit),
            new Case("acks_zero_of_a_record_too_large_loses_only_that_record",
                ProduceErrorCases::acksZeroTooLarge),
            new Case("a_record_without_key_on_a_compacted_topic_is_invalid_record",
                ProduceErrorCases::keyless),
            new Case("a_timestamp_too_far_in_the_future_is_invalid_timestamp",
                ProduceErrorCases::future),
            new Case("a_timestamp_too_far_in_the_past_is_invalid_timestamp",
                ProduceErrorCases::past),
            new Case("produce_to_an_invalid_topic_name_is_invalid_topic",
                ProduceErrorCases::badTopic),
            new Case("produce_to_a_partition_that_does_not_exist_times_out",
                ProduceErrorCases::noPartition),
            new Case("a_refused_batch_does_not_stop_an_idempotent_producer",
                ProduceErrorCases::goesOn));
    }

    private static void tooLarge(Broker broker) throws Exception {
        String topic = broker.createTopic("too-large", 1);
        try (Producer<byte[], byte[]> producer = broker.producer(
                ProducerConfig.MAX_REQUEST_SIZE_CONFIG, 4_000_000)) {
            Check.fails(RecordTooLargeException.class, () -> producer.send(new ProducerRecord<>(
                topic, ProduceCases.valueForBatchOf(1_048_589))).get());
        }
        Check.same("log end", 0L, broker.endOffset(topic, 0));
    }

    private static void topicLimit(Broker broker) throws Exception {
        String topic = broker.createTopic("topic-limit", 1, "max.message.bytes", "500");
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            Check.fails(RecordTooLargeException.class,
                () -> producer.send(new ProducerRecord<>(topic, new byte[1000])).get());
            producer.send(new ProducerRecord<>(topic, new byte[100])).get();
        }
    }

    private static void clientLimit(Broker broker) throws Exception {
        String topic = broker.createTopic("client-limit", 1);
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            Check.fails(RecordTooLargeException.class,
                () -> producer.send(new ProducerRecord<>(topic, new byte[1_048_576])).get());
        }
    }

    private static void acksZeroTooLarge(Broker broker) throws Exception {
        String topic = broker.createTopic("acks-zero-too-large", 1, "max.message.bytes", "500");
        try (Producer<byte[], byte[]> producer = broker.producer(ProducerConfig.ACKS_CONFIG, "0",
                ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, false)) {
            // The broker cannot answer; it closes the connection, and the client connects again.
            // A record sent before the client sees that is lost, so one is sent until it arrives.
            producer.send(new ProducerRecord<>(topic, new byte[1000])).get();
            Check.eventually("a later record arrives", Broker.PATIENCE, () -> {
                producer.send(new ProducerRecord<>(topic, Broker.utf8("small"))).get();
                return broker.endOffset(topic, 0) > 0;
            });
        }
        Check.same("value", "small", Broker.text(broker.read(topic, 0, 1,
            "max.poll.records", 1).get(0).value()));
    }

    private static void keyless(Broker broker) throws Exception {
        String topic = broker.createTopic("keyless", 1, "cleanup.policy", "compact");
        for (String codec : List.of("none", "gzip")) {
            try (Producer<byte[], byte[]> producer = broker.producer(
                    ProducerConfig.COMPRESSION_TYPE_CONFIG, codec)) {
                Check.contains("message", Check.fails(InvalidRecordException.class,
                    () -> producer.send(new ProducerRecord<>(topic, Broker.utf8("v"))).get())
                    .getMessage(), "key");
            }
        }
        Check.same("log end", 0L, broker.endOffset(topic, 0));
    }

    private static void future(Broker broker) throws Exception {
        String topic = broker.createTopic("future", 1);
        long later = System.currentTimeMillis() + 2 * 3_600_000;
        for (String codec : List.of("none", "gzip")) {
            try (Producer<byte[], byte[]> producer = broker.producer(
                    ProducerConfig.COMPRESSION_TYPE_CONFIG, codec)) {
                Check.fails(InvalidTimestampException.class, () -> producer.send(
                    new ProducerRecord<>(topic, 0, later, null, Broker.utf8("v"))).get());
            }
        }
        Check.same("log end", 0L, broker.endOffset(topic, 0));
    }

    private static void past(Broker broker) throws Exception {
        String topic = broker.createTopic("past", 1, "message.timestamp.before.max.ms", "60000");
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            Check.fails(InvalidTimestampException.class, () -> producer.send(
                new ProducerRecord<>(topic, 0, 1234L, null, Broker.utf8("v"))).get());
            producer.send(new ProducerRecord<>(topic, Broker.utf8("now"))).get();
        }
    }

    private static void badTopic(Broker broker) throws Exception {
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            Check.fails(InvalidTopicException.class, () -> producer.send(
                new ProducerRecord<>("not a topic", Broker.utf8("v"))).get());
        }
    }

    private static void noPartition(Broker broker) throws Exception {
        String topic = broker.createTopic("no-partition", 1);
        try (Producer<byte[], byte[]> producer = broker.producer(
                ProducerConfig.MAX_BLOCK_MS_CONFIG, 500)) {
            Check.fails(TimeoutException.class, () -> producer.send(
                new ProducerRecord<>(topic, 5, null, Broker.utf8("v"))).get());
        }
    }

    private static void goesOn(Broker broker) throws Exception {
        String topic = broker.createTopic("goes-on", 1, "max.message.bytes", "500");
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            for (int i = 0; i < 3; i++) {
                Check.same("offset", (long) i, producer.send(
                    new ProducerRecord<>(topic, Broker.utf8("" + i))).get().offset());
                Check.fails(RecordTooLargeException.class,
                    () -> producer.send(new ProducerRecord<>(topic, new byte[1000])).get());
            }
        }
        Check.same("values", List.of("0", "1", "2"), Broker.values(broker.read(topic, 0, 3)));
    }
}
