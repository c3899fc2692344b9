package ringbrook.clients;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.UnknownMemberIdException;

/**
 * Groups of the newer protocol from outside: described, configured and deleted; and groups that
 * change from one protocol to the other while their members read.
 */
final class MigrationCases {
    private static final String ASSIGNOR = ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG;
    private static final String SESSION = "consumer.session.timeout.ms";

    private MigrationCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("a_range_group_goes_to_the_consumer_protocol_and_back",
                b -> thereAndBack(b, "range", RangeAssignor.class)),
            new Case("a_cooperative_group_goes_to_the_consumer_protocol_and_back",
                b -> thereAndBack(b, "cooperative", CooperativeStickyAssignor.class)),
            new Case("an_empty_group_changes_its_protocol_and_keeps_its_offsets",
                MigrationCases::empty),
            new Case("a_static_member_that_stays_away_is_removed_after_its_session",
                MigrationCases::staysAway),
            new Case("a_consumer_group_is_described_with_its_members",
                MigrationCases::describe),
            new Case("a_consumer_group_is_listed_by_type_and_state", MigrationCases::list),
            new Case("a_consumer_group_with_members_is_not_deleted", MigrationCases::delete),
            new Case("group_configs_are_set_described_and_removed", MigrationCases::configs),
            new Case("group_configs_out_of_bounds_are_refused", MigrationCases::wrongConfigs));
    }

    private static ConsumerGroupDescription described(Broker broker, String group)
            throws Exception {
        return broker.admin().describeConsumerGroups(Set.of(group)).all().get().get(group);
    }

    private static void awaitShared(Member... members) throws Exception {
        Check.eventually("all six partitions are shared evenly", Broker.PATIENCE, () -> {
            Set<Integer> all = new HashSet<>();
            for (Member member : members) {
                Check.same("error", null, member.error());
                all.addAll(member.assigned());
                if (member.assigned().size() != 6 / members.length) {
                    return false;
                }
            }
            return all.size() == 6;
        });
    }

    private static void thereAndBack(Broker broker, String suffix, Class<?> assignor)
            throws Exception {
        String topic = broker.createTopic("migrate-" + suffix, 6);
        String group = broker.name("migrate-" + suffix);
        Object[] classic = {ASSIGNOR, assignor.getName()};
        List<Member> all = new ArrayList<>();
        try {
            Member one = new Member(broker, group, topic, classic);
            Member two = new Member(broker, group, topic, classic);
            all.addAll(List.of(one, two));
            awaitShared(one, two);
            Check.same("type", GroupType.CLASSIC, described(broker, group).type());
            Member three = ConsumerProtocolCases.member(broker, group, topic);
            all.add(three);
            awaitShared(one, two, three);
            ConsumerGroupDescription mixed = described(broker, group);
            Check.same("type", GroupType.CONSUMER, mixed.type());
            Check.same("members of the newer protocol", 1L, mixed.members().stream()
                .filter(m -> m.upgraded().equals(Optional.of(true))).count());
            Check.same("members of the classic protocol", 2L, mixed.members().stream()
                .filter(m -> m.upgraded().equals(Optional.of(false))).count());
            ConsumerProtocolCases.produceTo(broker, topic, 6, 600);
            awaitRead(all, 600);
            one.close();
            awaitShared(two, three);
            two.close();
            awaitShared(three);
            Check.same("type", GroupType.CONSUMER, described(broker, group).type());
            // And back: the last member of the newer protocol takes it along.
            Member four = new Member(broker, group, topic, classic);
            all.add(four);
            awaitShared(three, four);
            three.close();
            awaitShared(four);
            Check.same("type", GroupType.CLASSIC, described(broker, group).type());
        } finally {
            for (Member member : all) {
                member.close();
            }
        }
    }

    private static void awaitRead(Collection<Member> members, int count) throws Exception {
        List<String> read = new ArrayList<>();
        Check.eventually(count + " records are read", Broker.PATIENCE, () -> {
            read.clear();
            members.forEach(m -> read.addAll(m.values()));
            return read.size() >= count;
        });
        Check.same("records read", count, read.size());
        Check.same("values", count, new HashSet<>(read).size());
    }

    private static void empty(Broker broker) throws Exception {
        String topic = broker.createTopic("migrate-empty", 1);
        String group = broker.name("migrate-empty");
        broker.produce(topic, "0", "1", "2", "3");
        String[] protocols = {"classic", "consumer", "classic", "consumer"};
        for (int i = 0; i < protocols.length; i++) {
            try (var consumer = broker.consumer(ConsumerConfig.GROUP_ID_CONFIG, group,
                    ConsumerConfig.GROUP_PROTOCOL_CONFIG, protocols[i],
                    ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 1)) {
                consumer.subscribe(Set.of(topic));
                Check.same("values", List.of("" + i), Broker.values(Broker.poll(consumer, 1)));
                Check.same("type", protocols[i], described(broker, group).type().toString()
                    .toLowerCase(java.util.Locale.ROOT));
                consumer.commitSync();
            }
        }
    }

    private static void describe(Broker broker) throws Exception {
        String topic = broker.createTopic("consumer-described", 2);
        String group = broker.name("consumer-described");
        try (Member first = ConsumerProtocolCases.member(broker, group, topic,
                ConsumerConfig.CLIENT_ID_CONFIG, "my-client");
             Member second = ConsumerProtocolCases.member(broker, group, topic,
                ConsumerConfig.CLIENT_ID_CONFIG, "my-client",
                ConsumerConfig.GROUP_INSTANCE_ID_CONFIG, "my-instance",
                ConsumerConfig.CLIENT_RACK_CONFIG, "my-rack")) {
            first.awaitCount(1);
            second.awaitCount(1);
            // A member says what it has at its next heartbeat; then the group is stable.
            Check.eventually("stable", Broker.PATIENCE,
                () -> described(broker, group).groupState() == GroupState.STABLE);
            ConsumerGroupDescription found = described(broker, group);
            Check.same("type", GroupType.CONSUMER, found.type());
            Check.same("assignor", "uniform", found.partitionAssignor());
            Check.same("simple", false, found.isSimpleConsumerGroup());
            Check.same("epochs", found.groupEpoch(), found.targetAssignmentEpoch());
            Check.same("members", 2, found.members().size());
            Set<TopicPartition> shared = new HashSet<>();
            for (MemberDescription member : found.members()) {
                Check.same("client id", "my-client", member.clientId());
                Check.same("host", "/127.0.0.1", member.host());
                Check.same("epoch", found.groupEpoch(), member.memberEpoch());
                Check.same("upgraded", Optional.of(true), member.upgraded());
                Check.same("target", Optional.of(member.assignment()),
                    member.targetAssignment());
                Check.same("rack", member.groupInstanceId().map(i -> "my-rack"),
                    member.rackId());
                shared.addAll(member.assignment().topicPartitions());
            }
            Check.same("static members", Set.of(Optional.empty(), Optional.of("my-instance")),
                new HashSet<>(found.members().stream().map(MemberDescription::groupInstanceId)
                    .toList()));
            Check.same("partitions", Set.of(new TopicPartition(topic, 0),
                new TopicPartition(topic, 1)), shared);
        }
    }

    private static boolean isListed(Broker broker, String group, ListGroupsOptions options)
            throws Exception {
        return broker.admin().listGroups(options).all().get().stream()
            .anyMatch(g -> g.groupId().equals(group));
    }

    private static void list(Broker broker) throws Exception {
        String topic = broker.createTopic("consumer-listed", 1);
        String group = broker.name("consumer-listed");
        try (Member member = ConsumerProtocolCases.member(broker, group, topic)) {
            member.awaitAssigned(0);
            var stable = new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE))
                .withTypes(Set.of(GroupType.CONSUMER));
            Check.eventually("among the stable consumer groups", Broker.PATIENCE,
                () -> isListed(broker, group, stable));
            Check.isTrue("not among the classic", !isListed(broker, group,
                new ListGroupsOptions().withTypes(Set.of(GroupType.CLASSIC))));
        }
        Check.eventually("empty when its member left", Broker.PATIENCE,
            () -> isListed(broker, group,
                new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY))));
    }

    private static void delete(Broker broker) throws Exception {
        String topic = broker.createTopic("consumer-deleted", 1);
        String group = broker.name("consumer-deleted");
        TopicPartition at = new TopicPartition(topic, 0);
        try (Member member = ConsumerProtocolCases.member(broker, group, topic)) {
            member.awaitAssigned(0);
            Check.fails(GroupNotEmptyException.class,
                broker.admin().deleteConsumerGroups(Set.of(group)).all());
            Check.fails(UnknownMemberIdException.class,
                broker.admin().alterConsumerGroupOffsets(group,
                    Map.of(at, new OffsetAndMetadata(1))).all());
        }
        broker.admin().alterConsumerGroupOffsets(group, Map.of(at, new OffsetAndMetadata(1)))
            .all().get();
        broker.admin().deleteConsumerGroups(Set.of(group)).all().get();
        Check.fails(GroupIdNotFoundException.class,
            broker.admin().describeConsumerGroups(Set.of(group)).all());
        Check.same("offsets", Map.of(), broker.admin().listConsumerGroupOffsets(group)
            .partitionsToOffsetAndMetadata().get());
    }

    private static void set(Broker broker, String group, String key, String value)
            throws Exception {
        var kind = value == null ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET;
        broker.admin().incrementalAlterConfigs(Map.of(
            new ConfigResource(ConfigResource.Type.GROUP, group),
            List.of(new AlterConfigOp(new ConfigEntry(key, value), kind)))).all().get();
    }

    private static ConfigEntry config(Broker broker, String group, String key) throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        return broker.admin().describeConfigs(Set.of(resource)).all().get().get(resource).get(key);
    }

    private static void configs(Broker broker) throws Exception {
        String group = broker.name("configured");
        ConfigEntry before = config(broker, group, SESSION);
        Check.isTrue("not set: " + before,
            before.source() != ConfigEntry.ConfigSource.DYNAMIC_GROUP_CONFIG);
        set(broker, group, SESSION, "7777");
        Check.eventually("it is set", Broker.PATIENCE,
            () -> config(broker, group, SESSION).value().equals("7777"));
        Check.same("source", ConfigEntry.ConfigSource.DYNAMIC_GROUP_CONFIG,
            config(broker, group, SESSION).source());
        Check.isTrue("it is listed", broker.admin().listConfigResources(
            Set.of(ConfigResource.Type.GROUP),
            new org.apache.kafka.clients.admin.ListConfigResourcesOptions()).all().get().contains(
                new ConfigResource(ConfigResource.Type.GROUP, group)));
        set(broker, group, SESSION, null);
        Check.eventually("it is removed", Broker.PATIENCE,
            () -> config(broker, group, SESSION).value().equals(before.value()));
    }

    private static void wrongConfigs(Broker broker) {
        String group = broker.name("wrongly-configured");
        for (String[] wrong : List.of(new String[] {SESSION, "1"},
                new String[] {SESSION, "many"}, new String[] {SESSION, "99999999"},
                new String[] {"consumer.heartbeat.interval.ms", "1"},
                new String[] {"no.such.config", "1"})) {
            Check.fails(InvalidConfigurationException.class,
                () -> set(broker, group, wrong[0], wrong[1]));
        }
    }

    private static void staysAway(Broker broker) throws Exception {
        String topic = broker.createTopic("consumer-away", 2);
        String group = broker.name("consumer-away");
        set(broker, group, SESSION, "4000");
        try (Member stays = ConsumerProtocolCases.member(broker, group, topic)) {
            Member away = ConsumerProtocolCases.member(broker, group, topic,
                ConsumerConfig.GROUP_INSTANCE_ID_CONFIG, "away");
            stays.awaitCount(1);
            away.awaitCount(1);
            away.close();
            Check.same("members", 2, described(broker, group).members().size());
            stays.awaitAssigned(0, 1);
            Check.same("members", 1, described(broker, group).members().size());
        }
    }
}
