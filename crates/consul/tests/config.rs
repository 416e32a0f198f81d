//! No setting is accepted and then ignored: what a build cannot honour is refused or warned about, key by key.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::{Ended, Ports, Process, consul, run};
use config::table::{AGENT_KEYS, Key, Kind, Preset};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const AT_ONCE: usize = 4;
const MISSING: &str = "this version does not have";
const IDLE: &str = "the setting has no effect";

/// Keys that a value of their type alone cannot ask for: the settings that do, or none when nothing valid does.
fn special(path: &str) -> Option<Value> {
    Some(match path {
        "acl.default_policy" => json!({ "acl": { "default_policy": "deny" } }),
        "acl.down_policy" => json!({ "acl": { "down_policy": "deny" } }),
        "encrypt" => json!({ "encrypt": "MDEyMzQ1Njc4OWFiY2RlZg==" }),
        "recursors" => json!({ "recursors": ["192.0.2.1"] }),
        _ => return None,
    })
}

/// A value of this type that differs from the default.
fn other_value(key: &Key) -> Value {
    match (key.kind, key.default) {
        (Kind::Bool, Preset::Bool(default)) => json!(!default),
        (Kind::Bool, _) => json!(true),
        (Kind::Int | Kind::Uint | Kind::Uint32, Preset::Int(default)) => json!(default + 1),
        (Kind::Int | Kind::Uint | Kind::Uint32, _) => json!(1),
        (Kind::Float, _) => json!(1.5),
        (Kind::Text, _) => json!("x"),
        (Kind::Duration, _) => json!("37s"),
        (Kind::Texts, _) => json!(["x"]),
        (Kind::TextMap, _) => json!({ "x": "y" }),
        (Kind::TextsMap, _) => json!({ "x": ["y"] }),
        (Kind::Shape(keys) | Kind::ShapeMap(keys), _) => json!({ "x": keys.len() }),
        (Kind::Shapes(keys), _) => json!([{ "x": keys.len() }]),
        (Kind::Opaque, _) => json!({ "x": "y" }),
        (Kind::Opaques, _) => json!([{ "x": "y" }]),
    }
}

/// A dotted path with its value, as nested objects.
fn nested(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |inner, name| json!({ name: inner }))
}

fn server(config: &Path, data_dir: &Path) -> Command {
    let mut command = consul();
    command
        .args(["agent", "-server", "-bind=127.0.0.1", "-hcl", &Ports::free().hcl()])
        .arg(format!("-data-dir={}", data_dir.display()))
        .arg(format!("-config-file={}", config.display()));
    command
}

#[tokio::test]
async fn explore() {
    let home = Arc::new(tempfile::tempdir().expect("a folder"));
    let (room, mut runs) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for key in AGENT_KEYS.iter().filter(|key| !key.capability.exists() && !key.idle) {
        let (home, room) = (home.clone(), room.clone());
        runs.spawn(async move {
            let _room = room.acquire_owned().await.expect("never closed");
            let file = home.path().join(format!("{}.json", key.path));
            let settings = special(key.path).unwrap_or_else(|| nested(key.path, other_value(key)));
            fs::write(&file, settings.to_string()).expect("written");
            let ended = run(&mut server(&file, &home.path().join("data"))).await;
            (key.path, ended)
        });
    }
    while let Some(done) = runs.join_next().await {
        let (path, ended) = done.expect("no panic");
        if ended.code != Some(1) || !ended.stderr.contains(&format!("{path}: {MISSING}")) {
            println!("{path}: {:?} {} {}", ended.code, ended.stderr.replace('\n', " | "), ended.stdout.len());
        }
    }
}
