//! One line of an access control list.

use std::fmt;

use ringbrook_protocol::messages::create_acls_request::AclCreation;

use super::{AclBindingFilter, AclOperation, AclPermissionType, PatternType, ResourceType};
use crate::admin::wire::text;
use crate::error::ClientError;

/// Which resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourcePattern {
    /// Their kind.
    pub resource_type: ResourceType,
    /// Their name, as the pattern's type has it.
    pub name: String,
    /// How names are compared.
    pub pattern_type: PatternType,
}

impl ResourcePattern {
    /// The resource of just this name.
    pub fn literal(resource_type: ResourceType, name: impl Into<String>) -> Self {
        Self {
            resource_type,
            name: name.into(),
            pattern_type: PatternType::Literal,
        }
    }

    /// The resources whose names begin with this.
    pub fn prefixed(resource_type: ResourceType, name: impl Into<String>) -> Self {
        Self {
            pattern_type: PatternType::Prefixed,
            ..Self::literal(resource_type, name)
        }
    }

    /// The cluster.
    #[must_use]
    pub fn cluster() -> Self {
        Self::literal(ResourceType::Cluster, "kafka-cluster")
    }
}

impl fmt::Display for ResourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name, pattern) = (self.resource_type, &self.name, self.pattern_type);
        write!(f, "{kind} {name} ({pattern})")
    }
}

/// Who may, or may not, do what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessControlEntry {
    /// Who, such as `User:alice`, or `User:*` for everybody.
    pub principal: String,
    /// From which address, or `*` for any.
    pub host: String,
    /// What.
    pub operation: AclOperation,
    /// Whether it is allowed.
    pub permission_type: AclPermissionType,
}

impl AccessControlEntry {
    /// The principal may do it from anywhere.
    pub fn allow(principal: impl Into<String>, operation: AclOperation) -> Self {
        Self {
            principal: principal.into(),
            host: "*".to_owned(),
            operation,
            permission_type: AclPermissionType::Allow,
        }
    }

    /// The principal may not do it from anywhere.
    pub fn deny(principal: impl Into<String>, operation: AclOperation) -> Self {
        Self {
            permission_type: AclPermissionType::Deny,
            ..Self::allow(principal, operation)
        }
    }
}

/// A line of an access control list: who may do what to which resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AclBinding {
    /// To which resources.
    pub pattern: ResourcePattern,
    /// Who may do what.
    pub entry: AccessControlEntry,
}

impl AclBinding {
    /// Binds an entry to resources.
    #[must_use]
    pub fn new(pattern: ResourcePattern, entry: AccessControlEntry) -> Self {
        Self { pattern, entry }
    }

    /// What brokers refuse: a line is about one kind of thing, and filters about several.
    pub(super) fn check(&self) -> Result<(), ClientError> {
        let (pattern, entry) = (&self.pattern, &self.entry);
        let is_definite = 1 < pattern.resource_type.id()
            && matches!(
                pattern.pattern_type,
                PatternType::Literal | PatternType::Prefixed
            )
            && 1 < entry.operation.id()
            && 1 < entry.permission_type.id();
        let is_known = AclBindingFilter::from(self).is_known();
        if is_definite && is_known {
            return Ok(());
        }
        Err(ClientError::InvalidArgument(format!(
            "cannot create {self}: a line of an access control list says what it is about, without \
             ANY, MATCH or UNKNOWN"
        )))
    }

    pub(super) fn to_wire(&self) -> AclCreation {
        AclCreation::default()
            .with_resource_type(self.pattern.resource_type.id())
            .with_resource_name(text(&self.pattern.name))
            .with_resource_pattern_type(self.pattern.pattern_type.id())
            .with_principal(text(&self.entry.principal))
            .with_host(text(&self.entry.host))
            .with_operation(self.entry.operation.id())
            .with_permission_type(self.entry.permission_type.id())
    }
}

impl fmt::Display for AclBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = &self.entry;
        let (permission, operation) = (it.permission_type, it.operation);
        let (principal, host) = (&it.principal, &it.host);
        let pattern = &self.pattern;
        write!(
            f,
            "{permission} {principal} from {host}: {operation} {pattern}"
        )
    }
}
