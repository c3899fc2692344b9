package ringbrook.clients.cli;

import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Check;
import ringbrook.clients.Member;

/** kafka-consumer-groups for groups of the newer protocol, and what it shows of both kinds. */
final class ProtocolGroupToolCases {
    private ProtocolGroupToolCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("consumer_group_offsets_members_and_state_are_described",
                ProtocolGroupToolCases::describe),
            new Case("consumer_group_verbose_shows_epochs_and_targets",
                ProtocolGroupToolCases::verbose),
            new Case("consumer_group_is_listed_by_type_and_state", ProtocolGroupToolCases::list),
            new Case("consumer_group_with_members_is_not_reset_or_deleted",
                ProtocolGroupToolCases::active),
            new Case("consumer_group_offsets_of_a_subscribed_topic_are_kept",
                ProtocolGroupToolCases::deleteOffsets),
            new Case("several_groups_are_described_and_deleted_at_once",
                ProtocolGroupToolCases::several),
            new Case("a_mixed_group_shows_who_is_upgraded", ProtocolGroupToolCases::mixed),
            new Case("group_configs_are_altered_and_described", ProtocolGroupToolCases::configs));
    }

    private static Member member(Broker broker, String group, String topic, Object... more) {
        Object[] settings = new Object[more.length + 4];
        settings[0] = ConsumerConfig.GROUP_PROTOCOL_CONFIG;
        settings[1] = "consumer";
        settings[2] = ConsumerConfig.CLIENT_ID_CONFIG;
        settings[3] = "tool-client";
        System.arraycopy(more, 0, settings, 4, more.length);
        return new Member(broker, group, topic, settings);
    }

    private static Tool.Output described(Broker broker, String group, String... more)
            throws Exception {
        String[] args = new String[more.length + 3];
        args[0] = "--describe";
        args[1] = "--group";
        args[2] = group;
        System.arraycopy(more, 0, args, 3, more.length);
        return Cli.consumerGroups(broker, args);
    }

    private static void awaitStable(Broker broker, String group) throws Exception {
        Check.eventually("stable", Broker.PATIENCE, () ->
            described(broker, group, "--state").row(group).contains("Stable"));
    }

    private static void describe(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-consumer", 2);
        String group = broker.name("tool-consumer");
        broker.produce(topic, "0", "1", "2");
        broker.admin().alterConsumerGroupOffsets(group, Map.of(new TopicPartition(topic, 0),
            new OffsetAndMetadata(2))).all().get();
        try (Member member = member(broker, group, topic)) {
            member.awaitAssigned(0, 1);
            awaitStable(broker, group);
            List<String> row = described(broker, group).good().lines()
                .map(l -> List.of(l.trim().split("\\s+")))
                .filter(l -> l.get(0).equals(group) && l.get(2).equals("0")).findFirst()
                .orElseThrow();
            Check.same("offset, end and lag", List.of(group, topic, "0", "2", "3", "1"),
                row.subList(0, 6));
            Check.same("host and client", List.of("/127.0.0.1", "tool-client"),
                row.subList(7, 9));
            List<String> one = described(broker, group, "--members").row(group);
            Check.same("host, client, partitions", List.of("/127.0.0.1", "tool-client", "2"),
                one.subList(2, 5));
            List<String> state = described(broker, group, "--state").row(group);
            Check.same("coordinator", broker.bootstrap(), state.get(1));
            Check.same("assignor, state and members", List.of("uniform", "Stable", "1"),
                state.subList(3, 6));
        }
    }

    private static void verbose(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-verbose", 2);
        String group = broker.name("tool-verbose");
        try (Member member = member(broker, group, topic)) {
            member.awaitAssigned(0, 1);
            awaitStable(broker, group);
            Tool.Output state = described(broker, group, "--state", "--verbose");
            Check.contains("header", state.good(), "GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH");
            List<String> row = state.row(group);
            String epoch = row.get(row.indexOf("Stable") + 1);
            Check.same("group and target epoch", epoch, row.get(row.indexOf("Stable") + 2));
            Tool.Output members = described(broker, group, "--members", "--verbose");
            Check.contains("header", members.good(), "CURRENT-EPOCH", "CURRENT-ASSIGNMENT",
                "TARGET-EPOCH", "TARGET-ASSIGNMENT");
            List<String> one = members.row(group);
            Check.isTrue("epochs in " + one, 2 <= one.stream().filter(epoch::equals).count());
            Check.same("current and target assignment in " + one, 2L,
                one.stream().filter((topic + ":0,1;")::startsWith)
                    .filter(f -> f.contains(":0,1")).count());
            Check.contains("offsets' header", described(broker, group, "--offsets", "--verbose")
                .good(), "LEADER-EPOCH");
        }
    }

    private static void list(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-listed", 1);
        String group = broker.name("tool-listed");
        try (Member member = member(broker, group, topic)) {
            member.awaitAssigned(0);
            awaitStable(broker, group);
            Check.same("type", List.of(group, "Consumer"),
                Cli.consumerGroups(broker, "--list", "--type", "consumer").row(group));
            Check.isTrue("not among the classic", !Cli.consumerGroups(broker, "--list", "--type",
                "classic").good().contains(group));
            Check.same("type and state", List.of(group, "Consumer", "Stable"),
                Cli.consumerGroups(broker, "--list", "--type", "--state", "stable").row(group));
            Check.same("kafka-groups", List.of(group, "Consumer", "consumer"),
                Cli.groups(broker, "--list", "--group-type", "consumer").row(group));
        }
    }

    private static void active(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-active", 1);
        String group = broker.name("tool-active");
        try (Member member = member(broker, group, topic)) {
            member.awaitAssigned(0);
            Tool.Output reset = Cli.consumerGroups(broker, "--reset-offsets", "--group", group,
                "--topic", topic, "--to-earliest", "--execute");
            Check.contains("reset", reset.out() + reset.err(), "inactive");
            Tool.Output kept = Cli.consumerGroups(broker, "--delete", "--group", group);
            Check.contains("delete", kept.out() + kept.err(), "GroupNotEmptyException");
        }
        Check.contains("delete", Cli.consumerGroups(broker, "--delete", "--group", group).good(),
            "Deletion of requested consumer groups ('" + group + "') was successful.");
    }

    private static void deleteOffsets(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-subscribed", 1);
        String other = broker.createTopic("tool-not-subscribed", 1);
        String group = broker.name("tool-subscribed");
        broker.admin().alterConsumerGroupOffsets(group, Map.of(
            new TopicPartition(topic, 0), new OffsetAndMetadata(0),
            new TopicPartition(other, 0), new OffsetAndMetadata(0))).all().get();
        try (Member member = member(broker, group, topic)) {
            member.awaitAssigned(0);
            Tool.Output refused = Cli.consumerGroups(broker, "--delete-offsets", "--group", group,
                "--topic", topic);
            Check.contains("subscribed", refused.out() + refused.err(), "subscribed");
            Check.same("not subscribed", List.of(other, "0", "Successful"),
                Cli.consumerGroups(broker, "--delete-offsets", "--group", group, "--topic", other)
                    .row(other));
        }
        Check.same("left", java.util.Set.of(new TopicPartition(topic, 0)), broker.admin()
            .listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().keySet());
    }

    private static void several(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-several", 1);
        String classic = broker.name("tool-several-classic");
        String consumer = broker.name("tool-several-consumer");
        for (String group : List.of(classic, consumer)) {
            try (Member member = group.equals(classic) ? new Member(broker, group, topic)
                    : member(broker, group, topic)) {
                member.awaitAssigned(0);
            }
            broker.admin().alterConsumerGroupOffsets(group, Map.of(new TopicPartition(topic, 0),
                new OffsetAndMetadata(0))).all().get();
        }
        Tool.Output both = Cli.consumerGroups(broker, "--describe", "--group", classic,
            "--group", consumer);
        Check.same("classic", topic, both.row(classic).get(1));
        Check.same("consumer", topic, both.row(consumer).get(1));
        Check.same("types", List.of("Classic", "Consumer"), List.of(
            Cli.consumerGroups(broker, "--list", "--type").row(classic).get(1),
            Cli.consumerGroups(broker, "--list", "--type").row(consumer).get(1)));
        Cli.consumerGroups(broker, "--delete", "--group", classic, "--group", consumer).good();
        String left = Cli.consumerGroups(broker, "--list").good();
        Check.isTrue("both are gone", !left.contains(classic) && !left.contains(consumer));
    }

    private static void mixed(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-mixed", 2);
        String group = broker.name("tool-mixed");
        try (Member classic = new Member(broker, group, topic);
             Member newer = member(broker, group, topic)) {
            classic.awaitCount(1);
            newer.awaitCount(1);
            awaitStable(broker, group);
            Tool.Output members = described(broker, group, "--members", "--verbose");
            Check.contains("header", members.good(), "UPGRADED");
            Check.isTrue("one of each in " + members.out(),
                members.out().lines().filter(l -> l.contains(" true")).count() == 1
                    && members.out().lines().filter(l -> l.contains(" false")).count() == 1);
        }
    }

    private static void configs(Broker broker) throws Exception {
        String group = broker.name("tool-group-config");
        Check.contains("altered", Cli.configs(broker, "--alter", "--group", group, "--add-config",
            "consumer.session.timeout.ms=5000").good(), "Completed updating config for group");
        Check.eventually("described", Broker.PATIENCE, () -> Cli.configs(broker, "--describe",
            "--group", group).good().contains("consumer.session.timeout.ms=5000"));
        Tool.Output refused = Cli.configs(broker, "--alter", "--group", group, "--add-config",
            "consumer.session.timeout.ms=1");
        Check.contains("out of bounds", refused.bad(), "consumer.session.timeout.ms");
        Cli.configs(broker, "--alter", "--group", group, "--delete-config",
            "consumer.session.timeout.ms").good();
        Check.eventually("removed", Broker.PATIENCE, () -> !Cli.configs(broker, "--describe",
            "--group", group).good().contains("consumer.session.timeout.ms=5000"));
    }
}
