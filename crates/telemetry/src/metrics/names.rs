//! Every metric this build has (`docs/spec/server-operations.md` §17.4).
//!
//! To add a metric, add a row here and record it where it happens. A metric that has no row works too, but Prometheus
//! then sees it only once it was touched, and without an explanation.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A value that goes up and down.
    Gauge,
    /// A number of events.
    Counter,
    /// Values whose distribution matters, mostly times in milliseconds.
    Sample,
}

/// What is known of a metric in advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Name without prefix.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Whether Prometheus sees it, at zero, before it was touched.
    pub declared: bool,
    /// Whether it is shown a second time under its older name with `consul.` in front.
    pub doubled: bool,
    /// What it says, for Prometheus.
    pub help: &'static str,
}

impl Metric {
    const fn new(kind: Kind, name: &'static str, help: &'static str) -> Metric {
        Metric { name, kind, declared: true, doubled: false, help }
    }

    const fn undeclared(self) -> Metric {
        Metric { declared: false, ..self }
    }

    const fn doubled(self) -> Metric {
        Metric { doubled: true, ..self }
    }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric::new(Kind::Gauge, name, help)
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric::new(Kind::Counter, name, help)
}

const fn sample(name: &'static str, help: &'static str) -> Metric {
    Metric::new(Kind::Sample, name, help)
}

/// The row of a metric, if it has one.
pub fn find(kind: Kind, name: &str) -> Option<&'static Metric> {
    TABLE.iter().find(|metric| metric.name == name && metric.kind == kind)
}

/// Every metric, by subject. Labels stand in brackets.
pub static TABLE: &[Metric] = &[
    // Agent.
    gauge("version", "Version of the agent, as labels [version, pre_release]."),
    sample("api.http", "Milliseconds an HTTP request took [method, path]."),
    sample("dns.domain_query", "Milliseconds a DNS query for a name took [node]."),
    sample("dns.ptr_query", "Milliseconds a reverse DNS query took [node]."),
    counter("dns.stale_queries", "DNS answers that were more than five seconds behind the leader."),
    counter("dns.dropped_queries", "DNS queries that were dropped because too many were under way.").undeclared(),
    counter("acl.blocked.service.registration", "Service registrations refused for want of permission."),
    counter("acl.blocked.service.deregistration", "Service deregistrations refused for want of permission."),
    counter("acl.blocked.check.registration", "Check registrations refused for want of permission."),
    counter("acl.blocked.check.deregistration", "Check deregistrations refused for want of permission."),
    counter("acl.blocked.node.registration", "Node registrations refused for want of permission."),
    counter("cache.bypass", "Cached reads for which the agent's cache had no room.").doubled(),
    counter("cache.evict_expired", "Entries of the agent's cache that nobody had asked for for long.").doubled(),
    gauge("cache.entries_count", "Entries of the agent's cache.").doubled(),
    counter("cache.fetch_success", "Answers the agent's cache got of servers [result_not_modified].").doubled(),
    counter("cache.fetch_error", "Answers the agent's cache asked servers for in vain [fatal].").doubled(),
    // Calls of a client to its servers.
    counter("client.rpc", "Calls of servers."),
    counter("client.rpc.exceeded", "Calls that were refused because there were too many."),
    counter("client.rpc.failed", "Calls that failed, however often they were tried [server]."),
    // Catalog and health.
    sample("catalog.register", "Milliseconds a catalog registration took."),
    sample("catalog.deregister", "Milliseconds a catalog deregistration took."),
    counter("catalog.service.query", "Catalog queries for a service [service]."),
    counter("catalog.service.query-tag", "Catalog queries for a service with one tag [service, tag]."),
    counter("catalog.service.query-tags", "Catalog queries for a service with tags [service, tags]."),
    counter("catalog.service.not-found", "Catalog queries for a service that found nothing [service]."),
    counter("catalog.connect.query", "Catalog queries for a service in the mesh [service]."),
    counter("catalog.connect.query-tag", "Catalog queries for a service in the mesh with one tag [service, tag]."),
    counter("catalog.connect.query-tags", "Catalog queries for a service in the mesh with tags [service, tags]."),
    counter("catalog.connect.not-found", "Catalog queries for a service in the mesh that found nothing [service]."),
    counter("health.service.query", "Health queries for a service [service].").undeclared(),
    counter("health.service.query-tag", "Health queries for a service with one tag [service, tag].").undeclared(),
    counter("health.service.query-tags", "Health queries for a service with tags [service, tags].").undeclared(),
    counter("health.service.not-found", "Health queries for a service that found nothing [service].").undeclared(),
    counter("health.connect.query", "Health queries for a service in the mesh [service].").undeclared(),
    counter("health.connect.query-tag", "Health queries in the mesh with one tag [service, tag].").undeclared(),
    counter("health.connect.query-tags", "Health queries in the mesh with tags [service, tags].").undeclared(),
    counter("health.connect.not-found", "Health queries in the mesh that found nothing [service].").undeclared(),
    counter("health.ingress.query", "Health queries for ingress gateways of a service [service].").undeclared(),
    counter("health.ingress.query-tag", "Health queries for ingress with one tag [service, tag].").undeclared(),
    counter("health.ingress.query-tags", "Health queries for ingress with tags [service, tags].").undeclared(),
    counter("health.ingress.not-found", "Health queries for ingress that found nothing [service].").undeclared(),
    // Keys, sessions, prepared queries.
    sample("kvs.apply", "Milliseconds a write to the key/value store took."),
    sample("txn.apply", "Milliseconds a transaction that writes took."),
    sample("txn.read", "Milliseconds a transaction that only reads took."),
    sample("session.apply", "Milliseconds it took to make or end a session."),
    sample("session.renew", "Milliseconds it took to renew a session."),
    sample("prepared-query.apply", "Milliseconds a write of a prepared query took."),
    sample("prepared-query.explain", "Milliseconds it took to explain a prepared query."),
    sample("prepared-query.execute", "Milliseconds it took to run a prepared query."),
    // Calls that a server answers.
    counter("rpc.accept_conn", "Connections accepted at the server port."),
    counter("rpc.raft_handoff", "Connections of those that are Raft's."),
    counter("rpc.request", "Calls that came over the network."),
    counter("rpc.request_error", "Streams of calls that ended in an error."),
    counter("rpc.query", "Reads, those that wait for a change too."),
    gauge("rpc.queries_blocking", "Reads that wait for a change."),
    sample("rpc.consistentRead", "Milliseconds until a consistent read might be answered."),
    // Server and Raft.
    gauge("server.isLeader", "1 on the leader, 0 on other servers."),
    sample("leader.barrier", "Milliseconds until a new leader had applied all there was before."),
    sample("leader.reconcile", "Milliseconds it took to compare all members with the catalog."),
    sample("leader.reconcileMember", "Milliseconds it took to compare one member with the catalog."),
    sample("leader.reapTombstones", "Milliseconds it took to forget tombstones of keys."),
    gauge("autopilot.healthy", "1 if every server is healthy, else 0; only on servers.").undeclared(),
    gauge("autopilot.failure_tolerance", "Voters that may be lost, as servers see it; only on servers.").undeclared(),
    counter("raft.state.leader", "How often this server became leader."),
    counter("raft.state.candidate", "How often this server stood for election."),
    counter("raft.state.follower", "How often this server became a follower.").undeclared(),
    counter("raft.apply", "Commands proposed to the replicated log."),
    gauge("raft.applied_index", "Index of the last command applied."),
    gauge("raft.last_index", "Index of the last entry of the log."),
    gauge("raft.peers", "Servers of the Raft configuration.").undeclared(),
    sample("raft.commitTime", "Milliseconds from a proposal to its commit, on the leader."),
    // The state machine, command by command.
    sample("fsm.register", "Milliseconds it took to apply a catalog registration."),
    sample("fsm.deregister", "Milliseconds it took to apply a catalog deregistration."),
    sample("fsm.kvs", "Milliseconds it took to apply a write of a key [op]."),
    sample("fsm.session", "Milliseconds it took to apply a session command [op]."),
    sample("fsm.tombstone", "Milliseconds it took to forget tombstones [op]."),
    sample("fsm.coordinate.batch-update", "Milliseconds it took to apply network coordinates."),
    sample("fsm.prepared-query", "Milliseconds it took to apply a write of a prepared query [op]."),
    sample("fsm.txn", "Milliseconds it took to apply a transaction."),
    sample("fsm.autopilot", "Milliseconds it took to apply a change of Autopilot's configuration."),
    sample("fsm.ca", "Milliseconds it took to apply a command of the mesh's certificate authority [op].").doubled(),
    sample("fsm.system_metadata", "Milliseconds it took to apply a change of the cluster's own metadata [op]."),
    sample("fsm.persist", "Milliseconds it took to write the state to a snapshot."),
    // What the state holds.
    gauge("state.nodes", "Nodes in the catalog [datacenter].").doubled(),
    gauge("state.services", "Names of services in the catalog [datacenter].").doubled(),
    gauge("state.service_instances", "Instances of services in the catalog [datacenter].").doubled(),
    gauge("state.connect_instances", "Instances of services in the mesh [datacenter, kind].").doubled(),
    gauge("state.kv_entries", "Keys in the key/value store [datacenter].").doubled(),
    gauge("members.servers", "Servers that are alive, as gossip has it [datacenter].").doubled(),
    gauge("members.clients", "Client agents that are alive, as gossip has it [datacenter].").doubled(),
    // Gossip: who answers. All of it by [network], lan or wan.
    counter("memberlist.msg.alive", "Messages of nodes that are alive [network].").undeclared(),
    counter("memberlist.msg.suspect", "Messages of nodes that do not answer [network].").undeclared(),
    counter("memberlist.msg.dead", "Messages of nodes that are gone [network].").undeclared(),
    counter("memberlist.degraded.probe", "Probes of this node while it was unwell itself [network].").undeclared(),
    counter("memberlist.degraded.timeout", "Nodes declared dead without enough confirmations [network].").undeclared(),
    counter("memberlist.tcp.accept", "Streams accepted [network].").undeclared(),
    counter("memberlist.tcp.connect", "Streams opened [network].").undeclared(),
    counter("memberlist.tcp.sent", "Bytes sent on streams [network].").undeclared(),
    counter("memberlist.udp.sent", "Bytes sent in datagrams [network].").undeclared(),
    counter("memberlist.udp.received", "Bytes received in datagrams [network].").undeclared(),
    gauge("memberlist.health.score", "How unwell this node seems to itself: 0 is well [network].").undeclared(),
    gauge("memberlist.node.instances", "Nodes known [network, node_state].").undeclared(),
    gauge("memberlist.size.local", "Bytes of this node's state when it was last sent [network].").undeclared(),
    sample("memberlist.size.remote", "Bytes of other nodes' states [network].").undeclared(),
    sample("memberlist.probeNode", "Milliseconds a probe of a node took [network].").undeclared(),
    sample("memberlist.gossip", "Milliseconds it took to put a round of gossip together [network].").undeclared(),
    sample("memberlist.pushPullNode", "Milliseconds an exchange of state took [network].").undeclared(),
    sample("memberlist.queue.broadcasts", "Messages that wait to be passed on [network].").undeclared(),
    // Gossip: members, events and queries.
    counter("serf.member.join", "Members that joined [network].").undeclared(),
    counter("serf.member.left", "Members that left [network].").undeclared(),
    counter("serf.member.failed", "Members that failed [network].").undeclared(),
    counter("serf.member.update", "Members that changed what they say of themselves [network].").undeclared(),
    counter("serf.member.flap", "Members that failed and were back soon [network].").undeclared(),
    counter("serf.events", "User events; each name has a counter of its own, too [network].").undeclared(),
    counter("serf.queries", "Queries; each name has a counter of its own, too [network].").undeclared(),
    counter("serf.query_acks", "Acknowledgements of queries of this node [network].").undeclared(),
    counter("serf.query_duplicate_acks", "Those that came once more [network].").undeclared(),
    counter("serf.query_responses", "Answers to queries of this node [network].").undeclared(),
    counter("serf.query_duplicate_responses", "Those that came once more [network].").undeclared(),
    sample("serf.msgs.sent", "Bytes of each message passed on [network].").undeclared(),
    sample("serf.msgs.received", "Bytes of each message received [network].").undeclared(),
    sample("serf.queue.Intent", "Words of members that wait to be passed on [network].").undeclared(),
    sample("serf.queue.Event", "User events that wait to be passed on [network].").undeclared(),
    sample("serf.queue.Query", "Queries that wait to be passed on [network].").undeclared(),
    sample("serf.snapshot.appendLine", "Milliseconds it took to append to the snapshot [network].").undeclared(),
    sample("serf.snapshot.compact", "Milliseconds it took to write the snapshot anew [network].").undeclared(),
    sample("serf.coordinate.adjustment-ms", "Milliseconds each round trip moved this node by [network].").undeclared(),
    counter("serf.coordinate.rejected", "Coordinates of others that could not be used [network].").undeclared(),
    counter("serf.coordinate.zero-rtt", "Round trips that took no time at all [network].").undeclared(),
    // The process.
    gauge("runtime.num_goroutines", "Tasks that are alive.").undeclared(),
    gauge("runtime.alloc_bytes", "Memory that was allocated and is resident.").undeclared(),
    gauge("runtime.sys_bytes", "Resident memory, files that are mapped included.").undeclared(),
    gauge("runtime.total_gc_pause_ns", "Always 0: there is no garbage collector.").undeclared(),
    gauge("runtime.total_gc_runs", "Always 0: there is no garbage collector.").undeclared(),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_is_the_only_one_of_its_name() {
        let mut names = BTreeSet::new();
        for metric in TABLE {
            assert!(names.insert(metric.name), "{} is there twice", metric.name);
            assert!(!metric.help.is_empty(), "{} says nothing", metric.name);
            assert!(!metric.name.starts_with("consul."), "{} brings the prefix", metric.name);
            assert_eq!(find(metric.kind, metric.name), Some(metric));
        }
        assert_eq!(find(Kind::Counter, "kvs.apply"), None, "another kind is another metric");
    }
}
