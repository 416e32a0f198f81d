//! `tls`: certificates for the agents themselves.

use super::shared::unchecked;
use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::flag::Flag;
use crate::invocation::Invocation;

const CAPABILITY: &str = "making certificates";
const FLAG_ERROR: &str = "Failed to parse args: ";

pub(super) const COMMANDS: &[Command] = &[
    Command::group(
        "tls",
        "Makes certificates for agents",
        "Makes an authority and certificates for the agents' own TLS, without any other tool. No agent is needed.",
    )
    .examples(&[
        ("Make an authority", "consul tls ca create"),
        ("Make a server's certificate", "consul tls cert create -server"),
        ("Make a client's certificate", "consul tls cert create -client"),
    ]),
    Command::group("tls ca", "Makes certificate authorities", "Makes the authority that signs the agents' certificates.")
        .examples(&[("Make an authority", "consul tls ca create")]),
    Command::new(
        "tls ca create",
        "Makes a certificate authority",
        "[options]",
        "Writes the certificate and the private key of a new authority to the working directory: DOMAIN-agent-ca.pem and \
         DOMAIN-agent-ca-key.pem. Files that exist are never overwritten.",
        Run::Missing { capability: CAPABILITY, check: unchecked },
    )
    .examples(&[
        ("For ten years", "consul tls ca create -days=3650"),
        ("That can sign only for its own domain", "consul tls ca create -domain=consul -name-constraint"),
    ])
    .on_flag_error(FLAG_ERROR)
    .flags_of_its_own(&[
        Flag::int("days", "Days the authority is valid for.").defaults_to("1825"),
        Flag::text("domain", "Domain of the cluster.").defaults_to("consul"),
        Flag::text("common-name", "Common name of the certificate; Consul Agent CA and its serial number when left out."),
        Flag::bool("name-constraint", "Let the authority sign only for the domain and localhost."),
        Flag::list(
            "additional-name-constraint",
            "Domain the authority may sign for too, with -name-constraint; may be repeated.",
        )
        .hint("domain"),
        Flag::text("cluster-id", "ID of the cluster, which becomes part of a SPIFFE name of the authority."),
    ]),
    Command::group("tls cert", "Makes certificates", "Makes certificates that an authority of tls ca signs.")
        .examples(&[("Make a server's certificate", "consul tls cert create -server -dc=dc1")]),
    Command::new(
        "tls cert create",
        "Makes a certificate",
        "[options]",
        "Writes a certificate and its private key to the working directory, under the first number that is free. Exactly \
         one of -server, -client and -cli is wanted. Guard a server's key well: who has it can act as a server.",
        Run::Missing { capability: CAPABILITY, check: cert_create },
    )
    .examples(&[
        ("For a server", "consul tls cert create -server -dc=east"),
        ("For a client", "consul tls cert create -client"),
        ("For people and scripts", "consul tls cert create -cli"),
    ])
    .on_flag_error(FLAG_ERROR)
    .flags_of_its_own(&[
        Flag::text("ca", "Certificate of the authority; #DOMAIN# stands for the domain.")
            .hint("path")
            .defaults_to("#DOMAIN#-agent-ca.pem"),
        Flag::text("key", "Private key of the authority; #DOMAIN# stands for the domain.")
            .hint("path")
            .defaults_to("#DOMAIN#-agent-ca-key.pem"),
        Flag::bool("server", "Make a server's certificate."),
        Flag::bool("client", "Make a client's certificate."),
        Flag::bool("cli", "Make a certificate for the command line."),
        Flag::text("dc", "Datacenter of the agent.").defaults_to("dc1"),
        Flag::text("domain", "Domain of the cluster.").defaults_to("consul"),
        Flag::int("days", "Days the certificate is valid for.").defaults_to("365"),
        Flag::text("node", "Name of the node, for a certificate that holds for one server only. Needs -server."),
        Flag::list("additional-dnsname", "DNS name the certificate holds for too; may be repeated.").hint("name"),
        Flag::list("additional-ipaddress", "IP address the certificate holds for too; may be repeated.").hint("address"),
    ]),
];

fn cert_create(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    let kinds = ["server", "client", "cli"].iter().filter(|kind| values.bool(kind)).count();
    let fault = if values.text("ca").is_empty() {
        "Please provide the ca"
    } else if values.text("key").is_empty() {
        "Please provide the key"
    } else if kinds != 1 {
        "Please provide either -server, -client, or -cli"
    } else if !values.text("node").is_empty() && !values.bool("server") {
        "-node requires -server"
    } else {
        return Ok(());
    };
    Err(Error::failed(fault))
}
