//! Which server answers a request: this one, or the leader (`docs/spec/rpc-and-state.md` §3.4, §3.5).

use std::sync::atomic::Ordering;
use std::time::Duration;

use consensus::Leadership;
use rpc::Target;
use tokio::sync::watch;
use tokio::time::Instant;
use types::query::Consistency;
use types::rpc::{Route, RpcMethod};
use types::{QueryOptions, RpcError};

use crate::read::JITTER_FRACTION;
use crate::server::{Handle, Server, Shared};
use crate::standing::{Standing, random_below};

/// Raft follows a leader that gossip does not know; clients match on it.
const LEADER_NOT_FOUND: &str = "Raft leader not found in server lookup mapping";

/// What a request asks for, as far as its way depends on it.
#[derive(Clone, Copy, Debug)]
struct Ask<'a> {
    route: Route,
    /// Target datacenter; empty for this one.
    datacenter: &'a str,
    /// Any server may answer, however old its state.
    stale: bool,
}

/// Where this server stands.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    datacenter: &'a str,
    leads: bool,
    heard_leader: bool,
    leaving: bool,
}

/// Where the leader is to be found.
#[derive(Clone, Debug)]
enum LeaderAt {
    /// There is none, or none that answers.
    Nowhere,
    /// Raft follows it, gossip does not know it.
    Unmapped,
    There(Target),
}

/// Where a request goes.
#[derive(Clone, Debug)]
enum Way {
    Here,
    Leader(Target),
    Refused(RpcError),
}

/// Decides the way of one try. `leader` is asked only if it matters.
fn way(ask: Ask<'_>, place: Place<'_>, leader: impl FnOnce() -> LeaderAt) -> Way {
    match ask.route {
        Route::Here => return Way::Here,
        _ if !ask.datacenter.is_empty() && ask.datacenter != place.datacenter => {
            return Way::Refused(RpcError::NoPathToDatacenter);
        }
        Route::AnyServer => return Way::Here,
        Route::Leader => {}
    }
    if (ask.stale && place.heard_leader) || place.leads {
        return Way::Here;
    }
    if place.leaving {
        return Way::Refused(RpcError::NoLeader);
    }
    match leader() {
        LeaderAt::Nowhere => Way::Refused(RpcError::NoLeader),
        LeaderAt::Unmapped => Way::Refused(RpcError::other(LEADER_NOT_FOUND)),
        LeaderAt::There(target) => Way::Leader(target),
    }
}

impl Server {
    /// Answers a request: from this server's state where it may, else from the leader's. While there is no leader it
    /// waits for one, at most the hold timeout.
    ///
    /// # Errors
    /// `No cluster leader` when none was there in time, or this server is leaving; `No path to datacenter`; whatever
    /// the method refuses.
    pub async fn call<M: RpcMethod>(&self, request: M::Request) -> Result<M::Reply, RpcError>
    where
        Server: Handle<M>,
    {
        let shared = &self.shared;
        let options = M::read_options(&request);
        let stale = options.is_some_and(|options| options.consistency == Consistency::Stale);
        let is_read = options.is_some();
        let is_instant = options.is_some_and(|o| o.min_index == 0 && o.consistency != Consistency::Consistent);
        let began = Instant::now();
        let patience = shared.patience(options);
        let mut news: Option<News> = None;
        loop {
            let ask = Ask { route: M::ROUTE, datacenter: M::datacenter(&request), stale };
            let error = match way(ask, shared.place(), || shared.leader()) {
                // Nothing of the request is kept for another try where there is none.
                Way::Here if !matches!(M::ROUTE, Route::Leader) || (is_instant && shared.answers_now(stale)) => {
                    return <Server as Handle<M>>::handle(self, request).await;
                }
                Way::Here => match <Server as Handle<M>>::handle(self, request.clone()).await {
                    Ok(reply) => return Ok(reply),
                    Err(error) => error,
                },
                Way::Leader(target) => match Box::pin(shared.pool.call::<M>(&target, &request)).await {
                    Ok(reply) => return Ok(reply),
                    Err(error) => error,
                },
                Way::Refused(error) => error,
            };
            if !rpc::is_retryable(&error, is_read) || began.elapsed() > patience || shared.leaving.is_cancelled() {
                return Err(error);
            }
            if shared.stopping.is_cancelled() {
                return Err(RpcError::Shutdown);
            }
            shared.pause(news.get_or_insert_with(|| News::of(shared))).await;
        }
    }
}

/// What a request without a leader waits for.
struct News {
    leadership: watch::Receiver<Leadership>,
    standing: watch::Receiver<Standing>,
}

impl News {
    /// Everything from now on.
    fn of(shared: &Shared) -> News {
        let (mut leadership, mut standing) = (shared.consensus.leadership(), shared.standing.subscribe());
        leadership.borrow_and_update();
        standing.borrow_and_update();
        News { leadership, standing }
    }
}

impl Shared {
    fn place(&self) -> Place<'_> {
        Place {
            datacenter: &self.config.datacenter,
            leads: self.consensus.is_leader(),
            heard_leader: self.heard_leader.load(Ordering::Acquire),
            leaving: self.leaving.is_cancelled(),
        }
    }

    /// Whether a read that waits for nothing is answered here as things stand, from the state.
    fn answers_now(&self, stale: bool) -> bool {
        (stale && self.heard_leader.load(Ordering::Acquire)) || self.leading().is_some()
    }

    fn leader(&self) -> LeaderAt {
        match self.consensus.status().leader {
            // A leader whose lease has run out does not know whether it still is one.
            Some((id, _)) if id == self.config.node_id => LeaderAt::Nowhere,
            Some((id, _)) => self.members.target(id).map_or(LeaderAt::Unmapped, LeaderAt::There),
            None => LeaderAt::Nowhere,
        }
    }

    /// Where the leader is to be reached; nothing if it is this server, ready to answer. Waits for one at most the hold
    /// timeout.
    ///
    /// # Errors
    /// `No cluster leader`, or that gossip does not know it.
    pub(crate) async fn find_leader(&self) -> Result<Option<Target>, RpcError> {
        let ask = Ask { route: Route::Leader, datacenter: "", stale: false };
        let began = Instant::now();
        let mut news = News::of(self);
        loop {
            let error = match way(ask, self.place(), || self.leader()) {
                Way::Here => match self.check_leader() {
                    Ok(_) => return Ok(None),
                    Err(error) => error,
                },
                Way::Leader(target) => return Ok(Some(target)),
                Way::Refused(error) => error,
            };
            if !rpc::is_retryable(&error, false)
                || began.elapsed() > self.config.rpc_hold_timeout
                || self.leaving.is_cancelled()
            {
                return Err(error);
            }
            self.pause(&mut news).await;
        }
    }

    /// How long after its first try a request is tried again: the hold timeout, after the wait of a read that waits.
    fn patience(&self, options: Option<&QueryOptions>) -> Duration {
        let hold = self.config.rpc_hold_timeout;
        match options {
            Some(options) if options.min_index > 0 => {
                let wait = self.longest_wait(options.max_wait);
                hold + wait + wait / JITTER_FRACTION
            }
            _ => hold,
        }
    }

    /// Pauses before another try: a random while, ended early when there is news.
    async fn pause(&self, news: &mut News) {
        let pause = random_below(self.config.rpc_hold_timeout / JITTER_FRACTION);
        let News { leadership, standing } = news;
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = self.leaving.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            Ok(()) = leadership.changed() => {}
            Ok(()) = standing.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADER: Place<'_> = Place { datacenter: "dc1", leads: true, heard_leader: true, leaving: false };
    const FOLLOWER: Place<'_> = Place { leads: false, ..LEADER };
    const NEW: Place<'_> = Place { heard_leader: false, ..FOLLOWER };
    const LEAVING: Place<'_> = Place { leaving: true, ..FOLLOWER };
    const WRITE: Ask<'_> = Ask { route: Route::Leader, datacenter: "", stale: false };
    const STALE: Ask<'_> = Ask { stale: true, ..WRITE };

    fn there() -> LeaderAt {
        LeaderAt::There(Target { name: "two".to_owned(), address: ([127, 0, 0, 1], 8300).into(), use_tls: false })
    }

    fn text(way: Way) -> String {
        match way {
            Way::Here => "here".to_owned(),
            Way::Leader(target) => target.name,
            Way::Refused(error) => error.to_string(),
        }
    }

    #[test]
    fn a_request_goes_where_it_may_be_answered() {
        let elsewhere = Ask { datacenter: "dc2", ..STALE };
        let own = Ask { datacenter: "dc1", ..WRITE };
        let by_datacenter = Ask { route: Route::AnyServer, ..WRITE };
        let cases: [(Ask<'_>, Place<'_>, LeaderAt, &str); 16] = [
            (WRITE, LEADER, there(), "here"),
            (own, LEADER, there(), "here"),
            (WRITE, FOLLOWER, there(), "two"),
            (STALE, FOLLOWER, there(), "here"),
            (STALE, FOLLOWER, LeaderAt::Nowhere, "here"),
            (STALE, NEW, there(), "two"),
            (STALE, NEW, LeaderAt::Nowhere, "No cluster leader"),
            (WRITE, FOLLOWER, LeaderAt::Nowhere, "No cluster leader"),
            (WRITE, FOLLOWER, LeaderAt::Unmapped, LEADER_NOT_FOUND),
            (WRITE, LEAVING, there(), "No cluster leader"),
            (STALE, LEAVING, there(), "here"),
            (elsewhere, FOLLOWER, there(), "No path to datacenter"),
            (Ask { route: Route::AnyServer, ..elsewhere }, LEADER, there(), "No path to datacenter"),
            (Ask { route: Route::Here, ..elsewhere }, FOLLOWER, there(), "here"),
            (by_datacenter, FOLLOWER, LeaderAt::Nowhere, "here"),
            (by_datacenter, LEAVING, LeaderAt::Nowhere, "here"),
        ];
        for (ask, place, leader, wanted) in cases {
            let shown = format!("{ask:?} at {place:?} with {leader:?}");
            assert_eq!(text(way(ask, place, || leader)), wanted, "{shown}");
        }
    }
}
