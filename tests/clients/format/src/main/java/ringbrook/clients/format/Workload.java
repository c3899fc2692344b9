package ringbrook.clients.format;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes what the files are to hold: every codec, headers of every kind, null keys and values, both
 * types of timestamps, several segments, transactions, tombstones, committed offsets. The content is
 * the same in each run but for producer ids and the broker's own times.
 */
final class Workload implements AutoCloseable {
    static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    /** The time of the first record: an hour ago, so that no producer expires meanwhile. */
    static final long START_MS = System.currentTimeMillis() / 1000 * 1000 - 3_600_000;
    /** A record time after which every topic begins a segment. */
    static final long SEGMENT_MS = 10_000;

    private final String bootstrap;
    private final Admin admin;

    Workload(String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    @Override
    public void close() {
        admin.close();
    }

    Admin admin() {
        return admin;
    }

    /** Creates a topic that keeps its records, with small segments by record time. */
    void create(String name, int partitions, Map<String, String> configs) throws Exception {
        Map<String, String> all = new java.util.HashMap<>(Map.of(
            "retention.ms", "-1", "segment.ms", "" + SEGMENT_MS, "index.interval.bytes", "200"));
        all.putAll(configs);
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(all))).all().get();
    }

    /** A producer that sends a batch at each flush. */
    KafkaProducer<byte[], byte[]> producer(Map<String, String> configs) {
        Properties all = new Properties();
        all.put("bootstrap.servers", bootstrap);
        all.put("linger.ms", "60000");
        all.put("batch.size", "1000000");
        all.put("delivery.timeout.ms", "120000");
        all.putAll(configs);
        return new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** A producer in transactions. */
    KafkaProducer<byte[], byte[]> transactional(String id) {
        KafkaProducer<byte[], byte[]> producer =
            producer(Map.of("transactional.id", id, "transaction.timeout.ms", "900000"));
        producer.initTransactions();
        return producer;
    }

    /** Sends the records as one batch and waits until they are written. */
    static long send(KafkaProducer<byte[], byte[]> producer,
            List<ProducerRecord<byte[], byte[]>> records) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (ProducerRecord<byte[], byte[]> record : records) {
            sent.add(producer.send(record));
        }
        producer.flush();
        long last = -1;
        for (Future<RecordMetadata> each : sent) {
            last = each.get().offset();
        }
        return last;
    }

    static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    /** A record without headers. */
    static ProducerRecord<byte[], byte[]> record(String topic, int partition, long timeMs,
            String key, String value) {
        return new ProducerRecord<>(topic, partition, timeMs, bytes(key), bytes(value));
    }

    /** Records that differ in all that a record may have. */
    static List<ProducerRecord<byte[], byte[]>> varied(String topic, int partition, long timeMs) {
        String filler = "the quick brown fox jumps over the lazy dog; ".repeat(4);
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        records.add(record(topic, partition, timeMs, "key", "value"));
        records.add(record(topic, partition, timeMs + 5, null, "no key"));
        records.add(record(topic, partition, timeMs + 1, "no value", null));
        records.add(record(topic, partition, timeMs + 2, null, null));
        records.add(record(topic, partition, timeMs + 3, "", ""));
        records.add(record(topic, partition, timeMs + 4, "filler", filler + timeMs));
        List<Header> headers = List.of(
            new RecordHeader("twice", bytes("first")), new RecordHeader("other", bytes("between")),
            new RecordHeader("twice", bytes("second")), new RecordHeader("null", (byte[]) null),
            new RecordHeader("", new byte[0]), new RecordHeader("gr\u00fc\u00df", new byte[] {0, -1}));
        records.add(new ProducerRecord<>(topic, partition, timeMs + 4, bytes("headers"),
            bytes("with headers"), headers));
        return records;
    }

    /** Writes every codec into a partition of its own of `codecs`, and one of the broker's choice. */
    void writeCodecs(int rounds) throws Exception {
        for (int partition = 0; partition < CODECS.size(); partition++) {
            Map<String, String> codec = Map.of("compression.type", CODECS.get(partition));
            try (KafkaProducer<byte[], byte[]> producer = producer(codec)) {
                for (int round = 0; round < rounds; round++) {
                    send(producer, varied("codecs", partition, START_MS + round * 3000L));
                }
            }
        }
    }

    /** Writes batches {@code step} ms apart from {@code timeMs} on. */
    void writeTimed(String topic, long timeMs, int batches, long step) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of())) {
            for (int batch = 0; batch < batches; batch++) {
                send(producer, varied(topic, 0, timeMs + batch * step));
            }
        }
    }

    /** Writes one batch without a producer id and one by an idempotent producer. */
    void writePlain(String topic, String word, long timeMs) throws Exception {
        for (String idempotence : List.of("false", "true")) {
            Map<String, String> configs = Map.of("enable.idempotence", idempotence);
            try (KafkaProducer<byte[], byte[]> producer = producer(configs)) {
                send(producer, List.of(record(topic, 0, timeMs, "k-" + word, "plain " + word),
                    record(topic, 0, timeMs, "k", word)));
            }
        }
    }

    /** Interleaves transactions that commit and abort, over several segments. */
    void writeTransactions(String topic, String name, long timeMs) throws Exception {
        try (KafkaProducer<byte[], byte[]> a = transactional(name + "-a");
                KafkaProducer<byte[], byte[]> b = transactional(name + "-b")) {
            for (int round = 0; round < 6; round++) {
                long at = timeMs + round * 4000L;
                a.beginTransaction();
                b.beginTransaction();
                send(a, List.of(record(topic, 0, at, "k1", name + " a " + round),
                    record(topic, 0, at, "k2", name + " a " + round)));
                send(b, List.of(record(topic, 0, at + 1, "k3", name + " b " + round)));
                send(a, List.of(record(topic, 0, at + 2, "k4", name + " a again " + round)));
                end(a, round % 2 == 0);
                end(b, round % 3 == 0);
            }
        }
    }

    private static void end(KafkaProducer<byte[], byte[]> producer, boolean isCommit) {
        if (isCommit) {
            producer.commitTransaction();
        } else {
            producer.abortTransaction();
        }
    }

    /** Writes keys again and again, some of them away, so that compaction has work. */
    void writeKeys(String topic) throws Exception {
        try (KafkaProducer<byte[], byte[]> plain = producer(Map.of("compression.type", "lz4"))) {
            for (int round = 0; round < 8; round++) {
                long at = START_MS + round * 6000L;
                List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
                for (int key = 0; key < 6; key++) {
                    boolean isTombstone = key == 2 || key == 5 || round == 4 && key == 3;
                    records.add(record(topic, 0, at + key, "k" + key,
                        isTombstone ? null : "round " + round + " of " + key));
                }
                records.add(record(topic, 0, at, "only-" + round, "kept"));
                send(plain, records);
            }
        }
        writeTransactions(topic, "compacted", START_MS + 50_000);
        // Ends the segment, so that all before may be compacted; markers have the broker's time.
        long after = System.currentTimeMillis() + 2 * SEGMENT_MS;
        try (KafkaProducer<byte[], byte[]> plain = producer(Map.of())) {
            send(plain, List.of(record(topic, 0, after, "last", "active segment")));
        }
    }

    /** Commits offsets of two partitions by hand, twice. */
    void commitOffsets(String group, String topic) {
        Properties configs = new Properties();
        configs.put("bootstrap.servers", bootstrap);
        configs.put("group.id", group);
        configs.put("enable.auto.commit", "false");
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(configs,
                new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.commitSync(Map.of(
                new TopicPartition(topic, 0), new OffsetAndMetadata(3, "a note"),
                new TopicPartition(topic, 1), new OffsetAndMetadata(5)));
            consumer.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(7)));
        }
        // And a member, so that the group's own record is written.
        configs.put("auto.offset.reset", "earliest");
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(configs,
                new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(topic));
            while (consumer.assignment().isEmpty()) {
                consumer.poll(java.time.Duration.ofMillis(100));
            }
            consumer.commitSync();
        }
    }
}
