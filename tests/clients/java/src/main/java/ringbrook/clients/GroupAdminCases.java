package ringbrook.clients;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Groups and their offsets are listed, described, changed and deleted from outside. */
final class GroupAdminCases {
    private GroupAdminCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("describe_group_shows_state_assignor_and_members", GroupAdminCases::describe),
            new Case("describe_group_without_members_is_empty", GroupAdminCases::describeEmpty),
            new Case("describe_unknown_group_is_group_id_not_found",
                GroupAdminCases::describeUnknown),
            new Case("list_groups_shows_state_and_type", GroupAdminCases::list),
            new Case("list_groups_filters_by_state_and_type", GroupAdminCases::filter),
            new Case("list_group_offsets_of_some_and_of_all_partitions", GroupAdminCases::offsets),
            new Case("list_group_offsets_of_unknown_group_is_empty",
                GroupAdminCases::offsetsUnknown),
            new Case("alter_group_offsets_is_where_a_member_begins", GroupAdminCases::alter),
            new Case("alter_group_offsets_of_a_group_with_members_is_unknown_member",
                GroupAdminCases::alterActive),
            new Case("alter_group_offsets_of_unknown_partition_is_unknown",
                GroupAdminCases::alterUnknown),
            new Case("delete_group_offsets_forgets_them", GroupAdminCases::deleteOffsets),
            new Case("delete_group_offsets_of_a_subscribed_topic_is_refused",
                GroupAdminCases::deleteSubscribed),
            new Case("delete_group_offsets_of_unknown_group_is_group_id_not_found",
                GroupAdminCases::deleteOffsetsUnknown),
            new Case("delete_group_forgets_it", GroupAdminCases::delete),
            new Case("delete_group_with_members_is_group_not_empty",
                GroupAdminCases::deleteActive),
            new Case("delete_unknown_group_is_group_id_not_found",
                GroupAdminCases::deleteUnknown),
            new Case("a_deleted_topic_takes_its_committed_offsets_along",
                GroupAdminCases::deletedTopic));
    }

    private static ConsumerGroupDescription describe(Broker broker, String group)
            throws Exception {
        return broker.admin().describeConsumerGroups(Set.of(group)).all().get().get(group);
    }

    private static TopicPartition topic(Broker broker, String suffix) throws Exception {
        return new TopicPartition(broker.createTopic(suffix, 2), 0);
    }

    private static void commit(Broker broker, String group, TopicPartition at, long offset)
            throws Exception {
        broker.admin().alterConsumerGroupOffsets(group,
            Map.of(at, new OffsetAndMetadata(offset))).all().get();
    }

    private static Map<TopicPartition, OffsetAndMetadata> offsets(Broker broker, String group)
            throws Exception {
        return broker.admin().listConsumerGroupOffsets(group)
            .partitionsToOffsetAndMetadata().get();
    }

    private static void describe(Broker broker) throws Exception {
        String topic = broker.createTopic("group-described", 4);
        String group = broker.name("described");
        Object[] settings = {ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG,
            RoundRobinAssignor.class.getName(), ConsumerConfig.CLIENT_ID_CONFIG, "my-client"};
        try (Member one = new Member(broker, group, topic, settings);
             Member two = new Member(broker, group, topic, settings)) {
            one.awaitCount(2);
            two.awaitCount(2);
            ConsumerGroupDescription found = describe(broker, group);
            Check.same("state", GroupState.STABLE, found.groupState());
            Check.same("type", GroupType.CLASSIC, found.type());
            Check.same("assignor", "roundrobin", found.partitionAssignor());
            Check.same("simple", false, found.isSimpleConsumerGroup());
            Check.same("coordinator", broker.admin().describeCluster().controller().get().id(),
                found.coordinator().id());
            Check.same("members", 2, found.members().size());
            for (MemberDescription member : found.members()) {
                Check.same("client id", "my-client", member.clientId());
                Check.isTrue("member id begins with the client id: " + member.consumerId(),
                    member.consumerId().startsWith("my-client-"));
                Check.same("host", "/127.0.0.1", member.host());
                Check.same("partitions", 2, member.assignment().topicPartitions().size());
            }
        }
    }

    private static void describeEmpty(Broker broker) throws Exception {
        String group = broker.name("simple");
        commit(broker, group, topic(broker, "group-simple"), 1);
        ConsumerGroupDescription found = describe(broker, group);
        Check.same("state", GroupState.EMPTY, found.groupState());
        Check.same("members", 0, found.members().size());
        Check.same("simple", true, found.isSimpleConsumerGroup());
    }

    private static void describeUnknown(Broker broker) throws Exception {
        Check.fails(GroupIdNotFoundException.class, broker.admin()
            .describeConsumerGroups(Set.of(broker.name("no-group"))).all());
    }

    private static GroupListing listed(Broker broker, String group, ListGroupsOptions options)
            throws Exception {
        return broker.admin().listGroups(options).all().get().stream()
            .filter(g -> g.groupId().equals(group)).findFirst().orElse(null);
    }

    private static void list(Broker broker) throws Exception {
        String group = broker.name("listed");
        String topic = broker.createTopic("group-listed", 1);
        try (Member member = new Member(broker, group, topic)) {
            member.awaitAssigned(0);
            GroupListing found = listed(broker, group, new ListGroupsOptions());
            Check.same("state", GroupState.STABLE, found.groupState().orElse(null));
            Check.same("type", GroupType.CLASSIC, found.type().orElse(null));
            Check.same("protocol", "consumer", found.protocol());
        }
        Check.eventually("it is empty when its member left", Broker.PATIENCE,
            () -> listed(broker, group, new ListGroupsOptions()).groupState()
                .equals(java.util.Optional.of(GroupState.EMPTY)));
    }

    private static void filter(Broker broker) throws Exception {
        String group = broker.name("filtered");
        commit(broker, group, topic(broker, "group-filtered"), 1);
        Check.isTrue("among the empty", listed(broker, group,
            new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY))) != null);
        Check.isTrue("not among the stable", listed(broker, group,
            new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE))) == null);
        Check.isTrue("among the classic", listed(broker, group,
            new ListGroupsOptions().withTypes(Set.of(GroupType.CLASSIC))) != null);
        Check.isTrue("not among the share groups", listed(broker, group,
            new ListGroupsOptions().withTypes(Set.of(GroupType.SHARE))) == null);
    }

    private static void offsets(Broker broker) throws Exception {
        String group = broker.name("offsets");
        TopicPartition first = topic(broker, "group-offsets-1");
        TopicPartition second = topic(broker, "group-offsets-2");
        commit(broker, group, first, 5);
        commit(broker, group, second, 6);
        Check.same("all", Map.of(first, new OffsetAndMetadata(5),
            second, new OffsetAndMetadata(6)), offsets(broker, group));
        TopicPartition without = new TopicPartition(first.topic(), 1);
        Map<TopicPartition, OffsetAndMetadata> some = broker.admin().listConsumerGroupOffsets(
            Map.of(group, new ListConsumerGroupOffsetsSpec().topicPartitions(
                List.of(second, without)))).partitionsToOffsetAndMetadata(group).get();
        Check.same("one with", new OffsetAndMetadata(6), some.get(second));
        Check.same("one without", null, some.get(without));
        Check.same("partitions", Set.of(second, without), some.keySet());
    }

    private static void offsetsUnknown(Broker broker) throws Exception {
        Check.same("offsets", Map.of(), offsets(broker, broker.name("no-group")));
    }

    private static void alter(Broker broker) throws Exception {
        String group = broker.name("altered");
        TopicPartition at = topic(broker, "group-altered");
        broker.produce(at.topic(), "0", "1", "2", "3");
        commit(broker, group, at, 1);
        commit(broker, group, at, 3);
        try (var consumer = broker.consumer(ConsumerConfig.GROUP_ID_CONFIG, group)) {
            consumer.subscribe(Set.of(at.topic()));
            Check.same("values", List.of("3"), Broker.values(Broker.poll(consumer, 1)));
        }
    }

    private static void alterActive(Broker broker) throws Exception {
        String group = broker.name("alter-active");
        TopicPartition at = topic(broker, "group-alter-active");
        try (Member member = new Member(broker, group, at.topic())) {
            member.awaitCount(2);
            Check.fails(UnknownMemberIdException.class, () -> commit(broker, group, at, 1));
        }
    }

    private static void alterUnknown(Broker broker) throws Exception {
        TopicPartition at = new TopicPartition(topic(broker, "group-alter-unknown").topic(), 9);
        Check.fails(UnknownTopicOrPartitionException.class,
            () -> commit(broker, broker.name("alter-unknown"), at, 1));
    }

    private static void deleteOffsets(Broker broker) throws Exception {
        String group = broker.name("delete-offsets");
        TopicPartition first = topic(broker, "group-delete-offsets");
        TopicPartition second = new TopicPartition(first.topic(), 1);
        commit(broker, group, first, 1);
        commit(broker, group, second, 2);
        broker.admin().deleteConsumerGroupOffsets(group, Set.of(first)).all().get();
        Check.same("offsets", Map.of(second, new OffsetAndMetadata(2)), offsets(broker, group));
    }

    private static void deleteSubscribed(Broker broker) throws Exception {
        String group = broker.name("delete-subscribed");
        TopicPartition at = topic(broker, "group-delete-subscribed");
        TopicPartition other = topic(broker, "group-delete-not-subscribed");
        commit(broker, group, other, 3);
        try (Member member = new Member(broker, group, at.topic())) {
            member.awaitCount(2);
            Check.fails(GroupSubscribedToTopicException.class, broker.admin()
                .deleteConsumerGroupOffsets(group, Set.of(at)).partitionResult(at));
            broker.admin().deleteConsumerGroupOffsets(group, Set.of(other)).all().get();
        }
    }

    private static void deleteOffsetsUnknown(Broker broker) throws Exception {
        TopicPartition at = topic(broker, "group-delete-offsets-unknown");
        Check.fails(GroupIdNotFoundException.class, broker.admin()
            .deleteConsumerGroupOffsets(broker.name("no-group"), Set.of(at)).all());
    }

    private static void delete(Broker broker) throws Exception {
        String group = broker.name("deleted");
        commit(broker, group, topic(broker, "group-deleted"), 1);
        broker.admin().deleteConsumerGroups(Set.of(group)).all().get();
        Check.isTrue("it is not listed", listed(broker, group, new ListGroupsOptions()) == null);
        Check.same("offsets", Map.of(), offsets(broker, group));
    }

    private static void deleteActive(Broker broker) throws Exception {
        String group = broker.name("delete-active");
        TopicPartition at = topic(broker, "group-delete-active");
        try (Member member = new Member(broker, group, at.topic())) {
            member.awaitCount(2);
            Check.fails(GroupNotEmptyException.class,
                broker.admin().deleteConsumerGroups(Set.of(group)).all());
        }
    }

    private static void deleteUnknown(Broker broker) throws Exception {
        Check.fails(GroupIdNotFoundException.class, broker.admin()
            .deleteConsumerGroups(Set.of(broker.name("no-group"))).all());
    }

    private static void deletedTopic(Broker broker) throws Exception {
        String group = broker.name("topic-deleted");
        TopicPartition gone = topic(broker, "group-topic-deleted");
        TopicPartition kept = topic(broker, "group-topic-kept");
        commit(broker, group, gone, 1);
        commit(broker, group, kept, 2);
        broker.admin().deleteTopics(Set.of(gone.topic())).all().get();
        Check.eventually("only the other topic's offset is left", Broker.PATIENCE,
            () -> offsets(broker, group).equals(Map.of(kept, new OffsetAndMetadata(2))));
    }
}
