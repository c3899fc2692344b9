//! SCRAM credentials of users (KIP-554). A password never leaves this client: brokers get what it
//! becomes with salt and iterations (RFC 5802).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use bytes::Bytes;
use ringbrook_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use ringbrook_protocol::messages::describe_user_scram_credentials_request::UserName;
use ringbrook_protocol::messages::{
    AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest,
};
use sha2::{Sha256, Sha512};

use super::driver::{at_controller, checked, never};
use super::wire::text;
use super::{Admin, PerItem};
use crate::cluster::Target;
use crate::error::ClientError;

/// How passwords are hashed (`ScramMechanism`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ScramMechanism {
    /// One that this client does not know, by Kafka's number.
    Unknown(i8),
    /// With SHA-256.
    Sha256,
    /// With SHA-512.
    Sha512,
}

impl ScramMechanism {
    fn id(self) -> i8 {
        match self {
            Self::Unknown(id) => id,
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    fn of_id(id: i8) -> Self {
        match id {
            1 => Self::Sha256,
            2 => Self::Sha512,
            id => Self::Unknown(id),
        }
    }

    /// Kafka's name, such as `SCRAM-SHA-256`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown(_) => "UNKNOWN",
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// RFC 5802's `Hi`: PBKDF2 with the hash's HMAC.
    fn salted(self, password: &str, salt: &[u8], iterations: u32) -> Result<Bytes, ClientError> {
        let password = password.as_bytes();
        match self {
            Self::Sha256 => {
                let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, iterations);
                Ok(Bytes::copy_from_slice(&salted))
            }
            Self::Sha512 => {
                let salted = pbkdf2::pbkdf2_hmac_array::<Sha512, 64>(password, salt, iterations);
                Ok(Bytes::copy_from_slice(&salted))
            }
            Self::Unknown(id) => Err(ClientError::InvalidArgument(format!(
                "no mechanism of SCRAM has number {id}"
            ))),
        }
    }
}

impl fmt::Display for ScramMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ScramMechanism {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Sha256, Self::Sha512];
        let mut found = all.into_iter().filter(|it| it.name() == text);
        let wrong = || format!("{text} is none of SCRAM-SHA-256, SCRAM-SHA-512");
        found.next().ok_or_else(wrong)
    }
}

/// How often the password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScramCredentialInfo {
    /// With what.
    pub mechanism: ScramMechanism,
    /// How often.
    pub iterations: i32,
}

/// A change of one credential.
#[derive(Clone, PartialEq, Eq)]
pub enum UserScramCredentialAlteration {
    /// It is set.
    Upsertion {
        /// How the password is hashed; Kafka demands 4096 iterations or more.
        info: ScramCredentialInfo,
        /// The password.
        password: String,
        /// The salt; a random one without.
        salt: Option<Bytes>,
    },
    /// It is removed.
    Deletion(ScramMechanism),
}

impl fmt::Debug for UserScramCredentialAlteration {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upsertion { info, .. } => f.debug_tuple("Upsertion").field(info).finish(),
            Self::Deletion(mechanism) => f.debug_tuple("Deletion").field(mechanism).finish(),
        }
    }
}

impl Admin {
    /// The credentials of users, of all that have some with an empty list. A user without any is
    /// `RESOURCE_NOT_FOUND`.
    ///
    /// # Errors
    /// No broker answers in time, or it refuses the whole.
    pub async fn describe_user_scram_credentials(
        &self,
        users: &[String],
    ) -> Result<PerItem<String, Vec<ScramCredentialInfo>>, ClientError> {
        let call = self.begin("describing SCRAM credentials", never);
        let users: BTreeSet<&String> = users.iter().collect();
        let build = |_| {
            let names = users
                .iter()
                .map(|user| UserName::default().with_name(text(user)));
            let names = Some(names.collect()).filter(|_| !users.is_empty());
            Ok(DescribeUserScramCredentialsRequest::default().with_users(names))
        };
        self.drive_one(call, Target::Any, build, |answer| {
            let message = answer.error_message.as_deref();
            checked(answer.error_code, message, || call.what.to_owned())?;
            let results = answer.results.into_iter().map(|result| {
                let user = result.user.to_string();
                let message = result.error_message.as_deref();
                let error = checked(result.error_code, message, || format!("user {user}"));
                let infos = result.credential_infos.into_iter();
                let infos = infos.map(|info| ScramCredentialInfo {
                    mechanism: ScramMechanism::of_id(info.mechanism),
                    iterations: info.iterations,
                });
                (user, error.map(|()| infos.collect()))
            });
            Ok(results.collect())
        })
        .await
    }

    /// Sets and removes credentials of users, each user's together. Hashing takes some milliseconds
    /// for each password, during which the calling task does not yield.
    pub async fn alter_user_scram_credentials(
        &self,
        changes: &BTreeMap<String, Vec<UserScramCredentialAlteration>>,
    ) -> PerItem<String, ()> {
        let call = self.begin("altering SCRAM credentials", at_controller);
        let mut wrong = BTreeMap::new();
        let mut sent = BTreeMap::new();
        for (user, changes) in changes {
            match Alteration::of(user, changes) {
                Ok(alteration) => drop(sent.insert(user.clone(), alteration)),
                Err(error) => drop(wrong.insert(user.clone(), Err(error))),
            }
        }
        let users = sent.keys().cloned().collect::<Vec<_>>();
        let altered = self.drive(call, users, async |open: Vec<String>| {
            let build = |_| {
                let mut request = AlterUserScramCredentialsRequest::default();
                for alteration in open.iter().filter_map(|user| sent.get(user)) {
                    request.upsertions.extend_from_slice(&alteration.upsertions);
                    request.deletions.extend_from_slice(&alteration.deletions);
                }
                Ok(request)
            };
            self.ask(call, Target::Controller, &open, build, |answer| {
                let results = answer.results.into_iter().map(|result| {
                    let user = result.user.to_string();
                    let message = result.error_message.as_deref();
                    let result = checked(result.error_code, message, || format!("user {user}"));
                    (user, result)
                });
                Ok(results.collect())
            })
            .await
        });
        altered.await.into_iter().chain(wrong).collect()
    }
}

/// What one user's changes are on the wire; made once, as hashing is slow by design.
struct Alteration {
    upsertions: Vec<ScramCredentialUpsertion>,
    deletions: Vec<ScramCredentialDeletion>,
}

impl Alteration {
    fn of(user: &str, changes: &[UserScramCredentialAlteration]) -> Result<Self, ClientError> {
        let mut alteration = Self {
            upsertions: Vec::new(),
            deletions: Vec::new(),
        };
        for change in changes {
            match change {
                UserScramCredentialAlteration::Deletion(mechanism) => {
                    let deletion = ScramCredentialDeletion::default()
                        .with_name(text(user))
                        .with_mechanism(mechanism.id());
                    alteration.deletions.push(deletion);
                }
                UserScramCredentialAlteration::Upsertion {
                    info,
                    password,
                    salt,
                } => {
                    let upsertion = upsertion(user, *info, password, salt.as_ref())?;
                    alteration.upsertions.push(upsertion);
                }
            }
        }
        Ok(alteration)
    }
}

/// Kafka's brokers refuse fewer and more.
const ITERATIONS: RangeInclusive<u32> = 4096..=16384;

fn upsertion(
    user: &str,
    info: ScramCredentialInfo,
    password: &str,
    salt: Option<&Bytes>,
) -> Result<ScramCredentialUpsertion, ClientError> {
    let salt = salt.cloned().unwrap_or_else(random_salt);
    let salted = match u32::try_from(info.iterations) {
        Ok(iterations) if ITERATIONS.contains(&iterations) => {
            info.mechanism.salted(password, &salt, iterations)?
        }
        // What brokers refuse is not hashed first: a wrong number could take for ever.
        _ => Bytes::new(),
    };
    Ok(ScramCredentialUpsertion::default()
        .with_name(text(user))
        .with_mechanism(info.mechanism.id())
        .with_iterations(info.iterations)
        .with_salt(salt)
        .with_salted_password(salted))
}

/// 244 random bits from the operating system.
fn random_salt() -> Bytes {
    let halves = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
    Bytes::from(halves.map(uuid::Uuid::into_bytes).concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3, goes on from this salted password.
    #[test]
    fn passwords_are_salted_as_the_rfc_says() {
        let salt = [
            0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36,
            0xfa, 0x81,
        ];
        let salted = ScramMechanism::Sha256
            .salted("pencil", &salt, 4096)
            .unwrap();
        assert_eq!(salted.len(), 32);
        let hex: String = salted.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d"
        );
        assert_eq!(
            ScramMechanism::Sha512
                .salted("pencil", &salt, 4096)
                .unwrap()
                .len(),
            64
        );
    }

    #[test]
    fn iterations_that_brokers_refuse_are_sent_but_not_hashed() {
        for iterations in [-1, 0, 4095, 16385, i32::MAX] {
            let info = ScramCredentialInfo {
                mechanism: ScramMechanism::Sha512,
                iterations,
            };
            let sent = upsertion("alice", info, "secret", None).unwrap();
            assert_eq!(
                (sent.iterations, sent.salted_password.len()),
                (iterations, 0)
            );
        }
    }

    #[test]
    fn salts_differ() {
        assert_ne!(random_salt(), random_salt());
        assert_eq!(random_salt().len(), 32);
    }

    #[test]
    fn debug_output_keeps_the_password() {
        let change = UserScramCredentialAlteration::Upsertion {
            info: ScramCredentialInfo {
                mechanism: ScramMechanism::Sha256,
                iterations: 4096,
            },
            password: "hunter2".to_owned(),
            salt: None,
        };
        assert!(!format!("{change:?}").contains("hunter2"));
    }
}
