//! Reading a command's arguments against its flags (docs/spec/cli.md §1.3).

use std::collections::BTreeMap;

use wire::GoDuration;
use wire::quote::go_quote as quote;

use super::{Flag, Kind, parse_bool, parse_decimal, parse_int, parse_uint};

/// Why the arguments do not fit the flags. The texts are the reference's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// A flag the command does not have.
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    /// The last argument is a flag that wants a value.
    #[error("flag needs an argument: -{0}")]
    MissingValue(String),
    /// Something like `---x` or `-=1`.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// A value that its kind does not allow.
    #[error("invalid value {} for flag -{name}: {cause}", quote(.value))]
    Value {
        /// The flag's name.
        name: String,
        /// The value as given.
        value: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A value that is no boolean.
    #[error("invalid boolean value {} for -{name}: {cause}", quote(.value))]
    Bool {
        /// The flag's name.
        name: String,
        /// The value as given.
        value: String,
        /// What is wrong with it.
        cause: String,
    },
    /// `-h=…` or `-help=…`: the flag listing is wanted, nothing is wrong.
    #[error("flag: help requested")]
    Help,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Bool(bool),
    Text(String),
    Int(i64),
    Uint(u64),
    Duration(GoDuration),
    List(Vec<String>),
    Map(BTreeMap<String, String>),
}

/// The values of a command's flags: those given, and the defaults of the others.
///
/// The accessors answer the zero of their type for a name the command does not have or of another kind: the table
/// and the handler that reads it stand side by side in one file.
#[derive(Clone, Debug, Default)]
pub struct Values {
    values: BTreeMap<&'static str, Value>,
    given: Vec<(&'static str, String)>,
}

impl Values {
    /// Whether the flag was given on the command line.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// The flags that were given with their values as written, in order; a boolean that stood alone is `true`.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.given.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// A boolean.
    pub fn bool(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Bool(true)))
    }

    /// A text.
    pub fn text(&self, name: &str) -> &str {
        if let Some(Value::Text(text)) = self.get(name) { text } else { "" }
    }

    /// A signed number.
    pub fn int(&self, name: &str) -> i64 {
        if let Some(Value::Int(number)) = self.get(name) { *number } else { 0 }
    }

    /// An unsigned number.
    pub fn uint(&self, name: &str) -> u64 {
        if let Some(Value::Uint(number)) = self.get(name) { *number } else { 0 }
    }

    /// A duration; it may be negative.
    pub fn duration(&self, name: &str) -> GoDuration {
        if let Some(Value::Duration(duration)) = self.get(name) { *duration } else { GoDuration::ZERO }
    }

    /// The texts of a repeatable flag, in the order given.
    pub fn list(&self, name: &str) -> &[String] {
        if let Some(Value::List(items)) = self.get(name) { items } else { &[] }
    }

    /// The pairs of a map flag.
    pub fn map(&self, name: &str) -> BTreeMap<String, String> {
        if let Some(Value::Map(pairs)) = self.get(name) { pairs.clone() } else { BTreeMap::new() }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }
}

/// Reads flags from the front of `args`; answers their values and the arguments after them.
///
/// Flags end at the first argument that is not one, at a lone `-`, or after `--`.
pub fn parse(flags: &[Flag], args: &[String]) -> Result<(Values, Vec<String>), FlagError> {
    let mut values = Values::default();
    for flag in flags {
        values.values.insert(flag.name, initial(flag)?);
    }
    let mut rest = args;
    while let Some((first, after)) = rest.split_first() {
        let Some(body) = first.strip_prefix('-').filter(|b| !b.is_empty()) else { break };
        let body = body.strip_prefix('-').unwrap_or(body);
        rest = after;
        if body.is_empty() {
            break;
        }
        if body.starts_with(['-', '=']) {
            return Err(FlagError::Syntax(first.clone()));
        }
        let (name, attached) = body.split_once('=').map_or((body, None), |(n, v)| (n, Some(v)));
        let Some(flag) = flags.iter().find(|f| f.name == name) else {
            return Err(if matches!(name, "h" | "help") {
                FlagError::Help
            } else {
                FlagError::Unknown(name.to_string())
            });
        };
        let value = match (attached, flag.kind.is_bool(), rest.split_first()) {
            (Some(value), _, _) => value,
            (None, true, _) => "true",
            (None, false, Some((value, after))) => {
                rest = after;
                value
            }
            (None, false, None) => return Err(FlagError::MissingValue(name.to_string())),
        };
        set(&mut values, flag, value)?;
        values.given.push((flag.name, value.to_string()));
    }
    Ok((values, rest.to_vec()))
}

fn initial(flag: &Flag) -> Result<Value, FlagError> {
    if !flag.default.is_empty() {
        return read(flag, flag.default);
    }
    Ok(match flag.kind {
        Kind::Bool | Kind::OptionalBool => Value::Bool(false),
        Kind::Text | Kind::OptionalText => Value::Text(String::new()),
        Kind::Int | Kind::OptionalInt => Value::Int(0),
        Kind::Uint | Kind::OptionalUint => Value::Uint(0),
        Kind::Duration | Kind::OptionalDuration => Value::Duration(GoDuration::ZERO),
        Kind::List => Value::List(Vec::new()),
        Kind::Map | Kind::ColonMap => Value::Map(BTreeMap::new()),
    })
}

fn set(values: &mut Values, flag: &Flag, text: &str) -> Result<(), FlagError> {
    let read = read(flag, text)?;
    match (values.values.get_mut(flag.name), read) {
        (Some(Value::List(old)), Value::List(new)) => old.extend(new),
        (Some(Value::Map(old)), Value::Map(new)) => old.extend(new),
        (_, new) => {
            values.values.insert(flag.name, new);
        }
    }
    Ok(())
}

fn read(flag: &Flag, text: &str) -> Result<Value, FlagError> {
    let bad = |cause: String| FlagError::Value { name: flag.name.to_string(), value: text.to_string(), cause };
    let number = |function: &str, cause: super::NumberError| {
        bad(format!("strconv.{function}: parsing {}: {cause}", quote(text)))
    };
    let plain = |cause: super::NumberError| {
        bad(if cause == super::NumberError::Range { cause.to_string() } else { PARSE_ERROR.to_string() })
    };
    Ok(match flag.kind {
        Kind::Text | Kind::OptionalText => Value::Text(text.to_string()),
        Kind::List => Value::List(vec![text.to_string()]),
        Kind::Int => Value::Int(parse_int(text).map_err(plain)?),
        Kind::Uint => Value::Uint(parse_uint(text).map_err(plain)?),
        Kind::Duration => Value::Duration(GoDuration::parse(text).map_err(|_| bad(PARSE_ERROR.to_string()))?),
        Kind::OptionalInt => Value::Int(parse_decimal(text).map_err(|e| number("Atoi", e))?),
        Kind::OptionalUint => Value::Uint(parse_uint(text).map_err(|e| number("ParseUint", e))?),
        Kind::OptionalDuration => Value::Duration(GoDuration::parse(text).map_err(|e| bad(e.to_string()))?),
        Kind::Bool | Kind::OptionalBool => {
            let cause = if flag.kind == Kind::Bool {
                PARSE_ERROR.to_string()
            } else {
                format!("strconv.ParseBool: parsing {}: invalid syntax", quote(text))
            };
            let bad = FlagError::Bool { name: flag.name.to_string(), value: text.to_string(), cause };
            Value::Bool(parse_bool(text).ok_or(bad)?)
        }
        Kind::Map => {
            let (key, value) =
                text.split_once('=').ok_or_else(|| bad(format!("Missing \"=\" value in argument: {text}")))?;
            Value::Map(BTreeMap::from([(key.to_string(), value.to_string())]))
        }
        Kind::ColonMap => {
            let (key, value) = text.split_once(':').unwrap_or((text, ""));
            Value::Map(BTreeMap::from([(key.to_string(), value.to_string())]))
        }
    })
}

const PARSE_ERROR: &str = "parse error";

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        Flag::bool("recurse", ""),
        Flag::bool("shell", "").defaults_to("true"),
        Flag::text("name", ""),
        Flag::int("n", "").defaults_to("1"),
        Flag::uint("flags", ""),
        Flag::duration("wait", "").defaults_to("2s"),
        Flag::list("tag", ""),
        Flag::map("meta", ""),
        Flag::new("stale", Kind::OptionalBool, ""),
        Flag::new("port", Kind::OptionalInt, ""),
        Flag::new("logs", Kind::OptionalUint, ""),
        Flag::new("threshold", Kind::OptionalDuration, ""),
        Flag::new("node-meta", Kind::ColonMap, ""),
    ];

    fn args(line: &str) -> Vec<String> {
        line.split(' ').filter(|w| !w.is_empty()).map(str::to_string).collect()
    }

    fn parsed(line: &str) -> (Values, Vec<String>) {
        parse(FLAGS, &args(line)).unwrap_or_else(|e| panic!("{line}: {e}"))
    }

    #[test]
    fn defaults_stand_until_a_flag_is_given() {
        let (values, rest) = parsed("");
        assert!(values.bool("shell") && !values.bool("recurse"));
        assert_eq!((values.int("n"), values.duration("wait")), (1, GoDuration::from_secs(2)));
        assert!(!values.is_given("n") && rest.is_empty());
    }

    #[test]
    fn one_and_two_dashes_and_both_value_forms_are_the_same() {
        for line in ["-name x", "--name x", "-name=x", "--name=x"] {
            assert_eq!(parsed(line).0.text("name"), "x", "{line}");
        }
    }

    #[test]
    fn a_boolean_does_not_take_the_next_argument() {
        let (values, rest) = parsed("-recurse false");
        assert!(values.bool("recurse"));
        assert_eq!(rest, ["false"]);
    }

    #[test]
    fn flags_end_at_a_positional_a_dash_or_two_dashes() {
        for (line, left) in [("a -recurse", "a -recurse"), ("- -recurse", "- -recurse"), ("-- -recurse", "-recurse")] {
            let (values, rest) = parsed(line);
            assert!(!values.bool("recurse"), "{line}");
            assert_eq!(rest, args(left), "{line}");
        }
    }

    #[test]
    fn repeats_replace_scalars_and_collect_lists_and_maps() {
        let (values, _) =
            parsed("-name a -name b -tag x -tag y -meta k=1 -meta k=2=3 -meta l= -node-meta z -node-meta y:1:2");
        assert_eq!(values.text("name"), "b");
        assert_eq!(values.list("tag"), ["x", "y"]);
        let pairs =
            |p: &[(&str, &str)]| p.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<BTreeMap<_, _>>();
        assert_eq!(values.map("meta"), pairs(&[("k", "2=3"), ("l", "")]));
        assert_eq!(values.map("node-meta"), pairs(&[("z", ""), ("y", "1:2")]));
    }

    #[test]
    fn errors_have_the_texts_users_know() {
        for (line, message) in [
            ("-nosuch", "flag provided but not defined: -nosuch"),
            ("--nosuch=1", "flag provided but not defined: -nosuch"),
            ("-name", "flag needs an argument: -name"),
            ("---x k", "bad flag syntax: ---x"),
            ("-=1 k", "bad flag syntax: -=1"),
            ("-flags=x", "invalid value \"x\" for flag -flags: parse error"),
            ("-flags=-1", "invalid value \"-1\" for flag -flags: parse error"),
            (
                "-flags=99999999999999999999",
                "invalid value \"99999999999999999999\" for flag -flags: value out of range",
            ),
            ("-recurse=maybe", "invalid boolean value \"maybe\" for -recurse: parse error"),
            ("-wait=10", "invalid value \"10\" for flag -wait: parse error"),
            ("-meta=k", "invalid value \"k\" for flag -meta: Missing \"=\" value in argument: k"),
            ("-stale=ja", "invalid boolean value \"ja\" for -stale: strconv.ParseBool: parsing \"ja\": invalid syntax"),
            ("-port=0x10", "invalid value \"0x10\" for flag -port: strconv.Atoi: parsing \"0x10\": invalid syntax"),
            ("-logs=-5", "invalid value \"-5\" for flag -logs: strconv.ParseUint: parsing \"-5\": invalid syntax"),
            ("-threshold=10", "invalid value \"10\" for flag -threshold: time: missing unit in duration \"10\""),
            ("-h=1", "flag: help requested"),
        ] {
            let error = parse(FLAGS, &args(line)).expect_err(line);
            assert_eq!(error.to_string(), message, "{line}");
        }
    }
}
