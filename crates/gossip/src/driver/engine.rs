//! The task that owns a pool's socket and drives its core: what comes in goes to the core, what the core wants is done.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use net::Datagrams;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::keyring_file::Change;
use super::metrics::Metrics;
use super::sleep_until;
use super::streams::{Exchange, Streams};
use super::subscribers::Subscribers;
use crate::log::Logs;
use crate::snapshot::SnapshotRecord;
use crate::{Command, CommandId, Core, Effect, Event, ExchangeId, Input, Member, Outcome, SaveId, StreamId, Time};

/// Longest datagram there can be, bytes.
const DATAGRAM_BYTES: usize = 65_536;
/// Datagrams taken from the socket before anything else gets its turn.
const BURST_DATAGRAMS: usize = 64;
/// Pause after the socket could not be read.
const RECEIVE_PAUSE: Duration = Duration::from_millis(5);
/// Between readings of what is measured, not counted.
const OBSERVE_INTERVAL: Duration = Duration::from_secs(10);

/// What others ask of the task.
pub(super) enum Request {
    /// Someone wants something done.
    Command { command: Command, reply: oneshot::Sender<Outcome>, turn: OwnedSemaphorePermit },
    /// A node opened a stream and sent a frame.
    Stream { id: StreamId, from: SocketAddr, frame: Bytes, answer: oneshot::Sender<Option<Bytes>> },
    /// The answer did not reach that node.
    StreamBroken(StreamId),
    /// An exchange of this node ended.
    Exchanged { id: ExchangeId, reply: Result<Bytes, String> },
    /// The keyring file was written, or not.
    KeyringSaved { id: SaveId, result: Result<(), String> },
}

/// The members as they are now, for everybody.
pub(super) type Members = Arc<Vec<Arc<Member>>>;

pub(super) struct Engine {
    pub(super) core: Arc<Mutex<Core>>,
    /// Zero point of the core's time.
    pub(super) started: Instant,
    pub(super) socket: Arc<dyn Datagrams>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) streams: Arc<Streams>,
    pub(super) subscribers: Arc<Subscribers>,
    pub(super) members: watch::Sender<Members>,
    pub(super) lost: watch::Sender<Option<String>>,
    pub(super) snapshot: Option<mpsc::Sender<SnapshotRecord>>,
    pub(super) keyring: Option<mpsc::Sender<Change>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) logs: Logs,
    pub(super) stopping: CancellationToken,
    pub(super) work: Work,
}

/// What is under way.
#[derive(Default)]
pub(super) struct Work {
    last_command: u64,
    commands: HashMap<CommandId, (oneshot::Sender<Outcome>, OwnedSemaphorePermit)>,
    answers: HashMap<StreamId, oneshot::Sender<Option<Bytes>>>,
    effects: VecDeque<Effect>,
    /// For the core, from the work itself.
    inputs: VecDeque<Input>,
    /// The socket is left alone until then.
    deaf_until: Option<Instant>,
    dropped_records: u64,
}

impl Engine {
    /// Runs until the pool stops.
    pub(super) async fn run(mut self) {
        let stopping = self.stopping.clone();
        stopping.run_until_cancelled(self.serve()).await;
        for effect in std::mem::take(&mut self.work.effects) {
            if let Effect::Record(record) = effect {
                self.record(record);
            }
        }
        self.subscribers.close();
    }

    async fn serve(&mut self) {
        let socket = self.socket.clone();
        let mut buffer = vec![0; DATAGRAM_BYTES];
        let mut observing = tokio::time::interval(OBSERVE_INTERVAL);
        observing.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.collect();
        loop {
            self.perform().await;
            let due = self.core.lock().deadline().map(|deadline| self.started + deadline);
            tokio::select! {
                received = socket.receive(&mut buffer), if self.work.deaf_until.is_none() => {
                    self.take(received, &buffer);
                    self.perform().await;
                    self.take_waiting(&socket, &mut buffer).await;
                }
                () = sleep_until(due) => {
                    // After a pause, answers that are there must not count as missing.
                    self.take_waiting(&socket, &mut buffer).await;
                    self.handle(Input::Tick);
                }
                Some(request) = self.requests.recv() => self.heed(request),
                () = sleep_until(self.work.deaf_until) => self.work.deaf_until = None,
                _ = observing.tick() => self.observe(),
            }
        }
    }

    /// Takes the datagrams that are there already, each with all it leads to, but not without end.
    async fn take_waiting(&mut self, socket: &Arc<dyn Datagrams>, buffer: &mut [u8]) {
        for _ in 0..BURST_DATAGRAMS {
            if self.work.deaf_until.is_some() {
                return;
            }
            let received = tokio::select! {
                biased;
                received = socket.receive(buffer) => received,
                () = std::future::ready(()) => return,
            };
            self.take(received, buffer);
            self.perform().await;
        }
    }

    fn take(&mut self, received: io::Result<(usize, SocketAddr)>, buffer: &[u8]) {
        match received {
            Ok((length, from)) => self.take_datagram(from, buffer.get(..length).unwrap_or_default()),
            Err(error) => {
                self.logs.memberlist.error(format_args!("memberlist: Error reading UDP packet: {error}"));
                self.work.deaf_until = Some(Instant::now() + RECEIVE_PAUSE);
            }
        }
    }

    fn take_datagram(&mut self, from: SocketAddr, data: &[u8]) {
        self.metrics.udp_received.add(data.len() as f64);
        if !data.is_empty() {
            self.handle(Input::Packet { from, data: Bytes::copy_from_slice(data) });
        }
    }

    fn heed(&mut self, request: Request) {
        match request {
            Request::Command { command, reply, turn } => {
                self.work.last_command += 1;
                let id = CommandId(self.work.last_command);
                self.work.commands.insert(id, (reply, turn));
                self.handle(Input::Command { id, command });
            }
            Request::Stream { id, from, frame, answer } => {
                self.work.answers.insert(id, answer);
                self.handle(Input::StreamRequest { id, from, frame });
            }
            Request::StreamBroken(id) => self.handle(Input::StreamBroken { id }),
            Request::Exchanged { id, reply } => self.handle(Input::ExchangeReply { id, reply }),
            Request::KeyringSaved { id, result } => self.handle(Input::KeyringSaved { id, result }),
        }
    }

    fn handle(&mut self, input: Input) {
        let now: Time = self.started.elapsed();
        let measures = {
            let mut core = self.core.lock();
            core.handle(input, now);
            core.take_measures()
        };
        self.metrics.add(&measures, self.started.elapsed().saturating_sub(now));
        self.collect();
    }

    /// Takes over what the core wants. Members are published first: who is told of an event finds them changed.
    fn collect(&mut self) {
        let core = self.core.clone();
        let mut core = core.lock();
        let mut changed = false;
        while let Some(effect) = core.poll() {
            match effect {
                Effect::MembersChanged => changed = true,
                effect => self.work.effects.push_back(effect),
            }
        }
        if changed {
            self.members.send_replace(Arc::new(core.members()));
        }
    }

    /// Does what the core wants, in its order.
    async fn perform(&mut self) {
        loop {
            while let Some(effect) = self.work.effects.pop_front() {
                self.perform_one(effect).await;
            }
            self.subscribers.tell_missed();
            let Some(input) = self.work.inputs.pop_front() else { return };
            self.handle(input);
        }
    }

    async fn perform_one(&mut self, effect: Effect) {
        match effect {
            Effect::Send { to, packet } => self.send(to, &packet).await,
            Effect::Exchange { id, to, frame, wants_reply, timeout } => {
                if !self.streams.make(Exchange { id, to, frame, wants_reply, deadline: timeout }) {
                    let reply = Err("too many exchanges at a time".to_owned());
                    self.work.inputs.push_back(Input::ExchangeReply { id, reply });
                }
            }
            Effect::StreamReply { id, frame } => {
                let answer = self.work.answers.remove(&id);
                // Whoever asked may have gone meanwhile.
                if answer.is_some_and(|answer| answer.send(frame).is_err()) {
                    self.work.inputs.push_back(Input::StreamBroken { id });
                }
            }
            Effect::Event(event) => self.tell(&event),
            Effect::Record(record) => self.record(record),
            Effect::SaveKeyring { id, keys } => self.save(id, keys),
            Effect::Done { id, outcome } => {
                if let Some((reply, _turn)) = self.work.commands.remove(&id) {
                    // Whoever asked may have gone meanwhile.
                    let _told = reply.send(outcome);
                }
            }
            Effect::MembersChanged => {}
            Effect::Stopped { reason } => {
                self.lost.send_replace(Some(reason));
                self.stopping.cancel();
            }
        }
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) {
        match self.socket.send(to, packet).await {
            Ok(()) => self.metrics.udp_sent.add(packet.len() as f64),
            Err(error) => {
                self.logs.memberlist.debug(format_args!("memberlist: Failed to send UDP packet to={to}: {error}"));
            }
        }
    }

    fn tell(&self, event: &Event) {
        self.metrics.count(event);
        self.subscribers.publish(event);
    }

    fn record(&mut self, record: SnapshotRecord) {
        let Some(records) = &self.snapshot else { return };
        if records.try_send(record).is_err() {
            self.work.dropped_records += 1;
            if self.work.dropped_records.is_power_of_two() {
                self.logs.serf.warn(format_args!(
                    "serf: Snapshot file is not written fast enough, {} records dropped",
                    self.work.dropped_records
                ));
            }
        }
    }

    fn save(&mut self, id: SaveId, keys: Vec<Vec<u8>>) {
        let change = Change { id, keys: keys.into() };
        let result = match &self.keyring {
            // Without a file there is nothing to wait for.
            None => Ok(()),
            Some(changes) => match changes.try_send(change) {
                Ok(()) => return,
                Err(_) => Err("too many changes of the keyring at a time".to_owned()),
            },
        };
        self.work.inputs.push_back(Input::KeyringSaved { id, result });
    }

    fn observe(&self) {
        let figures = self.core.lock().figures();
        self.metrics.observe(&figures);
    }
}
