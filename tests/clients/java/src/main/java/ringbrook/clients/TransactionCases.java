package ringbrook.clients;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.errors.InvalidTxnStateException;
import org.apache.kafka.common.errors.ProducerFencedException;

/**
 * Transactions of the producer, and what consumers of both isolation levels see of them. Only calls
 * that kafka-clients 3.9 has too: the same cases run with that client, and at every level of the
 * feature transaction.version.
 */
public final class TransactionCases {
    private static final String ISOLATION = ConsumerConfig.ISOLATION_LEVEL_CONFIG;

    private TransactionCases() {
    }

    /**
     * All of them.
     *
     * @param isSecond whether the producer and the broker's feature level make transactions of
     *     version 2: then a producer whose epoch is gone hears another reason
     */
    public static List<Case> all(boolean isSecond) {
        List<Case> cases = new ArrayList<>(List.of(
            new Case("a_transaction_older_than_its_timeout_is_aborted",
                b -> timeout(b, isSecond)),
            new Case("a_committed_transaction_spans_partitions_and_topics",
                TransactionCases::commits),
            new Case("an_aborted_transaction_is_hidden_from_read_committed_only",
                TransactionCases::aborts),
            new Case("an_open_transaction_holds_back_all_that_follows",
                TransactionCases::holdsBack),
            new Case("a_waiting_read_committed_fetch_wakes_at_the_end_of_the_transaction",
                TransactionCases::wakes),
            new Case("interleaved_transactions_end_one_by_one", TransactionCases::interleaved),
            new Case("a_second_producer_fences_the_first_and_aborts_its_transaction",
                TransactionCases::fences),
            new Case("a_fenced_producer_writes_nothing", TransactionCases::fencedSend),
            new Case("a_producer_goes_on_where_one_with_its_id_was_closed",
                TransactionCases::reopened),
            new Case("a_transaction_without_records_ends_both_ways", TransactionCases::empty),
            new Case("a_transaction_timeout_above_the_maximum_is_refused",
                TransactionCases::timeoutTooLong),
            new Case("a_reader_inside_an_aborted_transaction_sees_none_of_it",
                TransactionCases::seekInside),
            new Case("offsets_for_times_stop_at_the_last_stable_offset",
                TransactionCases::offsetsForTimes),
            new Case("a_transaction_of_many_batches_is_all_or_nothing", TransactionCases::large),
            new Case("a_transaction_over_a_deleted_topic_commits", TransactionCases::deleted),
            new Case("many_small_transactions_in_a_row_keep_their_order",
                TransactionCases::row)));
        for (String codec : List.of("gzip", "snappy", "lz4", "zstd")) {
            cases.add(new Case("transactions_with_" + codec, b -> codec(b, codec)));
        }
        return cases;
    }

    /** Sends values to one partition; the records are on their way when this returns. */
    static void send(Producer<byte[], byte[]> producer, String topic, int partition,
            String... values) {
        for (String value : values) {
            producer.send(new ProducerRecord<>(topic, partition, null, Broker.utf8(value)));
        }
    }

    /** An initialised producer with a begun transaction, whose values the broker has. */
    static Producer<byte[], byte[]> open(Broker broker, String id, String topic, String... values) {
        Producer<byte[], byte[]> producer = broker.transactional(id);
        producer.initTransactions();
        producer.beginTransaction();
        send(producer, topic, 0, values);
        producer.flush();
        return producer;
    }

    private static List<String> uncommitted(Broker broker, String topic, int count) {
        return Broker.values(broker.read(topic, 0, count, ISOLATION, "read_uncommitted"));
    }

    private static void commits(Broker broker) throws Exception {
        String first = broker.createTopic("txn-commit-1", 8);
        String second = broker.createTopic("txn-commit-2", 1);
        try (var producer = broker.transactional(first)) {
            producer.initTransactions();
            producer.beginTransaction();
            for (int partition = 0; partition < 8; partition++) {
                send(producer, first, partition, "a" + partition, "b" + partition);
            }
            send(producer, second, 0, "c");
            producer.commitTransaction();
        }
        for (int partition = 0; partition < 8; partition++) {
            Check.same("committed", List.of("a" + partition, "b" + partition),
                broker.committed(first, partition));
            // The marker takes an offset.
            Check.same("log end", 3L, broker.endOffset(first, partition));
        }
        Check.same("committed", List.of("c"), broker.committed(second, 0));
        Check.same("uncommitted", List.of("c"), uncommitted(broker, second, 1));
    }

    private static void aborts(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-abort", 1);
        try (var producer = open(broker, topic, topic, "gone-1", "gone-2")) {
            producer.abortTransaction();
            producer.beginTransaction();
            send(producer, topic, 0, "kept");
            producer.commitTransaction();
        }
        Check.same("committed", List.of("kept"), broker.committed(topic, 0));
        Check.same("uncommitted", List.of("gone-1", "gone-2", "kept"),
            uncommitted(broker, topic, 3));
        Check.same("log end", 5L, broker.endOffset(topic, 0));
    }

    private static void holdsBack(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-open", 1);
        broker.produce(topic, "before");
        try (var producer = open(broker, topic, topic, "open"); var plain = broker.producer()) {
            send(plain, topic, 0, "after");
            plain.flush();
            Check.same("uncommitted", List.of("before", "open", "after"),
                uncommitted(broker, topic, 3));
            Check.same("last stable offset", 1L, broker.stableOffset(topic, 0));
            Check.same("committed", List.of("before"),
                Broker.values(broker.read(topic, 0, 1, ISOLATION, "read_committed")));
            producer.commitTransaction();
        }
        Check.same("committed", List.of("before", "open", "after"), broker.committed(topic, 0));
    }

    private static void wakes(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-wake", 1);
        TopicPartition at = new TopicPartition(topic, 0);
        long waitMs = Broker.PATIENCE.toMillis() * 3 / 4;
        AtomicLong woken = new AtomicLong();
        try (var producer = open(broker, topic, topic, "late");
             Consumer<byte[], byte[]> consumer = broker.consumer(ISOLATION, "read_committed",
                 ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, (int) waitMs)) {
            consumer.assign(Set.of(at));
            // The first fetch of a consumer is sent by the time that its position is known.
            consumer.poll(java.time.Duration.ofMillis(300));
            long begun = System.nanoTime();
            CompletableFuture<Void> reading = CompletableFuture.runAsync(() -> {
                Check.same("values", List.of("late"), Broker.values(Broker.poll(consumer, 1)));
                woken.set(System.nanoTime());
            });
            producer.commitTransaction();
            reading.get(Broker.PATIENCE.toSeconds() * 2, TimeUnit.SECONDS);
            long tookMs = (woken.get() - begun) / 1_000_000;
            Check.isTrue("it came after " + tookMs + " ms, before the fetch's wait of " + waitMs,
                tookMs < waitMs / 2);
            // Ends the consumer's next fetch, which its close would wait for.
            try (var plain = broker.producer()) {
                send(plain, topic, 0, "last");
            }
        }
    }

    private static void interleaved(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-interleaved", 1);
        try (var a = open(broker, topic + "-a", topic, "a1");
             var b = open(broker, topic + "-b", topic, "b1");
             var c = open(broker, topic + "-c", topic, "c1")) {
            send(a, topic, 0, "a2");
            a.flush();
            send(b, topic, 0, "b2");
            b.flush();
            Check.same("last stable offset", 0L, broker.stableOffset(topic, 0));
            b.commitTransaction();
            Check.eventually("the marker of b is written", Broker.PATIENCE,
                () -> broker.endOffset(topic, 0) == 6);
            Check.same("a is still open", 0L, broker.stableOffset(topic, 0));
            a.abortTransaction();
            Check.eventually("c is the oldest now", Broker.PATIENCE,
                () -> broker.stableOffset(topic, 0) == 2);
            c.commitTransaction();
        }
        Check.same("committed", List.of("b1", "c1", "b2"), broker.committed(topic, 0));
        Check.same("uncommitted", List.of("a1", "b1", "c1", "a2", "b2"),
            uncommitted(broker, topic, 5));
    }

    private static void fences(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-fence", 1);
        try (var first = open(broker, topic, topic, "gone")) {
            try (var second = open(broker, topic, topic, "kept")) {
                // The first one's marker is written before the second one's record.
                Check.fails(ProducerFencedException.class, first::commitTransaction);
                second.commitTransaction();
            }
        }
        Check.same("committed", List.of("kept"), broker.committed(topic, 0));
        Check.same("uncommitted", List.of("gone", "kept"), uncommitted(broker, topic, 2));
        Check.same("log end", 4L, broker.endOffset(topic, 0));
    }

    private static void fencedSend(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-fenced-send", 1);
        try (var first = broker.transactional(topic); var second = broker.transactional(topic)) {
            first.initTransactions();
            second.initTransactions();
            first.beginTransaction();
            var sent = first.send(new ProducerRecord<>(topic, 0, null, Broker.utf8("never")));
            // By version of the transaction, ProducerFenced or InvalidProducerEpoch: both are
            // the client's word that it may not go on.
            Check.fails(ApiException.class, () -> sent.get());
            Check.fails(ProducerFencedException.class, () -> {
                first.abortTransaction();
                first.beginTransaction();
                send(first, topic, 0, "never");
                first.commitTransaction();
            });
            second.beginTransaction();
            send(second, topic, 0, "kept");
            second.commitTransaction();
        }
        Check.same("committed", List.of("kept"), broker.committed(topic, 0));
        Check.same("log end", 2L, broker.endOffset(topic, 0));
    }

    private static void timeout(Broker broker, boolean isSecond) throws Exception {
        String topic = broker.createTopic("txn-timeout", 1);
        try (var producer = broker.transactional(topic,
                ProducerConfig.TRANSACTION_TIMEOUT_CONFIG, 1000)) {
            producer.initTransactions();
            producer.beginTransaction();
            send(producer, topic, 0, "gone");
            producer.flush();
            Check.eventually("the broker aborts it", Broker.PATIENCE,
                () -> broker.stableOffset(topic, 0) == 2);
            // In version 2 the end by time looks like an end by an earlier request of this one.
            Class<? extends ApiException> reason =
                isSecond ? InvalidTxnStateException.class : ProducerFencedException.class;
            Check.fails(reason, producer::commitTransaction);
        }
        try (var next = open(broker, topic, topic, "kept")) {
            next.commitTransaction();
        }
        Check.same("committed", List.of("kept"), broker.committed(topic, 0));
    }

    private static void reopened(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-reopened", 1);
        for (int i = 0; i < 5; i++) {
            try (var producer = open(broker, topic, topic, "kept-" + i)) {
                producer.commitTransaction();
                producer.beginTransaction();
                send(producer, topic, 0, "gone-" + i);
                // Closing without an end leaves it to the next one's initTransactions.
                producer.flush();
                producer.close(java.time.Duration.ZERO);
            }
        }
        try (var last = broker.transactional(topic)) {
            last.initTransactions();
        }
        Check.same("committed", List.of("kept-0", "kept-1", "kept-2", "kept-3", "kept-4"),
            broker.committed(topic, 0));
        Check.same("log end: ten records, ten markers", 20L, broker.endOffset(topic, 0));
    }

    private static void empty(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-empty", 1);
        try (var producer = broker.transactional(topic)) {
            producer.initTransactions();
            for (int i = 0; i < 3; i++) {
                producer.beginTransaction();
                producer.commitTransaction();
                producer.beginTransaction();
                producer.abortTransaction();
            }
            producer.beginTransaction();
            send(producer, topic, 0, "one");
            producer.commitTransaction();
        }
        Check.same("committed", List.of("one"), broker.committed(topic, 0));
        Check.same("log end: a record, a marker", 2L, broker.endOffset(topic, 0));
    }

    private static void timeoutTooLong(Broker broker) {
        try (var producer = broker.transactional(broker.name("txn-too-long"),
                ProducerConfig.TRANSACTION_TIMEOUT_CONFIG, 900_001)) {
            Check.contains("the reason", Check.fails(KafkaException.class,
                producer::initTransactions).getMessage(), "The transaction timeout is larger than");
        }
    }

    private static void seekInside(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-seek", 1);
        TopicPartition at = new TopicPartition(topic, 0);
        try (var producer = open(broker, topic, topic, "gone-0", "gone-1", "gone-2", "gone-3")) {
            producer.abortTransaction();
            producer.beginTransaction();
            send(producer, topic, 0, "kept-5");
            producer.commitTransaction();
        }
        Check.same("committed", List.of("kept-5"), broker.committed(topic, 0));
        try (var consumer = broker.consumer(ISOLATION, "read_committed")) {
            consumer.assign(Set.of(at));
            for (long offset = 0; offset <= 5; offset++) {
                consumer.seek(at, offset);
                var read = Broker.poll(consumer, 1);
                Check.same("from " + offset, List.of("kept-5"), Broker.values(read));
                Check.same("its offset", 5L, read.get(0).offset());
            }
        }
    }

    private static void offsetsForTimes(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-times", 1);
        TopicPartition at = new TopicPartition(topic, 0);
        // The times lie ahead of those of the markers, which are records with a time too.
        long first = System.currentTimeMillis() + 600_000;
        long second = first + 600_000;
        try (var producer = broker.transactional(topic);
             var committed = broker.consumer(ISOLATION, "read_committed");
             var uncommitted = broker.consumer(ISOLATION, "read_uncommitted")) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, first, null, Broker.utf8("a")));
            producer.commitTransaction();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, second, null, Broker.utf8("b")));
            producer.flush();
            Check.eventually("the first transaction has ended", Broker.PATIENCE,
                () -> broker.stableOffset(topic, 0) == 2);
            Check.same("read_uncommitted", 2L,
                uncommitted.offsetsForTimes(Map.of(at, first + 1)).get(at).offset());
            Check.same("read_committed", null,
                committed.offsetsForTimes(Map.of(at, first + 1)).get(at));
            Check.same("read_committed before it", 0L,
                committed.offsetsForTimes(Map.of(at, first)).get(at).offset());
            producer.commitTransaction();
            Check.eventually("read_committed after the end", Broker.PATIENCE, () -> {
                var found = committed.offsetsForTimes(Map.of(at, first + 1)).get(at);
                return found != null && found.offset() == 2;
            });
        }
    }

    private static void large(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-large", 3);
        try (var producer = broker.transactional(topic, ProducerConfig.BATCH_SIZE_CONFIG, 500,
                ProducerConfig.LINGER_MS_CONFIG, 0)) {
            producer.initTransactions();
            for (String word : List.of("gone", "kept", "gone", "kept")) {
                producer.beginTransaction();
                for (int i = 0; i < 900; i++) {
                    send(producer, topic, i % 3, word + "-" + i);
                }
                if (word.equals("gone")) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
        for (int partition = 0; partition < 3; partition++) {
            int first = partition;
            List<String> once = IntStream.range(0, 300).mapToObj(i -> "kept-" + (i * 3 + first))
                .toList();
            List<String> twice = new ArrayList<>(once);
            twice.addAll(once);
            Check.same("partition " + partition, twice, broker.committed(topic, partition));
            Check.same("log end", 1204L, broker.endOffset(topic, partition));
        }
    }

    private static void deleted(Broker broker) throws Exception {
        String gone = broker.createTopic("txn-deleted", 2);
        String kept = broker.createTopic("txn-not-deleted", 1);
        try (var producer = open(broker, kept, kept, "one")) {
            send(producer, gone, 0, "gone");
            send(producer, gone, 1, "gone");
            producer.flush();
            broker.admin().deleteTopics(Set.of(gone)).all().get();
            producer.commitTransaction();
            // The next one waits until the markers of the first are written or given up.
            producer.beginTransaction();
            send(producer, kept, 0, "two");
            producer.commitTransaction();
        }
        Check.same("committed", List.of("one", "two"), broker.committed(kept, 0));
    }

    private static void row(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-row", 1);
        List<String> expected = new ArrayList<>();
        try (var producer = broker.transactional(topic)) {
            producer.initTransactions();
            for (int i = 0; i < 60; i++) {
                producer.beginTransaction();
                send(producer, topic, 0, i + "-a", i + "-b");
                if (i % 3 == 2) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                    expected.addAll(List.of(i + "-a", i + "-b"));
                }
            }
        }
        Check.same("committed", expected, broker.committed(topic, 0));
        Check.same("log end", 180L, broker.endOffset(topic, 0));
    }

    private static void codec(Broker broker, String codec) throws Exception {
        String topic = broker.createTopic("txn-" + codec, 1);
        List<String> expected = new ArrayList<>();
        try (var producer = broker.transactional(topic,
                ProducerConfig.COMPRESSION_TYPE_CONFIG, codec)) {
            producer.initTransactions();
            for (int i = 0; i < 4; i++) {
                producer.beginTransaction();
                for (int j = 0; j < 50; j++) {
                    send(producer, topic, 0, i + "-" + j);
                    if (i % 2 == 1) {
                        expected.add(i + "-" + j);
                    }
                }
                producer.flush();
                if (i % 2 == 1) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
        }
        Check.same("committed", expected, broker.committed(topic, 0));
        Check.same("uncommitted", 200, uncommitted(broker, topic, 200).size());
    }
}
