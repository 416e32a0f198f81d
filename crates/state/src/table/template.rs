//! Query templates: a stored query whose strings are filled in from the name it is asked by
//! (`docs/spec/http-api.md` §11).
//!
//! `${name.full}`, `${name.prefix}`, `${name.suffix}`, `${agent.segment}`, `${match(N)}`, string and number literals;
//! `$${` stands for `${`. The reference's expression language has more (arithmetic, conditionals); a template that uses
//! it is refused when it is written, with an error that points at the place.

use regex::Regex;
use types::PreparedQuery;

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
            pattern => Some(Regex::new(pattern).map_err(|e| {
                let reason = e.to_string();
                let last = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                format!("Bad Regexp: error parsing regexp: {last}: `{pattern}`")
            })?),
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
        let service = &mut rendered.service;
        scope.fill("Service", &mut service.service)?;
        for (at, datacenter) in service.failover.datacenters.iter_mut().enumerate() {
            scope.fill(&format!("Failover.Datacenters[{at}]"), datacenter)?;
        }
        for (at, target) in service.failover.targets.iter_mut().enumerate() {
            scope.fill(&format!("Failover.Targets[{at}].Peer"), &mut target.peer)?;
            scope.fill(&format!("Failover.Targets[{at}].Datacenter"), &mut target.datacenter)?;
        }
        for (at, check) in service.ignore_check_ids.iter_mut().enumerate() {
            scope.fill(&format!("IgnoreCheckIDs[{at}]"), check)?;
        }
        scope.fill("Near", &mut service.near)?;
        for (at, tag) in service.tags.iter_mut().enumerate() {
            scope.fill(&format!("Tags[{at}]"), tag)?;
        }
        for (key, value) in &mut service.node_meta {
            scope.fill(&format!("NodeMeta[{key}]"), value)?;
        }
        for (key, value) in &mut service.service_meta {
            scope.fill(&format!("ServiceMeta[{key}]"), value)?;
        }
        scope.fill("Peer", &mut service.peer)?;
        if query.template.remove_empty_tags {
            service.tags.retain(|tag| !tag.is_empty());
        }
        Ok(rendered)
    }
}

/// What expressions may refer to.
struct Scope<'a> {
    full: &'a str,
    prefix: &'a str,
    suffix: &'a str,
    segment: &'a str,
    captures: Option<regex::Captures<'a>>,
}

impl Scope<'_> {
    fn fill(&self, place: &str, text: &mut String) -> Result<(), String> {
        if !text.contains("${") {
            return Ok(());
        }
        let mut filled = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(at) = rest.find("${") {
            let escaped = rest[..at].ends_with('$');
            filled.push_str(&rest[..at]);
            rest = &rest[at + 2..];
            if escaped {
                filled.push('{');
                continue;
            }
            let mut parser = Parser { text, rest };
            let value = parser.expression(self, place)?;
            parser.expect(b'}', place)?;
            filled.push_str(&value);
            rest = parser.rest;
        }
        filled.push_str(rest);
        *text = filled;
        Ok(())
    }

    fn variable(&self, name: &str) -> Option<&str> {
        match name {
            "name.full" => Some(self.full),
            "name.prefix" => Some(self.prefix),
            "name.suffix" => Some(self.suffix),
            "agent.segment" => Some(self.segment),
            _ => None,
        }
    }

    /// A group of the regular expression, empty if it did not take part in a match.
    fn group(&self, number: &str) -> &str {
        let number = number.parse::<usize>().ok();
        let captures = self.captures.as_ref();
        number.zip(captures).and_then(|(n, captures)| captures.get(n)).map_or("", |found| found.as_str())
    }
}

/// Reads one expression behind `${`.
struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Parser<'_> {
    fn expression(&mut self, scope: &Scope<'_>, place: &str) -> Result<String, String> {
        self.skip_blanks();
        match self.rest.bytes().next() {
            Some(b'"') => self.string(place),
            Some(b'0'..=b'9' | b'-') => self.number(place),
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_') => self.name(scope, place),
            _ => Err(self.bad_format(place, "expected expression")),
        }
    }

    fn string(&mut self, place: &str) -> Result<String, String> {
        let body = &self.rest[1..];
        let Some(end) = body.find('"') else { return Err(self.bad_format(place, "unterminated string")) };
        if body[..end].contains(['\\', '$']) {
            return Err(self.bad_format(place, "escapes and nested expressions in strings are not supported"));
        }
        let value = body[..end].to_owned();
        self.rest = &body[end + 1..];
        Ok(value)
    }

    fn number(&mut self, place: &str) -> Result<String, String> {
        let token = self.take_while(|c| c.is_ascii_digit() || c == '-');
        token.parse::<i64>().map(|n| n.to_string()).map_err(|_| self.bad_format(place, "malformed number"))
    }

    fn name(&mut self, scope: &Scope<'_>, place: &str) -> Result<String, String> {
        let column = self.column();
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')).to_owned();
        self.skip_blanks();
        if !self.rest.starts_with('(') {
            let unknown = || self.bad_evaluation(place, column, &format!("unknown variable accessed: {name}"));
            return scope.variable(&name).map(str::to_owned).ok_or_else(unknown);
        }
        if name != "match" {
            return Err(self.bad_evaluation(place, column, &format!("unknown function called: {name}")));
        }
        self.rest = &self.rest[1..];
        let number = self.expression(scope, place)?;
        if number.parse::<i64>().is_err() {
            return Err(self.bad_evaluation(place, column, "match: argument 1 should be type int, got type string"));
        }
        self.expect(b')', place)?;
        Ok(scope.group(&number).to_owned())
    }

    fn expect(&mut self, byte: u8, place: &str) -> Result<(), String> {
        self.skip_blanks();
        if self.rest.bytes().next() != Some(byte) {
            return Err(self.bad_format(place, &format!("expected \"{}\"", char::from(byte))));
        }
        self.rest = &self.rest[1..];
        Ok(())
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn column(&self) -> usize {
        self.text.len() - self.rest.len() + 1
    }

    fn bad_format(&self, place: &str, reason: &str) -> String {
        let column = self.column();
        format!("Bad format '{}' in Service.{place}: parse error at 1:{column}: {reason}", self.text)
    }

    fn bad_evaluation(&self, place: &str, column: usize, reason: &str) -> String {
        format!("Bad evaluation for '{}' in Service.{place}: 1:{column}: {reason}", self.text)
    }
}
