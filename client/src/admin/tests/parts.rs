//! Calls about several items of which some succeed, some fail, and some are to be tried again.

use std::collections::BTreeMap;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::alter_client_quotas_response::{EntityData, EntryData};
use ringbrook_protocol::messages::create_acls_response::AclCreationResult;
use ringbrook_protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, ApiKey, CreateAclsRequest,
    CreateAclsResponse, DescribeAclsRequest,
};

use super::admin_of;
use crate::admin::{
    AccessControlEntry, AclBinding, AclBindingFilter, AclOperation, ClientQuotaEntity,
    ClientQuotaOps, ResourcePattern,
};
use crate::error::ClientError;
use crate::testing::{FakeCluster, Reply};

/// Answers each user by the code of their name, 0 for the others.
fn answer(
    request: &AlterClientQuotasRequest,
    codes: &BTreeMap<&str, ResponseError>,
) -> AlterClientQuotasResponse {
    let entries = request.entries.iter().map(|entry| {
        let entity = &entry.entity[0];
        let name = entity.entity_name.clone().unwrap();
        let code = codes.get(&*name).map_or(0, ResponseError::code);
        let entity = EntityData::default()
            .with_entity_type(entity.entity_type.clone())
            .with_entity_name(Some(name));
        EntryData::default()
            .with_entity(vec![entity])
            .with_error_code(code)
    });
    AlterClientQuotasResponse::default().with_entries(entries.collect())
}

fn user(name: &str) -> ClientQuotaEntity {
    ClientQuotaEntity::new(ClientQuotaEntity::USER, Some(name))
}

fn no_changes<const N: usize>(names: [&str; N]) -> BTreeMap<ClientQuotaEntity, ClientQuotaOps> {
    BTreeMap::from(names.map(|name| (user(name), ClientQuotaOps::new())))
}

#[tokio::test(start_paused = true)]
async fn only_what_is_open_is_asked_again() {
    let fake = FakeCluster::new(1);
    let codes = BTreeMap::from([
        ("moved", ResponseError::NotController),
        ("wrong", ResponseError::InvalidRequest),
    ]);
    fake.next::<AlterClientQuotasRequest>(move |_, request| {
        Reply::answer(answer(&request, &codes))
    });
    fake.on::<AlterClientQuotasRequest>(|_, request| {
        Reply::answer(answer(&request, &BTreeMap::new()))
    });
    let changes = no_changes(["fine", "moved", "wrong"]);
    let results = admin_of(&fake).alter_client_quotas(&changes, false).await;
    assert!(results[&user("fine")].is_ok() && results[&user("moved")].is_ok());
    let error = results[&user("wrong")].as_ref().unwrap_err();
    assert_eq!(error.response_error(), Some(ResponseError::InvalidRequest));
    let asked = fake.requests::<AlterClientQuotasRequest>();
    let counts: Vec<_> = asked.iter().map(|(_, it)| it.entries.len()).collect();
    assert_eq!(counts, [3, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_again_in_vain_times_out_with_the_last_error() {
    let fake = FakeCluster::new(1);
    let codes = BTreeMap::from([("moved", ResponseError::NotController)]);
    fake.on::<AlterClientQuotasRequest>(move |_, request| Reply::answer(answer(&request, &codes)));
    let changes = no_changes(["moved", "fine"]);
    let results = admin_of(&fake).alter_client_quotas(&changes, false).await;
    assert!(results[&user("fine")].is_ok());
    let error = results[&user("moved")].as_ref().unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
    assert_eq!(error.response_error(), Some(ResponseError::NotController));
}

#[tokio::test(start_paused = true)]
async fn answers_without_names_belong_to_items_in_order() {
    let fake = FakeCluster::new(1);
    let operations = [
        AclOperation::Read,
        AclOperation::Create,
        AclOperation::Alter,
    ];
    let acls = operations.map(|operation| {
        let entry = AccessControlEntry::allow("User:a", operation);
        AclBinding::new(ResourcePattern::cluster(), entry)
    });
    // Creating is refused, and the last line of the request is left out.
    fake.on::<CreateAclsRequest>(|_, request| {
        let results = request.creations.iter().map(|creation| {
            let is_refused = creation.operation == AclOperation::Create.id();
            let error = ResponseError::InvalidRequest.code();
            AclCreationResult::default().with_error_code(if is_refused { error } else { 0 })
        });
        let results = results.take(request.creations.len() - 1).collect();
        Reply::answer(CreateAclsResponse::default().with_results(results))
    });
    let results = admin_of(&fake).create_acls(acls.clone()).await;
    let codes = acls.map(|acl| {
        let error = results[&acl].as_ref().err();
        error.and_then(ClientError::response_error)
    });
    let left_out = Some(ResponseError::UnknownServerError);
    assert_eq!(codes, [None, Some(ResponseError::InvalidRequest), left_out]);
}

#[tokio::test(start_paused = true)]
async fn indefinite_acls_are_refused_without_asking() {
    let fake = FakeCluster::new(1);
    let admin = admin_of(&fake);
    let entry = AccessControlEntry::allow("User:a", AclOperation::Any);
    let acl = AclBinding::new(ResourcePattern::cluster(), entry);
    let is_refused = |error| matches!(error, ClientError::InvalidArgument(_));
    let created = admin.create_acls([acl.clone()]).await.only(&acl);
    assert!(created.is_err_and(is_refused));
    let filter = AclBindingFilter {
        operation: AclOperation::Unknown(99),
        ..AclBindingFilter::default()
    };
    let described = admin.describe_acls(&filter).await;
    assert!(described.is_err_and(is_refused));
    let deleted = admin.delete_acls([filter.clone()]).await.only(&filter);
    assert!(deleted.is_err_and(is_refused));
    assert!(fake.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn brokers_that_lack_an_api_are_told_apart() {
    let fake = FakeCluster::new(1);
    fake.serve(ApiKey::DescribeAcls, 1, 0);
    let filter = AclBindingFilter::default();
    let error = admin_of(&fake).describe_acls(&filter).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("DescribeAcls"), "{text}");
    assert!(text.contains("use a broker that does"), "{text}");
    let is_unserved = matches!(error, ClientError::UnsupportedVersion { served: None, .. });
    assert!(is_unserved, "{text}");
    assert!(fake.requests::<DescribeAclsRequest>().is_empty());
}
