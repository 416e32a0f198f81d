//! `validate`: whether configuration files would be accepted.

use config::{Environment, Flags};

use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::Flag;
use crate::invocation::Invocation;

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "validate",
    "Checks configuration files",
    "[options] FILE_OR_DIRECTORY...",
    "Reads the given configuration as an agent would and tells whether it is valid. The files must be a whole \
     configuration, with data_dir. Addresses are not bound and certificates not read: an agent may still fail to start.",
    Run::Handler(validate),
)
.examples(&[
    ("A directory", "consul validate /etc/consul.d"),
    ("In a script", "consul validate -quiet /etc/consul.d && systemctl reload consul"),
])
.on_flag_error("")
.flags_of_its_own(&[
    Flag::text("config-format", "Format of the files, whatever their names end in.")
        .hint("hcl|json")
        .one_of(&["hcl", "json"]),
    Flag::bool("quiet", "Print nothing when the configuration is valid."),
    Flag::bool("strict", "Also fail when an agent of this version would refuse the configuration."),
])];

fn validate(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    let format = values.text("config-format");
    if !matches!(format, "" | "hcl" | "json") {
        return Err(Error::failed("-config-format must be either 'hcl' or 'json"));
    }
    if invocation.args.is_empty() {
        return Err(Error::failed("Must specify at least one config file or directory"));
    }
    let files = invocation.args.iter().map(|file| ("config-file", file.as_str()));
    let format = Some(("config-format", format)).filter(|(_, format)| !format.is_empty());
    let invalid = |cause: &dyn std::fmt::Display| Error::failed(format!("Config validation failed: {cause}"));
    let flags = Flags::from_pairs(files.chain(format)).map_err(|e| invalid(&e))?;
    let loaded = config::load(&flags, &Environment::system()).map_err(|e| invalid(&e))?;
    if values.bool("strict") {
        let missing: Vec<String> = config::unavailable(&loaded).iter().map(ToString::to_string).collect();
        if !missing.is_empty() {
            return Err(invalid(&missing.join("\n")));
        }
    }
    if values.bool("quiet") {
        return Ok(());
    }
    for warning in &loaded.warnings {
        invocation.terminal.complain(warning);
    }
    invocation.terminal.say("Configuration is valid!");
    Ok(())
}
