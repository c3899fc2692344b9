package ringbrook.clients.cli;

import java.util.List;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Check;

/** kafka-transactions. */
final class TransactionToolCases {
    private TransactionToolCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("transactions_list_shows_state_and_filters", TransactionToolCases::list),
            new Case("transactions_describe_shows_the_partitions", TransactionToolCases::describe),
            new Case("transactions_describe_of_an_unknown_id_says_so",
                TransactionToolCases::unknown),
            new Case("transactions_describe_producers_shows_the_open_transaction",
                TransactionToolCases::producers),
            new Case("transactions_abort_ends_the_one_at_an_offset", TransactionToolCases::abort),
            new Case("transactions_abort_of_no_transaction_says_so",
                TransactionToolCases::abortNothing),
            new Case("transactions_find_hanging_leaves_a_known_transaction_out",
                TransactionToolCases::hanging),
            new Case("transactions_force_terminate_aborts", TransactionToolCases::terminate));
    }

    /** A transaction that holds one record at offset 0 of the topic with the id's name. */
    private static Producer<byte[], byte[]> open(Broker broker, String topic) {
        Producer<byte[], byte[]> producer = broker.transactional(topic);
        producer.initTransactions();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(topic, 0, null, Broker.utf8("value")));
        producer.flush();
        return producer;
    }

    private static String node(Broker broker) throws Exception {
        return broker.admin().describeCluster().controller().get().idString();
    }

    private static void list(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-txn-list", 1);
        try (var producer = open(broker, topic)) {
            Tool.Output found = Cli.transactions(broker, "list");
            Check.same("header", List.of("TransactionalId", "Coordinator", "ProducerId",
                "TransactionState"), found.row("TransactionalId"));
            List<String> row = found.row(topic);
            Check.same("coordinator", node(broker), row.get(1));
            Check.same("state", "Ongoing", row.get(3));
            Check.isTrue("not older than an hour", !Cli.transactions(broker, "list",
                "--duration-filter", "3600000").good().contains(topic));
            Check.same("by pattern", row, Cli.transactions(broker, "list",
                "--transactional-id-pattern", ".*tool-txn-l.st").row(topic));
            Check.isTrue("another pattern", !Cli.transactions(broker, "list",
                "--transactional-id-pattern", "tool-txn-list").good().contains(topic));
            producer.commitTransaction();
        }
        Check.eventually("it is complete", Broker.PATIENCE, () -> Cli.transactions(broker, "list")
            .row(topic).get(3).equals("CompleteCommit"));
    }

    private static void describe(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-txn-describe", 1);
        try (var producer = open(broker, topic)) {
            Tool.Output found = Cli.transactions(broker, "describe", "--transactional-id", topic);
            Check.same("header", List.of("CoordinatorId", "TransactionalId", "ProducerId",
                "ProducerEpoch", "TransactionState", "TransactionTimeoutMs",
                "CurrentTransactionStartTimeMs", "TransactionDurationMs", "TopicPartitions"),
                found.row("CoordinatorId"));
            List<String> row = found.row(topic);
            Check.same("coordinator", node(broker), row.get(0));
            Check.same("epoch", "0", row.get(3));
            Check.same("state", "Ongoing", row.get(4));
            Check.same("timeout", "60000", row.get(5));
            Check.same("partitions", topic + "-0", row.get(8));
            producer.abortTransaction();
        }
    }

    private static void unknown(Broker broker) throws Exception {
        Check.contains("output", Cli.transactions(broker, "describe", "--transactional-id",
            broker.name("tool-txn-nobody")).bad(), "the ID could not be found");
    }

    private static List<String> producer(Broker broker, String topic) throws Exception {
        Tool.Output found = Cli.transactions(broker, "describe-producers", "--topic", topic,
            "--partition", "0");
        Check.same("header", List.of("ProducerId", "ProducerEpoch", "LatestCoordinatorEpoch",
            "LastSequence", "LastTimestamp", "CurrentTransactionStartOffset"),
            found.row("ProducerId"));
        return List.of(found.lines().get(1).trim().split("\\s+"));
    }

    private static void producers(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-txn-producers", 1);
        try (var producer = open(broker, topic)) {
            List<String> row = producer(broker, topic);
            Check.same("epoch and coordinator's epoch", List.of("0", "-1"), row.subList(1, 3));
            Check.same("sequence", "0", row.get(3));
            Check.same("start", "0", row.get(5));
            producer.commitTransaction();
        }
        Check.eventually("it is not open any more", Broker.PATIENCE,
            () -> producer(broker, topic).get(5).equals("None"));
    }

    private static void abort(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-txn-abort", 1);
        try (var producer = open(broker, topic)) {
            Cli.transactions(broker, "abort", "--topic", topic, "--partition", "0",
                "--start-offset", "0").good();
            Check.same("committed", List.of(), broker.committed(topic, 0));
            producer.abortTransaction();
        }
    }

    private static void abortNothing(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-txn-abort-nothing", 1);
        broker.produce(topic, "plain");
        Check.contains("output", Cli.transactions(broker, "abort", "--topic", topic,
            "--partition", "0", "--start-offset", "0").bad(), "Could not find any open");
    }

    private static void hanging(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-txn-hanging", 1);
        try (var producer = open(broker, topic)) {
            for (String[] scope : List.of(new String[] {"--topic", topic},
                    new String[] {"--broker-id", node(broker), "--topic", topic, "--partition",
                        "0", "--max-transaction-timeout", "0"})) {
                String[] args = new String[scope.length + 1];
                args[0] = "find-hanging";
                System.arraycopy(scope, 0, args, 1, scope.length);
                List<String> lines = Cli.transactions(broker, args).good().lines().toList();
                Check.same("lines", 1, lines.size());
                Check.contains("header", lines.get(0), "Topic", "Partition", "ProducerId",
                    "StartOffset", "LastTimestamp", "Duration(min)");
            }
            producer.abortTransaction();
        }
    }

    private static void terminate(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-txn-terminate", 1);
        try (var producer = open(broker, topic)) {
            Cli.transactions(broker, "forceTerminateTransaction", "--transactionalId", topic)
                .good();
            Check.same("committed", List.of(), broker.committed(topic, 0));
        }
    }
}
