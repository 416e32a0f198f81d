//! What the snapshot agent is to do: flags, else configuration files, else the environment, else the usual.

use std::path::PathBuf;
use std::time::Duration;

use wire::GoDuration;

use super::file::FileValues;
use super::log::Level;
use super::s3::{Bucket, Credentials, Encryption};
use crate::error::Error;
use crate::invocation::Invocation;

/// The shortest interval between snapshots.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
const TEMPORARY_FOLDER: &str = "/tmp";

/// How to work.
pub(super) struct Settings {
    /// Time between snapshots; zero for a single one.
    pub(super) interval: Duration,
    /// How many snapshots are kept; 0 for all.
    pub(super) retain: usize,
    /// Any server may make the snapshot.
    pub(super) stale: bool,
    /// The name under which it is registered.
    pub(super) service: String,
    /// After how long in a critical state it is deregistered; zero for never.
    pub(super) deregister_after: Duration,
    pub(super) lock_key: String,
    /// Failures in a row that end a leadership; 0 for none.
    pub(super) max_failures: u64,
    pub(super) least_level: Level,
    /// Where snapshots lie until they are verified.
    pub(super) scratch: PathBuf,
}

/// Where snapshots are kept. Never printed: there may be credentials in it.
pub(super) enum Target {
    Folder(PathBuf),
    Bucket(Box<Bucket>),
}

/// The connection to the agent as the files have it, over that of the environment.
pub(super) fn connection(files: &FileValues, config: api::Config) -> api::Config {
    config
        .address(files.text("http_addr"))
        .token(files.text("token"))
        .datacenter(files.text("datacenter"))
        .ca_file(files.text("ca_file"))
        .ca_path(files.text("ca_path"))
        .client_cert(files.text("cert_file"))
        .client_key(files.text("key_file"))
        .tls_server_name(files.text("tls_server_name"))
}

impl Settings {
    pub(super) fn read(invocation: &Invocation<'_>, files: &FileValues) -> Result<(Settings, Target), Error> {
        let sources = Sources { invocation, files };
        let interval = sources.duration("interval", "snapshot.interval")?;
        if !interval.is_zero() && interval < MIN_INTERVAL {
            return Err(Error::failed("The interval must be 0 or at least 1s"));
        }
        let level = sources.text("log-level", "log.level");
        let bucket = sources.bucket()?;
        let local = PathBuf::from(sources.wanted("local-path", "local_storage.path")?);
        let scratch = match (&bucket, sources.text("local-scratch-path", "snapshot.local_scratch_path")) {
            (None, _) => local.clone(),
            (Some(_), "") => invocation.environment.get("TMPDIR").unwrap_or(TEMPORARY_FOLDER).into(),
            (Some(_), path) => path.into(),
        };
        let settings = Settings {
            interval,
            retain: usize::try_from(sources.count("retain", "snapshot.retain")?).unwrap_or(usize::MAX),
            stale: sources.bool("stale", "snapshot.stale"),
            service: sources.wanted("service", "snapshot.service")?.to_string(),
            deregister_after: sources.duration("deregister-after", "snapshot.deregister_after")?,
            lock_key: sources.wanted("lock-key", "snapshot.lock_key")?.trim_start_matches('/').to_string(),
            max_failures: sources.count("max-failures", "snapshot.max_failures")?,
            least_level: Level::from_name(level).ok_or_else(|| Error::failed(format!("Unknown log level: {level}")))?,
            scratch,
        };
        Ok((settings, bucket.map_or(Target::Folder(local), |bucket| Target::Bucket(Box::new(bucket)))))
    }
}

/// Where settings come from; each has a flag and a key.
#[derive(Clone, Copy)]
struct Sources<'a> {
    invocation: &'a Invocation<'a>,
    files: &'a FileValues,
}

impl<'a> Sources<'a> {
    fn text(self, flag: &str, key: &str) -> &'a str {
        let (flags, file) = (&self.invocation.values, self.files.text(key));
        if file.is_empty() || flags.is_given(flag) { flags.text(flag) } else { file }
    }

    /// A text that may not be empty.
    fn wanted(self, flag: &str, key: &str) -> Result<&'a str, Error> {
        match self.text(flag, key) {
            "" => Err(Error::failed(format!("-{flag} must not be empty"))),
            text => Ok(text),
        }
    }

    fn bool(self, flag: &str, key: &str) -> bool {
        let flags = &self.invocation.values;
        self.files.bool(key).filter(|_| !flags.is_given(flag)).unwrap_or_else(|| flags.bool(flag))
    }

    fn count(self, flag: &str, key: &str) -> Result<u64, Error> {
        let flags = &self.invocation.values;
        if let Some(count) = self.files.count(key).filter(|_| !flags.is_given(flag)) {
            return Ok(count);
        }
        u64::try_from(flags.int(flag)).map_err(|_| negative(flag))
    }

    fn duration(self, flag: &str, key: &str) -> Result<Duration, Error> {
        let flags = &self.invocation.values;
        let duration = self.files.duration(key).filter(|_| !flags.is_given(flag));
        let duration = duration.unwrap_or_else(|| flags.duration(flag));
        if duration < GoDuration::ZERO { Err(negative(flag)) } else { Ok(duration.as_std()) }
    }

    /// A text that variables may give, too; the first that is set counts.
    fn text_or_variable(self, flag: &str, key: &str, variables: &[&str]) -> &'a str {
        match self.text(flag, key) {
            "" => variables.iter().find_map(|name| self.invocation.environment.get(name)).unwrap_or_default(),
            text => text,
        }
    }

    /// The bucket to store in; `None` to store locally.
    fn bucket(self) -> Result<Option<Bucket>, Error> {
        let aws = |flag: &str, key: &str| self.text(flag, key);
        let name = aws("aws-s3-bucket", "aws_storage.s3_bucket");
        let endpoint = aws("aws-s3-endpoint", "aws_storage.s3_endpoint");
        let static_name = aws("aws-s3-static-snapshot-name", "aws_storage.s3_static_snapshot_name");
        if name.is_empty() {
            let region = aws("aws-s3-region", "aws_storage.s3_region");
            if [endpoint, static_name, region].iter().all(|text| text.is_empty()) {
                return Ok(None);
            }
            return Err(Error::failed("S3 storage needs a bucket: -aws-s3-bucket or s3_bucket"));
        }
        let region =
            self.text_or_variable("aws-s3-region", "aws_storage.s3_region", &["AWS_REGION", "AWS_DEFAULT_REGION"]);
        if region.is_empty() {
            return Err(Error::failed("S3 storage needs a region: -aws-s3-region, s3_region or AWS_REGION"));
        }
        let endpoint = self.text_or_variable("aws-s3-endpoint", "aws_storage.s3_endpoint", &["AWS_S3_ENDPOINT"]);
        let kms_key = Some(aws("aws-s3-kms-key", "aws_storage.s3_kms_key")).filter(|key| !key.is_empty());
        let encryption = if self.bool("aws-s3-enable-kms", "aws_storage.s3_enable_kms") {
            Encryption::Kms(kms_key.map(str::to_string))
        } else if self.bool("aws-s3-server-side-encryption", "aws_storage.s3_server_side_encryption") {
            Encryption::Aes256
        } else {
            Encryption::None
        };
        let optional = |text: &str| Some(text.to_string()).filter(|text| !text.is_empty());
        Ok(Some(Bucket {
            name: name.to_string(),
            region: region.to_string(),
            endpoint: optional(endpoint),
            path_style: self.bool("aws-s3-force-path-style", "aws_storage.s3_force_path_style"),
            prefix: aws("aws-s3-key-prefix", "aws_storage.s3_key_prefix").trim_matches('/').to_string(),
            static_name: optional(static_name.trim_start_matches('/')),
            encryption,
            credentials: self.credentials()?,
        }))
    }

    /// Those of flags and files when there are any, else those of the environment: never a mixture.
    fn credentials(self) -> Result<Credentials, Error> {
        let variable = |name: &str| self.invocation.environment.get(name).unwrap_or_default();
        let configured = [
            self.text("aws-access-key-id", "aws_storage.access_key_id"),
            self.text("aws-secret-access-key", "aws_storage.secret_access_key"),
            self.text("aws-session-token", "aws_storage.session_token"),
        ];
        let inherited =
            [variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"), variable("AWS_SESSION_TOKEN")];
        let [id, secret, token] = if configured.iter().all(|text| text.is_empty()) { inherited } else { configured };
        if id.is_empty() || secret.is_empty() {
            return Err(Error::failed(
                "S3 storage needs credentials: access_key_id and secret_access_key of aws_storage, or \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Credential files, roles and instance metadata are not \
                 there yet.",
            ));
        }
        Ok(Credentials {
            access_key_id: id.to_string(),
            secret_access_key: secret.to_string(),
            session_token: Some(token.to_string()).filter(|token| !token.is_empty()),
        })
    }
}

fn negative(flag: &str) -> Error {
    Error::failed(format!("-{flag} must not be negative"))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::COMMANDS;
    use super::*;
    use crate::{Environment, Terminal, flag};

    const SECRETS: &[(&str, &str)] = &[("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "s3cret")];

    fn read(args: &[&str], file: &str, variables: &[(&str, &str)]) -> Result<(Settings, Target), String> {
        let command = &COMMANDS[0];
        let args: Vec<String> = args.iter().map(|arg| arg.to_string()).collect();
        let (values, args) = flag::parse(&command.flags(), &args).expect("flags");
        let environment: Environment = variables.iter().copied().collect();
        let terminal = Terminal::new(io::empty(), io::sink(), io::sink());
        let mut files = FileValues::default();
        files.add("a.hcl", &format!("snapshot_agent {{\n{file}\n}}")).expect("a file");
        let invocation = Invocation { command, values, args, environment: &environment, terminal: &terminal };
        Settings::read(&invocation, &files).map_err(|error| error.to_string())
    }

    fn settings(args: &[&str], file: &str) -> Settings {
        read(args, file, &[]).expect("settings").0
    }

    fn refusal(args: &[&str], variables: &[(&str, &str)]) -> String {
        read(args, "", variables).err().expect("an error")
    }

    fn bucket(args: &[&str], file: &str, variables: &[(&str, &str)]) -> Bucket {
        match read(args, file, variables).expect("settings").1 {
            Target::Bucket(bucket) => *bucket,
            Target::Folder(path) => panic!("{}", path.display()),
        }
    }

    #[test]
    fn without_settings_snapshots_are_kept_here_each_hour() {
        let (settings, target) = read(&[], "", &[]).expect("settings");
        assert_eq!((settings.interval, settings.retain), (Duration::from_secs(3600), 30));
        assert_eq!((settings.deregister_after, settings.max_failures), (Duration::from_secs(72 * 3600), 3));
        assert_eq!(
            (settings.service.as_str(), settings.lock_key.as_str()),
            ("consul-snapshot", "consul-snapshot/lock")
        );
        assert!(!settings.stale && settings.least_level == Level::Info);
        assert!(matches!(target, Target::Folder(path) if path == settings.scratch));
    }

    #[test]
    fn flags_win_over_files() {
        let file = "snapshot {\n interval = \"2h\"\n retain = 5\n stale = true\n service = \"s\"\n max_failures = 0 }";
        let from_file = settings(&[], file);
        assert_eq!((from_file.interval, from_file.retain), (Duration::from_secs(7200), 5));
        assert_eq!((from_file.stale, from_file.service.as_str(), from_file.max_failures), (true, "s", 0));
        let flags = ["-interval=0", "-retain=0", "-stale=false", "-service=f", "-max-failures=9"];
        let from_flags = settings(&flags, file);
        assert_eq!((from_flags.interval, from_flags.retain), (Duration::ZERO, 0));
        assert_eq!((from_flags.stale, from_flags.service.as_str(), from_flags.max_failures), (false, "f", 9));
    }

    #[test]
    fn a_bucket_turns_local_storage_off() {
        let file = "aws_storage {\n s3_bucket = \"b\"\n s3_region = \"r\"\n s3_key_prefix = \"/p/q/\" }";
        let found = bucket(&[], file, SECRETS);
        assert_eq!((found.name.as_str(), found.region.as_str(), found.prefix.as_str()), ("b", "r", "p/q"));
        assert_eq!((found.endpoint.as_deref(), found.credentials.access_key_id.as_str()), (None, "id"));
        let found = bucket(&["-aws-s3-bucket=b"], "", &[SECRETS, &[("AWS_REGION", "e")]].concat());
        assert_eq!((found.region.as_str(), found.prefix.as_str()), ("e", "consul-snapshot"));
    }

    #[test]
    fn credentials_are_not_mixed() {
        let variables = [SECRETS, &[("AWS_SESSION_TOKEN", "t")]].concat();
        let flags = ["-aws-s3-bucket=b", "-aws-s3-region=r", "-aws-access-key-id=own"];
        let with_secret = [&flags[..], &["-aws-secret-access-key=x"]].concat();
        let own = bucket(&with_secret, "", &variables).credentials;
        assert_eq!((own.access_key_id.as_str(), own.session_token), ("own", None));
        let inherited = bucket(&flags[..2], "", &variables).credentials;
        assert_eq!((inherited.secret_access_key.as_str(), inherited.session_token.as_deref()), ("s3cret", Some("t")));
        let error = refusal(&flags, &variables);
        assert!(error.starts_with("S3 storage needs credentials") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn bad_values_are_refused() {
        let table: [(&[&str], &str); 8] = [
            (&["-interval=1ms"], "The interval must be 0 or at least 1s"),
            (&["-interval=-1s"], "-interval must not be negative"),
            (&["-retain=-1"], "-retain must not be negative"),
            (&["-max-failures=-1"], "-max-failures must not be negative"),
            (&["-lock-key="], "-lock-key must not be empty"),
            (&["-log-level=loud"], "Unknown log level: loud"),
            (&["-aws-s3-region=r"], "S3 storage needs a bucket: -aws-s3-bucket or s3_bucket"),
            (&["-aws-s3-bucket=b"], "S3 storage needs a region: -aws-s3-region, s3_region or AWS_REGION"),
        ];
        for (args, message) in table {
            assert_eq!(refusal(args, &[]), message, "{args:?}");
        }
    }
}
