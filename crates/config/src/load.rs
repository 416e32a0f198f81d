//! From flags to a configuration: sources in order, merged, built (`docs/spec/config.md` §1).

use crate::build::Build;
use crate::decode::decode;
use crate::deprecated;
use crate::environment::Environment;
use crate::error::ConfigError;
use crate::flag::Flags;
use crate::merge::{Layer, Settings};
use crate::runtime::RuntimeConfig;
use crate::source::{self, Source};

/// A valid configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The resolved configuration.
    pub runtime: RuntimeConfig,
    /// What to warn about, in order.
    pub warnings: Vec<String>,
    pub(crate) settings: Settings,
}

/// Reads, merges and checks every source the flags name.
pub fn load(flags: &Flags, env: &Environment) -> Result<Loaded, ConfigError> {
    let mut warnings = Vec::new();
    let files = source::files(flags, env, &mut warnings)?;
    let mut settings = Settings::default();
    settings.overlay(Layer::defaults(false));
    if flags.dev() {
        settings.overlay(Layer::defaults(true));
    }
    let mut add = |mut layer: Layer, warnings: &mut Vec<String>| {
        deprecated::warn_enterprise(&layer, warnings);
        deprecated::modernise(&mut layer, warnings);
        layer.pluralise();
        settings.overlay(layer);
    };
    add(flags.slices(), &mut warnings);
    for file in files {
        add(parse(&file, &mut warnings)?, &mut warnings);
    }
    add(flags.values(), &mut warnings);
    for (index, fragment) in flags.fragments().enumerate() {
        add(parse(&Source::fragment(index, fragment), &mut warnings)?, &mut warnings);
    }
    let runtime = Build::new(&mut settings, env, &mut warnings, flags.dev()).run()?;
    Ok(Loaded { runtime, warnings, settings })
}

fn parse(source: &Source, warnings: &mut Vec<String>) -> Result<Layer, ConfigError> {
    let root = source.parse()?;
    decode(&source.name, &root, warnings)
}
