package ringbrook.clients;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.DescribeReplicaLogDirsResult.ReplicaLogDirInfo;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.errors.LogDirNotFoundException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** The broker describes itself: cluster, features and log directories. */
final class ClusterCases {
    private ClusterCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("describe_cluster_shows_id_controller_and_node", ClusterCases::cluster),
            new Case("describe_cluster_can_include_fenced_brokers", ClusterCases::fenced),
            new Case("describe_features_answers", ClusterCases::features),
            new Case("describe_log_dirs_shows_partitions_with_size", ClusterCases::logDirs),
            new Case("a_partition_moves_to_another_log_dir", ClusterCases::moves));
    }

    private static void cluster(Broker broker) throws Exception {
        DescribeClusterResult found = broker.admin().describeCluster();
        Check.same("nodes", 1, found.nodes().get().size());
        Node node = found.nodes().get().iterator().next();
        Check.same("controller", node, found.controller().get());
        Check.same("address", broker.bootstrap(), node.host() + ":" + node.port());
        Check.same("fenced", false, node.isFenced());
        Check.isTrue("the cluster id is not empty", !found.clusterId().get().isEmpty());
    }

    private static void fenced(Broker broker) throws Exception {
        DescribeClusterResult found = broker.admin().describeCluster(
            new DescribeClusterOptions().includeFencedBrokers(true));
        Check.same("nodes", 1, found.nodes().get().size());
    }

    private static void features(Broker broker) throws Exception {
        var features = broker.admin().describeFeatures().featureMetadata().get();
        for (var entry : features.finalizedFeatures().entrySet()) {
            var supported = features.supportedFeatures().get(entry.getKey());
            Check.isTrue(entry.getKey() + " is supported", supported != null);
            Check.isTrue(entry.getKey() + " is within the supported range",
                supported.minVersion() <= entry.getValue().minVersionLevel()
                    && entry.getValue().maxVersionLevel() <= supported.maxVersion());
        }
    }

    private static void logDirs(Broker broker) throws Exception {
        String topic = broker.createTopic("log-dirs", 2);
        broker.produce(topic, "some", "records");
        int node = broker.admin().describeCluster().controller().get().id();
        Map<String, LogDirDescription> dirs =
            broker.admin().describeLogDirs(Set.of(node)).allDescriptions().get().get(node);
        Check.isTrue("there is a log dir", !dirs.isEmpty());
        long written = 0;
        int partitions = 0;
        for (LogDirDescription dir : dirs.values()) {
            Check.same("error", null, dir.error());
            Check.isTrue("total bytes", dir.totalBytes().orElse(-1) > 0);
            Check.isTrue("usable bytes", dir.usableBytes().orElse(-1) > 0
                && dir.usableBytes().getAsLong() <= dir.totalBytes().getAsLong());
            for (var entry : dir.replicaInfos().entrySet()) {
                if (entry.getKey().topic().equals(topic)) {
                    partitions++;
                    Check.same("offset lag", 0L, entry.getValue().offsetLag());
                    Check.same("future", false, entry.getValue().isFuture());
                    if (entry.getKey().equals(new TopicPartition(topic, 0))) {
                        written = entry.getValue().size();
                    }
                }
            }
        }
        Check.same("partitions", 2, partitions);
        // A batch header is 61 bytes.
        Check.isTrue("the size counts the batch: " + written, written > 61);
    }

    private static void moves(Broker broker) throws Exception {
        String topic = broker.createTopic("log-dir-moves", 1);
        broker.produce(topic, "one", "two");
        int node = broker.admin().describeCluster().controller().get().id();
        var replica = new TopicPartitionReplica(topic, 0, node);
        Set<String> dirs =
            broker.admin().describeLogDirs(Set.of(node)).allDescriptions().get().get(node).keySet();
        String from = place(broker, replica).getCurrentReplicaLogDir();
        Optional<String> other = dirs.stream().filter(dir -> !dir.equals(from)).findFirst();
        Check.isTrue("there are two log dirs: " + dirs, other.isPresent());
        broker.admin().alterReplicaLogDirs(Map.of(replica, other.get())).all().get();
        Check.eventually("it has moved", Broker.PATIENCE, () -> {
            var place = place(broker, replica);
            return other.get().equals(place.getCurrentReplicaLogDir())
                && place.getFutureReplicaLogDir() == null;
        });
        Check.same("records", 2, broker.read(topic, 0, 2).size());
        Check.same("log end", 2L, broker.endOffset(topic, 0));
        Check.fails(LogDirNotFoundException.class, broker.admin()
            .alterReplicaLogDirs(Map.of(replica, "/no/such/dir")).all());
        var absent = new TopicPartitionReplica(broker.name("absent"), 0, node);
        Check.fails(UnknownTopicOrPartitionException.class, broker.admin()
            .alterReplicaLogDirs(Map.of(absent, from)).all());
    }

    private static ReplicaLogDirInfo place(Broker broker, TopicPartitionReplica replica)
        throws Exception {
        return broker.admin().describeReplicaLogDirs(Set.of(replica)).all().get().get(replica);
    }
}
