//! Query templates: a stored query whose strings are filled in from the name it is asked by
//! (`docs/spec/http-api.md` §11).
//!
//! Every string of the query's `Service`, map keys aside, may hold expressions: `${name.full}`, `${match(1)}`.

mod expression;
mod scan;
mod value;

use filter::re2;
use regex::Regex;
use types::PreparedQuery;
use types::prepared_query::ServiceQuery;

use self::expression::{Fault, Scope};

/// The only type of template there is.
const NAME_PREFIX_MATCH: &str = "name_prefix_match";

/// A template whose expressions are known to be sound.
#[derive(Debug)]
pub(crate) struct Template {
    regex: Option<Regex>,
}

impl Template {
    /// Checks type, regular expression and every expression in the query's strings.
    pub(crate) fn compile(query: &PreparedQuery) -> Result<Template, String> {
        let template = &query.template;
        if template.r#type != NAME_PREFIX_MATCH {
            return Err(format!("Bad Template.Type '{}'", template.r#type));
        }
        let regex = match template.regexp.as_str() {
            "" => None,
            pattern => Some(re2::compile(pattern).map_err(|error| format!("Bad Regexp: {error}"))?),
        };
        let template = Template { regex };
        template.render(query, &query.name, "")?;
        Ok(template)
    }

    /// The query with every string of its `Service` filled in for this name.
    pub(crate) fn render(&self, query: &PreparedQuery, name: &str, segment: &str) -> Result<PreparedQuery, String> {
        let scope = Scope {
            full: name,
            prefix: &query.name,
            suffix: name.get(query.name.len()..).unwrap_or_default(),
            segment,
            captures: self.regex.as_ref().and_then(|regex| regex.captures(name)),
        };
        let mut rendered = query.clone();
        fill_service(&scope, &mut rendered.service)?;
        if query.template.remove_empty_tags {
            rendered.service.tags.retain(|tag| !tag.is_empty());
        }
        Ok(rendered)
    }
}

fn fill_service(scope: &Scope<'_>, service: &mut ServiceQuery) -> Result<(), String> {
    fill(scope, &mut service.service, || "Service".to_owned())?;
    for (at, datacenter) in service.failover.datacenters.iter_mut().enumerate() {
        fill(scope, datacenter, || format!("Failover.Datacenters[{at}]"))?;
    }
    for (at, target) in service.failover.targets.iter_mut().enumerate() {
        fill(scope, &mut target.peer, || format!("Failover.Targets[{at}].Peer"))?;
        fill(scope, &mut target.datacenter, || format!("Failover.Targets[{at}].Datacenter"))?;
    }
    for (at, check) in service.ignore_check_ids.iter_mut().enumerate() {
        fill(scope, check, || format!("IgnoreCheckIDs[{at}]"))?;
    }
    fill(scope, &mut service.near, || "Near".to_owned())?;
    for (at, tag) in service.tags.iter_mut().enumerate() {
        fill(scope, tag, || format!("Tags[{at}]"))?;
    }
    for (key, value) in &mut service.node_meta {
        fill(scope, value, || format!("NodeMeta[{key}]"))?;
    }
    for (key, value) in &mut service.service_meta {
        fill(scope, value, || format!("ServiceMeta[{key}]"))?;
    }
    fill(scope, &mut service.peer, || "Peer".to_owned())
}

/// Fills in one string; `place` names it in an error.
fn fill(scope: &Scope<'_>, text: &mut String, place: impl FnOnce() -> String) -> Result<(), String> {
    if !text.contains('$') {
        return Ok(());
    }
    match expression::fill(text, scope) {
        Ok(filled) => *text = filled,
        Err(Fault::Format(why)) => return Err(format!("Bad format '{text}' in Service.{}: {why}", place())),
        Err(Fault::Evaluation(why)) => {
            return Err(format!("Bad evaluation for '{text}' in Service.{}: {why}", place()));
        }
    }
    Ok(())
}
