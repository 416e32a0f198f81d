//! Runs every fixture of `tests/fixtures/`: sources in, error, warnings or resolved values out.
//!
//! A case starts with `=== name` and has sections, each a line `--- title` and its text:
//! `--- <file>` writes a file; `--- flags` gives the command line, one flag a line (without it, every file is named in
//! order); `--- error` is the whole text of the error, `--- at` the places it reports; `--- warnings` are all warnings,
//! one a line; `--- value <path>` is a JSON value of the resolved configuration, at a dotted path. `--- bare` leaves out
//! the first file every case otherwise begins with, which sets `data_dir` and `bind_addr`.

use crate::support::{Case, Outcome};

fn run(name: &str, text: &str) {
    let cases = Case::parse_all(text);
    assert!(!cases.is_empty(), "{name} has no cases");
    let failures: Vec<String> = cases.iter().filter_map(|case| case.failure()).collect();
    assert!(failures.is_empty(), "{} of {} cases of {name}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

macro_rules! suite {
    ($($name:ident: $file:literal;)*) => {
        $(
            #[test]
            fn $name() {
                run($file, include_str!(concat!("../fixtures/", $file)));
            }
        )*
    };
}

suite! {
    syntax_and_types: "syntax-and-types.txt";
    network: "network.txt";
    templates: "templates.txt";
    tls: "tls.txt";
    mesh: "mesh.txt";
    ui_and_telemetry: "ui-and-telemetry.txt";
    services_and_checks: "services-and-checks.txt";
    deprecated_and_enterprise: "deprecated-and-enterprise.txt";
    rules: "rules.txt";
    edge_cases: "edge-cases.txt";
    order_of_rules: "order-of-rules.txt";
    resolved_values: "resolved-values.txt";
}

#[test]
fn a_failing_case_is_reported() {
    let case = &Case::parse_all("=== wrong\n--- a.hcl\nfoo = 1\n--- error\nno\n")[0];
    assert!(matches!(case.outcome(), Outcome::Error { .. }));
    assert!(case.failure().is_some());
}
