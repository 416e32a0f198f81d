//! `version`: what this program is.

use crate::json;

/// The version this program is compatible with and reports.
pub const VERSION: &str = types::COMPATIBLE_VERSION;

/// The commit a release was built from; release builds set the variable.
const REVISION: Option<&str> = option_env!("CONSUL_BUILD_REVISION");
/// When a release was built (RFC 3339); release builds set the variable, so that others are reproducible.
const BUILD_DATE: Option<&str> = option_env!("CONSUL_BUILD_DATE");
const UNSTAMPED_BUILD_DATE: &str = "1970-01-01T00:00:01Z";

const PROTOCOL_DEFAULT: u8 = 2;
const PROTOCOL_MIN: u8 = 2;
const PROTOCOL_MAX: u8 = 3;

/// The text for people, with a blank line at its end when printed (docs/spec/cli.md §1.8).
pub(crate) fn pretty() -> String {
    let revision = REVISION.map(|r| format!("Revision {r}\n")).unwrap_or_default();
    let newer = if PROTOCOL_DEFAULT < PROTOCOL_MAX {
        format!(" (agent will automatically use protocol >{PROTOCOL_DEFAULT} when speaking to compatible agents)")
    } else {
        String::new()
    };
    format!(
        "Consul v{VERSION}\n{revision}Build Date {}\nProtocol {PROTOCOL_DEFAULT} spoken by default, understands \
         {PROTOCOL_MIN} to {PROTOCOL_MAX}{newer}\n",
        build_date()
    )
}

/// The text for programs.
pub(crate) fn json() -> Result<String, wire::json::JsonError> {
    json::pretty(
        &serde_json::json!({
            "Version": VERSION,
            "Revision": REVISION.unwrap_or_default(),
            "Prerelease": "",
            "BuildDate": build_date(),
            "RPC": {"Default": PROTOCOL_DEFAULT, "Min": PROTOCOL_MIN, "Max": PROTOCOL_MAX},
        }),
        json::THREE_SPACES,
    )
}

fn build_date() -> &'static str {
    BUILD_DATE.unwrap_or(UNSTAMPED_BUILD_DATE)
}
