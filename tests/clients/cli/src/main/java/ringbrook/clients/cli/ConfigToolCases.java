package ringbrook.clients.cli;

import java.util.List;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Check;

/** kafka-configs. */
final class ConfigToolCases {
    private ConfigToolCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("configs_describe_shows_what_a_topic_overrides", ConfigToolCases::describe),
            new Case("configs_describe_all_shows_defaults_too", ConfigToolCases::all),
            new Case("configs_alter_adds_and_deletes", ConfigToolCases::alter),
            new Case("configs_alter_takes_a_list_in_brackets", ConfigToolCases::list),
            new Case("configs_alter_with_bad_value_says_why", ConfigToolCases::refused),
            new Case("configs_describe_all_of_a_broker", ConfigToolCases::ofBroker));
    }

    private static Tool.Output topic(Broker broker, String name, String... args)
            throws Exception {
        List<String> all = new java.util.ArrayList<>(
            List.of("--entity-type", "topics", "--entity-name", name));
        all.addAll(List.of(args));
        return Cli.configs(broker, all.toArray(String[]::new));
    }

    private static void describe(Broker broker) throws Exception {
        String topic = broker.createTopic("configs-describe", 1, "retention.ms", "123456");
        Check.contains("output", topic(broker, topic, "--describe").good(),
            "Dynamic configs for topic " + topic + " are:",
            "  retention.ms=123456 sensitive=false "
                + "synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=123456");
    }

    private static void all(Broker broker) throws Exception {
        String topic = broker.createTopic("configs-all", 1);
        Check.contains("output", topic(broker, topic, "--describe", "--all").good(),
            "All configs for topic " + topic + " are:",
            "  compression.type=producer sensitive=false",
            "  max.message.bytes=1048588 sensitive=false "
                + "synonyms={DEFAULT_CONFIG:message.max.bytes=1048588}");
    }

    private static void alter(Broker broker) throws Exception {
        String topic = broker.createTopic("configs-alter", 1);
        Check.contains("output", topic(broker, topic, "--alter", "--add-config",
            "segment.bytes=2000000,retention.ms=5000").good(),
            "Completed updating config for topic " + topic + ".");
        Check.eventually("it is shown", Broker.PATIENCE, () -> {
            String shown = topic(broker, topic, "--describe").good();
            return shown.contains("segment.bytes=2000000") && shown.contains("retention.ms=5000");
        });
        topic(broker, topic, "--alter", "--delete-config", "segment.bytes").good();
        Check.eventually("it is not shown any more", Broker.PATIENCE, () -> {
            String shown = topic(broker, topic, "--describe").good();
            return !shown.contains("segment.bytes") && shown.contains("retention.ms=5000");
        });
    }

    private static void list(Broker broker) throws Exception {
        String topic = broker.createTopic("configs-list", 1);
        topic(broker, topic, "--alter", "--add-config", "cleanup.policy=[compact,delete]").good();
        Check.eventually("it is shown", Broker.PATIENCE,
            () -> topic(broker, topic, "--describe").good()
                .contains("cleanup.policy=compact,delete"));
    }

    private static void refused(Broker broker) throws Exception {
        String topic = broker.createTopic("configs-refused", 1);
        Check.contains("bad value", topic(broker, topic, "--alter", "--add-config",
            "segment.bytes=x").bad(), "InvalidConfigurationException", "segment.bytes");
        Check.contains("unknown name", topic(broker, topic, "--alter", "--add-config",
            "no.such.config=1").bad(), "no.such.config");
    }

    private static void ofBroker(Broker broker) throws Exception {
        String node = broker.admin().describeCluster().controller().get().idString();
        Check.contains("output", Cli.configs(broker, "--entity-type", "brokers", "--entity-name",
            node, "--describe", "--all").good(), "All configs for broker " + node + " are:",
            "  node.id=" + node + " sensitive=false", "  log.dirs=", "  message.max.bytes=");
    }
}
