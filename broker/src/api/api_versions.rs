//! ApiVersions (18): which requests the broker serves, in which versions.
//!
//! Versions 0-4, from 3 on with the features and their finalized levels. An unknown version is
//! answered in version 0 with UNSUPPORTED_VERSION and the versions of this API alone, so that newer
//! clients ask again (KIP-511): one that got the whole list would take it and never learn of the
//! features. Produce is advertised from version 0 though 3 is the lowest served: older librdkafka
//! takes its absence for a broker without codecs (KAFKA-18659).

use std::rc::Rc;

use ringbrook_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use ringbrook_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use ringbrook_protocol::{
    API_VERSIONS, ApiKey, ApiVersionRange, HeaderPrefix, ResponseError, StrBytes,
};

use super::{ConnectionContext, RequestContext, Response};
use crate::controller::MetadataImage;
use crate::controller::features::SUPPORTED_FEATURES;

/// First version in which clients name themselves.
const CLIENT_SOFTWARE_VERSION: i16 = 3;
/// First version whose clients can read that a feature's lowest level is 0; others are told of
/// such features nothing (KAFKA-17492).
const LEVEL_ZERO_VERSION: i16 = 4;
/// The epoch of an answer without finalized features.
const NO_FEATURES_EPOCH: i64 = -1;

/// Answers with the list.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: ApiVersionsRequest,
) -> ApiVersionsResponse {
    let is_named = is_software_name(&request.client_software_name)
        && is_software_name(&request.client_software_version);
    if CLIENT_SOFTWARE_VERSION <= ctx.api_version && !is_named {
        return ApiVersionsResponse::default()
            .with_error_code(ResponseError::InvalidRequest.code())
            .with_finalized_features_epoch(NO_FEATURES_EPOCH);
    }
    with_features(
        list(API_VERSIONS.iter()),
        &ctx.broker().image(),
        ctx.api_version,
    )
}

/// Adds what is supported and finalized: clients choose the transaction protocol by it (KIP-890).
fn with_features(
    response: ApiVersionsResponse,
    image: &MetadataImage,
    api_version: i16,
) -> ApiVersionsResponse {
    if api_version < CLIENT_SOFTWARE_VERSION {
        return response;
    }
    let supported = SUPPORTED_FEATURES
        .iter()
        .filter(|feature| LEVEL_ZERO_VERSION <= api_version || feature.min_level != 0)
        .map(|feature| {
            SupportedFeatureKey::default()
                .with_name(StrBytes::from_static_str(feature.name))
                .with_min_version(feature.min_level)
                .with_max_version(feature.max_level)
        });
    let finalized = image.features().iter().map(|(name, level)| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_string(name.clone()))
            .with_min_version_level(*level)
            .with_max_version_level(*level)
    });
    let epoch = i64::try_from(image.version()).unwrap_or(i64::MAX);
    response
        .with_supported_features(supported.collect())
        .with_finalized_features(finalized.collect())
        .with_finalized_features_epoch(epoch)
}

/// The answer to a version of this API that is not served.
pub(super) fn unsupported(connection: &Rc<ConnectionContext>, prefix: HeaderPrefix) -> Response {
    let ctx = RequestContext {
        connection: Rc::clone(connection),
        api_version: 0,
        correlation_id: prefix.correlation_id,
        client_id: Rc::default(),
    };
    let own = API_VERSIONS
        .iter()
        .filter(|range| range.key == ApiKey::ApiVersions);
    let response = list(own).with_error_code(ResponseError::UnsupportedVersion.code());
    Response::message(&ctx, &response)
}

fn list<'a>(ranges: impl Iterator<Item = &'a ApiVersionRange>) -> ApiVersionsResponse {
    let api_keys = ranges.map(|range| {
        ApiVersion::default()
            .with_api_key(range.key as i16)
            .with_min_version(range.advertised_min())
            .with_max_version(range.max)
    });
    ApiVersionsResponse::default()
        .with_api_keys(api_keys.collect())
        .with_finalized_features_epoch(NO_FEATURES_EPOCH)
}

/// Letters, digits, and `-` and `.` in the middle (`ApiVersionsRequest.isValid`).
fn is_software_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let is_outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    is_outer(bytes.first()) && is_outer(bytes.last()) && bytes.iter().all(|byte| is_inner(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_follow_kafkas_pattern() {
        for name in ["librdkafka", "apache-kafka-java", "4.1.0", "a"] {
            assert!(is_software_name(name), "{name}");
        }
        for name in ["", "-a", "a-", "a b", "a_b"] {
            assert!(!is_software_name(name), "{name}");
        }
    }
}
