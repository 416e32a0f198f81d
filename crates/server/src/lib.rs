//! What a server adds to an agent: RPC endpoints over the replicated state, and the leader's duties.
