//! Reading and changing access control lists (KIP-140). Answers give results in the order of the
//! request, without saying of what.

use ringbrook_protocol::messages::delete_acls_response::DeleteAclsMatchingAcl;
use ringbrook_protocol::messages::describe_acls_response::DescribeAclsResource;
use ringbrook_protocol::messages::{CreateAclsRequest, DeleteAclsRequest};

use super::{
    AccessControlEntry, AclBinding, AclBindingFilter, AclOperation, AclPermissionType, PatternType,
    ResourcePattern, ResourceType,
};
use crate::admin::driver::{Answers, checked, never};
use crate::admin::{Admin, PerItem};
use crate::cluster::Target;
use crate::error::ClientError;

impl Admin {
    /// The lines of access control lists that a filter lets through. Brokers without an authorizer
    /// say `SECURITY_DISABLED`.
    ///
    /// # Errors
    /// No broker answers in time, or it refuses.
    pub async fn describe_acls(
        &self,
        filter: &AclBindingFilter,
    ) -> Result<Vec<AclBinding>, ClientError> {
        filter.check()?;
        let call = self.begin("describing ACLs", never);
        let build = |_| Ok(filter.to_description());
        self.drive_one(call, Target::Any, build, |answer| {
            let message = answer.error_message.as_deref();
            checked(answer.error_code, message, || call.what.to_owned())?;
            Ok(answer.resources.into_iter().flat_map(bindings).collect())
        })
        .await
    }

    /// Adds lines to access control lists; a line that is there already is no error.
    pub async fn create_acls(
        &self,
        acls: impl IntoIterator<Item = AclBinding>,
    ) -> PerItem<AclBinding, ()> {
        let call = self.begin("creating ACLs", never);
        let (acls, refused) = split(acls, AclBinding::check);
        let created = self.drive(call, acls, async |open: Vec<AclBinding>| {
            let build = |_| {
                let creations = open.iter().map(AclBinding::to_wire).collect();
                Ok(CreateAclsRequest::default().with_creations(creations))
            };
            self.ask(call, Target::Any, &open, build, |answer| {
                let results = open.iter().zip(answer.results).map(|(acl, result)| {
                    let message = result.error_message.as_deref();
                    let result = checked(result.error_code, message, || acl.to_string());
                    (acl.clone(), result)
                });
                Ok(results.collect())
            })
            .await
        });
        created.await.into_iter().chain(refused).collect()
    }

    /// Removes the lines that filters let through, and says which those are; a single one of them
    /// may have failed.
    pub async fn delete_acls(
        &self,
        filters: impl IntoIterator<Item = AclBindingFilter>,
    ) -> PerItem<AclBindingFilter, Vec<Result<AclBinding, ClientError>>> {
        let call = self.begin("deleting ACLs", never);
        let (filters, refused) = split(filters, AclBindingFilter::check);
        let deleted = self.drive(call, filters, async |open: Vec<AclBindingFilter>| {
            let build = |_| {
                let filters = open.iter().map(AclBindingFilter::to_deletion).collect();
                Ok(DeleteAclsRequest::default().with_filters(filters))
            };
            self.ask(call, Target::Any, &open, build, |answer| {
                let results = answer.filter_results.into_iter();
                let results = open.iter().zip(results).map(|(filter, result)| {
                    let message = result.error_message.as_deref();
                    let error = checked(result.error_code, message, || call.what.to_owned());
                    let deleted = result.matching_acls.into_iter().map(deleted);
                    (filter.clone(), error.map(|()| deleted.collect()))
                });
                Ok(results.collect())
            })
            .await
        });
        deleted.await.into_iter().chain(refused).collect()
    }
}

/// Items that may be sent, and those that brokers would not understand.
fn split<K, V>(
    items: impl IntoIterator<Item = K>,
    check: impl Fn(&K) -> Result<(), ClientError>,
) -> (Vec<K>, Answers<K, V>) {
    let (mut sent, mut refused) = (Vec::new(), Vec::new());
    for item in items {
        match check(&item) {
            Ok(()) => sent.push(item),
            Err(error) => refused.push((item, Err(error))),
        }
    }
    (sent, refused)
}

fn bindings(resource: DescribeAclsResource) -> impl Iterator<Item = AclBinding> {
    let pattern = ResourcePattern {
        resource_type: ResourceType::of_id(resource.resource_type),
        name: resource.resource_name.to_string(),
        pattern_type: PatternType::of_id(resource.pattern_type),
    };
    resource.acls.into_iter().map(move |acl| AclBinding {
        pattern: pattern.clone(),
        entry: AccessControlEntry {
            principal: acl.principal.to_string(),
            host: acl.host.to_string(),
            operation: AclOperation::of_id(acl.operation),
            permission_type: AclPermissionType::of_id(acl.permission_type),
        },
    })
}

fn deleted(acl: DeleteAclsMatchingAcl) -> Result<AclBinding, ClientError> {
    let binding = AclBinding {
        pattern: ResourcePattern {
            resource_type: ResourceType::of_id(acl.resource_type),
            name: acl.resource_name.to_string(),
            pattern_type: PatternType::of_id(acl.pattern_type),
        },
        entry: AccessControlEntry {
            principal: acl.principal.to_string(),
            host: acl.host.to_string(),
            operation: AclOperation::of_id(acl.operation),
            permission_type: AclPermissionType::of_id(acl.permission_type),
        },
    };
    let message = acl.error_message.as_deref();
    checked(acl.error_code, message, || binding.to_string()).map(|()| binding.clone())
}
