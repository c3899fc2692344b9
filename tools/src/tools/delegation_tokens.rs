//! `kafka-delegation-tokens`: short-lived credentials (Kafka's `DelegationTokenCommand`, KIP-48).

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use chrono::{DateTime, Local};
use clap::Command;
use ringbrook_client::admin::{CreateDelegationTokenOptions, DelegationToken, KafkaPrincipal};
use ringbrook_client::{Admin, ClientError};
use serde_json::json;

use crate::frame::{
    Context, Failure, Options, Tool, bootstrap_options, flag, run_async, value, values,
};

/// `kafka-delegation-tokens`.
pub const TOOL: Tool = Tool {
    name: "delegation-tokens",
    about: "This tool helps to create, renew, expire, or describe delegation tokens.",
    examples: &[
        (
            "A token that may be renewed for a week",
            "--bootstrap-server localhost:9092 --command-config client.properties --create \
             --max-life-time-period 604800000 --renewer-principal User:ops",
        ),
        (
            "All tokens of a user",
            "--bootstrap-server localhost:9092 --command-config client.properties --describe \
             --owner-principal User:alice",
        ),
    ],
    options,
    run,
    has_json: true,
};

fn options(command: Command) -> Command {
    bootstrap_options(command).args([
        flag("create", "Create a new delegation token."),
        flag("renew", "Renew delegation token."),
        flag("expire", "Expire delegation token."),
        flag(
            "describe",
            "Describe the tokens of --owner-principal, by default those that you may see.",
        ),
        values("owner-principal", "principal", "As principalType:name."),
        values("renewer-principal", "principal", "As principalType:name."),
        value(
            "max-life-time-period",
            "ms",
            "How long the token may be renewed; -1 leaves it to brokers.",
        ),
        value(
            "renew-time-period",
            "ms",
            "For how long it is renewed; -1 leaves it to brokers.",
        ),
        value(
            "expiry-time-period",
            "ms",
            "After which time it ends; -1 for at once.",
        ),
        value("hmac", "hmac", "HMAC of the delegation token"),
    ])
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let actions = ["create", "renew", "expire", "describe"];
    if options.count(&actions) != 1 {
        return Err(Failure::Usage(
            "Command must include exactly one action: --create, --renew, --expire or --describe"
                .to_owned(),
        ));
    }
    check(options)?;
    let done = run_async(async {
        let admin = context.admin(options)?;
        match options.first_of(&actions) {
            Some("create") => create(&admin, options, context).await,
            Some("renew") => renew(&admin, options, context).await,
            Some("expire") => expire(&admin, options, context).await,
            _ => describe(&admin, options, context).await,
        }
    });
    match done {
        Err(
            failure @ Failure::Client(
                ClientError::Broker(_) | ClientError::UnsupportedVersion { .. },
            ),
        ) => Err(Failure::Message(failure.exception())),
        done => done,
    }
}

fn check(options: &Options<'_>) -> Result<(), Failure> {
    options.require(&["bootstrap-server", "command-config"])?;
    let (life, renewal, expiry) = (
        "max-life-time-period",
        "renew-time-period",
        "expiry-time-period",
    );
    for period in [life, renewal, expiry] {
        options.number::<i64>(period)?;
    }
    if options.has("create") {
        options.require(&[life])?;
        options.exclude("create", &["hmac", renewal, expiry])?;
    }
    if options.has("renew") {
        options.require(&["hmac", renewal])?;
        options.exclude(
            "renew",
            &["renewer-principal", life, expiry, "owner-principal"],
        )?;
    }
    if options.has("expire") {
        options.require(&["hmac", expiry])?;
        options.exclude("expire", &["renew", life, renewal, "owner-principal"])?;
    }
    options.exclude("describe", &[renewal, life, "hmac", expiry])
}

/// Milliseconds, of which -1 stands for none.
fn period(options: &Options<'_>, name: &str) -> Result<(i64, Option<Duration>), Failure> {
    let ms = options.number::<i64>(name)?.unwrap_or(-1);
    Ok((ms, u64::try_from(ms).ok().map(Duration::from_millis)))
}

fn principals(options: &Options<'_>, name: &str) -> Result<Vec<KafkaPrincipal>, Failure> {
    let texts = options.texts(name).into_iter();
    texts
        .map(|text| text.trim().parse().map_err(Failure::Message))
        .collect()
}

fn list_text(principals: &[KafkaPrincipal]) -> String {
    let texts: Vec<_> = principals.iter().map(KafkaPrincipal::to_string).collect();
    format!("[{}]", texts.join(", "))
}

fn hmac(options: &Options<'_>) -> Result<(String, Bytes), Failure> {
    let text = options.text("hmac").unwrap_or_default();
    let bytes = BASE64_STANDARD.decode(text);
    let bytes = bytes.map_err(|error| Failure::Message(format!("--hmac is no base64: {error}")))?;
    Ok((text.to_owned(), bytes.into()))
}

async fn create(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let renewers = principals(options, "renewer-principal")?;
    let (life_ms, max_lifetime) = period(options, "max-life-time-period")?;
    if !context.is_json() {
        context.line(format_args!(
            "Calling create token operation with renewers :{} , max-life-time-period :{life_ms}",
            list_text(&renewers)
        ))?;
    }
    let owner = principals(options, "owner-principal")?.into_iter().next();
    let token = admin
        .create_delegation_token(&CreateDelegationTokenOptions {
            owner,
            renewers,
            max_lifetime,
        })
        .await?;
    if context.is_json() {
        return context.json(&to_json(&token));
    }
    let id = &token.token_id;
    context.line(format_args!("Created delegation token with tokenId : {id}"))?;
    table(&[token], context)
}

async fn renew(admin: &Admin, options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let (text, hmac) = hmac(options)?;
    let (period_ms, period) = period(options, "renew-time-period")?;
    if !context.is_json() {
        context.line(format_args!(
            "Calling renew token operation with hmac :{text} , renew-time-period :{period_ms}"
        ))?;
    }
    let expiry = admin.renew_delegation_token(&hmac, period).await?;
    tell_expiry("renew", expiry, context)
}

async fn expire(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let (text, hmac) = hmac(options)?;
    let (period_ms, period) = period(options, "expiry-time-period")?;
    if !context.is_json() {
        context.line(format_args!(
            "Calling expire token operation with hmac :{text} , expire-time-period :{period_ms}"
        ))?;
    }
    let expiry = admin.expire_delegation_token(&hmac, period).await?;
    tell_expiry("expire", expiry, context)
}

fn tell_expiry(what: &str, expiry: i64, context: &mut Context) -> Result<(), Failure> {
    if context.is_json() {
        return context.json(&json!({ "expiry_timestamp": expiry }));
    }
    // Kafka's tool ends without a line break.
    let date = date_text(expiry);
    let text = format!("Completed {what} operation. New expiry date : {date}");
    Ok(context.out().write_all(text.as_bytes())?)
}

async fn describe(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let owners = principals(options, "owner-principal")?;
    if !context.is_json() {
        match owners.is_empty() {
            true => context.line("Calling describe token operation for current user.")?,
            false => context.line(format_args!(
                "Calling describe token operation for owners: {}",
                list_text(&owners)
            ))?,
        }
    }
    let owners = Some(owners).filter(|owners| !owners.is_empty());
    let tokens = admin.describe_delegation_token(owners.as_deref()).await?;
    if context.is_json() {
        return context.json(&tokens.iter().map(to_json).collect::<Vec<_>>());
    }
    let total = format!("Total number of tokens : {}", tokens.len());
    context.out().write_all(total.as_bytes())?;
    table(&tokens, context)
}

/// With empty lines between all lines, as Kafka's tool has it.
fn table(tokens: &[DelegationToken], context: &mut Context) -> Result<(), Failure> {
    let mut row = |columns: [&str; 8]| {
        let [id, hmac, owner, requester, renewers, issued, expires, until] = columns;
        context.line(format_args!(
            "\n{id:<15} {hmac:<30} {owner:<15} {requester:<15} {renewers:<25} {issued:<15} \
             {expires:<15} {until:<15}"
        ))
    };
    row([
        "TOKENID",
        "HMAC",
        "OWNER",
        "REQUESTER",
        "RENEWERS",
        "ISSUEDATE",
        "EXPIRYDATE",
        "MAXDATE",
    ])?;
    for token in tokens {
        row([
            &token.token_id,
            &BASE64_STANDARD.encode(&token.hmac),
            &token.owner.to_string(),
            &token.token_requester.to_string(),
            &list_text(&token.renewers),
            &date_text(token.issue_timestamp),
            &date_text(token.expiry_timestamp),
            &date_text(token.max_timestamp),
        ])?;
    }
    Ok(())
}

fn to_json(token: &DelegationToken) -> serde_json::Value {
    json!({
        "token_id": token.token_id,
        "hmac": BASE64_STANDARD.encode(&token.hmac),
        "owner": token.owner.to_string(),
        "requester": token.token_requester.to_string(),
        "renewers": token.renewers.iter().map(KafkaPrincipal::to_string).collect::<Vec<_>>(),
        "issue_timestamp": token.issue_timestamp,
        "expiry_timestamp": token.expiry_timestamp,
        "max_timestamp": token.max_timestamp,
    })
}

/// In the machine's time zone.
fn date_text(timestamp: i64) -> String {
    DateTime::from_timestamp_millis(timestamp).map_or_else(
        || timestamp.to_string(),
        |time| {
            time.with_timezone(&Local)
                .format("%Y-%m-%dT%H:%M")
                .to_string()
        },
    )
}
