//! `/v1/agent/`: what the agent tells about itself, its log, reload and leave (`docs/spec/http-api.md` §3.2, §3.3).

use ::agent::{LocalError, member_json};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::StatusCode;
use http::header::HeaderValue;
use telemetry::{LogStream, parse_level};

use crate::openapi;
use crate::params::Enterprise;
use crate::pipeline::Call;
use crate::reply::{Answer, Body, Failure, Reply};

/// A refusal of the local registry over HTTP: 404 for what does not exist, 501 for what is not there yet, else 500.
pub(super) fn refusal(error: LocalError) -> Failure {
    let text = error.to_string();
    match error {
        LocalError::UnknownService(_) | LocalError::UnknownCheck(_) | LocalError::NoSuchServiceForCheck(_) => {
            Failure::new(StatusCode::NOT_FOUND, text)
        }
        LocalError::NotThereYet(_) => Failure::new(StatusCode::NOT_IMPLEMENTED, text),
        _ => Failure::internal(text),
    }
}

/// Stands for every network segment.
const ALL_SEGMENTS: &str = "_all";

/// Describes this agent.
pub(crate) async fn describe(call: &mut Call) -> Answer {
    Reply::json(&call.door.agent.self_description(), call.pretty())
}

/// Members of the datacenter's pool, or of the pool of servers.
pub(crate) async fn members(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Partition)?;
    let (wan, segment) = (!call.query.bytes("wan").is_empty(), call.query.text("segment"));
    let one_segment = !segment.is_empty() && segment != ALL_SEGMENTS;
    if wan && one_segment {
        return Err(Failure::bad_request("Cannot provide a segment with wan=true"));
    }
    if one_segment {
        return Err(Failure::internal("Network segments are not supported in this version of Consul"));
    }
    let members = call.door.agent.members(wan);
    let shown = members.map(|members| members.iter().map(|member| member_json(member)).collect::<Vec<_>>());
    Reply::json(&shown, call.pretty())
}

/// Joins another agent.
pub(crate) async fn join(call: &mut Call) -> Answer {
    let wan = !call.query.bytes("wan").is_empty();
    let address = call.argument_text().into_owned();
    call.door.agent.join(&address, wan).await?;
    Ok(Reply::empty())
}

/// Declares a member that failed to have left.
pub(crate) async fn force_leave(call: &mut Call) -> Answer {
    let (prune, wan) = (call.query.has("prune"), call.query.has("wan"));
    let node = call.argument_text().into_owned();
    call.door.agent.force_leave(&node, prune, wan).await?;
    Ok(Reply::empty())
}

/// This API as an OpenAPI document.
pub(crate) async fn openapi(call: &mut Call) -> Answer {
    Reply::json(&openapi::document(), call.pretty())
}

/// Reads the configuration again.
pub(crate) async fn reload(call: &mut Call) -> Answer {
    call.door.agent.reload().await.map_err(|error| Failure::internal(error.to_string()))?;
    Ok(Reply::empty())
}

/// Leaves the cluster and stops; answers in between.
pub(crate) async fn leave(call: &mut Call) -> Answer {
    call.door.agent.leave();
    call.door.agent.left().await;
    Ok(Reply::empty())
}

/// Streams the log until the client goes away or the agent stops.
pub(crate) async fn monitor(call: &mut Call) -> Answer {
    let name = call.query.text("loglevel");
    let name = if name.is_empty() { "INFO" } else { name.as_ref() };
    let level = parse_level(name).map_err(|_| Failure::bad_request(format!("Unknown log level: {name}")))?;
    let lines = call.door.logs.subscribe(level, call.query.has("logjson"));
    let stopping = call.door.stopping.clone();
    let pieces = futures_util::stream::unfold(lines, |mut lines| async move {
        let piece = next_lines(&mut lines).await?;
        Some((Ok(piece), lines))
    });
    let mut reply =
        Reply::bytes(StatusCode::OK, Some(HeaderValue::from_static("text/plain; charset=utf-8")), Bytes::new());
    reply.body = Body::Stream(Box::pin(pieces.take_until(stopping.cancelled_owned())), None);
    Ok(reply)
}

/// The next line with everything that waits behind it; none at the end.
async fn next_lines(lines: &mut LogStream) -> Option<Bytes> {
    let first = lines.recv().await?;
    let mut piece = BytesMut::from(first.as_bytes());
    while let Some(line) = lines.try_recv() {
        piece.extend_from_slice(line.as_bytes());
    }
    Some(piece.freeze())
}
