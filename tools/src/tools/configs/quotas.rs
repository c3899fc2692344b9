//! Users, clients and IP addresses: what has quotas, and users SCRAM credentials.

use std::collections::BTreeMap;

use ringbrook_client::Admin;
use ringbrook_client::admin::{
    ClientQuotaEntity, ClientQuotaFilter, ClientQuotaMatch, ClientQuotaOps, ScramCredentialInfo,
    ScramMechanism, UserScramCredentialAlteration,
};
use ringbrook_protocol::ResponseError;
use serde_json::json;

use super::changes::Changes;
use super::entity::Entities;
use super::resources::tell_altered;
use crate::frame::{Context, Failure, in_java_order, java_float};

/// Quotas of users and clients.
const QUOTAS: [&str; 4] = [
    "producer_byte_rate",
    "consumer_byte_rate",
    "request_percentage",
    "controller_mutation_rate",
];
const IP_QUOTA: &str = "connection_creation_rate";
/// Kafka's, for both mechanisms.
const ITERATIONS_MIN: i32 = 4096;
const ITERATIONS_DEFAULT: i32 = 4096;

/// Whether an entity of this kind has quotas and not configurations.
pub(super) fn has_quotas(kind: &str) -> bool {
    matches!(kind, "users" | "clients" | "ips")
}

fn entity_type(kind: &str) -> &'static str {
    match kind {
        "users" => ClientQuotaEntity::USER,
        "clients" => ClientQuotaEntity::CLIENT_ID,
        _ => ClientQuotaEntity::IP,
    }
}

fn is_scram(name: &str) -> bool {
    name.parse::<ScramMechanism>().is_ok()
}

fn wrong<T>(text: String) -> Result<T, Failure> {
    Err(Failure::Message(text))
}

/// Sets and removes quotas or credentials.
pub(super) async fn alter(
    admin: &Admin,
    entities: &Entities,
    changes: &Changes,
    context: &mut Context,
) -> Result<(), Failure> {
    let is_user = entities.kinds.len() == 1 && entities.kind() == "users";
    if entities.kind() == "ips" {
        check_ip(changes)?;
    } else if is_user {
        check_user(entities, changes)?;
    } else {
        check_client(changes)?;
    }
    let names = changes.set.keys().chain(&changes.removed);
    if is_user && names.clone().any(|name| is_scram(name)) {
        alter_credentials(admin, entities, changes).await?;
    } else {
        alter_quotas(admin, entities, changes).await?;
    }
    tell_altered(entities, changes, context)
}

/// A set or a sequence as Scala writes it.
fn scala_text(kind: &str, names: &[&String]) -> String {
    let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
    format!("{kind}({})", names.join(", "))
}

fn check_ip(changes: &Changes) -> Result<(), Failure> {
    let names = changes.set.keys().chain(&changes.removed);
    let unknown: Vec<_> = names.filter(|name| *name != IP_QUOTA).cloned().collect();
    if unknown.is_empty() {
        return Ok(());
    }
    wrong(format!(
        "Only connection quota configs can be added for 'ips' using --bootstrap-server. \
         Unexpected config names: {}",
        unknown.join(",")
    ))
}

fn check_client(changes: &Changes) -> Result<(), Failure> {
    for (what, kind, names) in sides(changes) {
        let is_quota = |name: &&&String| !QUOTAS.contains(&name.as_str());
        let unknown: Vec<_> = names.iter().filter(is_quota).copied().collect();
        if !unknown.is_empty() {
            return wrong(format!(
                "Only quota configs can be {what} for 'clients' using --bootstrap-server. \
                 Unexpected config names: {}",
                scala_text(kind, &unknown)
            ));
        }
    }
    Ok(())
}

fn check_user(entities: &Entities, changes: &Changes) -> Result<(), Failure> {
    for (what, kind, names) in sides(changes) {
        let is_unknown = |name: &&&String| !QUOTAS.contains(&name.as_str()) && !is_scram(name);
        let unknown: Vec<_> = names.iter().filter(is_unknown).copied().collect();
        if !unknown.is_empty() {
            return wrong(format!(
                "Only quota and SCRAM credential configs can be {what} for 'users' using \
                 --bootstrap-server. Unexpected config names: {}",
                scala_text(kind, &unknown)
            ));
        }
    }
    let names = changes.set.keys().chain(&changes.removed);
    if !names.clone().any(|name| is_scram(name)) {
        return Ok(());
    }
    if entities.names.iter().any(String::is_empty) {
        return wrong(
            "The use of --entity-default or --user-defaults is not allowed with User SCRAM \
             Credentials using --bootstrap-server."
                .to_owned(),
        );
    }
    if names.clone().any(|name| QUOTAS.contains(&name.as_str())) {
        return wrong(
            "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' \
             using --bootstrap-server."
                .to_owned(),
        );
    }
    Ok(())
}

/// What is added and what is deleted, and what Scala calls the collection.
fn sides(changes: &Changes) -> [(&'static str, &'static str, Vec<&String>); 2] {
    [
        ("added", "Set", changes.set.keys().collect()),
        ("deleted", "ArrayBuffer", changes.removed.iter().collect()),
    ]
}

async fn alter_quotas(
    admin: &Admin,
    entities: &Entities,
    changes: &Changes,
) -> Result<(), Failure> {
    let known = quotas(admin, entities).await?.into_values().next();
    let known = known.unwrap_or_default();
    let removed = changes.removed.iter();
    let invalid: Vec<_> = removed
        .filter(|name| !known.contains_key(*name))
        .cloned()
        .collect();
    if !invalid.is_empty() {
        return wrong(format!("Invalid config(s): {}", invalid.join(",")));
    }
    let mut ops = ClientQuotaOps::new();
    for (name, value) in &changes.set {
        let Ok(number) = value.parse() else {
            return wrong(format!(
                "Cannot parse quota configuration value for {name}: {value}"
            ));
        };
        ops.insert(name.clone(), Some(number));
    }
    ops.extend(changes.removed.iter().map(|name| (name.clone(), None)));
    let mut entity = ClientQuotaEntity::default();
    for (kind, name) in entities.kinds.iter().zip(&entities.names) {
        let name = Some(name).filter(|name| !name.is_empty());
        entity = entity.and(entity_type(kind), name);
    }
    let altered = BTreeMap::from([(entity.clone(), ops)]);
    let altered = admin.alter_client_quotas(&altered, false).await;
    Ok(altered.only(&entity)?)
}

async fn alter_credentials(
    admin: &Admin,
    entities: &Entities,
    changes: &Changes,
) -> Result<(), Failure> {
    let user = entities.name().unwrap_or_default().to_owned();
    let mut alterations = Vec::new();
    for mechanism in changes.removed.iter().filter_map(|name| name.parse().ok()) {
        alterations.push(UserScramCredentialAlteration::Deletion(mechanism));
    }
    for (name, value) in &changes.set {
        let mechanism: ScramMechanism = name.parse().map_err(Failure::Message)?;
        let (iterations, password) = credential(mechanism, value)?;
        alterations.push(UserScramCredentialAlteration::Upsertion {
            info: ScramCredentialInfo {
                mechanism,
                iterations,
            },
            password,
            salt: None,
        });
    }
    let changes = BTreeMap::from([(user.clone(), alterations)]);
    let altered = admin.alter_user_scram_credentials(&changes).await;
    Ok(altered.only(&user)?)
}

/// Reads `iterations=8192,password=secret`, where iterations may be left out.
fn credential(mechanism: ScramMechanism, text: &str) -> Result<(i32, String), Failure> {
    // The text holds the password and is not repeated.
    let invalid = || {
        Failure::Message(format!(
            "Invalid credential property {mechanism}: expected [iterations=...,]password=..."
        ))
    };
    let (iterations, rest) = match text.strip_prefix("iterations=") {
        Some(rest) => {
            let (iterations, rest) = rest.split_once(',').ok_or_else(invalid)?;
            (iterations.parse().map_err(|_| invalid())?, rest)
        }
        None => (-1, text),
    };
    let iterations = if iterations == -1 {
        ITERATIONS_DEFAULT
    } else {
        iterations
    };
    let password = rest.strip_prefix("password=").ok_or_else(invalid)?;
    if iterations < ITERATIONS_MIN {
        return wrong(format!(
            "Iterations {iterations} is less than the minimum {ITERATIONS_MIN} required for \
             {mechanism}"
        ));
    }
    Ok((iterations, password.to_owned()))
}

/// Prints quotas and, for users alone, credentials.
pub(super) async fn describe(
    admin: &Admin,
    entities: &Entities,
    context: &mut Context,
) -> Result<(), Failure> {
    let mut documents = Vec::new();
    for (entity, quotas) in quotas(admin, entities).await? {
        if context.is_json() {
            documents.push(json!({ "entity": entity.names(), "quotas": quotas }));
            continue;
        }
        let count = quotas.len();
        let quotas = in_java_order(quotas.into_iter().collect(), count, |(name, _)| name);
        let quotas = quotas.iter().map(|(name, value)| {
            let value = java_float(*value, &format!("{value:?}"), &format!("{value:E}"));
            format!("{name}={value}")
        });
        let quotas: Vec<_> = quotas.collect();
        context.line(format_args!(
            "Quota configs for {} are {}",
            entity_text(&entity),
            quotas.join(", ")
        ))?;
    }
    let has_default = entities.names.iter().any(String::is_empty);
    if entities.kinds == ["users"] && !has_default {
        let described = admin.describe_user_scram_credentials(&entities.names);
        for (user, infos) in described.await? {
            let infos = match infos {
                Err(error) if error.response_error() == Some(ResponseError::ResourceNotFound) => {
                    continue;
                }
                infos => infos?,
            };
            let infos = infos
                .iter()
                .map(|info| format!("{}=iterations={}", info.mechanism, info.iterations));
            let infos: Vec<_> = infos.collect();
            if context.is_json() {
                documents.push(json!({ "user": user, "credentials": infos }));
                continue;
            }
            context.line(format_args!(
                "SCRAM credential configs for user-principal '{user}' are {}",
                infos.join(", ")
            ))?;
        }
    }
    if context.is_json() {
        return context.json(&documents);
    }
    Ok(())
}

async fn quotas(
    admin: &Admin,
    entities: &Entities,
) -> Result<BTreeMap<ClientQuotaEntity, BTreeMap<String, f64>>, Failure> {
    let names = entities.names.iter().map(|name| match name.is_empty() {
        true => ClientQuotaMatch::Default,
        false => ClientQuotaMatch::Exact(name.clone()),
    });
    let names = names.chain(std::iter::repeat(ClientQuotaMatch::Any));
    let kinds = entities
        .kinds
        .iter()
        .map(|kind| entity_type(kind).to_owned());
    let filter = ClientQuotaFilter {
        components: kinds.zip(names).collect(),
        strict: true,
    };
    Ok(admin.describe_client_quotas(&filter).await?)
}

fn entity_text(entity: &ClientQuotaEntity) -> String {
    let kinds = [
        (ClientQuotaEntity::USER, "user-principal"),
        (ClientQuotaEntity::CLIENT_ID, "client-id"),
        (ClientQuotaEntity::IP, "ip"),
    ];
    let texts = kinds.iter().filter_map(|(entity_type, kind)| {
        Some(match entity.names().get(*entity_type)? {
            Some(name) => format!("{kind} '{name}'"),
            None => format!("the default {kind}"),
        })
    });
    texts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read() {
        let read = |text| credential(ScramMechanism::Sha256, text).map_err(|it| it.to_string());
        assert_eq!(read("password=a,b"), Ok((4096, "a,b".to_owned())));
        assert_eq!(
            read("iterations=8192,password=x"),
            Ok((8192, "x".to_owned()))
        );
        assert_eq!(read("iterations=-1,password=").unwrap().0, 4096);
        for text in ["secret", "iterations=8192", "iterations=x,password=secret"] {
            let error = read(text).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
        assert_eq!(
            read("iterations=9,password=x").unwrap_err(),
            "Iterations 9 is less than the minimum 4096 required for SCRAM-SHA-256"
        );
    }
}
