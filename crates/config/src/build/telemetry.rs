//! Telemetry settings (`docs/spec/config.md` §11.6).

use super::Build;
use crate::runtime::TelemetryConfig;
use crate::secret::Secret;

const CIRCONUS: [&str; 12] = [
    "telemetry.circonus_api_app",
    "telemetry.circonus_api_url",
    "telemetry.circonus_submission_interval",
    "telemetry.circonus_submission_url",
    "telemetry.circonus_check_id",
    "telemetry.circonus_check_force_metric_activation",
    "telemetry.circonus_check_instance_id",
    "telemetry.circonus_check_search_tag",
    "telemetry.circonus_check_display_name",
    "telemetry.circonus_check_tags",
    "telemetry.circonus_broker_id",
    "telemetry.circonus_broker_select_tag",
];

impl Build<'_> {
    pub(super) fn telemetry(&mut self) -> TelemetryConfig {
        // The reference reports this one without its stanza.
        let prometheus_retention =
            self.duration_named("telemetry.prometheus_retention_time", "prometheus_retention_time");
        let metrics_prefix = self.text("telemetry.metrics_prefix");
        let (allowed_prefixes, mut blocked_prefixes) = self.prefix_filter();
        // Too frequent to be worth its cost unless asked for by name.
        let server_calls = format!("{metrics_prefix}.rpc.server.call");
        if !allowed_prefixes.contains(&server_calls) {
            blocked_prefixes.push(server_calls);
        }
        TelemetryConfig {
            metrics_prefix,
            disable_hostname: self.settings.bool("telemetry.disable_hostname"),
            filter_default: self.settings.bool("telemetry.filter_default"),
            allowed_prefixes,
            blocked_prefixes,
            retry_failed_connection: self.settings.bool("telemetry.retry_failed_connection"),
            statsite_address: self.text("telemetry.statsite_address"),
            statsd_address: self.text("telemetry.statsd_address"),
            dogstatsd_address: self.text("telemetry.dogstatsd_addr"),
            dogstatsd_tags: self.settings.texts("telemetry.dogstatsd_tags").to_vec(),
            prometheus_retention,
            circonus: CIRCONUS.into_iter().map(|key| (key, self.text(key))).collect(),
            circonus_api_token: Secret(self.text("telemetry.circonus_api_token")),
        }
    }

    fn prefix_filter(&mut self) -> (Vec<String>, Vec<String>) {
        let (mut allowed, mut blocked) = (Vec::new(), Vec::new());
        for rule in self.settings.texts("telemetry.prefix_filter") {
            if rule.is_empty() {
                self.warnings.push("Cannot have empty filter rule in prefix_filter".to_owned());
            } else if let Some(prefix) = rule.strip_prefix('+') {
                allowed.push(prefix.to_owned());
            } else if let Some(prefix) = rule.strip_prefix('-') {
                blocked.push(prefix.to_owned());
            } else {
                let quoted = wire::quote::go_quote(rule);
                self.warnings.push(format!("Filter rule must begin with either '+' or '-': {quoted}"));
            }
        }
        (allowed, blocked)
    }
}
