package ringbrook.clients.features;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.FeatureMetadata;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.FeatureUpdate.UpgradeType;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Check;
import ringbrook.clients.cli.Cli;

/** Feature levels change while clients work: by kafka-features and by Admin. */
final class LevelCases {
    private static final Map<String, Integer> NEWEST =
        Map.of("transaction.version", 2, "group.version", 1);

    private LevelCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("features_tool_downgrades_and_upgrades", LevelCases::tool),
            new Case("features_tool_disables", LevelCases::disable),
            new Case("features_are_changed_together_or_not_at_all", LevelCases::together),
            new Case("a_group_version_of_0_refuses_the_consumer_protocol",
                LevelCases::groupVersion),
            new Case("a_producer_goes_on_while_transaction_version_changes",
                LevelCases::producerGoesOn),
            new Case("a_transaction_stays_open_while_transaction_version_changes",
                LevelCases::openTransaction));
    }

    static short level(Broker broker, String feature) throws Exception {
        FeatureMetadata found = broker.admin().describeFeatures().featureMetadata().get();
        var level = found.finalizedFeatures().get(feature);
        return level == null ? 0 : level.maxVersionLevel();
    }

    /** Sets a level by Admin, up or down, and waits until the broker shows it. */
    static void change(Broker broker, String feature, int wanted) throws Exception {
        short now = level(broker, feature);
        if (now != wanted) {
            broker.admin().updateFeatures(Map.of(feature, new FeatureUpdate((short) wanted,
                wanted < now ? UpgradeType.SAFE_DOWNGRADE : UpgradeType.UPGRADE))).all().get();
        }
        Check.eventually(feature + " is " + wanted, Broker.PATIENCE,
            () -> level(broker, feature) == wanted);
    }

    private static void tool(Broker broker) throws Exception {
        for (var feature : NEWEST.entrySet()) {
            String name = feature.getKey();
            for (int level = feature.getValue() - 1; 0 <= level; level--) {
                Check.contains("downgrade", Cli.features(broker, "downgrade", "--feature",
                    name + "=" + level).good(), name + " was downgraded to " + level + ".");
                int expected = level;
                Check.eventually(name + " is " + level, Broker.PATIENCE,
                    () -> level(broker, name) == expected);
            }
            Check.contains("upgrade", Cli.features(broker, "upgrade", "--feature",
                name + "=" + feature.getValue()).good(),
                name + " was upgraded to " + feature.getValue() + ".");
            Check.eventually(name + " is back", Broker.PATIENCE,
                () -> level(broker, name) == feature.getValue());
        }
    }

    private static void disable(Broker broker) throws Exception {
        Check.contains("disable", Cli.features(broker, "disable", "--feature",
            "transaction.version").good(), "transaction.version was disabled.");
        Check.eventually("it is 0", Broker.PATIENCE,
            () -> level(broker, "transaction.version") == 0);
        change(broker, "transaction.version", 2);
    }

    private static void together(Broker broker) throws Exception {
        Map<String, FeatureUpdate> updates = Map.of(
            "group.version", new FeatureUpdate((short) 0, UpgradeType.SAFE_DOWNGRADE),
            "transaction.version", new FeatureUpdate((short) 9, UpgradeType.UPGRADE));
        Check.fails(org.apache.kafka.common.errors.ApiException.class,
            broker.admin().updateFeatures(updates).all());
        Check.same("group.version", (short) 1, level(broker, "group.version"));
        broker.admin().updateFeatures(Map.of(
            "group.version", new FeatureUpdate((short) 0, UpgradeType.SAFE_DOWNGRADE),
            "transaction.version", new FeatureUpdate((short) 1, UpgradeType.SAFE_DOWNGRADE)))
            .all().get();
        Check.eventually("both are lower", Broker.PATIENCE,
            () -> level(broker, "group.version") == 0
                && level(broker, "transaction.version") == 1);
        change(broker, "group.version", 1);
        change(broker, "transaction.version", 2);
    }

    private static void groupVersion(Broker broker) throws Exception {
        String topic = broker.createTopic("group-version", 1);
        broker.produce(topic, "0", "1");
        change(broker, "group.version", 0);
        try (var consumer = broker.consumer(ConsumerConfig.GROUP_ID_CONFIG, topic,
                ConsumerConfig.GROUP_PROTOCOL_CONFIG, "consumer")) {
            consumer.subscribe(Set.of(topic));
            Check.fails(UnsupportedVersionException.class, () -> Broker.poll(consumer, 1));
        }
        for (String protocol : List.of("classic", "consumer")) {
            try (var consumer = broker.consumer(ConsumerConfig.GROUP_ID_CONFIG, topic,
                    ConsumerConfig.GROUP_PROTOCOL_CONFIG, protocol)) {
                consumer.subscribe(Set.of(topic));
                Check.same("values by " + protocol, List.of("0", "1"),
                    Broker.values(Broker.poll(consumer, 2)));
            }
            change(broker, "group.version", 1);
        }
    }

    private static void producerGoesOn(Broker broker) throws Exception {
        String topic = broker.createTopic("level-changes", 1);
        List<String> expected = new ArrayList<>();
        try (var producer = broker.transactional(topic)) {
            producer.initTransactions();
            // Not 0: Kafka's coordinator cannot write what it knows of the producer at that level.
            for (int level : new int[] {2, 1, 2, 1, 2}) {
                change(broker, "transaction.version", level);
                for (int i = 0; i < 6; i++) {
                    String value = expected.size() + " at " + level;
                    producer.beginTransaction();
                    producer.send(new ProducerRecord<>(topic, 0, null, Broker.utf8(value)));
                    if (i % 3 == 2) {
                        producer.flush();
                        producer.abortTransaction();
                    } else {
                        producer.commitTransaction();
                        expected.add(value);
                    }
                }
            }
        }
        Check.same("committed", expected, broker.committed(topic, 0));
    }

    private static void openTransaction(Broker broker) throws Exception {
        String topic = broker.createTopic("level-open", 1);
        List<String> expected = new ArrayList<>();
        try (var producer = broker.transactional(topic)) {
            producer.initTransactions();
            for (int level : new int[] {1, 2, 1, 2}) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(topic, 0, null, Broker.utf8("before " + level)));
                producer.flush();
                change(broker, "transaction.version", level);
                producer.send(new ProducerRecord<>(topic, 0, null, Broker.utf8("after " + level)));
                producer.commitTransaction();
                expected.addAll(List.of("before " + level, "after " + level));
            }
        }
        Check.same("committed", expected, broker.committed(topic, 0));
    }
}
