//! Which lines of access control lists are meant.

use ringbrook_protocol::messages::DescribeAclsRequest;
use ringbrook_protocol::messages::delete_acls_request::DeleteAclsFilter;

use super::{AclBinding, AclOperation, AclPermissionType, PatternType, ResourceType};
use crate::admin::wire::text;
use crate::error::ClientError;

/// Which lines of access control lists are meant: all by default.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AclBindingFilter {
    /// The kind of resource.
    pub resource_type: ResourceType,
    /// The resource's name; any without one.
    pub name: Option<String>,
    /// How patterns of that name are found.
    pub pattern_type: PatternType,
    /// The principal; any without one.
    pub principal: Option<String>,
    /// The address; any without one.
    pub host: Option<String>,
    /// The operation.
    pub operation: AclOperation,
    /// The permission.
    pub permission_type: AclPermissionType,
}

impl Default for AclBindingFilter {
    fn default() -> Self {
        Self {
            resource_type: ResourceType::Any,
            name: None,
            pattern_type: PatternType::Any,
            principal: None,
            host: None,
            operation: AclOperation::Any,
            permission_type: AclPermissionType::Any,
        }
    }
}

impl From<&AclBinding> for AclBindingFilter {
    /// Just this line.
    fn from(it: &AclBinding) -> Self {
        Self {
            resource_type: it.pattern.resource_type,
            name: Some(it.pattern.name.clone()),
            pattern_type: it.pattern.pattern_type,
            principal: Some(it.entry.principal.clone()),
            host: Some(it.entry.host.clone()),
            operation: it.entry.operation,
            permission_type: it.entry.permission_type,
        }
    }
}

impl AclBindingFilter {
    pub(super) fn is_known(&self) -> bool {
        !(matches!(self.resource_type, ResourceType::Unknown(_))
            || matches!(self.pattern_type, PatternType::Unknown(_))
            || matches!(self.operation, AclOperation::Unknown(_))
            || matches!(self.permission_type, AclPermissionType::Unknown(_)))
    }

    /// Brokers close the connection over what they do not know.
    pub(super) fn check(&self) -> Result<(), ClientError> {
        if self.is_known() {
            return Ok(());
        }
        Err(ClientError::InvalidArgument(format!(
            "a filter must not contain UNKNOWN elements: {self:?}"
        )))
    }

    pub(super) fn to_description(&self) -> DescribeAclsRequest {
        DescribeAclsRequest::default()
            .with_resource_type_filter(self.resource_type.id())
            .with_resource_name_filter(self.name.as_deref().map(text))
            .with_pattern_type_filter(self.pattern_type.id())
            .with_principal_filter(self.principal.as_deref().map(text))
            .with_host_filter(self.host.as_deref().map(text))
            .with_operation(self.operation.id())
            .with_permission_type(self.permission_type.id())
    }

    pub(super) fn to_deletion(&self) -> DeleteAclsFilter {
        DeleteAclsFilter::default()
            .with_resource_type_filter(self.resource_type.id())
            .with_resource_name_filter(self.name.as_deref().map(text))
            .with_pattern_type_filter(self.pattern_type.id())
            .with_principal_filter(self.principal.as_deref().map(text))
            .with_host_filter(self.host.as_deref().map(text))
            .with_operation(self.operation.id())
            .with_permission_type(self.permission_type.id())
    }
}
