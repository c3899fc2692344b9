package ringbrook.clients;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.utils.Utils;

/** Records are produced and come back as they were. Refusals are in {@link ProduceErrorCases}. */
final class ProduceCases {
    private ProduceCases() {
    }

    static List<Case> all() {
        List<Case> cases = new ArrayList<>();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            cases.add(new Case("produce_" + codec + "_reads_back_equal", b -> codec(b, codec)));
        }
        for (String codec : List.of("uncompressed", "gzip", "snappy", "lz4", "zstd")) {
            cases.add(new Case("topic_compression_" + codec + "_recompresses_what_comes",
                b -> recompress(b, codec)));
        }
        cases.add(new Case("keys_values_and_their_absence_are_kept", ProduceCases::nulls));
        cases.add(new Case("headers_keep_order_duplicates_and_null_values", ProduceCases::headers));
        cases.add(new Case("keyed_records_go_where_murmur2_says", ProduceCases::partitioner));
        cases.add(new Case("acks_all_and_one_answer_with_offsets", ProduceCases::acks));
        cases.add(new Case("acks_zero_writes_without_an_offset", ProduceCases::acksZero));
        cases.add(new Case("an_idempotent_producer_keeps_order_with_five_requests_in_flight",
            ProduceCases::pipelined));
        cases.add(new Case("a_producer_without_idempotence_is_served", ProduceCases::plain));
        cases.add(new Case("producers_at_once_leave_dense_offsets", ProduceCases::concurrent));
        cases.add(new Case("a_batch_of_exactly_max_message_bytes_is_accepted",
            ProduceCases::largest));
        cases.add(new Case("a_batch_above_the_limit_is_split_and_sent_again", ProduceCases::split));
        cases.add(new Case("create_time_is_the_producers_own", ProduceCases::createTime));
        cases.add(new Case("log_append_time_is_the_brokers", ProduceCases::logAppendTime));
        cases.add(new Case("min_insync_replicas_is_capped_at_the_replica_count",
            ProduceCases::minInsync));
        cases.add(new Case("a_compacted_topic_takes_keyed_records_and_tombstones",
            ProduceCases::compacted));
        return cases;
    }

    /** Half text that compresses well, half noise that does not; a fixed seed. */
    private static List<byte[]> payloads() {
        Random random = new Random(848);
        List<byte[]> values = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            byte[] value = new byte[random.nextInt(3000)];
            if (i % 2 == 0) {
                random.nextBytes(value);
            } else {
                java.util.Arrays.fill(value, (byte) ('a' + i % 26));
            }
            values.add(value);
        }
        return values;
    }

    private static void writeAndCompare(Broker broker, String topic, String codec)
            throws Exception {
        List<byte[]> values = payloads();
        try (Producer<byte[], byte[]> producer = broker.producer(
                ProducerConfig.COMPRESSION_TYPE_CONFIG, codec, ProducerConfig.LINGER_MS_CONFIG, 20,
                ProducerConfig.BATCH_SIZE_CONFIG, 65_536)) {
            for (int i = 0; i < values.size(); i++) {
                producer.send(new ProducerRecord<>(topic, 0, 1_000_000L + i,
                    Broker.utf8("key-" + i), values.get(i),
                    List.of(new RecordHeader("n", Broker.utf8("" + i)))));
            }
            producer.flush();
        }
        List<ConsumerRecord<byte[], byte[]>> found = broker.read(topic, 0, values.size());
        for (int i = 0; i < values.size(); i++) {
            ConsumerRecord<byte[], byte[]> record = found.get(i);
            Check.same("offset", (long) i, record.offset());
            Check.same("key " + i, "key-" + i, Broker.text(record.key()));
            Check.same("value " + i, values.get(i), record.value());
            Check.same("timestamp", 1_000_000L + i, record.timestamp());
            Check.same("header", "" + i, Broker.text(record.headers().lastHeader("n").value()));
        }
    }

    private static void codec(Broker broker, String codec) throws Exception {
        writeAndCompare(broker, broker.createTopic("codec-" + codec, 1), codec);
    }

    private static void recompress(Broker broker, String codec) throws Exception {
        String topic = broker.createTopic("recompress-" + codec, 1, "compression.type", codec);
        writeAndCompare(broker, topic, codec.equals("gzip") ? "lz4" : "gzip");
    }

    private static void nulls(Broker broker) throws Exception {
        String topic = broker.createTopic("nulls", 1);
        String[][] pairs = {{"key", "value"}, {null, "value"}, {"key", null}, {null, null},
            {"", ""}, {"key", ""}};
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            for (String[] pair : pairs) {
                producer.send(new ProducerRecord<>(topic, 0, Broker.utf8(pair[0]),
                    Broker.utf8(pair[1])));
            }
        }
        List<ConsumerRecord<byte[], byte[]>> found = broker.read(topic, 0, pairs.length);
        for (int i = 0; i < pairs.length; i++) {
            Check.same("key " + i, pairs[i][0], Broker.text(found.get(i).key()));
            Check.same("value " + i, pairs[i][1], Broker.text(found.get(i).value()));
        }
    }

    private static void headers(Broker broker) throws Exception {
        String topic = broker.createTopic("headers", 1);
        List<Header> headers = List.of(
            new RecordHeader("trace", Broker.utf8("1")), new RecordHeader("other", new byte[0]),
            new RecordHeader("trace", Broker.utf8("2")), new RecordHeader("trace", (byte[]) null),
            new RecordHeader("", Broker.utf8("empty key")));
        for (String codec : List.of("none", "zstd")) {
            try (Producer<byte[], byte[]> producer = broker.producer(
                    ProducerConfig.COMPRESSION_TYPE_CONFIG, codec)) {
                producer.send(new ProducerRecord<>(topic, 0, (byte[]) null, Broker.utf8(codec),
                    headers));
            }
        }
        for (var record : broker.read(topic, 0, 2)) {
            Check.same("headers of " + Broker.text(record.value()), headers,
                List.of(record.headers().toArray()));
        }
    }

    private static void partitioner(Broker broker) throws Exception {
        String topic = broker.createTopic("partitioner", 7);
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            Check.same("partitions", 7, producer.partitionsFor(topic).size());
            for (int i = 0; i < 50; i++) {
                byte[] key = Broker.utf8("key-" + i);
                Check.same("partition of key-" + i,
                    Utils.toPositive(Utils.murmur2(key)) % 7,
                    producer.send(new ProducerRecord<>(topic, key, key)).get().partition());
            }
        }
    }

    private static void acks(Broker broker) throws Exception {
        String topic = broker.createTopic("acks", 1);
        long offset = 0;
        for (String acks : List.of("all", "1", "-1")) {
            try (Producer<byte[], byte[]> producer = broker.producer(
                    ProducerConfig.ACKS_CONFIG, acks,
                    ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, !acks.equals("1"))) {
                RecordMetadata sent =
                    producer.send(new ProducerRecord<>(topic, Broker.utf8(acks))).get();
                Check.same("offset with acks " + acks, offset++, sent.offset());
            }
        }
        Check.same("values", List.of("all", "1", "-1"), Broker.values(broker.read(topic, 0, 3)));
    }

    private static void acksZero(Broker broker) throws Exception {
        String topic = broker.createTopic("acks-zero", 1);
        try (Producer<byte[], byte[]> producer = broker.producer(ProducerConfig.ACKS_CONFIG, "0",
                ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, false)) {
            for (int i = 0; i < 100; i++) {
                RecordMetadata sent =
                    producer.send(new ProducerRecord<>(topic, Broker.utf8("" + i))).get();
                Check.same("has offset", false, sent.hasOffset());
            }
        }
        Check.same("values", IntStream.range(0, 100).mapToObj(i -> "" + i).toList(),
            Broker.values(broker.read(topic, 0, 100)));
    }

    private static void pipelined(Broker broker) throws Exception {
        String topic = broker.createTopic("pipelined", 3);
        int count = 3000;
        try (Producer<byte[], byte[]> producer = broker.producer(
                ProducerConfig.BATCH_SIZE_CONFIG, 512, ProducerConfig.LINGER_MS_CONFIG, 0)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, i % 3, null,
                    Broker.utf8("" + i))));
            }
            for (int i = 0; i < count; i++) {
                Check.same("offset of " + i, (long) (i / 3), sent.get(i).get().offset());
            }
        }
        for (int partition = 0; partition < 3; partition++) {
            int first = partition;
            Check.same("values of partition " + partition,
                IntStream.range(0, count / 3).mapToObj(i -> "" + (3 * i + first)).toList(),
                Broker.values(broker.read(topic, partition, count / 3)));
        }
    }

    private static void plain(Broker broker) throws Exception {
        String topic = broker.createTopic("plain", 1);
        try (Producer<byte[], byte[]> producer = broker.producer(
                ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, false)) {
            for (int i = 0; i < 10; i++) {
                Check.same("offset", (long) i, producer.send(
                    new ProducerRecord<>(topic, Broker.utf8("" + i))).get().offset());
            }
        }
    }

    private static void concurrent(Broker broker) throws Exception {
        String topic = broker.createTopic("concurrent", 1);
        int producers = 4;
        int each = 500;
        List<Producer<byte[], byte[]>> open = new ArrayList<>();
        try {
            for (int p = 0; p < producers; p++) {
                open.add(broker.producer(ProducerConfig.BATCH_SIZE_CONFIG, 1024));
            }
            for (int i = 0; i < each; i++) {
                for (int p = 0; p < producers; p++) {
                    open.get(p).send(new ProducerRecord<>(topic, Broker.utf8(p + ":" + i)));
                }
            }
        } finally {
            open.forEach(Producer::close);
        }
        List<ConsumerRecord<byte[], byte[]>> found = broker.read(topic, 0, producers * each);
        for (int i = 0; i < found.size(); i++) {
            Check.same("offset", (long) i, found.get(i).offset());
        }
        for (int p = 0; p < producers; p++) {
            String prefix = p + ":";
            Check.same("values of producer " + p,
                IntStream.range(0, each).mapToObj(i -> prefix + i).toList(),
                Broker.values(found).stream().filter(v -> v.startsWith(prefix)).toList());
        }
    }

    /**
     * One record in a batch: 61 bytes of batch header, 3 of record length, 1 each of attributes,
     * timestamp delta, offset delta, key length and header count, 3 of value length.
     */
    static byte[] valueForBatchOf(int batchBytes) {
        byte[] value = new byte[batchBytes - 61 - 3 - 5 - 3];
        new Random(1).nextBytes(value);
        return value;
    }

    private static void largest(Broker broker) throws Exception {
        String topic = broker.createTopic("largest", 1);
        byte[] value = valueForBatchOf(1_048_588);
        try (Producer<byte[], byte[]> producer = broker.producer(
                ProducerConfig.MAX_REQUEST_SIZE_CONFIG, 4_000_000)) {
            Check.same("offset", 0L,
                producer.send(new ProducerRecord<>(topic, value)).get().offset());
        }
        // A consumer gets it even if its own limits are far smaller.
        Check.same("value", value, broker.read(topic, 0, 1,
            "fetch.max.bytes", 1000, "max.partition.fetch.bytes", 1000).get(0).value());
    }

    private static void split(Broker broker) throws Exception {
        String topic = broker.createTopic("split", 1, "max.message.bytes", "4000");
        try (Producer<byte[], byte[]> producer = broker.producer(
                ProducerConfig.BATCH_SIZE_CONFIG, 16_000, ProducerConfig.LINGER_MS_CONFIG, 5000)) {
            for (int i = 0; i < 100; i++) {
                producer.send(new ProducerRecord<>(topic, Broker.utf8("x".repeat(100) + i)));
            }
            producer.flush();
        }
        Check.same("values", IntStream.range(0, 100).mapToObj(i -> "x".repeat(100) + i).toList(),
            Broker.values(broker.read(topic, 0, 100)));
    }

    private static void createTime(Broker broker) throws Exception {
        String topic = broker.createTopic("create-time", 1);
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            RecordMetadata sent = producer.send(
                new ProducerRecord<>(topic, 0, 1234L, null, Broker.utf8("old"))).get();
            Check.same("timestamp in the answer", 1234L, sent.timestamp());
        }
        ConsumerRecord<byte[], byte[]> found = broker.read(topic, 0, 1).get(0);
        Check.same("timestamp", 1234L, found.timestamp());
        Check.same("type", TimestampType.CREATE_TIME, found.timestampType());
    }

    private static void logAppendTime(Broker broker) throws Exception {
        String topic = broker.createTopic("append-time", 1,
            "message.timestamp.type", "LogAppendTime");
        long before = System.currentTimeMillis();
        long answered;
        for (String codec : List.of("none", "gzip")) {
            try (Producer<byte[], byte[]> producer = broker.producer(
                    ProducerConfig.COMPRESSION_TYPE_CONFIG, codec)) {
                answered = producer.send(
                    new ProducerRecord<>(topic, 0, 1234L, null, Broker.utf8("old"))).get()
                    .timestamp();
                Check.isTrue("the answer has the broker's time, not " + answered,
                    before <= answered && answered <= System.currentTimeMillis());
            }
        }
        for (var record : broker.read(topic, 0, 2)) {
            Check.same("type", TimestampType.LOG_APPEND_TIME, record.timestampType());
            Check.isTrue("the record has the broker's time", before <= record.timestamp());
        }
    }

    private static void minInsync(Broker broker) throws Exception {
        String topic = broker.createTopic("min-insync", 1, "min.insync.replicas", "2");
        broker.produce(topic, "accepted");
    }

    private static void compacted(Broker broker) throws Exception {
        String topic = broker.createTopic("compacted", 1, "cleanup.policy", "compact");
        Map<String, String> pairs = new java.util.LinkedHashMap<>();
        pairs.put("a", "1");
        pairs.put("b", null);
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            for (var pair : pairs.entrySet()) {
                producer.send(new ProducerRecord<>(topic, Broker.utf8(pair.getKey()),
                    Broker.utf8(pair.getValue()))).get();
            }
        }
        Check.same("values", java.util.Arrays.asList("1", null),
            Broker.values(broker.read(topic, 0, 2)));
    }
}
