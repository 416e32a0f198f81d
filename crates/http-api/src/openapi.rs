//! The API as an OpenAPI 3.1 document and as a page of documentation, both made from the table of routes.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::table::{Action, Answers, Kind, Operation, Parameter, RequestBody, Route, Tells, all};

/// The OpenAPI 3.1 document of every route. Operations of capabilities that do not exist yet are marked
/// `x-not-there-yet`.
pub fn document() -> Value {
    let mut paths = Map::new();
    for (path, route, operations) in places() {
        let described = operations.iter().map(|operation| {
            let described = describe(&path, route.argument, operation);
            (operation.method.to_ascii_lowercase(), described)
        });
        paths.insert(path.clone(), Value::Object(described.collect()));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Proconsul HTTP API",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": format!("Compatible with Consul {}.", types::COMPATIBLE_VERSION),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "header": {"type": "apiKey", "in": "header", "name": "X-Consul-Token"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "parameter": {"type": "apiKey", "in": "query", "name": "token"},
            },
            "parameters": {
                "pretty": {
                    "name": "pretty", "in": "query", "schema": {"type": "string"}, "allowEmptyValue": true,
                    "description": "Indent the JSON.",
                },
            },
            "responses": {
                "Refused": {
                    "description": "Refused or failed; the text says why.",
                    "content": {"text/plain": {"schema": {"type": "string"}}},
                },
            },
        },
        "security": [{}, {"header": []}, {"bearer": []}, {"parameter": []}],
    })
}

/// Every path of the API as a template, with its route and operations.
fn places() -> impl Iterator<Item = (String, &'static Route, &'static [Operation])> {
    all().flat_map(|route| {
        let path = match route.argument {
            "" => route.pattern.to_owned(),
            argument => format!("{}{{{argument}}}", route.pattern),
        };
        let endings = route.endings.iter().map({
            let path = path.clone();
            move |(ending, operations)| (format!("{path}{ending}"), route, *operations)
        });
        std::iter::once((path, route, route.operations)).chain(endings)
    })
}

fn describe(path: &str, argument: &str, operation: &Operation) -> Value {
    let mut parameters: Vec<Value> = Vec::new();
    if !argument.is_empty() {
        parameters.push(json!({
            "name": argument, "in": "path", "required": true, "schema": {"type": "string"},
        }));
    }
    parameters.extend(operation.parameters.iter().copied().flatten().map(describe_parameter));
    if operation.answers == Answers::Json {
        parameters.push(json!({"$ref": "#/components/parameters/pretty"}));
    }
    let mut described = json!({
        "operationId": operation_id(operation.method, path),
        "summary": operation.does,
        "tags": [tag(path)],
        "parameters": parameters,
        "responses": {
            "200": describe_answer(operation),
            "default": {"$ref": "#/components/responses/Refused"},
        },
    });
    let body = match operation.body {
        RequestBody::None => None,
        RequestBody::Json => Some(json!({"content": {"application/json": {"schema": {}}}})),
        RequestBody::Raw => Some(json!({"content": {"application/octet-stream": {}}})),
    };
    if let Some(body) = body {
        described["requestBody"] = body;
    }
    if let Action::Later(capability) = operation.action {
        described["x-not-there-yet"] = json!(capability);
    }
    described
}

fn describe_parameter(parameter: &Parameter) -> Value {
    let schema = match parameter.kind {
        Kind::Text | Kind::Flag => json!({"type": "string"}),
        Kind::Number => json!({"type": "integer", "minimum": 0}),
        Kind::Duration => json!({"type": "string", "format": "go-duration", "examples": ["10s", "1m30s"]}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Repeated => json!({"type": "array", "items": {"type": "string"}}),
    };
    let mut described =
        json!({"name": parameter.name, "in": "query", "description": parameter.about, "schema": schema});
    if parameter.kind == Kind::Flag {
        described["allowEmptyValue"] = json!(true);
    }
    described
}

fn describe_answer(operation: &Operation) -> Value {
    let mut answer = match operation.answers {
        Answers::Json => json!({"description": "Success.", "content": {"application/json": {"schema": {}}}}),
        Answers::Empty => json!({"description": "Success, without a body."}),
        Answers::Text => json!({"description": "Text.", "content": {"text/plain": {"schema": {"type": "string"}}}}),
        Answers::Binary => json!({"description": "Success.", "content": {"application/octet-stream": {}}}),
    };
    let headers: Map<String, Value> = headers(operation.tells)
        .iter()
        .map(|name| ((*name).to_owned(), json!({"schema": {"type": "string"}})))
        .collect();
    if !headers.is_empty() {
        answer["headers"] = Value::Object(headers);
    }
    answer
}

/// Names of the metadata headers of a success.
fn headers(tells: Tells) -> &'static [&'static str] {
    const ALL: [&str; 5] = [
        "X-Consul-Index",
        "X-Consul-KnownLeader",
        "X-Consul-LastContact",
        "X-Consul-Query-Backend",
        "X-Consul-Effective-Consistency",
    ];
    match tells {
        Tells::Nothing => &[],
        Tells::Index => const { ALL.first_chunk::<1>().unwrap().as_slice() },
        Tells::Freshness => &["X-Consul-KnownLeader", "X-Consul-LastContact"],
        Tells::All => const { ALL.first_chunk::<4>().unwrap().as_slice() },
        Tells::AllWithMode => const { ALL.as_slice() },
    }
}

/// The group a path belongs to: its first segment behind the version.
fn tag(path: &str) -> &str {
    path.trim_start_matches("/v1").trim_start_matches('/').split('/').next().unwrap_or_default()
}

fn operation_id(method: &str, path: &str) -> String {
    let mut id = method.to_ascii_lowercase();
    for word in
        path.trim_start_matches("/v1").split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
    {
        id.push('-');
        id.push_str(word);
    }
    id
}

/// The same as a page: one table of routes for each group.
pub fn page() -> String {
    let mut page = String::from(
        "# HTTP routes\n\nMade from the table in `crates/http-api/src/table.rs`; a running agent serves the same as an \
         OpenAPI document at `/v1/agent/openapi`.\n\nEvery route takes `token` and `pretty`, and answers `OPTIONS`. A \
         route marked *later* answers 501 and names what is missing.\n",
    );
    let mut places: Vec<_> = places().collect();
    let mut groups: Vec<String> = Vec::new();
    for (path, ..) in &places {
        if !groups.iter().any(|group| group == tag(path)) {
            groups.push(tag(path).to_owned());
        }
    }
    places.sort_by_key(|(path, ..)| groups.iter().position(|group| group == tag(path)));
    let mut group = "";
    for (path, _, operations) in &places {
        if tag(path) != group {
            group = tag(path);
            push(
                &mut page,
                format_args!("\n## {group}\n\n| Route | Does | Parameters | Headers |\n|---|---|---|---|\n"),
            );
        }
        for operation in *operations {
            let names: Vec<String> = operation
                .parameters
                .iter()
                .copied()
                .flatten()
                .map(|parameter| format!("`{}`", parameter.name))
                .collect();
            let later = if matches!(operation.action, Action::Later(_)) { " *later*" } else { "" };
            let headers: Vec<String> =
                headers(operation.tells).iter().map(|name| name.trim_start_matches("X-Consul-").to_owned()).collect();
            push(
                &mut page,
                format_args!(
                    "| {} `{path}` | {}{later} | {} | {} |\n",
                    operation.method,
                    operation.does,
                    names.join(" "),
                    headers.join(", ")
                ),
            );
        }
    }
    page
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    let written = page.write_fmt(text);
    debug_assert!(written.is_ok(), "writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn operation_ids_are_unique() {
        let mut seen = HashSet::new();
        for (path, _, operations) in places() {
            for operation in operations {
                let id = operation_id(operation.method, &path);
                assert!(seen.insert(id.clone()), "{id} stands twice");
            }
        }
    }

    #[test]
    fn the_page_in_the_documentation_is_this_one() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/http-routes.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(file, page()).unwrap();
        }
        let written = std::fs::read_to_string(file).unwrap_or_default();
        assert!(written == page(), "docs/http-routes.md is out of date: run this test with UPDATE_DOCS=1");
    }
}
