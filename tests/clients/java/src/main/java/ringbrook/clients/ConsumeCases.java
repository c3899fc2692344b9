package ringbrook.clients;

import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidTopicException;

/** Records are fetched from assigned partitions. Groups are in {@link GroupCases}. */
final class ConsumeCases {
    private ConsumeCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("consume_from_beginning_middle_and_end", ConsumeCases::seek),
            new Case("seek_into_a_batch_skips_the_records_before", ConsumeCases::insideBatch),
            new Case("many_partitions_are_all_read", ConsumeCases::manyPartitions),
            new Case("small_fetch_limits_still_read_everything", ConsumeCases::smallFetches),
            new Case("a_paused_partition_brings_nothing_until_resumed", ConsumeCases::pause),
            new Case("a_waiting_fetch_answers_when_a_record_comes", ConsumeCases::wakes),
            new Case("fetch_min_bytes_waits_until_max_wait", ConsumeCases::minBytes),
            new Case("read_committed_reads_plain_records", ConsumeCases::readCommitted),
            new Case("check_crcs_holds_for_all_records", ConsumeCases::checkCrcs),
            new Case("offset_out_of_range_without_reset_is_an_error", ConsumeCases::outOfRange),
            new Case("offset_out_of_range_with_reset_goes_to_that_end", ConsumeCases::reset),
            new Case("no_committed_offset_without_reset_is_an_error", ConsumeCases::noOffset),
            new Case("partitions_for_and_list_topics_show_the_topic", ConsumeCases::metadata),
            new Case("partitions_for_an_unknown_topic_creates_nothing_when_not_allowed",
                ConsumeCases::unknown),
            new Case("an_invalid_topic_name_is_invalid_topic", ConsumeCases::badTopic),
            new Case("a_topic_deleted_under_a_consumer_does_not_break_the_other",
                ConsumeCases::deletedTopic),
            new Case("a_partition_added_later_is_read", ConsumeCases::addedPartition));
    }

    private static String[] numbers(int count) {
        return IntStream.range(0, count).mapToObj(i -> "" + i).toArray(String[]::new);
    }

    private static void seek(Broker broker) throws Exception {
        String topic = broker.createTopic("seek", 1);
        broker.produce(topic, numbers(100));
        TopicPartition at = new TopicPartition(topic, 0);
        try (Consumer<byte[], byte[]> consumer = broker.consumer()) {
            consumer.assign(Set.of(at));
            Check.same("values", Arrays.asList(numbers(100)),
                Broker.values(Broker.poll(consumer, 100)));
            Check.same("position", 100L, consumer.position(at));
            consumer.seek(at, 90);
            Check.same("after seek", List.of("90", "91"),
                Broker.values(Broker.poll(consumer, 10)).subList(0, 2));
            consumer.seekToEnd(Set.of(at));
            Check.same("position at the end", 100L, consumer.position(at));
            Check.isTrue("nothing at the end", consumer.poll(Duration.ofMillis(50)).isEmpty());
            consumer.seekToBeginning(Set.of(at));
            Check.same("position at the beginning", 0L, consumer.position(at));
        }
    }

    private static void insideBatch(Broker broker) throws Exception {
        String topic = broker.createTopic("inside-batch", 1);
        for (String codec : List.of("none", "lz4")) {
            try (Producer<byte[], byte[]> producer = broker.producer("linger.ms", 5000,
                    "compression.type", codec)) {
                for (String value : numbers(10)) {
                    producer.send(new ProducerRecord<>(topic, Broker.utf8(codec + value)));
                }
                producer.flush();
            }
        }
        TopicPartition at = new TopicPartition(topic, 0);
        try (Consumer<byte[], byte[]> consumer = broker.consumer()) {
            consumer.assign(Set.of(at));
            for (int offset : new int[] {7, 9, 10, 13, 19}) {
                consumer.seek(at, offset);
                var record = Broker.poll(consumer, 20 - offset).get(0);
                Check.same("offset", (long) offset, record.offset());
                Check.same("value", (offset < 10 ? "none" : "lz4") + offset % 10,
                    Broker.text(record.value()));
            }
        }
    }

    private static void manyPartitions(Broker broker) throws Exception {
        String topic = broker.createTopic("many-partitions", 40);
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            for (int i = 0; i < 400; i++) {
                producer.send(new ProducerRecord<>(topic, i % 40, null, Broker.utf8("" + i)));
            }
        }
        try (Consumer<byte[], byte[]> consumer = broker.consumer()) {
            consumer.assign(IntStream.range(0, 40)
                .mapToObj(p -> new TopicPartition(topic, p)).toList());
            Set<String> found = new HashSet<>(Broker.values(Broker.poll(consumer, 400)));
            Check.same("values", new HashSet<>(Arrays.asList(numbers(400))), found);
            // The session goes on incrementally: what comes next is one partition of forty.
            for (int i = 0; i < 3; i++) {
                try (Producer<byte[], byte[]> producer = broker.producer()) {
                    producer.send(new ProducerRecord<>(topic, 7 + i, null, Broker.utf8("more")));
                }
                Check.same("partition", 7 + i, Broker.poll(consumer, 1).get(0).partition());
            }
        }
    }

    private static void smallFetches(Broker broker) throws Exception {
        String topic = broker.createTopic("small-fetches", 1);
        broker.produce(topic, numbers(1000));
        Check.same("values", Arrays.asList(numbers(1000)), Broker.values(broker.read(topic, 0, 1000,
            ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, 200,
            ConsumerConfig.FETCH_MAX_BYTES_CONFIG, 300,
            ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 13)));
    }

    private static void pause(Broker broker) throws Exception {
        String topic = broker.createTopic("pause", 2);
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            producer.send(new ProducerRecord<>(topic, 0, null, Broker.utf8("zero")));
            producer.send(new ProducerRecord<>(topic, 1, null, Broker.utf8("one")));
        }
        TopicPartition paused = new TopicPartition(topic, 0);
        try (Consumer<byte[], byte[]> consumer = broker.consumer()) {
            consumer.assign(Set.of(paused, new TopicPartition(topic, 1)));
            consumer.pause(Set.of(paused));
            Check.same("values", List.of("one"), Broker.values(Broker.poll(consumer, 1)));
            Check.isTrue("nothing more", consumer.poll(Duration.ofMillis(100)).isEmpty());
            consumer.resume(Set.of(paused));
            Check.same("values", List.of("zero"), Broker.values(Broker.poll(consumer, 1)));
        }
    }

    private static void wakes(Broker broker) throws Exception {
        String topic = broker.createTopic("wakes", 1);
        TopicPartition at = new TopicPartition(topic, 0);
        try (Consumer<byte[], byte[]> consumer = broker.consumer(
                ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, 4000);
             Producer<byte[], byte[]> producer = broker.producer()) {
            consumer.assign(Set.of(at));
            consumer.seek(at, 0);
            // The first poll puts a fetch on the wire that the broker holds.
            Check.isTrue("nothing yet", consumer.poll(Duration.ofMillis(200)).isEmpty());
            for (int i = 0; i < 5; i++) {
                producer.send(new ProducerRecord<>(topic, Broker.utf8("" + i))).get();
                long start = System.nanoTime();
                Broker.poll(consumer, 1);
                long ms = (System.nanoTime() - start) / 1_000_000;
                Check.isTrue("it came long before the wait ends: " + ms + " ms", ms < 2000);
            }
        }
    }

    private static void minBytes(Broker broker) throws Exception {
        String topic = broker.createTopic("min-bytes", 1);
        broker.produce(topic, "small");
        TopicPartition at = new TopicPartition(topic, 0);
        try (Consumer<byte[], byte[]> consumer = broker.consumer(
                ConsumerConfig.FETCH_MIN_BYTES_CONFIG, 1_000_000,
                ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, 700)) {
            consumer.assign(Set.of(at));
            consumer.seek(at, 0);
            long start = System.nanoTime();
            Broker.poll(consumer, 1);
            long ms = (System.nanoTime() - start) / 1_000_000;
            Check.isTrue("it waited: " + ms + " ms", 600 <= ms);
        }
    }

    private static void readCommitted(Broker broker) throws Exception {
        String topic = broker.createTopic("read-committed", 1);
        broker.produce(topic, "a", "b");
        Check.same("values", List.of("a", "b"), Broker.values(broker.read(topic, 0, 2,
            ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed")));
    }

    private static void checkCrcs(Broker broker) throws Exception {
        String topic = broker.createTopic("check-crcs", 1, "message.timestamp.type",
            "LogAppendTime");
        broker.produce(topic, numbers(50));
        broker.read(topic, 0, 50, ConsumerConfig.CHECK_CRCS_CONFIG, true);
    }

    private static void outOfRange(Broker broker) throws Exception {
        String topic = broker.createTopic("out-of-range", 1);
        broker.produce(topic, "a", "b", "c");
        TopicPartition at = new TopicPartition(topic, 0);
        broker.admin().deleteRecords(Map.of(at, RecordsToDelete.beforeOffset(1))).all().get();
        try (Consumer<byte[], byte[]> consumer = broker.consumer(
                ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "none")) {
            consumer.assign(Set.of(at));
            for (long offset : new long[] {0, 4, 1_000_000}) {
                consumer.seek(at, offset);
                var error = Check.fails(OffsetOutOfRangeException.class,
                    () -> Broker.poll(consumer, 1));
                Check.same("partition and offset", Map.of(at, offset),
                    error.offsetOutOfRangePartitions());
            }
            // The end itself is in range: nothing is there yet.
            consumer.seek(at, 3);
            Check.isTrue("nothing yet", consumer.poll(Duration.ofMillis(50)).isEmpty());
        }
    }

    private static void reset(Broker broker) throws Exception {
        String topic = broker.createTopic("reset", 1);
        broker.produce(topic, "a", "b", "c");
        TopicPartition at = new TopicPartition(topic, 0);
        try (Consumer<byte[], byte[]> consumer = broker.consumer()) {
            consumer.assign(Set.of(at));
            consumer.seek(at, 1000);
            Check.same("values", List.of("a", "b", "c"), Broker.values(Broker.poll(consumer, 3)));
        }
        try (Consumer<byte[], byte[]> consumer = broker.consumer(
                ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "latest")) {
            consumer.assign(Set.of(at));
            consumer.seek(at, 1000);
            Check.eventually("the position is the end", Broker.PATIENCE, () -> {
                consumer.poll(Duration.ofMillis(20));
                return consumer.position(at) == 3;
            });
        }
    }

    private static void noOffset(Broker broker) throws Exception {
        String topic = broker.createTopic("no-offset", 1);
        try (Consumer<byte[], byte[]> consumer = broker.consumer(
                ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "none",
                ConsumerConfig.GROUP_ID_CONFIG, broker.name("no-offset"))) {
            consumer.assign(Set.of(new TopicPartition(topic, 0)));
            Check.fails(NoOffsetForPartitionException.class, () -> Broker.poll(consumer, 1));
        }
    }

    private static void metadata(Broker broker) throws Exception {
        String topic = broker.createTopic("metadata", 2);
        try (Consumer<byte[], byte[]> consumer = broker.consumer()) {
            Check.same("partitions", List.of(0, 1), consumer.partitionsFor(topic).stream()
                .map(p -> p.partition()).sorted().toList());
            Check.same("listed", 2, consumer.listTopics().get(topic).size());
        }
    }

    private static void unknown(Broker broker) throws Exception {
        String topic = broker.name("never-made");
        try (Consumer<byte[], byte[]> consumer = broker.consumer(
                ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false)) {
            Check.same("partitions", List.of(), consumer.partitionsFor(topic));
            Check.isTrue("not listed", !consumer.listTopics().containsKey(topic));
        }
    }

    private static void badTopic(Broker broker) throws Exception {
        try (Consumer<byte[], byte[]> consumer = broker.consumer()) {
            Check.fails(InvalidTopicException.class, () -> consumer.partitionsFor("not a topic"));
        }
    }

    private static void deletedTopic(Broker broker) throws Exception {
        String gone = broker.createTopic("deleted-under", 1);
        String kept = broker.createTopic("kept", 1);
        broker.produce(gone, "g");
        broker.produce(kept, "k");
        TopicPartition keptAt = new TopicPartition(kept, 0);
        try (Consumer<byte[], byte[]> consumer = broker.consumer();
             Producer<byte[], byte[]> producer = broker.producer()) {
            consumer.assign(Set.of(keptAt, new TopicPartition(gone, 0)));
            Broker.poll(consumer, 2);
            broker.admin().deleteTopics(Set.of(gone)).all().get();
            producer.send(new ProducerRecord<>(kept, Broker.utf8("later"))).get();
            Check.same("values", List.of("later"), Broker.values(Broker.poll(consumer, 1)));
        }
    }

    private static void addedPartition(Broker broker) throws Exception {
        String topic = broker.createTopic("added-partition", 1);
        List<TopicPartition> both =
            List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1));
        try (Consumer<byte[], byte[]> consumer = broker.consumer();
             Producer<byte[], byte[]> producer = broker.producer()) {
            consumer.assign(both.subList(0, 1));
            consumer.poll(Duration.ofMillis(50));
            broker.admin().createPartitions(Map.of(topic,
                org.apache.kafka.clients.admin.NewPartitions.increaseTo(2))).all().get();
            broker.awaitLeaders(topic, 2);
            consumer.assign(both);
            producer.send(new ProducerRecord<>(topic, 1, null, Broker.utf8("v"))).get();
            Check.same("values", List.of("v"), Broker.values(Broker.poll(consumer, 1)));
        }
    }
}
