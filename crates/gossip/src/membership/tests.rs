//! A membership layer without network or clock: what it is told, and what it does about it.

mod exchange;
mod packet;
mod pause;
mod probe;
mod state;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::keyring::Keyring;
use crate::log::Logs;
use crate::wire::{self, Alive, Dead, Kind, Suspect, Versions, encode};

const META: &[u8] = b"meta";

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The address of a node by the last byte of its address; ours is 100.
fn at(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 8301))
}

/// An upper layer that notes what it hears.
#[derive(Default)]
struct Notes {
    heard: Vec<String>,
    refusal: Option<String>,
    broadcasts: Vec<Bytes>,
}

impl Upper for Notes {
    fn admit(&mut self, candidates: &[Candidate], join: bool) -> Result<(), String> {
        if join {
            self.heard.push(format!("admit {}", candidates.len()));
        }
        self.refusal.clone().map_or(Ok(()), Err)
    }

    fn joined(&mut self, node: &Node, _now: Time) {
        self.heard.push(format!("joined {}", node.name));
    }

    fn left(&mut self, node: &Node, _now: Time) {
        self.heard.push(format!("left {} {:?}", node.name, node.state));
    }

    fn updated(&mut self, node: &Node, _now: Time) {
        self.heard.push(format!("updated {}", node.name));
    }

    fn conflict(&mut self, known: &Node, claimed: SocketAddr, _now: Time) {
        self.heard.push(format!("conflict {} {claimed}", known.name));
    }

    fn user_message(&mut self, message: &[u8], _now: Time) {
        self.heard.push(format!("message {}", String::from_utf8_lossy(message)));
    }

    fn local_state(&mut self, _join: bool) -> Vec<u8> {
        b"upper".to_vec()
    }

    fn merge_remote_state(&mut self, state: &[u8], join: bool, _now: Time) {
        self.heard.push(format!("merge {} {join}", String::from_utf8_lossy(state)));
    }

    fn broadcasts(&mut self, _overhead: usize, _limit: usize, _nodes: usize) -> Vec<Bytes> {
        std::mem::take(&mut self.broadcasts)
    }

    fn ack_payload(&mut self) -> Vec<u8> {
        b"payload".to_vec()
    }

    fn ping_completed(&mut self, node: &Node, rtt: Duration, payload: &[u8]) {
        let payload = String::from_utf8_lossy(payload);
        self.heard.push(format!("rtt {} {} {payload}", node.name, rtt.as_millis()));
    }
}

/// A pool as one node sees it.
struct Pool {
    membership: Membership,
    up: Notes,
    now: Time,
}

impl Pool {
    /// A started pool of ours alone, in which nothing is heard or sent yet.
    fn new() -> Pool {
        Pool::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut MembershipSettings)) -> Pool {
        let mut settings = MembershipSettings {
            name: "own".to_owned(),
            advertise: at(100),
            profile: Profile::lan(),
            verify_incoming: true,
            verify_outgoing: true,
            allowed: Vec::new(),
            label: String::new(),
            log: Logs::default().memberlist,
        };
        // Tests let time pass without doing what was due meanwhile.
        settings.profile.pause_threshold = Duration::MAX;
        change(&mut settings);
        let meta = Bytes::from_static(META);
        let membership = Membership::new(settings, meta, Arc::new(Keyring::default()), 1, Time::ZERO);
        let mut pool = Pool { membership, up: Notes::default(), now: Time::ZERO };
        pool.membership.start(pool.now, &mut pool.up);
        pool.membership.broadcasts.prune(0);
        pool.up.heard.clear();
        pool
    }

    /// A pool in which these nodes are alive, at addresses 1, 2, and so on.
    fn of(names: &[&str]) -> Pool {
        let mut pool = Pool::new();
        for (name, host) in names.iter().zip(1..) {
            pool.alive(name, host, 1);
        }
        pool.membership.broadcasts.prune(0);
        pool.up.heard.clear();
        pool
    }

    fn packet(&mut self, message: Vec<u8>) {
        self.membership.packet(at(200), &message, self.now, &mut self.up);
    }

    fn alive(&mut self, name: &str, host: u8, incarnation: u32) {
        self.packet(encode(Kind::Alive, &alive(name, host, incarnation)));
    }

    fn suspect(&mut self, name: &str, incarnation: u32, from: &str) {
        self.packet(encode(Kind::Suspect, &accused(name, incarnation, from)));
    }

    fn dead(&mut self, name: &str, incarnation: u32, from: &str) {
        self.packet(encode(Kind::Dead, &accused(name, incarnation, from)));
    }

    /// Lets time pass, with every tick when it is due.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.membership.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.membership.tick(self.now, &mut self.up);
        }
        self.now = end;
    }

    /// Lets time pass in which nothing is done but what suspicions need.
    fn pass_quietly(&mut self, time: Duration) {
        self.now += time;
        self.membership.expire_suspicions(self.now, &mut self.up);
    }

    fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.up.heard)
    }

    fn state(&self, name: &str) -> Option<(NodeState, u32)> {
        self.membership.node(name).map(|node| (node.state, node.incarnation))
    }

    /// What waits to be gossiped, as type bytes.
    fn queued(&mut self) -> Vec<u8> {
        let messages = self.membership.broadcasts.take(2, 100_000, 1);
        self.membership.broadcasts.prune(0);
        messages.iter().filter_map(|message| message.first().copied()).collect()
    }

    fn effects(&mut self) -> Vec<MembershipEffect> {
        std::iter::from_fn(|| self.membership.poll()).collect()
    }

    /// All messages sent since the last call, each with its receiver.
    fn sent(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut sent = Vec::new();
        for effect in self.effects() {
            if let MembershipEffect::Send { to, packet } = effect {
                let message = self.membership.pipeline.open_packet(&packet).unwrap().into_owned();
                flatten(to, &message, &mut sent);
            }
        }
        sent
    }

    /// Those of them of one kind.
    fn sent_of(&mut self, kind: Kind) -> Vec<(SocketAddr, Vec<u8>)> {
        self.sent().into_iter().filter(|(_, message)| message.first() == Some(&(kind as u8))).collect()
    }
}

fn flatten(to: SocketAddr, message: &[u8], out: &mut Vec<(SocketAddr, Vec<u8>)>) {
    match message.split_first() {
        Some((7, body)) => wire::parts(body).unwrap().for_each(|part| flatten(to, part, out)),
        Some((9, body)) => flatten(to, &wire::decompress(body, 1 << 16).unwrap(), out),
        _ => out.push((to, message.to_vec())),
    }
}

fn alive(name: &str, host: u8, incarnation: u32) -> Alive<'_> {
    Alive {
        addr: at(host).ip().into(),
        incarnation,
        meta: META.into(),
        node: name.into(),
        port: at(host).port(),
        vsn: Versions::all(OWN_VERSIONS),
    }
}

fn accused<'a>(name: &'a str, incarnation: u32, from: &'a str) -> Suspect<'a> {
    Dead { from: from.into(), incarnation, node: name.into() }
}

const ALIVE: u8 = Kind::Alive as u8;
const SUSPECT: u8 = Kind::Suspect as u8;
const DEAD: u8 = Kind::Dead as u8;
