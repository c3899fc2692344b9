//! The native admin client's calls about who may do what, and how much: access control lists, SCRAM
//! credentials, quotas and delegation tokens. Brokers that do not serve an API say so.

use std::collections::BTreeMap;

use ringbrook_client::ClientError;
use ringbrook_client::admin::{
    AccessControlEntry, AclBinding, AclBindingFilter, AclOperation, AclPermissionType,
    ClientQuotaEntity, ClientQuotaFilter, ClientQuotaMatch, ClientQuotaOps,
    CreateDelegationTokenOptions, ResourcePattern, ResourceType, ScramCredentialInfo,
    ScramMechanism, UserScramCredentialAlteration,
};
use ringbrook_protocol::ResponseError;
use ringbrook_tests::unique;

use crate::client_admin::{Ground, codes, eventually, is_unserved};

#[tokio::test]
async fn client_admin_creates_describes_and_deletes_acls() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let admin = &ground.admin;
    let topic = unique("admin-acl");
    let pattern = ResourcePattern::literal(ResourceType::Topic, &topic);
    let allow = AccessControlEntry::allow("User:alice", AclOperation::Read);
    let deny = AccessControlEntry {
        host: "10.0.0.1".to_owned(),
        ..AccessControlEntry::deny("User:bob", AclOperation::Write)
    };
    let nobody = AccessControlEntry::allow("alice", AclOperation::Read);
    let [allow, deny, nobody] =
        [allow, deny, nobody].map(|entry| AclBinding::new(pattern.clone(), entry));
    let all = AclBindingFilter {
        name: Some(topic),
        ..AclBindingFilter::default()
    };
    let before = admin.describe_acls(&all).await;
    if is_unserved(&before) {
        let created = admin.create_acls([allow.clone()]).await.only(&allow);
        assert!(is_unserved(&created));
        let deleted = admin.delete_acls([all.clone()]).await.only(&all);
        assert!(is_unserved(&deleted));
        return Ok(());
    }
    let disabled = before.as_ref().err().and_then(ClientError::response_error);
    if disabled == Some(ResponseError::SecurityDisabled) {
        return Ok(());
    }
    assert_eq!(before?, []);

    let acls = [allow.clone(), deny.clone(), nobody.clone()];
    let created = admin.create_acls(acls).await;
    let expected = BTreeMap::from([
        (allow.clone(), None),
        (deny.clone(), None),
        (nobody, Some(ResponseError::InvalidRequest)),
    ]);
    assert_eq!(codes(&created), expected);
    let both = [allow.clone(), deny.clone()];
    eventually("both lines are there", async || {
        let mut described = admin.describe_acls(&all).await?;
        described.sort();
        let mut both = both.to_vec();
        both.sort();
        Ok(described == both)
    })
    .await?;
    let denials = AclBindingFilter {
        permission_type: AclPermissionType::Deny,
        ..all.clone()
    };
    assert_eq!(
        admin.describe_acls(&denials).await?,
        std::slice::from_ref(&deny)
    );

    let only = AclBindingFilter::from(&allow);
    // Kafka would close the connection.
    let unknown = AclBindingFilter {
        operation: AclOperation::Unknown(99),
        ..all.clone()
    };
    let deleted = admin.delete_acls([only.clone(), unknown.clone()]).await;
    let refused = &deleted[&unknown];
    assert!(
        matches!(refused, Err(ClientError::InvalidArgument(_))),
        "{refused:?}"
    );
    let lines: Result<Vec<_>, _> = deleted.only(&only)?.into_iter().collect();
    assert_eq!(lines?, [allow]);
    admin.delete_acls([all]).await.all()?;
    Ok(())
}

#[tokio::test]
async fn client_admin_sets_and_removes_quotas() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let admin = &ground.admin;
    let (user, client) = (unique("admin-user"), unique("admin-client"));
    let entity = ClientQuotaEntity::new(ClientQuotaEntity::USER, Some(&user))
        .and(ClientQuotaEntity::CLIENT_ID, Some(&client));
    let wrong = ClientQuotaEntity::new(ClientQuotaEntity::USER, Some(&user));
    let rate = "request_percentage".to_owned();
    let set = ClientQuotaOps::from([
        (rate.clone(), Some(12.5)),
        ("consumer_byte_rate".to_owned(), Some(9.0)),
    ]);
    let no_such = ClientQuotaOps::from([("no_such_quota".to_owned(), Some(1.0))]);
    let changes = BTreeMap::from([(entity.clone(), set), (wrong.clone(), no_such)]);
    let altered = admin.alter_client_quotas(&changes, false).await;
    let filter = ClientQuotaFilter {
        components: BTreeMap::from([
            (
                ClientQuotaEntity::USER.to_owned(),
                ClientQuotaMatch::Exact(user),
            ),
            (
                ClientQuotaEntity::CLIENT_ID.to_owned(),
                ClientQuotaMatch::Any,
            ),
        ]),
        strict: true,
    };
    if altered.values().all(is_unserved) {
        assert!(is_unserved(&admin.describe_client_quotas(&filter).await));
        return Ok(());
    }
    let expected = BTreeMap::from([
        (entity.clone(), None),
        (wrong, Some(ResponseError::InvalidRequest)),
    ]);
    assert_eq!(codes(&altered), expected);
    let quotas = |pairs: &[(&str, f64)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value));
        BTreeMap::from([(entity.clone(), pairs.collect::<BTreeMap<_, _>>())])
    };
    let both = quotas(&[("request_percentage", 12.5), ("consumer_byte_rate", 9.0)]);
    eventually("both quotas are there", async || {
        Ok(admin.describe_client_quotas(&filter).await? == both)
    })
    .await?;
    let removal = ClientQuotaOps::from([(rate, None)]);
    let changes = BTreeMap::from([(entity.clone(), removal)]);
    // Only tried, then done.
    admin.alter_client_quotas(&changes, true).await.all()?;
    assert_eq!(admin.describe_client_quotas(&filter).await?, both);
    admin.alter_client_quotas(&changes, false).await.all()?;
    eventually("one quota is left", async || {
        Ok(admin.describe_client_quotas(&filter).await? == quotas(&[("consumer_byte_rate", 9.0)]))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn client_admin_sets_and_removes_scram_credentials() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let admin = &ground.admin;
    let (user, hasty) = (unique("admin-user"), unique("admin-hasty"));
    let upsertion = |iterations| UserScramCredentialAlteration::Upsertion {
        info: ScramCredentialInfo {
            mechanism: ScramMechanism::Sha256,
            iterations,
        },
        password: "secret".to_owned(),
        salt: None,
    };
    let changes = BTreeMap::from([
        (user.clone(), vec![upsertion(8192)]),
        (hasty.clone(), vec![upsertion(1)]),
    ]);
    let altered = admin.alter_user_scram_credentials(&changes).await;
    let users = [user.clone(), hasty.clone()];
    if altered.values().all(is_unserved) {
        assert!(is_unserved(
            &admin.describe_user_scram_credentials(&users).await
        ));
        return Ok(());
    }
    let unacceptable = Some(ResponseError::UnacceptableCredential);
    let expected = BTreeMap::from([(user.clone(), None), (hasty.clone(), unacceptable)]);
    assert_eq!(codes(&altered), expected);
    let not_found = Some(ResponseError::ResourceNotFound);
    let expected = BTreeMap::from([(user.clone(), None), (hasty, not_found)]);
    eventually("the credential is there", async || {
        let described = admin.describe_user_scram_credentials(&users).await?;
        Ok(codes(&described) == expected)
    })
    .await?;
    let described = admin.describe_user_scram_credentials(&users).await?;
    let info = ScramCredentialInfo {
        mechanism: ScramMechanism::Sha256,
        iterations: 8192,
    };
    assert_eq!(described.only(&user)?, [info]);
    let all = admin.describe_user_scram_credentials(&[]).await?;
    assert!(all.contains_key(&user));

    let removal = UserScramCredentialAlteration::Deletion(ScramMechanism::Sha256);
    let changes = BTreeMap::from([(user.clone(), vec![removal])]);
    admin.alter_user_scram_credentials(&changes).await.all()?;
    // It is not there any more.
    let again = admin.alter_user_scram_credentials(&changes).await;
    assert_eq!(codes(&again), BTreeMap::from([(user, not_found)]));
    Ok(())
}

#[tokio::test]
async fn client_admin_is_refused_delegation_tokens_without_a_name() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let admin = &ground.admin;
    let options = CreateDelegationTokenOptions::default();
    let created = admin.create_delegation_token(&options).await;
    let hmac = bytes::Bytes::from_static(b"secret");
    let renewed = admin.renew_delegation_token(&hmac, None).await;
    let expired = admin.expire_delegation_token(&hmac, None).await;
    let described = admin.describe_delegation_token(None).await;
    if is_unserved(&created) {
        assert!(is_unserved(&renewed) && is_unserved(&expired) && is_unserved(&described));
        return Ok(());
    }
    // Whoever comes over plain TCP is anonymous; a broker without a secret has no tokens at all.
    let errors = [created.err(), renewed.err(), expired.err(), described.err()];
    for error in errors {
        let error = error.expect("anonymous clients get no tokens");
        let is_refused = matches!(
            error.response_error(),
            Some(
                ResponseError::DelegationTokenRequestNotAllowed
                    | ResponseError::DelegationTokenAuthDisabled
            )
        );
        assert!(is_refused, "{error}");
    }
    Ok(())
}
