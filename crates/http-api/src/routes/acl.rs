//! `/v1/acl/`: what is left of the legacy system (`docs/spec/http-api.md` §15).

use http::StatusCode;

use crate::pipeline::Call;
use crate::reply::{Answer, Failure};

/// Every legacy endpoint says that it is gone.
pub(crate) async fn gone(call: &mut Call) -> Answer {
    let path = String::from_utf8_lossy(call.path());
    let text = format!("Endpoint {path} for the legacy ACL system was removed in Consul 1.11.");
    Err(Failure::new(StatusCode::GONE, text))
}
