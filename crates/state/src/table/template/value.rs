//! What an expression of a template gives, and how values turn into one another.

/// Floats with smaller decimal exponents are written with one.
const SMALLEST_PLAIN_EXPONENT: i32 = -4;
/// Floats with this decimal exponent or a larger one are written with it.
const FIRST_LARGE_EXPONENT: i32 = 6;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
}

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    Float,
    Bool,
}

impl Kind {
    /// The name in errors about arguments, branches and conditions.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Kind::Text => "string",
            Kind::Int => "int",
            Kind::Float => "float",
            Kind::Bool => "bool",
        }
    }

    /// The name in errors about operands.
    pub(super) const fn operand_name(self) -> &'static str {
        match self {
            Kind::Text => "TypeString",
            Kind::Int => "TypeInt",
            Kind::Float => "TypeFloat",
            Kind::Bool => "TypeBool",
        }
    }

    /// What stands for a value of this type that could not be had, until the error is told.
    pub(super) const fn nothing(self) -> Value {
        match self {
            Kind::Text => Value::Text(String::new()),
            Kind::Int => Value::Int(0),
            Kind::Float => Value::Float(0.0),
            Kind::Bool => Value::Bool(false),
        }
    }
}

/// Why a value does not become one of another type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// The types never fit.
    Types,
    /// The types may fit, this value does not; the text tells why.
    Value(String),
}

impl Value {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Value::Text(_) => Kind::Text,
            Value::Int(_) => Kind::Int,
            Value::Float(_) => Kind::Float,
            Value::Bool(_) => Kind::Bool,
        }
    }

    /// The value as text.
    pub(super) fn into_text(self) -> String {
        match self {
            Value::Text(text) => text,
            Value::Int(number) => number.to_string(),
            Value::Float(number) => shortest(number),
            Value::Bool(value) => value.to_string(),
        }
    }

    /// The value as one of another type: text is read, numbers turn into each other, a fraction is cut off.
    pub(super) fn convert(self, kind: Kind) -> Result<Value, Mismatch> {
        match (self, kind) {
            (value, Kind::Text) => Ok(Value::Text(value.into_text())),
            (value, same) if value.kind() == same => Ok(value),
            (Value::Text(text), Kind::Int) => {
                parse(&text, "StringToInt", "ParseInt", text.parse().ok().map(Value::Int))
            }
            (Value::Text(text), Kind::Float) => {
                parse(&text, "StringToFloat", "ParseFloat", text.parse().ok().map(Value::Float))
            }
            (Value::Text(text), Kind::Bool) => parse(&text, "StringToBool", "ParseBool", truth(&text).map(Value::Bool)),
            (Value::Int(number), Kind::Float) => Ok(Value::Float(number as f64)),
            (Value::Float(number), Kind::Int) => Ok(Value::Int(number as i64)),
            _ => Err(Mismatch::Types),
        }
    }
}

fn parse(text: &str, function: &str, parser: &str, read: Option<Value>) -> Result<Value, Mismatch> {
    let quoted = wire::quote::go_quote(text);
    read.ok_or_else(|| {
        Mismatch::Value(format!("__builtin_{function}: strconv.{parser}: parsing {quoted}: invalid syntax"))
    })
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// The shortest decimal that reads back as the number, with an exponent where Go's `%g` has one.
fn shortest(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (SMALLEST_PLAIN_EXPONENT..FIRST_LARGE_EXPONENT).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        let cases = [
            (1.0, "1"),
            (2.5, "2.5"),
            (-0.0001, "-0.0001"),
            (0.00001, "1e-05"),
            (100_000.5, "100000.5"),
            (1_000_000.0, "1e+06"),
            (1e22, "1e+22"),
            (f64::INFINITY, "+Inf"),
        ];
        for (number, text) in cases {
            assert_eq!(Value::Float(number).into_text(), text);
        }
    }

    #[test]
    fn truth_and_numbers_do_not_mix() {
        for kind in [Kind::Int, Kind::Float] {
            assert_eq!(Value::Bool(true).convert(kind), Err(Mismatch::Types));
            assert_eq!(kind.nothing().convert(Kind::Bool), Err(Mismatch::Types));
        }
        assert_eq!(Value::Float(1.9).convert(Kind::Int), Ok(Value::Int(1)));
        assert_eq!(Value::Text("1".to_owned()).convert(Kind::Bool), Ok(Value::Bool(true)));
    }
}
