package ringbrook.clients.features;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Check;
import ringbrook.clients.Member;
import ringbrook.clients.format.Node;

/** Feature levels, transactions, offsets and groups of the newer protocol outlive the broker. */
final class RestartCases {
    private final Node node;
    private final Map<String, String> properties;

    private RestartCases(Node node, Map<String, String> properties) {
        this.node = node;
        this.properties = properties;
    }

    static List<Case> all(Node node, Map<String, String> properties) {
        RestartCases cases = new RestartCases(node, properties);
        return List.of(
            new Case("levels_transactions_and_groups_outlive_a_clean_stop",
                none -> cases.outlive("stop", Node::stop)),
            new Case("levels_transactions_and_groups_outlive_a_kill",
                none -> cases.outlive("kill", Node::kill)));
    }

    /** How the broker ends. */
    @FunctionalInterface
    private interface End {
        void end(Node node) throws Exception;
    }

    private Broker start(String name) throws Exception {
        return new Broker(node.start(properties), name);
    }

    private void outlive(String name, End end) throws Exception {
        node.kill();
        String topic;
        long producerId;
        try (Broker broker = start(name)) {
            LevelCases.change(broker, "transaction.version", 1);
            LevelCases.change(broker, "transaction.version", 2);
            LevelCases.change(broker, "group.version", 0);
            LevelCases.change(broker, "group.version", 1);
            topic = broker.createTopic("outlives", 2);
            group(broker, topic);
            producerId = leaveOpen(broker, topic);
            end.end(node);
        }
        try (Broker broker = start(name)) {
            Check.same("transaction.version", (short) 2,
                LevelCases.level(broker, "transaction.version"));
            Check.same("group.version", (short) 1, LevelCases.level(broker, "group.version"));
            again(broker, topic, producerId);
        }
    }

    /** A group of the newer protocol that read the first record and has the committed offset. */
    private static void group(Broker broker, String topic) throws Exception {
        try (var producer = broker.transactional(topic + "-first")) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, null, Broker.utf8("kept")));
            producer.commitTransaction();
        }
        try (var consumer = broker.consumer(ConsumerConfig.GROUP_ID_CONFIG, topic,
                ConsumerConfig.GROUP_PROTOCOL_CONFIG, "consumer",
                ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed")) {
            consumer.subscribe(List.of(topic));
            Check.same("values", List.of("kept"), Broker.values(Broker.poll(consumer, 1)));
            consumer.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(1)));
        }
    }

    /** Leaves a transaction open, with a record and an offset in it; returns its producer id. */
    private static long leaveOpen(Broker broker, String topic) throws Exception {
        var producer = broker.transactional(topic);
        producer.initTransactions();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(topic, 0, null, Broker.utf8("gone")));
        try (var consumer = broker.consumer(ConsumerConfig.GROUP_ID_CONFIG, topic)) {
            producer.sendOffsetsToTransaction(Map.of(new TopicPartition(topic, 1),
                new OffsetAndMetadata(7)), consumer.groupMetadata());
        }
        producer.flush();
        producer.close(Duration.ZERO);
        return broker.admin().describeTransactions(List.of(topic)).description(topic).get()
            .producerId();
    }

    private static void again(Broker broker, String topic, long producerId) throws Exception {
        Check.eventually("the transaction is known and open", Broker.PATIENCE, () -> {
            var found = broker.admin().describeTransactions(List.of(topic)).description(topic)
                .get();
            return found.state() == TransactionState.ONGOING
                && found.producerId() == producerId
                && found.topicPartitions().contains(new TopicPartition(topic, 0));
        });
        Check.same("last stable offset", 2L, broker.stableOffset(topic, 0));
        Check.same("committed offsets", Map.of(new TopicPartition(topic, 0),
            new OffsetAndMetadata(1)), broker.admin().listConsumerGroupOffsets(topic)
            .partitionsToOffsetAndMetadata().get());
        try (var next = broker.transactional(topic)) {
            next.initTransactions();
            next.beginTransaction();
            next.send(new ProducerRecord<>(topic, 0, null, Broker.utf8("next")));
            next.commitTransaction();
        }
        Check.same("committed", List.of("kept", "next"), broker.committed(topic, 0));
        try (Member member = new Member(broker, topic, topic,
                ConsumerConfig.GROUP_PROTOCOL_CONFIG, "consumer",
                ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed")) {
            Check.eventually("the group goes on", Broker.PATIENCE,
                () -> member.values().equals(List.of("next")));
        }
    }
}
