package ringbrook.clients;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Topics are created, shown, grown and deleted. What is refused is in {@link TopicErrorCases}. */
final class TopicCases {
    private TopicCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("create_topic_is_described_with_leader_and_replicas", TopicCases::describe),
            new Case("create_topic_answers_with_id_partitions_and_configs", TopicCases::answer),
            new Case("create_topic_with_broker_defaults_has_one_replica", TopicCases::defaults),
            new Case("create_topic_with_replica_assignment", TopicCases::assignment),
            new Case("create_topic_validate_only_creates_nothing", TopicCases::validateOnly),
            new Case("create_many_topics_in_one_request", TopicCases::many),
            new Case("list_topics_shows_ids_and_hides_internal_topics", TopicCases::list),
            new Case("describe_topic_by_id", TopicCases::byId),
            new Case("metadata_creates_a_topic_that_a_producer_writes_to", TopicCases::auto),
            new Case("create_partitions_adds_empty_partitions", TopicCases::createPartitions),
            new Case("create_partitions_validate_only_adds_nothing", TopicCases::growValidateOnly),
            new Case("delete_topic_by_name_forgets_it", TopicCases::delete),
            new Case("delete_topic_by_id_forgets_it", TopicCases::deleteById),
            new Case("a_topic_created_again_is_empty_and_has_a_new_id", TopicCases::recreate));
    }

    private static TopicDescription describe(Broker broker, String topic) throws Exception {
        return broker.admin().describeTopics(Set.of(topic)).allTopicNames().get().get(topic);
    }

    private static void awaitGone(Broker broker, String topic) throws Exception {
        Check.eventually(topic + " is gone", Broker.PATIENCE,
            () -> !broker.admin().listTopics().names().get().contains(topic));
    }

    private static void describe(Broker broker) throws Exception {
        String topic = broker.createTopic("describe", 3);
        TopicDescription found = describe(broker, topic);
        Check.same("name", topic, found.name());
        Check.same("internal", false, found.isInternal());
        Check.isTrue("the id is not zero", !found.topicId().equals(Uuid.ZERO_UUID));
        Check.same("partitions", List.of(0, 1, 2),
            found.partitions().stream().map(p -> p.partition()).toList());
        int node = broker.admin().describeCluster().controller().get().id();
        for (var partition : found.partitions()) {
            Check.same("leader", node, partition.leader().id());
            Check.same("replicas", 1, partition.replicas().size());
            Check.same("in-sync replicas", partition.replicas(), partition.isr());
            Check.same("leader's address", broker.bootstrap().split(":")[1],
                String.valueOf(partition.leader().port()));
        }
    }

    private static void answer(Broker broker) throws Exception {
        String topic = broker.name("answer");
        CreateTopicsResult result = broker.admin().createTopics(Set.of(
            new NewTopic(topic, 2, (short) 1).configs(Map.of("retention.ms", "12345"))));
        result.all().get();
        Check.same("partitions", 2, result.numPartitions(topic).get());
        Check.same("replication factor", 1, result.replicationFactor(topic).get());
        Check.same("retention.ms", "12345", result.config(topic).get().get("retention.ms").value());
        Check.same("a default", "delete", result.config(topic).get().get("cleanup.policy").value());
        broker.awaitLeaders(topic, 2);
        Check.same("topic id", describe(broker, topic).topicId(), result.topicId(topic).get());
    }

    private static void defaults(Broker broker) throws Exception {
        String topic = broker.name("defaults");
        CreateTopicsResult result = broker.admin().createTopics(Set.of(
            new NewTopic(topic, Optional.empty(), Optional.empty())));
        result.all().get();
        Check.same("partitions", 1, result.numPartitions(topic).get());
        Check.same("replication factor", 1, result.replicationFactor(topic).get());
    }

    private static void assignment(Broker broker) throws Exception {
        int node = broker.admin().describeCluster().controller().get().id();
        String topic = broker.name("assignment");
        broker.admin().createTopics(Set.of(new NewTopic(topic,
            Map.of(0, List.of(node), 1, List.of(node))))).all().get();
        broker.awaitLeaders(topic, 2);
    }

    private static void validateOnly(Broker broker) throws Exception {
        String topic = broker.name("validate-only");
        CreateTopicsResult result = broker.admin().createTopics(
            Set.of(new NewTopic(topic, 2, (short) 1)),
            new CreateTopicsOptions().validateOnly(true));
        Check.same("partitions", 2, result.numPartitions(topic).get());
        Check.isTrue("it is not listed",
            !broker.admin().listTopics().names().get().contains(topic));
        Check.fails(UnknownTopicOrPartitionException.class,
            broker.admin().describeTopics(Set.of(topic)).allTopicNames());
    }

    private static void many(Broker broker) throws Exception {
        List<NewTopic> topics = java.util.stream.IntStream.range(0, 50)
            .mapToObj(i -> new NewTopic(broker.name("many-" + i), 2, (short) 1)).toList();
        broker.admin().createTopics(topics).all().get();
        List<String> names = topics.stream().map(NewTopic::name).toList();
        Check.eventually("all 50 are listed", Broker.PATIENCE,
            () -> broker.admin().listTopics().names().get().containsAll(names));
        Check.same("described", 50,
            broker.admin().describeTopics(names).allTopicNames().get().size());
        broker.admin().deleteTopics(names).all().get();
    }

    private static void list(Broker broker) throws Exception {
        String topic = broker.createTopic("list", 1);
        // A commit makes the broker create __consumer_offsets.
        broker.admin().alterConsumerGroupOffsets(broker.name("list-group"),
            Map.of(new org.apache.kafka.common.TopicPartition(topic, 0),
                new org.apache.kafka.clients.consumer.OffsetAndMetadata(0))).all().get();
        var plain = broker.admin().listTopics().namesToListings().get();
        Check.isTrue("the topic is listed", plain.containsKey(topic));
        Check.same("id", describe(broker, topic).topicId(), plain.get(topic).topicId());
        Check.isTrue("no internal topic", !plain.containsKey("__consumer_offsets"));
        var all = broker.admin().listTopics(new ListTopicsOptions().listInternal(true))
            .namesToListings().get();
        Check.same("__consumer_offsets is internal", true,
            all.get("__consumer_offsets").isInternal());
    }

    private static void byId(Broker broker) throws Exception {
        String topic = broker.createTopic("by-id", 1);
        Uuid id = describe(broker, topic).topicId();
        var found = broker.admin().describeTopics(TopicCollection.ofTopicIds(Set.of(id)))
            .allTopicIds().get().get(id);
        Check.same("name", topic, found.name());
        Check.fails(UnknownTopicIdException.class, broker.admin().describeTopics(
            TopicCollection.ofTopicIds(Set.of(Uuid.randomUuid()))).allTopicIds());
    }

    private static void auto(Broker broker) throws Exception {
        String topic = broker.name("auto-created");
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            Check.same("offset", 0L, producer.send(
                new ProducerRecord<>(topic, Broker.utf8("made"))).get().offset());
        }
        Check.same("partitions", 1, describe(broker, topic).partitions().size());
    }

    private static void createPartitions(Broker broker) throws Exception {
        String topic = broker.createTopic("grow", 1);
        broker.produce(topic, "a", "b");
        Uuid id = describe(broker, topic).topicId();
        broker.admin().createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get();
        broker.awaitLeaders(topic, 4);
        Check.same("id", id, describe(broker, topic).topicId());
        Check.same("log end of partition 0", 2L, broker.endOffset(topic, 0));
        Check.same("log end of partition 3", 0L, broker.endOffset(topic, 3));
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            Check.same("offset", 0L, producer.send(
                new ProducerRecord<>(topic, 3, null, Broker.utf8("c"))).get().offset());
        }
    }

    private static void growValidateOnly(Broker broker) throws Exception {
        String topic = broker.createTopic("grow-validate-only", 1);
        broker.admin().createPartitions(Map.of(topic, NewPartitions.increaseTo(4)),
            new org.apache.kafka.clients.admin.CreatePartitionsOptions().validateOnly(true))
            .all().get();
        Check.same("partitions", 1, describe(broker, topic).partitions().size());
    }

    private static void delete(Broker broker) throws Exception {
        String topic = broker.createTopic("delete", 2);
        broker.produce(topic, "a");
        broker.admin().deleteTopics(Set.of(topic)).all().get();
        awaitGone(broker, topic);
        Check.fails(UnknownTopicOrPartitionException.class,
            broker.admin().describeTopics(Set.of(topic)).allTopicNames());
        Check.fails(UnknownTopicOrPartitionException.class,
            broker.admin().deleteTopics(Set.of(topic)).all());
    }

    private static void deleteById(Broker broker) throws Exception {
        String topic = broker.createTopic("delete-by-id", 1);
        TopicCollection id = TopicCollection.ofTopicIds(Set.of(describe(broker, topic).topicId()));
        broker.admin().deleteTopics(id).all().get();
        awaitGone(broker, topic);
        Check.fails(UnknownTopicIdException.class, broker.admin().deleteTopics(id).all());
    }

    private static void recreate(Broker broker) throws Exception {
        String topic = broker.createTopic("recreate", 1);
        broker.produce(topic, "old", "older");
        Uuid old = describe(broker, topic).topicId();
        broker.admin().deleteTopics(Set.of(topic)).all().get();
        awaitGone(broker, topic);
        broker.createTopic("recreate", 1);
        Check.isTrue("the id is another", !describe(broker, topic).topicId().equals(old));
        broker.produce(topic, "new");
        Check.same("records", List.of("new"), Broker.values(broker.read(topic, 0, 1)));
    }
}
