//! The files to check: those that git tracks or would track, or without git all that lie in the
//! directory.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

/// Directories that hold what tools made, for trees without git.
const GENERATED: [&str; 5] = ["target", "data", "node_modules", "__pycache__", "venv"];

/// The tree's files.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

/// One file.
#[derive(Debug)]
pub(crate) struct File {
    /// Path from the root, with slashes.
    pub(crate) path: String,
    pub(crate) size_bytes: u64,
    /// The content of Rust sources and manifests; empty for others.
    pub(crate) text: String,
}

impl Tree {
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut paths = match git_files(root)? {
            Some(paths) => paths,
            None => walk(root, "")?,
        };
        paths.sort();
        let files = paths.into_iter().map(|path| File::read(root, path));
        Ok(Self {
            files: files.collect::<anyhow::Result<_>>()?,
        })
    }

    pub(crate) fn rust_files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }
}

impl File {
    fn read(root: &Path, path: String) -> anyhow::Result<Self> {
        let full = root.join(&path);
        let size_bytes = fs::metadata(&full)
            .with_context(|| format!("cannot stat {path}"))?
            .len();
        let mut file = Self {
            path,
            size_bytes,
            text: String::new(),
        };
        if file.is_rust() || file.is_manifest() {
            let bytes = fs::read(&full).with_context(|| format!("cannot read {}", file.path))?;
            file.text = String::from_utf8_lossy(&bytes).into_owned();
        }
        Ok(file)
    }

    pub(crate) fn is_rust(&self) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|extension| extension == "rs")
    }

    pub(crate) fn is_manifest(&self) -> bool {
        Path::new(&self.path)
            .file_name()
            .is_some_and(|name| name == "Cargo.toml")
    }

    /// Whether it holds nothing but tests.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.split('/').any(|part| part == "tests")
    }
}

/// Tracked files and new ones that are not ignored, or `None` when this is not a git checkout.
fn git_files(root: &Path) -> anyhow::Result<Option<Vec<String>>> {
    if !root.join(".git").exists() {
        return Ok(None);
    }
    let mut command = Command::new("git");
    command.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let output = command
        .current_dir(root)
        .output()
        .context("cannot start git")?;
    anyhow::ensure!(output.status.success(), "git ls-files failed");
    let listing = String::from_utf8(output.stdout).context("a path is not UTF-8")?;
    let paths = listing.split('\0').filter(|path| root.join(path).is_file());
    Ok(Some(paths.map(str::to_owned).collect()))
}

fn walk(root: &Path, dir: &str) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(root.join(dir)).with_context(|| format!("cannot list {dir:?}"))? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .ok()
            .context("a path is not UTF-8")?;
        let path = if dir.is_empty() {
            name.clone()
        } else {
            format!("{dir}/{name}")
        };
        let file_type = entry.file_type()?;
        if file_type.is_file() {
            paths.push(path);
        } else if file_type.is_dir() && !name.starts_with('.') && !GENERATED.contains(&&*name) {
            paths.extend(walk(root, &path)?);
        }
    }
    Ok(paths)
}
