//! Log dirs that Apache Kafka wrote, and those that Ringbrook wrote with an earlier version: they
//! are opened through the real disk, and everything in them is found, intact and damaged.
//! fixtures/README.md says how the archives came about.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod archive;
mod content;
mod damaged;
mod document;
#[path = "../../examples/every_file/writer.rs"]
mod every_file;
mod kafka_directories;
mod log_dir;
mod own_directories;
