package ringbrook.clients;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.UnreleasedInstanceIdException;
import org.apache.kafka.common.errors.UnsupportedAssignorException;

/** Consumers share topics by the group protocol of KIP-848, group.protocol=consumer. */
final class ConsumerProtocolCases {
    private static final String PROTOCOL = ConsumerConfig.GROUP_PROTOCOL_CONFIG;
    private static final String ASSIGNOR = ConsumerConfig.GROUP_REMOTE_ASSIGNOR_CONFIG;
    private static final String INSTANCE = ConsumerConfig.GROUP_INSTANCE_ID_CONFIG;

    private ConsumerProtocolCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("consumer_protocol_subscription_pattern_finds_topics_old_and_new",
                ConsumerProtocolCases::subscriptionPattern),
            new Case("consumer_protocol_loop_is_exactly_once",
                b -> TransactionOffsetCases.loop(b, "consumer")),
            new Case("consumer_protocol_uniform_members_share_partitions_and_records",
                b -> share(b, "uniform")),
            new Case("consumer_protocol_range_members_share_partitions_and_records",
                b -> share(b, "range")),
            new Case("consumer_protocol_range_gives_the_same_numbers_of_each_topic",
                ConsumerProtocolCases::range),
            new Case("consumer_protocol_only_what_moves_is_revoked",
                ConsumerProtocolCases::incremental),
            new Case("consumer_protocol_members_beyond_the_partitions_wait",
                ConsumerProtocolCases::spare),
            new Case("consumer_protocol_unknown_assignor_is_refused",
                ConsumerProtocolCases::unknownAssignor),
            new Case("consumer_protocol_static_member_keeps_its_partitions_over_a_restart",
                ConsumerProtocolCases::staticRestart),
            new Case("consumer_protocol_instance_id_in_use_is_refused",
                ConsumerProtocolCases::staticTaken),
            new Case("consumer_protocol_invalid_subscription_pattern_is_refused",
                ConsumerProtocolCases::invalidPattern),
            new Case("consumer_protocol_client_side_pattern_finds_topics",
                ConsumerProtocolCases::clientPattern),
            new Case("consumer_protocol_new_topics_and_partitions_are_assigned",
                ConsumerProtocolCases::grows),
            new Case("consumer_protocol_deleted_topic_is_taken_away",
                ConsumerProtocolCases::deletedTopic),
            new Case("consumer_protocol_commit_is_where_the_next_member_begins",
                ConsumerProtocolCases::commit),
            new Case("consumer_protocol_subscription_can_change",
                ConsumerProtocolCases::resubscribe));
    }

    static Member member(Broker broker, String group, String topic, Object... settings) {
        return new Member(broker, group, topic, with(settings));
    }

    private static Object[] with(Object... settings) {
        List<Object> all = new ArrayList<>(List.of(PROTOCOL, "consumer"));
        all.addAll(List.of(settings));
        return all.toArray();
    }

    static void produceTo(Broker broker, String topic, int partitions, int count) {
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            for (int i = 0; i < count; i++) {
                producer.send(new ProducerRecord<>(topic, i % partitions, null,
                    Broker.utf8("" + i)));
            }
        }
    }

    private static Set<TopicPartition> partitions(String topic, int count) {
        return IntStream.range(0, count).mapToObj(p -> new TopicPartition(topic, p))
            .collect(Collectors.toSet());
    }

    private static void awaitPartitions(Member member, Set<TopicPartition> expected)
            throws Exception {
        Check.eventually("it has " + expected, Broker.PATIENCE, () -> {
            Check.same("error", null, member.error());
            return member.partitions().equals(expected);
        });
    }

    private static void share(Broker broker, String assignor) throws Exception {
        String topic = broker.createTopic("consumer-" + assignor, 4);
        String group = broker.name("consumer-" + assignor);
        try (Member first = member(broker, group, topic, ASSIGNOR, assignor)) {
            first.awaitAssigned(0, 1, 2, 3);
            try (Member second = member(broker, group, topic, ASSIGNOR, assignor)) {
                first.awaitCount(2);
                second.awaitCount(2);
                Set<Integer> together = new HashSet<>(first.assigned());
                together.addAll(second.assigned());
                Check.same("partitions of both", Set.of(0, 1, 2, 3), together);
                produceTo(broker, topic, 4, 400);
                Check.eventually("both read everything", Broker.PATIENCE,
                    () -> first.values().size() + second.values().size() >= 400);
                List<String> read = new ArrayList<>(first.values());
                read.addAll(second.values());
                Check.same("records read once", 400, read.size());
                Check.same("values", 400, new HashSet<>(read).size());
                Check.same("half each", 200, first.values().size());
            }
            first.awaitAssigned(0, 1, 2, 3);
        }
    }

    private static void range(Broker broker) throws Exception {
        String one = broker.createTopic("consumer-range-1", 4);
        String two = broker.createTopic("consumer-range-2", 4);
        String group = broker.name("consumer-range-topics");
        Member.Subscription both = (c, listener) -> c.subscribe(Set.of(one, two), listener);
        try (Member first = new Member(broker, group, both, with(ASSIGNOR, "range"));
             Member second = new Member(broker, group, both, with(ASSIGNOR, "range"))) {
            for (Member member : List.of(first, second)) {
                Check.eventually("four partitions, of both topics alike", Broker.PATIENCE,
                    () -> member.partitions().size() == 4 && member.assigned().size() == 2
                        && (member.assigned().equals(Set.of(0, 1))
                            || member.assigned().equals(Set.of(2, 3))));
            }
        }
    }

    private static void incremental(Broker broker) throws Exception {
        String topic = broker.createTopic("consumer-incremental", 4);
        String group = broker.name("consumer-incremental");
        try (Member first = member(broker, group, topic)) {
            first.awaitAssigned(0, 1, 2, 3);
            try (Member second = member(broker, group, topic)) {
                first.awaitCount(2);
                second.awaitCount(2);
                Check.same("what happened to the first", List.of("assigned [0, 1, 2, 3]",
                    "revoked " + new TreeSet<>(second.assigned())), changes(first));
            }
            first.awaitAssigned(0, 1, 2, 3);
        }
    }

    /** Its events that name a partition: a reconciliation may call the listener with none. */
    private static List<String> changes(Member member) {
        return member.events().stream().filter(e -> !e.endsWith("[]")).toList();
    }

    private static void spare(Broker broker) throws Exception {
        String topic = broker.createTopic("consumer-spare", 2);
        String group = broker.name("consumer-spare");
        List<Member> members = new ArrayList<>();
        try {
            for (int i = 0; i < 3; i++) {
                members.add(member(broker, group, topic));
            }
            Check.eventually("two have one each, one has none", Broker.PATIENCE,
                () -> members.stream().map(m -> m.assigned().size()).sorted().toList()
                    .equals(List.of(0, 1, 1))
                    && members.stream().flatMap(m -> m.assigned().stream()).distinct()
                        .count() == 2);
            Member busy = members.stream().filter(m -> !m.assigned().isEmpty()).findFirst()
                .orElseThrow();
            members.remove(busy);
            busy.close();
            for (Member member : members) {
                member.awaitCount(1);
            }
        } finally {
            for (Member member : members) {
                member.close();
            }
        }
    }

    private static void awaitError(Member member, Class<? extends Exception> expected)
            throws Exception {
        Check.eventually("it ends with " + expected.getSimpleName(), Broker.PATIENCE,
            () -> member.error() != null);
        Check.isTrue(expected + " in " + member.error(), expected.isInstance(member.error()));
    }

    private static void unknownAssignor(Broker broker) throws Exception {
        String topic = broker.createTopic("consumer-unknown-assignor", 1);
        try (Member member = member(broker, broker.name("consumer-unknown-assignor"), topic,
                ASSIGNOR, "no-such")) {
            awaitError(member, UnsupportedAssignorException.class);
        }
    }

    private static void staticRestart(Broker broker) throws Exception {
        String topic = broker.createTopic("consumer-static", 4);
        String group = broker.name("consumer-static");
        try (Member stays = member(broker, group, topic, INSTANCE, "stays")) {
            Set<Integer> had;
            try (Member goes = member(broker, group, topic, INSTANCE, "goes")) {
                stays.awaitCount(2);
                goes.awaitCount(2);
                had = goes.assigned();
            }
            int events = changes(stays).size();
            try (Member again = member(broker, group, topic, INSTANCE, "goes")) {
                again.awaitAssigned(had.toArray(Integer[]::new));
                Check.same("nothing happened to the other", events, changes(stays).size());
            }
        }
    }

    private static void staticTaken(Broker broker) throws Exception {
        String topic = broker.createTopic("consumer-static-taken", 1);
        String group = broker.name("consumer-static-taken");
        try (Member owner = member(broker, group, topic, INSTANCE, "taken")) {
            owner.awaitAssigned(0);
            try (Member other = member(broker, group, topic, INSTANCE, "taken")) {
                awaitError(other, UnreleasedInstanceIdException.class);
            }
            Check.same("the owner's error", null, owner.error());
            Check.same("the owner's partitions", Set.of(0), owner.assigned());
        }
    }

    private static void subscriptionPattern(Broker broker) throws Exception {
        String first = broker.createTopic("re2-a1", 1);
        String second = broker.createTopic("re2-a2", 2);
        broker.createTopic("re2-b", 1);
        SubscriptionPattern pattern = new SubscriptionPattern(broker.name("re2-a[0-9]+"));
        try (Member member = new Member(broker, broker.name("re2"),
                (c, listener) -> c.subscribe(pattern, listener), with())) {
            Set<TopicPartition> expected = partitions(first, 1);
            expected.addAll(partitions(second, 2));
            awaitPartitions(member, expected);
            String later = broker.createTopic("re2-a3", 1);
            expected.addAll(partitions(later, 1));
            awaitPartitions(member, expected);
        }
    }

    private static void invalidPattern(Broker broker) throws Exception {
        try (Member member = new Member(broker, broker.name("re2-invalid"),
                (c, listener) -> c.subscribe(new SubscriptionPattern("(unclosed"), listener),
                with())) {
            awaitError(member, InvalidRegularExpression.class);
        }
    }

    private static void clientPattern(Broker broker) throws Exception {
        String topic = broker.createTopic("client-pattern-1", 2);
        Pattern pattern = Pattern.compile(broker.name("client-pattern-.*"));
        try (Member member = new Member(broker, broker.name("client-pattern"),
                (c, listener) -> c.subscribe(pattern, listener),
                with(ConsumerConfig.METADATA_MAX_AGE_CONFIG, 300))) {
            awaitPartitions(member, partitions(topic, 2));
            String later = broker.createTopic("client-pattern-2", 1);
            Set<TopicPartition> expected = partitions(topic, 2);
            expected.addAll(partitions(later, 1));
            awaitPartitions(member, expected);
        }
    }

    private static void grows(Broker broker) throws Exception {
        String topic = broker.name("consumer-grows");
        try (Member member = member(broker, broker.name("consumer-grows"), topic,
                ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false)) {
            Check.eventually("it is a member", Broker.PATIENCE, () -> {
                var groups = broker.admin().describeConsumerGroups(Set.of(
                    broker.name("consumer-grows"))).all();
                return groups.get().values().iterator().next().members().size() == 1;
            });
            broker.createTopic("consumer-grows", 1);
            member.awaitAssigned(0);
            broker.admin().createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all()
                .get();
            member.awaitAssigned(0, 1, 2);
        }
    }

    private static void deletedTopic(Broker broker) throws Exception {
        String gone = broker.createTopic("consumer-gone", 1);
        String kept = broker.createTopic("consumer-kept", 1);
        try (Member member = new Member(broker, broker.name("consumer-gone"),
                (c, listener) -> c.subscribe(Set.of(gone, kept), listener),
                with(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false))) {
            Set<TopicPartition> both = partitions(gone, 1);
            both.addAll(partitions(kept, 1));
            awaitPartitions(member, both);
            broker.admin().deleteTopics(Set.of(gone)).all().get();
            awaitPartitions(member, partitions(kept, 1));
        }
    }

    private static void commit(Broker broker) throws Exception {
        String topic = broker.createTopic("consumer-commit", 1);
        String group = broker.name("consumer-commit");
        broker.produce(topic, "0", "1", "2");
        Object[] settings = with(ConsumerConfig.GROUP_ID_CONFIG, group,
            ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 2);
        try (var consumer = broker.consumer(settings)) {
            consumer.subscribe(Set.of(topic));
            Check.same("values", List.of("0", "1"), Broker.values(Broker.poll(consumer, 2)));
            consumer.commitSync();
        }
        try (var consumer = broker.consumer(settings)) {
            consumer.subscribe(Set.of(topic));
            Check.same("values", List.of("2"), Broker.values(Broker.poll(consumer, 1)));
            consumer.commitSync(Map.of(new TopicPartition(topic, 0),
                new org.apache.kafka.clients.consumer.OffsetAndMetadata(1, Optional.of(0),
                    "note")));
            var committed = consumer.committed(partitions(topic, 1))
                .get(new TopicPartition(topic, 0));
            Check.same("offset", 1L, committed.offset());
            Check.same("metadata", "note", committed.metadata());
            Check.same("leader epoch", Optional.of(0), committed.leaderEpoch());
        }
    }

    private static void resubscribe(Broker broker) throws Exception {
        String one = broker.createTopic("consumer-change-1", 1);
        String two = broker.createTopic("consumer-change-2", 1);
        broker.produce(one, "one");
        broker.produce(two, "two");
        try (var consumer = broker.consumer(with(ConsumerConfig.GROUP_ID_CONFIG,
                broker.name("consumer-change")))) {
            consumer.subscribe(Set.of(one));
            Check.same("values", List.of("one"), Broker.values(Broker.poll(consumer, 1)));
            consumer.subscribe(Set.of(two));
            Check.same("values", List.of("two"), Broker.values(Broker.poll(consumer, 1)));
            Check.same("assignment", partitions(two, 1), consumer.assignment());
            consumer.unsubscribe();
            Check.same("assignment", Set.of(), consumer.assignment());
        }
    }
}
