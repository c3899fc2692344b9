package ringbrook.clients;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Requests about topics that are refused, each with the exception of its own error code. */
final class TopicErrorCases {
    private TopicErrorCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("create_duplicate_topic_is_topic_exists", TopicErrorCases::duplicate),
            new Case("create_topic_with_invalid_name_is_invalid_topic", TopicErrorCases::badName),
            new Case("create_topic_whose_name_collides_is_invalid_topic",
                TopicErrorCases::collision),
            new Case("create_topic_without_partitions_is_invalid_partitions",
                TopicErrorCases::badPartitions),
            new Case("create_topic_with_bad_replication_is_invalid_replication_factor",
                TopicErrorCases::badReplication),
            new Case("create_topic_with_unknown_broker_is_invalid_assignment",
                TopicErrorCases::badAssignment),
            new Case("create_topic_with_invalid_config_value_is_invalid_config",
                TopicErrorCases::badConfigValue),
            new Case("create_topic_with_unknown_config_is_invalid_config",
                TopicErrorCases::unknownConfig),
            new Case("one_bad_topic_does_not_fail_the_others_of_a_request",
                TopicErrorCases::partial),
            new Case("validate_only_reports_the_same_errors", TopicErrorCases::validateOnly),
            new Case("describe_unknown_topic_is_unknown_and_creates_nothing",
                TopicErrorCases::describeUnknown),
            new Case("create_partitions_same_or_fewer_is_invalid_partitions",
                TopicErrorCases::shrink),
            new Case("create_partitions_of_unknown_topic_is_unknown",
                TopicErrorCases::growUnknown));
    }

    private static void duplicate(Broker broker) throws Exception {
        String topic = broker.createTopic("duplicate", 1);
        Check.contains("message", Check.fails(TopicExistsException.class, create(broker,
            new NewTopic(topic, 3, (short) 1))).getMessage(), topic, "already exists");
    }

    private static void badName(Broker broker) throws Exception {
        for (String name : List.of("", ".", "..", "a b", "a/b", "gr\u00fcn", "x".repeat(250))) {
            Check.fails(InvalidTopicException.class,
                create(broker, new NewTopic(name, 1, (short) 1)));
        }
        String longest = (broker.name("long-") + "x".repeat(249)).substring(0, 249);
        create(broker, new NewTopic(longest, 1, (short) 1)).get();
        broker.admin().deleteTopics(Set.of(longest)).all().get();
    }

    private static void collision(Broker broker) throws Exception {
        broker.createTopic("colliding.name", 1);
        Check.fails(InvalidTopicException.class,
            create(broker, new NewTopic(broker.name("colliding_name"), 1, (short) 1)));
    }

    private static void badPartitions(Broker broker) throws Exception {
        String topic = broker.name("bad-partitions");
        Check.fails(InvalidPartitionsException.class,
            create(broker, new NewTopic(topic, 0, (short) 1)));
        Check.fails(InvalidPartitionsException.class,
            create(broker, new NewTopic(topic, -2, (short) 1)));
    }

    private static void badReplication(Broker broker) throws Exception {
        String topic = broker.name("bad-replication");
        Check.fails(InvalidReplicationFactorException.class,
            create(broker, new NewTopic(topic, 1, (short) 0)));
        Check.fails(InvalidReplicationFactorException.class,
            create(broker, new NewTopic(topic, 1, (short) 1000)));
    }

    private static void badAssignment(Broker broker) throws Exception {
        String topic = broker.name("bad-assignment");
        int node = broker.admin().describeCluster().controller().get().id();
        Check.fails(InvalidReplicaAssignmentException.class,
            create(broker, new NewTopic(topic, Map.of(0, List.of(31_337)))));
        Check.fails(InvalidReplicaAssignmentException.class,
            create(broker, new NewTopic(topic, Map.of(0, List.of(node, node)))));
        Check.fails(InvalidReplicaAssignmentException.class,
            create(broker, new NewTopic(topic, Map.of(1, List.of(node)))));
    }

    private static void badConfigValue(Broker broker) throws Exception {
        String topic = broker.name("bad-config");
        for (var config : List.of(
                Map.of("retention.ms", "soon"), Map.of("segment.bytes", "-5"),
                Map.of("cleanup.policy", "shred"), Map.of("compression.type", "lzw"),
                Map.of("min.insync.replicas", "0"), Map.of("min.cleanable.dirty.ratio", "2"),
                Map.of("preallocate", "perhaps"), Map.of("message.timestamp.type", "Never"))) {
            Check.fails(InvalidConfigurationException.class,
                create(broker, new NewTopic(topic, 1, (short) 1).configs(config)));
        }
    }

    private static void unknownConfig(Broker broker) throws Exception {
        Check.contains("message", Check.fails(InvalidConfigurationException.class, create(broker,
            new NewTopic(broker.name("unknown-config"), 1, (short) 1)
                .configs(Map.of("no.such.config", "1")))).getMessage(), "no.such.config");
    }

    private static void partial(Broker broker) throws Exception {
        NewTopic good = new NewTopic(broker.name("partial-good"), 1, (short) 1);
        NewTopic bad = new NewTopic(broker.name("partial bad"), 1, (short) 1);
        var results = broker.admin().createTopics(List.of(bad, good)).values();
        results.get(good.name()).get();
        Check.fails(InvalidTopicException.class, results.get(bad.name()));
    }

    private static void validateOnly(Broker broker) throws Exception {
        String topic = broker.createTopic("validate-errors", 1);
        var options = new CreateTopicsOptions().validateOnly(true);
        Check.fails(TopicExistsException.class, broker.admin().createTopics(
            Set.of(new NewTopic(topic, 1, (short) 1)), options).all());
        Check.fails(InvalidConfigurationException.class, broker.admin().createTopics(
            Set.of(new NewTopic(topic + "2", 1, (short) 1)
                .configs(Map.of("retention.ms", "soon"))), options).all());
    }

    private static void describeUnknown(Broker broker) throws Exception {
        String topic = broker.name("nowhere");
        Check.fails(UnknownTopicOrPartitionException.class,
            broker.admin().describeTopics(Set.of(topic)).allTopicNames());
        Check.isTrue("it is not listed",
            !broker.admin().listTopics().names().get().contains(topic));
    }

    private static void shrink(Broker broker) throws Exception {
        String topic = broker.createTopic("shrink", 3);
        for (int count : new int[] {3, 2, 0, -1}) {
            Check.fails(InvalidPartitionsException.class, broker.admin()
                .createPartitions(Map.of(topic, NewPartitions.increaseTo(count))).all());
        }
    }

    private static void growUnknown(Broker broker) throws Exception {
        Check.fails(UnknownTopicOrPartitionException.class, broker.admin().createPartitions(
            Map.of(broker.name("nowhere"), NewPartitions.increaseTo(2))).all());
    }

    private static org.apache.kafka.common.KafkaFuture<Void> create(Broker broker, NewTopic topic) {
        return broker.admin().createTopics(Set.of(topic)).all();
    }
}
