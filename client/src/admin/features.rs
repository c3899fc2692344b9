//! Features of the cluster (KIP-584): which versions its brokers know, and which one holds.

use std::collections::BTreeMap;

use ringbrook_protocol::messages::update_features_request::FeatureUpdateKey;
use ringbrook_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, UpdateFeaturesRequest,
};

use super::driver::{at_controller, checked, never};
use super::wire::text;
use super::{Admin, PerItem};
use crate::cluster::Target;
use crate::error::ClientError;

/// The lowest and the highest version, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureRange {
    /// The lowest.
    pub min: i16,
    /// The highest.
    pub max: i16,
}

/// The features of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeatureMetadata {
    /// What holds, by name.
    pub finalized: BTreeMap<String, FeatureRange>,
    /// When that was decided: a number that only grows; nothing if the broker does not know.
    pub finalized_epoch: Option<i64>,
    /// What the broker that was asked knows, by name.
    pub supported: BTreeMap<String, FeatureRange>,
}

impl From<ApiVersionsResponse> for FeatureMetadata {
    fn from(answer: ApiVersionsResponse) -> Self {
        let range = |min, max| FeatureRange { min, max };
        let finalized = answer.finalized_features.into_iter().map(|it| {
            let levels = range(it.min_version_level, it.max_version_level);
            (it.name.to_string(), levels)
        });
        let supported = answer.supported_features.into_iter().map(|it| {
            let versions = range(it.min_version, it.max_version);
            (it.name.to_string(), versions)
        });
        Self {
            finalized: finalized.collect(),
            finalized_epoch: Some(answer.finalized_features_epoch).filter(|epoch| 0 <= *epoch),
            supported: supported.collect(),
        }
    }
}

/// What kind of change is allowed (`FeatureUpdate.UpgradeType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeType {
    /// To a higher version only.
    Upgrade,
    /// Also to a lower one, if nothing is lost.
    SafeDowngrade,
    /// Also to a lower one at any price.
    UnsafeDowngrade,
}

impl UpgradeType {
    fn id(self) -> i8 {
        match self {
            Self::Upgrade => 1,
            Self::SafeDowngrade => 2,
            Self::UnsafeDowngrade => 3,
        }
    }
}

/// A change of one feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// The version that shall hold; 0 for none.
    pub max_version_level: i16,
    /// What kind of change is allowed.
    pub upgrade_type: UpgradeType,
}

impl FeatureUpdate {
    fn to_wire(self, feature: &str, version: i16) -> FeatureUpdateKey {
        let update = FeatureUpdateKey::default()
            .with_feature(text(feature))
            .with_max_version_level(self.max_version_level);
        if version < 1 {
            return update.with_allow_downgrade(self.upgrade_type != UpgradeType::Upgrade);
        }
        update.with_upgrade_type(self.upgrade_type.id())
    }
}

impl Admin {
    /// The features as a broker knows them: the one with this id, or any.
    ///
    /// # Errors
    /// It does not answer in time.
    pub async fn describe_features(
        &self,
        broker: Option<i32>,
    ) -> Result<FeatureMetadata, ClientError> {
        let target = broker.map_or(Target::Any, Target::Node);
        let call = self.begin("describing features", never);
        let described = self.drive(call, [()], async |open: Vec<()>| {
            let build = |_| {
                Ok(ApiVersionsRequest::default()
                    .with_client_software_name(text("ringbrook-client"))
                    .with_client_software_version(text(env!("CARGO_PKG_VERSION"))))
            };
            self.ask(call, target, &open, build, |answer| {
                checked(answer.error_code, None, || call.what.to_owned())?;
                Ok(vec![((), Ok(answer.into()))])
            })
            .await
        });
        described.await.only(&())
    }

    /// Changes features; with `validate_only` it only says whether that would work. All changes
    /// hold, or none.
    pub async fn update_features(
        &self,
        updates: &BTreeMap<String, FeatureUpdate>,
        validate_only: bool,
    ) -> PerItem<String, ()> {
        let call = self.begin("updating features", at_controller);
        let features = updates.keys().cloned();
        self.drive(call, features, async |open: Vec<String>| {
            let build = |version| {
                if validate_only && version < 1 {
                    return Err(ClientError::Unsupported(
                        "this broker is too old to only try changes of features".to_owned(),
                    ));
                }
                let updates = open
                    .iter()
                    .filter_map(|name| Some(updates.get(name)?.to_wire(name, version)));
                Ok(UpdateFeaturesRequest::default()
                    .with_feature_updates(updates.collect())
                    .with_timeout_ms(call.timeout_ms(self))
                    .with_validate_only(validate_only))
            };
            self.ask(call, Target::Controller, &open, build, |answer| {
                let message = answer.error_message.as_deref();
                checked(answer.error_code, message, || call.what.to_owned())?;
                // Since version 2 the error of the whole is all that is said: all hold or none.
                let mut results: BTreeMap<_, _> =
                    open.iter().map(|name| (name.clone(), Ok(()))).collect();
                for it in answer.results {
                    let name = it.feature.to_string();
                    let message = it.error_message.as_deref();
                    let result = checked(it.error_code, message, || format!("feature {name}"));
                    results.insert(name, result);
                }
                Ok(results.into_iter().collect())
            })
            .await
        })
        .await
    }
}
