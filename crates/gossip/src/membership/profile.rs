use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::log::Log;

/// Shorter delays come with every loaded machine, and no answer is given up for them: as long as a direct probe waits.
const PAUSE_THRESHOLD: Duration = Duration::from_millis(500);

/// The numbers a pool runs with, the agent's overrides of the libraries' defaults applied (`docs/spec/gossip.md` §10).
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Time for one exchange over a stream.
    pub tcp_timeout: Duration,
    /// Members asked to probe for us when a direct probe is not answered.
    pub indirect_checks: usize,
    /// A message is sent this × ⌈log10(nodes + 1)⌉ times.
    pub retransmit_mult: u32,
    /// Shortest suspicion is this × max(1, log10(nodes)) × `probe_interval`.
    pub suspicion_mult: u32,
    /// Longest suspicion, as a multiple of the shortest.
    pub suspicion_max_timeout_mult: u32,
    /// Between exchanges of full state, in pools of up to 32 nodes.
    pub push_pull_interval: Duration,
    /// Between probes.
    pub probe_interval: Duration,
    /// Before a direct probe counts as not answered.
    pub probe_timeout: Duration,
    /// Nodes gossiped to each `gossip_interval`.
    pub gossip_nodes: usize,
    /// Between rounds of gossip.
    pub gossip_interval: Duration,
    /// How long a dead node is still gossiped to, and remembered.
    pub gossip_to_the_dead: Duration,
    /// The local health score is below this.
    pub awareness_max: u32,
    /// A node dead for longer may come back from another address; zero: never.
    pub dead_reclaim: Duration,
    /// Bytes of one datagram, at most.
    pub udp_buffer: usize,
    /// Messages of one packet that wait to be handled, per priority.
    pub handoff_depth: usize,
    /// Between searches for members to forget.
    pub reap_interval: Duration,
    /// Between attempts to reach a failed member again.
    pub reconnect_interval: Duration,
    /// A failed member is forgotten after this.
    pub reconnect_timeout: Duration,
    /// A member that left is forgotten after this.
    pub tombstone_timeout: Duration,
    /// How long a leave waits for its broadcast.
    pub broadcast_timeout: Duration,
    /// How long a node that left stays, so that the others hear of it.
    pub leave_propagate_delay: Duration,
    /// An intent about an unknown member is remembered for this long.
    pub recent_intent: Duration,
    /// A member that failed less than this ago and is back flaps.
    pub flap_timeout: Duration,
    /// Between checks of the event layer's queues.
    pub queue_check_interval: Duration,
    /// A queue may always hold this many messages.
    pub min_queue_depth: usize,
    /// Queues longer than this are warned of.
    pub queue_warning: usize,
    /// Whether a probe that is not answered is also tried over a stream.
    pub tcp_pings: bool,
    /// Work that is done later than it was due by more than this shows that the process stood still: what it waited for
    /// meanwhile gets that time back. [`Duration::MAX`]: nothing ever does.
    pub pause_threshold: Duration,
}

impl Profile {
    /// For the pool of one datacenter.
    pub fn lan() -> Profile {
        Profile {
            tcp_timeout: Duration::from_secs(10),
            indirect_checks: 3,
            retransmit_mult: 4,
            suspicion_mult: 4,
            suspicion_max_timeout_mult: 6,
            push_pull_interval: Duration::from_secs(30),
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            gossip_nodes: 3,
            gossip_interval: Duration::from_millis(200),
            gossip_to_the_dead: Duration::from_secs(30),
            awareness_max: 8,
            dead_reclaim: Duration::from_secs(30),
            udp_buffer: 1400,
            handoff_depth: 1024,
            reap_interval: Duration::from_secs(15),
            reconnect_interval: Duration::from_secs(30),
            reconnect_timeout: Duration::from_secs(72 * 3600),
            tombstone_timeout: Duration::from_secs(24 * 3600),
            broadcast_timeout: Duration::from_secs(5),
            leave_propagate_delay: Duration::from_secs(3),
            recent_intent: Duration::from_secs(300),
            flap_timeout: Duration::from_secs(60),
            queue_check_interval: Duration::from_secs(30),
            min_queue_depth: 4096,
            queue_warning: 1_000_000,
            tcp_pings: true,
            pause_threshold: PAUSE_THRESHOLD,
        }
    }

    /// For the servers' pool across datacenters.
    pub fn wan() -> Profile {
        Profile {
            tcp_timeout: Duration::from_secs(30),
            suspicion_mult: 6,
            push_pull_interval: Duration::from_secs(60),
            probe_interval: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(3),
            gossip_interval: Duration::from_millis(500),
            gossip_to_the_dead: Duration::from_secs(60),
            ..Profile::lan()
        }
    }

    /// For pools on one machine.
    pub fn local() -> Profile {
        Profile {
            tcp_timeout: Duration::from_secs(1),
            indirect_checks: 1,
            retransmit_mult: 2,
            suspicion_mult: 3,
            push_pull_interval: Duration::from_secs(15),
            probe_timeout: Duration::from_millis(200),
            gossip_interval: Duration::from_millis(100),
            gossip_to_the_dead: Duration::from_secs(15),
            ..Profile::lan()
        }
    }
}

/// How the membership layer of one pool is set up.
#[derive(Debug, Clone)]
pub(crate) struct MembershipSettings {
    /// Our name in the pool.
    pub(crate) name: String,
    /// Where others reach us, over datagrams and streams.
    pub(crate) advertise: SocketAddr,
    /// Intervals and limits.
    pub(crate) profile: Profile,
    /// Whether plaintext is refused when there are keys.
    pub(crate) verify_incoming: bool,
    /// Whether to encrypt when there are keys.
    pub(crate) verify_outgoing: bool,
    /// Networks members may be in, as address and prefix length; empty: all.
    pub(crate) allowed: Vec<(IpAddr, u8)>,
    /// The pool's label; empty: none.
    pub(crate) label: String,
    /// Where lines go.
    pub(crate) log: Log,
}
