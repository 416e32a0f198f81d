//! Flags as data: what a command accepts, with everything that parsing, help and completion need to know.

mod groups;
mod number;
mod parse;

pub use groups::Groups;
pub(crate) use number::parse_decimal;
pub use number::{NumberError, parse_bool, parse_int, parse_uint};
pub use parse::{FlagError, Values, parse};

/// What a flag's value is and how it is read (docs/spec/cli.md §1.3).
///
/// The `Optional…` kinds read the same text as the plain ones but report the cause of a bad value instead of a bare
/// `parse error`, and show `value` as their type: they belong to the flag groups and to the agent's flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `-x` or `-x=BOOL`; never takes the next argument.
    Bool,
    /// Any text.
    Text,
    /// A signed 64-bit number, with an optional base prefix.
    Int,
    /// An unsigned 64-bit number, with an optional base prefix.
    Uint,
    /// A duration such as `1m30s`.
    Duration,
    /// As [`Kind::Bool`].
    OptionalBool,
    /// As [`Kind::Text`].
    OptionalText,
    /// A signed decimal number.
    OptionalInt,
    /// As [`Kind::Uint`].
    OptionalUint,
    /// As [`Kind::Duration`].
    OptionalDuration,
    /// Text that may be given several times.
    List,
    /// `key=value` that may be given several times; a repeated key takes its last value.
    Map,
    /// `key:value`, the value being optional; otherwise as [`Kind::Map`].
    ColonMap,
}

impl Kind {
    /// Whether the flag may stand alone, without a value.
    pub fn is_bool(self) -> bool {
        matches!(self, Kind::Bool | Kind::OptionalBool)
    }

    /// The word shown for the value in help texts; `None` for booleans.
    pub fn value_name(self) -> Option<&'static str> {
        match self {
            Kind::Bool | Kind::OptionalBool => None,
            Kind::Text => Some("string"),
            Kind::Int => Some("int"),
            Kind::Uint => Some("uint"),
            Kind::Duration => Some("duration"),
            Kind::OptionalText
            | Kind::OptionalInt
            | Kind::OptionalUint
            | Kind::OptionalDuration
            | Kind::List
            | Kind::Map
            | Kind::ColonMap => Some("value"),
        }
    }
}

/// One flag of one command.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// The name, without dashes.
    pub name: &'static str,
    /// How its value is read.
    pub kind: Kind,
    /// What it does: sentences, without its default and environment variable, which help adds.
    pub about: &'static str,
    /// The word shown for the value, when the kind's own word says too little.
    pub hint: Option<&'static str>,
    /// The value when the flag is not given, as it would be written; empty is the kind's zero.
    pub default: &'static str,
    /// The environment variable read when the flag is not given.
    pub variable: Option<&'static str>,
    /// The values completion offers.
    pub choices: &'static [&'static str],
}

impl Flag {
    /// A flag of `kind` without default, variable or choices.
    pub const fn new(name: &'static str, kind: Kind, about: &'static str) -> Flag {
        Flag { name, kind, about, hint: None, default: "", variable: None, choices: &[] }
    }

    /// A flag that is off unless given.
    pub const fn bool(name: &'static str, about: &'static str) -> Flag {
        Flag::new(name, Kind::Bool, about)
    }

    /// A text flag.
    pub const fn text(name: &'static str, about: &'static str) -> Flag {
        Flag::new(name, Kind::Text, about)
    }

    /// A signed number.
    pub const fn int(name: &'static str, about: &'static str) -> Flag {
        Flag::new(name, Kind::Int, about)
    }

    /// An unsigned number.
    pub const fn uint(name: &'static str, about: &'static str) -> Flag {
        Flag::new(name, Kind::Uint, about)
    }

    /// A duration.
    pub const fn duration(name: &'static str, about: &'static str) -> Flag {
        Flag::new(name, Kind::Duration, about)
    }

    /// A repeatable text flag.
    pub const fn list(name: &'static str, about: &'static str) -> Flag {
        Flag::new(name, Kind::List, about)
    }

    /// A repeatable `key=value` flag.
    pub const fn map(name: &'static str, about: &'static str) -> Flag {
        Flag::new(name, Kind::Map, about)
    }

    /// Shows `hint` for the value in help texts.
    pub const fn hint(mut self, hint: &'static str) -> Flag {
        self.hint = Some(hint);
        self
    }

    /// Sets the value of a flag that is not given.
    pub const fn defaults_to(mut self, default: &'static str) -> Flag {
        self.default = default;
        self
    }

    /// Names the environment variable that stands in for the flag.
    pub const fn variable(mut self, variable: &'static str) -> Flag {
        self.variable = Some(variable);
        self
    }

    /// Names the values that completion offers.
    pub const fn one_of(mut self, choices: &'static [&'static str]) -> Flag {
        self.choices = choices;
        self
    }

    /// The word shown for the value; `None` for booleans.
    pub fn value_name(&self) -> Option<&'static str> {
        if self.kind.is_bool() { None } else { self.hint.or(self.kind.value_name()) }
    }
}
