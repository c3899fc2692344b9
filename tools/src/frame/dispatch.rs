//! From the arguments of the process to a tool and its exit code.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use super::{Context, Failure, KAFKA_VERSION, Options, Tool, arguments, completions, flag, links};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs one of the tools: by the name of the link that the process was called by, or by the first
/// argument.
pub fn run(tools: &[Tool], arguments: Vec<OsString>) -> ExitCode {
    let mut context = Context::of_process();
    let arguments = arguments.into_iter().map(OsString::into_string);
    let code = match arguments.collect::<Result<Vec<_>, _>>() {
        Ok(arguments) => dispatch(tools, &arguments, &mut context),
        Err(wrong) => {
            context.warn(format!("{} is not UTF-8", wrong.display()));
            1
        }
    };
    match context.flush() {
        Ok(()) | Err(Failure::ClosedPipe) => ExitCode::from(code),
        Err(failure) => {
            context.warn(failure);
            ExitCode::from(1)
        }
    }
}

fn dispatch(tools: &[Tool], arguments: &[String], context: &mut Context) -> u8 {
    let (called, rest) = match arguments.split_first() {
        Some((called, rest)) => (called.as_str(), rest),
        None => ("rbk", arguments),
    };
    let called = Path::new(called)
        .file_name()
        .map_or("rbk".into(), |name| name.to_string_lossy().into_owned());
    if let Some(tool) = tool_named(tools, &called) {
        return run_tool(tool, &called, rest, context);
    }
    if let Some((name, rest)) = rest.split_first()
        && let Some(tool) = tool_named(tools, name)
    {
        return run_tool(tool, &format!("rbk {}", tool.name), rest, context);
    }
    run_own(tools, rest, context)
}

/// `topics`, `kafka-topics` and `kafka-topics.sh` are the same tool.
fn tool_named<'a>(tools: &'a [Tool], name: &str) -> Option<&'a Tool> {
    let name = name.strip_suffix(".sh").unwrap_or(name);
    let name = name.strip_prefix("kafka-").unwrap_or(name);
    tools.iter().find(|tool| tool.name == name)
}

fn run_tool(tool: &Tool, program: &str, arguments: &[String], context: &mut Context) -> u8 {
    let command = tool.command(program);
    if arguments.is_empty() {
        context.warn(format!("{}\n{}", tool.about, usage(&command)));
        return 1;
    }
    context.set_arguments(arguments);
    let arguments = arguments::normalise(&command, arguments);
    let matches = match parse(command.clone(), arguments, context) {
        Ok(matches) => matches,
        Err(code) => return code,
    };
    let options = Options::new(&matches);
    if options.has("version") {
        let told = context.line(format_args!("{KAFKA_VERSION} (rbk {VERSION})"));
        return told.map_or_else(|failure| exit_code(&command, &failure, context), |()| 0);
    }
    if tool.has_json {
        context.set_output(&options);
    }
    match (tool.run)(&options, context).and_then(|()| context.flush()) {
        Ok(()) => 0,
        Err(failure) => exit_code(&command, &failure, context),
    }
}

/// Says what is left to say of a failure.
fn exit_code(command: &Command, failure: &Failure, context: &mut Context) -> u8 {
    match failure {
        Failure::Exit(code) => return *code,
        Failure::ClosedPipe => return 0,
        Failure::Usage(message) => context.warn(format!("{message}\n{}", usage(command))),
        Failure::Message(_) | Failure::Client(_) | Failure::Output(_) => context.warn(failure),
    }
    1
}

fn usage(command: &Command) -> String {
    let program = command.get_bin_name().unwrap_or_else(|| command.get_name());
    format!("See `{program} --help`.")
}

/// Parses, or says what is wrong in the words of Kafka's option parser and gives the exit code.
fn parse(
    command: Command,
    arguments: Vec<String>,
    context: &mut Context,
) -> Result<ArgMatches, u8> {
    let command = command.no_binary_name(true);
    let error = match command.clone().try_get_matches_from(arguments) {
        Ok(matches) => return Ok(matches),
        Err(error) => error,
    };
    if error.kind() == ErrorKind::DisplayHelp {
        // clap knows about terminals, colours and widths.
        return Err(u8::from(error.print().is_err()));
    }
    let failure = Failure::Usage(parse_message(&error));
    Err(exit_code(&command, &failure, context))
}

fn parse_message(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    let argument = argument.split([' ', '=']).next().unwrap_or_default();
    let name = argument.trim_start_matches('-');
    let has_value = text(ContextKind::InvalidValue).is_some_and(|value| !value.is_empty());
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let near = text(ContextKind::SuggestedArg)
                .map_or_else(String::new, |near| format!("; did you mean {near}?"));
            format!("{name} is not a recognized option{near}")
        }
        ErrorKind::InvalidSubcommand => {
            let name = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            let near = text(ContextKind::SuggestedSubcommand)
                .map_or_else(String::new, |near| format!("; did you mean {near}?"));
            format!("rbk has no tool {name}{near}")
        }
        ErrorKind::InvalidValue if !has_value => format!("Option {name} requires an argument"),
        ErrorKind::ArgumentConflict => {
            format!("Found multiple arguments for option {name}, but you asked for only one")
        }
        _ => error.to_string().trim_end().to_owned(),
    }
}

/// What `rbk` does itself: help, version, links and completions.
fn run_own(tools: &[Tool], arguments: &[String], context: &mut Context) -> u8 {
    let command = own_command(tools);
    let none = ["--help".to_owned()];
    let is_empty = arguments.is_empty();
    let arguments = if is_empty { &none[..] } else { arguments };
    let matches = match parse(command.clone(), arguments.to_vec(), context) {
        Ok(matches) => matches,
        Err(code) => return code.max(u8::from(is_empty)),
    };
    let done = match matches.subcommand() {
        Some(("install-links", matches)) => install_links(tools, matches, context),
        Some(("completions", matches)) => match matches.get_one::<Shell>("shell") {
            Some(shell) => {
                let has_links = matches.get_flag("links");
                completions::write(command.clone(), tools, *shell, has_links, context)
            }
            None => Ok(()),
        },
        _ => context.line(format_args!(
            "rbk {VERSION} (the tools of Kafka {KAFKA_VERSION})"
        )),
    };
    done.map_or_else(|failure| exit_code(&command, &failure, context), |()| 0)
}

fn install_links(
    tools: &[Tool],
    matches: &ArgMatches,
    context: &mut Context,
) -> Result<(), Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::Message(format!("cannot find where rbk is: {error}")))?;
    match matches.get_one::<String>("dir") {
        Some(dir) => links::install(tools, Path::new(dir), &program, context),
        None => Ok(()),
    }
}

fn own_command(tools: &[Tool]) -> Command {
    let links = Command::new("install-links")
        .about("Make kafka-topics, kafka-topics.sh and so on in DIR, as links to this program")
        .arg(Arg::new("dir").value_name("DIR").required(true));
    let shell = Arg::new("shell")
        .value_name("SHELL")
        .required(true)
        .action(ArgAction::Set)
        .value_parser(value_parser!(Shell));
    let completions = Command::new("completions")
        .about("Print the completions for a shell, as in: source <(rbk completions bash)")
        .arg(shell)
        .arg(flag("links", "Complete kafka-topics.sh and so on too"));
    Command::new("rbk")
        .bin_name("rbk")
        .about("Kafka's command-line tools as one native program")
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .arg(flag("version", "Print the version").short('V'))
        .subcommands(
            tools
                .iter()
                .map(|tool| tool.command(&format!("rbk {}", tool.name))),
        )
        .subcommands([links, completions])
}

#[cfg(test)]
mod tests;
