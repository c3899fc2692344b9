//! What the process says and how it ends, with a tool of the tests' own.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::*;
use crate::frame::value;

/// What was written, kept where the test can read it.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

const TOOL: Tool = Tool {
    name: "topics",
    about: "About topics.",
    examples: &[("Say it", "--topic it")],
    options: |command| command.arg(value("topic", "topic", "The topic.")),
    run: |options, context| match options.text("topic") {
        Some("closed") => Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
        Some("told") => Err(Failure::Exit(7)),
        Some(topic) if context.is_json() => context.json(&topic),
        Some(topic) => context.line(topic),
        None => options.require(&["topic"]),
    },
    has_json: true,
};

/// Exit code, standard output, standard error.
fn said(line: &str) -> (u8, String, String) {
    let (out, err) = (Page::default(), Page::default());
    let mut context = Context::new(Box::new(out.clone()), Box::new(err.clone()));
    let arguments: Vec<_> = line.split(' ').map(str::to_owned).collect();
    let code = dispatch(&[TOOL], &arguments, &mut context);
    (code, out.text(), err.text())
}

#[test]
fn a_tool_is_found_by_subcommand_and_by_link() {
    for called in [
        "rbk topics",
        "/usr/bin/rbk kafka-topics.sh",
        "kafka-topics",
        "/opt/kafka/bin/kafka-topics.sh",
        "topics",
    ] {
        let expected = (0, "it\n".to_owned(), String::new());
        assert_eq!(said(&format!("{called} --topic it")), expected, "{called}");
    }
}

#[test]
fn options_are_read_as_kafkas_parser_reads_them() {
    for line in ["-topic it", "--topic=it", "--top it", "-top=it"] {
        assert_eq!(said(&format!("kafka-topics {line}")).1, "it\n", "{line}");
    }
    assert_eq!(said("kafka-topics --topic -1").1, "-1\n");
    assert_eq!(said("kafka-topics --topic it --output json").1, "\"it\"\n");
}

#[test]
fn a_wrong_command_line_ends_with_one_and_says_what_to_try() {
    let see = "See `rbk topics --help`.\n";
    for (arguments, message) in [
        (
            "--tpic it",
            "tpic is not a recognized option; did you mean --topic?",
        ),
        ("--topic", "Option topic requires an argument"),
        (
            "--topic a --topic b",
            "Found multiple arguments for option topic, but you asked for only one",
        ),
        ("--output json", "Missing required argument \"[topic]\""),
    ] {
        let expected = (1, String::new(), format!("{message}\n{see}"));
        assert_eq!(said(&format!("rbk topics {arguments}")), expected);
    }
    assert_eq!(said("rbk topics").2, format!("About topics.\n{see}"));
}

#[test]
fn failures_end_with_their_exit_codes() {
    assert_eq!(
        said("kafka-topics --topic closed"),
        (0, String::new(), String::new())
    );
    assert_eq!(
        said("kafka-topics --topic told"),
        (7, String::new(), String::new())
    );
}

#[test]
fn versions_are_kafkas_first() {
    assert!(
        said("kafka-topics.sh --version")
            .1
            .starts_with("4.3.1 (rbk ")
    );
    assert!(said("rbk --version").1.starts_with("rbk "));
}

#[test]
fn an_unknown_subcommand_is_refused() {
    let (code, out, err) = said("rbk topic --list");
    assert_eq!((code, out.as_str()), (1, ""));
    let expected = "rbk has no tool topic; did you mean topics?\nSee `rbk --help`.\n";
    assert_eq!(err, expected);
}

#[test]
fn completions_name_tools_and_options() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = said(&format!("rbk completions {shell}"));
        assert_eq!(code, 0);
        assert!(script.contains("topics") && script.contains("install-links"));
    }
    assert!(
        said("rbk completions bash --links")
            .1
            .contains("kafka-topics.sh")
    );
}

#[test]
fn every_tools_command_line_is_sound_and_its_examples_parse() {
    for tool in crate::tools::ALL {
        let command = tool.command(tool.name).no_binary_name(true);
        command.clone().debug_assert();
        assert!(!tool.examples.is_empty(), "{} has no example", tool.name);
        for (_, example) in tool.examples {
            let arguments = words(example);
            let arguments = arguments::normalise(&command, &arguments);
            if let Err(error) = command.clone().try_get_matches_from(arguments) {
                panic!("{} {example}: {error}", tool.name);
            }
        }
    }
}

/// A command line's words up to a pipe or redirection; quotes hold blanks together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (_, Some(open)) if c == open => quote = None,
            (' ', None) => words.push(String::new()),
            (_, _) => words.last_mut().unwrap().push(c),
        }
    }
    words
        .into_iter()
        .take_while(|word| !["|", "<", ">"].contains(&word.as_str()))
        .collect()
}
