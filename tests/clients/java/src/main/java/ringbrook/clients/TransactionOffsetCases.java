package ringbrook.clients;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsOptions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;

/**
 * Offsets that are committed by a transaction, and the consume-transform-produce loop that they are
 * for. Only calls that kafka-clients 3.9 has too, as TransactionCases.
 */
public final class TransactionOffsetCases {
    private static final String ISOLATION = ConsumerConfig.ISOLATION_LEVEL_CONFIG;

    private TransactionOffsetCases() {
    }

    /** All of them. */
    public static List<Case> all() {
        return List.of(
            new Case("a_loop_of_two_workers_with_aborts_and_a_crash_is_exactly_once",
                b -> loop(b, "classic")),
            new Case("offsets_of_a_transaction_come_with_its_commit",
                TransactionOffsetCases::committed),
            new Case("offsets_of_an_aborted_transaction_are_forgotten",
                TransactionOffsetCases::aborted),
            new Case("stable_offsets_wait_for_the_end_of_the_transaction",
                TransactionOffsetCases::stable),
            new Case("offsets_of_a_stale_generation_are_refused",
                TransactionOffsetCases::stale),
            new Case("offsets_of_a_member_come_with_its_transaction",
                TransactionOffsetCases::member));
    }

    private static Map<TopicPartition, OffsetAndMetadata> offsets(Broker broker, String group)
            throws Exception {
        return broker.admin().listConsumerGroupOffsets(group)
            .partitionsToOffsetAndMetadata().get();
    }

    /** A producer with a transaction that holds one record and the group's offset. */
    private static Producer<byte[], byte[]> open(Broker broker, String group, String topic,
            long offset) {
        var producer = TransactionCases.open(broker, group, topic, "record");
        // A consumer that has not subscribed speaks for the group, not for a member.
        try (var consumer = broker.consumer(ConsumerConfig.GROUP_ID_CONFIG, group)) {
            producer.sendOffsetsToTransaction(Map.of(new TopicPartition(topic, 0),
                new OffsetAndMetadata(offset, "note")), consumer.groupMetadata());
        }
        return producer;
    }

    private static void committed(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-offsets", 1);
        String group = broker.name("txn-offsets");
        try (var producer = open(broker, group, topic, 7)) {
            Check.same("before", Map.of(), offsets(broker, group));
            producer.commitTransaction();
            Check.eventually("after", Broker.PATIENCE, () -> offsets(broker, group)
                .equals(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(7, "note"))));
        }
    }

    private static void aborted(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-offsets-aborted", 1);
        String group = broker.name("txn-offsets-aborted");
        TopicPartition at = new TopicPartition(topic, 0);
        broker.admin().alterConsumerGroupOffsets(group, Map.of(at, new OffsetAndMetadata(3)))
            .all().get();
        var stable = new ListConsumerGroupOffsetsOptions().requireStable(true);
        try (var producer = open(broker, group, topic, 7)) {
            producer.abortTransaction();
            // Admin leaves out what is not stable, until no transaction's offset is pending.
            Check.eventually("the older offset is stable", Broker.PATIENCE, () ->
                broker.admin().listConsumerGroupOffsets(group, stable)
                    .partitionsToOffsetAndMetadata().get()
                    .equals(Map.of(at, new OffsetAndMetadata(3))));
        }
    }

    private static void stable(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-offsets-stable", 2);
        String group = broker.name("txn-offsets-stable");
        TopicPartition at = new TopicPartition(topic, 0);
        TopicPartition other = new TopicPartition(topic, 1);
        broker.admin().alterConsumerGroupOffsets(group, Map.of(at, new OffsetAndMetadata(3),
            other, new OffsetAndMetadata(4))).all().get();
        try (var producer = open(broker, group, topic, 7);
             var reader = broker.consumer(ConsumerConfig.GROUP_ID_CONFIG, group)) {
            // A consumer of either isolation asks for stable offsets, Admin does not.
            Check.fails(TimeoutException.class,
                () -> reader.committed(Set.of(at), Duration.ofMillis(500)));
            Check.same("a partition that is not in it", new OffsetAndMetadata(4),
                reader.committed(Set.of(other)).get(other));
            Check.same("without stability", new OffsetAndMetadata(3),
                offsets(broker, group).get(at));
            producer.commitTransaction();
            Check.same("after", new OffsetAndMetadata(7, "note"),
                reader.committed(Set.of(at)).get(at));
        }
    }

    private static void stale(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-offsets-stale", 1);
        String group = broker.name("txn-offsets-stale");
        TopicPartition at = new TopicPartition(topic, 0);
        Member gone = new Member(broker, group, topic);
        gone.awaitAssigned(0);
        ConsumerGroupMetadata ofOneThatLeft = gone.metadata();
        gone.close();
        try (Member member = new Member(broker, group, topic)) {
            member.awaitAssigned(0);
            ConsumerGroupMetadata before = member.metadata();
            try (Member second = new Member(broker, group, topic)) {
                Check.eventually("a new generation", Broker.PATIENCE,
                    () -> member.metadata().generationId() > before.generationId());
                for (var stale : List.of(ofOneThatLeft, before)) {
                    refuse(broker, group, at, stale);
                }
            }
        }
        Check.same("offsets", Map.of(), offsets(broker, group));
        Check.same("committed", List.of(), broker.committed(topic, 0));
    }

    private static void refuse(Broker broker, String group, TopicPartition at,
            ConsumerGroupMetadata stale) {
        try (var producer = TransactionCases.open(broker, group, at.topic(), "gone")) {
            Check.fails(CommitFailedException.class, () -> {
                producer.sendOffsetsToTransaction(Map.of(at, new OffsetAndMetadata(1)), stale);
                producer.commitTransaction();
            });
            producer.abortTransaction();
        }
    }

    private static void member(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-offsets-member", 1);
        String group = broker.name("txn-offsets-member");
        TopicPartition at = new TopicPartition(topic, 0);
        try (Member member = new Member(broker, group, topic)) {
            member.awaitAssigned(0);
            try (var producer = TransactionCases.open(broker, group, topic, "kept")) {
                producer.sendOffsetsToTransaction(Map.of(at, new OffsetAndMetadata(1)),
                    member.metadata());
                producer.commitTransaction();
            }
            Check.eventually("its offset is there", Broker.PATIENCE, () -> offsets(broker, group)
                .equals(Map.of(at, new OffsetAndMetadata(1))));
        }
    }

    /**
     * Two workers move numbers from one topic to another in transactions; every third transaction
     * is aborted, and one worker ends in the middle without a word to anybody and is replaced.
     */
    static void loop(Broker broker, String protocol) throws Exception {
        int count = 600;
        String input = broker.createTopic("txn-loop-in-" + protocol, 2);
        String output = broker.createTopic("txn-loop-out-" + protocol, 2);
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            for (int i = 0; i < count; i++) {
                producer.send(new ProducerRecord<>(input, i % 2, null, Broker.utf8("" + i)));
            }
        }
        AtomicInteger done = new AtomicInteger();
        Worker lasting = new Worker(broker, protocol, input, output, "lasting", done, count);
        Worker crashing = new Worker(broker, protocol, input, output, "replaced", done, 60);
        lasting.start();
        crashing.start();
        crashing.join(Broker.PATIENCE.toMillis());
        Check.isTrue("the crashing worker ended", !crashing.isAlive());
        crashing.failIfFailed();
        Worker replacing = new Worker(broker, protocol, input, output, "replaced", done, count);
        replacing.start();
        try {
            Check.eventually("everything is moved: " + done, Broker.PATIENCE.multipliedBy(2),
                () -> {
                    lasting.failIfFailed();
                    replacing.failIfFailed();
                    return done.get() >= count;
                });
        } finally {
            lasting.finish();
            replacing.finish();
        }
        List<String> moved = new ArrayList<>(broker.committed(output, 0));
        moved.addAll(broker.committed(output, 1));
        Check.same("distinct numbers", count, new HashSet<>(moved).size());
        Check.same("numbers", count, moved.size());
    }

    /** One process of the loop, as a thread. Ends as if killed once it moved its number. */
    private static final class Worker extends Thread {
        private final Producer<byte[], byte[]> producer;
        private final Consumer<byte[], byte[]> consumer;
        private final String input;
        private final String output;
        private final AtomicInteger done;
        private final int limit;
        private int moved;
        private volatile boolean stopping;
        private volatile Throwable error;

        Worker(Broker broker, String protocol, String input, String output, String id,
                AtomicInteger done, int limit) {
            this.input = input;
            this.output = output;
            this.done = done;
            this.limit = limit;
            producer = broker.transactional(output + "-" + id);
            List<Object> settings = new ArrayList<>(List.of(
                ConsumerConfig.GROUP_ID_CONFIG, input, ISOLATION, "read_committed",
                ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 10,
                // A new one with this name takes over at once from one that vanished.
                ConsumerConfig.GROUP_INSTANCE_ID_CONFIG, id,
                ConsumerConfig.GROUP_PROTOCOL_CONFIG, protocol));
            if (protocol.equals("classic")) {
                settings.addAll(List.of(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 6000,
                    ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 100));
            }
            consumer = broker.consumer(settings.toArray());
            setDaemon(true);
        }

        void failIfFailed() {
            if (error != null) {
                throw new AssertionError("a worker ended: " + error, error);
            }
        }

        void finish() throws InterruptedException {
            stopping = true;
            join(Broker.PATIENCE.toMillis());
        }

        @Override
        public void run() {
            try {
                producer.initTransactions();
                consumer.subscribe(Set.of(input));
                for (int turn = 0; !stopping && moved < limit; turn++) {
                    ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(50));
                    if (!records.isEmpty()) {
                        move(records, turn % 3 == 2);
                    }
                }
                if (moved >= limit && !stopping) {
                    producer.beginTransaction();
                    producer.send(new ProducerRecord<>(output, 0, null, Broker.utf8("unfinished")));
                    producer.flush();
                }
                producer.close(Duration.ZERO);
                consumer.close();
            } catch (Throwable e) {
                error = e;
            }
        }

        private void move(ConsumerRecords<byte[], byte[]> records, boolean isAborted) {
            Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
            Map<TopicPartition, Long> first = new HashMap<>();
            producer.beginTransaction();
            try {
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    TopicPartition at = new TopicPartition(record.topic(), record.partition());
                    producer.send(new ProducerRecord<>(output, record.partition(), null,
                        record.value()));
                    next.put(at, new OffsetAndMetadata(record.offset() + 1));
                    first.putIfAbsent(at, record.offset());
                }
                producer.sendOffsetsToTransaction(next, consumer.groupMetadata());
                if (!isAborted) {
                    producer.commitTransaction();
                    moved += records.count();
                    done.addAndGet(records.count());
                    return;
                }
            } catch (CommitFailedException e) {
                // The group has moved on: what was read now belongs to the other worker, or is
                // read again from the committed offset.
                producer.abortTransaction();
                consumer.assignment().stream().filter(first::containsKey)
                    .forEach(at -> consumer.seek(at, first.get(at)));
                return;
            }
            producer.abortTransaction();
            first.forEach(consumer::seek);
        }
    }
}
