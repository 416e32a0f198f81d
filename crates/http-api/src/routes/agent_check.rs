//! `/v1/agent/check/` and `/v1/agent/checks`: checks registered with this agent (`docs/spec/http-api.md` §3.6).

pub(crate) mod body;

use std::collections::BTreeMap;

use ::agent::Source;
use config::{CheckDefinition, check_faults};
use filter::{CREATE_ERROR_PREFIX, Expression, Filter};
use serde::Deserialize;
use types::{CheckStatus, HealthCheck};

use super::agent::refusal;
use super::body::decode;
use super::view::CheckView;
use crate::params::Enterprise;
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply};
use body::CheckBody;

const STATUSES: [CheckStatus; 3] = [CheckStatus::Passing, CheckStatus::Warning, CheckStatus::Critical];

/// The status of this name.
fn parse_status(text: &str) -> Option<CheckStatus> {
    STATUSES.into_iter().find(|status| status.as_str() == text)
}

/// Whether this is the name of a status.
pub(super) fn is_status(text: &str) -> bool {
    parse_status(text).is_some()
}

/// All checks of this agent, by ID.
pub(crate) async fn list(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let expression = parse_filter(&call.query.text("filter"))?;
    let mut checks = call.door.agent.local().checks();
    if let Some(expression) = expression.filter(|_| !checks.is_empty()) {
        let filter = bind_filter(&expression)?;
        checks.retain(|check| filter.matches(check));
    }
    let views: BTreeMap<&str, CheckView<'_>> =
        checks.iter().map(|check| (check.check_id.as_str(), CheckView::from(&**check))).collect();
    Reply::json(&views, call.pretty())
}

/// Reads a filter; what its selectors mean is looked at when there is a check (`docs/spec/http-api.md` §2.4).
fn parse_filter(text: &str) -> Result<Option<Expression>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let expression = Expression::parse(text);
    expression.map(Some).map_err(|error| Failure::internal(format!("{CREATE_ERROR_PREFIX}{error}")))
}

fn bind_filter(expression: &Expression) -> Result<Filter<HealthCheck>, Failure> {
    expression.bind().map_err(|error| Failure::internal(error.to_string()))
}

/// Registers a check, or replaces the one of the same ID.
pub(crate) async fn register(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let body: CheckBody = decode(&call.read_body().await?)?;
    let definition = body.into_definition(call.token());
    validate(&definition)?;
    call.door.agent.register_check(definition, Source::Api).await.map_err(refusal)?;
    Ok(Reply::empty())
}

/// Reads a definition as [`register`] does, and drops it.
pub(crate) fn read_definition(body: &[u8]) {
    if let Ok(body) = decode::<CheckBody>(body) {
        let _ = validate(&body.into_definition(String::new()));
    }
}

fn validate(check: &CheckDefinition) -> Result<(), Failure> {
    if check.spec.name.is_empty() {
        return Err(Failure::bad_request("Missing check name"));
    }
    if !check.spec.status.is_empty() && !is_status(&check.spec.status) {
        return Err(Failure::bad_request("Bad check status"));
    }
    match check_faults(&check.spec) {
        None => Ok(()),
        Some(fault) => Err(Failure::bad_request(format!("Invalid check: {fault}"))),
    }
}

/// Removes a check.
pub(crate) async fn deregister(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    call.door.agent.deregister_check(&call.argument_text()).await.map_err(refusal)?;
    Ok(Reply::empty())
}

/// Reports that a TTL check passes.
pub(crate) async fn pass(call: &mut Call) -> Answer {
    report_note(call, CheckStatus::Passing).await
}

/// Reports that a TTL check warns.
pub(crate) async fn warn(call: &mut Call) -> Answer {
    report_note(call, CheckStatus::Warning).await
}

/// Reports that a TTL check fails.
pub(crate) async fn fail(call: &mut Call) -> Answer {
    report_note(call, CheckStatus::Critical).await
}

async fn report_note(call: &Call, status: CheckStatus) -> Answer {
    report(call, status, &call.query.text("note")).await
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "checkUpdate", rename_all = "PascalCase")]
struct UpdateBody {
    status: String,
    output: String,
}

/// Reports the status and output of a TTL check.
pub(crate) async fn update(call: &mut Call) -> Answer {
    let body: UpdateBody = decode(&call.read_body().await?)?;
    let Some(status) = parse_status(&body.status) else {
        return Err(Failure::bad_request(format!("Invalid check status: '{}'", body.status)));
    };
    report(call, status, &body.output).await
}

async fn report(call: &Call, status: CheckStatus, output: &str) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    call.door.agent.update_ttl(&call.argument_text(), status, output).await.map_err(refusal)?;
    Ok(Reply::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> Option<String> {
        let body: CheckBody = decode(body.as_bytes()).unwrap();
        validate(&body.into_definition(String::new())).err().map(|failure| failure.text().to_owned())
    }

    #[test]
    fn rules_are_checked_in_the_references_order() {
        let interval = "Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks";
        let cases = [
            (r#"{"ID":"x","Status":"bad"}"#, Some("Missing check name")),
            (r#"{"Name":"c","Status":"Passing"}"#, Some("Bad check status")),
            (r#"{"Name":"c"}"#, Some("Invalid check: TTL must be > 0 for TTL checks")),
            (r#"{"Name":"c","ScriptArgs":[],"Interval":"1s"}"#, Some("Invalid check: TTL must be > 0 for TTL checks")),
            (r#"{"Name":"c","GRPC":"x"}"#, Some(interval)),
            (
                r#"{"Name":"c","HTTP":"x","Interval":"1s","TTL":"1s"}"#,
                Some("Invalid check: Interval and TTL cannot both be specified"),
            ),
            (r#"{"Name":"c","AliasService":"web","Interval":"10s"}"#, None),
            (
                r#"{"Name":"c","AliasNode":"n","TTL":"10s"}"#,
                Some("Invalid check: TTL must be not be set for Alias checks"),
            ),
            (
                r#"{"Name":"c","TCP":"x:1","Interval":"10s","FailuresBeforeCritical":2,"FailuresBeforeWarning":3}"#,
                Some("Invalid check: FailuresBeforeWarning can't be higher than FailuresBeforeCritical"),
            ),
            (r#"{"Name":"c","TTL":"1h","OutputMaxSize":-1}"#, Some("Invalid check: MaxOutputMaxSize must be positive")),
            (r#"{"Name":"c","TTL":10}"#, None),
        ];
        for (body, expected) in cases {
            assert_eq!(refused(body).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn syntax_of_a_filter_is_checked_at_once_and_its_meaning_later() {
        assert!(parse_filter("").unwrap().is_none());
        let syntax = parse_filter("(").unwrap_err();
        assert!(syntax.text().starts_with("Failed to create boolean expression evaluator: 1:2 (1): "), "{syntax:?}");
        let expression = parse_filter("Bogus == x").unwrap().unwrap();
        assert_eq!(bind_filter(&expression).unwrap_err().text(), "Selector \"Bogus\" is not valid");
    }
}
