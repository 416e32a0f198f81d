//! What holds for every text.

use filter::{Expression, Filter};
use proptest::prelude::*;
use types::{CheckServiceNode, HealthCheck, Node, NodeService, ServiceNode};

/// Pieces of expressions in any order: most make no expression, some do.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "Node",
        "Meta",
        "not",
        "in",
        "is",
        "empty",
        "contains",
        "matches",
        "and",
        "or",
        "==",
        "!=",
        "(",
        ")",
        "[",
        "]",
        ".",
        "`x`",
        "\"y\"",
        "\"\\u0060\\x22\"",
        "\"\\xff\"",
        "`",
        "\"",
        "1",
        "-0.5",
        "0x",
        "é",
        "\\",
        " ",
        " ",
        " ",
        "\n",
        "\r",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Expressions, written in ways the parser must see through.
fn expression() -> impl Strategy<Value = String> {
    let selector =
        prop::sample::select(vec!["Node", "Meta.a", "not", "in", "Meta[\"a b\"]", "Meta[`\"`].x", "a[ `` ]", "or.and"]);
    let value = prop_oneof![
        Just("x".to_string()),
        Just("a.b[`c d`]".to_string()),
        Just("-1.50".to_string()),
        "[^`]{0,6}".prop_map(|text| format!("`{text}`")),
        "[a-z ]{0,6}".prop_map(|text| format!("\"{text}\\n\\r\\x60\\u0022\\\\\"")),
    ];
    let operator =
        prop::sample::select(vec!["==", "  != ", " contains ", " not contains ", " matches ", " not  matches "]);
    let test = prop_oneof![
        (selector.clone(), operator, value.clone())
            .prop_map(|(selector, operator, value)| format!("{selector}{operator}{value}")),
        (value, prop::sample::select(vec!["in", "not in"]), selector.clone())
            .prop_map(|(v, o, s)| format!("{v} {o} {s}")),
        (selector, prop::sample::select(vec!["is empty", "is  not empty"])).prop_map(|(s, o)| format!("{s} {o}")),
    ];
    test.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| format!("not {inner}")),
            inner.clone().prop_map(|inner| format!("( {inner})")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|terms| terms.join(" and ")),
            prop::collection::vec(inner, 2..4).prop_map(|terms| terms.join("\tor\n")),
        ]
    })
}

fn reads_as_written(text: &str) -> Result<(), TestCaseError> {
    if let Ok(expression) = Expression::parse(text) {
        let printed = expression.to_string();
        prop_assert_eq!(Expression::parse(&printed), Ok(expression), "{}", printed);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        reads_as_written(&text)?;
    }

    #[test]
    fn any_pieces_are_read_or_refused(text in pieces()) {
        reads_as_written(&text)?;
    }

    #[test]
    fn an_expression_reads_as_it_is_written(text in expression()) {
        prop_assert!(Expression::parse(&text).is_ok(), "{}", text);
        reads_as_written(&text)?;
    }

    #[test]
    fn any_pattern_is_compiled_or_refused(pattern in "([a-c(){}\\[\\]|*+?^$.,:\\\\0-2PQEpLxdwbi<>=é-]|\\(\\?|\\[\\[:)*") {
        if let Ok(filter) = Filter::<Node>::new(&format!("Node matches `{pattern}`")) {
            filter.matches(&Node { node: "abc".into(), ..Node::default() });
        }
    }

    #[test]
    fn any_expression_is_bound_or_refused(text in expression()) {
        let expression = Expression::parse(&text).expect("it is an expression");
        let _ = expression.bind::<Node>();
        let _ = expression.bind::<NodeService>();
        let _ = expression.bind::<ServiceNode>();
        let _ = expression.bind::<CheckServiceNode>();
        let _ = expression.bind::<HealthCheck>();
    }
}
