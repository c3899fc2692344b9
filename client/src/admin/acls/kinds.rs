//! The kinds of things in access control lists, with Kafka's numbers and names.

use std::fmt;
use std::str::FromStr;

/// An enumeration with Kafka's numbers and names, which may grow: what this client does not know
/// keeps its number.
macro_rules! kinds {
    (
        $(#[$about:meta])*
        $kind:ident { $($(#[$what:meta])* $variant:ident = $id:literal $name:literal,)* }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $kind {
            $($(#[$what])* $variant,)*
            /// One that this client does not know, by Kafka's number.
            Unknown(i8),
        }

        impl $kind {
            /// All that this client knows.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Kafka's number.
            #[must_use]
            pub fn id(self) -> i8 {
                match self {
                    $(Self::$variant => $id,)*
                    Self::Unknown(id) => id,
                }
            }

            /// From Kafka's number.
            #[must_use]
            pub fn of_id(id: i8) -> Self {
                match id {
                    $($id => Self::$variant,)*
                    id => Self::Unknown(id),
                }
            }

            /// Kafka's name, such as `ANY`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Unknown(_) => "UNKNOWN",
                }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $kind {
            type Err = String;

            /// From Kafka's name, in any case.
            fn from_str(text: &str) -> Result<Self, String> {
                let mut all = Self::ALL.iter().copied();
                all.find(|it| it.name().eq_ignore_ascii_case(text)).ok_or_else(|| {
                    let names: Vec<_> = Self::ALL.iter().map(|it| it.name()).collect();
                    format!("{text} is none of {}", names.join(", "))
                })
            }
        }
    };
}

kinds! {
    /// What is protected (`ResourceType`).
    ResourceType {
        /// Any kind; in filters only.
        Any = 1 "ANY",
        /// A topic.
        Topic = 2 "TOPIC",
        /// A group.
        Group = 3 "GROUP",
        /// The cluster, always by the name `kafka-cluster`.
        Cluster = 4 "CLUSTER",
        /// A transactional id.
        TransactionalId = 5 "TRANSACTIONAL_ID",
        /// A delegation token, by its id.
        DelegationToken = 6 "DELEGATION_TOKEN",
        /// A user, by its principal.
        User = 7 "USER",
    }
}

kinds! {
    /// How a pattern's name is compared with a resource's (`PatternType`).
    PatternType {
        /// Patterns of any type with just this name; in filters only.
        Any = 1 "ANY",
        /// Patterns that a resource of this name falls under; in filters only.
        Match = 2 "MATCH",
        /// The resource of this name, or every resource with the name `*`.
        Literal = 3 "LITERAL",
        /// Resources whose names begin with this one.
        Prefixed = 4 "PREFIXED",
    }
}

kinds! {
    /// What somebody does (`AclOperation`).
    AclOperation {
        /// Any operation; in filters only.
        Any = 1 "ANY",
        /// All operations.
        All = 2 "ALL",
        /// Read.
        Read = 3 "READ",
        /// Write.
        Write = 4 "WRITE",
        /// Create.
        Create = 5 "CREATE",
        /// Delete.
        Delete = 6 "DELETE",
        /// Alter.
        Alter = 7 "ALTER",
        /// Describe.
        Describe = 8 "DESCRIBE",
        /// What brokers do among themselves.
        ClusterAction = 9 "CLUSTER_ACTION",
        /// Describe configurations.
        DescribeConfigs = 10 "DESCRIBE_CONFIGS",
        /// Alter configurations.
        AlterConfigs = 11 "ALTER_CONFIGS",
        /// Write with an idempotent producer.
        IdempotentWrite = 12 "IDEMPOTENT_WRITE",
        /// Create delegation tokens.
        CreateTokens = 13 "CREATE_TOKENS",
        /// Describe delegation tokens.
        DescribeTokens = 14 "DESCRIBE_TOKENS",
        /// Take part in two-phase commits.
        TwoPhaseCommit = 15 "TWO_PHASE_COMMIT",
    }
}

kinds! {
    /// Whether it is allowed (`AclPermissionType`). Deny wins.
    AclPermissionType {
        /// Either; in filters only.
        Any = 1 "ANY",
        /// It is forbidden.
        Deny = 2 "DENY",
        /// It is allowed.
        Allow = 3 "ALLOW",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_read_back() {
        for id in i8::MIN..=i8::MAX {
            assert_eq!(ResourceType::of_id(id).id(), id);
            assert_eq!(PatternType::of_id(id).id(), id);
            assert_eq!(AclOperation::of_id(id).id(), id);
            assert_eq!(AclPermissionType::of_id(id).id(), id);
        }
        for operation in AclOperation::ALL {
            let name = operation.name().to_lowercase();
            assert_eq!(name.parse(), Ok(*operation));
        }
        let error = "lend".parse::<AclPermissionType>().unwrap_err();
        assert_eq!(error, "lend is none of ANY, DENY, ALLOW");
    }
}
