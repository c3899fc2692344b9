package ringbrook.clients.cli;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Check;
import ringbrook.clients.Member;

/** kafka-consumer-groups and kafka-groups. */
final class GroupToolCases {
    private GroupToolCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("groups_list_shows_name_state_and_type", GroupToolCases::list),
            new Case("groups_describe_shows_lag_of_an_empty_group", GroupToolCases::empty),
            new Case("groups_describe_shows_members_and_their_partitions",
                GroupToolCases::members),
            new Case("groups_describe_of_unknown_group_says_so", GroupToolCases::unknown),
            new Case("groups_reset_offsets_moves_every_way", GroupToolCases::reset),
            new Case("groups_reset_offsets_to_datetime", GroupToolCases::datetime),
            new Case("groups_reset_offsets_of_an_active_group_is_refused", GroupToolCases::active),
            new Case("groups_delete_offsets_forgets_a_topic", GroupToolCases::deleteOffsets),
            new Case("groups_delete_removes_an_empty_group_only", GroupToolCases::delete));
    }

    /** A topic with five records and a group that committed 2 of partition 0. */
    private static String group(Broker broker, String suffix) throws Exception {
        String topic = broker.createTopic(suffix, 1);
        broker.produce(topic, "0", "1", "2", "3", "4");
        broker.admin().alterConsumerGroupOffsets(topic, Map.of(new TopicPartition(topic, 0),
            new OffsetAndMetadata(2))).all().get();
        return topic;
    }

    /** The fields of the line that begins with {@code first}. */
    private static List<String> row(String output, String first) {
        return output.lines().filter(l -> l.startsWith(first + " "))
            .map(l -> Arrays.asList(l.trim().split("\\s+"))).findFirst()
            .orElseThrow(() -> new AssertionError("no line of " + first + " in <" + output + ">"));
    }

    private static void list(Broker broker) throws Exception {
        String group = group(broker, "group-list");
        Check.isTrue("listed", Cli.consumerGroups(broker, "--list").lines().contains(group));
        Check.same("with state", List.of(group, "Empty"),
            row(Cli.consumerGroups(broker, "--list", "--state").good(), group));
        Check.same("with type", List.of(group, "Classic"),
            row(Cli.consumerGroups(broker, "--list", "--type").good(), group));
        Check.same("kafka-groups", List.of(group, "Classic"),
            row(Cli.groups(broker, "--list").good(), group));
        Check.isTrue("not among the stable", !Cli.consumerGroups(broker, "--list", "--state",
            "stable").good().contains(group));
    }

    private static void empty(Broker broker) throws Exception {
        String group = group(broker, "group-empty");
        Tool.Output found = Cli.consumerGroups(broker, "--describe", "--group", group);
        Check.same("line", List.of(group, group, "0", "2", "5", "3", "-", "-", "-"),
            row(found.good(), group));
        Check.contains("errors", found.err(),
            "Consumer group '" + group + "' has no active members.");
    }

    private static void members(Broker broker) throws Exception {
        String topic = broker.createTopic("group-members", 2);
        String group = broker.name("group-members");
        try (Member member = new Member(broker, group, topic, "client.id", "tool-client")) {
            member.awaitCount(2);
            List<String> found = row(Cli.consumerGroups(broker, "--describe", "--group", group)
                .good(), group);
            Check.same("topic", topic, found.get(1));
            Check.contains("consumer id", found.get(6), "tool-client-");
            Check.same("host and client id", List.of("/127.0.0.1", "tool-client"),
                found.subList(7, 9));
            List<String> one = row(Cli.consumerGroups(broker, "--describe", "--group", group,
                "--members", "--verbose").good(), group);
            Check.same("number of partitions", "2", one.get(4));
            Check.contains("assignment", String.join("", one.subList(5, one.size())),
                topic + ":0,1");
            List<String> state = row(Cli.consumerGroups(broker, "--describe", "--group", group,
                "--state").good(), group);
            Check.same("coordinator", broker.bootstrap(), state.get(1));
            Check.same("assignor, state and members", List.of("range", "Stable", "1"),
                state.subList(3, 6));
        }
    }

    private static void unknown(Broker broker) throws Exception {
        String group = broker.name("no-group");
        Tool.Output found = Cli.consumerGroups(broker, "--describe", "--group", group);
        Check.contains("output", found.out() + found.err(), "GroupIdNotFoundException",
            group + " not found");
    }

    private static void reset(Broker broker) throws Exception {
        String group = group(broker, "group-reset");
        String[][] ways = {{"--to-earliest", "0"}, {"--to-latest", "5"}, {"--shift-by", "-2", "3"},
            {"--to-offset", "1", "1"}, {"--to-current", "1"}, {"--shift-by", "100", "5"}};
        for (String[] way : ways) {
            List<String> args = new java.util.ArrayList<>(List.of("--reset-offsets", "--group",
                group, "--topic", group, "--execute"));
            args.addAll(Arrays.asList(way).subList(0, way.length - 1));
            String expected = way[way.length - 1];
            Check.same(String.join(" ", way), List.of(group, group, "0", expected),
                row(Cli.consumerGroups(broker, args.toArray(String[]::new)).good(), group));
            Check.same("described", expected, row(Cli.consumerGroups(broker, "--describe",
                "--group", group).good(), group).get(3));
        }
    }

    private static void datetime(Broker broker) throws Exception {
        String group = group(broker, "group-datetime");
        Check.same("before all", "0", row(Cli.consumerGroups(broker, "--reset-offsets", "--group",
            group, "--topic", group, "--to-datetime", "2020-01-01T00:00:00.000", "--execute")
            .good(), group).get(3));
        Check.same("after all", "5", row(Cli.consumerGroups(broker, "--reset-offsets", "--group",
            group, "--topic", group, "--to-datetime", "2100-01-01T00:00:00.000", "--execute")
            .good(), group).get(3));
        Check.same("within the last hour", "0", row(Cli.consumerGroups(broker, "--reset-offsets",
            "--group", group, "--topic", group, "--by-duration", "PT1H", "--dry-run")
            .good(), group).get(3));
    }

    private static void active(Broker broker) throws Exception {
        String topic = broker.createTopic("group-active", 1);
        String group = broker.name("group-active");
        try (Member member = new Member(broker, group, topic)) {
            member.awaitCount(1);
            Tool.Output refused = Cli.consumerGroups(broker, "--reset-offsets", "--group", group,
                "--topic", topic, "--to-earliest", "--execute");
            Check.contains("output", refused.out() + refused.err(), "inactive");
            Tool.Output kept = Cli.consumerGroups(broker, "--delete", "--group", group);
            Check.contains("output", kept.out() + kept.err(), "GroupNotEmptyException");
        }
    }

    private static void deleteOffsets(Broker broker) throws Exception {
        String group = group(broker, "group-delete-offsets");
        String found = Cli.consumerGroups(broker, "--delete-offsets", "--group", group, "--topic",
            group).good();
        Check.contains("output", found,
            "Request succeeded for deleting offsets from group " + group + ".");
        Check.same("line", List.of(group, "0", "Successful"), row(found, group));
        Check.isTrue("no offset is left", broker.admin().listConsumerGroupOffsets(group)
            .partitionsToOffsetAndMetadata().get().isEmpty());
    }

    private static void delete(Broker broker) throws Exception {
        String group = group(broker, "group-delete");
        Check.contains("output", Cli.consumerGroups(broker, "--delete", "--group", group).good(),
            "Deletion of requested consumer groups ('" + group + "') was successful.");
        Tool.Output again = Cli.consumerGroups(broker, "--delete", "--group", group);
        Check.contains("output", again.out() + again.err(), "GroupIdNotFoundException");
    }
}
