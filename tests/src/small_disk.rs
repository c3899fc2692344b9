//! A small disk of its own for a broker's log dir, so that it can really run full: a tmpfs in a
//! mount namespace that a process of the harness keeps. Needs no root where users may make
//! namespaces; where they may not, the test says aloud that it cannot run.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;

/// A mounted tmpfs; gone when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    holder: Child,
    mount_point: TempDir,
}

impl SmallDisk {
    /// Mounts a disk of `bytes` bytes; `None`, with a message, where that is not permitted.
    ///
    /// # Errors
    /// The programs to do it are not there.
    pub fn mount(bytes: u64) -> anyhow::Result<Option<Self>> {
        let mount_point = TempDir::new()?;
        let script = format!(
            "mount -t tmpfs -o size={bytes} tmpfs '{}' && echo mounted && exec sleep infinity",
            mount_point.path().display()
        );
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("unshare (util-linux) does not run")?;
        let mut said = [0; 8];
        let stdout = holder.stdout.as_mut().context("stdout is piped")?;
        let disk = stdout.read_exact(&mut said);
        let disk_holder = Self {
            holder,
            mount_point,
        };
        if disk.is_err() || &said != b"mounted\n" {
            eprintln!("NOT TESTED: this machine lets no user mount a tmpfs in a namespace");
            return Ok(None);
        }
        Ok(Some(disk_holder))
    }

    /// Where the broker sees it.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.mount_point.path()
    }

    /// Where the test sees it.
    #[must_use]
    pub fn host_path(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        let path = self.path().strip_prefix("/").unwrap_or(self.path());
        root.join(path)
    }

    /// The command that runs `program` where the disk is mounted.
    pub(crate) fn enter(holder: u32, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--user", "--mount", "--preserve-credentials", "--target"])
            .arg(holder.to_string())
            .arg(program);
        command
    }

    pub(crate) fn holder(&self) -> u32 {
        self.holder.id()
    }

    /// Puts a file of `bytes` bytes there.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn occupy(&self, bytes: usize) -> anyhow::Result<()> {
        let path = self.host_path().join("ballast");
        std::fs::write(&path, vec![1; bytes]).context("writing ballast")
    }

    /// Removes that file.
    ///
    /// # Errors
    /// There is none.
    pub fn free(&self) -> anyhow::Result<()> {
        let path = self.host_path().join("ballast");
        ensure!(path.is_file(), "no ballast to remove");
        std::fs::remove_file(&path).context("removing ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The namespace, and the disk with it, ends with its last process.
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}
