//! The agents that run now, for those who want something of one.

use std::sync::Arc;
use std::time::Duration;

use agent::Agent;
use parking_lot::Mutex;
use server::{Handle, Server};
use tokio_util::sync::CancellationToken;
use types::RpcError;
use types::rpc::RpcMethod;

use crate::chance::Chance;

/// Pause of who finds no agent at all.
const NOBODY_PAUSE: Duration = Duration::from_millis(250);
/// What an error says when the request certainly did nothing, and will do nothing later: it was not sent, or whoever
/// got it did not lead.
const DID_NOTHING: [&str; 5] = [
    "No cluster leader",
    "rpc error getting client",
    "No known Consul servers",
    "Raft leader not found in server lookup mapping",
    "RPC rate limit exceeded",
];

/// One run of an agent.
#[derive(Clone)]
pub struct Access {
    /// Name of its node.
    pub name: String,
    /// The agent.
    pub agent: Arc<Agent>,
    /// Cancelled when the agent crashes: its clients get no answer any more.
    pub gone: CancellationToken,
}

/// What became of a request.
pub(crate) enum Answer<T> {
    /// It was answered.
    Done(T),
    /// It had no effect and will have none.
    Refused,
    /// It may have had an effect, or have one later.
    Unknown,
}

/// The agents that run now; clones are the same list.
#[derive(Clone, Default)]
pub struct Roster(Arc<Mutex<Vec<Option<Access>>>>);

impl Roster {
    pub(crate) fn set(&self, place: usize, access: Option<Access>) -> Option<Access> {
        let mut all = self.0.lock();
        if all.len() <= place {
            all.resize_with(place + 1, || None);
        }
        std::mem::replace(&mut all[place], access)
    }

    /// The agent at a place, if it runs.
    pub fn at(&self, place: usize) -> Option<Access> {
        self.0.lock().get(place).cloned().flatten()
    }

    /// All that run.
    pub fn running(&self) -> Vec<Access> {
        self.0.lock().iter().flatten().cloned().collect()
    }

    /// Any that runs.
    pub(crate) fn pick(&self, chance: &mut Chance) -> Option<Access> {
        let running = self.running();
        let picked = chance.index(running.len());
        running.into_iter().nth(picked)
    }

    /// Asks any agent, with an end to patience.
    pub(crate) async fn ask<M: RpcMethod>(
        &self,
        chance: &mut Chance,
        request: M::Request,
        patience: Duration,
    ) -> Answer<M::Reply>
    where
        Server: Handle<M>,
    {
        match self.pick(chance) {
            Some(access) => access.ask::<M>(request, patience).await,
            None => {
                tokio::time::sleep(NOBODY_PAUSE).await;
                Answer::Refused
            }
        }
    }
}

impl Access {
    /// Asks this agent.
    pub(crate) async fn ask<M: RpcMethod>(&self, request: M::Request, patience: Duration) -> Answer<M::Reply>
    where
        Server: Handle<M>,
    {
        let asking = tokio::time::timeout(patience, self.agent.call::<M>(request));
        tokio::select! {
            biased;
            () = self.gone.cancelled() => Answer::Unknown,
            answered = asking => match answered {
                Ok(Ok(reply)) => Answer::Done(reply),
                Ok(Err(error)) if did_nothing(&error) => Answer::Refused,
                Ok(Err(_)) | Err(_) => Answer::Unknown,
            },
        }
    }
}

fn did_nothing(error: &RpcError) -> bool {
    let text = error.to_string();
    DID_NOTHING.iter().any(|known| text.contains(known))
}
