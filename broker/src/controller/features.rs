//! Features: which levels this broker supports, which are finalized on a new cluster, and which
//! changes of finalized levels are allowed. Pure; the rules and texts are those of Kafka 4.3's
//! `FeatureControlManager` and `QuorumFeatures` (KIP-584, KIP-1022).
//!
//! A finalized level permits what it stands for; what is served is what ApiVersions lists. Names
//! and ranges are Kafka's, so that `kafka-features upgrade --release-version` finds every feature
//! it names. Eligible leader replicas, share groups and streams groups are not served, so their
//! features are not finalized on a new cluster.

use super::command::FeatureLevel;
use super::error::MetadataError;
use super::image::MetadataImage;

#[cfg(test)]
mod tests;

/// The version of the metadata format, in Kafka's counting.
pub const METADATA_VERSION: &str = "metadata.version";
/// How the voters of the metadata quorum are kept.
pub const KRAFT_VERSION: &str = "kraft.version";
/// Which transaction protocol is used: from 1 on flexible records, from 2 on an epoch per
/// transaction (KIP-890).
pub const TRANSACTION_VERSION: &str = "transaction.version";
/// From 1 on the consumer rebalance protocol is enabled (KIP-848).
pub const GROUP_VERSION: &str = "group.version";

/// Whether going from level `n - 1` of `metadata.version` to `n` changed the format of metadata in
/// Kafka: such a step is never taken back.
const METADATA_CHANGES: &[i16] = &[7, 8, 11, 13, 14, 15, 17, 23, 30];

/// A feature and the levels of it this broker knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupportedFeature {
    /// The name.
    pub name: &'static str,
    /// The lowest level.
    pub min_level: i16,
    /// The highest level.
    pub max_level: i16,
    /// The level finalized on a new cluster, 0 for none.
    pub initial_level: i16,
    /// What levels from 1 on need: a level of another feature.
    requires: Option<(&'static str, i16)>,
}

/// Every feature Kafka 4.3 knows, by name.
pub const SUPPORTED_FEATURES: &[SupportedFeature] = &[
    SupportedFeature {
        requires: Some((METADATA_VERSION, 23)),
        ..feature("eligible.leader.replicas.version", 0, 1, 0)
    },
    feature(GROUP_VERSION, 0, 1, 1),
    feature(KRAFT_VERSION, 0, 1, 1),
    feature(METADATA_VERSION, 7, 30, 30),
    feature("share.version", 0, 1, 0),
    feature("streams.version", 0, 1, 0),
    feature(TRANSACTION_VERSION, 0, 2, 2),
];

const fn feature(name: &'static str, min: i16, max: i16, initial: i16) -> SupportedFeature {
    SupportedFeature {
        name,
        min_level: min,
        max_level: max,
        initial_level: initial,
        requires: None,
    }
}

/// In which direction a client allows a level to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeType {
    /// Upwards only.
    Upgrade,
    /// Downwards, when nothing is lost.
    SafeDowngrade,
    /// Downwards, even if something is lost.
    UnsafeDowngrade,
    /// A number that stands for none of these.
    Unknown,
}

impl UpgradeType {
    /// The type with this number on the wire.
    #[must_use]
    pub fn from_code(code: i8) -> Self {
        match code {
            1 => Self::Upgrade,
            2 => Self::SafeDowngrade,
            3 => Self::UnsafeDowngrade,
            _ => Self::Unknown,
        }
    }
}

/// A change of one feature that a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// The feature.
    pub name: String,
    /// The level it shall have.
    pub level: i16,
    /// The direction that is allowed.
    pub upgrade_type: UpgradeType,
}

/// The levels of a new cluster.
#[must_use]
pub fn initial_levels() -> Vec<FeatureLevel> {
    let finalized = SUPPORTED_FEATURES
        .iter()
        .filter(|feature| 0 < feature.initial_level);
    finalized
        .map(|feature| FeatureLevel {
            name: feature.name.to_owned(),
            level: feature.initial_level,
            seen: None,
        })
        .collect()
}

/// What to submit so that all `updates` are made in `image`, or why not: one that is refused
/// refuses all. `node_id` is named in errors.
///
/// # Errors
/// [`MetadataError::InvalidFeatureUpdate`].
pub fn plan(
    image: &MetadataImage,
    node_id: i32,
    updates: &[FeatureUpdate],
) -> Result<Vec<FeatureLevel>, MetadataError> {
    let mut levels = Vec::with_capacity(updates.len());
    for update in updates {
        check(image, node_id, update, updates)?;
        levels.push(FeatureLevel {
            name: update.name.clone(),
            level: update.level,
            seen: Some(image.feature_level(&update.name)),
        });
    }
    Ok(levels)
}

fn check(
    image: &MetadataImage,
    node_id: i32,
    update: &FeatureUpdate,
    all: &[FeatureUpdate],
) -> Result<(), MetadataError> {
    let FeatureUpdate { name, level, .. } = update;
    let refuse = |reason: String| {
        let text = format!("Invalid update version {level} for feature {name}. {reason}");
        Err(MetadataError::InvalidFeatureUpdate(text))
    };
    if update.upgrade_type == UpgradeType::Unknown {
        return refuse("The controller does not support the given upgrade type.".to_owned());
    }
    if *level < 0 {
        return refuse("A feature version cannot be less than 0.".to_owned());
    }
    let Some(feature) = supported(name) else {
        return refuse(format!(
            "Local controller {node_id} does not support this feature."
        ));
    };
    let (min, max) = (feature.min_level, feature.max_level);
    if *level < min || max < *level {
        return refuse(format!(
            "Local controller {node_id} only supports versions {min}-{max}"
        ));
    }
    let current = image.feature_level(name);
    let is_upgrade = update.upgrade_type == UpgradeType::Upgrade;
    if *level < current && is_upgrade {
        let reason = "Can't downgrade the version of this feature without setting the upgrade type \
                      to either safe or unsafe downgrade.";
        return refuse(reason.to_owned());
    }
    if current < *level && !is_upgrade {
        return refuse("Can't downgrade to a newer version.".to_owned());
    }
    match name.as_str() {
        METADATA_VERSION => check_metadata_version(current, update),
        KRAFT_VERSION if *level < current => {
            refuse("Can't downgrade the version of this feature.".to_owned())
        }
        _ => match missing_requirement(image, feature, update, all) {
            Some(reason) => refuse(reason),
            None => Ok(()),
        },
    }
}

fn supported(name: &str) -> Option<&'static SupportedFeature> {
    SUPPORTED_FEATURES
        .iter()
        .find(|feature| feature.name == name)
}

/// A level whose successor changed the metadata is not gone back to.
fn check_metadata_version(current: i16, update: &FeatureUpdate) -> Result<(), MetadataError> {
    let wanted = update.level;
    let has_changed = METADATA_CHANGES
        .iter()
        .any(|&change| wanted < change && change <= current);
    if !has_changed {
        return Ok(());
    }
    let reason = if update.upgrade_type == UpgradeType::UnsafeDowngrade {
        "Unsafe metadata downgrade is not supported in this version."
    } else {
        "Refusing to perform the requested downgrade because it might delete metadata information."
    };
    Err(MetadataError::InvalidFeatureUpdate(format!(
        "Unsupported metadata.version downgrade from {current} to {wanted}. {reason}"
    )))
}

/// What the level needs and does not have, neither now nor by the other updates.
fn missing_requirement(
    image: &MetadataImage,
    feature: &SupportedFeature,
    update: &FeatureUpdate,
    all: &[FeatureUpdate],
) -> Option<String> {
    let (name, level) = feature.requires.filter(|_| 0 < update.level)?;
    let proposed = all.iter().find(|update| update.name == name);
    let found = proposed.map_or_else(|| image.feature_level(name), |update| update.level);
    (found < level).then(|| {
        let (feature, wanted) = (&update.name, update.level);
        format!("{feature} could not be set to {wanted} because it depends on {name} level {level}")
    })
}
