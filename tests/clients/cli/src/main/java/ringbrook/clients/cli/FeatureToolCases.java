package ringbrook.clients.cli;

import java.util.List;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Check;

/** kafka-features, as far as it changes nothing; the client named features does the rest. */
final class FeatureToolCases {
    private FeatureToolCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("features_describe_shows_supported_and_finalized_levels",
                FeatureToolCases::describe),
            new Case("features_version_mapping_of_releases", FeatureToolCases::mapping),
            new Case("features_dependencies_of_a_level", FeatureToolCases::dependencies),
            new Case("features_dry_runs_change_nothing", FeatureToolCases::dryRun),
            new Case("features_wrong_updates_are_refused", FeatureToolCases::wrong));
    }

    private static List<String> row(Broker broker, String feature) throws Exception {
        List<String> row = Cli.features(broker, "describe").row(feature);
        // The last field is the epoch, which grows with every change of metadata.
        return row.subList(0, row.size() - 1);
    }

    private static void describe(Broker broker) throws Exception {
        for (String[] newest : List.of(new String[] {"transaction.version", "2"},
                new String[] {"group.version", "1"})) {
            Check.same("line", List.of("Feature:", newest[0], "SupportedMinVersion:", "0",
                "SupportedMaxVersion:", newest[1], "FinalizedVersionLevel:", newest[1], "Epoch:"),
                row(broker, newest[0]));
        }
        List<String> metadata = row(broker, "metadata.version");
        Check.same("finalized is the newest supported", metadata.get(5), metadata.get(7));
    }

    private static void mapping(Broker broker) throws Exception {
        Check.contains("newest", Cli.features(broker, "version-mapping").good(),
            "transaction.version=2", "group.version=1");
        Check.contains("3.9", Cli.features(broker, "version-mapping", "--release-version", "3.9")
            .good(), "metadata.version=21", "transaction.version=0", "group.version=0");
    }

    private static void dependencies(Broker broker) throws Exception {
        Check.contains("output", Cli.features(broker, "feature-dependencies", "--feature",
            "transaction.version=2").good(), "transaction.version=2 has no dependencies.");
    }

    private static void dryRun(Broker broker) throws Exception {
        List<String> before = row(broker, "transaction.version");
        Check.contains("downgrade", Cli.features(broker, "downgrade", "--feature",
            "transaction.version=1", "--dry-run").good(),
            "transaction.version can be downgraded to 1.");
        Check.contains("disable", Cli.features(broker, "disable", "--feature",
            "transaction.version", "--dry-run").good(), "transaction.version can be disabled.");
        Check.same("line", before, row(broker, "transaction.version"));
    }

    private static void wrong(Broker broker) throws Exception {
        List<String> before = row(broker, "group.version");
        Check.contains("upgrade to a lower level", Cli.features(broker, "upgrade", "--feature",
            "transaction.version=1").bad(), "Could not upgrade transaction.version to 1.");
        Check.contains("upgrade to an unknown level", Cli.features(broker, "upgrade", "--feature",
            "group.version=99").bad(), "Could not upgrade group.version to 99.");
        Check.contains("an unknown feature", Cli.features(broker, "upgrade", "--feature",
            "no.such.feature=1").bad(), "no.such.feature");
        Check.same("line", before, row(broker, "group.version"));
    }
}
