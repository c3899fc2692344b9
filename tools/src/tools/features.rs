//! `kafka-features`: the levels of the cluster's features (Kafka's `FeatureCommand`).

mod update;
mod versions;

use clap::{Arg, Command};
use ringbrook_client::cluster::Target;
use serde_json::json;

use self::versions::{FEATURES, LATEST, METADATA_VERSION, level_of, level_text, release};
use crate::frame::{
    Context, Failure, Options, Tool, bootstrap_options, flag, run_async, value, values,
};

/// `kafka-features`.
pub const TOOL: Tool = Tool {
    name: "features",
    about: "This tool manages feature flags in Kafka.",
    examples: &[
        (
            "The levels now, and those that are supported",
            "--bootstrap-server localhost:9092 describe",
        ),
        (
            "One feature to a level; first see whether it would work",
            "--bootstrap-server localhost:9092 upgrade --feature transaction.version=2 --dry-run",
        ),
        (
            "The levels that belong to a release",
            "version-mapping --release-version 4.0",
        ),
    ],
    options,
    run,
    has_json: true,
};

fn options(command: Command) -> Command {
    let controller = value(
        "bootstrap-controller",
        "servers",
        "Controllers to connect to.",
    );
    let global = |arg: Arg| arg.global(true);
    let change = |name: &'static str, about: &'static str| {
        Command::new(name)
            .about(about)
            .infer_long_args(true)
            .arg(values(
                "feature",
                "feature=level",
                "A feature, and its level.",
            ))
            .arg(flag("dry-run", "Only say whether it would work."))
    };
    let levels = |command: Command| {
        command
            .arg(value(
                "metadata",
                "release",
                "DEPRECATED: the level of metadata.version.",
            ))
            .arg(value(
                "release-version",
                "release",
                "All features as that release has them, such as 3.9-IV0.",
            ))
    };
    let regardless = || flag("unsafe", "Even if it destroys metadata.");
    let describe = Command::new("describe")
        .about("Describes the current active feature flags.")
        .arg(value("node-id", "id", "The node to ask."));
    let mapping = Command::new("version-mapping")
        .about("Look up the corresponding features for a given metadata version.")
        .arg(value(
            "release-version",
            "release",
            "The release, 4.3-IV0 by default.",
        ));
    let dependencies = Command::new("feature-dependencies")
        .about("Look up dependencies for a given feature version.")
        .arg(values(
            "feature",
            "feature=level",
            "A feature, and its level.",
        ));
    bootstrap_options(command)
        .mut_arg("bootstrap-server", global)
        .mut_arg("command-config", global)
        .arg(controller.global(true))
        .subcommand(describe)
        .subcommand(levels(change(
            "upgrade",
            "Upgrade one or more feature flags.",
        )))
        .subcommand(
            levels(change("downgrade", "Downgrade one or more feature flags.")).arg(regardless()),
        )
        .subcommand(
            change(
                "disable",
                "Disable one or more feature flags: to level zero.",
            )
            .arg(regardless()),
        )
        .subcommands([mapping, dependencies])
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let wrong = |text: &str| {
        let text = format!("Command line error: {text}. Type --help for help.");
        Err(Failure::Message(text))
    };
    let Some((name, options)) = options.subcommand() else {
        return wrong("too few arguments");
    };
    match name {
        "version-mapping" => return version_mapping(&options, context),
        "feature-dependencies" => return feature_dependencies(&options, context),
        _ => {}
    }
    if options.has("bootstrap-controller") {
        return wrong("rbk does not talk to controllers: use --bootstrap-server with a broker");
    }
    if !options.has("bootstrap-server") {
        return wrong("You must specify either --bootstrap-controller or --bootstrap-server.");
    }
    run_async(async {
        match name {
            "describe" => describe(&options, context).await,
            name => update::update(name, &options, context).await,
        }
    })
}

async fn describe(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let target = match options.number::<i32>("node-id")? {
        None => Target::Any,
        Some(id) if id < 0 => {
            return Err(Failure::Message(format!(
                "Invalid node id {id}: must be non-negative."
            )));
        }
        Some(id) => Target::Node(id),
    };
    let admin = context.admin(options)?;
    let cluster = admin.cluster();
    let deadline = cluster.deadline(cluster.config().request_timeout * 2);
    let connection = cluster
        .retry("asking for features", deadline, || {
            cluster.connection_to(target)
        })
        .await?;
    let said = connection.versions().response();
    let epoch = Some(said.finalized_features_epoch).filter(|epoch| 0 <= *epoch);
    let mut features: Vec<_> = said.supported_features.iter().collect();
    features.sort_by(|one, other| one.name.cmp(&other.name));
    let mut documents = Vec::new();
    for feature in features {
        let name = feature.name.as_str();
        let mut finalized = said.finalized_features.iter();
        let finalized = finalized.find(|it| it.name == feature.name);
        let level = finalized.map_or(0, |it| it.max_version_level);
        if context.is_json() {
            documents.push(json!({
                "feature": name,
                "supported_min": feature.min_version,
                "supported_max": feature.max_version,
                "finalized": level,
                "epoch": epoch,
            }));
            continue;
        }
        context.line(format_args!(
            "Feature: {name:<40}  SupportedMinVersion: {:<15}  SupportedMaxVersion: {:<15}  \
             FinalizedVersionLevel: {:<15}  Epoch: {}",
            level_text(name, feature.min_version),
            level_text(name, feature.max_version),
            level_text(name, level),
            epoch.map_or("-".to_owned(), |epoch| epoch.to_string())
        ))?;
    }
    if context.is_json() {
        return context.json(&documents);
    }
    Ok(())
}

fn version_mapping(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let release = options.text("release-version").unwrap_or(LATEST);
    let level = level_of(release).map_err(Failure::Message)?;
    if context.is_json() {
        let features = FEATURES.iter();
        let mut levels: serde_json::Map<_, _> = features
            .map(|feature| (feature.name.to_owned(), feature.default_level(level).into()))
            .collect();
        levels.insert(METADATA_VERSION.to_owned(), level.into());
        return context.json(&levels);
    }
    context.line(format_args!("{METADATA_VERSION}={level} ({release})"))?;
    FEATURES.iter().try_for_each(|feature| {
        let level = feature.default_level(level);
        context.line(format_args!("{}={level}", feature.name))
    })
}

fn feature_dependencies(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let wrong = |text: String| Err(Failure::Message(text));
    if !options.has("feature") {
        return wrong(
            "Command line error: argument --feature is required. Type --help for help.".to_owned(),
        );
    }
    for text in options.texts("feature") {
        let (name, level) = update::name_and_level(text)?;
        if name == METADATA_VERSION {
            let Some(release) = release(level) else {
                return wrong(format!("Unknown metadata.version {level}"));
            };
            context.line(format_args!(
                "{name}={level} ({release}) has no dependencies."
            ))?;
            continue;
        }
        let Some(feature) = FEATURES.iter().find(|feature| feature.name == name) else {
            return wrong(format!("Unknown feature: {name}"));
        };
        let Some(needs) = feature.needs(level) else {
            let (min, max) = feature.range();
            return wrong(format!(
                "No feature:{name} with feature level {level}; levels are {min} to {max}"
            ));
        };
        if needs.is_empty() {
            context.line(format_args!("{name}={level} has no dependencies."))?;
            continue;
        }
        context.line(format_args!("{name}={level} requires:"))?;
        for (needed, level) in needs {
            let release = match *needed {
                METADATA_VERSION => format!(" ({})", level_text(needed, *level)),
                _ => String::new(),
            };
            context.line(format_args!("    {needed}={level}{release}"))?;
        }
    }
    Ok(())
}
