//! `/v1/event/` (`docs/spec/http-api.md` §9).

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;
use types::UserEvent;

use crate::meta::write_index;
use crate::params::{bounded_wait, index_and_wait};
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply};

/// Fires a user event.
pub(crate) async fn fire(call: &mut Call) -> Answer {
    let name = call.required_argument("Missing name")?;
    let payload = match call.content_length() {
        Some(length) if length > 0 => call.read_body().await?,
        _ => bytes::Bytes::new(),
    };
    let event = UserEvent {
        name,
        payload,
        node_filter: call.query.text("node").into_owned(),
        service_filter: call.query.text("service").into_owned(),
        tag_filter: call.query.text("tag").into_owned(),
        ..UserEvent::default()
    };
    let (datacenter, token) = (call.datacenter(), call.token());
    let fired = call.door.agent.fire_event(event, &datacenter, &token).await.map_err(|error| {
        let failure = Failure::from(error);
        // Which permission is missing is not told here (docs/spec/http-api.md §9).
        let denied = failure.text().contains("Permission denied");
        if denied { Failure::new(StatusCode::FORBIDDEN, "Permission denied") } else { failure }
    })?;
    Reply::json(&fired, call.pretty())
}

/// The newest events this agent has seen; blocks while the index equals the given one.
pub(crate) async fn list(call: &mut Call) -> Answer {
    let (given, wait) = index_and_wait(&call.query)?;
    let name = call.query.text("name").into_owned();
    let name = (!name.is_empty()).then_some(name.as_str());
    let events = call.door.agent.events();
    // Subscribed before the list is read, so that no event falls between.
    let mut arrival = Box::pin(events.arrival());
    let (mut index, mut listed) = events.list(name);
    if given > 0 && index == given {
        let longest = call.door.settings.max_query_time;
        let timeout = tokio::time::sleep(bounded_wait(wait, longest, longest));
        tokio::pin!(timeout);
        while index == given {
            tokio::select! {
                () = &mut timeout => break,
                () = &mut arrival => {}
            }
            arrival = Box::pin(events.arrival());
            (index, listed) = events.list(name);
        }
    }
    answer(call, index, &listed)
}

fn answer<T: Serialize>(call: &Call, index: u64, events: &[Arc<T>]) -> Answer {
    let mut reply = Reply::json(events, call.pretty())?;
    write_index(&mut reply.headers, index);
    Ok(reply)
}
