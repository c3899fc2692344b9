package ringbrook.clients;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The broker under test as a case sees it: its address, names that no other run uses, and clients
 * with the defaults of Kafka except for time-outs that suit a test. Used by many cases at once;
 * all its fields are fixed and the Admin client is thread-safe.
 */
public final class Broker implements AutoCloseable {
    /** How long a client waits for a broker before an operation counts as failed. */
    public static final Duration PATIENCE = Duration.ofSeconds(20);

    private final String bootstrap;
    private final String runId;
    private final Admin admin;

    /** Connects the Admin client to {@code bootstrap} (host:port); names begin with the run id. */
    public Broker(String bootstrap, String runId) {
        this.bootstrap = bootstrap;
        this.runId = runId;
        this.admin = Admin.create(Map.of(
            AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap,
            AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, (int) PATIENCE.toMillis(),
            AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, (int) PATIENCE.toMillis()));
    }

    /** From the environment as the matrix sets it: BOOTSTRAP and RUN_ID. */
    public static Broker fromEnvironment() {
        String bootstrap = System.getenv("BOOTSTRAP");
        String runId = System.getenv("RUN_ID");
        if (bootstrap == null || runId == null) {
            throw new IllegalStateException("set BOOTSTRAP to host:port and RUN_ID to a prefix");
        }
        return new Broker(bootstrap, runId);
    }

    /** The address, host:port. */
    public String bootstrap() {
        return bootstrap;
    }

    /** The shared Admin client. */
    public Admin admin() {
        return admin;
    }

    /** A topic or group name of this run. */
    public String name(String suffix) {
        return runId + "-" + suffix;
    }

    /**
     * Creates the topic {@code name(suffix)} and returns its name once every partition has a
     * leader.
     *
     * @param configs topic configs: key, value, key, value ...
     */
    public String createTopic(String suffix, int partitions, String... configs) throws Exception {
        String topic = name(suffix);
        NewTopic wanted = new NewTopic(topic, Optional.of(partitions), Optional.empty());
        Map<String, String> map = new HashMap<>();
        for (int i = 0; i < configs.length; i += 2) {
            map.put(configs[i], configs[i + 1]);
        }
        admin.createTopics(Set.of(wanted.configs(map))).all().get();
        awaitLeaders(topic, partitions);
        return topic;
    }

    /**
     * Waits until the broker's metadata shows the topic with a leader for each partition, and the
     * leader serves it. Kafka publishes metadata a moment before its replicas exist. A producer
     * with several requests in flight that comes between may have its first batch refused and its
     * second accepted; the first is then out of sequence for ever, as the broker takes any
     * sequence from a producer it does not know.
     */
    public void awaitLeaders(String topic, int partitions) throws Exception {
        Check.eventually(topic + " has leaders", PATIENCE, () -> {
            var found = admin.describeTopics(Set.of(topic)).allTopicNames().get().get(topic);
            return found.partitions().size() == partitions
                && found.partitions().stream().allMatch(p -> p.leader() != null);
        });
        Map<TopicPartition, OffsetSpec> served = new HashMap<>();
        for (int partition = 0; partition < partitions; partition++) {
            served.put(new TopicPartition(topic, partition), OffsetSpec.latest());
        }
        admin.listOffsets(served).all().get();
    }

    /** A producer of bytes; {@code settings} are key, value, key, value ... */
    public Producer<byte[], byte[]> producer(Object... settings) {
        Map<String, Object> map = new HashMap<>(Map.of(
            ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap,
            ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, (int) PATIENCE.toMillis(),
            ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, (int) PATIENCE.toMillis() / 2,
            ProducerConfig.MAX_BLOCK_MS_CONFIG, PATIENCE.toMillis()));
        put(map, settings);
        return new KafkaProducer<>(map, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** A consumer of bytes that begins at the earliest offset, without a group unless given. */
    public Consumer<byte[], byte[]> consumer(Object... settings) {
        Map<String, Object> map = new HashMap<>(Map.of(
            ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap,
            ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest",
            ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false,
            ConsumerConfig.GROUP_PROTOCOL_CONFIG, "classic",
            ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, (int) PATIENCE.toMillis(),
            ConsumerConfig.REQUEST_TIMEOUT_MS_CONFIG, (int) PATIENCE.toMillis()));
        put(map, settings);
        return new KafkaConsumer<>(map, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** A producer with the transactional id, not yet initialised. */
    public Producer<byte[], byte[]> transactional(String id, Object... settings) {
        Object[] all = Arrays.copyOf(settings, settings.length + 2);
        all[settings.length] = ProducerConfig.TRANSACTIONAL_ID_CONFIG;
        all[settings.length + 1] = id;
        return producer(all);
    }

    /** Produces {@code values} to partition 0, waits for all of them. */
    public void produce(String topic, String... values) throws Exception {
        try (Producer<byte[], byte[]> producer = producer()) {
            for (String value : values) {
                producer.send(new ProducerRecord<>(topic, 0, null, utf8(value)));
            }
            producer.flush();
        }
        Check.same("log end of " + topic, (long) values.length, endOffset(topic, 0));
    }

    /** The log end offset of one partition. */
    public long endOffset(String topic, int partition) {
        TopicPartition at = new TopicPartition(topic, partition);
        try (Consumer<byte[], byte[]> consumer = consumer()) {
            return consumer.endOffsets(Set.of(at)).get(at);
        }
    }

    /** Reads a partition from its beginning until {@code count} records are there. */
    public List<ConsumerRecord<byte[], byte[]>> read(String topic, int partition, int count,
            Object... settings) {
        TopicPartition at = new TopicPartition(topic, partition);
        try (Consumer<byte[], byte[]> consumer = consumer(settings)) {
            consumer.assign(Set.of(at));
            consumer.seekToBeginning(Set.of(at));
            return poll(consumer, count);
        }
    }

    /**
     * The values of one partition that read_committed shows, all of them, once no transaction is
     * open in it: a transaction's end is answered before its markers are written.
     */
    public List<String> committed(String topic, int partition) throws Exception {
        TopicPartition at = new TopicPartition(topic, partition);
        try (Consumer<byte[], byte[]> consumer =
                consumer(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed")) {
            Check.eventually("no transaction is open in " + at, PATIENCE,
                () -> consumer.endOffsets(Set.of(at)).get(at) == endOffset(topic, partition));
            consumer.assign(Set.of(at));
            consumer.seekToBeginning(Set.of(at));
            long end = endOffset(topic, partition);
            List<String> values = new ArrayList<>();
            Check.eventually("the end of " + at + " is reached", PATIENCE, () -> {
                consumer.poll(Duration.ofMillis(100)).forEach(r -> values.add(text(r.value())));
                return consumer.position(at) == end;
            });
            return values;
        }
    }

    /** The end of a partition for read_committed: its last stable offset. */
    public long stableOffset(String topic, int partition) {
        TopicPartition at = new TopicPartition(topic, partition);
        try (Consumer<byte[], byte[]> consumer =
                consumer(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed")) {
            return consumer.endOffsets(Set.of(at)).get(at);
        }
    }

    /** Polls until {@code count} records came, at most for {@link #PATIENCE}. */
    public static List<ConsumerRecord<byte[], byte[]>> poll(Consumer<byte[], byte[]> consumer,
            int count) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (records.size() < count && System.nanoTime() < deadline) {
            consumer.poll(Duration.ofMillis(200)).forEach(records::add);
        }
        Check.same("number of records read", count, records.size());
        return records;
    }

    /** The values of records as text; null stays null. */
    public static List<String> values(List<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().map(r -> text(r.value())).toList();
    }

    /** Text as bytes. */
    public static byte[] utf8(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    /** Bytes as text. */
    public static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    @Override
    public void close() {
        admin.close(Duration.ofSeconds(5));
    }

    private static void put(Map<String, Object> map, Object... settings) {
        for (int i = 0; i < settings.length; i += 2) {
            map.put((String) settings[i], settings[i + 1]);
        }
    }
}
