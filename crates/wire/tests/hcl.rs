//! HCL 1: what parses, what repeated and labelled keys come to, and the error texts (`docs/spec/config.md §2.2`).

use wire::hcl::{HclError, MAX_DEPTH, Object, Spanned, Value, parse, parse_json};

/// One line for a tree: blocks in angle brackets, lists in square ones, floats with a point.
fn shown(object: &Object) -> String {
    let entries: Vec<_> = object.iter().map(|(key, value)| format!("{key}:{}", shown_value(value))).collect();
    format!("{{{}}}", entries.join(" "))
}

fn shown_value(spanned: &Spanned) -> String {
    match &spanned.value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::String(value) => format!("{value:?}"),
        Value::Object(object) => shown(object),
        Value::List(elements) => {
            let elements: Vec<_> = elements.iter().map(shown_value).collect();
            let elements = elements.join(" ");
            if spanned.blocks { format!("<{elements}>") } else { format!("[{elements}]") }
        }
    }
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let object = parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(shown(&object), *expected, "{text:?}");
    }
}

#[track_caller]
fn check_refused(parse: impl Fn(&str) -> Result<Object, HclError>, cases: &[(&str, &str)]) {
    for (text, message) in cases {
        match parse(text) {
            Ok(object) => panic!("{text:?} parses as {}", shown(&object)),
            Err(error) => assert_eq!(error.to_string(), *message, "{text:?}"),
        }
    }
}

#[test]
fn scalars_and_lists() {
    check(&[
        ("", "{}"),
        (" \n # only a comment", "{}"),
        ("a = 1 b = \"x\" c = true d = false", "{a:1 b:\"x\" c:true d:false}"),
        ("a = 1, b = 2,", "{a:1 b:2}"),
        ("\"a b\" = 1", "{a b:1}"),
        ("x.y-z_1 = 1 é = 2", "{x.y-z_1:1 é:2}"),
        ("a = []", "{a:[]}"),
        (
            "a = [1, \"x\", 2.5, true, [1, [2]], {b = 1}, <<E\nt\nE\n, ]",
            "{a:[1 \"x\" 2.5 true [1 [2]] {b:1} \"t\\n\"]}",
        ),
        ("a = [1,,2] b = [,1] c = [[1] [2]]", "{a:[1 2] b:[1] c:[[1] [2]]}"),
        ("a\r\n=\r\n1\r\n", "{a:1}"),
        ("a =", "{}"),
    ]);
}

#[test]
fn comments() {
    check(&[
        ("# a\n// b\n/* c\n*/ x = 1 # d\ny = 2 // e", "{x:1 y:2}"),
        ("/**/a/* b */=/***/1/* /* */", "{a:1}"),
        ("a # c\n = # d\n 1", "{a:1}"),
        ("a = [ # b\n 1, # c\n 2 # d\n ]", "{a:[1 2]}"),
        ("a \"b\" /* c */ { # d\n }", "{a:<{b:<{}>}>}"),
        ("#\ra = 1", "{}"),
    ]);
}

#[test]
fn numbers() {
    check(&[
        ("a=0 b=-0 c=007 d=-010 e=0x1F f=-0XfF", "{a:0 b:0 c:7 d:-8 e:31 f:-255}"),
        ("a=9223372036854775807 b=-9223372036854775808", "{a:9223372036854775807 b:-9223372036854775808}"),
        (
            "a=1.5 b=-1.5 c=1e3 d=1E+3 e=1.5e-3 f=.5 g=1. h=018.5 i=0e1",
            "{a:1.5 b:-1.5 c:1000.0 d:1000.0 e:0.0015 f:0.5 g:1.0 h:18.5 i:0.0}",
        ),
    ]);
    check_refused(
        parse,
        &[
            ("a=9223372036854775808", "strconv.ParseInt: parsing \"9223372036854775808\": value out of range"),
            ("a=09", "strconv.ParseInt: parsing \"09\": invalid syntax"),
            ("a=1e", "strconv.ParseFloat: parsing \"1e\": invalid syntax"),
            ("a=1e999", "strconv.ParseFloat: parsing \"1e999\": value out of range"),
            ("a=019", "At 1:6: illegal octal number"),
            ("a=0x", "At 1:5: illegal hexadecimal number"),
            ("a=--1", "At 1:3: Unknown token: 1:3 SUB -"),
            ("a=+1", "At 1:3: Unknown token: 1:3 ADD +"),
            ("a=1_0", "At 1:7: key '_0' expected start of object ('{') or assignment ('=')"),
        ],
    );
}

#[test]
fn strings() {
    check(&[
        (r#"a = "\a\b\f\n\r\t\v\\\"""#, r#"{a:"\u{7}\u{8}\u{c}\n\r\t\u{b}\\\""}"#),
        (r#"a = "\x41\101\u00e9\U0001F600""#, r#"{a:"AAé😀"}"#),
        (r#"a = "${x "y" {z}}\t" b = "$${x}" c = "$x {y}""#, r#"{a:"${x \"y\" {z}}\t" b:"$${x}" c:"$x {y}"}"#),
        (r#"a = "${x\n}\n""#, r#"{a:"${x\\n}\n"}"#),
        ("a = \"${x\ny}\"", r#"{a:"${x\ny}"}"#),
        ("a = \"tab\there\"", r#"{a:"tab\there"}"#),
    ]);
    check_refused(
        parse,
        &[
            ("a = \"abc", "At 1:9: literal not terminated"),
            ("a = \"abc\ndef\"", "At 2:5: literal not terminated"),
            ("a = \"${b\"", "At 1:10: literal not terminated"),
            (r#"a = "\q""#, "At 1:7: illegal char escape"),
            (r#"a = "\x4""#, "At 1:9: illegal char escape"),
            (r#"a = "\777""#, r#"At 1:5: string "\777" has an escape that names no character"#),
            (r#"a = "\U00110000""#, r#"At 1:5: string "\U00110000" has an escape that names no character"#),
            (r#"a = "\xff""#, r#"At 1:5: string "\xff" has an escape that names no character"#),
        ],
    );
}

#[test]
fn heredocs() {
    check(&[
        ("a = <<E\n x\n  y\nE\nb = 1", "{a:\" x\\n  y\\n\" b:1}"),
        ("a = <<E\nE\n", "{a:\"\"}"),
        ("a = <<E\nx\n  E\n", "{a:\"x\\n  \"}"),
        ("a = <<E\n\"${x}\\n\nEE\nE x\nE\n", "{a:\"\\\"${x}\\\\n\\nEE\\nE x\\n\"}"),
        ("a = <<-E\n  x\n    y\n  E\n", "{a:\"x\\n  y\\n\"}"),
        ("a = <<-E\n  x\n y\n  E\n", "{a:\"  x\\n y\\n\"}"),
        ("a = <<-E\n  x\n\n  E\n", "{a:\"  x\\n\\n\"}"),
        ("a = <<-E\n  E\n", "{a:\"\"}"),
        ("a = <<E\r\nx\r\nE\r\n", "{a:\"x\\n\"}"),
    ]);
    check_refused(
        parse,
        &[
            ("a = <<E\nx\nE", "At 3:2: heredoc not terminated"),
            ("a = <<-E\n x\nE\n", "At 4:1: heredoc not terminated"),
            ("a = <<E", "At 1:8: heredoc not terminated"),
            ("a = <<\nx\n", "At 1:7: zero-length heredoc anchor"),
            ("a = <<E-F\nx\n", "At 1:8: invalid characters in heredoc anchor"),
            ("a = <E\n", "At 1:6: heredoc expected second '<', didn't see it"),
        ],
    );
}

#[test]
fn blocks_labels_and_repetition() {
    check(&[
        ("ports { http = 1 }", "{ports:<{http:1}>}"),
        ("ports = { http = 1 }", "{ports:<{http:1}>}"),
        ("s { a = 1 } s { b = 2 }", "{s:<{a:1} {b:2}>}"),
        ("s \"web\" { a = 1 }", "{s:<{web:<{a:1}>}>}"),
        ("s \"web\" {} s \"db\" {} s \"web\" {}", "{s:<{web:<{}>} {db:<{}>} {web:<{}>}>}"),
        ("s a \"b\" {}", "{s:<{a:<{b:<{}>}>}>}"),
        ("a = 1 b = 2 a = 3", "{a:3 b:2}"),
        ("a = \"x\" a = 7", "{a:\"7\"}"),
        ("a = 1 a = \"0x10\"", "{a:16}"),
        ("a = 1.5 a = 2", "{a:2.0}"),
        ("a = [1] a = [2, 3]", "{a:[1 2 3]}"),
        ("s = [{}] s { a = 1 }", "{s:[{} {a:1}]}"),
        ("s { a = 1 } s = [{}]", "{s:<{a:1} {}>}"),
        ("a = { b = { c = [{ d = {} }] } }", "{a:<{b:<{c:[{d:<{}>}]}>}>}"),
    ]);
    check_refused(
        parse,
        &[
            ("a {} a = 1", "At 1:10: unknown slice type: *ast.LiteralType"),
            ("a = 1 a {}", "At 1:9: root.a: unknown type *ast.ObjectType"),
            ("a = \"x\" a = true", "At 1:13: root.a: unknown type for string *ast.LiteralType"),
            ("a = 1 a = \"x\"", "strconv.ParseInt: parsing \"x\": invalid syntax"),
            ("a {} a = [{}, 1]", "At 1:15: root.a[1]: not an object type for map (*ast.LiteralType)"),
            ("b { a \"x\" {} a {} }", "At -: root.b[0].a[1]: map must have string keys"),
            ("a {} a \"x\" {}", "At -: root.a[0]: map must have string keys"),
            ("a = 1 a \"x\" {}", "At -: root.a: unknown type *ast.ObjectList"),
            ("a = [] a \"x\" {}", "root.a[0]: cannot decode into interface: *ast.ObjectItem"),
        ],
    );
}

#[test]
fn syntax_errors() {
    check_refused(
        parse,
        &[
            ("x {\na = 1\n\n", "At 4:2: object expected closing RBRACE got: EOF"),
            ("a = 1\nb = 2\ndata_dir  = unquoted", "At 3:13: Unknown token: 3:13 IDENT unquoted"),
            ("a = 1\n\n= 1", "At 3:1: no object keys found!"),
            ("a = 1\nx\n", "At 3:1: key 'x' expected start of object ('{') or assignment ('=')"),
            ("a \"b\"", "At 1:6: key 'a \"b\"' expected start of object ('{') or assignment ('=')"),
            ("x { a }", "At 1:7: key 'a' expected start of object ('{') or assignment ('=')"),
            ("a \"b\" = 1", "At 1:7: nested object expected: LBRACE got: ASSIGN"),
            ("x = {{}}", "At 1:6: expected: IDENT | STRING got: LBRACE"),
            ("}", "At 1:1: expected: IDENT | STRING | ASSIGN | LBRACE got: RBRACE"),
            ("a = 1,, b = 2", "At 1:7: expected: IDENT | STRING | ASSIGN | LBRACE got: COMMA"),
            ("true = 1", "At 1:1: expected: IDENT | STRING | ASSIGN | LBRACE got: BOOL"),
            ("x = [", "At 1:6: unexpected token while parsing list: EOF"),
            ("x = [1 2]", "At 1:8: error parsing list, expected comma or list end, got: NUMBER"),
            (
                "x=[{a",
                "At 1:4: error while trying to parse object within list: \
                 At 1:7: key 'a' expected start of object ('{') or assignment ('=')",
            ),
            ("x = ;", "At 1:5: illegal char"),
            ("\u{feff}x = 1", "At 1:1: illegal char"),
            ("/x", "At 1:1: expected '/' for comment"),
            ("x = /* c", "At 1:9: comment not terminated"),
            ("x = 1\0", "At 1:6: unexpected null character (0x00)"),
        ],
    );
}

#[test]
fn values_know_where_they_stand() {
    let object = parse("a = 1\n  b {\n    é = 2, c = [3,\n 4]\n  }\na = 5").expect("parses");
    let at = |spanned: &Spanned| (spanned.line, spanned.column);
    assert_eq!(object.get("a").map(at), Some((6, 1)), "the value that counts");
    let block = object.get("b").expect("a block");
    assert_eq!(at(block), (2, 3));
    let inner = block.as_object().expect("one block unwraps");
    assert_eq!(inner.get("é").map(at), Some((3, 5)));
    let Some(Value::List(elements)) = inner.get("c").map(|list| &list.value) else { panic!("a list") };
    assert_eq!(elements.iter().map(at).collect::<Vec<_>>(), [(3, 17), (4, 2)]);

    let object = parse_json("{\n \"a\": {\"é\": 1, \"b\": [2]}}").expect("parses");
    assert_eq!(object.get("a").map(at), Some((2, 2)));
    let inner = object.get("a").and_then(Spanned::as_object).expect("an object");
    assert_eq!(inner.get("b").map(at), Some((2, 16)));
}

#[test]
fn only_one_block_unwraps() {
    let object = parse("one {} two {} two {} list = [{}] words = [\"a\"] none = []").expect("parses");
    let unwraps = |key: &str| object.get(key).is_some_and(|value| value.as_object().is_some());
    assert_eq!(["one", "two", "list", "words", "none"].map(unwraps), [true, false, true, false, false]);
    assert_eq!(object.get("words").map(Spanned::unwrapped), Some(&Value::String("a".into())));
}

#[test]
fn a_text_that_starts_with_a_brace_is_json() {
    check(&[
        ("{}", "{}"),
        (" \n{\"a\": 1, \"b\": 1.5, \"c\": 1e3, \"d\": null}", "{a:1 b:1.5 c:1000.0 d:null}"),
        ("{\"a\": {\"b\": {\"c\": 1}}}", "{a:<{b:<{c:1}>}>}"),
        ("{\"a\": [{\"b\": 1}, {\"b\": 2}]}", "{a:[{b:1} {b:2}]}"),
        ("{\"a\": {\"b\": {}, \"c\": {}}}", "{a:<{b:<{}> c:<{}>}>}"),
        ("{\"a\": 1, \"a\": 2, \"b\": [1], \"b\": [2]}", "{a:2 b:[1 2]}"),
        ("{\"a\": {\"x\": 1}, \"a\": {\"y\": 1}}", "{a:<{x:1} {y:1}>}"),
        ("{\"a\": [1,], } anything", "{a:[1]}"),
    ]);
    check_refused(
        parse,
        &[
            ("{\"a\": 1", "unexpected EOF"),
            ("{\"a\": tru}", "At 1:10: invalid character '}' in literal true (expecting 'e')"),
            ("{\n  a: 1}", "At 2:3: invalid character 'a' looking for beginning of object key string"),
            ("{\"a\":99999999999999999999}", "strconv.ParseInt: parsing \"99999999999999999999\": value out of range"),
        ],
    );
}

#[test]
fn strict_json() {
    for (text, expected) in [
        ("{}", "{}"),
        ("null", "{}"),
        (
            "{\"a\": 1, \"b\": [1, null, {\"c\": \"x\"}], \"d\": {\"e\": true}}",
            "{a:1.0 b:[1.0 null {c:\"x\"}] d:{e:true}}",
        ),
        ("{\"a\": {\"x\": 1}, \"b\": 1, \"a\": {\"y\": 1}}", "{a:{y:1.0} b:1.0}"),
        ("{\"a\": 1, \"a\": null}", "{a:null}"),
    ] {
        assert_eq!(shown(&parse_json(text).expect(text)), expected);
    }
    check_refused(
        parse_json,
        &[
            ("", "unexpected end of JSON input"),
            ("{\"a\":1", "unexpected end of JSON input"),
            ("{\"a", "unexpected end of JSON input"),
            ("nul", "invalid character ' ' in literal null (expecting 'l')"),
            ("{} x", "invalid character 'x' after top-level value"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("a = 1", "invalid character 'a' looking for beginning of value"),
            ("[]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
            ("{\"a\":1e999}", "json: cannot unmarshal number 1e999 into Go value of type float64"),
        ],
    );
}

#[test]
fn depth_is_limited() {
    let nested = |depth: usize| format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    assert!(parse(&nested(MAX_DEPTH + 1)).is_err());
    for piece in ["[", "[[[1] ", "{a = ", "a {", "a b {", "[{a="] {
        assert!(parse(&format!("a = {}", piece.repeat(100_000))).is_err(), "{piece}");
    }
    assert!(parse(&"{\"a\":".repeat(100_000)).is_err());
    assert!(parse_json(&"[".repeat(100_000)).is_err());
}

#[test]
fn many_labels_and_repetitions_stay_cheap() {
    let labels: String = (0..50_000).map(|n| format!("k{n} \"l\" {{}}\n")).collect();
    assert_eq!(parse(&labels).expect("parses").entries.len(), 50_000);
    let repeated = "a = [1]\n".repeat(100_000);
    assert!(parse(&repeated).is_ok());
}
