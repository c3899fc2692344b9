//! The cells: which workloads there are, and how much each one does.

use std::path::PathBuf;
use std::time::Duration;

use super::calls::{self, Call};
use super::table::Table;
use super::{
    EngineArgs, append, compaction, group_commit, limits, producers, reads, recovery, tail,
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// How much a round does.
pub(crate) struct Effort {
    pub(crate) rounds: u32,
    /// Longest time of a side in a round.
    pub(crate) duration: Duration,
    /// Bytes appended by a side in a round, at most.
    pub(crate) appended_bytes: u64,
    /// Operations of a side in a round, at most.
    pub(crate) operations: u64,
    /// Bytes of logs that are read or recovered.
    pub(crate) log_bytes: u64,
    /// Longest time of a side in a round where tails are looked at.
    pub(crate) tail_duration: Duration,
    /// Where the logs are kept.
    pub(crate) dir: PathBuf,
}

impl Effort {
    pub(crate) fn of(args: &EngineArgs) -> Self {
        let (appended_bytes, operations, log_bytes) = if args.quick {
            (8 << 20, 300, 8 << 20)
        } else {
            (args.mib << 20, 200_000, args.log_mib << 20)
        };
        let duration = Duration::from_millis(args.round_ms);
        Self {
            rounds: args.rounds,
            duration,
            appended_bytes,
            operations,
            log_bytes,
            tail_duration: duration * 10,
            dir: args.dir.clone(),
        }
    }
}

/// When an append is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Written to the page cache.
    PageCache,
    /// On disk.
    Durable,
}

/// One workload with its parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell {
    /// Producers append batches to partitions in turn, each waiting for its own.
    Append {
        durability: Durability,
        batch_bytes: usize,
        partitions: usize,
        producers: usize,
    },
    /// Reads of the newest batches of a log.
    TailRead { read_bytes: usize },
    /// Reads anywhere in a cached log of several segments.
    CachedRead { read_bytes: usize },
    /// Reads of a whole log that is not cached, from its beginning to its end.
    ColdRead { read_bytes: usize },
    /// What others on the ring's thread wait while it appends without pause.
    Tail { batch_bytes: usize },
    /// Opening logs that were not closed.
    Recovery {
        batch_bytes: usize,
        partitions: usize,
    },
    /// Plain calls and operations of the ring, so many at a time.
    Calls { call: Call, bytes: usize },
    /// Durable appends at a fixed rate, on rings and on threads.
    Producers { batch_bytes: usize },
    /// Group commit by bare system calls, with as many producers.
    GroupCommit {
        batch_bytes: usize,
        producers: usize,
    },
    /// A round of the cleaner over keyed records.
    Compaction,
    /// What memory and CRC give.
    Memory { bytes: usize },
}

const SIZES: [usize; 5] = [200, KIB, 16 * KIB, 64 * KIB, MIB];

/// All cells, in the order they run.
pub(crate) fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for bytes in [KIB, 16 * KIB, 64 * KIB, MIB] {
        cells.push(Cell::Memory { bytes });
    }
    for durability in [Durability::PageCache, Durability::Durable] {
        for partitions in [1, 10, 100, 1000] {
            for producers in [1, 64] {
                for batch_bytes in SIZES {
                    cells.push(Cell::Append {
                        durability,
                        batch_bytes,
                        partitions,
                        producers,
                    });
                }
            }
        }
    }
    let reads = [KIB, 64 * KIB, MIB];
    cells.extend(reads.map(|read_bytes| Cell::TailRead { read_bytes }));
    cells.extend(reads.map(|read_bytes| Cell::CachedRead { read_bytes }));
    cells.push(Cell::Tail {
        batch_bytes: 64 * KIB,
    });
    cells.push(Cell::ColdRead { read_bytes: MIB });
    for (batch_bytes, partitions) in [(KIB, 1), (16 * KIB, 1), (MIB, 1), (16 * KIB, 100)] {
        cells.push(Cell::Recovery {
            batch_bytes,
            partitions,
        });
    }
    cells.push(Cell::Compaction);
    for call in [Call::Read, Call::Write] {
        cells.extend([KIB, 16 * KIB].map(|bytes| Cell::Calls { call, bytes }));
    }
    cells.push(Cell::Producers { batch_bytes: KIB });
    cells.push(Cell::GroupCommit {
        batch_bytes: KIB,
        producers: 64,
    });
    cells
}

/// How many rings appends come from: what is asked of the page cache is the cost of one.
fn rings(durability: Durability) -> usize {
    match durability {
        Durability::PageCache => 1,
        Durability::Durable => std::thread::available_parallelism().map_or(1, usize::from),
    }
}

/// `64k`, `1m`, `200`.
fn size_name(bytes: usize) -> String {
    match bytes {
        bytes if bytes % MIB == 0 => format!("{}m", bytes / MIB),
        bytes if bytes % KIB == 0 => format!("{}k", bytes / KIB),
        bytes => bytes.to_string(),
    }
}

impl Cell {
    /// The name, by whose parts cells are chosen.
    pub(crate) fn name(&self) -> String {
        match *self {
            Cell::Append {
                durability,
                batch_bytes,
                partitions,
                producers,
            } => {
                let durability = match durability {
                    Durability::PageCache => "page-cache",
                    Durability::Durable => "durable",
                };
                let size = size_name(batch_bytes);
                format!("append/{durability}/{size}/{partitions}p/{producers}c")
            }
            Cell::TailRead { read_bytes } => format!("tail-read/{}", size_name(read_bytes)),
            Cell::CachedRead { read_bytes } => format!("cached-read/{}", size_name(read_bytes)),
            Cell::Tail { batch_bytes } => format!("others/{}", size_name(batch_bytes)),
            Cell::ColdRead { read_bytes } => format!("cold-read/{}", size_name(read_bytes)),
            Cell::Recovery {
                batch_bytes,
                partitions,
            } => format!("recovery/{}/{partitions}p", size_name(batch_bytes)),
            Cell::Compaction => "compaction/1k".to_owned(),
            Cell::Calls { call, bytes } => {
                let call = match call {
                    Call::Read => "read",
                    Call::Write => "write",
                };
                format!("calls/{call}/{}", size_name(bytes))
            }
            Cell::Producers { batch_bytes } => format!("producers/{}", size_name(batch_bytes)),
            Cell::GroupCommit {
                batch_bytes,
                producers,
            } => format!("group-commit/{}/{producers}c", size_name(batch_bytes)),
            Cell::Memory { bytes } => format!("memory/{}", size_name(bytes)),
        }
    }

    /// Runs the rounds.
    ///
    /// # Errors
    /// The engine or a system call failed.
    pub(crate) fn measure(&self, effort: &Effort) -> anyhow::Result<Table> {
        let name = self.name();
        match *self {
            Cell::Append {
                durability,
                batch_bytes,
                partitions,
                producers,
            } => {
                let load = append::Load {
                    durability,
                    batch_bytes,
                    partitions,
                    producers,
                    rings: rings(durability),
                };
                append::measure(name, &load, effort)
            }
            Cell::TailRead { read_bytes } => {
                reads::measure(name, reads::Place::Tail, read_bytes, effort)
            }
            Cell::CachedRead { read_bytes } => {
                reads::measure(name, reads::Place::Anywhere, read_bytes, effort)
            }
            Cell::Tail { batch_bytes } => tail::measure(name, batch_bytes, effort),
            Cell::ColdRead { read_bytes } => reads::measure_cold(name, read_bytes, effort),
            Cell::Recovery {
                batch_bytes,
                partitions,
            } => recovery::measure(name, batch_bytes, partitions, effort),
            Cell::Compaction => compaction::measure(name, effort),
            Cell::Calls { call, bytes } => calls::measure(name, call, bytes, effort),
            Cell::Producers { batch_bytes } => producers::measure(name, batch_bytes, effort),
            Cell::GroupCommit {
                batch_bytes,
                producers,
            } => group_commit::measure(name, batch_bytes, producers, effort),
            Cell::Memory { bytes } => limits::measure_memory(name, bytes, effort),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_tell_the_parameters() {
        let mut names: Vec<_> = all().iter().map(Cell::name).collect();
        assert!(names.contains(&"append/durable/64k/1000p/64c".to_owned()));
        assert!(names.contains(&"append/page-cache/200/1p/1c".to_owned()));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
