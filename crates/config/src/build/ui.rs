//! Web UI settings and their rules (`docs/spec/config.md` §11.5).

use std::sync::LazyLock;

use regex::Regex;

use super::Build;
use crate::error::ConfigError;
use crate::runtime::UiConfig;
use crate::secret::Secret;
use wire::quote::go_quote;

/// Paths the metrics proxy lets through for the `prometheus` provider when none are listed.
const PROMETHEUS_PATHS: [&str; 2] = ["/api/v1/query", "/api/v1/query_range"];

static VERSIONED_PATH: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^/v[0-9]+/").ok());

impl Build<'_> {
    pub(super) fn ui(&self) -> UiConfig {
        let provider = self.text("ui_config.metrics_provider");
        let mut paths = self.settings.texts("ui_config.metrics_proxy.path_allowlist").to_vec();
        if paths.is_empty() && provider == "prometheus" {
            paths = PROMETHEUS_PATHS.map(str::to_owned).to_vec();
        }
        let headers = self.settings.shapes("ui_config.metrics_proxy.add_headers").iter();
        UiConfig {
            enabled: self.settings.bool("ui_config.enabled"),
            dir: self.text("ui_config.dir"),
            content_path: normalised(self.settings.text("ui_config.content_path")),
            metrics_provider: provider,
            metrics_provider_files: self.settings.texts("ui_config.metrics_provider_files").to_vec(),
            metrics_provider_options_json: self.text("ui_config.metrics_provider_options_json"),
            metrics_proxy_base_url: self.text("ui_config.metrics_proxy.base_url"),
            metrics_proxy_headers: headers
                .map(|header| (header.text("name").to_owned(), Secret(header.text("value").to_owned())))
                .collect(),
            metrics_proxy_paths: paths,
            dashboard_url_templates: self.settings.text_map("ui_config.dashboard_url_templates"),
            hcp_enabled: self.env.variables.get("CONSUL_HCP_ENABLED").map(String::as_str) == Some("true"),
        }
    }

    pub(super) fn ui_rules(&self, ui: &UiConfig) -> Result<(), ConfigError> {
        const PATH: &str = "ui_config.content_path";
        let quoted = go_quote(&ui.content_path);
        if !ui.content_path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte)) {
            let message = format!("ui-content-path can only contain alphanumeric, -, _, or /. received: {quoted}");
            return Err(self.invalid(PATH, message));
        }
        if VERSIONED_PATH.as_ref().is_some_and(|versioned| versioned.is_match(&ui.content_path)) {
            return Err(self.invalid(PATH, format!("ui-content-path cannot have 'v[0-9]'. received: {quoted}")));
        }
        self.basic_name("ui_config.metrics_provider", "ui_config.metrics_provider", &ui.metrics_provider, true)?;
        self.metrics_options(&ui.metrics_provider_options_json)?;
        let base_url = &ui.metrics_proxy_base_url;
        if !base_url.is_empty() && !is_web_url(base_url) {
            let key = "ui_config.metrics_proxy.base_url";
            let message = format!("{key} must be a valid http or https URL. received: {}", go_quote(base_url));
            return Err(self.invalid(key, message));
        }
        for path in &ui.metrics_proxy_paths {
            if !path.starts_with('/') {
                let key = "ui_config.metrics_proxy.path_allowlist";
                return Err(self.invalid(key, format!("{key}: path {} is not an absolute path", go_quote(path))));
            }
        }
        let key = "ui_config.dashboard_url_templates";
        for (name, url) in &ui.dashboard_url_templates {
            self.basic_name(key, &format!("{key} key names"), name, false)?;
            if !is_web_url(url) {
                // The reference never prints the value here.
                let message = format!("{key} values must be a valid http or https URL. received: \"\"");
                return Err(self.invalid(key, message));
            }
        }
        Ok(())
    }

    /// Refuses names other than `^[a-z0-9_-]+$`.
    pub(super) fn basic_name(&self, key: &str, what: &str, name: &str, may_be_empty: bool) -> Result<(), ConfigError> {
        if name.is_empty() {
            return if may_be_empty { Ok(()) } else { Err(self.invalid(key, format!("{what} cannot be empty"))) };
        }
        let basic = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if name.bytes().all(basic) {
            return Ok(());
        }
        let quoted = go_quote(name);
        Err(self.invalid(
            key,
            format!("{what} can only contain lowercase alphanumeric, - or _ characters. received: {quoted}"),
        ))
    }

    fn metrics_options(&self, options: &str) -> Result<(), ConfigError> {
        let is_object = serde_json::from_str::<Option<serde_json::Map<String, serde_json::Value>>>(options).is_ok();
        if options.is_empty() || is_object {
            return Ok(());
        }
        let key = "ui_config.metrics_provider_options_json";
        let message =
            format!("{key} must be empty or a string containing a valid JSON object. received: {}", go_quote(options));
        Err(self.invalid(key, message))
    }
}

/// The path with one slash at each end.
fn normalised(path: &str) -> String {
    match path.trim_matches('/') {
        "" => "/".to_owned(),
        path => format!("/{path}/"),
    }
}

/// Whether Go's URL parser would take the text, with scheme http or https.
fn is_web_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else { return false };
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str())
        || url.bytes().any(|byte| byte.is_ascii_control())
    {
        return false;
    }
    let Some(authority) = rest.strip_prefix("//") else { return has_valid_escapes(rest) };
    let host_end = authority.find(['/', '?', '#']).unwrap_or(authority.len());
    let (host, path) = authority.split_at(host_end);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    let port_is_number = host.ends_with(']') || port.bytes().all(|byte| byte.is_ascii_digit());
    let bad_in_host = [' ', '{', '}', '|', '\\', '^', '"', '<', '>', '`', '%'];
    port_is_number && !host.contains(bad_in_host) && has_valid_escapes(path)
}

/// Whether every percent sign is followed by two hexadecimal digits.
fn has_valid_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}
