//! Tests of the checks on small trees, each with something wrong and its neighbour that is right.

use std::fs;

use super::*;
use code::code_only;
use tree::File;

/// Writes a tree, checks it, and returns what was found.
fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let full = root.path().join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, text).unwrap();
    }
    let mut findings = check(&Tree::read(root.path()).unwrap());
    findings.sort();
    findings.iter().map(ToString::to_string).collect()
}

fn rust(text: &str) -> String {
    format!("//! A file.\n{text}\n")
}

fn file(path: &str, lines: usize) -> File {
    File {
        path: path.to_owned(),
        size_bytes: 0,
        text: "//! x\n".repeat(lines),
    }
}

#[test]
fn a_file_without_module_documentation_is_found() {
    let found = findings(&[("a.rs", "fn f() {}\n"), ("b.rs", &rust("fn f() {}"))]);
    assert_eq!(
        found,
        ["a.rs:1: begins without //! that says what the file is and who calls it"]
    );
}

#[test]
fn long_lines_other_characters_and_unfinished_work_are_found() {
    let long = rust(&format!("// {}", "x".repeat(98)));
    let fits = rust(&format!("// {}", "x".repeat(97)));
    let unfinished = rust(&format!("// {}: later", concat!("TO", "DO")));
    let found = findings(&[
        ("a.rs", &long),
        ("b.rs", &fits),
        ("table.rs", &rust(&format!("/// | {} |", "x".repeat(98)))),
        ("c.rs", &rust("// caf\u{e9}")),
        ("d.rs", &unfinished),
        ("readme.md", "caf\u{e9}"),
    ]);
    let unfinished = format!(
        "d.rs:2: {}: finish it or open an issue",
        concat!("TO", "DO")
    );
    let character = "c.rs:2: character '\u{e9}' is not ASCII".to_owned();
    assert_eq!(
        found,
        [
            "a.rs:2: 101 columns exceed 100".to_owned(),
            character,
            unfinished
        ]
    );
}

#[test]
fn long_files_are_found_unless_they_are_tests() {
    let long = |path: &str, lines| text::length(&file(path, lines), &[]).is_some();
    assert!(long("engine/src/log.rs", 801) && !long("engine/src/log.rs", 800));
    assert!(long("broker/src/api/mod.rs", 121) && !long("broker/src/api/mod.rs", 120));
    assert!(!long("engine/src/log/tests.rs", 2000) && !long("tests/src/lib.rs", 2000));
}

#[test]
fn the_ratchet_only_goes_down() {
    let ratchet = [("a.rs", 900)];
    let length = |lines| text::length(&file("a.rs", lines), &ratchet).map(|found| found.message);
    assert_eq!(length(900), None);
    assert_eq!(length(901).unwrap(), "901 lines, was 900: split it");
    let lower = "899 lines, was 900: lower or remove its entry in the ratchet";
    assert_eq!(length(899).unwrap(), lower);
}

#[test]
fn a_large_file_of_any_kind_is_found() {
    let large = "x".repeat(200 * 1024 + 1);
    let found = findings(&[("a.csv", &large), ("b.csv", large.get(1..).unwrap())]);
    assert_eq!(found, ["a.csv: file of 201 KiB exceeds 200 KiB"]);
}

#[test]
fn generated_directories_are_not_looked_at() {
    let found = findings(&[
        ("target/a.rs", ""),
        ("node_modules/b/c.rs", ""),
        (".cache/d.rs", ""),
    ]);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn io_uring_and_unsafe_are_confined() {
    let uses = rust("use tokio_uring::fs;\nunsafe fn f() {}");
    let found = findings(&[
        ("engine/src/io/uring.rs", &uses),
        ("broker/src/net/connection.rs", &uses),
        ("bench/src/main.rs", &uses),
        ("engine/src/log.rs", &uses),
        (
            "broker/src/main.rs",
            &rust("// unsafe\nconst A: &str = \"io_uring\";\nlet unsafely = 1;"),
        ),
    ]);
    let expected = [
        "engine/src/log.rs:2: io_uring is named only in engine/src/io, broker/src/net and bench",
        "engine/src/log.rs:3: unsafe is confined to engine/src/io, broker/src/net and bench",
    ];
    assert_eq!(found, expected);
}

#[test]
fn client_layers_point_one_way() {
    let all = rust("use crate::producer::Producer;\nuse crate::cluster::Cluster;");
    let found = findings(&[
        ("client/src/lib.rs", &all),
        ("client/src/producer/sender.rs", &all),
        ("client/src/consumer.rs", &all),
        ("client/src/metadata.rs", &all),
        ("client/src/net/connection.rs", &all),
    ]);
    let rule = "{producer, consumer, admin} -> cluster -> {metadata, net}";
    let expected = [
        "consumer.rs:2: consumer must not use producer",
        "metadata.rs:2: metadata must not use producer",
        "net/connection.rs:2: net must not use producer",
        "net/connection.rs:3: net must not use cluster",
    ]
    .map(|finding| format!("client/src/{finding}: {rule}"));
    assert_eq!(found, expected);
}

#[test]
fn broker_layers_point_one_way() {
    let all = rust("use crate::api::Answer;\nuse crate::{config::Config, net::{send, listen}};");
    let found = findings(&[
        ("broker/src/net/connection.rs", &all),
        ("broker/src/lib.rs", &all),
        ("broker/src/api/fetch.rs", &all),
        ("broker/src/group/coordinator.rs", &all),
        (
            "broker/src/metrics.rs",
            &rust("use crate::config;\nuse crate::apiary;"),
        ),
        (
            "broker/src/txn/state.rs",
            &rust("use crate::coordinator::x;\nuse crate::group::y;"),
        ),
        (
            "broker/src/coordinator/log.rs",
            &rust("use crate::txn::x;\nuse crate::controller::y;"),
        ),
        ("engine/src/log.rs", &rust("use crate::net::x;")),
    ]);
    let layers = "net -> api -> {replica, group, txn, controller} -> coordinator";
    let expected = [
        "api/fetch.rs:3: api must not use net",
        "coordinator/log.rs:2: coordinator must not use txn",
        "coordinator/log.rs:3: coordinator must not use controller",
        "group/coordinator.rs:2: group must not use api",
        "group/coordinator.rs:3: group must not use net",
        "txn/state.rs:3: txn must not use group",
    ]
    .map(|finding| format!("broker/src/{finding}: {layers}"));
    assert_eq!(found, expected);
}

#[test]
fn crates_depend_only_downwards() {
    let engine = "[package]\nname = \"ringbrook-engine\"\n[dependencies]\n\
        ringbrook-record.workspace = true\nringbrook-broker = { path = \"../broker\" }\n";
    let record = "[package]\nname = \"ringbrook-record\"\n[dev-dependencies.ringbrook-engine]\n";
    let found = findings(&[
        (
            "Cargo.toml",
            "[workspace.dependencies]\nringbrook-engine = { path = \"engine\" }\n",
        ),
        ("engine/Cargo.toml", engine),
        ("record/Cargo.toml", record),
        ("new/Cargo.toml", "[package]\nname = \"ringbrook-new\"\n"),
    ]);
    let expected = [
        "engine/Cargo.toml:5: ringbrook-engine must not depend on ringbrook-broker",
        "new/Cargo.toml: crate ringbrook-new has no place in the dependency rules of tidy",
        "record/Cargo.toml:3: ringbrook-record must not depend on ringbrook-engine",
    ];
    assert_eq!(found, expected);
}

#[test]
fn format_and_api_changes_want_a_change_log_entry() {
    let changed = ["engine/FORMAT.md", "broker/APIS.md", "engine/src/lib.rs"];
    let found = changelog::unannounced(changed.into_iter());
    let paths: Vec<_> = found.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["engine/FORMAT.md", "broker/APIS.md"]);
    let announced = changelog::unannounced(changed.into_iter().chain(["CHANGELOG.md"]));
    assert_eq!(announced, []);
    assert_eq!(
        changelog::unannounced(["engine/src/lib.rs"].into_iter()),
        []
    );
}

#[test]
fn code_only_blanks_comments_and_literals_and_keeps_lines() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"a("b\"c", d)"#, "a(      , d)"),
        (r##"r#"a"b"# c"##, "         c"),
        (r#"br"a" c"#, "b     c"),
        (
            r"match '\'' { 'a' => &'a x }",
            "match      {     => &'a x }",
        ),
        ("let for_r = \"x\ny\";", "let for_r =   \n  ;"),
    ];
    for (source, code) in cases {
        assert_eq!(code_only(source), code, "{source}");
    }
}
