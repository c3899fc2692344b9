package ringbrook.clients;

import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.FeatureMetadata;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.FeatureUpdate.UpgradeType;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.common.errors.InvalidUpdateVersionException;

/**
 * Feature levels as they are on a new cluster, and updates that are refused or only tried. What
 * changes a level is done to a broker of its own, by the client named features.
 */
final class FeatureCases {
    private FeatureCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("a_new_cluster_has_the_newest_feature_levels", FeatureCases::newest),
            new Case("feature_updates_can_be_tried_without_effect", FeatureCases::tried),
            new Case("wrong_feature_updates_are_refused", FeatureCases::refused));
    }

    private static FeatureMetadata features(Broker broker) throws Exception {
        return broker.admin().describeFeatures().featureMetadata().get();
    }

    private static void newest(Broker broker) throws Exception {
        FeatureMetadata found = features(broker);
        Map<String, Integer> newest = Map.of("group.version", 1, "transaction.version", 2);
        for (var feature : newest.entrySet()) {
            var supported = found.supportedFeatures().get(feature.getKey());
            var finalized = found.finalizedFeatures().get(feature.getKey());
            Check.same(feature.getKey() + " supported from", (short) 0, supported.minVersion());
            Check.same(feature.getKey() + " supported to", feature.getValue(),
                (int) supported.maxVersion());
            Check.same(feature.getKey() + " finalized", feature.getValue(),
                (int) finalized.maxVersionLevel());
        }
        Check.isTrue("metadata.version is finalized",
            found.finalizedFeatures().containsKey("metadata.version"));
        Check.isTrue("there is an epoch", found.finalizedFeaturesEpoch().orElse(-1L) >= 0);
    }

    private static void tried(Broker broker) throws Exception {
        FeatureMetadata before = features(broker);
        broker.admin().updateFeatures(Map.of("transaction.version",
            new FeatureUpdate((short) 1, UpgradeType.SAFE_DOWNGRADE)),
            new UpdateFeaturesOptions().validateOnly(true)).all().get();
        Check.same("features", before.finalizedFeatures(), features(broker).finalizedFeatures());
    }

    private static void refused(Broker broker) throws Exception {
        FeatureMetadata before = features(broker);
        Map<String, FeatureUpdate> wrong = Map.of(
            "transaction.version", new FeatureUpdate((short) 1, UpgradeType.UPGRADE),
            "group.version", new FeatureUpdate((short) 99, UpgradeType.UPGRADE),
            "no.such.feature", new FeatureUpdate((short) 1, UpgradeType.UPGRADE));
        for (var update : wrong.entrySet()) {
            Check.fails(InvalidUpdateVersionException.class, broker.admin()
                .updateFeatures(Map.of(update.getKey(), update.getValue())).all());
        }
        Check.same("features", before.finalizedFeatures(), features(broker).finalizedFeatures());
    }
}
