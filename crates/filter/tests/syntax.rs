//! What is not an expression, and the reference's words for it.

use filter::{Expression, MAX_DEPTH, MAX_LENGTH_BYTES};

const FAULTS: &[(&str, &str)] = &[
    (" ", r#"1:2 (1): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    ("\n", r#"2:1 (1): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    ("bogus", r#"1:6 (5): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"#),
    ("Node ==", r#"1:8 (7): no match found, expected: "-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    ("Node == ", r#"1:9 (8): no match found, expected: "-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    (
        "Node = a",
        r#"1:6 (5): no match found, expected: "!=", "==", "contains", "in", "is", "matches", "not" or [ \t\r\n]"#,
    ),
    ("Node == a-b", r#"1:10 (9): no match found, expected: ".", "[", [ \t\r\n], [a-zA-Z0-9_] or EOF"#),
    ("Node == a and", r#"1:14 (13): no match found, expected: [ \t\r\n]"#),
    (
        "Node == a and ",
        r#"1:15 (14): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"#,
    ),
    ("Node == a or", r#"1:13 (12): no match found, expected: [ \t\r\n]"#),
    ("Node == a xor Node == b", r#"1:11 (10): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    ("(Node == a", r#"1:11 (10): rule "grouping": Unmatched parentheses"#),
    ("(Node == a ", r#"1:12 (11): rule "grouping": Unmatched parentheses"#),
    ("(((Node == a", r#"1:13 (12): rule "grouping": Unmatched parentheses"#),
    ("(Node == a))", r#"1:12 (11): no match found, expected: [ \t\r\n] or EOF"#),
    ("((Node == a) and (Node == b)", r#"1:29 (28): rule "grouping": Unmatched parentheses"#),
    ("(Node == fl) and", r#"1:17 (16): no match found, expected: [ \t\r\n]"#),
    ("(Node == fl) x", r#"1:14 (13): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    ("(Node==fl)and(Node==fl)", r#"1:11 (10): no match found, expected: [ \t\r\n] or EOF"#),
    ("(Node == 1x", r#"1:11 (10): rule "number": Invalid number literal"#),
    ("(Node == 1 x", r#"1:12 (11): rule "grouping": Unmatched parentheses"#),
    (
        r#"Node == "a" and (Node == "b" or (Node == "c" and"#,
        "1:46 (45): rule \"grouping\": Unmatched parentheses\n1:30 (29): rule \"grouping\": Unmatched parentheses",
    ),
    ("()", r#"1:2 (1): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    ("( )", r#"1:3 (2): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    ("not", r#"1:4 (3): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"#),
    (
        "not ",
        r#"1:5 (4): no match found, expected: "!=", "(", "-", "0", "==", "\"", "`", "contains", "in", "is", "matches", "not", [ \t\r\n], [1-9] or [a-zA-Z]"#,
    ),
    ("not Node", r#"1:9 (8): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"#),
    ("not(Node == fl)", r#"1:4 (3): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"#),
    (r#"Node == "a"#, r#"1:11 (10): rule "string": Unterminated string literal"#),
    ("Node == `a", r#"1:11 (10): rule "string": Unterminated string literal"#),
    ("x matches `a", r#"1:13 (12): rule "string": Unterminated string literal"#),
    ("Node == \"a\nb", r#"2:2 (12): rule "string": Unterminated string literal"#),
    ("Node == 1x", r#"1:10 (9): rule "number": Invalid number literal"#),
    ("Node == -", r#"1:10 (9): no match found, expected: "0" or [1-9]"#),
    ("Node == 01", r#"1:10 (9): rule "number": Invalid number literal"#),
    ("Node == 1.", r#"1:10 (9): rule "number": Invalid number literal"#),
    ("Node == 1.5.6", r#"1:12 (11): rule "number": Invalid number literal"#),
    ("Node == 0x50", r#"1:10 (9): rule "number": Invalid number literal"#),
    ("Node == 1)", r#"1:10 (9): no match found, expected: ".", [ \t\r\n], [0-9] or EOF"#),
    ("0", r#"1:2 (1): no match found, expected: "." or [ \t\r\n]"#),
    ("0.", r#"1:2 (1): rule "number": Invalid number literal"#),
    ("1", r#"1:2 (1): no match found, expected: ".", [ \t\r\n] or [0-9]"#),
    ("-1", r#"1:3 (2): no match found, expected: ".", [ \t\r\n] or [0-9]"#),
    ("1)", r#"1:2 (1): no match found, expected: ".", [ \t\r\n], [0-9] or EOF"#),
    ("1.5", r#"1:4 (3): no match found, expected: [ \t\r\n] or [0-9]"#),
    ("1.5)", r#"1:4 (3): no match found, expected: [ \t\r\n], [0-9] or EOF"#),
    (r#""a""#, r#"1:4 (3): no match found, expected: [ \t\r\n]"#),
    (r#""a" "#, r#"1:5 (4): no match found, expected: "in", "not" or [ \t\r\n]"#),
    (r#""a" not"#, r#"1:8 (7): no match found, expected: [ \t\r\n]"#),
    (r#""a" not "#, r#"1:9 (8): no match found, expected: "in" or [ \t\r\n]"#),
    ("Meta[x] == 1", r#"1:6 (5): rule "index": Invalid index"#),
    (r#"Meta["x" == 1"#, r#"1:10 (9): rule "index": Unclosed index expression"#),
    (
        r#"Meta["x == 1"#,
        "1:13 (12): rule \"string\": Unterminated string literal\n1:6 (5): rule \"index\": Invalid index",
    ),
    ("Meta[] == 1", r#"1:6 (5): rule "index": Invalid index"#),
    ("Meta[", r#"1:6 (5): rule "index": Invalid index"#),
    (r#"Meta["a"#, "1:8 (7): rule \"string\": Unterminated string literal\n1:6 (5): rule \"index\": Invalid index"),
    ("Meta[`a` ", r#"1:10 (9): rule "index": Unclosed index expression"#),
    (r#"Meta["a"]x == 1"#, r#"1:10 (9): no match found, expected: "!=", ".", "==", "[" or [ \t\r\n]"#),
    (r#"Meta["a"][ "b" == 1"#, r#"1:16 (15): rule "index": Unclosed index expression"#),
    (r#"Meta["a].b == 1 and Node == "c"#, r#"1:30 (29): rule "index": Unclosed index expression"#),
    (r#"Meta["a\q"] == 1"#, r#"1:6 (5): rule "string": invalid syntax"#),
    ("Meta.", "1:6 (5): no match found, expected: [a-zA-Z]"),
    ("Meta. x == 1", "1:6 (5): no match found, expected: [a-zA-Z]"),
    ("Meta.\nx == 1", "2:0 (5): no match found, expected: [a-zA-Z]"),
    (".x == 1", r#"1:1 (0): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    ("8 in `8`", r#"1:6 (5): rule "match": Invalid selector"#),
    (r#""8" in "8""#, r#"1:8 (7): rule "match": Invalid selector"#),
    ("x notin Meta", r#"1:6 (5): no match found, expected: [ \t\r\n]"#),
    ("x in `a`", r#"1:6 (5): rule "match": Invalid selector"#),
    (r#"Node not in "a""#, r#"1:13 (12): rule "match": Invalid selector"#),
    ("1x in Node", r#"1:2 (1): rule "number": Invalid number literal"#),
    (r#""x" == Node"#, r#"1:5 (4): no match found, expected: "in", "not" or [ \t\r\n]"#),
    ("1 == Node", r#"1:3 (2): no match found, expected: "in", "not" or [ \t\r\n]"#),
    ("Node contains", r#"1:14 (13): no match found, expected: [ \t\r\n]"#),
    ("Node contains ", r#"1:15 (14): no match found, expected: "-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    ("Node matches", r#"1:13 (12): no match found, expected: [ \t\r\n]"#),
    ("Node not", r#"1:9 (8): no match found, expected: [ \t\r\n]"#),
    ("Node not ", r#"1:10 (9): no match found, expected: "contains", "in", "matches" or [ \t\r\n]"#),
    ("Node is", r#"1:8 (7): no match found, expected: [ \t\r\n]"#),
    ("Node is ", r#"1:9 (8): no match found, expected: "empty", "not" or [ \t\r\n]"#),
    ("Node is not ", r#"1:13 (12): no match found, expected: "empty" or [ \t\r\n]"#),
    ("Meta is not", r#"1:12 (11): no match found, expected: [ \t\r\n]"#),
    ("Meta is emptyx", r#"1:14 (13): no match found, expected: [ \t\r\n] or EOF"#),
    ("Meta is not emptyx", r#"1:18 (17): no match found, expected: [ \t\r\n] or EOF"#),
    ("Meta is emptyand Node == fl", r#"1:14 (13): no match found, expected: [ \t\r\n] or EOF"#),
    ("Node== fl or(Node==fl)", r#"1:13 (12): no match found, expected: [ \t\r\n]"#),
    (
        "!Node == fl",
        r#"1:1 (0): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"#,
    ),
    (
        "Node > fl",
        r#"1:6 (5): no match found, expected: "!=", "==", "contains", "in", "is", "matches", "not" or [ \t\r\n]"#,
    ),
    ("Node === fl", r#"1:8 (7): no match found, expected: "-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    ("Node !== fl", r#"1:8 (7): no match found, expected: "-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    ("Node == fl && Node == fl", r#"1:12 (11): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    ("Node == fl AND Node == fl", r#"1:12 (11): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    (r#"Node == "fl" "x""#, r#"1:14 (13): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    (r#"Node == "fl"x"#, r#"1:13 (12): no match found, expected: [ \t\r\n] or EOF"#),
    (r#"Node == "fl"and Node == fl"#, r#"1:13 (12): no match found, expected: [ \t\r\n] or EOF"#),
    ("Node == 'fl'", r#"1:9 (8): no match found, expected: "-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    (r#"Node == "\q""#, r#"1:9 (8): rule "string": invalid syntax"#),
    (r#"Node == "a\"b""#, r#"1:9 (8): rule "string": invalid syntax"#),
    (r#"Node == "\'""#, r#"1:9 (8): rule "string": invalid syntax"#),
    (r#"Node == "\400""#, r#"1:9 (8): rule "string": invalid syntax"#),
    (r#"Node == "\ud800""#, r#"1:9 (8): rule "string": invalid syntax"#),
    (r#"Node == "\u12""#, r#"1:9 (8): rule "string": invalid syntax"#),
    (r#"Node == "a\"#, r#"1:12 (11): rule "string": Unterminated string literal"#),
    ("Node == \"a\nb\"", r#"1:9 (8): rule "string": invalid syntax"#),
    (
        r#"Node == "\q" and Meta[1] == 2"#,
        "1:9 (8): rule \"string\": invalid syntax\n1:23 (22): rule \"index\": Invalid index",
    ),
    (
        r#"Node == "\q" or 1x in Node"#,
        "1:9 (8): rule \"string\": invalid syntax\n1:18 (17): rule \"number\": Invalid number literal",
    ),
    ("é == fl", r#"1:1 (0): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    ("Node == é", r#"1:9 (8): no match found, expected: "-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    (r#"Node == "é" x"#, r#"1:13 (13): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    (
        "Meta[\"é\"\n] ? 1",
        r#"2:3 (12): no match found, expected: "!=", "==", "contains", "in", "is", "matches", "not" or [ \t\r\n]"#,
    ),
    ("\n1x", r#"2:2 (2): rule "number": Invalid number literal"#),
    ("\n\nNode == fl\n x", r#"4:2 (14): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    (
        "Node\n\n? x",
        r#"3:1 (6): no match found, expected: "!=", "==", "contains", "in", "is", "matches", "not" or [ \t\r\n]"#,
    ),
    ("Node ==\n\n", r#"3:1 (9): no match found, expected: "-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    ("Node == 1\n)", r#"2:1 (10): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    ("Node == \"a\"\r\nx", r#"2:1 (13): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    ("Node\x0b == fl", r#"1:5 (4): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"#),
    ("Node == a.", "1:11 (10): no match found, expected: [a-zA-Z]"),
    ("Node == a[", r#"1:11 (10): rule "index": Invalid index"#),
    ("Node == a.b c", r#"1:13 (12): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    ("Node == a and and", r#"1:18 (17): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"#),
    ("or", r#"1:3 (2): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"#),
    ("and", r#"1:4 (3): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"#),
    ("not not", r#"1:8 (7): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"#),
    ("not not x", r#"1:10 (9): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"#),
    ("not (x", r#"1:7 (6): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"#),
    ("(not x == y", r#"1:12 (11): rule "grouping": Unmatched parentheses"#),
    ("((a == b) or c == d) e", r#"1:22 (21): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    ("a == b or (c == d and e", r#"1:19 (18): rule "grouping": Unmatched parentheses"#),
    ("a in b c", r#"1:8 (7): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    ("a in b or", r#"1:10 (9): no match found, expected: [ \t\r\n]"#),
    ("a in 1", r#"1:6 (5): rule "match": Invalid selector"#),
    ("a in", r#"1:5 (4): no match found, expected: [ \t\r\n]"#),
    ("a in ", r#"1:6 (5): rule "match": Invalid selector"#),
    ("a not in", r#"1:9 (8): no match found, expected: [ \t\r\n]"#),
    ("x is emptyy or z", r#"1:11 (10): no match found, expected: [ \t\r\n] or EOF"#),
    (
        "a == b or c = d",
        r#"1:13 (12): no match found, expected: "!=", "==", "contains", "in", "is", "matches", "not" or [ \t\r\n]"#,
    ),
    (r#"a == b and c == "d"#, r#"1:19 (18): rule "string": Unterminated string literal"#),
    ("`", r#"1:2 (1): rule "string": Unterminated string literal"#),
    (r#"""#, r#"1:2 (1): rule "string": Unterminated string literal"#),
    ("[", r#"1:1 (0): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    ("]", r#"1:1 (0): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    ("a[`b`]c", r#"1:7 (6): no match found, expected: "!=", ".", "==", "[" or [ \t\r\n]"#),
    ("a == -0x", r#"1:8 (7): rule "number": Invalid number literal"#),
    ("a == -01", r#"1:8 (7): rule "number": Invalid number literal"#),
    ("a == 10a", r#"1:8 (7): rule "number": Invalid number literal"#),
    ("a == 1 1", r#"1:8 (7): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    ("a == 1.0.", r#"1:9 (8): rule "number": Invalid number literal"#),
    ("a == 1 ) b", r#"1:8 (7): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    ("a == (b)", r#"1:6 (5): no match found, expected: "-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    ("(a == b) (c == d)", r#"1:10 (9): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    ("a == b\tor", r#"1:10 (9): no match found, expected: [ \t\r\n]"#),
    (r#"a["b"]["c"#, "1:10 (9): rule \"string\": Unterminated string literal\n1:8 (7): rule \"index\": Invalid index"),
    ("x == y z", r#"1:8 (7): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    ("a matches", r#"1:10 (9): no match found, expected: [ \t\r\n]"#),
    ("a matches (b)", r#"1:11 (10): no match found, expected: "-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]"#),
    ("a == b not", r#"1:8 (7): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
    ("a not b", r#"1:7 (6): no match found, expected: "contains", "in", "matches" or [ \t\r\n]"#),
    ("a is a", r#"1:6 (5): no match found, expected: "empty", "not" or [ \t\r\n]"#),
    ("a is not a", r#"1:10 (9): no match found, expected: "empty" or [ \t\r\n]"#),
    ("a is not emptyy", r#"1:15 (14): no match found, expected: [ \t\r\n] or EOF"#),
];

#[test]
fn a_text_that_is_no_expression_is_told_where_and_why() {
    for (text, message) in FAULTS {
        let error = Expression::parse(text).expect_err(text);
        assert_eq!(error.to_string(), *message, "{text}");
    }
}

#[test]
fn an_empty_text_is_no_expression() {
    let error = Expression::parse("").expect_err("nothing stands there");
    assert_eq!((error.faults()[0].line, error.faults()[0].column, error.faults()[0].offset), (1, 1, 0));
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [("(", ")"), ("not ", "")] {
        let nested = |depth| format!("{}a == b{}", open.repeat(depth), close.repeat(depth));
        assert!(Expression::parse(&nested(MAX_DEPTH)).is_ok());
        let error = Expression::parse(&nested(MAX_DEPTH + 1)).expect_err("one level too deep");
        assert!(error.to_string().contains("nests too deeply"), "{error}");
        assert!(Expression::parse(&nested(100 * MAX_DEPTH)).is_err());
    }
}

#[test]
fn length_is_bounded() {
    let fitting = format!("a == `{}`", "x".repeat(MAX_LENGTH_BYTES - 7));
    assert!(Expression::parse(&fitting).is_ok());
    let error = Expression::parse(&format!("{fitting} ")).expect_err("one byte too long");
    assert!(error.to_string().starts_with("1:1 (0): filter is 1048577 bytes long"), "{error}");
}

#[test]
fn a_chain_may_be_long() {
    let terms = vec!["a == b"; 50_000];
    for word in [" and ", " or "] {
        assert!(Expression::parse(&terms.join(word)).is_ok());
    }
}
