//! Files, directories and fragments, found and parsed in order (`docs/spec/config.md` §1).

use std::path::Path;
use std::sync::Arc;

use crate::environment::Environment;
use crate::error::{ConfigError, go_io_cause, go_io_error};
use crate::flag::Flags;
use crate::place::Place;
use crate::value::{Raw, RawValue};

/// Syntax of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Hcl,
    Json,
}

/// A named text that is still to be typed.
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    text: String,
    format: Format,
}

impl Source {
    /// A `-hcl` fragment.
    pub(crate) fn fragment(index: usize, text: &str) -> Source {
        Source { name: Arc::from(format!("flags-{index}.hcl")), text: text.to_owned(), format: Format::Hcl }
    }

    /// Parses the text. An empty text is an empty source.
    pub(crate) fn parse(&self) -> Result<Raw, ConfigError> {
        if self.text.is_empty() {
            return Ok(Raw { value: RawValue::Null, position: None });
        }
        let parsed = match self.format {
            Format::Hcl => wire::hcl::parse(&self.text),
            Format::Json => wire::hcl::parse_json(&self.text),
        };
        parsed.map(|object| Raw { value: object.into(), position: None }).map_err(|error| self.syntax_error(&error))
    }

    fn syntax_error(&self, error: &wire::hcl::HclError) -> ConfigError {
        use wire::hcl::HclError;
        let position = match error {
            HclError::At { line, column, .. } | HclError::Value { line, column, .. } => {
                Some((*line as usize, *column as usize))
            }
            HclError::Json(wire::json::JsonError::Syntax { offset, .. }) => Some(line_and_column(&self.text, *offset)),
            _ => None,
        };
        ConfigError::Syntax { place: Place { source: Arc::clone(&self.name), position }, detail: error.to_string() }
    }
}

/// The files named by the flags, directories expanded, in order.
pub(crate) fn files(flags: &Flags, env: &Environment, warnings: &mut Vec<String>) -> Result<Vec<Source>, ConfigError> {
    let forced = match flags.format() {
        None | Some("") => None,
        Some("hcl") => Some(Format::Hcl),
        Some("json") => Some(Format::Json),
        Some(_) => return Err(ConfigError::source("config: -config-format must be either 'hcl' or 'json'")),
    };
    let mut sources = Vec::new();
    for path in flags.files() {
        let file = std::fs::File::open(env.resolve(path)).map_err(|error| {
            ConfigError::source(format!("config: Open failed on {path}. {}", go_io_error("open", path, &error)))
        })?;
        let metadata = file.metadata().map_err(|error| {
            ConfigError::source(format!("config: Stat failed on {path}. {}", go_io_error("stat", path, &error)))
        })?;
        if metadata.is_dir() {
            read_directory(path, forced, env, warnings, &mut sources)?;
        } else {
            read_named(path, forced, env, warnings, &mut sources)?;
        }
    }
    Ok(sources)
}

fn read_directory(
    dir: &str,
    forced: Option<Format>,
    env: &Environment,
    warnings: &mut Vec<String>,
    sources: &mut Vec<Source>,
) -> Result<(), ConfigError> {
    let failed = |error: std::io::Error| {
        ConfigError::source(format!("config: Readdir failed on {dir}. {}", go_io_error("open", dir, &error)))
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(env.resolve(dir)).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    for name in names {
        let mut path = clean(&format!("{dir}/{name}"));
        let mut metadata = match std::fs::symlink_metadata(env.resolve(&path)) {
            Ok(metadata) => metadata,
            Err(error) => return Err(ConfigError::source(go_io_error("lstat", &path, &error))),
        };
        if metadata.is_symlink() {
            path = follow(&path, env)?;
            metadata = std::fs::metadata(env.resolve(&path))
                .map_err(|error| ConfigError::source(go_io_error("stat", &path, &error)))?;
        }
        if !metadata.is_dir() {
            read_named(&path, forced, env, warnings, sources)?;
        }
    }
    Ok(())
}

/// The path a chain of symbolic links ends at, relative where the links are relative.
fn follow(path: &str, env: &Environment) -> Result<String, ConfigError> {
    /// Links followed before giving up, as Go's `filepath.EvalSymlinks`.
    const MAX_LINKS: usize = 255;
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = std::fs::read_link(env.resolve(&path)) else {
            return match std::fs::symlink_metadata(env.resolve(&path)) {
                Ok(_) => Ok(path),
                Err(error) => Err(ConfigError::source(go_io_error("lstat", &path, &error))),
            };
        };
        let next = Path::new(&path).parent().unwrap_or(Path::new("")).join(target);
        path = clean(&next.to_string_lossy());
    }
    Err(ConfigError::source("EvalSymlinks: too many links"))
}

fn read_named(
    path: &str,
    forced: Option<Format>,
    env: &Environment,
    warnings: &mut Vec<String>,
    sources: &mut Vec<Source>,
) -> Result<(), ConfigError> {
    let by_name = if path.ends_with(".json") {
        Some(Format::Json)
    } else if path.ends_with(".hcl") {
        Some(Format::Hcl)
    } else {
        None
    };
    let Some(format) = forced.or(by_name) else {
        warnings.push(format!("skipping file {path}, extension must be .hcl or .json, or config format must be set"));
        return Ok(());
    };
    let bytes = std::fs::read(env.resolve(path)).map_err(|error| {
        ConfigError::source(format!("config: failed to read {path}: {}", go_read_error(path, &error)))
    })?;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        // JSON shows such bytes as U+FFFD, as Go does; HCL is UTF-8.
        Err(error) if format == Format::Json => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        Err(error) => return Err(not_utf8(path, &error)),
    };
    sources.push(Source { name: Arc::from(path), text, format });
    Ok(())
}

fn not_utf8(path: &str, error: &std::string::FromUtf8Error) -> ConfigError {
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let good = String::from_utf8_lossy(good);
    let (line, column) = line_and_column(&good, good.len());
    ConfigError::Syntax {
        place: Place { source: Arc::from(path), position: Some((line, column)) },
        detail: format!("At {line}:{column}: illegal UTF-8 encoding"),
    }
}

fn go_read_error(path: &str, error: &std::io::Error) -> String {
    let call = if error.kind() == std::io::ErrorKind::IsADirectory { "read" } else { "open" };
    format!("{call} {path}: {}", go_io_cause(error))
}

/// The path without `.`, `..` and doubled slashes where text alone can tell (Go's `filepath.Clean`).
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    (line, column)
}

impl From<wire::hcl::Object> for RawValue {
    fn from(object: wire::hcl::Object) -> RawValue {
        RawValue::Map(object.entries.into_iter().map(|(key, value)| (key, value.into())).collect())
    }
}

impl From<wire::hcl::Spanned> for Raw {
    fn from(spanned: wire::hcl::Spanned) -> Raw {
        use wire::hcl::Value;
        let value = match spanned.value {
            Value::Null => RawValue::Null,
            Value::Bool(value) => RawValue::Bool(value),
            Value::Int(value) => RawValue::Int(value),
            Value::Float(value) => RawValue::Float(value),
            Value::String(value) => RawValue::Text(value),
            Value::List(items) if spanned.blocks => RawValue::Blocks(items.into_iter().map(Raw::from).collect()),
            Value::List(items) => RawValue::List(items.into_iter().map(Raw::from).collect()),
            Value::Object(object) => object.into(),
        };
        Raw { value, position: Some((spanned.line as usize, spanned.column as usize)) }
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn paths_are_cleaned_as_in_go() {
        let table = [
            ("a//b", "a/b"),
            ("d/../bad.hcl", "bad.hcl"),
            ("/../x", "/x"),
            ("..", ".."),
            ("../../x", "../../x"),
            ("./", "."),
        ];
        for (path, cleaned) in table {
            assert_eq!(clean(path), cleaned);
        }
    }
}
