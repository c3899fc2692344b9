package ringbrook.clients.cli;

import java.util.List;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Check;

/** kafka-topics. */
final class TopicToolCases {
    private TopicToolCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("topics_create_says_so", TopicToolCases::create),
            new Case("topics_create_of_an_existing_topic_fails", TopicToolCases::exists),
            new Case("topics_create_if_not_exists_is_quiet", TopicToolCases::ifNotExists),
            new Case("topics_create_with_bad_arguments_says_why", TopicToolCases::refused),
            new Case("topics_list_shows_and_excludes", TopicToolCases::list),
            new Case("topics_describe_shows_partitions_and_configs", TopicToolCases::describe),
            new Case("topics_describe_of_unknown_topic_fails", TopicToolCases::describeUnknown),
            new Case("topics_describe_filters_find_no_trouble", TopicToolCases::healthy),
            new Case("topics_alter_adds_partitions", TopicToolCases::alter),
            new Case("topics_alter_to_fewer_partitions_fails", TopicToolCases::shrink),
            new Case("topics_delete_removes_it", TopicToolCases::delete));
    }

    private static void create(Broker broker) throws Exception {
        String topic = broker.name("tool-create");
        Check.same("output", "Created topic " + topic + ".", Cli.topics(broker, "--create",
            "--topic", topic, "--partitions", "3", "--replication-factor", "1").good().trim());
        broker.awaitLeaders(topic, 3);
    }

    private static void exists(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-exists", 1);
        Check.contains("output", Cli.topics(broker, "--create", "--topic", topic).bad(),
            "Topic '" + topic + "' already exists.");
    }

    private static void ifNotExists(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-if-not-exists", 1);
        Cli.topics(broker, "--create", "--if-not-exists", "--topic", topic, "--partitions", "9")
            .good();
        broker.awaitLeaders(topic, 1);
    }

    private static void refused(Broker broker) throws Exception {
        Check.contains("bad name", Cli.topics(broker, "--create", "--topic", "a b").bad(),
            "Topic name is invalid");
        Check.contains("too many replicas", Cli.topics(broker, "--create", "--topic",
            broker.name("tool-refused"), "--replication-factor", "9").bad(), "replication factor");
        Check.contains("bad config", Cli.topics(broker, "--create", "--topic",
            broker.name("tool-refused"), "--config", "retention.ms=soon").bad(), "retention.ms");
    }

    private static void list(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-list", 1);
        Check.isTrue("listed", Cli.topics(broker, "--list").lines().contains(topic));
        List<String> plain = Cli.topics(broker, "--list", "--exclude-internal").lines();
        Check.isTrue("listed without internal topics", plain.contains(topic));
        Check.isTrue("no internal topic", !plain.contains("__consumer_offsets"));
        Check.same("by expression", List.of(topic), Cli.topics(broker, "--list", "--topic",
            topic + ".*").lines());
    }

    private static void describe(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-describe", 2, "retention.ms", "123456");
        int node = broker.admin().describeCluster().controller().get().id();
        List<String> lines = Cli.topics(broker, "--describe", "--topic", topic).lines();
        Check.same("lines", 3, lines.size());
        Check.contains("first line", lines.get(0), "Topic: " + topic + "\tTopicId: ",
            "\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: ", "retention.ms=123456");
        for (int partition = 0; partition < 2; partition++) {
            Check.contains("line of a partition", lines.get(1 + partition),
                "\tTopic: " + topic + "\tPartition: " + partition + "\tLeader: " + node
                + "\tReplicas: " + node + "\tIsr: " + node);
        }
    }

    private static void describeUnknown(Broker broker) throws Exception {
        Check.contains("output", Cli.topics(broker, "--describe", "--topic",
            broker.name("nowhere")).bad(), "does not exist as expected");
    }

    private static void healthy(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-healthy", 2);
        for (String filter : List.of("--unavailable-partitions", "--under-replicated-partitions",
                "--under-min-isr-partitions")) {
            Check.same(filter, "", Cli.topics(broker, "--describe", "--topic", topic, filter)
                .good());
        }
    }

    private static void alter(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-alter", 1);
        Cli.topics(broker, "--alter", "--topic", topic, "--partitions", "4").good();
        broker.awaitLeaders(topic, 4);
    }

    private static void shrink(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-shrink", 3);
        Check.contains("output", Cli.topics(broker, "--alter", "--topic", topic, "--partitions",
            "2").bad(), "partition");
    }

    private static void delete(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-delete", 1);
        Cli.topics(broker, "--delete", "--topic", topic).good();
        Check.eventually("it is gone", Broker.PATIENCE,
            () -> !Cli.topics(broker, "--list").lines().contains(topic));
        Check.contains("output", Cli.topics(broker, "--delete", "--topic", topic).bad(),
            "does not exist as expected");
    }
}
