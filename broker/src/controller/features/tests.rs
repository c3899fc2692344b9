//! Kafka 4.3.1's verdicts on changes of feature levels, as `kafka-features` shows them.

use std::sync::Arc;

use super::*;
use crate::controller::apply::apply;
use crate::controller::command::{Applied, Command};

fn new_cluster() -> MetadataImage {
    let mut image = MetadataImage::empty(Arc::from("cluster"));
    finalize(&mut image, initial_levels());
    image
}

fn finalize(image: &mut MetadataImage, levels: Vec<FeatureLevel>) {
    let applied = apply(image, &Command::UpdateFeatures(levels), 1);
    assert_eq!(applied, Applied::FeaturesUpdated(Ok(())));
}

fn update(name: &str, level: i16, upgrade_type: UpgradeType) -> FeatureUpdate {
    FeatureUpdate {
        name: name.to_owned(),
        level,
        upgrade_type,
    }
}

fn verdict(image: &MetadataImage, updates: &[FeatureUpdate]) -> String {
    match plan(image, 1, updates) {
        Ok(_) => "ok".to_owned(),
        Err(MetadataError::InvalidFeatureUpdate(text)) => text,
        Err(other) => panic!("another error: {other:?}"),
    }
}

fn alone(image: &MetadataImage, name: &str, level: i16, upgrade_type: UpgradeType) -> String {
    verdict(image, &[update(name, level, upgrade_type)])
}

#[test]
fn a_new_cluster_has_the_newest_levels_of_what_is_served() {
    let image = new_cluster();
    let levels: Vec<_> = image.features().iter().collect();
    let expected = [
        ("group.version", 1),
        ("kraft.version", 1),
        ("metadata.version", 30),
        ("transaction.version", 2),
    ];
    let found: Vec<_> = levels
        .iter()
        .map(|(name, level)| (name.as_str(), **level))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(image.feature_level("share.version"), 0);
    for feature in SUPPORTED_FEATURES {
        assert!(feature.initial_level == 0 || feature.min_level <= feature.initial_level);
        assert!(feature.initial_level <= feature.max_level);
    }
}

#[test]
fn levels_move_in_the_direction_that_is_asked_for() {
    use UpgradeType::{SafeDowngrade, UnsafeDowngrade, Upgrade};
    let mut image = new_cluster();
    for downgrade in [SafeDowngrade, UnsafeDowngrade] {
        assert_eq!(alone(&image, TRANSACTION_VERSION, 1, downgrade), "ok");
        assert_eq!(
            alone(&image, GROUP_VERSION, 1, downgrade),
            "ok",
            "no change"
        );
    }
    assert_eq!(
        alone(&image, TRANSACTION_VERSION, 1, Upgrade),
        "Invalid update version 1 for feature transaction.version. Can't downgrade the version of \
         this feature without setting the upgrade type to either safe or unsafe downgrade."
    );
    let levels = plan(&image, 1, &[update(TRANSACTION_VERSION, 0, SafeDowngrade)]).unwrap();
    finalize(&mut image, levels);
    assert_eq!(image.feature_level(TRANSACTION_VERSION), 0);
    assert!(!image.features().contains_key(TRANSACTION_VERSION));
    assert_eq!(
        alone(&image, TRANSACTION_VERSION, 2, SafeDowngrade),
        "Invalid update version 2 for feature transaction.version. Can't downgrade to a newer \
         version."
    );
    assert_eq!(alone(&image, TRANSACTION_VERSION, 2, Upgrade), "ok");
    assert_eq!(
        alone(&image, TRANSACTION_VERSION, 2, UpgradeType::Unknown),
        "Invalid update version 2 for feature transaction.version. The controller does not support \
         the given upgrade type."
    );
}

#[test]
fn unknown_features_and_levels_are_refused() {
    use UpgradeType::{SafeDowngrade, Upgrade};
    let image = new_cluster();
    assert_eq!(
        alone(&image, "foo", 1, Upgrade),
        "Invalid update version 1 for feature foo. Local controller 1 does not support this \
         feature."
    );
    assert_eq!(
        alone(&image, TRANSACTION_VERSION, 3, Upgrade),
        "Invalid update version 3 for feature transaction.version. Local controller 1 only \
         supports versions 0-2"
    );
    assert_eq!(
        alone(&image, METADATA_VERSION, 31, Upgrade),
        "Invalid update version 31 for feature metadata.version. Local controller 1 only \
         supports versions 7-30"
    );
    assert_eq!(
        alone(&image, GROUP_VERSION, -1, SafeDowngrade),
        "Invalid update version -1 for feature group.version. A feature version cannot be less \
         than 0."
    );
}

#[test]
fn metadata_and_quorum_versions_do_not_go_back_over_a_change() {
    use UpgradeType::{SafeDowngrade, UnsafeDowngrade, Upgrade};
    let mut image = new_cluster();
    assert_eq!(
        alone(&image, METADATA_VERSION, 29, SafeDowngrade),
        "Unsupported metadata.version downgrade from 30 to 29. Refusing to perform the requested \
         downgrade because it might delete metadata information."
    );
    assert_eq!(
        alone(&image, METADATA_VERSION, 25, UnsafeDowngrade),
        "Unsupported metadata.version downgrade from 30 to 25. Unsafe metadata downgrade is not \
         supported in this version."
    );
    assert_eq!(
        alone(&image, KRAFT_VERSION, 0, SafeDowngrade),
        "Invalid update version 0 for feature kraft.version. Can't downgrade the version of this \
         feature."
    );
    assert_eq!(alone(&image, KRAFT_VERSION, 1, Upgrade), "ok");
    let older = FeatureLevel {
        name: METADATA_VERSION.to_owned(),
        level: 29,
        seen: None,
    };
    finalize(&mut image, vec![older]);
    assert_eq!(alone(&image, METADATA_VERSION, 23, SafeDowngrade), "ok");
    assert_ne!(alone(&image, METADATA_VERSION, 22, SafeDowngrade), "ok");
}

#[test]
fn one_refused_update_refuses_all_and_requirements_may_come_with_them() {
    use UpgradeType::Upgrade;
    let mut image = MetadataImage::empty(Arc::from("cluster"));
    let older = FeatureLevel {
        name: METADATA_VERSION.to_owned(),
        level: 22,
        seen: None,
    };
    finalize(&mut image, vec![older]);
    let replicas = update("eligible.leader.replicas.version", 1, Upgrade);
    assert_eq!(
        verdict(&image, std::slice::from_ref(&replicas)),
        "Invalid update version 1 for feature eligible.leader.replicas.version. \
         eligible.leader.replicas.version could not be set to 1 because it depends on \
         metadata.version level 23"
    );
    let metadata = update(METADATA_VERSION, 30, Upgrade);
    assert_eq!(verdict(&image, &[replicas.clone(), metadata]), "ok");
    let unknown = update("foo", 1, Upgrade);
    let transactions = update(TRANSACTION_VERSION, 2, Upgrade);
    assert_ne!(verdict(&image, &[transactions, unknown]), "ok");
}

/// Two administrators look at the same level; the second to come is asked to look again.
#[test]
fn an_update_planned_against_another_level_is_refused() {
    let mut image = new_cluster();
    let down = plan(
        &image,
        1,
        &[update(TRANSACTION_VERSION, 1, UpgradeType::SafeDowngrade)],
    );
    let (first, second) = (down.clone().unwrap(), down.unwrap());
    finalize(&mut image, first);
    match apply(&mut image, &Command::UpdateFeatures(second), 2) {
        Applied::FeaturesUpdated(Err(MetadataError::FeatureLevelChanged {
            current, seen, ..
        })) => {
            assert_eq!((current, seen), (1, 2));
        }
        other => panic!("{other:?}"),
    }
}
