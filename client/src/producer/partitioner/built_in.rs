//! The partition for records without a key: one after the other is stuck to for about a batch, and
//! those with short queues come more often (KIP-794; Kafka's `BuiltInPartitioner`). Pure: who calls
//! holds the lock and brings the queues' lengths.

use fastrand::Rng;

use crate::metadata::TopicMetadata;

/// How many batches wait for one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionQueue {
    /// The partition's index.
    pub partition: i32,
    /// How many batches wait for it.
    pub batches_count: u32,
}

/// Chooses partitions for one topic's records without keys.
#[derive(Debug)]
pub struct BuiltInPartitioner {
    /// How much goes to a partition before the next one's turn: `batch.size`.
    sticky_bytes: usize,
    sticky: Option<Sticky>,
    load: Vec<Share>,
    random: Rng,
}

#[derive(Debug, Clone, Copy)]
struct Sticky {
    partition: i32,
    produced_bytes: usize,
}

/// A partition's share of the random numbers: those from the share before up to below `end`.
#[derive(Debug, Clone, Copy)]
struct Share {
    partition: i32,
    end: u64,
}

impl BuiltInPartitioner {
    /// For a topic, with `batch.size`. Every random choice comes from `random`.
    #[must_use]
    pub fn new(batch_size: usize, random: Rng) -> Self {
        Self {
            sticky_bytes: batch_size.max(1),
            sticky: None,
            load: Vec::new(),
            random,
        }
    }

    /// The partition for the next record, the same until [`BuiltInPartitioner::update`] switches.
    /// Nothing when the topic has no partitions.
    pub fn partition(&mut self, topic: &TopicMetadata) -> Option<i32> {
        if let Some(sticky) = self.sticky
            && topic.partition(sticky.partition).is_some()
        {
            return Some(sticky.partition);
        }
        let partition = self.choose(topic)?;
        self.sticky = Some(Sticky {
            partition,
            produced_bytes: 0,
        });
        Some(partition)
    }

    /// After `appended_bytes` were appended to the partition that [`BuiltInPartitioner::partition`]
    /// gave. The next one's turn comes at `batch.size` bytes if `is_switch_allowed`: that is, if
    /// the batch appended to is full, so that no batch goes out half empty just because another
    /// partition's turn has come. At twice as many bytes it comes in any case.
    pub fn update(
        &mut self,
        topic: &TopicMetadata,
        appended_bytes: usize,
        is_switch_allowed: bool,
    ) {
        let Some(sticky) = &mut self.sticky else {
            return;
        };
        sticky.produced_bytes = sticky.produced_bytes.saturating_add(appended_bytes);
        let produced_bytes = sticky.produced_bytes;
        let is_switching = (self.sticky_bytes <= produced_bytes && is_switch_allowed)
            || self.sticky_bytes.saturating_mul(2) <= produced_bytes;
        if is_switching {
            self.sticky = self.choose(topic).map(|partition| Sticky {
                partition,
                produced_bytes: 0,
            });
        }
    }

    /// Takes in how long queues are, for `partitioner.adaptive.partitioning.enable`. `queues` are
    /// those of partitions that have a leader and whose leader takes requests
    /// (`partitioner.availability.timeout.ms`); `is_complete` says that the latter left none out.
    ///
    /// A partition's share is inverse to its queue: queues of 0, 3 and 1 batches get 4, 1 and 3
    /// parts of 8.
    pub fn update_load(&mut self, queues: &[PartitionQueue], is_complete: bool) {
        self.load.clear();
        let longest = queues.iter().map(|queue| queue.batches_count).max();
        let shortest = queues.iter().map(|queue| queue.batches_count).min();
        // All alike: every partition is as good as the others.
        if longest == shortest && is_complete {
            return;
        }
        let most = u64::from(longest.unwrap_or_default()) + 1;
        let mut end = 0;
        for queue in queues {
            end += most - u64::from(queue.batches_count);
            self.load.push(Share {
                partition: queue.partition,
                end,
            });
        }
    }

    fn choose(&mut self, topic: &TopicMetadata) -> Option<i32> {
        if let Some(last) = self.load.last() {
            let number = self.random.u64(..last.end);
            let index = self.load.partition_point(|share| share.end <= number);
            let chosen = self.load.get(index).map(|share| share.partition);
            // Shares may be older than the metadata.
            if let Some(partition) = chosen.filter(|it| topic.partition(*it).is_some()) {
                return Some(partition);
            }
        }
        let available = || topic.partitions.iter().filter(|it| it.leader.is_some());
        let partition = match available().count() {
            0 => self.random.choice(&topic.partitions)?,
            count => available().nth(self.random.usize(..count))?,
        };
        Some(partition.partition)
    }
}
