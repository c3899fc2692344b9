package ringbrook.clients;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.TimeoutException;

/** Offsets are looked up by end and by time, and the beginning is moved with DeleteRecords. */
final class OffsetCases {
    private OffsetCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("beginning_and_end_offsets_of_empty_and_written_partitions",
                OffsetCases::ends),
            new Case("offsets_for_times_is_exact_inside_a_batch",
                b -> times(b, "times-plain", "none")),
            new Case("offsets_for_times_is_exact_inside_a_compressed_batch",
                b -> times(b, "times-gzip", "gzip")),
            new Case("offsets_for_times_finds_the_first_of_disordered_timestamps",
                OffsetCases::disordered),
            new Case("offsets_for_times_of_an_empty_partition_is_nothing", OffsetCases::emptyTimes),
            new Case("list_offsets_max_timestamp_is_the_record_that_has_it",
                OffsetCases::maxTimestamp),
            new Case("list_offsets_knows_local_and_tiered_ends", OffsetCases::localEnds),
            new Case("list_offsets_of_unknown_partition_times_out", OffsetCases::unknown),
            new Case("delete_records_moves_the_beginning", OffsetCases::deleteRecords),
            new Case("delete_records_to_the_high_watermark_empties_the_partition",
                OffsetCases::deleteAll),
            new Case("delete_records_below_the_beginning_changes_nothing",
                OffsetCases::deleteBelow),
            new Case("delete_records_above_the_end_is_out_of_range", OffsetCases::deleteAbove));
    }

    private static void ends(Broker broker) throws Exception {
        String topic = broker.createTopic("ends", 2);
        broker.produce(topic, "a", "b", "c");
        TopicPartition written = new TopicPartition(topic, 0);
        TopicPartition empty = new TopicPartition(topic, 1);
        try (Consumer<byte[], byte[]> consumer = broker.consumer()) {
            Check.same("beginning", Map.of(written, 0L, empty, 0L),
                consumer.beginningOffsets(Set.of(written, empty)));
            Check.same("end", Map.of(written, 3L, empty, 0L),
                consumer.endOffsets(Set.of(written, empty)));
        }
        Check.same("admin, earliest", 0L, list(broker, written, OffsetSpec.earliest()).offset());
        Check.same("admin, latest", 3L, list(broker, written, OffsetSpec.latest()).offset());
        Check.same("leader epoch", 0,
            list(broker, written, OffsetSpec.latest()).leaderEpoch().orElse(-1));
    }

    private static ListOffsetsResultInfo list(Broker broker, TopicPartition at, OffsetSpec spec)
            throws Exception {
        return broker.admin().listOffsets(Map.of(at, spec)).partitionResult(at).get();
    }

    /** One batch with these timestamps, in this order. */
    private static TopicPartition batch(Broker broker, String suffix, String codec,
            long... timestamps) throws Exception {
        String topic = broker.createTopic(suffix, 1);
        append(broker, topic, codec, timestamps);
        return new TopicPartition(topic, 0);
    }

    private static void append(Broker broker, String topic, String codec, long... timestamps) {
        try (Producer<byte[], byte[]> producer = broker.producer(
                ProducerConfig.LINGER_MS_CONFIG, 10_000,
                ProducerConfig.COMPRESSION_TYPE_CONFIG, codec)) {
            for (long timestamp : timestamps) {
                producer.send(new ProducerRecord<>(topic, 0, timestamp, null,
                    Broker.utf8("at " + timestamp)));
            }
            producer.flush();
        }
    }

    private static Long offsetAt(Consumer<byte[], byte[]> consumer, TopicPartition at, long time) {
        OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(at, time)).get(at);
        return found == null ? null : found.offset();
    }

    private static void times(Broker broker, String suffix, String codec) throws Exception {
        TopicPartition at = batch(broker, suffix, codec, 1000, 2000, 2000, 3000);
        append(broker, at.topic(), codec, 4000, 5000);
        Map<Long, Long> expected = new HashMap<>();
        expected.put(0L, 0L);
        expected.put(1000L, 0L);
        expected.put(1001L, 1L);
        expected.put(2000L, 1L);
        expected.put(2001L, 3L);
        expected.put(3000L, 3L);
        expected.put(3001L, 4L);
        expected.put(5000L, 5L);
        expected.put(5001L, null);
        try (Consumer<byte[], byte[]> consumer = broker.consumer()) {
            for (var entry : expected.entrySet()) {
                Check.same("offset at " + entry.getKey(), entry.getValue(),
                    offsetAt(consumer, at, entry.getKey()));
            }
            Check.same("its own timestamp", 2000L,
                consumer.offsetsForTimes(Map.of(at, 1500L)).get(at).timestamp());
        }
    }

    private static void disordered(Broker broker) throws Exception {
        TopicPartition at = batch(broker, "disordered", "none", 3000, 1000, 5000, 2000);
        append(broker, at.topic(), "none", 4000, 6000);
        try (Consumer<byte[], byte[]> consumer = broker.consumer()) {
            Check.same("offset at 1000", 0L, offsetAt(consumer, at, 1000));
            Check.same("offset at 3001", 2L, offsetAt(consumer, at, 3001));
            Check.same("offset at 5001", 5L, offsetAt(consumer, at, 5001));
        }
    }

    private static void emptyTimes(Broker broker) throws Exception {
        TopicPartition at = new TopicPartition(broker.createTopic("empty-times", 1), 0);
        try (Consumer<byte[], byte[]> consumer = broker.consumer()) {
            Check.same("offset", null, offsetAt(consumer, at, 0));
        }
        ListOffsetsResultInfo none = list(broker, at, OffsetSpec.forTimestamp(0));
        Check.same("admin, offset", -1L, none.offset());
        Check.same("admin, timestamp", -1L, none.timestamp());
    }

    private static void maxTimestamp(Broker broker) throws Exception {
        TopicPartition at = batch(broker, "max-timestamp", "none", 1000, 9000, 2000);
        append(broker, at.topic(), "gzip", 3000, 9000, 4000);
        ListOffsetsResultInfo found = list(broker, at, OffsetSpec.maxTimestamp());
        Check.same("offset", 1L, found.offset());
        Check.same("timestamp", 9000L, found.timestamp());
        TopicPartition empty =
            new TopicPartition(broker.createTopic("max-timestamp-empty", 1), 0);
        Check.same("offset when empty", -1L,
            list(broker, empty, OffsetSpec.maxTimestamp()).offset());
    }

    private static void localEnds(Broker broker) throws Exception {
        TopicPartition at = batch(broker, "local-ends", "none", 1000, 2000);
        Check.same("earliest local", 0L, list(broker, at, OffsetSpec.earliestLocal()).offset());
        Check.same("latest tiered", -1L, list(broker, at, OffsetSpec.latestTiered()).offset());
    }

    private static void unknown(Broker broker) throws Exception {
        TopicPartition at = new TopicPartition(broker.createTopic("unknown-offsets", 1), 9);
        // The Admin client looks for the leader until its time-out, as metadata may be late.
        Check.fails(TimeoutException.class, () -> broker.admin().listOffsets(
            Map.of(at, OffsetSpec.latest()),
            new org.apache.kafka.clients.admin.ListOffsetsOptions().timeoutMs(500)).all().get());
    }

    private static long delete(Broker broker, TopicPartition at, long before) throws Exception {
        return broker.admin().deleteRecords(Map.of(at, RecordsToDelete.beforeOffset(before)))
            .lowWatermarks().get(at).get().lowWatermark();
    }

    private static TopicPartition five(Broker broker, String suffix) throws Exception {
        String topic = broker.createTopic(suffix, 1);
        broker.produce(topic, "0", "1", "2", "3", "4");
        return new TopicPartition(topic, 0);
    }

    private static void deleteRecords(Broker broker) throws Exception {
        TopicPartition at = five(broker, "delete-records");
        Check.same("low watermark", 3L, delete(broker, at, 3));
        try (Consumer<byte[], byte[]> consumer = broker.consumer()) {
            Check.same("beginning", Map.of(at, 3L), consumer.beginningOffsets(Set.of(at)));
            Check.same("end", Map.of(at, 5L), consumer.endOffsets(Set.of(at)));
        }
        Check.same("values", List.of("3", "4"), Broker.values(broker.read(at.topic(), 0, 2)));
    }

    private static void deleteAll(Broker broker) throws Exception {
        TopicPartition at = five(broker, "delete-all");
        Check.same("low watermark", 5L, delete(broker, at, -1));
        try (Consumer<byte[], byte[]> consumer = broker.consumer()) {
            Check.same("beginning", Map.of(at, 5L), consumer.beginningOffsets(Set.of(at)));
        }
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            Check.same("next offset", 5L, producer.send(
                new ProducerRecord<>(at.topic(), Broker.utf8("next"))).get().offset());
        }
        Check.same("values", List.of("next"), Broker.values(broker.read(at.topic(), 0, 1)));
    }

    private static void deleteBelow(Broker broker) throws Exception {
        TopicPartition at = five(broker, "delete-below");
        Check.same("low watermark", 4L, delete(broker, at, 4));
        Check.same("low watermark again", 4L, delete(broker, at, 2));
    }

    private static void deleteAbove(Broker broker) throws Exception {
        TopicPartition at = five(broker, "delete-above");
        Check.fails(OffsetOutOfRangeException.class, () -> delete(broker, at, 6));
        Check.fails(OffsetOutOfRangeException.class, () -> delete(broker, at, -2));
        Check.same("low watermark", 0L, delete(broker, at, 0));
    }
}
