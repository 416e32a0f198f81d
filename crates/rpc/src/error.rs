//! Why calls fail, in the words of the reference (`docs/spec/rpc-and-state.md` §2.6).

use types::RpcError;

/// A write that was too large for one log entry of the leader's older version: it wants to be sent again.
const RECHUNK: &str = "please resubmit call for rechunking";
const NO_LEADER: &str = "No cluster leader";

/// Why a call over the pool failed. Each hop puts its own words in front.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The pool was stopped.
    #[error("rpc error: shutdown")]
    Shutdown,
    /// The server was not reached; it has not seen the request.
    #[error("rpc error getting client: {0}")]
    NotSent(String),
    /// The server answered with an error, or the answer did not come.
    #[error("rpc error making call: {0}")]
    Failed(String),
}

impl From<CallError> for RpcError {
    fn from(error: CallError) -> RpcError {
        match error {
            CallError::Shutdown => RpcError::Shutdown,
            other => RpcError::Other(other.to_string()),
        }
    }
}

/// Whether a call that failed so may be made again: there was no leader for a moment, or, for a read, the connection
/// was lost (`docs/spec/rpc-and-state.md` §3.4).
pub fn is_retryable(error: &RpcError, is_read: bool) -> bool {
    let text = error.to_string();
    text.contains(NO_LEADER) || text.contains(RECHUNK) || (is_read && is_eof(&text))
}

/// Whether the text tells of a lost connection.
pub(crate) fn is_eof(text: &str) -> bool {
    text == "EOF" || text.ends_with(": EOF") || text.contains("stream closed") || text.contains("session shutdown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_wrapped_once_a_hop() {
        let inner = CallError::Failed("No cluster leader".to_owned());
        let outer = CallError::Failed(inner.to_string());
        assert_eq!(outer.to_string(), "rpc error making call: rpc error making call: No cluster leader");
        let dial = CallError::NotSent("failed to get conn: dial tcp <nil>->10.0.0.1:8300: i/o timeout".to_owned());
        assert_eq!(
            RpcError::from(dial),
            RpcError::other("rpc error getting client: failed to get conn: dial tcp <nil>->10.0.0.1:8300: i/o timeout")
        );
        assert_eq!(RpcError::from(CallError::Shutdown), RpcError::Shutdown);
    }

    #[test]
    fn what_may_be_tried_again() {
        let table = [
            // (text, a write, a read)
            ("No cluster leader", true, true),
            ("rpc error making call: rpc error making call: No cluster leader", true, true),
            ("rpc error making call: please resubmit call for rechunking", true, true),
            ("rpc error making call: EOF", false, true),
            ("rpc error making call: stream closed", false, true),
            ("rpc error making call: session shutdown", false, true),
            ("rpc error making call: unexpected EOF", false, false),
            ("rpc error making call: i/o deadline reached", false, false),
            ("Raft leader not found in server lookup mapping", false, false),
            ("Permission denied", false, false),
        ];
        for (text, write, read) in table {
            let error = RpcError::other(text);
            assert_eq!((is_retryable(&error, false), is_retryable(&error, true)), (write, read), "{text}");
        }
        assert!(is_retryable(&RpcError::NoLeader, false));
    }
}
