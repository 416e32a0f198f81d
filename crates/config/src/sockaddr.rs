//! Address templates: Go templates over this machine's interface addresses (`docs/spec/config.md` §5).
//!
//! Supported are texts with `{{ … }}` actions that hold pipelines of the functions of §5, string and number literals
//! and parentheses. Control actions (`range`, `if`, variables) are not part of the address grammar here and are refused
//! by name.

mod function;
mod list;
mod rfc;
mod syntax;

use crate::environment::Environment;

pub(crate) use list::{Addr, Network, is_private_v4, is_private_v6};

/// Name the reference gives every address template; part of its messages.
const TEMPLATE_NAME: &str = "sockaddr.Parse";

/// Evaluates a template; a text without actions is itself. The error is the reference's text.
pub(crate) fn evaluate(text: &str, env: &Environment) -> Result<String, String> {
    let quoted = wire::quote::go_quote(text);
    let template = syntax::parse(text)
        .map_err(|error| format!("unable to parse template {quoted}: template: {TEMPLATE_NAME}:{error}"))?;
    let mut out = String::new();
    for node in &template {
        match node {
            syntax::Node::Text(text) => out.push_str(text),
            syntax::Node::Action(pipeline) => {
                let value = function::pipeline(pipeline, env).map_err(|error| {
                    format!(
                        "unable to execute sockaddr input {quoted}: template: {TEMPLATE_NAME}:{}:{}: executing \"{TEMPLATE_NAME}\" at <{}>: {}",
                        error.line,
                        error.column,
                        error.context,
                        error.cause
                    )
                })?;
                out.push_str(&value.to_string());
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
