//! `upgrade`, `downgrade` and `disable`: other levels for features.

use std::collections::BTreeMap;

use ringbrook_client::cluster::Target;
use ringbrook_client::{Admin, BrokerError, ClientError};
use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::UpdateFeaturesRequest;
use ringbrook_protocol::messages::update_features_request::FeatureUpdateKey;
use serde_json::json;

use super::versions::{FEATURES, METADATA_VERSION, level_of};
use crate::frame::{Context, Failure, Options, message_of};

/// Kafka's numbers of kinds of changes (`FeatureUpdate.UpgradeType`).
const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

/// Changes levels as `command` and its options say.
pub(super) async fn update(
    command: &str,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let kind = match command {
        "upgrade" => UPGRADE,
        _ if options.has("unsafe") => UNSAFE_DOWNGRADE,
        _ => SAFE_DOWNGRADE,
    };
    let levels = if command == "disable" {
        disabled(options)?
    } else {
        levels(options, kind, context)?
    };
    if levels.is_empty() {
        return Err(Failure::Message(format!(
            "You must specify at least one feature to {command}"
        )));
    }
    let is_dry = options.has("dry-run");
    let admin = context.admin(options)?;
    let errors = send(&admin, &levels, kind, is_dry).await;
    if context.is_json() {
        let results = levels.iter().map(|(name, level)| {
            let error = errors.get(name).map(message_of);
            json!({ "feature": name, "level": level, "error": error })
        });
        context.json(&results.collect::<Vec<_>>())?;
    } else {
        for (name, level) in &levels {
            context.line(told(command, name, *level, errors.get(name), is_dry))?;
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::Message(format!(
        "{} out of {} operation(s) failed.",
        errors.len(),
        levels.len()
    )))
}

fn told(
    command: &str,
    name: &str,
    level: i16,
    error: Option<&ClientError>,
    is_dry: bool,
) -> String {
    match error {
        Some(error) => {
            let could = if is_dry { "Can not" } else { "Could not" };
            let message = message_of(error);
            match command {
                "disable" => format!("{could} disable {name}. {message}"),
                _ => format!("{could} {command} {name} to {level}. {message}"),
            }
        }
        None => {
            let was = if is_dry { "can be" } else { "was" };
            match command {
                "disable" => format!("{name} {was} disabled."),
                _ => format!("{name} {was} {command}d to {level}."),
            }
        }
    }
}

/// The errors by feature; none is there for those that were changed.
async fn send(
    admin: &Admin,
    levels: &BTreeMap<String, i16>,
    kind: i8,
    is_dry: bool,
) -> BTreeMap<String, ClientError> {
    let cluster = admin.cluster();
    let deadline = cluster.deadline(cluster.config().request_timeout * 2);
    let build = |version| {
        let updates = levels.iter().map(|(name, level)| {
            let update = FeatureUpdateKey::default()
                .with_feature(StrBytes::from_string(name.clone()))
                .with_max_version_level(*level);
            // Version 1 tells kinds of downgrades apart.
            match version {
                0 => update.with_allow_downgrade(kind != UPGRADE),
                _ => update.with_upgrade_type(kind),
            }
        });
        if version == 0 && is_dry {
            let text = "this broker is too old for --dry-run".to_owned();
            return Err(ClientError::Unsupported(text));
        }
        let request = UpdateFeaturesRequest::default()
            .with_feature_updates(updates.collect())
            .with_validate_only(is_dry);
        Ok(request.with_timeout_ms(30_000))
    };
    let answered = cluster
        .call_until::<UpdateFeaturesRequest, _>(
            Target::Controller,
            i16::MAX,
            deadline,
            build,
            |answer| {
                let error = BrokerError::new(answer.error_code, "updating features");
                if answer.error_code != 0 {
                    return Err(error.with_message(answer.error_message.as_deref()).into());
                }
                Ok(answer.results)
            },
        )
        .await;
    match answered {
        Ok(results) => {
            let failed = results.into_iter().filter(|result| result.error_code != 0);
            let failed = failed.map(|result| {
                let name = result.feature.to_string();
                let error = BrokerError::new(result.error_code, &name);
                let error = error.with_message(result.error_message.as_deref());
                (name, error.into())
            });
            failed.collect()
        }
        Err(error) => {
            let names = levels.keys().cloned();
            names.map(|name| (name, error.clone())).collect()
        }
    }
}

fn disabled(options: &Options<'_>) -> Result<BTreeMap<String, i16>, Failure> {
    let mut levels = BTreeMap::new();
    for name in options.texts("feature") {
        add(&mut levels, name, 0)?;
    }
    Ok(levels)
}

fn levels(
    options: &Options<'_>,
    kind: i8,
    context: &mut Context,
) -> Result<BTreeMap<String, i16>, Failure> {
    let mut levels = BTreeMap::new();
    if let Some(release) = options.text("release-version") {
        if 0 < options.count(&["metadata", "feature"]) {
            return Err(Failure::Message(
                "Can not specify `release-version` with other feature flags.".to_owned(),
            ));
        }
        let metadata = level_of(release).map_err(Failure::Message)?;
        levels.insert(METADATA_VERSION.to_owned(), metadata);
        for feature in FEATURES {
            let level = feature.default_level(metadata);
            // Nothing is upgraded to zero.
            if kind != UPGRADE || 0 < level {
                levels.insert(feature.name.to_owned(), level);
            }
        }
        return Ok(levels);
    }
    if let Some(release) = options.text("metadata") {
        context.line(" `metadata` flag is deprecated and may be removed in a future release.")?;
        let metadata = level_of(release).map_err(Failure::Message)?;
        levels.insert(METADATA_VERSION.to_owned(), metadata);
    }
    for text in options.texts("feature") {
        let (name, level) = name_and_level(text)?;
        add(&mut levels, name, level)?;
    }
    Ok(levels)
}

fn add(levels: &mut BTreeMap<String, i16>, name: &str, level: i16) -> Result<(), Failure> {
    if levels.insert(name.to_owned(), level).is_some() {
        return Err(Failure::Message(format!(
            "Feature {name} was specified more than once."
        )));
    }
    Ok(())
}

/// Reads `feature=level`.
pub(super) fn name_and_level(text: &str) -> Result<(&str, i16), Failure> {
    let wrong =
        |why: String| Failure::Message(format!("Can't parse feature=level string {text}: {why}"));
    let (name, level) = text
        .split_once('=')
        .ok_or_else(|| wrong("equals sign not found.".to_owned()))?;
    let (name, level) = (name.trim(), level.trim());
    let parsed = level.parse();
    let parsed = parsed.map_err(|_| wrong(format!("unable to parse {level} as a short.")))?;
    Ok((name, parsed))
}
