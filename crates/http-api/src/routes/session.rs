//! `/v1/session/` (`docs/spec/http-api.md` §8).

use std::sync::Arc;

use http::StatusCode;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use types::method::{
    DatacenterRequest, Indexed, NodeRequest, SessionApply, SessionGet, SessionList, SessionNodeSessions, SessionRenew,
    SessionSpecificRequest,
};
use types::rpc::RpcMethod;
use types::session::SessionOp;
use types::{GoDuration, QueryOptions, SERF_HEALTH, ServiceCheckRef, Session, SessionRequest};
use wire::json::{self, JsonError, Unknown};

use super::ask;
use super::body::name_types;
use super::view::List;
use crate::params::Enterprise;
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply, metadata};

const MISSING_SESSION: &str = "Missing session";
/// Lock delay of a session that names none.
const DEFAULT_LOCK_DELAY: GoDuration = GoDuration::from_secs(15);
/// Lock delays below this many nanoseconds were meant as seconds.
const SMALLEST_NANOSECONDS: i64 = 1000;

/// Creates a session.
pub(crate) async fn create(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let body = match call.content_length() {
        Some(length) if length > 0 => {
            let bytes = call.read_body().await?;
            decode(&bytes).map_err(|error| Failure::bad_request(format!("Request decode failed: {error}")))?
        }
        _ => CreateBody::default(),
    };
    let session = body.into_session(&call.door.agent.identity().node_name)?;
    let request = SessionRequest { datacenter: call.datacenter(), op: SessionOp::Create, session, token: call.token() };
    let id = call.door.agent.call::<SessionApply>(request).await?;
    Reply::json(&serde_json::json!({ "ID": id }), call.pretty())
}

/// Ends a session; true for an unknown one, too.
pub(crate) async fn destroy(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let session = Session { id: call.required_argument(MISSING_SESSION)?, ..Session::default() };
    let request =
        SessionRequest { datacenter: call.datacenter(), op: SessionOp::Destroy, session, token: call.token() };
    call.door.agent.call::<SessionApply>(request).await?;
    Ok(Reply::boolean(true, call.pretty()))
}

/// Restarts a session's TTL.
pub(crate) async fn renew(call: &mut Call) -> Answer {
    let options = call.options()?;
    call.refuse_enterprise(Enterprise::Both)?;
    let session_id = call.required_argument(MISSING_SESSION)?;
    let request = SessionSpecificRequest { session_id: session_id.clone(), options };
    match ask::<SessionRenew, _>(call, request).await?.value {
        Some(session) => sessions(call, &[session]),
        None => Err(Failure::new(StatusCode::NOT_FOUND, format!("Session id '{session_id}' not found"))),
    }
}

/// One session, as a list of at most one.
pub(crate) async fn info(call: &mut Call) -> Answer {
    let options = call.options()?;
    let session_id = call.required_argument(MISSING_SESSION)?;
    call.refuse_enterprise(Enterprise::Both)?;
    let token = options.token.clone();
    let asked = ask::<SessionGet, _>(call, SessionSpecificRequest { session_id, options }).await;
    let reply = asked.map_err(Failure::with_zero_metadata)?;
    let found: Vec<Arc<Session>> = reply.value.into_iter().collect();
    Ok(sessions(call, &found)?.with_metadata(&metadata(reply.meta, None, &token)))
}

/// Sessions of a node.
pub(crate) async fn of_node(call: &mut Call) -> Answer {
    let options = call.options()?;
    let node = call.required_argument("Missing node name")?;
    list_of::<SessionNodeSessions>(call, options, |options| NodeRequest { node, options }).await
}

/// All sessions.
pub(crate) async fn list(call: &mut Call) -> Answer {
    let options = call.options()?;
    list_of::<SessionList>(call, options, |options| DatacenterRequest { options, ..DatacenterRequest::default() }).await
}

async fn list_of<M>(call: &Call, options: QueryOptions, request: impl FnOnce(QueryOptions) -> M::Request) -> Answer
where
    M: RpcMethod<Reply = Indexed<Vec<Arc<Session>>>>,
    agent::server::Server: agent::server::Handle<M>,
{
    call.refuse_enterprise(Enterprise::Both)?;
    let token = options.token.clone();
    let reply = ask::<M, _>(call, request(options)).await.map_err(Failure::with_zero_metadata)?;
    Ok(sessions(call, &reply.value)?.with_metadata(&metadata(reply.meta, None, &token)))
}

/// Reads the body of a creation.
fn decode(bytes: &[u8]) -> Result<CreateBody, JsonError> {
    // The reference's type has no name of its own.
    const TYPE_NAMES: [(&str, &str); 1] = [(".Alias", "struct { LockDelay interface {}; *structs.Alias }")];
    json::from_slice(bytes, Unknown::Ignore).map_err(|error| name_types(error, &TYPE_NAMES))
}

/// A session as it looks in lists: its node checks are never null.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SessionView<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    node: &'a str,
    /// Nanoseconds.
    lock_delay: i64,
    behavior: &'a str,
    #[serde(rename = "TTL")]
    ttl: &'a str,
    node_checks: &'a [String],
    service_checks: Option<&'a [ServiceCheckRef]>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    checks: &'a [String],
    create_index: u64,
    modify_index: u64,
}

impl<'a> From<&'a Session> for SessionView<'a> {
    fn from(session: &'a Session) -> SessionView<'a> {
        SessionView {
            id: &session.id,
            name: &session.name,
            node: &session.node,
            lock_delay: session.lock_delay.0,
            behavior: &session.behavior,
            ttl: &session.ttl,
            node_checks: &session.node_checks,
            service_checks: (!session.service_checks.is_empty()).then_some(&session.service_checks),
            checks: &session.checks,
            create_index: session.create_index,
            modify_index: session.modify_index,
        }
    }
}

fn sessions(call: &Call, sessions: &[Arc<Session>]) -> Answer {
    Reply::json(&List(sessions, |session| SessionView::from(&**session)), call.pretty())
}

/// Body of a creation. Unknown keys are ignored, an ID among them: the server makes it.
#[derive(Deserialize, Default)]
#[serde(default, rename = ".Alias", rename_all = "PascalCase")]
struct CreateBody {
    name: String,
    node: String,
    lock_delay: Option<LockDelay>,
    behavior: String,
    #[serde(rename = "TTL")]
    ttl: String,
    node_checks: Option<Vec<String>>,
    service_checks: Vec<ServiceCheckRef>,
    checks: Option<Vec<String>>,
}

impl CreateBody {
    fn into_session(self, agents_node: &str) -> Result<Session, Failure> {
        let lock_delay = match self.lock_delay {
            Some(LockDelay(delay)) if delay.0 < SMALLEST_NANOSECONDS => {
                GoDuration(delay.0.saturating_mul(1_000_000_000))
            }
            Some(LockDelay(delay)) => delay,
            None => DEFAULT_LOCK_DELAY,
        };
        let (node_checks, checks) = checks(self.node_checks, self.checks);
        Ok(Session {
            name: self.name,
            node: if self.node.is_empty() { agents_node.to_owned() } else { self.node },
            lock_delay,
            behavior: if self.behavior.is_empty() { "release".to_owned() } else { self.behavior },
            ttl: self.ttl,
            node_checks,
            service_checks: self.service_checks,
            checks,
            ..Session::default()
        })
    }
}

/// Node checks and legacy checks of a session, from what was sent (`docs/spec/http-api.md` §8).
fn checks(node_checks: Option<Vec<String>>, legacy: Option<Vec<String>>) -> (Vec<String>, Vec<String>) {
    let default = || vec![SERF_HEALTH.to_owned()];
    match (node_checks, legacy) {
        (None, None) => (default(), Vec::new()),
        (None, Some(legacy)) if legacy.is_empty() => (Vec::new(), Vec::new()),
        (None, Some(legacy)) if legacy == default() => (default(), Vec::new()),
        (None, Some(legacy)) => (default(), legacy),
        (Some(checks), None) => (checks, Vec::new()),
        (Some(checks), Some(_)) if checks.is_empty() => (checks, Vec::new()),
        (Some(_), Some(legacy)) if legacy.is_empty() => (Vec::new(), Vec::new()),
        (Some(checks), Some(legacy)) if legacy == default() => (checks, Vec::new()),
        (Some(checks), Some(legacy)) => (checks, legacy),
    }
}

/// A duration string or a number; anything else counts as zero.
#[derive(Clone, Copy)]
struct LockDelay(GoDuration);

impl<'de> Deserialize<'de> for LockDelay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LockDelay, D::Error> {
        struct LockDelayVisitor;
        impl<'de> Visitor<'de> for LockDelayVisitor {
            type Value = LockDelay;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a duration")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<LockDelay, E> {
                GoDuration::parse(text).map(LockDelay).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<LockDelay, E> {
                Ok(LockDelay(GoDuration(number)))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<LockDelay, E> {
                Ok(LockDelay(GoDuration(i64::try_from(number).unwrap_or(i64::MAX))))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<LockDelay, E> {
                Ok(LockDelay(GoDuration(number as i64)))
            }
            fn visit_bool<E: de::Error>(self, _: bool) -> Result<LockDelay, E> {
                Ok(LockDelay(GoDuration::ZERO))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<LockDelay, A::Error> {
                while list.next_element::<de::IgnoredAny>()?.is_some() {}
                Ok(LockDelay(GoDuration::ZERO))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<LockDelay, A::Error> {
                while map.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
                Ok(LockDelay(GoDuration::ZERO))
            }
        }
        deserializer.deserialize_any(LockDelayVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(body: &str) -> Session {
        decode(body.as_bytes()).unwrap().into_session("here").unwrap()
    }

    #[test]
    fn small_lock_delays_are_seconds() {
        let cases = [
            ("{}", 15_000_000_000),
            (r#"{"LockDelay":15}"#, 15_000_000_000),
            (r#"{"LockDelay":"500ns"}"#, 500_000_000_000),
            (r#"{"LockDelay":999}"#, 999_000_000_000),
            (r#"{"LockDelay":1000}"#, 1000),
            (r#"{"LockDelay":"20s"}"#, 20_000_000_000),
            (r#"{"LockDelay":0}"#, 0),
            (r#"{"LockDelay":"0s"}"#, 0),
        ];
        for (body, nanoseconds) in cases {
            assert_eq!(session(body).lock_delay.0, nanoseconds, "{body}");
        }
    }

    #[test]
    fn checks_follow_both_lists() {
        let serf: &[&str] = &["serfHealth"];
        let cases: [(&str, &[&str], &[&str]); 8] = [
            ("{}", serf, &[]),
            (r#"{"NodeChecks":[]}"#, &[], &[]),
            (r#"{"NodeChecks":["a"]}"#, &["a"], &[]),
            (r#"{"Checks":[]}"#, &[], &[]),
            (r#"{"Checks":["serfHealth"]}"#, serf, &[]),
            (r#"{"Checks":["a"]}"#, serf, &["a"]),
            (r#"{"Checks":["a"],"NodeChecks":[]}"#, &[], &[]),
            (r#"{"Checks":["a"],"NodeChecks":null}"#, serf, &["a"]),
        ];
        for (body, node_checks, checks) in cases {
            let session = session(body);
            assert_eq!(
                (&session.node_checks[..], &session.checks[..]),
                (strings(node_checks).as_slice(), strings(checks).as_slice()),
                "{body}"
            );
        }
    }

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn bodies_of_the_wrong_shape_are_refused_in_the_references_words() {
        let shape = "struct { LockDelay interface {}; *structs.Alias }";
        let cases = [
            ("[]", format!("json: cannot unmarshal array into Go value of type {shape}")),
            ("\"x\"", format!("json: cannot unmarshal string into Go value of type {shape}")),
            (r#"{"TTL":5}"#, "json: cannot unmarshal number into Go struct field .Alias.TTL of type string".to_owned()),
            (r#"{"LockDelay":"x"}"#, "time: invalid duration \"x\"".to_owned()),
        ];
        for (body, expected) in cases {
            assert_eq!(decode(body.as_bytes()).err().unwrap().to_string(), expected, "{body}");
        }
    }

    #[test]
    fn a_view_differs_from_the_type_in_node_checks_only() {
        let session = session(r#"{"ServiceChecks":[{"ID":"a"}],"Checks":["b"],"TTL":"10s"}"#);
        assert_eq!(serde_json::to_value(SessionView::from(&session)).unwrap(), serde_json::to_value(&session).unwrap());
        let bare = serde_json::to_value(SessionView::from(&Session::default())).unwrap();
        assert_eq!((&bare["NodeChecks"], &bare["ServiceChecks"]), (&serde_json::json!([]), &serde_json::Value::Null));
    }

    #[test]
    fn unknown_fields_and_an_id_are_ignored() {
        let session = session(r#"{"ID":"x","lock_delay":"5s","name":"n","Foo":{}} trailing"#);
        assert_eq!((session.id.as_str(), session.name.as_str(), session.node.as_str()), ("", "n", "here"));
    }
}
