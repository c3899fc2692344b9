package ringbrook.clients;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InconsistentGroupProtocolException;
import org.apache.kafka.common.errors.InvalidSessionTimeoutException;
import org.apache.kafka.common.errors.OffsetMetadataTooLarge;

/** Consumers share a topic as a group (classic protocol) and commit their offsets. */
final class GroupCases {
    private static final String ASSIGNOR = ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG;

    private GroupCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("a_member_that_vanishes_is_removed_after_its_session", GroupCases::vanish),
            new Case("range_members_share_partitions_and_records",
                b -> share(b, "range", RangeAssignor.class)),
            new Case("round_robin_members_share_partitions_and_records",
                b -> share(b, "roundrobin", RoundRobinAssignor.class)),
            new Case("sticky_members_share_partitions_and_records",
                b -> share(b, "sticky", StickyAssignor.class)),
            new Case("cooperative_members_keep_what_they_need_not_give",
                GroupCases::cooperative),
            new Case("five_members_of_four_partitions_leave_one_without", GroupCases::spare),
            new Case("groups_of_one_topic_read_it_independently", GroupCases::independent),
            new Case("a_pattern_subscribes_to_topics_created_later", GroupCases::pattern),
            new Case("commit_sync_is_where_the_next_member_begins", GroupCases::commitSync),
            new Case("commit_async_answers_with_what_it_committed", GroupCases::commitAsync),
            new Case("auto_commit_on_close_keeps_the_position", GroupCases::autoCommit),
            new Case("committed_of_nothing_is_null", GroupCases::committedNothing),
            new Case("committed_shows_metadata_and_leader_epoch", GroupCases::metadata),
            new Case("commit_metadata_of_4097_characters_is_too_large",
                GroupCases::metadataTooLarge),
            new Case("a_removed_member_cannot_commit", GroupCases::staleCommit),
            new Case("a_session_timeout_below_the_minimum_is_invalid_session_timeout",
                GroupCases::sessionTimeout),
            new Case("members_without_a_common_assignor_are_inconsistent",
                GroupCases::inconsistent),
            new Case("enforce_rebalance_begins_a_new_generation", GroupCases::enforce));
    }

    private static void produceTo(Broker broker, String topic, int partitions, int count) {
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            for (int i = 0; i < count; i++) {
                producer.send(new ProducerRecord<>(topic, i % partitions, null,
                    Broker.utf8("" + i)));
            }
        }
    }

    private static Set<String> numbers(int count) {
        return new HashSet<>(IntStream.range(0, count).mapToObj(i -> "" + i).toList());
    }

    private static void share(Broker broker, String suffix, Class<?> assignor) throws Exception {
        String topic = broker.createTopic(suffix, 4);
        String group = broker.name(suffix);
        try (Member first = new Member(broker, group, topic, ASSIGNOR, assignor.getName())) {
            first.awaitAssigned(0, 1, 2, 3);
            try (Member second = new Member(broker, group, topic, ASSIGNOR, assignor.getName())) {
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
                Check.same("values", numbers(400), new HashSet<>(read));
                Check.same("half each", 200, first.values().size());
            }
            first.awaitAssigned(0, 1, 2, 3);
        }
    }

    private static void cooperative(Broker broker) throws Exception {
        String topic = broker.createTopic("cooperative", 4);
        String group = broker.name("cooperative");
        String strategy = CooperativeStickyAssignor.class.getName();
        try (Member first = new Member(broker, group, topic, ASSIGNOR, strategy)) {
            first.awaitAssigned(0, 1, 2, 3);
            try (Member second = new Member(broker, group, topic, ASSIGNOR, strategy)) {
                first.awaitCount(2);
                second.awaitCount(2);
                Set<Integer> given = new java.util.TreeSet<>(second.assigned());
                Check.isTrue("only what moved was revoked: " + first.events(),
                    first.events().contains("revoked " + given));
                Check.isTrue("nothing else was revoked or lost: " + first.events(),
                    first.events().stream()
                        .filter(e -> !e.startsWith("assigned")).toList().size() == 1);
            }
            first.awaitAssigned(0, 1, 2, 3);
            Check.isTrue("nothing was lost: " + first.events(),
                first.events().stream().noneMatch(e -> e.startsWith("lost")));
        }
    }

    private static void spare(Broker broker) throws Exception {
        String topic = broker.createTopic("spare", 4);
        String group = broker.name("spare");
        List<Member> members = new ArrayList<>();
        try {
            for (int i = 0; i < 5; i++) {
                members.add(new Member(broker, group, topic));
            }
            Check.eventually("four have one each, one has none", Broker.PATIENCE,
                () -> members.stream().map(m -> m.assigned().size()).sorted().toList()
                    .equals(List.of(0, 1, 1, 1, 1))
                    && members.stream().flatMap(m -> m.assigned().stream()).distinct()
                        .count() == 4);
        } finally {
            for (Member member : members) {
                member.close();
            }
        }
    }

    private static void vanish(Broker broker) throws Exception {
        String topic = broker.createTopic("vanish", 2);
        String group = broker.name("vanish");
        Member gone = new Member(broker, group, topic);
        try (Member stays = new Member(broker, group, topic)) {
            gone.awaitCount(1);
            stays.awaitCount(1);
            gone.vanish();
            long start = System.nanoTime();
            stays.awaitAssigned(0, 1);
            long ms = (System.nanoTime() - start) / 1_000_000;
            Check.isTrue("not before the session ended: " + ms + " ms", 4000 < ms);
        }
    }

    private static void independent(Broker broker) throws Exception {
        String topic = broker.createTopic("independent", 2);
        produceTo(broker, topic, 2, 20);
        try (Member one = new Member(broker, broker.name("independent-1"), topic);
             Member two = new Member(broker, broker.name("independent-2"), topic)) {
            Check.eventually("each reads all", Broker.PATIENCE,
                () -> one.values().size() == 20 && two.values().size() == 20);
        }
    }

    private static void pattern(Broker broker) throws Exception {
        try (Consumer<byte[], byte[]> consumer = broker.consumer(
                ConsumerConfig.GROUP_ID_CONFIG, broker.name("pattern"),
                ConsumerConfig.METADATA_MAX_AGE_CONFIG, 200)) {
            String first = broker.createTopic("pattern-a", 1);
            consumer.subscribe(Pattern.compile(Pattern.quote(broker.name("pattern-")) + ".*"));
            broker.produce(first, "a");
            Check.same("values", List.of("a"), Broker.values(Broker.poll(consumer, 1)));
            consumer.commitSync();
            String second = broker.createTopic("pattern-b", 1);
            broker.produce(second, "b");
            Check.same("values", List.of("b"), Broker.values(Broker.poll(consumer, 1)));
        }
    }

    private static Consumer<byte[], byte[]> grouped(Broker broker, String group,
            Object... settings) {
        List<Object> all = new ArrayList<>(List.of(ConsumerConfig.GROUP_ID_CONFIG, group));
        all.addAll(List.of(settings));
        return broker.consumer(all.toArray());
    }

    private static void commitSync(Broker broker) throws Exception {
        String topic = broker.createTopic("commit-sync", 1);
        String group = broker.name("commit-sync");
        broker.produce(topic, "0", "1", "2", "3");
        TopicPartition at = new TopicPartition(topic, 0);
        try (Consumer<byte[], byte[]> consumer = grouped(broker, group,
                ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 2)) {
            consumer.subscribe(Set.of(topic));
            Broker.poll(consumer, 2);
            consumer.commitSync();
            Check.same("committed", 2L, consumer.committed(Set.of(at)).get(at).offset());
        }
        try (Consumer<byte[], byte[]> consumer = grouped(broker, group)) {
            consumer.subscribe(Set.of(topic));
            Check.same("values", List.of("2", "3"), Broker.values(Broker.poll(consumer, 2)));
            consumer.commitSync(Map.of(at, new OffsetAndMetadata(1)));
        }
        try (Consumer<byte[], byte[]> consumer = grouped(broker, group)) {
            consumer.assign(Set.of(at));
            Check.same("position", 1L, consumer.position(at));
        }
    }

    private static void commitAsync(Broker broker) throws Exception {
        String topic = broker.createTopic("commit-async", 1);
        TopicPartition at = new TopicPartition(topic, 0);
        broker.produce(topic, "0", "1");
        try (Consumer<byte[], byte[]> consumer = grouped(broker, broker.name("commit-async"))) {
            consumer.subscribe(Set.of(topic));
            Broker.poll(consumer, 2);
            CompletableFuture<Map<TopicPartition, OffsetAndMetadata>> answer =
                new CompletableFuture<>();
            consumer.commitAsync((offsets, error) -> {
                if (error == null) {
                    answer.complete(offsets);
                } else {
                    answer.completeExceptionally(error);
                }
            });
            Check.eventually("the answer comes", Broker.PATIENCE, () -> {
                consumer.poll(Duration.ofMillis(10));
                return answer.isDone();
            });
            Check.same("offset", 2L, answer.get(1, TimeUnit.SECONDS).get(at).offset());
        }
    }

    private static void autoCommit(Broker broker) throws Exception {
        String topic = broker.createTopic("auto-commit", 1);
        String group = broker.name("auto-commit");
        TopicPartition at = new TopicPartition(topic, 0);
        broker.produce(topic, "0", "1", "2");
        try (Consumer<byte[], byte[]> consumer = grouped(broker, group,
                ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, true)) {
            consumer.subscribe(Set.of(topic));
            Broker.poll(consumer, 3);
        }
        try (Consumer<byte[], byte[]> consumer = grouped(broker, group)) {
            Check.same("committed", 3L, consumer.committed(Set.of(at)).get(at).offset());
        }
    }

    private static void committedNothing(Broker broker) throws Exception {
        TopicPartition at = new TopicPartition(broker.createTopic("committed-nothing", 1), 0);
        try (Consumer<byte[], byte[]> consumer = grouped(broker, broker.name("nothing"))) {
            Check.same("committed", null, consumer.committed(Set.of(at)).get(at));
        }
    }

    private static void metadata(Broker broker) throws Exception {
        TopicPartition at = new TopicPartition(broker.createTopic("commit-metadata", 1), 0);
        try (Consumer<byte[], byte[]> consumer = grouped(broker, broker.name("metadata"))) {
            OffsetAndMetadata wanted = new OffsetAndMetadata(7, java.util.Optional.of(0),
                "gr\u00fc\u00dfe, \u4e16\u754c \ud83d\ude00");
            consumer.commitSync(Map.of(at, wanted));
            Check.same("committed", wanted, consumer.committed(Set.of(at)).get(at));
        }
    }

    private static void metadataTooLarge(Broker broker) throws Exception {
        TopicPartition at = new TopicPartition(broker.createTopic("metadata-large", 1), 0);
        try (Consumer<byte[], byte[]> consumer = grouped(broker, broker.name("large"))) {
            consumer.commitSync(Map.of(at, new OffsetAndMetadata(1, "m".repeat(4096))));
            Check.fails(OffsetMetadataTooLarge.class, () -> consumer.commitSync(
                Map.of(at, new OffsetAndMetadata(2, "m".repeat(4097)))));
            Check.same("committed", 1L, consumer.committed(Set.of(at)).get(at).offset());
        }
    }

    private static void staleCommit(Broker broker) throws Exception {
        String topic = broker.createTopic("stale-commit", 1);
        String group = broker.name("stale-commit");
        broker.produce(topic, "0");
        try (Consumer<byte[], byte[]> consumer = grouped(broker, group)) {
            consumer.subscribe(Set.of(topic));
            Broker.poll(consumer, 1);
            broker.admin().removeMembersFromConsumerGroup(group,
                new RemoveMembersFromConsumerGroupOptions()).all().get();
            Check.fails(CommitFailedException.class, consumer::commitSync);
        }
    }

    private static void sessionTimeout(Broker broker) throws Exception {
        String topic = broker.createTopic("session-timeout", 1);
        try (Consumer<byte[], byte[]> consumer = grouped(broker, broker.name("session-timeout"),
                ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 1000,
                ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 100)) {
            consumer.subscribe(Set.of(topic));
            Check.fails(InvalidSessionTimeoutException.class, () -> Broker.poll(consumer, 1));
        }
    }

    private static void inconsistent(Broker broker) throws Exception {
        String topic = broker.createTopic("inconsistent", 1);
        String group = broker.name("inconsistent");
        try (Member member = new Member(broker, group, topic, ASSIGNOR,
                RangeAssignor.class.getName());
             Consumer<byte[], byte[]> other = grouped(broker, group, ASSIGNOR,
                 RoundRobinAssignor.class.getName())) {
            member.awaitAssigned(0);
            other.subscribe(Set.of(topic));
            Check.fails(InconsistentGroupProtocolException.class, () -> Broker.poll(other, 1));
            Check.same("the member's partitions", Set.of(0), member.assigned());
        }
    }

    private static void enforce(Broker broker) throws Exception {
        String topic = broker.createTopic("enforce", 1);
        try (Consumer<byte[], byte[]> consumer = grouped(broker, broker.name("enforce"))) {
            consumer.subscribe(Set.of(topic));
            broker.produce(topic, "0");
            Broker.poll(consumer, 1);
            int generation = consumer.groupMetadata().generationId();
            consumer.enforceRebalance();
            Check.eventually("the generation is one higher", Broker.PATIENCE, () -> {
                consumer.poll(Duration.ofMillis(20));
                return consumer.groupMetadata().generationId() == generation + 1;
            });
        }
    }
}
