//! The threads that run the clients of a load: each has a runtime of its own, so that clients never
//! wait for each other's locks and a core per thread is all they take.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ringbrook_client::producer::ProducerCounters;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::consuming::{self, Reader, TopicIndexes};
use super::producing::{self, LoadProducer, Producing};
use super::recorder::{GroupRecords, Interval, Recorder};
use super::workload::Workload;
use crate::process::{self, now};

/// What all threads have to know.
pub(crate) struct Plan {
    pub(crate) bootstrap: String,
    pub(crate) workload: Workload,
    pub(crate) topics: Vec<Arc<str>>,
    /// Prefix of the ids of groups.
    pub(crate) group_prefix: String,
    /// Of all producers together; closed loop without.
    pub(crate) records_per_s: Option<f64>,
    /// How long producers send.
    pub(crate) duration: Duration,
    pub(crate) threads_count: u32,
    /// Core of all threads.
    pub(crate) cpu: Option<usize>,
}

/// What a thread has to say.
enum Event {
    /// Its producers are connected.
    Ready,
    /// A producer has got all answers.
    ProducerEnded,
    Failed(anyhow::Error),
}

struct Shared {
    plan: Plan,
    indexes: Arc<TopicIndexes>,
    epoch: Arc<OnceLock<Instant>>,
    /// Producers begin when this is true.
    has_begun: watch::Sender<bool>,
    /// Consumers end when this is true.
    is_over: watch::Sender<bool>,
    producers: Mutex<Vec<LoadProducer>>,
    groups: Vec<Group>,
}

/// A group of consumers.
#[derive(Default)]
struct Group {
    records: GroupRecords,
    /// Partitions that members have, in sum.
    assigned_count: Arc<AtomicUsize>,
}

/// The clients of a load.
pub(crate) struct Crew {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    recorders: Vec<Recorder>,
    events: Receiver<Event>,
    ready_count: u32,
    ended_count: u32,
}

impl Crew {
    /// Starts all clients; producers wait for [`Crew::begin`].
    ///
    /// # Errors
    /// The machine has no threads left.
    pub(crate) fn start(plan: Plan) -> anyhow::Result<Self> {
        let groups = (0..plan.workload.consumer_groups).map(|_| Group::default());
        let shared = Arc::new(Shared {
            indexes: Arc::new(consuming::indexes(&plan.topics)),
            groups: groups.collect(),
            epoch: Arc::default(),
            has_begun: watch::Sender::new(false),
            is_over: watch::Sender::new(false),
            producers: Mutex::default(),
            plan,
        });
        let (sender, events) = channel();
        let mut crew = Self {
            recorders: Vec::new(),
            threads: Vec::new(),
            events,
            ready_count: 0,
            ended_count: 0,
            shared,
        };
        for index in 0..crew.shared.plan.threads_count {
            let recorder = Recorder::new(Arc::clone(&crew.shared.epoch));
            crew.recorders.push(recorder.clone());
            let (shared, events) = (Arc::clone(&crew.shared), sender.clone());
            let thread = std::thread::Builder::new().name(format!("load-{index}"));
            crew.threads.push(thread.spawn(move || {
                if let Err(error) = shared.run_thread(index, &recorder, &events) {
                    // The crew listens as long as it has threads.
                    events.send(Event::Failed(error)).unwrap_or_default();
                }
            })?);
        }
        Ok(crew)
    }

    /// Waits until producers are connected and groups have all partitions.
    ///
    /// # Errors
    /// A client failed, or it takes longer than `limit`.
    pub(crate) fn wait_ready(&mut self, limit: Duration) -> anyhow::Result<()> {
        let shared = Arc::clone(&self.shared);
        let plan = &shared.plan;
        let partitions = usize::try_from(plan.workload.partitions_per_topic)? * plan.topics.len();
        self.wait_until(limit, "clients to be ready", |crew| {
            let assigned = |group: &Group| group.assigned_count.load(Ordering::Relaxed);
            crew.ready_count == plan.threads_count
                && shared
                    .groups
                    .iter()
                    .all(|group| assigned(group) == partitions)
        })
    }

    /// Begins the load, now.
    pub(crate) fn begin(&self) -> Instant {
        let epoch = *self.shared.epoch.get_or_init(now);
        self.shared.has_begun.send_replace(true);
        epoch
    }

    /// Waits until `time` while the load goes on.
    ///
    /// # Errors
    /// A client failed.
    pub(crate) fn wait_for_time(&mut self, time: Instant) -> anyhow::Result<()> {
        while now() < time {
            self.take_event(time)?;
        }
        Ok(())
    }

    /// Waits until every producer has got all answers.
    ///
    /// # Errors
    /// A client failed, or it takes longer than `limit`.
    pub(crate) fn wait_for_producers(&mut self, limit: Duration) -> anyhow::Result<()> {
        let count = self.shared.plan.workload.producers;
        self.wait_until(limit, "answers", |crew| crew.ended_count == count)
    }

    /// Waits until every group has read `count` records, as long as it gets more.
    ///
    /// # Errors
    /// A client failed.
    pub(crate) fn wait_for_groups(&mut self, count: u64, silence: Duration) -> anyhow::Result<()> {
        let read = |crew: &Self| -> Vec<u64> {
            let groups = crew.shared.groups.iter();
            groups.map(|group| group.records.lock().count()).collect()
        };
        let mut last = read(self);
        let mut deadline = now() + silence;
        while last.iter().any(|it| *it < count) && now() < deadline {
            self.take_event(deadline)?;
            let current = read(self);
            if current != last {
                last = current;
                deadline = now() + silence;
            }
        }
        Ok(())
    }

    /// Ends consumers and waits for all threads.
    ///
    /// # Errors
    /// A client failed.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        self.shared.is_over.send_replace(true);
        for thread in self.threads.drain(..) {
            let panicked = |_| anyhow::anyhow!("a thread of the load panicked");
            thread.join().map_err(panicked)?;
        }
        while let Ok(event) = self.events.try_recv() {
            if let Event::Failed(error) = event {
                return Err(error);
            }
        }
        Ok(())
    }

    /// What all threads have done since the last call.
    pub(crate) fn take_interval(&self) -> Interval {
        let mut all = Interval::default();
        for recorder in &self.recorders {
            all.merge(&recorder.take_interval());
        }
        all
    }

    pub(crate) fn recorders(&self) -> &[Recorder] {
        &self.recorders
    }

    /// What each group has read.
    pub(crate) fn groups(&self) -> impl Iterator<Item = GroupRecords> + '_ {
        self.shared.groups.iter().map(|group| group.records.clone())
    }

    pub(crate) fn indexes(&self) -> Arc<TopicIndexes> {
        Arc::clone(&self.shared.indexes)
    }

    /// The counters of each producer.
    pub(crate) fn counters(&self) -> Vec<ProducerCounters> {
        self.shared
            .producers()
            .iter()
            .map(LoadProducer::counters)
            .collect()
    }

    fn wait_until(
        &mut self,
        limit: Duration,
        what: &str,
        mut is_so: impl FnMut(&Self) -> bool,
    ) -> anyhow::Result<()> {
        let deadline = now() + limit;
        while !is_so(self) {
            if deadline <= now() {
                bail!("waited {} s for {what}", limit.as_secs());
            }
            self.take_event(deadline)?;
        }
        Ok(())
    }

    /// Takes one event, or waits a moment for it.
    fn take_event(&mut self, deadline: Instant) -> anyhow::Result<()> {
        const MOMENT: Duration = Duration::from_millis(20);
        let left = deadline.saturating_duration_since(now()).min(MOMENT);
        match self.events.recv_timeout(left) {
            Ok(Event::Ready) => self.ready_count += 1,
            Ok(Event::ProducerEnded) => self.ended_count += 1,
            Ok(Event::Failed(error)) => return Err(error.context("a client of the load")),
            Err(RecvTimeoutError::Timeout) => {}
            // Threads without consumers end with their producers; whoever waits finds out in time.
            Err(RecvTimeoutError::Disconnected) => process::rest(left),
        }
        Ok(())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.is_over.send_replace(true);
    }
}

impl Deref for Shared {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.plan
    }
}

impl Shared {
    fn producers(&self) -> MutexGuard<'_, Vec<LoadProducer>> {
        self.producers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn run_thread(
        self: &Arc<Self>,
        index: u32,
        recorder: &Recorder,
        events: &Sender<Event>,
    ) -> anyhow::Result<()> {
        if let Some(cpu) = self.cpu {
            process::pin(cpu)?;
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            self.spawn_consumers(index, recorder, &mut tasks)?;
            self.spawn_producers(index, recorder, events, &mut tasks)
                .await?;
            events.send(Event::Ready).context("the crew is gone")?;
            while let Some(ended) = tasks.join_next().await {
                ended??;
            }
            Ok(())
        })
    }

    async fn spawn_producers(
        self: &Arc<Self>,
        thread: u32,
        recorder: &Recorder,
        events: &Sender<Event>,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        for index in (0..self.workload.producers).filter(|it| it % self.threads_count == thread) {
            let connected =
                producing::connect(&self.bootstrap, &self.workload, &self.topics, index);
            let producer = connected.await?;
            self.producers().push(producer.clone());
            let producing = Producing::new(
                producer,
                &self.workload,
                self.records_per_s,
                self.topics.clone(),
                index,
                recorder.clone(),
            )?;
            let (shared, events) = (Arc::clone(self), events.clone());
            tasks.spawn(async move {
                let mut begun = shared.has_begun.subscribe();
                begun.wait_for(|begun| *begun).await?;
                let epoch = *shared
                    .epoch
                    .get()
                    .context("a load that begins has a beginning")?;
                producing.run(epoch, shared.duration).await?;
                events
                    .send(Event::ProducerEnded)
                    .context("the crew is gone")
            });
        }
        Ok(())
    }

    fn spawn_consumers(
        self: &Arc<Self>,
        thread: u32,
        recorder: &Recorder,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let mut indexes = (0..self.threads_count).cycle();
        for (number, group) in self.groups.iter().enumerate() {
            let name = format!("{}-{number}", self.group_prefix);
            for _ in 0..self.workload.consumers_per_group {
                if indexes.next() != Some(thread) {
                    continue;
                }
                let member =
                    consuming::member(&self.bootstrap, &self.workload, &name, &self.topics)?;
                let reader = Reader {
                    topics: Arc::clone(&self.indexes),
                    records: group.records.clone(),
                    recorder: recorder.clone(),
                };
                let assigned = Arc::clone(&group.assigned_count);
                let is_over = self.is_over.subscribe();
                tasks.spawn(consuming::read_as_member(member, reader, assigned, is_over));
            }
        }
        Ok(())
    }
}
