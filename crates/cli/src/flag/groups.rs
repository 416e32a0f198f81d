//! The flags many commands share (docs/spec/cli.md §1.4).

use super::{Flag, Kind};

/// Which of the shared flags a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups(u8);

const CLIENT_BIT: u8 = 1;
const SERVER_BIT: u8 = 2;
const PARTITION_BIT: u8 = 4;
const NAMESPACE_BIT: u8 = 8;

impl Groups {
    /// None: the command works without an agent.
    pub const NONE: Groups = Groups(0);
    /// Where the agent is and how to speak to it.
    pub const C: Groups = Groups(CLIENT_BIT);
    /// And which datacenter's servers answer, how consistently.
    pub const CS: Groups = Groups(CLIENT_BIT | SERVER_BIT);
    /// Where the agent is, and a partition.
    pub const CP: Groups = Groups(CLIENT_BIT | PARTITION_BIT);
    /// Where the agent is, which servers answer, and a partition.
    pub const CSP: Groups = Groups(CLIENT_BIT | SERVER_BIT | PARTITION_BIT);
    /// Where the agent is, a namespace and a partition.
    pub const CM: Groups = Groups(CLIENT_BIT | NAMESPACE_BIT | PARTITION_BIT);
    /// All of them.
    pub const CSM: Groups = Groups(CLIENT_BIT | SERVER_BIT | NAMESPACE_BIT | PARTITION_BIT);

    /// The flags of these groups.
    pub fn flags(self) -> impl Iterator<Item = &'static Flag> {
        let groups =
            [(CLIENT_BIT, CLIENT), (SERVER_BIT, SERVER), (NAMESPACE_BIT, NAMESPACE), (PARTITION_BIT, PARTITION)];
        groups.into_iter().filter(move |(bit, _)| self.0 & bit != 0).flat_map(|(_, flags)| flags)
    }

    /// Whether the command speaks to an agent.
    pub fn has_client(self) -> bool {
        self.0 & CLIENT_BIT != 0
    }

    /// Whether help lists the flag of this name under the HTTP API options.
    pub fn is_api(self, name: &str) -> bool {
        let named = |flags: &[Flag]| flags.iter().any(|f| f.name == name);
        (self.0 & CLIENT_BIT != 0 && named(CLIENT)) || (self.0 & SERVER_BIT != 0 && named(SERVER))
    }
}

const CLIENT: &[Flag] = &[
    Flag::new(
        "http-addr",
        Kind::OptionalText,
        "Where the agent's HTTP API listens: HOST:PORT, http://HOST:PORT, https://HOST:PORT, or unix:///PATH for a \
         Unix socket. A path after the port is put before the path of every request. Without a scheme, \
         CONSUL_HTTP_SSL=true asks for HTTPS. Without the flag and the variable: 127.0.0.1:8500.",
    )
    .hint("address")
    .variable("CONSUL_HTTP_ADDR"),
    Flag::new(
        "token",
        Kind::OptionalText,
        "ACL token sent with each request. Without one, the agent uses its own default token, if it has one.",
    )
    .variable("CONSUL_HTTP_TOKEN"),
    Flag::new(
        "token-file",
        Kind::OptionalText,
        "File that holds the ACL token. Its content, unless empty, replaces the token given in any other way.",
    )
    .hint("path")
    .variable("CONSUL_HTTP_TOKEN_FILE"),
    Flag::new(
        "ca-file",
        Kind::OptionalText,
        "PEM file with the certificate authorities to trust for HTTPS, in place of the system's.",
    )
    .hint("path")
    .variable("CONSUL_CACERT"),
    Flag::new(
        "ca-path",
        Kind::OptionalText,
        "Directory whose PEM files hold the certificate authorities to trust for HTTPS.",
    )
    .hint("path")
    .variable("CONSUL_CAPATH"),
    Flag::new(
        "client-cert",
        Kind::OptionalText,
        "PEM file with the certificate to present to an agent that verifies its callers. Needs -client-key.",
    )
    .hint("path")
    .variable("CONSUL_CLIENT_CERT"),
    Flag::new("client-key", Kind::OptionalText, "PEM file with the private key of -client-cert.")
        .hint("path")
        .variable("CONSUL_CLIENT_KEY"),
    Flag::new(
        "tls-server-name",
        Kind::OptionalText,
        "Name to ask for and to expect in the agent's certificate, when it is not the host of the address.",
    )
    .hint("name")
    .variable("CONSUL_TLS_SERVER_NAME"),
];

const SERVER: &[Flag] = &[
    Flag::new(
        "datacenter",
        Kind::OptionalText,
        "Datacenter whose servers answer the request. Without it, the agent's own.",
    )
    .hint("name"),
    Flag::new(
        "stale",
        Kind::OptionalBool,
        "Let any server answer a read, not only the leader: faster, and possible without a leader, but the answer may \
         be behind. Writes are not affected.",
    ),
];

const NAMESPACE: &[Flag] = &[Flag::new(
    "namespace",
    Kind::OptionalText,
    "Namespace of the request. Namespaces exist in Consul Enterprise only; other agents refuse the request.",
)
.hint("name")
.variable("CONSUL_NAMESPACE")];

const PARTITION: &[Flag] = &[Flag::new(
    "partition",
    Kind::OptionalText,
    "Admin partition of the request. Partitions exist in Consul Enterprise only; other agents refuse the request.",
)
.hint("name")
.variable("CONSUL_PARTITION")];
