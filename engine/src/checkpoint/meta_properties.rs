//! `meta.properties`: which node of which cluster a log dir belongs to. Created and checked when
//! the log dirs are opened. (Kafka `MetaProperties` version 1, KIP-858.)

use std::collections::HashMap;
use std::path::Path;

use uuid::Uuid;

use super::FILE_BYTES_MAX;
use super::topic_id::{decode_id, encode_id};
use crate::error::EngineError;
use crate::io::Disk;

/// The file's name.
pub(crate) const META_PROPERTIES: &str = "meta.properties";

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetaProperties {
    pub(crate) cluster_id: String,
    pub(crate) node_id: i32,
    /// `None` in files older than KIP-858.
    pub(crate) directory_id: Option<Uuid>,
}

impl MetaProperties {
    /// Reads the file of a log dir; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read or is malformed.
    pub(crate) fn read<D: Disk>(disk: &D, dir: &Path) -> Result<Option<Self>, EngineError> {
        let path = dir.join(META_PROPERTIES);
        let content = disk
            .read_file(&path, FILE_BYTES_MAX)
            .map_err(|source| EngineError::io("read", &path, source))?;
        match content {
            None => Ok(None),
            Some(content) => Self::parse(&content)
                .map(Some)
                .map_err(|problem| EngineError::corrupt(&path, problem)),
        }
    }

    /// Writes the file durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write<D: Disk>(&self, disk: &D, dir: &Path) -> Result<(), EngineError> {
        let path = dir.join(META_PROPERTIES);
        disk.replace_file(&path, self.render().as_bytes())
            .map_err(|source| EngineError::io("replace", &path, source))
    }

    pub(super) fn parse(content: &[u8]) -> Result<Self, String> {
        // Java escapes everything else; and the decoder panics at the start of a byte order mark.
        if !content.is_ascii() {
            return Err("it is not ASCII text".to_owned());
        }
        let properties = java_properties::read(content).map_err(|error| error.to_string())?;
        let property = |name: &str| properties.get(name).map(String::as_str);
        let node_id = match property("version") {
            Some("1") => required(&properties, "node.id")?,
            // Version 0, of the ZooKeeper era; the version may be missing.
            Some("0") | None => required(&properties, "broker.id")?,
            Some(other) => return Err(format!("its version is {other:?}, expected 0 or 1")),
        };
        let node_id = node_id
            .parse()
            .map_err(|_| format!("node id {node_id:?} is no number"))?;
        let directory_id = match property("directory.id") {
            None => None,
            Some(text) => {
                Some(decode_id(text).ok_or_else(|| format!("directory.id {text:?} is no id"))?)
            }
        };
        let cluster_id = required(&properties, "cluster.id")?.to_owned();
        Ok(Self {
            cluster_id,
            node_id,
            directory_id,
        })
    }

    pub(super) fn render(&self) -> String {
        let mut text = format!(
            "#\nversion=1\nnode.id={}\ncluster.id={}\n",
            self.node_id,
            escape(&self.cluster_id)
        );
        if let Some(id) = self.directory_id {
            text.push_str(&format!("directory.id={}\n", encode_id(id)));
        }
        text
    }
}

fn required<'a>(properties: &'a HashMap<String, String>, name: &str) -> Result<&'a str, String> {
    properties
        .get(name)
        .map(String::as_str)
        .ok_or_else(|| format!("{name} is missing"))
}

/// Escapes a value so that a Java properties reader gives it back unchanged.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '\\' | ':' | '=' | '#' | '!' | ' ' => {
                escaped.push('\\');
                escaped.push(character);
            }
            ' '..='~' => escaped.push(character),
            other => {
                let mut units = [0; 2];
                for unit in other.encode_utf16(&mut units) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    escaped
}
