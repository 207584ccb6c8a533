//! What a program can say.

use super::*;

#[test]
fn an_array_of_readings_becomes_its_readings_with_what_stands_outside_it() {
    check(
        ". as $all | .readings[] | {device: $all.device, at: .t, value: .v}",
        r#"{"device":"d1","readings":[{"t":1,"v":2.50},{"t":2,"v":3}]}"#,
        &[r#"{"at":1,"device":"d1","value":2.50}"#, r#"{"at":2,"device":"d1","value":3}"#],
    );
}

#[test]
fn numbers_that_are_passed_on_keep_every_digit() {
    let json =
        r#"{"iccid":89430103211234567890,"d":1.10,"e":-0,"f":1E5,"g":0.10000000000000000000001}"#;
    check(
        "., .iccid, [.d, .e, .f], (.iccid | tostring), (.iccid | tojson | fromjson)",
        json,
        &[
            r#"{"d":1.10,"e":-0,"f":1E5,"g":0.10000000000000000000001,"iccid":89430103211234567890}"#,
            "89430103211234567890",
            "[1.10,-0,1E5]",
            r#""89430103211234567890""#,
            "89430103211234567890",
        ],
    );
    check(".iccid == 89430103211234567891", json, &["false"]);
    check(".iccid == 89430103211234567890, .d == 1.1", json, &["true", "true"]);
    check(
        "9007199254740993, 12345678901234567890123",
        "null",
        &["9007199254740993", "12345678901234567890123"],
    );
    check(
        "[.[] | tonumber] | unique",
        r#"["18446744073709551617","18446744073709551616"]"#,
        &["[18446744073709551616,18446744073709551617]"],
    );
}

#[test]
fn arithmetic_is_of_integers_where_it_can_be() {
    check(
        "9007199254740993 + 2, 6 / 3, 7 / 2, 7 % 4, 2 * 2.5, -(3)",
        "null",
        &["9007199254740995", "2", "3.5", "3", "5", "-3"],
    );
    check("9223372036854775807 + 1", "null", &["9.223372036854776e+18"]);
    check("1 / 0", "null", &["cannot calculate number / number"]);
    check("1e308 * 1e308", "null", &["cannot calculate number * number"]);
    check(
        "[(1.5 | floor, ceil, round), (-2 | abs), (16 | sqrt), pow(2; 10)]",
        "null",
        &["[1,2,2,2,4,1024]"],
    );
}

#[test]
fn a_program_knows_key_topic_headers_and_time_of_receipt_but_no_credentials() {
    check(
        "$key, ($topic | split(\"/\") | .[3]), $headers, $received",
        "{}",
        &[
            r#""dev-1""#,
            r#""7""#,
            r#"{"ce_type":"reading","enqueued":"1700000000000"}"#,
            r#""2027-01-15T08:00:00.000Z""#,
        ],
    );
}

#[test]
fn members_come_in_the_order_of_their_names_however_they_were_written() {
    for json in [r#"{"b":1,"a":2}"#, r#"{"a":2,"b":1}"#] {
        check(
            "to_entries[] | {key, value}",
            json,
            &[r#"{"key":"a","value":2}"#, r#"{"key":"b","value":1}"#],
        );
        check(".[]", json, &["2", "1"]);
    }
    check(".", r#"{"a":1,"b":2,"a":3}"#, &[r#"{"a":3,"b":2}"#]);
}

#[test]
fn what_gives_nothing_gives_no_element() {
    check("select(.type == \"reading\")", r#"{"type":"join"}"#, &[]);
    check("empty", "{}", &[]);
    check(".readings[]?", "{}", &[]);
    check(".a.b.c, .[\"x\"], .list[1:]", "{}", &["null", "null", "null"]);
}

#[test]
fn each_error_stands_in_its_place_and_the_others_stay() {
    check(
        ".[] | {v: (.v | tonumber)}",
        r#"[{"v":"1"},{"v":"secret"},{"v":3}]"#,
        &[r#"{"v":1}"#, "cannot use string as number", r#"{"v":3}"#],
    );
}

#[test]
fn messages_hold_the_programs_words_and_never_the_records() {
    let json = r#"{"secret":"hunter2","n":1}"#;
    check("error(\"no reading\")", json, &["no reading"]);
    check(
        "if .n then error(\"no \\(.secret)\") else . end",
        json,
        &["the program raised an error of type string"],
    );
    check("error", json, &["the program raised an error of type object"]);
    check(".secret.x", json, &["cannot index string with string"]);
    check(".secret[]", json, &["cannot use string as iterable (array or object)"]);
    check(".secret + 1", json, &["cannot calculate string + number"]);
    check(".secret | fromjson", json, &["cannot use string as JSON"]);
    check("\"%%\" | @base64d", json, &["cannot use string as base64"]);
    check("\"//4=\" | @base64d", json, &["cannot use string as base64 of a text in UTF-8"]);
    check("{(.n): 1}", json, &["cannot use number as string"]);
    check("try error(.secret) catch .", json, &[r#""hunter2""#]);
    check("try (.secret.x) catch .", json, &[r#""cannot index string with string""#]);
}

#[test]
fn filters_do_what_jq_says() {
    for (code, json, expected) in [
        ("map(. + 1)", "[1,2]", "[2,3]"),
        ("map_values(. + 1)", r#"{"a":1}"#, r#"{"a":2}"#),
        ("with_entries(select(.value > 1))", r#"{"a":1,"b":2}"#, r#"{"b":2}"#),
        ("from_entries", r#"[{"name":"a","value":1},{"k":"b","v":2}]"#, r#"{"a":1,"b":2}"#),
        ("keys", r#"{"b":1,"a":2}"#, r#"["a","b"]"#),
        ("del(.a, .c[0])", r#"{"a":1,"b":2,"c":[3,4]}"#, r#"{"b":2,"c":[4]}"#),
        (
            ".a |= . * 2 | .b = 5 | .c += 1 | .d //= 9",
            r#"{"a":1,"c":2,"d":null}"#,
            r#"{"a":2,"b":5,"c":3,"d":9}"#,
        ),
        (".[$key] = 1", "{}", r#"{"dev-1":1}"#),
        (".l[1:] = [9]", r#"{"l":[1,2,3]}"#, r#"{"l":[1,9]}"#),
        (".l[] |= select(. > 1)", r#"{"l":[1,2,3]}"#, r#"{"l":[2,3]}"#),
        ("[.. | numbers]", r#"{"a":[1,{"b":2}]}"#, "[1,2]"),
        ("[recurse | strings]", r#"["a",["b"]]"#, r#"["a","b"]"#),
        ("sort_by(.n) | map(.n)", r#"[{"n":3},{"n":1},{"n":2}]"#, "[1,2,3]"),
        ("group_by(.k) | map(length)", r#"[{"k":1},{"k":2},{"k":1}]"#, "[2,1]"),
        ("unique_by(.k) | length", r#"[{"k":1},{"k":2},{"k":1}]"#, "2"),
        ("[unique, min, max, add, (sort | reverse)]", "[3,1,3]", "[[1,3],1,3,7,[3,3,1]]"),
        ("[min_by(.n).n, max_by(.n).n]", r#"[{"n":2},{"n":5}]"#, "[2,5]"),
        ("add", r#"["a","b"]"#, r#""ab""#),
        ("add, add(.[] | [.])", "[1,2]", "3 [1,2]"),
        ("add", "[]", "null"),
        (
            "[any, all, any(. > 1), all(. > 1), (.[2:] | all)]",
            "[1,2]",
            "[true,true,true,false,true]",
        ),
        (
            "transpose | map({t: .[0], v: .[1]})",
            "[[1,2],[3]]",
            r#"[{"t":1,"v":3},{"t":2,"v":null}]"#,
        ),
        ("[flatten, flatten(1)]", "[1,[2,[3]]]", "[[1,2,3],[1,2,[3]]]"),
        ("[first, last, nth(1), .[-2]]", "[1,2,3]", "[1,3,2,2]"),
        ("[first(.[]), isempty(.[]), limit(2; .[]), (skip(2; .[]))]", "[1,2,3]", "[1,false,1,2,3]"),
        (
            "[has(0), has(9), (.[0] | has(\"a\"), has(\"b\"))]",
            r#"[{"a":1}]"#,
            "[true,false,true,false]",
        ),
        ("[contains({a: [1]}), (\"foobar\" | contains(\"bar\"))]", r#"{"a":[1,2]}"#, "[true,true]"),
        ("[index(\"b\"), rindex(\"b\"), indices(\"b\")]", r#""abab""#, "[1,3,[1,3]]"),
        ("[indices(1), indices([1,2])]", "[0,1,2,1,2]", "[[1,3],[1,3]]"),
        ("getpath([\"a\", 0, \"b\"])", r#"{"a":[{"b":7}]}"#, "7"),
        (
            "[split(\",\"), (. / \",\"), (split(\",\") | join(\"-\"))]",
            r#""a,b""#,
            r#"[["a","b"],["a","b"],"a-b"]"#,
        ),
        (
            "[ltrimstr(\"a\"), rtrimstr(\"c\"), startswith(\"a\"), endswith(\"x\")]",
            r#""abc""#,
            r#"["bc","ab",true,false]"#,
        ),
        (
            "[trim, ascii_upcase, ascii_downcase, length, utf8bytelength]",
            r#"" é ""#,
            "[\"é\",\" é \",\" é \",3,4]",
        ),
        ("explode | implode", r#""aé""#, r#""aé""#),
        ("[.[1:], .[:-1], .[1:2]]", r#""aéb""#, r#"["éb","aé","é"]"#),
        ("@base64, @base64d", r#""aGk""#, r#""YUdr" "hi""#),
        ("fromjson", r#""\ufeff{\"a\":1.0}""#, r#"{"a":1.0}"#),
        (
            "\"\\(.)/\\(1 + 1)\", @uri \"x=\\(.)\", @json, @text",
            r#""a b""#,
            r#""a b/2" "x=a%20b" "\"a b\"" "a b""#,
        ),
        (
            "fromdate, (fromdate | todate)",
            r#""2026-11-28T10:00:00Z""#,
            r#"1795860000 "2026-11-28T10:00:00.000Z""#,
        ),
        ("[type, (.a | type), (.b | type)]", r#"{"a":[]}"#, r#"["object","array","null"]"#),
        ("if .a then 1 elif .b then 2 else 3 end", r#"{"b":true}"#, "2"),
        (
            ".a // \"none\", (.a and .b), (.a or .b), (.b | not)",
            r#"{"b":1}"#,
            r#""none" false true false"#,
        ),
        (". as {a: $x, b: [$y]} | [$x, $y]", r#"{"a":1,"b":[2]}"#, "[1,2]"),
        ("[null, true, false] | map([values, scalars] | length)", "0", "[1,2,2]"),
        (
            "[.[] | nulls, booleans, numbers, strings, arrays, objects, iterables] | length",
            r#"[null,true,1,"a",[],{}]"#,
            "8",
        ),
        ("[(\"a\" | in({\"a\": 1})), ([1] | inside([1, 2]))]", "0", "[true,true]"),
        ("[1, \"a\"] | map(toarray)", "0", r#"[[1],["a"]]"#),
        ("[{a: (1, 2)}] | length", "0", "2"),
        ("[[3], {}, null, true, \"a\", 1.5] | sort", "0", r#"[null,true,1.5,"a",[3],{}]"#),
        ("[1, [1]] - [[1]]", "0", "[1]"),
    ] {
        assert_eq!(outputs(code, json).join(" "), expected, "{code}");
    }
}

#[test]
fn what_is_not_on_the_list_is_refused_by_name_and_place() {
    for (code, name) in [
        ("now", "now/0"),
        (".a | env", "env/0"),
        ("reduce .[] as $x (0; . + $x)", "reduce"),
        ("foreach .[] as $x (0; . + $x)", "foreach"),
        ("def f: 1; f", "def"),
        ("label $out | .", "label"),
        ("range(1; 2)", "range/2"),
        ("repeat(.)", "repeat/1"),
        ("until(.; .)", "until/2"),
        ("recurse(.a)", "recurse/1"),
        ("input", "input/0"),
        ("halt", "halt/0"),
        ("debug", "debug/0"),
        ("test(\"a\")", "test/1"),
        ("error_empty", "error_empty/0"),
        ("_t1", "_t1/0"),
        ("path(.a)", "path/1"),
        ("@html", "@html/0"),
        ("@sh \"a\"", "@sh/0"),
        ("import \"a\" as a; .", "import"),
        ("include \"a\"; .", "include"),
    ] {
        let faults = faults(code);
        let expected = format!("`{name}` may not be used in a transform: line=`1` column=`");
        assert!(faults[0].starts_with(&expected), "{code}: {faults:?}");
    }
    assert_eq!(
        faults(".a |\n  now, getpath(env)"),
        [
            "`now/0` may not be used in a transform: line=`2` column=`3`",
            "`env/0` may not be used in a transform: line=`2` column=`16`"
        ]
    );
}

#[test]
fn a_program_that_is_none_is_refused_with_its_place() {
    assert_eq!(faults(".a ="), ["term is expected: line=`1` column=`5`"]);
    assert_eq!(faults("{a: 1"), ["closing brace is expected: line=`1` column=`6`"]);
    assert_eq!(faults(". | $ENV"), ["there is no variable `$ENV`: line=`1` column=`5`"]);
    assert_eq!(faults("\n $x"), ["there is no variable `$x`: line=`2` column=`2`"]);
    assert!(faults("getpath([\"a\"]) |= 1")[0].contains("no computed ones"));
    assert!(faults(".[.a] |= 1")[0].contains("no computed ones"));
    assert!(faults("del(.[] | select(.a))")[0].contains("no computed ones"));
    assert!(faults(". as {(.a): $x} | $x")[0].contains("computes no names"));
}

/// Every name of the list leads to a filter.
#[test]
fn what_is_on_the_list_is_there() {
    for (name, arguments) in allowed::names() {
        let arguments = vec![".a"; arguments].join("; ");
        let code =
            if arguments.is_empty() { name.to_owned() } else { format!("{name}({arguments})") };
        compile(&code);
    }
}
