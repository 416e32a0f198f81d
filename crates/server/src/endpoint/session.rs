//! Sessions.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use state::{Outcome, Topic};
use telemetry::metrics::{self, Sample};
use types::method::{
    DatacenterRequest, Indexed, NodeRequest, SessionApply, SessionGet, SessionList, SessionNodeSessions, SessionRenew,
    SessionSpecificRequest,
};
use types::{GoDuration, MessageType, RpcError, Session, SessionOp, SessionRequest};

use crate::server::{Handle, Server};
use crate::write::checked;

const APPLY_FAILED: &str = "apply failed: ";
/// Longest session TTL.
const TTL_MAX: Duration = Duration::from_secs(24 * 3600);

static APPLY: LazyLock<Sample> = LazyLock::new(|| metrics::sample("session.apply"));
static RENEW: LazyLock<Sample> = LazyLock::new(|| metrics::sample("session.renew"));

impl Handle<SessionApply> for Server {
    async fn handle(&self, mut request: SessionRequest) -> Result<String, RpcError> {
        self.shared.check_datacenter(&request.datacenter)?;
        let _timing = APPLY.timing();
        match request.op {
            SessionOp::Create => self.prepare(&mut request.session)?,
            SessionOp::Destroy if request.session.id.is_empty() => return Err(RpcError::other("Must provide ID")),
            SessionOp::Destroy => {}
        }
        let outcome = self.shared.propose(MessageType::Session, &request).await?;
        match checked(outcome, APPLY_FAILED)? {
            Outcome::Id(id) => Ok(id),
            _ => Ok(String::new()),
        }
    }
}

impl Server {
    /// Completes and checks a session that is to be made.
    fn prepare(&self, session: &mut Session) -> Result<(), RpcError> {
        if session.node.is_empty() {
            return Err(RpcError::other("Must provide Node"));
        }
        match session.behavior.as_str() {
            "" => session.behavior = "release".to_owned(),
            "release" | "delete" => {}
            other => return Err(RpcError::other(format!("Invalid Behavior setting '{other}'"))),
        }
        self.check_ttl(&session.ttl)?;
        let snapshot = self.shared.store.snapshot();
        session.id = loop {
            let id = uuid::Uuid::new_v4().to_string();
            if snapshot.session(&id).1.is_none() {
                break id;
            }
        };
        Ok(())
    }

    fn check_ttl(&self, text: &str) -> Result<(), RpcError> {
        if text.is_empty() {
            return Ok(());
        }
        let ttl = GoDuration::parse(text)
            .map_err(|error| RpcError::other(format!("Session TTL '{text}' invalid: {error}")))?;
        let min = GoDuration::from(self.shared.config.session_ttl_min);
        let max = GoDuration::from(TTL_MAX);
        if ttl.0 != 0 && (ttl < min || ttl > max) {
            let nanos = ttl.0;
            return Err(RpcError::other(format!("Invalid Session TTL '{nanos}', must be between [{min}={max}]")));
        }
        Ok(())
    }
}

impl Handle<SessionGet> for Server {
    async fn handle(&self, request: SessionSpecificRequest) -> Result<Indexed<Option<Arc<Session>>>, RpcError> {
        let id = &request.session_id;
        self.shared.read(&request.options, || vec![Topic::session(id)], |s| s.session(id)).await
    }
}

impl Handle<SessionList> for Server {
    async fn handle(&self, request: DatacenterRequest) -> Result<Indexed<Vec<Arc<Session>>>, RpcError> {
        self.shared.read(&request.options, || vec![Topic::sessions()], |s| s.sessions()).await
    }
}

impl Handle<SessionNodeSessions> for Server {
    async fn handle(&self, request: NodeRequest) -> Result<Indexed<Vec<Arc<Session>>>, RpcError> {
        let node = &request.node;
        self.shared.read(&request.options, || vec![Topic::node_sessions(node)], |s| s.node_sessions(node)).await
    }
}

impl Handle<SessionRenew> for Server {
    async fn handle(&self, request: SessionSpecificRequest) -> Result<Indexed<Option<Arc<Session>>>, RpcError> {
        self.shared.check_datacenter(&request.options.datacenter)?;
        let _timing = RENEW.timing();
        self.shared.check_leader()?;
        let (index, session) = self.shared.store.snapshot().session(&request.session_id);
        if let Some(session) = &session {
            // A TTL that does not parse can only come from a foreign snapshot; such a session has no timer.
            let ttl = GoDuration::parse(&session.ttl).map(|d| d.as_std()).unwrap_or_default();
            if !ttl.is_zero() {
                self.shared.sessions.renew(&session.id, ttl);
            }
        }
        Ok(Indexed { value: session, meta: self.shared.meta(index) })
    }
}
