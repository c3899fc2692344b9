//! UpdateFeatures (57): changes finalized feature levels (KIP-584), all that are named or none.
//!
//! Versions 0-2. The rules are in `controller/features.rs`. As with Kafka 4, `allow_downgrade` of
//! version 0 has no effect: every update of that version is an upgrade. Kafka:
//! `QuorumController.updateFeatures`.

use ringbrook_protocol::messages::update_features_response::UpdatableFeatureResult;
use ringbrook_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use ringbrook_protocol::{ResponseError, StrBytes};

use super::RequestContext;
use super::error::KafkaError;
use crate::controller::features::{FeatureUpdate, UpgradeType};

/// First version without a result for each feature.
const NO_RESULTS_VERSION: i16 = 2;

/// Makes the changes.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: UpdateFeaturesRequest,
) -> UpdateFeaturesResponse {
    let mut updates: Vec<FeatureUpdate> = Vec::with_capacity(request.feature_updates.len());
    for update in &request.feature_updates {
        let update = FeatureUpdate {
            name: update.feature.to_string(),
            level: update.max_version_level,
            upgrade_type: UpgradeType::from_code(update.upgrade_type),
        };
        match updates.iter_mut().find(|known| known.name == update.name) {
            Some(known) => *known = update,
            None => updates.push(update),
        }
    }
    let node_id = ctx.broker().config().node_id;
    let outcome = ctx
        .broker()
        .controller
        .update_features(node_id, &updates, request.validate_only)
        .await;
    match outcome {
        Ok(Ok(())) => {
            ctx.broker().metadata_applied().await;
            tracing::info!(?updates, request.validate_only, "features updated");
            let mut response = UpdateFeaturesResponse::default().with_error_message(None);
            if ctx.api_version < NO_RESULTS_VERSION {
                let results = request.feature_updates.into_iter().map(|update| {
                    UpdatableFeatureResult::default()
                        .with_feature(update.feature)
                        .with_error_message(None)
                });
                response.results = results.collect();
            }
            response
        }
        Ok(Err(error)) => failed(
            error.kafka_error(),
            format!(
                "The update failed for all features since the following feature had an error: \
                 {error}"
            ),
        ),
        Err(error) => failed(error.kafka_error(), error.to_string()),
    }
}

fn failed(error: ResponseError, message: String) -> UpdateFeaturesResponse {
    UpdateFeaturesResponse::default()
        .with_error_code(error.code())
        .with_error_message(Some(StrBytes::from_string(message)))
}
