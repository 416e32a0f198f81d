//! The rows of every group, and the ways to look among them.

use super::*;

const GROUPS: &[&[Command]] = &[
    acl::COMMANDS,
    acl_auth_method::COMMANDS,
    acl_binding_rule::COMMANDS,
    acl_policy::COMMANDS,
    acl_role::COMMANDS,
    acl_token::COMMANDS,
    agent::COMMANDS,
    catalog::COMMANDS,
    config::COMMANDS,
    connect::COMMANDS,
    connect_envoy::COMMANDS,
    debug::COMMANDS,
    event::COMMANDS,
    exec::COMMANDS,
    intention::COMMANDS,
    keyring::COMMANDS,
    kv::COMMANDS,
    lock::COMMANDS,
    login::COMMANDS,
    maint::COMMANDS,
    members::COMMANDS,
    monitor::COMMANDS,
    operator::COMMANDS,
    peering::COMMANDS,
    rtt::COMMANDS,
    services::COMMANDS,
    snapshot::COMMANDS,
    snapshot_agent::COMMANDS,
    tls::COMMANDS,
    validate::COMMANDS,
    version::COMMANDS,
    watch::COMMANDS,
];

/// Every command, group by group.
pub fn all() -> impl Iterator<Item = &'static Command> {
    GROUPS.iter().copied().flatten()
}

/// The command of this name.
pub(crate) fn find(path: &str) -> Option<&'static Command> {
    all().find(|command| command.path == path)
}

/// The commands of one word, sorted by name.
pub(crate) fn top_level() -> impl Iterator<Item = &'static Command> {
    sorted(|command| !command.path.contains(' '))
}

/// The commands whose name is that of `parent` and one word more, sorted by name.
pub(crate) fn children(parent: &Command) -> impl Iterator<Item = &'static Command> {
    sorted(|command| command.path.rsplit_once(' ').is_some_and(|(group, _)| group == parent.path))
}

fn sorted(wanted: impl Fn(&Command) -> bool) -> impl Iterator<Item = &'static Command> {
    let mut commands: Vec<_> = all().filter(|command| wanted(command)).collect();
    commands.sort_by_key(|command| command.path);
    commands.into_iter()
}
