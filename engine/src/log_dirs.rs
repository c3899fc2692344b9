//! The log dirs of this process: created, locked, and known to belong to this node and cluster.
//! Opened once at start, before any log. (Kafka `MetaPropertiesEnsemble`,
//! `LogManager.lockLogDirs`.)

use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use crate::checkpoint::{META_PROPERTIES, MetaProperties, encode_id, random_id};
use crate::error::EngineError;
use crate::io::{DirHealth, Disk};

const LOCK_FILE: &str = ".lock";

/// One log dir.
#[derive(Debug)]
pub(crate) struct LogDir<D: Disk> {
    pub(crate) health: Arc<DirHealth>,
    pub(crate) directory_id: Uuid,
    /// Held until the process ends.
    _lock: D::Lock,
}

impl<D: Disk> LogDir<D> {
    pub(crate) fn path(&self) -> &Path {
        self.health.path()
    }
}

/// All log dirs, locked for this process until dropped.
#[derive(Debug)]
pub struct LogDirs<D: Disk> {
    pub(crate) dirs: Vec<LogDir<D>>,
    cluster_id: String,
}

impl<D: Disk> LogDirs<D> {
    /// Creates the directories that are missing, takes their locks and reads their
    /// `meta.properties`, or writes it in those that have none. Without a cluster id, here or
    /// there, a new one is made up.
    ///
    /// # Errors
    /// When a directory cannot be used, is in use, or belongs to another node or cluster.
    pub fn open(
        disk: &D,
        paths: &[PathBuf],
        node_id: i32,
        cluster_id: Option<&str>,
    ) -> Result<Self, EngineError> {
        if paths.is_empty() {
            return Err(EngineError::NoUsableDir);
        }
        let mut locked = Vec::with_capacity(paths.len());
        for (index, path) in paths.iter().enumerate() {
            if paths[..index].contains(path) {
                return Err(EngineError::DirListedTwice { path: path.clone() });
            }
            let lock = lock_dir(disk, path)?;
            let meta = MetaProperties::read(disk, path)?;
            locked.push((path, lock, meta));
        }
        let mut cluster_id = cluster_id.map(str::to_owned);
        for (path, _, meta) in &locked {
            if let Some(meta) = meta {
                check(path, meta, node_id, cluster_id.as_deref())?;
                cluster_id.get_or_insert_with(|| meta.cluster_id.clone());
            }
        }
        let cluster_id = cluster_id.unwrap_or_else(|| encode_id(random_id()));
        let mut dirs = Vec::with_capacity(locked.len());
        for (path, lock, meta) in locked {
            let known = meta.as_ref().and_then(|meta| meta.directory_id);
            let directory_id = known.unwrap_or_else(random_id);
            if known.is_none() {
                let meta = MetaProperties {
                    cluster_id: cluster_id.clone(),
                    node_id,
                    directory_id: Some(directory_id),
                };
                meta.write(disk, path)?;
            }
            let health = Arc::new(DirHealth::new(path.clone()));
            dirs.push(LogDir {
                health,
                directory_id,
                _lock: lock,
            });
        }
        Ok(Self { dirs, cluster_id })
    }

    /// The cluster's id.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The ids of the directories, in the order they were given.
    #[must_use]
    pub fn directory_ids(&self) -> Vec<Uuid> {
        self.dirs.iter().map(|dir| dir.directory_id).collect()
    }
}

fn lock_dir<D: Disk>(disk: &D, path: &Path) -> Result<D::Lock, EngineError> {
    disk.create_dir_all(path)
        .map_err(|source| EngineError::io("create", path, source))?;
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        disk.sync_dir(parent)
            .map_err(|source| EngineError::io("sync", parent, source))?;
    }
    let file = path.join(LOCK_FILE);
    disk.lock(&file)
        .map_err(|source| EngineError::io("lock", &file, source))?
        .ok_or_else(|| EngineError::DirLocked {
            path: path.to_owned(),
        })
}

fn check(
    path: &Path,
    meta: &MetaProperties,
    node_id: i32,
    cluster_id: Option<&str>,
) -> Result<(), EngineError> {
    let path = path.join(META_PROPERTIES);
    if meta.node_id != node_id {
        let (found, expected) = (meta.node_id, node_id);
        return Err(EngineError::NodeIdMismatch {
            path,
            found,
            expected,
        });
    }
    match cluster_id {
        Some(expected) if expected != meta.cluster_id => Err(EngineError::ClusterIdMismatch {
            path,
            found: meta.cluster_id.clone(),
            expected: expected.to_owned(),
        }),
        _ => Ok(()),
    }
}
