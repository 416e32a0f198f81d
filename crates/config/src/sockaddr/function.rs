//! Evaluation of pipelines: the functions of `docs/spec/config.md` §5.

use std::fmt;

use regex::Regex;

use super::list::{Addr, Network};
use super::rfc;
use super::syntax::{Command, Operand, OperandValue, Pipeline};
use crate::environment::Environment;
use wire::quote::go_quote;

/// A value in flight.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    List(Vec<Addr>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Number(number) => write!(f, "{number}"),
            Value::List(list) => {
                let shown: Vec<String> = list.iter().map(|addr| format!("{} {}", addr.show(), addr.name)).collect();
                write!(f, "[{}]", shown.join(" "))
            }
        }
    }
}

/// Why and where evaluation stopped.
pub(super) struct ExecError {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) context: String,
    pub(super) cause: String,
}

impl ExecError {
    fn at(operand: &Operand, context: String, cause: String) -> ExecError {
        ExecError { line: operand.line, column: operand.column, context, cause }
    }
}

pub(super) fn pipeline(pipeline: &Pipeline, env: &Environment) -> Result<Value, ExecError> {
    let mut carried = None;
    for command in &pipeline.commands {
        carried = Some(run(command, carried, env)?);
    }
    Ok(carried.unwrap_or_else(|| Value::Text(String::new())))
}

fn run(command: &Command, carried: Option<Value>, env: &Environment) -> Result<Value, ExecError> {
    let Some((first, rest)) = command.operands.split_first() else { return Ok(Value::Text(String::new())) };
    let OperandValue::Function(name) = &first.value else {
        if !rest.is_empty() || carried.is_some() {
            let cause = format!("can't give argument to non-function {}", first.text);
            return Err(ExecError::at(first, first.text.clone(), cause));
        }
        return operand(first, env);
    };
    let mut args = Vec::with_capacity(rest.len() + 1);
    for arg in rest {
        args.push((operand(arg, env)?, Some(arg)));
    }
    if let Some(value) = carried {
        args.push((value, None));
    }
    let call = Call { name, first, command, env };
    call.run(&args)
}

fn operand(operand: &Operand, env: &Environment) -> Result<Value, ExecError> {
    match &operand.value {
        OperandValue::Text(text) => Ok(Value::Text(text.clone())),
        OperandValue::Number(number) => Ok(Value::Number(*number)),
        OperandValue::Pipeline(inner) => pipeline(inner, env),
        OperandValue::Function(_) => Call::bare(operand, env),
    }
}

type Arg<'a> = (Value, Option<&'a Operand>);

struct Call<'a> {
    name: &'a str,
    first: &'a Operand,
    command: &'a Command,
    env: &'a Environment,
}

impl<'a> Call<'a> {
    /// A function named as an argument, called without arguments.
    fn bare(operand: &'a Operand, env: &'a Environment) -> Result<Value, ExecError> {
        let OperandValue::Function(name) = &operand.value else { return Ok(Value::Text(String::new())) };
        let command = Command { operands: Vec::new() };
        Call { name, first: operand, command: &command, env }.run(&[])
    }

    fn run(&self, args: &[Arg<'_>]) -> Result<Value, ExecError> {
        let wanted = match self.name {
            "GetAllInterfaces"
            | "GetDefaultInterfaces"
            | "GetPrivateInterfaces"
            | "GetPublicInterfaces"
            | "GetPrivateIP"
            | "GetPrivateIPs"
            | "GetPublicIP"
            | "GetPublicIPs" => 0,
            "GetInterfaceIP" | "GetInterfaceIPs" => 1,
            "sort" | "limit" | "offset" | "unique" | "attr" | "Attr" => 2,
            _ => 3,
        };
        if args.len() != wanted {
            let cause = format!("wrong number of args for {}: want {wanted} got {}", self.name, args.len());
            return Err(ExecError::at(self.first, self.name.to_owned(), cause));
        }
        match args {
            [] => self.source(),
            [pattern] => self.interface_ips(self.text(pattern)?),
            [parameter, list] => self.on_list(parameter, self.list(list)?),
            [selector, parameter, list] => {
                let (selector, parameter, list) = (self.text(selector)?, self.text(parameter)?, self.list(list)?);
                match self.name {
                    "join" => self.join(selector, parameter, &list),
                    "math" => self.math(selector, parameter, &list),
                    _ => self.filter(selector, parameter, list),
                }
            }
            _ => Ok(Value::Text(String::new())),
        }
    }

    fn failed<T>(&self, cause: impl fmt::Display) -> Result<T, ExecError> {
        let context = if self.command.operands.is_empty() { self.first.text.clone() } else { self.command.text() };
        Err(ExecError::at(self.first, context, format!("error calling {}: {cause}", self.name)))
    }

    fn wrong_type<T>(&self, arg: &Arg<'_>, expected: &str) -> Result<T, ExecError> {
        let (value, operand) = arg;
        let got = match value {
            Value::Text(_) => "string",
            Value::Number(_) => "int",
            Value::List(_) => "sockaddr.IfAddrs",
        };
        match operand {
            Some(operand) => {
                let found = format!("expected {expected}; found {}", operand.text);
                Err(ExecError::at(operand, operand.text.clone(), found))
            }
            None => {
                let cause = format!("wrong type for value; expected {expected}; got {got}");
                // Go points at the last word written before the value.
                let last = self.command.operands.last().unwrap_or(self.first);
                Err(ExecError::at(last, last.text.clone(), cause))
            }
        }
    }

    fn text<'v>(&self, arg: &'v Arg<'_>) -> Result<&'v str, ExecError> {
        match &arg.0 {
            Value::Text(text) => Ok(text),
            _ => self.wrong_type(arg, "string"),
        }
    }

    fn list(&self, arg: &Arg<'_>) -> Result<Vec<Addr>, ExecError> {
        match &arg.0 {
            Value::List(list) => Ok(list.clone()),
            _ => self.wrong_type(arg, "sockaddr.IfAddrs"),
        }
    }

    fn source(&self) -> Result<Value, ExecError> {
        let all = Addr::all(self.env);
        let list = |list: Vec<Addr>| Ok(Value::List(list));
        let first_ip =
            |list: Vec<Addr>| Ok(Value::Text(list.first().map(|addr| addr.ip.to_string()).unwrap_or_default()));
        match self.name {
            "GetAllInterfaces" => list(all),
            "GetDefaultInterfaces" => list(all.into_iter().filter(|addr| addr.is_default).collect()),
            "GetPrivateInterfaces" => list(usable(all, true)),
            "GetPublicInterfaces" => list(usable(all, false)),
            "GetPrivateIP" => first_ip(usable(all, true)),
            "GetPublicIP" => first_ip(usable(all, false)),
            "GetPrivateIPs" => Ok(Value::Text(joined_ips(&usable(all, true)))),
            "GetPublicIPs" => Ok(Value::Text(joined_ips(&usable(all, false)))),
            name => {
                let cause = format!("wrong number of args for {name}: want at least 1 got 0");
                Err(ExecError::at(self.first, name.to_owned(), cause))
            }
        }
    }

    fn interface_ips(&self, pattern: &str) -> Result<Value, ExecError> {
        let regex = match filter::re2::compile(pattern) {
            Ok(regex) => regex,
            Err(error) => return self.failed(format!("Unable to compile name regexp {}: {error}", go_quote(pattern))),
        };
        let mut named: Vec<Addr> = Addr::all(self.env).into_iter().filter(|addr| regex.is_match(&addr.name)).collect();
        sort_by(&mut named, &["type", "size"]);
        if self.name == "GetInterfaceIPs" {
            return Ok(Value::Text(joined_ips(&named)));
        }
        let forwardable = named.iter().find(|addr| addr.has_flag("forwardable") == Some(true));
        Ok(Value::Text(forwardable.map(|addr| addr.ip.to_string()).unwrap_or_default()))
    }

    fn on_list(&self, parameter: &Arg<'_>, mut list: Vec<Addr>) -> Result<Value, ExecError> {
        match self.name {
            "limit" => {
                let count = match &parameter.0 {
                    Value::Number(count) => usize::try_from(*count).ok(),
                    _ => None,
                };
                let Some(count) = count else { return self.wrong_type(parameter, "unsigned integer") };
                list.truncate(count);
                Ok(Value::List(list))
            }
            "offset" => {
                let Value::Number(offset) = parameter.0 else { return self.wrong_type(parameter, "integer") };
                let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
                let start = if offset < 0 { length + offset } else { offset };
                match usize::try_from(start) {
                    Ok(start) if start <= list.len() => Ok(Value::List(list.split_off(start))),
                    _ => self.failed(format!(
                        "unable to seek past the end of the interface array: offset ({offset}) exceeds the number of \
                         interfaces ({length})"
                    )),
                }
            }
            "sort" => {
                let keys = self.text(parameter)?;
                let names: Vec<&str> = keys.split(',').map(str::trim).collect();
                if let Some(unknown) = names.iter().find(|name| !is_sort_key(name)) {
                    return self.failed(format!("unknown sort type: {}", go_quote(unknown)));
                }
                sort_by(&mut list, &names);
                Ok(Value::List(list))
            }
            "unique" => {
                let name = self.text(parameter)?;
                if !["address", "name"].contains(&name) {
                    return self.failed(format!("unsupported unique constraint {}", go_quote(name)));
                }
                let mut seen = Vec::new();
                list.retain(|addr| {
                    let value = addr.attribute(name).unwrap_or_default();
                    let fresh = !seen.contains(&value);
                    seen.push(value);
                    fresh
                });
                Ok(Value::List(list))
            }
            _ => {
                let name = self.text(parameter)?;
                let value = match list.first() {
                    Some(addr) => addr.attribute(name),
                    None => Some(String::new()),
                };
                match value {
                    Some(value) => Ok(Value::Text(value)),
                    None => self.failed(format!("unsupported attribute name {}", go_quote(name))),
                }
            }
        }
    }

    fn join(&self, name: &str, separator: &str, list: &[Addr]) -> Result<Value, ExecError> {
        let mut values = Vec::with_capacity(list.len());
        for addr in list {
            match addr.attribute(name) {
                Some(value) => values.push(value),
                None => return self.failed(format!("unsupported attribute name {}", go_quote(name))),
            }
        }
        Ok(Value::Text(values.join(separator)))
    }

    fn math(&self, operation: &str, value: &str, list: &[Addr]) -> Result<Value, ExecError> {
        let Some(first) = list.first() else { return Ok(Value::List(Vec::new())) };
        let refused = |cause: String| {
            self.failed(format!("unable to perform an IPMath operation on {} {}: {cause}", first.show(), first.name))
        };
        let apply: fn(&Addr, i128) -> Addr = match operation {
            "address" => Addr::offset_address,
            "network" => Addr::offset_network,
            "mask" => Addr::masked,
            _ => return refused(format!("unsupported math operation: {}", go_quote(operation))),
        };
        if operation != "mask" && !value.starts_with(['+', '-']) {
            return refused(format!("sign (+/-) is required for operation {}", go_quote(operation)));
        }
        let Ok(number) = value.parse::<i128>() else {
            return refused(format!(
                "unable to convert {0} to int for operation {1}: strconv.ParseUint: parsing {0}: invalid syntax",
                go_quote(value),
                go_quote(operation)
            ));
        };
        Ok(Value::List(list.iter().map(|addr| apply(addr, number)).collect()))
    }

    fn filter(&self, selector: &str, parameter: &str, mut list: Vec<Addr>) -> Result<Value, ExecError> {
        let keep = match Selector::parse(self.name, selector, parameter) {
            Ok(keep) => keep,
            Err(cause) => return self.failed(cause),
        };
        let wanted = self.name == "include";
        list.retain(|addr| keep.matches(addr) == wanted);
        Ok(Value::List(list))
    }
}

/// What `include` and `exclude` select by.
enum Selector {
    Address(Regex),
    Name(Regex),
    Port(Regex),
    Flags(Vec<String>),
    Networks(Vec<Network>),
    Rfcs(Vec<u32>),
    Size(u32),
    Types(Vec<String>),
}

impl Selector {
    fn parse(function: &str, selector: &str, parameter: &str) -> Result<Selector, String> {
        let parts = || parameter.split('|').map(str::trim);
        let regex = |what: &str| {
            filter::re2::compile(parameter)
                .map_err(|error| format!("Unable to compile {what} regexp {}: {error}", go_quote(parameter)))
        };
        match selector.to_lowercase().as_str() {
            "address" => regex("address").map(Selector::Address),
            "name" => regex("name").map(Selector::Name),
            "port" => regex("port").map(Selector::Port),
            "flag" | "flags" => {
                let flags: Vec<String> = parts().map(str::to_owned).collect();
                let probe = Addr {
                    name: String::new(),
                    ip: std::net::Ipv4Addr::LOCALHOST.into(),
                    prefix_bits: 32,
                    flags: crate::environment::InterfaceFlags::default(),
                    is_default: false,
                };
                match flags.iter().find(|flag| probe.has_flag(flag).is_none()) {
                    Some(unknown) => Err(format!("Unknown interface flag: {}", go_quote(unknown))),
                    None => Ok(Selector::Flags(flags)),
                }
            }
            "network" => {
                let parse = |text| {
                    Network::parse(text).ok_or_else(|| {
                        format!("unable to create an IP address from {}: invalid IPAddr {text}", go_quote(text))
                    })
                };
                parts().map(parse).collect::<Result<_, _>>().map(Selector::Networks)
            }
            "rfc" | "rfcs" => {
                let parse = |text: &str| {
                    let quoted = go_quote(text);
                    let number = text.parse().map_err(|_| {
                        format!(
                            "unable to parse RFC number {quoted}: strconv.ParseUint: parsing {quoted}: invalid syntax"
                        )
                    });
                    number
                        .and_then(|rfc| match rfc::contains(rfc, std::net::Ipv4Addr::LOCALHOST.into()) {
                            Some(_) => Ok(rfc),
                            None => Err(format!("unsupported RFC {rfc}")),
                        })
                        .map_err(|cause| format!("unable to lookup RFC number {quoted}: {cause}"))
                };
                parts().map(parse).collect::<Result<_, _>>().map(Selector::Rfcs)
            }
            "size" => match parameter.trim_start_matches('/').parse() {
                Ok(bits) => Ok(Selector::Size(bits)),
                Err(_) => {
                    let quoted = go_quote(parameter);
                    // "exclude" also where something is included: the reference's words.
                    Err(format!(
                        "invalid exclude size argument ({quoted}): strconv.ParseUint: parsing {quoted}: invalid syntax"
                    ))
                }
            },
            "type" => {
                let types: Vec<String> = parts().map(str::to_lowercase).collect();
                match types.iter().find(|name| !["ip", "ipv4", "ipv6", "unix"].contains(&name.as_str())) {
                    Some(unknown) => Err(format!("unsupported type {0} {0}", go_quote(unknown))),
                    None => Ok(Selector::Types(types)),
                }
            }
            _ => Err(format!("invalid {function} selector {}", go_quote(selector))),
        }
    }

    fn matches(&self, addr: &Addr) -> bool {
        match self {
            Selector::Address(regex) => regex.is_match(&addr.show()),
            Selector::Name(regex) => regex.is_match(&addr.name),
            Selector::Port(regex) => regex.is_match("0"),
            Selector::Flags(flags) => flags.iter().all(|flag| addr.has_flag(flag) == Some(true)),
            Selector::Networks(networks) => networks.iter().any(|network| network.contains(addr.ip)),
            Selector::Rfcs(rfcs) => rfcs.iter().any(|rfc| rfc::contains(*rfc, addr.ip) == Some(true)),
            Selector::Size(bits) => addr.prefix_bits == *bits,
            Selector::Types(types) => types.iter().any(|name| match name.as_str() {
                "ip" => true,
                "ipv4" => addr.ip.is_ipv4(),
                "ipv6" => addr.ip.is_ipv6(),
                _ => false,
            }),
        }
    }
}

/// Forwardable addresses of interfaces that are up, private or public, best first.
fn usable(mut all: Vec<Addr>, private: bool) -> Vec<Addr> {
    all.retain(|addr| addr.flags.up && addr.has_flag("forwardable") == Some(true) && addr.is_private() == private);
    sort_by(&mut all, &["default", "type", "size"]);
    all
}

fn joined_ips(list: &[Addr]) -> String {
    let mut ips: Vec<String> = Vec::with_capacity(list.len());
    for addr in list {
        let ip = addr.ip.to_string();
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    ips.join(" ")
}

fn is_sort_key(key: &str) -> bool {
    ["address", "default", "name", "port", "private", "size", "type"].contains(&key.trim_start_matches(['+', '-']))
}

fn sort_by(list: &mut [Addr], keys: &[&str]) {
    list.sort_by(|left, right| {
        keys.iter().fold(std::cmp::Ordering::Equal, |order, key| {
            order.then_with(|| {
                let next = left.compare(right, key.trim_start_matches(['+', '-'])).unwrap_or(std::cmp::Ordering::Equal);
                if key.starts_with('-') { next.reverse() } else { next }
            })
        })
    });
}
