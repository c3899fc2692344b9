//! Features: what ApiVersions tells of them, and UpdateFeatures. Changes are undone, and made to
//! `share.version`, which no other test looks at. The verdicts on all changes are unit tests.

use std::collections::BTreeMap;

use ringbrook_protocol::messages::update_features_request::FeatureUpdateKey;
use ringbrook_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use ringbrook_protocol::{ResponseError, StrBytes};
use ringbrook_tests::{Client, SharedBroker, TestBroker, error};

use crate::group::text;

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;

fn api_versions(client: &mut Client, version: i16) -> anyhow::Result<ApiVersionsResponse> {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1.0"));
    Ok(client.call(&request, version)?)
}

fn finalized(response: &ApiVersionsResponse) -> BTreeMap<&str, i16> {
    let features = response.finalized_features.iter();
    features
        .map(|feature| {
            assert_eq!(feature.min_version_level, feature.max_version_level);
            (feature.name.as_str(), feature.max_version_level)
        })
        .collect()
}

fn supported(response: &ApiVersionsResponse) -> BTreeMap<&str, (i16, i16)> {
    let features = response.supported_features.iter();
    features
        .map(|feature| {
            let range = (feature.min_version, feature.max_version);
            (feature.name.as_str(), range)
        })
        .collect()
}

fn update(
    client: &mut Client,
    version: i16,
    updates: &[(&str, i16, i8)],
    validate_only: bool,
) -> anyhow::Result<UpdateFeaturesResponse> {
    let updates = updates.iter().map(|(name, level, upgrade_type)| {
        FeatureUpdateKey::default()
            .with_feature(StrBytes::from_string((*name).to_owned()))
            .with_max_version_level(*level)
            .with_upgrade_type(*upgrade_type)
    });
    let request = UpdateFeaturesRequest::default()
        .with_timeout_ms(30_000)
        .with_feature_updates(updates.collect())
        .with_validate_only(validate_only);
    Ok(client.call(&request, version)?)
}

#[test]
fn api_versions_tells_ranges_and_finalized_levels() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let newest = api_versions(&mut client, 4)?;
    let expected = [
        ("eligible.leader.replicas.version", (0, 1)),
        ("group.version", (0, 1)),
        ("kraft.version", (0, 1)),
        ("metadata.version", (7, 30)),
        ("share.version", (0, 1)),
        ("streams.version", (0, 1)),
        ("transaction.version", (0, 2)),
    ];
    assert_eq!(supported(&newest), BTreeMap::from(expected));
    let levels = finalized(&newest);
    assert_eq!(levels.get("group.version"), Some(&1));
    assert_eq!(levels.get("kraft.version"), Some(&1));
    assert_eq!(levels.get("metadata.version"), Some(&30));
    assert_eq!(levels.get("transaction.version"), Some(&2));
    assert!(0 < newest.finalized_features_epoch);
    // Older clients cannot read a lowest level of 0.
    let older = api_versions(&mut client, 3)?;
    assert_eq!(
        supported(&older),
        BTreeMap::from([("metadata.version", (7, 30))])
    );
    assert_eq!(finalized(&older).get("transaction.version"), Some(&2));
    Ok(())
}

#[test]
fn a_level_moves_by_the_right_kind_of_update_only() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let before = api_versions(&mut client, 4)?;
    let level = |client: &mut Client| -> anyhow::Result<Option<i16>> {
        let response = api_versions(client, 4)?;
        Ok(finalized(&response).get("share.version").copied())
    };
    let initial = level(&mut client)?;

    let on = update(&mut client, 1, &[("share.version", 1, UPGRADE)], false)?;
    assert_eq!(on.error_code, 0, "{:?}", on.error_message);
    assert_eq!(on.results.len(), 1, "version 1 tells each feature's result");
    assert_eq!(level(&mut client)?, Some(1));
    let after = api_versions(&mut client, 4)?;
    assert!(before.finalized_features_epoch <= after.finalized_features_epoch);

    let wrong = update(&mut client, 2, &[("share.version", 0, UPGRADE)], false)?;
    assert_eq!(
        error(wrong.error_code),
        Some(ResponseError::InvalidUpdateVersion)
    );
    assert_eq!(
        wrong.error_message.as_deref(),
        Some(
            "The update failed for all features since the following feature had an error: Invalid \
             update version 0 for feature share.version. Can't downgrade the version of this \
             feature without setting the upgrade type to either safe or unsafe downgrade."
        )
    );
    let only_validated = update(
        &mut client,
        2,
        &[("share.version", 0, SAFE_DOWNGRADE)],
        true,
    )?;
    assert_eq!(only_validated.error_code, 0);
    assert_eq!(level(&mut client)?, Some(1));
    let off = update(
        &mut client,
        2,
        &[("share.version", 0, SAFE_DOWNGRADE)],
        false,
    )?;
    assert_eq!(off.error_code, 0);
    assert!(
        off.results.is_empty(),
        "from version 2 on there is one result"
    );
    assert_eq!(level(&mut client)?, None);

    let mixed = [
        ("streams.version", 1, UPGRADE),
        ("no.such.version", 1, UPGRADE),
    ];
    let mixed = update(&mut client, 2, &mixed, false)?;
    assert_eq!(
        error(mixed.error_code),
        Some(ResponseError::InvalidUpdateVersion)
    );
    let back = update(
        &mut client,
        2,
        &[("share.version", initial.unwrap_or(0), UPGRADE)],
        false,
    )?;
    assert_eq!(back.error_code, 0);
    Ok(())
}

#[test]
fn levels_survive_a_kill() -> anyhow::Result<()> {
    let broker = TestBroker::start()?;
    let mut client = broker.client()?;
    let down = [("transaction.version", 0, SAFE_DOWNGRADE)];
    let answer = update(&mut client, 2, &down, false)?;
    assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
    let broker = broker.kill_and_restart()?;
    let response = api_versions(&mut broker.client()?, 4)?;
    let levels = finalized(&response);
    assert_eq!(levels.get("transaction.version"), None);
    assert_eq!(levels.get("metadata.version"), Some(&30));
    Ok(())
}
