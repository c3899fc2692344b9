//! `rbk install-links DIR`: links by the names of Kafka's scripts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Context, Failure, Tool};

/// Makes `kafka-topics`, `kafka-topics.sh` and so on in `dir`, all of them links to `program`.
/// Links are replaced, files are not.
pub(super) fn install(
    tools: &[Tool],
    dir: &Path,
    program: &Path,
    context: &mut Context,
) -> Result<(), Failure> {
    let failed = |path: &Path, error: io::Error| {
        Failure::Message(format!("cannot make {}: {error}", path.display()))
    };
    fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    let names = tools
        .iter()
        .flat_map(|tool| [tool.link_name(), format!("{}.sh", tool.link_name())]);
    let paths: Vec<PathBuf> = names.map(|name| dir.join(name)).collect();
    for path in &paths {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_symlink() => {
                return Err(Failure::Message(format!(
                    "{} is there already and no link: move it away, or choose another directory",
                    path.display()
                )));
            }
            _ => {}
        }
    }
    for path in &paths {
        if path.is_symlink() {
            fs::remove_file(path).map_err(|error| failed(path, error))?;
        }
        std::os::unix::fs::symlink(program, path).map_err(|error| failed(path, error))?;
        context.line(path.display())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::ALL;

    fn install_into(dir: &Path) -> Result<(), Failure> {
        let mut context = Context::new(Box::new(io::sink()), Box::new(io::sink()));
        install(ALL, dir, Path::new("/opt/rbk"), &mut context)
    }

    #[test]
    fn links_are_made_and_made_again() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            install_into(dir.path()).unwrap();
        }
        for name in ["kafka-cluster", "kafka-cluster.sh"] {
            let target = fs::read_link(dir.path().join(name)).unwrap();
            assert_eq!(target, Path::new("/opt/rbk"));
        }
    }

    #[test]
    fn a_file_is_not_replaced_and_nothing_is_made_then() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("kafka-cluster.sh");
        fs::write(&script, "kafka's own").unwrap();
        let error = install_into(dir.path()).unwrap_err().to_string();
        assert!(error.contains("is there already and no link"), "{error}");
        assert_eq!(fs::read_to_string(&script).unwrap(), "kafka's own");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
