//! The features of Apache Kafka 4.3.1 and which level belongs to which release: facts of its
//! `MetadataVersion` and `Feature` that no broker tells.

/// The feature whose levels have names.
pub(super) const METADATA_VERSION: &str = "metadata.version";

/// The levels of [`METADATA_VERSION`] from [`LEVEL_MIN`] on, by name.
const RELEASES: [&str; 25] = [
    "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2",
    "3.7-IV0", "3.7-IV1", "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0",
    "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0", "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0",
    "4.4-IV0",
];

const LEVEL_MIN: i16 = 7;

/// The release whose features `version-mapping` shows by default.
pub(super) const LATEST: &str = "4.3-IV0";

/// A feature: name, and for each level from 1 on the level of [`METADATA_VERSION`] that turns it
/// on by default and the levels of other features that it needs.
pub(super) struct Feature {
    pub(super) name: &'static str,
    levels: &'static [Level],
}

struct Level {
    default_from: i16,
    needs: &'static [(&'static str, i16)],
}

const fn from(default_from: i16) -> Level {
    Level {
        default_from,
        needs: &[],
    }
}

/// The features besides [`METADATA_VERSION`], in Kafka's order.
pub(super) const FEATURES: [Feature; 6] = [
    Feature {
        name: "kraft.version",
        levels: &[from(21)],
    },
    Feature {
        name: "transaction.version",
        levels: &[from(24), from(24)],
    },
    Feature {
        name: "group.version",
        levels: &[from(22)],
    },
    Feature {
        name: "eligible.leader.replicas.version",
        levels: &[Level {
            default_from: 26,
            needs: &[(METADATA_VERSION, 23)],
        }],
    },
    Feature {
        name: "share.version",
        levels: &[from(28)],
    },
    Feature {
        name: "streams.version",
        levels: &[from(29)],
    },
];

impl Feature {
    /// The level that belongs to a level of [`METADATA_VERSION`].
    pub(super) fn default_level(&self, metadata_level: i16) -> i16 {
        let levels = (1..).zip(self.levels);
        let on = levels.filter(|(_, level)| level.default_from <= metadata_level);
        on.last().map_or(0, |(level, _)| level)
    }

    /// What a level needs of other features, or nothing if there is no such level.
    pub(super) fn needs(&self, level: i16) -> Option<&'static [(&'static str, i16)]> {
        if level == 0 {
            return Some(&[]);
        }
        let index = usize::try_from(level).ok()?.checked_sub(1)?;
        Some(self.levels.get(index)?.needs)
    }

    /// The levels there are.
    pub(super) fn range(&self) -> (i16, i16) {
        (0, i16::try_from(self.levels.len()).unwrap_or(i16::MAX))
    }
}

/// The name of a level of [`METADATA_VERSION`].
pub(super) fn release(level: i16) -> Option<&'static str> {
    let index = usize::try_from(level.checked_sub(LEVEL_MIN)?).ok()?;
    RELEASES.get(index).copied()
}

/// The level of a release: `3.9-IV0`, or `3.9` for its last.
///
/// # Errors
/// There is no such release; the text names those that are.
pub(super) fn level_of(name: &str) -> Result<i16, String> {
    let is_it = |release: &str| {
        release == name
            || release
                .split_once('-')
                .is_some_and(|(short, _)| short == name)
    };
    let releases = (LEVEL_MIN..).zip(RELEASES);
    let found = releases.filter(|(_, release)| is_it(release)).last();
    found.map(|(level, _)| level).ok_or_else(|| {
        format!(
            "Unknown metadata.version '{name}'. Supported metadata.version are: {}",
            RELEASES.join(", ")
        )
    })
}

/// A feature's level as it is shown.
pub(super) fn level_text(feature: &str, level: i16) -> String {
    if feature != METADATA_VERSION {
        return level.to_string();
    }
    release(level).map_or_else(|| format!("UNKNOWN {level}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_have_the_levels_that_kafka_gives_them() {
        for (name, level) in [
            ("3.3", 7),
            ("3.5", 11),
            ("3.9-IV0", 21),
            ("4.0", 25),
            ("4.0-IV1", 23),
            (LATEST, 30),
            ("4.4-IV0", 31),
        ] {
            assert_eq!(level_of(name), Ok(level));
        }
        assert_eq!(release(30), Some("4.3-IV0"));
        assert_eq!(level_text(METADATA_VERSION, 6), "UNKNOWN 6");
        assert!(level_of("9.9").unwrap_err().ends_with("4.3-IV0, 4.4-IV0"));
    }

    #[test]
    fn defaults_are_those_of_the_release() {
        let levels = |release: &str| {
            let level = level_of(release).unwrap();
            FEATURES.map(|feature| feature.default_level(level))
        };
        assert_eq!(levels("3.8"), [0, 0, 0, 0, 0, 0]);
        assert_eq!(levels("3.9"), [1, 0, 0, 0, 0, 0]);
        assert_eq!(levels("4.0"), [1, 2, 1, 0, 0, 0]);
        assert_eq!(levels("4.3"), [1, 2, 1, 1, 1, 1]);
    }
}
