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
    /// All zeroes when the directory could not be used at the start.
    pub(crate) directory_id: Uuid,
    /// Held until the process ends; absent when the directory could not be used.
    _lock: Option<D::Lock>,
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
    /// there, a new one is made up. A directory that cannot be used is offline from the beginning,
    /// as long as another one can be used.
    ///
    /// # Errors
    /// When no directory can be used, or one is in use or belongs to another node or cluster.
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
            let dir =
                lock_dir(disk, path).and_then(|lock| Ok((lock, MetaProperties::read(disk, path)?)));
            match dir {
                Err(error @ EngineError::DirLocked { .. }) => return Err(error),
                dir => locked.push((path, dir)),
            }
        }
        if locked.iter().all(|(_, dir)| dir.is_err()) {
            let first = locked.into_iter().next().map(|(_, dir)| dir);
            return Err(first
                .and_then(Result::err)
                .unwrap_or(EngineError::NoUsableDir));
        }
        let mut cluster_id = cluster_id.map(str::to_owned);
        for (path, dir) in &locked {
            if let Ok((_, Some(meta))) = dir {
                check(path, meta, node_id, cluster_id.as_deref())?;
                cluster_id.get_or_insert_with(|| meta.cluster_id.clone());
            }
        }
        let cluster_id = cluster_id.unwrap_or_else(|| encode_id(random_id()));
        let mut dirs = Vec::with_capacity(locked.len());
        for (path, dir) in locked {
            let health = Arc::new(DirHealth::new(path.clone()));
            let identified = dir.and_then(|(lock, meta)| {
                let known = meta.and_then(|meta| meta.directory_id);
                let id = known.map_or_else(|| identify(disk, path, node_id, &cluster_id), Ok)?;
                Ok((lock, id))
            });
            let (lock, directory_id) = match identified {
                Ok((lock, id)) => (Some(lock), id),
                Err(error) => {
                    health.fail("use", path, &error);
                    (None, Uuid::nil())
                }
            };
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

    /// The first directory that cannot be used, and why.
    #[must_use]
    pub fn first_offline(&self) -> Option<(PathBuf, String)> {
        let mut dirs = self.dirs.iter();
        dirs.find_map(|dir| Some((dir.path().to_owned(), dir.health.reason()?)))
    }

    /// The ids of the directories, in the order they were given.
    #[must_use]
    pub fn directory_ids(&self) -> Vec<Uuid> {
        self.dirs.iter().map(|dir| dir.directory_id).collect()
    }
}

/// Gives a directory its id, durably.
fn identify<D: Disk>(
    disk: &D,
    path: &Path,
    node_id: i32,
    cluster_id: &str,
) -> Result<Uuid, EngineError> {
    let directory_id = random_id();
    let meta = MetaProperties {
        cluster_id: cluster_id.to_owned(),
        node_id,
        directory_id: Some(directory_id),
    };
    meta.write(disk, path)?;
    Ok(directory_id)
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
