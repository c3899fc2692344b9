//! Delegation tokens (KIP-48): short-lived credentials that somebody hands on.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use ringbrook_protocol::messages::create_delegation_token_request::CreatableRenewers;
use ringbrook_protocol::messages::describe_delegation_token_request::DescribeDelegationTokenOwner;
use ringbrook_protocol::messages::{
    CreateDelegationTokenRequest, DescribeDelegationTokenRequest, ExpireDelegationTokenRequest,
    RenewDelegationTokenRequest,
};

use super::Admin;
use super::driver::{checked, never};
use super::wire::text;
use crate::cluster::Target;
use crate::error::ClientError;

/// Who somebody is, such as `User:alice`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KafkaPrincipal {
    /// `User`, unless brokers have types of their own.
    pub principal_type: String,
    /// The name.
    pub name: String,
}

impl fmt::Display for KafkaPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.principal_type, self.name)
    }
}

impl FromStr for KafkaPrincipal {
    type Err = String;

    /// From `Type:name`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (principal_type, name) = text.split_once(':').ok_or_else(|| {
            format!("expected a string in format principalType:principalName but got {text}")
        })?;
        Ok(Self {
            principal_type: principal_type.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// A token and all about it. Times are in milliseconds since the epoch.
#[derive(Clone, PartialEq, Eq)]
pub struct DelegationToken {
    /// Its id, which is no secret.
    pub token_id: String,
    /// Whom it stands for.
    pub owner: KafkaPrincipal,
    /// Who asked for it; the owner with brokers before Kafka 3.3.
    pub token_requester: KafkaPrincipal,
    /// Who may renew it, besides the owner; empty for a token just created.
    pub renewers: Vec<KafkaPrincipal>,
    /// Since when it holds.
    pub issue_timestamp: i64,
    /// Until when, unless it is renewed.
    pub expiry_timestamp: i64,
    /// Until when it may be renewed.
    pub max_timestamp: i64,
    /// The secret.
    pub hmac: Bytes,
}

impl fmt::Debug for DelegationToken {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelegationToken")
            .field("token_id", &self.token_id)
            .field("owner", &self.owner)
            .field("renewers", &self.renewers)
            .field("expiry_timestamp", &self.expiry_timestamp)
            .finish_non_exhaustive()
    }
}

/// How a token is created.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateDelegationTokenOptions {
    /// Whom it stands for: who asks, without one. Needs brokers of Kafka 3.3 or later.
    pub owner: Option<KafkaPrincipal>,
    /// Who may renew it.
    pub renewers: Vec<KafkaPrincipal>,
    /// How long it may be renewed; as long as brokers allow without it.
    pub max_lifetime: Option<Duration>,
}

impl Admin {
    /// Creates a token for whoever the connection belongs to. That has to be known to brokers, not
    /// anonymous, and not by a token itself: else `DELEGATION_TOKEN_REQUEST_NOT_ALLOWED`.
    ///
    /// # Errors
    /// No broker answers in time, or it refuses.
    pub async fn create_delegation_token(
        &self,
        options: &CreateDelegationTokenOptions,
    ) -> Result<DelegationToken, ClientError> {
        let call = self.begin("creating a delegation token", never);
        let build = |version| create_request(version, options);
        self.drive_one(call, Target::Any, build, |answer| {
            checked(answer.error_code, None, || call.what.to_owned())?;
            let owner = KafkaPrincipal {
                principal_type: answer.principal_type.to_string(),
                name: answer.principal_name.to_string(),
            };
            let token_requester = requester(
                &owner,
                &answer.token_requester_principal_type,
                &answer.token_requester_principal_name,
            );
            Ok(DelegationToken {
                token_id: answer.token_id.to_string(),
                owner,
                token_requester,
                renewers: options.renewers.clone(),
                issue_timestamp: answer.issue_timestamp_ms,
                expiry_timestamp: answer.expiry_timestamp_ms,
                max_timestamp: answer.max_timestamp_ms,
                hmac: answer.hmac,
            })
        })
        .await
    }

    /// Renews a token for a time, for as long as brokers allow without one; says until when it
    /// holds, in milliseconds since the epoch.
    ///
    /// # Errors
    /// No broker answers in time, or it refuses.
    pub async fn renew_delegation_token(
        &self,
        hmac: &Bytes,
        period: Option<Duration>,
    ) -> Result<i64, ClientError> {
        let call = self.begin("renewing a delegation token", never);
        let build = |_| {
            Ok(RenewDelegationTokenRequest::default()
                .with_hmac(hmac.clone())
                .with_renew_period_ms(milliseconds(period)))
        };
        self.drive_one(call, Target::Any, build, |answer| {
            checked(answer.error_code, None, || call.what.to_owned())?;
            Ok(answer.expiry_timestamp_ms)
        })
        .await
    }

    /// Lets a token end after a time, at once without one; says until when it holds, in
    /// milliseconds since the epoch.
    ///
    /// # Errors
    /// No broker answers in time, or it refuses.
    pub async fn expire_delegation_token(
        &self,
        hmac: &Bytes,
        period: Option<Duration>,
    ) -> Result<i64, ClientError> {
        let call = self.begin("expiring a delegation token", never);
        let build = |_| {
            Ok(ExpireDelegationTokenRequest::default()
                .with_hmac(hmac.clone())
                .with_expiry_time_period_ms(milliseconds(period)))
        };
        self.drive_one(call, Target::Any, build, |answer| {
            checked(answer.error_code, None, || call.what.to_owned())?;
            Ok(answer.expiry_timestamp_ms)
        })
        .await
    }

    /// The tokens of some owners, of all without a list, as far as whoever asks may see them.
    ///
    /// # Errors
    /// No broker answers in time, or it refuses.
    pub async fn describe_delegation_token(
        &self,
        owners: Option<&[KafkaPrincipal]>,
    ) -> Result<Vec<DelegationToken>, ClientError> {
        let call = self.begin("describing delegation tokens", never);
        let build = |_| {
            let owners = owners.map(|owners| {
                let owners = owners.iter().map(|owner| {
                    DescribeDelegationTokenOwner::default()
                        .with_principal_type(text(&owner.principal_type))
                        .with_principal_name(text(&owner.name))
                });
                owners.collect()
            });
            Ok(DescribeDelegationTokenRequest::default().with_owners(owners))
        };
        self.drive_one(call, Target::Any, build, |answer| {
            checked(answer.error_code, None, || call.what.to_owned())?;
            let tokens = answer.tokens.into_iter().map(|token| {
                let owner = KafkaPrincipal {
                    principal_type: token.principal_type.to_string(),
                    name: token.principal_name.to_string(),
                };
                let token_requester = requester(
                    &owner,
                    &token.token_requester_principal_type,
                    &token.token_requester_principal_name,
                );
                let renewers = token.renewers.into_iter().map(|renewer| KafkaPrincipal {
                    principal_type: renewer.principal_type.to_string(),
                    name: renewer.principal_name.to_string(),
                });
                DelegationToken {
                    token_id: token.token_id.to_string(),
                    owner,
                    token_requester,
                    renewers: renewers.collect(),
                    issue_timestamp: token.issue_timestamp,
                    expiry_timestamp: token.expiry_timestamp,
                    max_timestamp: token.max_timestamp,
                    hmac: token.hmac,
                }
            });
            Ok(tokens.collect())
        })
        .await
    }
}

fn create_request(
    version: i16,
    options: &CreateDelegationTokenOptions,
) -> Result<CreateDelegationTokenRequest, ClientError> {
    if version < 3 && options.owner.is_some() {
        return Err(ClientError::Unsupported(
            "this broker is too old to create delegation tokens for others".to_owned(),
        ));
    }
    let owner = options.owner.as_ref();
    let renewers = options.renewers.iter().map(|renewer| {
        CreatableRenewers::default()
            .with_principal_type(text(&renewer.principal_type))
            .with_principal_name(text(&renewer.name))
    });
    Ok(CreateDelegationTokenRequest::default()
        .with_owner_principal_type(owner.map(|owner| text(&owner.principal_type)))
        .with_owner_principal_name(owner.map(|owner| text(&owner.name)))
        .with_renewers(renewers.collect())
        .with_max_lifetime_ms(milliseconds(options.max_lifetime)))
}

/// Who asked for a token, which older brokers do not tell.
fn requester(owner: &KafkaPrincipal, principal_type: &str, name: &str) -> KafkaPrincipal {
    if principal_type.is_empty() {
        return owner.clone();
    }
    KafkaPrincipal {
        principal_type: principal_type.to_owned(),
        name: name.to_owned(),
    }
}

/// -1 leaves it to the broker.
fn milliseconds(period: Option<Duration>) -> i64 {
    period.map_or(-1, |period| {
        i64::try_from(period.as_millis()).unwrap_or(i64::MAX)
    })
}
