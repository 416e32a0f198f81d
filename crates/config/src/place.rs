//! Where a setting or a mistake stands.

use std::fmt;
use std::sync::Arc;

/// A position in a configuration source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// File path as given, or the name of another source (`flags.values`, `flags-0.hcl`).
    pub source: Arc<str>,
    /// 1-based line and column, where the source has them.
    pub position: Option<(usize, usize)>,
}

impl Place {
    pub(crate) fn source(source: &Arc<str>) -> Place {
        Place { source: Arc::clone(source), position: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some((line, column)) => write!(f, "{}:{line}:{column}", self.source),
            None => f.write_str(&self.source),
        }
    }
}
