//! Damaged log dirs: the table `fixtures/damages.txt` is done line by line to a directory that
//! Kafka wrote, and the open must keep, cut and report what the table says.

use std::fs;
use std::path::Path;

use super::content::{broken_batches, lines};
use super::log_dir::TestDir;

const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
const MARKER: &str = ".kafka_cleanshutdown";

/// One entry of the table.
#[derive(Debug, Default)]
struct Damage {
    name: String,
    archive: String,
    partition: String,
    edits: Vec<Vec<String>>,
    end: i64,
    cut_bytes: u64,
    are_producers_changed: bool,
    /// Base offset of a batch whose damage the open does not look for.
    left_broken: Option<i64>,
}

fn damages() -> Vec<Damage> {
    let table = include_str!("../fixtures/damages.txt");
    let mut damages: Vec<Damage> = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "damage" {
            damages.push(Damage {
                name: rest.to_owned(),
                ..Damage::default()
            });
            continue;
        }
        let Some(damage) = damages.last_mut() else {
            continue;
        };
        match word {
            "" | "kafka-differs" => {}
            "of" => {
                let (archive, partition) = rest.split_once(' ').unwrap();
                (damage.archive, damage.partition) = (archive.to_owned(), partition.to_owned());
            }
            "end" => damage.end = rest.parse().unwrap(),
            "cuts" => damage.cut_bytes = rest.parse().unwrap(),
            "damage-stays" => damage.left_broken = Some(rest.parse().unwrap()),
            "producers-change" => damage.are_producers_changed = true,
            _ => damage
                .edits
                .push(line.splitn(3, ' ').map(str::to_owned).collect()),
        }
    }
    damages
}

impl Damage {
    fn apply(&self, dir: &TestDir) {
        for edit in &self.edits {
            let words: Vec<&str> = edit.iter().map(String::as_str).collect();
            if let ["recovery-point", offset] = words[..] {
                self.set_recovery_point(dir.path(), offset);
                continue;
            }
            let file = dir.partition(&self.partition).join(words[1]);
            match words[..] {
                ["flip", _, position] => {
                    let mut bytes = fs::read(&file).unwrap();
                    bytes[position.parse::<usize>().unwrap()] ^= 1;
                    fs::write(file, bytes).unwrap();
                }
                ["cut", _, length] => set_len(&file, |_| length.parse().unwrap()),
                ["zeros", _, count] => set_len(&file, |len| len + count.parse::<u64>().unwrap()),
                ["text", _, text] => fs::write(file, text.replace("\\n", "\n")).unwrap(),
                ["copy", _, to] => {
                    fs::copy(&file, file.with_file_name(to)).unwrap();
                }
                ["move", _, to] => fs::rename(&file, file.with_file_name(to)).unwrap(),
                ["remove", _] => fs::remove_file(file).unwrap(),
                _ => panic!("{words:?} in {}", self.name),
            }
        }
    }

    fn set_recovery_point(&self, log_dir: &Path, offset: &str) {
        let path = log_dir.join(RECOVERY_POINTS);
        let (topic, number) = self.partition.rsplit_once('-').unwrap();
        let own = format!("{topic} {number} ");
        let text = fs::read_to_string(&path).unwrap();
        let of = |line: &str| match line.starts_with(&own) {
            true => format!("{own}{offset}\n"),
            false => format!("{line}\n"),
        };
        fs::write(path, text.lines().map(of).collect::<String>()).unwrap();
    }

    /// What must be there afterwards: the undamaged lines below the end.
    fn expected(&self, dir: &TestDir) -> Vec<String> {
        let intact = dir.expected().remove(&self.partition).unwrap();
        let is_kept = |line: &String| {
            let offset = |index| line.split(' ').nth(index).unwrap().parse::<i64>().unwrap();
            match line.split(' ').next().unwrap() {
                "record" | "committed" => offset(1) < self.end,
                "producer" => !self.are_producers_changed,
                _ => false,
            }
        };
        intact.into_iter().filter(is_kept).collect()
    }

    fn check(&self) {
        let dir = TestDir::unpack_only(&self.archive, &self.partition);
        let expected = self.expected(&dir);
        assert!(!expected.is_empty());
        self.apply(&dir);
        let opened = dir.open();
        let log = opened.log(&self.partition);
        assert_eq!(opened.summary.truncated_bytes, self.cut_bytes, "bytes cut");
        assert_eq!(log.offsets().log_end, self.end, "log end offset");
        let broken: Vec<i64> = self.left_broken.into_iter().collect();
        assert_eq!(broken_batches(&log), broken, "batches with a wrong crc");
        if broken.is_empty() {
            let is_compared = |line: &String| {
                line.starts_with("record ")
                    || line.starts_with("committed ")
                    || line.starts_with("producer ") && !self.are_producers_changed
            };
            let mut found = lines(&log, &dir.partition(&self.partition));
            found.retain(is_compared);
            assert_eq!(found, expected);
        }
        drop(log);
        opened.manager.shutdown().unwrap();
        drop(opened);
        assert!(dir.path().join(MARKER).exists());
        let again = dir.open();
        assert!(again.summary.is_clean);
        assert_eq!(
            again.summary.recovered_segments, 0,
            "a second open is clean"
        );
        assert_eq!(again.log(&self.partition).offsets().log_end, self.end);
        let left = dir.files(&self.partition, &[".deleted", ".cleaned", ".swap", ".tmp"]);
        assert!(left.is_empty(), "left behind: {:?}", left.keys());
    }
}

fn set_len(file: &Path, len: impl Fn(u64) -> u64) {
    let file = fs::File::options().write(true).open(file).unwrap();
    file.set_len(len(file.metadata().unwrap().len())).unwrap();
}

#[test]
fn damaged_directories_keep_what_is_whole() {
    let damages = damages();
    assert!(20 < damages.len(), "the table is read");
    let failed: Vec<_> = damages
        .iter()
        .filter(|damage| std::panic::catch_unwind(|| damage.check()).is_err())
        .map(|damage| &damage.name)
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
