//! Settings of the built-in provider, read from the stored configuration (`docs/spec/connect.md` §1.3, §1.4).

use std::time::Duration;

use pki::KeyKind;
use types::GoDuration;
use types::connect_ca::ProviderSettings;

const DEFAULT_ROOT_CERT_TTL: Duration = Duration::from_secs(87_600 * 3600);

/// What the settings say about the root. It holds a secret: no `Debug`.
pub(super) struct Provider {
    /// The signing key in PEM; empty to make one.
    pub(super) private_key: String,
    /// The root certificate in PEM; empty to make one.
    pub(super) root_cert: String,
    pub(super) key_kind: KeyKind,
    pub(super) root_cert_ttl: Duration,
}

impl Provider {
    /// Reads the settings; names are compared without case and values may be text.
    ///
    /// # Errors
    /// The setting that cannot be read, in the words of the reference where it has any.
    pub(super) fn parse(settings: &ProviderSettings) -> Result<Provider, String> {
        let private_key = text(settings, "PrivateKey")?.unwrap_or_default();
        let root_cert = text(settings, "RootCert")?.unwrap_or_default();
        if private_key.is_empty() && !root_cert.is_empty() {
            return Err("must provide a private key when providing a root cert".to_owned());
        }
        let name = text(settings, "PrivateKeyType")?.filter(|name| !name.is_empty());
        let bits = number(settings, "PrivateKeyBits")?.filter(|bits| *bits != 0);
        let key_kind = KeyKind::configured(
            name.as_deref().unwrap_or(KeyKind::DEFAULT.name()),
            bits.unwrap_or(KeyKind::DEFAULT.bits().into()),
        );
        Ok(Provider {
            private_key,
            root_cert,
            key_kind: key_kind.map_err(|error| error.to_string())?,
            root_cert_ttl: duration(settings, "RootCertTTL")?.unwrap_or(DEFAULT_ROOT_CERT_TTL),
        })
    }

    /// The IDs under which the provider's state may be stored: today's form first, then those of older versions.
    pub(super) fn state_ids(&self) -> [String; 3] {
        const IS_PRIMARY: bool = true;
        let given = format!("{},{}", self.private_key, self.root_cert);
        let kind = format!("{},{}", self.key_kind.name(), self.key_kind.bits());
        [
            pki::sha256_hex(format!("{given},{kind},{IS_PRIMARY}").as_bytes()),
            pki::sha256_hex(format!("{given},{IS_PRIMARY}").as_bytes()),
            given,
        ]
    }
}

fn value<'a>(settings: &'a ProviderSettings, name: &str) -> Option<&'a serde_json::Value> {
    settings.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn text(settings: &ProviderSettings, name: &str) -> Result<Option<String>, String> {
    match value(settings, name) {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong(name, "text")),
    }
}

fn number(settings: &ProviderSettings, name: &str) -> Result<Option<i64>, String> {
    let Some(value) = value(settings, name) else { return Ok(None) };
    let number = match value {
        serde_json::Value::Null => return Ok(None),
        serde_json::Value::String(text) => text.parse().ok(),
        // JSON and old snapshots may carry a whole number as a float.
        other => other.as_i64().or_else(|| other.as_f64().map(|number| number as i64)),
    };
    number.map(Some).ok_or_else(|| wrong(name, "a number"))
}

/// A Go duration as text, or nanoseconds.
fn duration(settings: &ProviderSettings, name: &str) -> Result<Option<Duration>, String> {
    if let Some(serde_json::Value::String(text)) = value(settings, name) {
        let parsed = GoDuration::parse(text).map_err(|_| wrong(name, "a duration"))?;
        return Ok(Some(parsed.as_std()));
    }
    Ok(number(settings, name)?.map(|nanos| GoDuration(nanos).as_std()))
}

/// Says what is wrong with a setting, not what it says: it may be a secret.
fn wrong(name: &str, expected: &str) -> String {
    format!("error decoding config: {name} is not {expected}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(settings: Value) -> Result<Provider, String> {
        Provider::parse(&serde_json::from_value(settings).unwrap())
    }

    #[test]
    fn the_state_of_default_settings_has_the_id_the_reference_gives_it() {
        let provider = parse(json!({"LeafCertTTL": "72h", "cluster_id": "x"})).unwrap();
        let id = "fb:50:9b:45:1a:65:15:c1:68:57:73:5f:da:cd:b8:0d:0f:e2:26:eb:68:66:43:11:85:9d:67:a9:7a:56:9c:b9";
        assert_eq!(provider.state_ids()[0], id);
        assert_eq!(provider.state_ids()[2], ",");
        assert_eq!((provider.key_kind, provider.root_cert_ttl), (KeyKind::DEFAULT, DEFAULT_ROOT_CERT_TTL));
    }

    #[test]
    fn values_may_be_text_and_names_have_no_case() {
        let provider = parse(json!({"privatekeybits": "384", "ROOTCERTTTL": "1h", "PrivateKeyType": ""})).unwrap();
        assert_eq!((provider.key_kind, provider.root_cert_ttl), (KeyKind::Ec(384), Duration::from_secs(3600)));
        let provider = parse(json!({"PrivateKeyBits": 384.0, "RootCertTTL": 1_000_000_000})).unwrap();
        assert_eq!((provider.key_kind, provider.root_cert_ttl), (KeyKind::Ec(384), Duration::from_secs(1)));
    }

    #[test]
    fn settings_that_make_no_sense_are_named_without_their_value() {
        let cases = [
            (json!({"PrivateKeyType": "dsa"}), "private key type must be either 'ec' or 'rsa'"),
            (json!({"PrivateKeyBits": "many"}), "error decoding config: PrivateKeyBits is not a number"),
            (json!({"PrivateKey": ["secret"]}), "error decoding config: PrivateKey is not text"),
            (json!({"RootCertTTL": "long"}), "error decoding config: RootCertTTL is not a duration"),
            (json!({"RootCert": "pem"}), "must provide a private key when providing a root cert"),
        ];
        for (settings, text) in cases {
            assert_eq!(parse(settings).err().unwrap(), text);
        }
    }
}
