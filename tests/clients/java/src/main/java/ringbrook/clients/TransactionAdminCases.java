package ringbrook.clients;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;

/** Transactions and producers are listed, described and ended from outside. */
final class TransactionAdminCases {
    private TransactionAdminCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("list_transactions_shows_state_and_producer", TransactionAdminCases::list),
            new Case("list_transactions_filters_by_duration_and_pattern",
                TransactionAdminCases::filters),
            new Case("describe_transactions_shows_the_partitions_while_it_is_open",
                TransactionAdminCases::describe),
            new Case("describe_an_unknown_transactional_id_is_not_found",
                TransactionAdminCases::unknown),
            new Case("describe_producers_shows_open_transactions_and_sequences",
                TransactionAdminCases::producers),
            new Case("describe_producers_of_an_unknown_partition_times_out",
                TransactionAdminCases::producersUnknown),
            new Case("abort_transaction_writes_a_marker", TransactionAdminCases::abort),
            new Case("abort_transaction_of_an_older_epoch_is_refused",
                TransactionAdminCases::abortOlder),
            new Case("fence_producers_aborts_and_fences", TransactionAdminCases::fence),
            new Case("force_terminate_transaction_aborts_and_fences",
                TransactionAdminCases::terminate));
    }

    private static TransactionDescription describe(Broker broker, String id) throws Exception {
        return broker.admin().describeTransactions(Set.of(id)).description(id).get();
    }

    private static TransactionListing listed(Broker broker, String id,
            ListTransactionsOptions options) throws Exception {
        Collection<TransactionListing> all = broker.admin().listTransactions(options).all().get();
        return all.stream().filter(t -> t.transactionalId().equals(id)).findFirst().orElse(null);
    }

    private static ProducerState producer(Broker broker, TopicPartition at, long producerId)
            throws Exception {
        return broker.admin().describeProducers(Set.of(at)).partitionResult(at).get()
            .activeProducers().stream().filter(p -> p.producerId() == producerId).findFirst()
            .orElse(null);
    }

    private static void list(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-list", 1);
        try (var producer = TransactionCases.open(broker, topic, topic, "a")) {
            TransactionListing found = listed(broker, topic, new ListTransactionsOptions());
            Check.same("state", TransactionState.ONGOING, found.state());
            Check.same("producer id", describe(broker, topic).producerId(), found.producerId());
            var own = new ListTransactionsOptions().filterProducerIds(Set.of(found.producerId()));
            Check.same("by producer id", Set.of(topic), broker.admin().listTransactions(own).all()
                .get().stream().map(TransactionListing::transactionalId)
                .collect(Collectors.toSet()));
            var ongoing =
                new ListTransactionsOptions().filterStates(Set.of(TransactionState.ONGOING));
            Check.isTrue("among the ongoing", listed(broker, topic, ongoing) != null);
            producer.commitTransaction();
            Check.eventually("it is complete", Broker.PATIENCE,
                () -> listed(broker, topic, new ListTransactionsOptions()).state()
                    == TransactionState.COMPLETE_COMMIT);
            Check.isTrue("not among the ongoing", listed(broker, topic, ongoing) == null);
        }
    }

    private static void filters(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-filter", 1);
        try (var producer = TransactionCases.open(broker, topic, topic, "a")) {
            Check.isTrue("it is not older than an hour", listed(broker, topic,
                new ListTransactionsOptions().filterOnDuration(3_600_000)) == null);
            Check.eventually("it grows older than 50 ms", Broker.PATIENCE, () -> listed(broker,
                topic, new ListTransactionsOptions().filterOnDuration(50)) != null);
            Check.isTrue("by pattern", listed(broker, topic, new ListTransactionsOptions()
                .filterOnTransactionalIdPattern(".*txn-f[i]lter")) != null);
            Check.isTrue("the whole name counts", listed(broker, topic,
                new ListTransactionsOptions().filterOnTransactionalIdPattern("txn-filter"))
                    == null);
            Check.fails(ApiException.class, () -> listed(broker, topic,
                new ListTransactionsOptions().filterOnTransactionalIdPattern("(")));
            producer.abortTransaction();
        }
    }

    private static void describe(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-describe", 3);
        long before = System.currentTimeMillis();
        try (var producer = broker.transactional(topic, "transaction.timeout.ms", 54321)) {
            producer.initTransactions();
            TransactionDescription empty = describe(broker, topic);
            Check.same("state", TransactionState.EMPTY, empty.state());
            Check.same("start", OptionalLong.empty(), empty.transactionStartTimeMs());
            producer.beginTransaction();
            TransactionCases.send(producer, topic, 0, "a");
            TransactionCases.send(producer, topic, 2, "b");
            producer.flush();
            TransactionDescription open = describe(broker, topic);
            Check.same("state", TransactionState.ONGOING, open.state());
            Check.same("partitions", Set.of(new TopicPartition(topic, 0),
                new TopicPartition(topic, 2)), open.topicPartitions());
            Check.same("timeout", 54321L, open.transactionTimeoutMs());
            Check.same("producer id", empty.producerId(), open.producerId());
            Check.same("epoch", empty.producerEpoch(), open.producerEpoch());
            Check.same("coordinator", broker.admin().describeCluster().controller().get().id(),
                open.coordinatorId());
            long start = open.transactionStartTimeMs().getAsLong();
            Check.isTrue("start " + start, before <= start
                && start <= System.currentTimeMillis());
            producer.abortTransaction();
            Check.eventually("it is complete", Broker.PATIENCE, () -> {
                TransactionDescription done = describe(broker, topic);
                return done.state() == TransactionState.COMPLETE_ABORT
                    && done.topicPartitions().isEmpty()
                    // Version 2 raises the epoch with each end.
                    && done.producerEpoch() == open.producerEpoch() + 1;
            });
        }
    }

    private static void unknown(Broker broker) {
        String id = broker.name("txn-nobody");
        Check.fails(TransactionalIdNotFoundException.class,
            broker.admin().describeTransactions(Set.of(id)).description(id));
    }

    private static void producers(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-producers", 2);
        TopicPartition at = new TopicPartition(topic, 0);
        Check.same("nobody wrote", 0, broker.admin().describeProducers(Set.of(at))
            .partitionResult(at).get().activeProducers().size());
        broker.produce(topic, "plain");
        try (var producer = TransactionCases.open(broker, topic, topic, "a", "b")) {
            TransactionDescription transaction = describe(broker, topic);
            long id = transaction.producerId();
            ProducerState open = producer(broker, at, id);
            Check.same("epoch", transaction.producerEpoch(), open.producerEpoch());
            Check.same("last sequence", 1, open.lastSequence());
            Check.same("start", OptionalLong.of(1), open.currentTransactionStartOffset());
            Check.isTrue("timestamp", Math.abs(System.currentTimeMillis()
                - open.lastTimestamp()) < 60_000);
            Check.same("producers", 2, broker.admin().describeProducers(Set.of(at))
                .partitionResult(at).get().activeProducers().size());
            producer.commitTransaction();
            Check.eventually("it is not open any more", Broker.PATIENCE, () ->
                producer(broker, at, id).currentTransactionStartOffset().isEmpty());
            ProducerState ended = producer(broker, at, id);
            Check.same("the coordinator's epoch is known", true,
                ended.coordinatorEpoch().isPresent());
            Check.same("the marker has the raised epoch", open.producerEpoch() + 1,
                ended.producerEpoch());
        }
    }

    private static void producersUnknown(Broker broker) throws Exception {
        TopicPartition at = new TopicPartition(broker.createTopic("txn-no-part", 1), 7);
        Check.fails(TimeoutException.class, broker.admin().describeProducers(Set.of(at),
            new org.apache.kafka.clients.admin.DescribeProducersOptions().timeoutMs(1000))
            .partitionResult(at));
    }

    private static AbortTransactionSpec spec(Broker broker, TopicPartition at, String id,
            int epochChange) throws Exception {
        TransactionDescription found = describe(broker, id);
        ProducerState state = producer(broker, at, found.producerId());
        return new AbortTransactionSpec(at, found.producerId(),
            (short) (state.producerEpoch() + epochChange), state.coordinatorEpoch().orElse(0));
    }

    private static void abort(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-admin-abort", 1);
        TopicPartition at = new TopicPartition(topic, 0);
        try (var producer = TransactionCases.open(broker, topic, topic, "gone")) {
            broker.admin().abortTransaction(spec(broker, at, topic, 0)).all().get();
            Check.eventually("the marker is there", Broker.PATIENCE,
                () -> broker.stableOffset(topic, 0) == 2);
            Check.same("committed", List.of(), broker.committed(topic, 0));
            producer.abortTransaction();
        }
    }

    private static void abortOlder(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-admin-older", 1);
        TopicPartition at = new TopicPartition(topic, 0);
        try (var first = TransactionCases.open(broker, topic, topic, "one")) {
            first.commitTransaction();
            first.beginTransaction();
            TransactionCases.send(first, topic, 0, "two");
            first.flush();
            Check.fails(InvalidProducerEpochException.class,
                broker.admin().abortTransaction(spec(broker, at, topic, -1)).all());
            first.commitTransaction();
        }
        Check.same("committed", List.of("one", "two"), broker.committed(topic, 0));
    }

    private static void fence(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-admin-fence", 1);
        try (var producer = TransactionCases.open(broker, topic, topic, "gone")) {
            TransactionDescription before = describe(broker, topic);
            var fenced = broker.admin().fenceProducers(Set.of(topic));
            fenced.all().get();
            Check.same("producer id", before.producerId(), fenced.producerId(topic).get());
            Check.isTrue("a greater epoch",
                before.producerEpoch() < fenced.epochId(topic).get());
            Check.fails(ProducerFencedException.class, producer::commitTransaction);
        }
        Check.same("committed", List.of(), broker.committed(topic, 0));
        String fresh = broker.name("txn-admin-fence-unknown");
        broker.admin().fenceProducers(Set.of(fresh)).all().get();
        Check.same("an unknown id gets a producer", TransactionState.EMPTY,
            describe(broker, fresh).state());
    }

    private static void terminate(Broker broker) throws Exception {
        String topic = broker.createTopic("txn-admin-terminate", 1);
        try (var producer = TransactionCases.open(broker, topic, topic, "gone")) {
            broker.admin().forceTerminateTransaction(topic).result().get();
            Check.fails(ProducerFencedException.class, producer::commitTransaction);
        }
        Check.same("committed", List.of(), broker.committed(topic, 0));
        try (var next = TransactionCases.open(broker, topic, topic, "kept")) {
            next.send(new ProducerRecord<>(topic, 0, null, Broker.utf8("too")));
            next.commitTransaction();
        }
        Check.same("committed", List.of("kept", "too"), broker.committed(topic, 0));
        Check.same("states", Map.of(topic, TransactionState.COMPLETE_COMMIT),
            Map.of(topic, describe(broker, topic).state()));
    }
}
