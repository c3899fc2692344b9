//! `group.consumer.migration.policy`.

/// Which way groups may change their protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// Both ways.
    #[default]
    Bidirectional,
    /// From the classic to the consumer protocol only.
    Upgrade,
    /// From the consumer to the classic protocol only.
    Downgrade,
    /// Not at all; members of the classic protocol may not even join a consumer group.
    Disabled,
}

impl MigrationPolicy {
    /// The policy with this name, in letters of either case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let named = [
            ("bidirectional", Self::Bidirectional),
            ("upgrade", Self::Upgrade),
            ("downgrade", Self::Downgrade),
            ("disabled", Self::Disabled),
        ];
        let found = named
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, policy)| policy)
    }

    /// Whether a classic group may become a consumer group.
    #[must_use]
    pub const fn allows_upgrade(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Upgrade)
    }

    /// Whether a consumer group may become a classic group.
    #[must_use]
    pub const fn allows_downgrade(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Downgrade)
    }

    /// Whether members of the classic protocol may join a consumer group.
    #[must_use]
    pub const fn allows_classic_members(self) -> bool {
        !matches!(self, Self::Disabled)
    }
}
