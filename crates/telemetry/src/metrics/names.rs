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
    counter("acl.blocked.service.registration", "Service registrations refused for want of permission."),
    counter("acl.blocked.service.deregistration", "Service deregistrations refused for want of permission."),
    counter("acl.blocked.check.registration", "Check registrations refused for want of permission."),
    counter("acl.blocked.check.deregistration", "Check deregistrations refused for want of permission."),
    counter("acl.blocked.node.registration", "Node registrations refused for want of permission."),
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
    // Server and Raft.
    gauge("server.isLeader", "1 on the leader, 0 on other servers."),
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
