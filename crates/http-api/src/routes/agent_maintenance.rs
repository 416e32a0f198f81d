//! `/v1/agent/maintenance` and `/v1/agent/service/maintenance/` (`docs/spec/http-api.md` §3.3, §3.4).

use wire::quote::go_quote;

use super::agent::refusal;
use crate::params::{Enterprise, Query, parse_bool};
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply};

/// Takes this node into or out of maintenance.
pub(crate) async fn node(call: &mut Call) -> Answer {
    let wish = Wish::read(&call.query)?;
    call.door.agent.set_node_maintenance(wish.reason(), &call.token()).await;
    Ok(Reply::empty())
}

/// Takes a service of this agent into or out of maintenance.
pub(crate) async fn service(call: &mut Call) -> Answer {
    let id = call.required_argument("Missing service ID")?;
    let wish = Wish::read(&call.query)?;
    call.refuse_enterprise(Enterprise::Both)?;
    call.door.agent.set_service_maintenance(&id, wish.reason(), &call.token()).await.map_err(refusal)?;
    Ok(Reply::empty())
}

/// What the parameters ask for.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Enter { reason: String },
    Leave,
}

impl Wish {
    fn read(query: &Query) -> Result<Wish, Failure> {
        if !query.has("enable") {
            return Err(Failure::bad_request("Missing value for enable"));
        }
        let enable = query.text("enable");
        match parse_bool(&enable) {
            Some(true) => Ok(Wish::Enter { reason: query.text("reason").into_owned() }),
            Some(false) => Ok(Wish::Leave),
            None => Err(Failure::bad_request(format!("Invalid value for enable: {}", go_quote(&enable)))),
        }
    }

    /// The reason to enter with, empty for the default one; none to leave.
    fn reason(&self) -> Option<&str> {
        match self {
            Wish::Enter { reason } => Some(reason),
            Wish::Leave => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enable_is_a_boolean_as_go_reads_it() {
        let enter = |reason: &str| Ok(Wish::Enter { reason: reason.to_owned() });
        let cases = [
            ("", Err("Missing value for enable")),
            ("reason=x", Err("Missing value for enable")),
            ("enable", Err("Invalid value for enable: \"\"")),
            ("enable=", Err("Invalid value for enable: \"\"")),
            ("enable=yes", Err("Invalid value for enable: \"yes\"")),
            ("enable=true", enter("")),
            ("enable=t&reason=broken%20%3Cdisk%3E", enter("broken <disk>")),
            ("enable=1&reason=a&reason=b", enter("a")),
            ("enable=0&reason=a", Ok(Wish::Leave)),
            ("enable=False", Ok(Wish::Leave)),
        ];
        for (text, expected) in cases {
            let wish = Wish::read(&Query::parse(text).unwrap());
            let wish = wish.map_err(|failure| failure.text().to_owned());
            assert_eq!(wish, expected.map_err(str::to_owned), "{text}");
        }
    }
}
