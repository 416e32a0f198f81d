//! Joining other nodes' pools: on command, after a restart, and to reach failed members again
//! (`docs/spec/gossip.md` §8, §12, §16).

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::{CommandId, Core, JoinId, JoinTarget, Outcome, Phase, SHUT_DOWN};
use crate::membership::Time;
use crate::random::Rng;

pub(super) const NOT_ALIVE: &str = "Serf can't Join after Leave or Shutdown";
/// Commands that may wait for their turn.
const WAITING_MAX: usize = 1024;

/// A command to join. Its targets are tried one after the other.
#[derive(Debug)]
struct Run {
    id: CommandId,
    targets: VecDeque<Result<JoinTarget, String>>,
    ignore_old: bool,
    contacted: usize,
    errors: Vec<String>,
    trying: Option<(JoinId, SocketAddr)>,
}

/// All attempts to join.
#[derive(Debug)]
pub(super) struct Joining {
    /// The first is under way, the others wait for it.
    runs: VecDeque<Run>,
    /// Nodes known before the restart, in random order; one that answers is enough.
    previous: Vec<(String, SocketAddr)>,
    rejoining: Option<(JoinId, String)>,
    last_id: u64,
}

impl Joining {
    pub(super) fn new(previous: BTreeMap<String, SocketAddr>, own: &str, seed: u64) -> Joining {
        let mut previous: Vec<(String, SocketAddr)> = previous.into_iter().filter(|(name, _)| name != own).collect();
        Rng::new(seed).shuffle(&mut previous);
        Joining { runs: VecDeque::new(), previous, rejoining: None, last_id: 0 }
    }

    /// An identifier for an attempt to reach a failed member, whose end nobody waits for.
    pub(super) fn reconnect(&mut self) -> JoinId {
        self.next_id()
    }

    fn next_id(&mut self) -> JoinId {
        self.last_id += 1;
        JoinId(self.last_id)
    }

    /// The commands that will not end any more.
    pub(super) fn abandon(&mut self) -> Vec<(CommandId, Outcome)> {
        self.previous.clear();
        let ended = |run: Run| (run.id, Outcome::Joined(Err(SHUT_DOWN.to_owned())));
        std::mem::take(&mut self.runs).into_iter().map(ended).collect()
    }
}

impl Core {
    pub(super) fn join(
        &mut self,
        id: CommandId,
        targets: Vec<Result<JoinTarget, String>>,
        ignore_old: bool,
        now: Time,
    ) {
        if self.events.phase() != Phase::Alive {
            return self.done(id, Outcome::Joined(Err(NOT_ALIVE.to_owned())));
        }
        if self.joining.runs.len() >= WAITING_MAX {
            let error = format!("more than {WAITING_MAX} joins are waiting");
            return self.done(id, Outcome::Joined(Err(error)));
        }
        let (targets, errors) = (targets.into(), Vec::new());
        self.joining.runs.push_back(Run { id, targets, ignore_old, contacted: 0, errors, trying: None });
        self.advance_join(now);
    }

    /// Tries the next target, or ends the command and begins with the next one.
    fn advance_join(&mut self, now: Time) {
        loop {
            let attempt = self.joining.next_id();
            let Some(run) = self.joining.runs.front_mut() else { return };
            if run.trying.is_some() {
                return;
            }
            match run.targets.pop_front() {
                Some(Ok(target)) => {
                    run.trying = Some((attempt, target.address));
                    self.events.ignore_old_events(run.ignore_old);
                    self.membership.join(attempt, target.node.as_deref(), target.address, now, &mut self.events);
                    return;
                }
                Some(Err(failure)) => {
                    run.errors.push(failure);
                    continue;
                }
                None => {}
            }
            self.events.ignore_old_events(false);
            let Some(run) = self.joining.runs.pop_front() else { return };
            if run.contacted > 0 {
                self.events.announce_join(now);
            }
            let failed = run.contacted == 0 && !run.errors.is_empty();
            let result = if failed { Err(error_list(&run.errors)) } else { Ok(run.contacted) };
            self.done(run.id, Outcome::Joined(result));
        }
    }

    /// An attempt ended.
    pub(super) fn joined(&mut self, attempt: JoinId, result: Result<(), String>, now: Time) {
        if self.joining.rejoining.as_ref().is_some_and(|(id, _)| *id == attempt) {
            return self.rejoined(result, now);
        }
        let Some(run) = self.joining.runs.front_mut() else { return };
        let Some((_, address)) = run.trying.take_if(|(id, _)| *id == attempt) else { return };
        match result {
            Ok(()) => run.contacted += 1,
            Err(error) => {
                let error = format!("Failed to join {address}: {error}");
                self.logs.memberlist.debug(format_args!("memberlist: {error}"));
                run.errors.push(error);
            }
        }
        self.advance_join(now);
    }

    /// Tries the next node known before the restart. Nobody is told that we joined, and old events still count.
    pub(super) fn rejoin_next(&mut self, now: Time) {
        if self.events.phase() != Phase::Alive {
            return;
        }
        let Some((name, address)) = self.joining.previous.pop() else { return };
        self.logs.serf.info(format_args!("serf: Attempting re-join to previously known node: {name}: {address}"));
        let attempt = self.joining.next_id();
        self.joining.rejoining = Some((attempt, name.clone()));
        self.membership.join(attempt, Some(&name), address, now, &mut self.events);
    }

    fn rejoined(&mut self, result: Result<(), String>, now: Time) {
        let Some((_, name)) = self.joining.rejoining.take() else { return };
        match result {
            Ok(()) => {
                self.joining.previous.clear();
                self.logs.serf.info(format_args!("serf: Re-joined to previously known node: {name}"));
            }
            Err(error) => {
                self.logs.serf.debug(format_args!("serf: Failed to re-join to {name}: {error}"));
                if self.joining.previous.is_empty() {
                    self.logs.serf.warn(format_args!("serf: Failed to re-join any previously known node"));
                }
                self.rejoin_next(now);
            }
        }
    }
}

/// Errors as the reference lists them.
fn error_list(errors: &[String]) -> String {
    let noun = if errors.len() == 1 { "error" } else { "errors" };
    let lines: Vec<String> = errors.iter().map(|error| format!("\t* {error}")).collect();
    format!("{} {noun} occurred:\n{}\n\n", errors.len(), lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::error_list;

    #[test]
    fn errors_are_listed_as_the_reference_lists_them() {
        let errors = ["Failed to join 10.0.0.1:1: EOF".to_owned(), "Failed to join 10.0.0.2:1: EOF".to_owned()];
        let both = "2 errors occurred:\n\t* Failed to join 10.0.0.1:1: EOF\n\t* Failed to join 10.0.0.2:1: EOF\n\n";
        assert_eq!(error_list(&errors), both);
        assert_eq!(error_list(&errors[..1]), "1 error occurred:\n\t* Failed to join 10.0.0.1:1: EOF\n\n");
    }
}
