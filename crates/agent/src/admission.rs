//! Who may be a member of the datacenter's pool (`docs/spec/gossip.md` §18.4).

use std::collections::HashMap;

use gossip::{Admission, Member, Status};
use types::server_info::ServerInfo;

/// Builds older than this do not count when two members have the same ID.
const TRACKED_FROM: (u64, u64, u64) = (0, 8, 5);

/// The rules of a datacenter's pool.
pub struct LanAdmission {
    /// Name of the own node.
    pub node_name: String,
    /// ID of the own node.
    pub node_id: String,
    /// The datacenter, lower case.
    pub datacenter: String,
}

impl Admission for LanAdmission {
    fn admit(&self, candidates: &[Member], join: bool) -> Result<(), String> {
        let mut seen: HashMap<&str, &str> = HashMap::new();
        for candidate in candidates {
            let id = tag(candidate, "id");
            if join && candidate.status == Status::Left && !id.is_empty() {
                continue;
            }
            self.admit_one(candidate)?;
            if id.is_empty() {
                continue;
            }
            let name = &candidate.name;
            if let Some(other) = seen.get(id) {
                return Err(format!("Member '{name}' has conflicting node ID '{id}' with member '{other}'"));
            }
            if build(candidate) >= TRACKED_FROM {
                seen.insert(id, name);
            }
        }
        Ok(())
    }
}

impl LanAdmission {
    fn admit_one(&self, member: &Member) -> Result<(), String> {
        let (name, id) = (&member.name, tag(member, "id"));
        if id == self.node_id && !name.eq_ignore_ascii_case(&self.node_name) {
            return Err(format!("Member '{name}' has conflicting node ID '{id}' with this agent's ID"));
        }
        let datacenter = tag(member, "dc");
        let is_ours = match tag(member, "role") {
            "node" => datacenter == self.datacenter,
            _ => ServerInfo::from_tags(name, member.address, &member.tags)
                .is_none_or(|server| server.datacenter == self.datacenter),
        };
        if !is_ours {
            return Err(format!("Member '{name}' part of wrong datacenter '{datacenter}'"));
        }
        let partition = tag(member, "ap");
        if !partition.is_empty() {
            let reason = "Partitions are a Consul Enterprise feature";
            return Err(format!("Member '{name}' part of partition '{partition}'; {reason}"));
        }
        let segment = tag(member, "segment");
        if !segment.is_empty() {
            let reason = "Network Segments are a Consul Enterprise feature";
            return Err(format!("Member '{name}' part of segment '{segment}'; {reason}"));
        }
        Ok(())
    }
}

/// The rule of the pool of servers: servers only.
pub struct WanAdmission;

impl Admission for WanAdmission {
    fn admit(&self, candidates: &[Member], _join: bool) -> Result<(), String> {
        let is_server = |member: &Member| ServerInfo::from_tags(&member.name, member.address, &member.tags).is_some();
        match candidates.iter().find(|member| !is_server(member)) {
            None => Ok(()),
            Some(member) => Err(format!("Member '{}' is not a server", member.name)),
        }
    }
}

fn tag<'a>(member: &'a Member, name: &str) -> &'a str {
    member.tags.get(name).map_or("", String::as_str)
}

/// Major, minor and patch of the program a member runs; zeros if it does not say.
fn build(member: &Member) -> (u64, u64, u64) {
    let text = tag(member, "build");
    let version = text.split([':', '-', '+']).next().unwrap_or_default();
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use super::*;

    fn rules() -> LanAdmission {
        LanAdmission { node_name: "me".to_owned(), node_id: "id-me".to_owned(), datacenter: "dc1".to_owned() }
    }

    fn member(name: &str, tags: &[(&str, &str)]) -> Member {
        let mut all = BTreeMap::from([("role", "node"), ("dc", "dc1"), ("segment", ""), ("build", "1.14.2:0ba7a401")]);
        all.extend(tags.iter().copied());
        Member {
            name: name.to_owned(),
            address: Ipv4Addr::LOCALHOST.into(),
            port: 8301,
            tags: all.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            status: Status::Alive,
            vsn: [1, 5, 2, 2, 5, 4],
        }
    }

    #[test]
    fn the_first_rule_broken_is_told() {
        let table: [(&[(&str, &str)], &str); 5] = [
            (&[("id", "other")], ""),
            (&[("id", "id-me")], "Member 'x' has conflicting node ID 'id-me' with this agent's ID"),
            (&[("dc", "dc2")], "Member 'x' part of wrong datacenter 'dc2'"),
            (&[("ap", "a")], "Member 'x' part of partition 'a'; Partitions are a Consul Enterprise feature"),
            (&[("segment", "s")], "Member 'x' part of segment 's'; Network Segments are a Consul Enterprise feature"),
        ];
        for (tags, wanted) in table {
            let found = rules().admit(&[member("x", tags)], false).err().unwrap_or_default();
            assert_eq!(found, wanted, "{tags:?}");
        }
    }

    #[test]
    fn two_members_may_not_share_an_id() {
        let pair = [member("a", &[("id", "1")]), member("b", &[("id", "1")])];
        let error = rules().admit(&pair, true).unwrap_err();
        assert_eq!(error, "Member 'b' has conflicting node ID '1' with member 'a'");
        let old = [member("a", &[("id", "1"), ("build", "0.8.4:x")]), member("b", &[("id", "1")])];
        rules().admit(&old, true).unwrap();
    }

    #[test]
    fn who_left_is_not_judged_in_a_join() {
        let mut gone = member("x", &[("id", "2"), ("dc", "dc2")]);
        gone.status = Status::Left;
        rules().admit(std::slice::from_ref(&gone), true).unwrap();
        rules().admit(&[gone], false).unwrap_err();
    }

    #[test]
    fn the_own_name_in_other_case_is_no_conflict() {
        rules().admit(&[member("ME", &[("id", "id-me")])], true).unwrap();
    }

    #[test]
    fn the_pool_of_servers_takes_servers_only() {
        let error = WanAdmission.admit(&[member("x", &[])], true).unwrap_err();
        assert_eq!(error, "Member 'x' is not a server");
    }
}
