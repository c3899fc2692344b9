//! The fake cluster as tests hold it: scripts, nodes, topics, and what was asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringbrook_protocol::messages::ApiKey;
use ringbrook_protocol::{Request, ResponseError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use super::connector::FakeConnector;
use super::groups::Groups;
use super::metadata::{Node, NodeState, Nodes};
use super::reply::Prepared;
use super::script::{Handler, Script};
use super::topics::Topics;
use super::{Asked, ErrorAnswer, Reply, serving};
use crate::config::ClientConfig;
use crate::net::{Connector, HostPort};

/// How long a test waits for what must happen before it fails.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a test looks again for what the fake cluster cannot see.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A cluster of brokers in this process. All handles are the same cluster.
#[derive(Clone)]
pub(crate) struct FakeCluster {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    /// Changes with every request that comes, every append and every change of a node.
    events: watch::Sender<u64>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) script: Script,
    pub(super) nodes: Nodes,
    pub(super) topics: Topics,
    pub(super) groups: Groups,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self) {
        self.events.send_modify(|count| *count += 1);
    }

    pub(super) fn events(&self) -> watch::Receiver<u64> {
        self.events.subscribe()
    }

    /// What to do with a request: by the script, or as the fake does by itself.
    pub(super) fn reply_to(&self, asked: &Asked) -> Prepared {
        let handler = self.lock().script.note(asked);
        self.tell();
        handler.map_or_else(Prepared::builtin, |handler| {
            let mut handler = handler.lock().unwrap_or_else(PoisonError::into_inner);
            handler(asked)
        })
    }
}

impl FakeCluster {
    /// Brokers with the ids 0 to `nodes_count - 1`; 0 is the controller. Must be called within a
    /// tokio runtime.
    pub(crate) fn new(nodes_count: i32) -> Self {
        let mut state = State::default();
        for id in 0..nodes_count {
            state.nodes.add(id);
        }
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                events: watch::Sender::new(0),
            }),
        }
    }

    /// Connects to the brokers by their names `node-0:9092` and so on.
    pub(crate) fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(FakeConnector::new(Arc::clone(&self.shared)))
    }

    /// Kafka's defaults, with all brokers as bootstrap servers.
    pub(crate) fn client_config(&self) -> ClientConfig {
        ClientConfig {
            bootstrap_servers: self.addresses(),
            client_id: "test".to_owned(),
            ..ClientConfig::default()
        }
    }

    /// Where the brokers are, by id.
    pub(crate) fn addresses(&self) -> Vec<HostPort> {
        let state = self.shared.lock();
        let nodes = state.nodes.all();
        nodes.map(|(_, node)| node.address.clone()).collect()
    }

    /// Puts all brokers behind TCP, for tests with a real connector. Addresses change.
    pub(crate) async fn listen(&self) {
        let ids: Vec<_> = self.shared.lock().nodes.all().map(|(id, _)| id).collect();
        for id in ids {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            self.with_node(id, |node| {
                node.address = HostPort {
                    host: "127.0.0.1".to_owned(),
                    port,
                };
            });
            tokio::spawn(serving::accept(Arc::clone(&self.shared), id, listener));
        }
    }

    fn with_node<T>(&self, id: i32, change: impl FnOnce(&mut Node) -> T) -> T {
        let mut state = self.shared.lock();
        let changed = change(state.nodes.node_mut(id));
        drop(state);
        self.shared.tell();
        changed
    }

    /// The broker refuses connections, and those it has end. Metadata goes on listing it.
    pub(crate) fn stop_node(&self, id: i32) {
        self.with_node(id, |node| node.state = NodeState::Refusing);
        self.drop_connections(id);
    }

    /// The broker lets connections wait for ever; those it has end.
    pub(crate) fn freeze_node(&self, id: i32) {
        self.with_node(id, |node| node.state = NodeState::Silent);
        self.drop_connections(id);
    }

    /// The broker accepts connections again.
    pub(crate) fn start_node(&self, id: i32) {
        self.with_node(id, |node| node.state = NodeState::Up);
    }

    /// Metadata lists the broker no longer.
    pub(crate) fn unregister_node(&self, id: i32) {
        self.with_node(id, |node| node.is_registered = false);
    }

    /// Connections to the broker end; it accepts new ones.
    pub(crate) fn drop_connections(&self, id: i32) {
        self.with_node(id, |node| node.incarnation.send_modify(|count| *count += 1));
    }

    /// How many connections the broker has now.
    pub(crate) fn connections_count(&self, id: i32) -> usize {
        self.shared.lock().nodes.node_mut(id).connections_count
    }

    /// When connections to the broker were attempted, also refused ones.
    pub(crate) fn connection_attempts(&self, id: i32) -> Vec<Instant> {
        self.shared.lock().nodes.node_mut(id).attempts.clone()
    }

    /// The broker serves these versions of an API from now on; none when `max` is below `min`.
    pub(crate) fn serve(&self, api: ApiKey, min: i16, max: i16) {
        self.shared.lock().nodes.serve(api, min, max);
    }

    /// Finalizes a feature at a level, such as `transaction.version`.
    pub(crate) fn finalize_feature(&self, name: &str, level: i16) {
        self.shared.lock().nodes.finalize_feature(name, level);
    }

    /// Every group and transactional id is coordinated by this node from now on; 0 at first.
    pub(crate) fn move_coordinator(&self, node: i32) {
        self.shared.lock().groups.coordinator = node;
    }

    /// Looks at or changes topics.
    pub(crate) fn topics<T>(&self, look: impl FnOnce(&mut Topics) -> T) -> T {
        let looked = look(&mut self.shared.lock().topics);
        self.shared.tell();
        looked
    }

    /// Creates a topic whose partitions are led by the brokers in turn.
    pub(crate) fn create_topic(&self, name: &str, partitions_count: i32) {
        let nodes = self.shared.lock().nodes.ids();
        self.topics(|topics| topics.create(name, partitions_count, &nodes));
    }

    /// Replies to the next request of this kind that no earlier reply was laid down for.
    pub(crate) fn next<R: Request>(
        &self,
        reply: impl FnOnce(&Asked, R) -> Reply<R> + Send + 'static,
    ) {
        self.add_step(None, reply);
    }

    /// As [`FakeCluster::next`], at one broker.
    pub(crate) fn next_at<R: Request>(
        &self,
        node: i32,
        reply: impl FnOnce(&Asked, R) -> Reply<R> + Send + 'static,
    ) {
        self.add_step(Some(node), reply);
    }

    /// The next request of this kind is answered with an error, wherever the answer has a place for
    /// it; nothing is done at the broker.
    pub(crate) fn next_error<R: ErrorAnswer>(&self, error: ResponseError)
    where
        R::Response: Send + 'static,
    {
        self.next::<R>(move |asked, request| {
            Reply::answer(request.error_answer(asked.version, error.code()))
        });
    }

    fn add_step<R: Request>(
        &self,
        node: Option<i32>,
        reply: impl FnOnce(&Asked, R) -> Reply<R> + Send + 'static,
    ) {
        let mut reply = Some(reply);
        let handler: Handler = Box::new(move |asked| {
            let reply = reply.take().expect("a step is taken once");
            reply(asked, asked.request()).into_prepared()
        });
        self.shared.lock().script.add_step(R::KEY, node, handler);
    }

    /// Replies to all requests of this kind for which no single reply was laid down.
    pub(crate) fn on<R: Request>(
        &self,
        mut reply: impl FnMut(&Asked, R) -> Reply<R> + Send + 'static,
    ) {
        let handler: Handler = Box::new(move |asked| reply(asked, asked.request()).into_prepared());
        self.shared.lock().script.set_handler(R::KEY, handler);
    }

    /// How many single replies nobody has asked for yet.
    pub(crate) fn steps_left_count(&self) -> usize {
        self.shared.lock().script.steps_count()
    }

    /// All requests so far, of all kinds, in the order they came in.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.lock().script.asked.clone()
    }

    /// The requests of one kind so far, in the order they came in.
    pub(crate) fn requests<R: Request>(&self) -> Vec<(Asked, R)> {
        let asked = self.asked().into_iter();
        let of_kind = asked.filter(|asked| asked.api as i16 == R::KEY);
        of_kind
            .map(|asked| (asked.clone(), asked.request()))
            .collect()
    }

    /// Waits until at least so many requests of one kind have come, and returns all of them.
    ///
    /// # Panics
    /// They do not come.
    pub(crate) async fn received<R: Request>(&self, count: usize) -> Vec<(Asked, R)> {
        self.until(&format!("{count} requests"), || {
            let requests = self.requests::<R>();
            (count <= requests.len()).then_some(requests)
        })
        .await
    }

    /// Waits until something is there, in the fake cluster or at its clients.
    ///
    /// # Panics
    /// It does not come.
    pub(crate) async fn until<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.until_for(PATIENCE, what, look).await
    }

    /// As [`FakeCluster::until`], with another patience than usual: for paused clocks.
    ///
    /// # Panics
    /// It does not come.
    pub(crate) async fn until_for<T>(
        &self,
        patience: Duration,
        what: &str,
        mut look: impl FnMut() -> Option<T>,
    ) -> T {
        let mut events = self.shared.events();
        let deadline = Instant::now() + patience;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "waited for {what} in vain");
            // Time that is up is a reason to look, too.
            tokio::time::timeout(LOOK_EVERY, events.changed())
                .await
                .ok();
        }
    }
}
