package ringbrook.clients;

import java.util.List;
import java.util.Set;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.UnknownMemberIdException;

/** Members with a group.instance.id (KIP-345): they may go and come back without a rebalance. */
final class StaticMemberCases {
    private static final String INSTANCE = ConsumerConfig.GROUP_INSTANCE_ID_CONFIG;

    private StaticMemberCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("a_static_member_that_does_not_return_is_removed_after_its_session",
                StaticMemberCases::expires),
            new Case("a_static_member_returns_without_a_rebalance", StaticMemberCases::returns),
            new Case("a_second_member_with_the_same_instance_id_fences_the_first",
                StaticMemberCases::fences),
            new Case("a_static_member_can_be_removed_by_its_instance_id",
                StaticMemberCases::removed),
            new Case("a_static_member_that_leaves_gives_its_partitions_away",
                StaticMemberCases::leaves));
    }

    private static int members(Broker broker, String group) throws Exception {
        return broker.admin().describeConsumerGroups(Set.of(group)).all().get().get(group)
            .members().size();
    }

    private static void returns(Broker broker) throws Exception {
        String topic = broker.createTopic("static-returns", 2);
        String group = broker.name("static-returns");
        try (Member stays = new Member(broker, group, topic, INSTANCE, "stays")) {
            Member first = new Member(broker, group, topic, INSTANCE, "goes");
            stays.awaitCount(1);
            first.awaitCount(1);
            Set<Integer> before = first.assigned();
            int events = stays.events().size();
            first.close();
            Check.same("members after it closed", 2, members(broker, group));
            try (Member again = new Member(broker, group, topic, INSTANCE, "goes")) {
                again.awaitCount(1);
                Check.same("its partitions", before, again.assigned());
                Check.same("events of the other member", events, stays.events().size());
                var found = broker.admin().describeConsumerGroups(Set.of(group)).all().get()
                    .get(group);
                Check.same("state", GroupState.STABLE, found.groupState());
                Check.same("instance ids", List.of("goes", "stays"), found.members().stream()
                    .map(m -> m.groupInstanceId().orElse("")).sorted().toList());
            }
        }
    }

    private static void expires(Broker broker) throws Exception {
        String topic = broker.createTopic("static-expires", 2);
        String group = broker.name("static-expires");
        try (Member stays = new Member(broker, group, topic)) {
            Member goes = new Member(broker, group, topic, INSTANCE, "goes");
            stays.awaitCount(1);
            goes.awaitCount(1);
            goes.close();
            stays.awaitAssigned(0, 1);
            Check.same("members", 1, members(broker, group));
        }
    }

    private static void fences(Broker broker) throws Exception {
        String topic = broker.createTopic("static-fences", 1);
        String group = broker.name("static-fences");
        try (Member first = new Member(broker, group, topic, INSTANCE, "only")) {
            first.awaitAssigned(0);
            try (Member second = new Member(broker, group, topic, INSTANCE, "only")) {
                second.awaitAssigned(0);
                Check.eventually("the first is fenced", Broker.PATIENCE,
                    () -> first.error() instanceof FencedInstanceIdException);
                Check.same("members", 1, members(broker, group));
            }
        }
    }

    private static void removed(Broker broker) throws Exception {
        String topic = broker.createTopic("static-removed", 2);
        String group = broker.name("static-removed");
        try (Member stays = new Member(broker, group, topic)) {
            Member goes = new Member(broker, group, topic, INSTANCE, "goes");
            stays.awaitCount(1);
            goes.awaitCount(1);
            goes.close();
            broker.admin().removeMembersFromConsumerGroup(group,
                new RemoveMembersFromConsumerGroupOptions(
                    Set.of(new MemberToRemove("goes")))).all().get();
            stays.awaitAssigned(0, 1);
            var again = broker.admin().removeMembersFromConsumerGroup(group,
                new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("goes"))));
            Check.fails(UnknownMemberIdException.class,
                again.memberResult(new MemberToRemove("goes")));
        }
    }

    private static void leaves(Broker broker) throws Exception {
        String topic = broker.createTopic("static-leaves", 2);
        String group = broker.name("static-leaves");
        try (Member stays = new Member(broker, group, topic)) {
            Member goes = new Member(broker, group, topic, INSTANCE, "goes");
            stays.awaitCount(1);
            goes.awaitCount(1);
            goes.leave();
            stays.awaitAssigned(0, 1);
            Check.same("members", 1, members(broker, group));
        }
    }
}
