//! `members` and the other commands about the agent's place in its cluster.

use std::cmp::Ordering;

use api::{AgentMember, MembersOptions, QueryOptions};
use filter::re2;

use super::{Command, Run};
use crate::client::{block_on, connect, write_options};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::help;
use crate::invocation::Invocation;
use crate::layout::columns;

/// The segment that stands for all of them.
const ALL_SEGMENTS: &str = "_all";
/// The exit code when no member is left after filtering.
const NO_MEMBERS_EXIT: i32 = 2;

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "force-leave",
        "Makes a failed member count as left",
        "[options] name",
        "Tells the cluster that a failed node will not come back, so that it is no longer waited for. A node that is alive \
         comes back by itself.",
        Run::Handler(force_leave),
    )
    .examples(&[
        ("Give a node up", "consul force-leave web-7"),
        ("And remove it from the list of members", "consul force-leave -prune web-7"),
    ])
    .groups(Groups::CP)
    .flags_of_its_own(&[
        Flag::bool("prune", "Remove the node from the list of members too."),
        Flag::bool("wan", "Act on the servers of other datacenters, named NODE.DATACENTER."),
    ]),
    Command::new(
        "info",
        "Prints what an agent knows about itself",
        "[options]",
        "Prints counters and state of each part of the agent: its build, Raft, gossip, runtime. Meant for reading when \
         something is wrong.",
        Run::Handler(info),
    )
    .examples(&[("Show it all", "consul info")])
    .groups(Groups::C),
    Command::new(
        "join",
        "Makes the agent join others",
        "[options] address ...",
        "Tells the agent to join the cluster that the given agents are members of. One that can be reached is enough.",
        Run::Handler(join),
    )
    .examples(&[
        ("Join a cluster", "consul join 10.0.0.5 10.0.0.6"),
        ("Connect the servers of two datacenters", "consul join -wan 198.51.100.7"),
    ])
    .groups(Groups::CP)
    .flags_of_its_own(&[Flag::bool("wan", "Join servers of another datacenter, over the WAN.")]),
    Command::new(
        "leave",
        "Makes the agent leave its cluster and stop",
        "[options]",
        "Makes the agent leave gracefully and shut down. A server that leaves no longer counts towards the quorum: use \
         SIGINT to restart one.",
        Run::Handler(leave),
    )
    .examples(&[("Leave", "consul leave")])
    .groups(Groups::C),
    Command::new(
        "members",
        "Lists the members of the agent's cluster",
        "[options]",
        "Lists the agents that gossip with this one, with address, status and role. The exit code is 2 when none matches.",
        Run::Handler(members),
    )
    .examples(&[
        ("All members", "consul members"),
        ("Those that failed", "consul members -status=failed"),
        ("The servers of every datacenter", "consul members -wan"),
    ])
    .groups(Groups::CP)
    .flags_of_its_own(&[
        Flag::bool("detailed", "Print every tag of each member."),
        Flag::bool("wan", "List the servers of all datacenters instead. Only servers know them."),
        Flag::text("status", "List only members whose status matches: none, alive, leaving, left, failed.")
            .hint("regexp")
            .defaults_to(".*"),
        Flag::text("segment", "List only members of this network segment (Enterprise).").defaults_to(ALL_SEGMENTS),
    ]),
    Command::new(
        "reload",
        "Makes the agent read its configuration again",
        "[options]",
        "Makes the agent read its configuration files again and apply what can be changed while it runs, as SIGHUP does.",
        Run::Handler(reload),
    )
    .examples(&[("Reload", "consul reload")])
    .groups(Groups::C),
];

fn force_leave(invocation: &Invocation<'_>) -> Outcome {
    let [node] = invocation.args.as_slice() else {
        return Err(Error::misused("A single node name must be specified to force leave."));
    };
    let values = &invocation.values;
    let agent = connect(invocation)?.agent();
    block_on(async {
        agent
            .force_leave(node, values.bool("prune"), values.bool("wan"), &write_options())
            .await
            .map_err(|e| Error::failed(format!("Error force leaving: {e}")))
    })
}

fn join(invocation: &Invocation<'_>) -> Outcome {
    if invocation.args.is_empty() {
        return Err(Error::misused("At least one address to join must be specified."));
    }
    let wan = invocation.values.bool("wan");
    let agent = connect(invocation)?.agent();
    block_on(async {
        let mut joined = 0usize;
        for address in &invocation.args {
            match agent.join(address, wan, &write_options()).await {
                Ok(()) => joined += 1,
                Err(e) => invocation.terminal.complain(format!("Error joining address '{address}': {e}")),
            }
        }
        if joined == 0 {
            return Err(Error::failed("Failed to join any nodes."));
        }
        invocation.terminal.say(format!("Successfully joined cluster by contacting {joined} nodes."));
        Ok(())
    })
}

fn info(invocation: &Invocation<'_>) -> Outcome {
    let agent = connect(invocation)?.agent();
    block_on(async {
        let answer = agent
            .self_info(&QueryOptions::new())
            .await
            .map_err(|e| Error::failed(format!("Error querying agent: {e}")))?;
        let Some(stats) = answer.stats else {
            return Err(Error::failed("Agent response did not contain 'Stats' key"));
        };
        for (part, values) in stats {
            invocation.terminal.say(format!("{part}:"));
            for (name, value) in values {
                invocation.terminal.say(format!("\t{name} = {value}"));
            }
        }
        Ok(())
    })
}

fn leave(invocation: &Invocation<'_>) -> Outcome {
    if !invocation.args.is_empty() {
        let args = invocation.args.join(" ");
        invocation.terminal.complain(format!("Error found unexpected args: [{args}]"));
        invocation.terminal.say(help::command(invocation.command));
        return Err(Error::Exit(1));
    }
    let agent = connect(invocation)?.agent();
    block_on(async {
        agent.leave(&write_options()).await.map_err(|e| Error::failed(format!("Error leaving: {e}")))?;
        invocation.terminal.say("Graceful leave complete");
        Ok(())
    })
}

fn reload(invocation: &Invocation<'_>) -> Outcome {
    let agent = connect(invocation)?.agent();
    block_on(async {
        agent.reload(&write_options()).await.map_err(|e| Error::failed(format!("Error reloading: {e}")))?;
        invocation.terminal.say("Configuration reload triggered");
        Ok(())
    })
}

fn members(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    let status = re2::compile(values.text("status"))
        .map_err(|e| Error::failed(format!("Failed to compile status regexp: {e}")))?;
    let segment = values.text("segment");
    let agent = connect(invocation)?.agent();
    block_on(async {
        let mut wanted = MembersOptions::new().segment(segment);
        if values.bool("wan") {
            wanted = wanted.wan();
        }
        let found = agent
            .members(&wanted, &QueryOptions::new())
            .await
            .map_err(|e| Error::failed(format!("Error retrieving members: {e}")))?;
        let mut members: Vec<Member> = found
            .into_iter()
            .map(|member| Member::new(member, segment))
            .filter(|member| status.is_match(member.status))
            .collect();
        if members.is_empty() {
            return Err(Error::Exit(NO_MEMBERS_EXIT));
        }
        members.sort_by(Member::order);
        let table = if values.bool("detailed") { detailed(&members) } else { standard(&members) };
        invocation.terminal.say(columns(&table));
        Ok(())
    })
}

/// A member with the tags that the table rewrites.
struct Member {
    agent: AgentMember,
    status: &'static str,
    partition: String,
    segment: String,
}

impl Member {
    fn new(mut agent: AgentMember, wanted_segment: &str) -> Member {
        let tag = |name: &str| agent.tags.get(name).cloned().unwrap_or_default();
        let partition = if tag("ap").is_empty() { "default".to_string() } else { tag("ap") };
        let segment = match (partition.as_str(), tag("segment")) {
            ("default", segment) if segment.is_empty() => {
                let everywhere = wanted_segment == ALL_SEGMENTS && tag("role") == "consul";
                if everywhere { "<all>".to_string() } else { "<default>".to_string() }
            }
            ("default", segment) => segment,
            _ => String::new(),
        };
        agent.tags.insert("ap".to_string(), partition.clone());
        agent.tags.insert("segment".to_string(), segment.clone());
        let status = agent.status().map_or("invalid", api::MemberStatus::as_str);
        Member { agent, status, partition, segment }
    }

    fn tag(&self, name: &str) -> &str {
        self.agent.tags.get(name).map_or("", String::as_str)
    }

    fn is_server(&self) -> bool {
        self.tag("role") == "consul"
    }

    /// Servers first, then by partition with the default one first, then by segment and name.
    fn order(&self, other: &Member) -> Ordering {
        let key = |m: &Member| (!m.is_server(), m.partition != "default", m.partition.clone(), m.segment.clone());
        key(self).cmp(&key(other)).then_with(|| self.agent.name.cmp(&other.agent.name))
    }

    fn address(&self) -> String {
        let (address, port) = (&self.agent.addr, self.agent.port);
        if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
    }
}

fn standard(members: &[Member]) -> Vec<Vec<String>> {
    let header = ["Node", "Address", "Status", "Type", "Build", "Protocol", "DC", "Partition", "Segment"];
    let mut rows = vec![header.map(str::to_string).to_vec()];
    for member in members {
        let kind = match member.tag("role") {
            "node" => "client",
            "consul" => "server",
            _ => "unknown",
        };
        let mut row = vec![member.agent.name.clone(), member.address(), member.status.to_string(), kind.to_string()];
        if kind == "unknown" {
            row.extend(std::iter::repeat_n(String::new(), header.len() - row.len()));
        } else {
            let build = member.agent.tags.get("build").map_or("< 0.3", |b| b.split(':').next().unwrap_or(b));
            let rest = [build, member.tag("vsn"), member.tag("dc"), &member.partition, &member.segment];
            row.extend(rest.map(str::to_string));
        }
        rows.push(row);
    }
    rows
}

fn detailed(members: &[Member]) -> Vec<Vec<String>> {
    let mut rows = vec![["Node", "Address", "Status", "Tags"].map(str::to_string).to_vec()];
    for member in members {
        let tags: Vec<String> = member.agent.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        rows.push(vec![member.agent.name.clone(), member.address(), member.status.to_string(), tags.join(",")]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, tags: &[(&str, &str)]) -> Member {
        let tags = tags.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let agent = AgentMember {
            name: name.to_string(),
            addr: "::1".to_string(),
            port: 8301,
            tags,
            status_code: 1,
            ..AgentMember::default()
        };
        Member::new(agent, ALL_SEGMENTS)
    }

    #[test]
    fn the_table_has_roles_builds_and_segments() {
        let server = member("s1", &[("role", "consul"), ("build", "1.14.2:abc"), ("vsn", "2"), ("dc", "dc1")]);
        let client = member("a|b", &[("role", "node"), ("vsn", "2"), ("dc", "dc1"), ("segment", "x")]);
        let other = member("z", &[]);
        assert_eq!(
            columns(&standard(&[server, client, other])),
            "Node  Address     Status  Type     Build   Protocol  DC   Partition  Segment\n\
             s1    [::1]:8301  alive   server   1.14.2  2         dc1  default    <all>\n\
             a|b   [::1]:8301  alive   client   < 0.3   2         dc1  default    x\n\
             z     [::1]:8301  alive   unknown                                    "
        );
    }

    #[test]
    fn servers_of_the_default_partition_come_first() {
        let mut members = [
            member("c", &[("role", "node")]),
            member("b", &[("role", "consul"), ("ap", "other")]),
            member("z", &[("role", "consul")]),
            member("a", &[("role", "consul")]),
        ];
        members.sort_by(Member::order);
        assert_eq!(members.map(|m| m.agent.name), ["a", "z", "b", "c"]);
    }

    #[test]
    fn details_show_the_rewritten_tags() {
        let rows = detailed(&[member("s", &[("role", "consul"), ("ap", "")])]);
        assert_eq!(rows[1][3], "ap=default,role=consul,segment=<all>");
    }
}
