//! How often this server changed its part in Raft, for its metrics (`docs/spec/server-operations.md` §17.4).

use std::sync::{Arc, LazyLock};

use consensus::{Leadership, State};
use telemetry::metrics::{self, Counter};
use tokio::sync::watch;

use crate::server::Shared;

static LEADER: LazyLock<Counter> = LazyLock::new(|| metrics::counter("raft.state.leader"));
static CANDIDATE: LazyLock<Counter> = LazyLock::new(|| metrics::counter("raft.state.candidate"));
static FOLLOWER: LazyLock<Counter> = LazyLock::new(|| metrics::counter("raft.state.follower"));

/// Counts until the server stops. A state that is over before anyone looks is not counted.
pub(crate) async fn count(shared: Arc<Shared>) {
    tokio::select! {
        () = shared.stopping.cancelled() => {}
        () = follow(shared.consensus.leadership(), |state| match state {
            State::Leader => LEADER.one(),
            State::Candidate => CANDIDATE.one(),
            State::Follower => FOLLOWER.one(),
            State::Shutdown => {}
        }) => {}
    }
}

/// Tells the state there is, and every further one; a candidacy again in each term.
async fn follow(mut leadership: watch::Receiver<Leadership>, mut entered: impl FnMut(State)) {
    let mut before = None;
    loop {
        let (state, term) = {
            let now = leadership.borrow_and_update();
            (now.state, now.term)
        };
        let now = (state, if state == State::Candidate { term } else { 0 });
        if before.replace(now) != Some(now) {
            entered(state);
        }
        if leadership.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_state_is_told_once_and_a_candidacy_in_each_term() {
        use State::{Candidate, Follower, Leader};
        let at = |state, term| Leadership { state, term, leader: None, failure: None };
        let (leadership, seen) = watch::channel(at(Follower, 1));
        let (states, mut told) = tokio::sync::mpsc::unbounded_channel();
        let following = tokio::spawn(follow(seen, move |state| {
            let _ = states.send(state);
        }));
        assert_eq!(told.recv().await, Some(Follower));
        // Another term of the same state says nothing; the next state shows that it was passed over.
        leadership.send_replace(at(Follower, 2));
        tokio::task::yield_now().await;
        for (state, term) in [(Candidate, 3), (Candidate, 4), (Leader, 4), (Follower, 5)] {
            leadership.send_replace(at(state, term));
            assert_eq!(told.recv().await, Some(state));
        }
        drop(leadership);
        following.await.unwrap();
        assert_eq!(told.recv().await, None);
    }
}
