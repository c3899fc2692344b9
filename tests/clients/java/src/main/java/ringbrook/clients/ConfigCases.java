package ringbrook.clients;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Configs of topics and of the broker are shown and changed. */
final class ConfigCases {
    private ConfigCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("describe_topic_configs_shows_value_source_and_type", ConfigCases::describe),
            new Case("describe_topic_configs_has_every_topic_config", ConfigCases::complete),
            new Case("describe_configs_shows_synonyms_and_documentation", ConfigCases::synonyms),
            new Case("describe_broker_configs_shows_node_id", ConfigCases::brokerConfigs),
            new Case("describe_configs_of_unknown_topic_is_unknown", ConfigCases::describeUnknown),
            new Case("incremental_set_and_delete_change_one_config", ConfigCases::setAndDelete),
            new Case("incremental_append_and_subtract_change_a_list", ConfigCases::appendSubtract),
            new Case("incremental_alter_validate_only_changes_nothing", ConfigCases::validateOnly),
            new Case("incremental_alter_with_invalid_value_is_invalid_config",
                ConfigCases::invalidValue),
            new Case("incremental_alter_with_unknown_name_is_invalid_config",
                ConfigCases::unknownName),
            new Case("incremental_alter_of_unknown_topic_is_unknown", ConfigCases::alterUnknown),
            new Case("an_altered_max_message_bytes_holds_for_the_next_record",
                ConfigCases::takesEffect));
    }

    private static ConfigResource resource(String topic) {
        return new ConfigResource(ConfigResource.Type.TOPIC, topic);
    }

    private static Config describe(Broker broker, String topic) throws Exception {
        ConfigResource at = resource(topic);
        return broker.admin().describeConfigs(Set.of(at)).all().get().get(at);
    }

    private static KafkaFuture<Void> alter(Broker broker, String topic, OpType type, String name,
            String value) {
        return broker.admin().incrementalAlterConfigs(Map.of(resource(topic),
            Set.of(new AlterConfigOp(new ConfigEntry(name, value), type)))).all();
    }

    private static void awaitValue(Broker broker, String topic, String name, String value)
            throws Exception {
        Check.eventually(name + " is " + value, Broker.PATIENCE,
            () -> describe(broker, topic).get(name).value().equals(value));
    }

    private static void describe(Broker broker) throws Exception {
        String topic = broker.createTopic("config", 1, "retention.ms", "7200000");
        Config found = describe(broker, topic);
        ConfigEntry retention = found.get("retention.ms");
        Check.same("value", "7200000", retention.value());
        Check.same("source", ConfigSource.DYNAMIC_TOPIC_CONFIG, retention.source());
        Check.same("type", ConfigEntry.ConfigType.LONG, retention.type());
        Check.same("is default", false, retention.isDefault());
        Check.same("read-only", false, retention.isReadOnly());
        Check.same("sensitive", false, retention.isSensitive());
        ConfigEntry policy = found.get("cleanup.policy");
        Check.same("value", "delete", policy.value());
        Check.same("source", ConfigSource.DEFAULT_CONFIG, policy.source());
        Check.same("type", ConfigEntry.ConfigType.LIST, policy.type());
        Check.same("is default", true, policy.isDefault());
    }

    private static void complete(Broker broker) throws Exception {
        Config found = describe(broker, broker.createTopic("config-all", 1));
        Map<String, String> defaults = Map.ofEntries(
            Map.entry("compression.type", "producer"),
            Map.entry("delete.retention.ms", "86400000"),
            Map.entry("file.delete.delay.ms", "60000"),
            Map.entry("flush.messages", "9223372036854775807"),
            Map.entry("flush.ms", "9223372036854775807"),
            Map.entry("index.interval.bytes", "4096"),
            Map.entry("max.compaction.lag.ms", "9223372036854775807"),
            Map.entry("max.message.bytes", "1048588"),
            Map.entry("message.timestamp.after.max.ms", "3600000"),
            Map.entry("message.timestamp.before.max.ms", "9223372036854775807"),
            Map.entry("message.timestamp.type", "CreateTime"),
            Map.entry("min.cleanable.dirty.ratio", "0.5"),
            Map.entry("min.compaction.lag.ms", "0"),
            Map.entry("min.insync.replicas", "1"),
            Map.entry("preallocate", "false"),
            Map.entry("retention.bytes", "-1"),
            Map.entry("retention.ms", "604800000"),
            Map.entry("segment.bytes", "1073741824"),
            Map.entry("segment.index.bytes", "10485760"),
            Map.entry("segment.jitter.ms", "0"),
            Map.entry("segment.ms", "604800000"),
            Map.entry("unclean.leader.election.enable", "false"));
        for (var entry : defaults.entrySet()) {
            ConfigEntry config = found.get(entry.getKey());
            Check.isTrue(entry.getKey() + " is described", config != null);
            Check.same(entry.getKey(), entry.getValue(), config.value());
        }
    }

    private static void synonyms(Broker broker) throws Exception {
        ConfigResource at = resource(broker.createTopic("config-synonyms", 1,
            "max.message.bytes", "2000000"));
        ConfigEntry found = broker.admin().describeConfigs(Set.of(at),
            new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true))
            .all().get().get(at).get("max.message.bytes");
        Check.same("synonyms", List.of("max.message.bytes=2000000 DYNAMIC_TOPIC_CONFIG",
            "message.max.bytes=1048588 DEFAULT_CONFIG"),
            found.synonyms().stream()
                .map(s -> s.name() + "=" + s.value() + " " + s.source()).toList());
        Check.contains("documentation", found.documentation(), "record batch size");
    }

    private static void brokerConfigs(Broker broker) throws Exception {
        String node = broker.admin().describeCluster().controller().get().idString();
        ConfigResource at = new ConfigResource(ConfigResource.Type.BROKER, node);
        Config found = broker.admin().describeConfigs(Set.of(at)).all().get().get(at);
        Check.same("node.id", node, found.get("node.id").value());
        Check.same("source", ConfigSource.STATIC_BROKER_CONFIG, found.get("node.id").source());
        Check.same("read-only", true, found.get("node.id").isReadOnly());
        Check.same("message.max.bytes", "1048588", found.get("message.max.bytes").value());
        Check.isTrue("log.dirs is there", found.get("log.dirs").value() != null);
        Check.isTrue("listeners is there", found.get("listeners").value() != null);
    }

    private static void describeUnknown(Broker broker) throws Exception {
        Check.fails(UnknownTopicOrPartitionException.class, broker.admin()
            .describeConfigs(Set.of(resource(broker.name("nowhere")))).all());
    }

    private static void setAndDelete(Broker broker) throws Exception {
        String topic = broker.createTopic("config-set", 1, "segment.bytes", "2097152");
        alter(broker, topic, OpType.SET, "retention.ms", "60000").get();
        awaitValue(broker, topic, "retention.ms", "60000");
        Check.same("another config", "2097152",
            describe(broker, topic).get("segment.bytes").value());
        alter(broker, topic, OpType.DELETE, "retention.ms", null).get();
        awaitValue(broker, topic, "retention.ms", "604800000");
        Check.same("another config", "2097152",
            describe(broker, topic).get("segment.bytes").value());
    }

    private static void appendSubtract(Broker broker) throws Exception {
        String topic = broker.createTopic("config-append", 1);
        alter(broker, topic, OpType.APPEND, "cleanup.policy", "compact").get();
        awaitValue(broker, topic, "cleanup.policy", "delete,compact");
        alter(broker, topic, OpType.SUBTRACT, "cleanup.policy", "delete").get();
        awaitValue(broker, topic, "cleanup.policy", "compact");
        // Only a list can be appended to.
        Check.fails(InvalidConfigurationException.class,
            alter(broker, topic, OpType.APPEND, "retention.ms", "1"));
    }

    private static void validateOnly(Broker broker) throws Exception {
        String topic = broker.createTopic("config-validate", 1);
        var options = new AlterConfigsOptions().validateOnly(true);
        broker.admin().incrementalAlterConfigs(Map.of(resource(topic), Set.of(new AlterConfigOp(
            new ConfigEntry("retention.ms", "60000"), OpType.SET))), options).all().get();
        Check.fails(InvalidConfigurationException.class, broker.admin().incrementalAlterConfigs(
            Map.of(resource(topic), Set.of(new AlterConfigOp(
                new ConfigEntry("retention.ms", "x"), OpType.SET))), options).all());
        Check.same("value", "604800000", describe(broker, topic).get("retention.ms").value());
    }

    private static void invalidValue(Broker broker) throws Exception {
        String topic = broker.createTopic("config-invalid", 1);
        Check.fails(InvalidConfigurationException.class,
            alter(broker, topic, OpType.SET, "retention.ms", "-2"));
        Check.fails(InvalidConfigurationException.class,
            alter(broker, topic, OpType.SET, "compression.type", "brotli"));
        Check.same("value", "604800000", describe(broker, topic).get("retention.ms").value());
    }

    private static void unknownName(Broker broker) throws Exception {
        String topic = broker.createTopic("config-unknown", 1);
        Check.contains("message", Check.fails(InvalidConfigurationException.class,
            alter(broker, topic, OpType.SET, "no.such.config", "1")).getMessage(),
            "no.such.config");
    }

    private static void alterUnknown(Broker broker) throws Exception {
        Check.fails(UnknownTopicOrPartitionException.class,
            alter(broker, broker.name("nowhere"), OpType.SET, "retention.ms", "1"));
    }

    private static void takesEffect(Broker broker) throws Exception {
        String topic = broker.createTopic("config-effect", 1);
        alter(broker, topic, OpType.SET, "max.message.bytes", "1000").get();
        awaitValue(broker, topic, "max.message.bytes", "1000");
        try (var producer = broker.producer()) {
            Check.fails(org.apache.kafka.common.errors.RecordTooLargeException.class,
                () -> producer.send(new org.apache.kafka.clients.producer.ProducerRecord<>(topic,
                    new byte[2000])).get());
        }
    }
}
