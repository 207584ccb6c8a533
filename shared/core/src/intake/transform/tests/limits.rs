//! What a run may cost: steps are counted, so a run that is too much work ends, and everywhere after
//! the same step.

use proptest::prelude::*;

use super::*;
use crate::base::error::Code;

/// Why the record as a whole is refused, and the steps that were left. Of two runs, the same.
fn refused(code: &str, json: &str) -> (Code, String) {
    let transform = compile(code);
    let once = transform.run(&record(json), json);
    let left = meter::left();
    let again = transform.run(&record(json), json);
    assert_eq!((&once, left), (&again, meter::left()), "{code}");
    let rejection = once.err().unwrap_or_else(|| panic!("{code} has an end"));
    (rejection.code, rejection.message)
}

fn numbers(count: usize) -> String {
    let numbers: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    format!("[{}]", numbers.join(","))
}

const STEPS_OVER: &str = "the transform takes too many steps";
const VALUE_OVER: &str = "a value inside the transform is too large: limit=`4194304` bytes";

#[test]
fn a_program_that_multiplies_ends_whatever_it_does_with_what_it_gets() {
    let array = numbers(200);
    let doubled = |count: usize, body: &str| vec![body; count].join(" | ");
    let codes = [
        // Three loops inside each other.
        "[.[] as $a | .[] as $b | .[] as $c | $a + $b + $c] | length".to_owned(),
        ".[] as $a | .[] as $b | .[] as $c | empty".to_owned(),
        "first(.[] as $a | .[] as $b | .[] as $c | select($a < 0))".to_owned(),
        "[.[] as $a | .[] as $b | .[] | select(false)]".to_owned(),
        // Operators, members, arguments, texts, indices and conditions.
        "[(.[] + .[]) + .[]] | length".to_owned(),
        "[{a: .[], b: .[], c: .[]}] | length".to_owned(),
        "[\"\\(.[])\\(.[])\\(.[])\"] | length".to_owned(),
        "[if (.[], .[]) then (if .[] == .[] then 1 else 2 end) else 3 end | [1]] | length".to_owned(),
        // Commas double each time.
        format!("[{}] | length", doubled(40, "(., .)")),
        format!("first({} | select(. == 0))", doubled(40, "(., .)")),
        format!("{} | empty", doubled(40, "(., .)")),
        format!("isempty({} | empty)", doubled(40, "(., .)")),
        format!("limit(1; {} | empty)", doubled(40, "(., .)")),
        format!("skip(100000000; {})", doubled(40, "(., .)")),
        format!("last({})", doubled(40, "(., .)")),
        format!("any({} | false)", doubled(40, "(., .)")),
        format!("sort_by({})", doubled(40, "(., .)")),
        format!("map_values({})", doubled(40, "(., .)")),
        format!(".[] |= ({} | empty)", doubled(40, "(., .)")),
        format!(".[0] += ({} | 1)", doubled(40, "(., .)")),
        // No error handling goes on after the last step.
        format!("try ({} | empty) catch 1", doubled(40, "(., .)")),
        format!("({} | empty) // 1", doubled(40, "(., .)")),
        format!("[({} | empty)?] | 1", doubled(40, "(., .)")),
        // Sharing makes a large value of a small program.
        format!("{} | length", doubled(60, "[., .]")),
        format!("{} | tojson | length", doubled(60, "[., .]")),
        format!("{} == 1", doubled(60, "{a: ., b: .}")),
        format!("map(tojson) | add | {}", doubled(40, ". + .")),
        format!("{} | join(\",\")", doubled(40, "(. + .)")),
        ". as $all | map($all) | map($all) | map(tojson) | add | [., .] | map([., ., ., ., .]) | tojson | [., .] | map(. + . + . + . + . + . + . + . + . + .) | add".to_owned(),
        // Long comparisons, again and again.
        "map(tostring) | join(\",\") as $text | map($text + \"a\") as $many | [$many[] as $x | $many[] as $y | $x == $y] | length".to_owned(),
        "[.[] as $x | .[] as $y | .[] as $z | contains([$x, $y, $z])] | length".to_owned(),
    ];
    for code in codes {
        let (code_of_it, message) = refused(&code, &array);
        assert_eq!(code_of_it, Code::TransformFailed, "{code}");
        let over =
            message.starts_with(STEPS_OVER) || message.contains(" inside the transform is too ");
        assert!(over, "{code}: {message}");
    }
}

#[test]
fn a_honest_program_has_steps_enough() {
    let reading = |at: usize| format!(r#"{{"t":{at},"v":"{}","u":"C","s":[{at},1]}}"#, at * 2);
    let readings: Vec<String> = (0..1_000).map(reading).collect();
    let json =
        format!(r#"{{"device":{{"id":"d1","site":"x"}},"readings":[{}]}}"#, readings.join(","));
    let code = r#". as $all | .readings | sort_by(.t) | .[] | select(.u == "C" and (.s | length) > 1)
        | {id: "\($all.device.site)-\($all.device.id)", at: .t, value: (.v | tonumber),
           parts: (.s | map(. + 1)), big: (.t > 10), name: (if .t > 5 then "a" else "b" end)}"#;
    assert_eq!(outputs(code, &json).len(), 1_000);
    assert!(meter::left() > 40_000, "{}", meter::left());
}

#[test]
fn elements_are_bounded_in_number_and_bytes() {
    let (code, message) = refused(".[]", &numbers(1_001));
    assert_eq!(
        (code, message.as_str()),
        (Code::TooLarge, "the transform gives too many elements: limit=`1000`")
    );
    assert_eq!(outputs(".[]", &numbers(1_000)).len(), 1_000);
    let text = format!("[{}]", vec![format!("\"{}\"", "x".repeat(1_000)); 60].join(","));
    let (code, message) = refused(". as $all | .[] | $all, $all", &text);
    assert_eq!(
        (code, message.as_str()),
        (Code::TooLarge, "the transform gives too much: limit=`1048576` bytes")
    );
}

#[test]
fn values_are_bounded_in_depth_and_size() {
    let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
    let deeper = |count: usize| vec!["[.]"; count].join("|");
    assert_eq!(outputs(&deeper(120), &deep).len(), 1);
    let twice = format!("[{}] | tojson | fromjson", deeper(60));
    assert_eq!(outputs(&twice, &deep), ["cannot use string as JSON"], "deeper than JSON is read");
    let doubled = ["[., .]"; 8].join(" | ");
    let message = refused(&doubled, &format!("\"{}\"", "x".repeat(60_000))).1;
    assert_eq!(message, VALUE_OVER);
    let message = refused(&vec!["[[.]]"; 100].join("|"), &deep).1;
    assert_eq!(message, "a value inside the transform is too deep: limit=`256`");
    let message = refused(&["(. + .)"; 20].join(" | "), "[1]").1;
    assert_eq!(message, "a list or object inside the transform is too long: limit=`200000` items");
}

#[test]
fn programs_are_bounded_in_length_and_depth() {
    assert!(faults(&" ".repeat(4_097))[0].starts_with("the program is too long"));
    compile(&format!(".{}", " ".repeat(4_095)));
    for open in ["(", "[", "{a:", "\"\\("] {
        assert!(
            faults(&open.repeat(1_000))[0].contains("nested too deeply: depth=`1000` limit=`64`"),
            "{open}"
        );
    }
    assert!(faults(&format!("{}1", "\"\\(".repeat(1_000)))[0].contains("nested too deeply"));
    for code in [
        "-".repeat(4_000) + "1",
        "try ".repeat(900) + ".",
        vec!["."; 2_000].join("|"),
        "if . then ".repeat(300),
    ] {
        assert!(!faults(&code).is_empty());
    }
    compile(&vec!["."; 100].join("|"));
    compile(&vec!["1"; 100].join("+"));
}

/// Programs of everything that multiplies, compares, copies or fails.
fn programs() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        ".",
        ".[]",
        ".[]?",
        "..",
        ".a",
        ".a?",
        ".[0]",
        ".[1:]",
        "1",
        "\"x\"",
        "null",
        "[]",
        "{}",
        "$key",
        "length",
        "keys",
        "tojson",
        "fromjson",
        "tostring",
        "tonumber",
        "sort",
        "unique",
        "add",
        "flatten",
        "to_entries",
        "from_entries",
        "explode",
        "transpose",
        "error",
        "error(\"e\")",
        "empty",
        "@base64",
        "type",
        "reverse",
        "(., .)",
        "[., .]",
        "{a: ., b: .}",
        "(. + .)",
        "(. * 7)",
        "(. / 3)",
        "(. == .)",
    ]);
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 4, |inner| {
        let two = || (inner.clone(), inner.clone());
        prop_oneof![
            two().prop_map(|(one, other)| format!("({one} | {other})")),
            two().prop_map(|(one, other)| format!("({one}, {other})")),
            two().prop_map(|(one, other)| format!("({one} + {other})")),
            two().prop_map(|(one, other)| format!("({one} - {other})")),
            two().prop_map(|(one, other)| format!("({one} < {other})")),
            two().prop_map(|(one, other)| format!("({one} // {other})")),
            two().prop_map(|(one, other)| format!("({one} and {other})")),
            two().prop_map(|(one, other)| format!("(try {one} catch {other})")),
            two().prop_map(|(one, other)| format!("({one} as $x | {other} | [$x, .])")),
            two().prop_map(|(one, other)| format!("(if {one} then {other} else . end)")),
            two().prop_map(|(one, other)| format!("{{a: {one}, (\"b\", \"c\"): {other}}}")),
            two().prop_map(|(one, other)| format!("({one} | .[{other}]?)")),
            two().prop_map(|(one, other)| format!("({one} | indices({other}))")),
            two().prop_map(|(one, other)| format!("limit({one} | length; {other})")),
            inner.clone().prop_map(|one| format!("[{one}]")),
            inner.clone().prop_map(|one| format!("\"\\({one})\"")),
            inner.clone().prop_map(|one| format!("map({one})")),
            inner.clone().prop_map(|one| format!("(.[]? |= {one})")),
            inner.clone().prop_map(|one| format!("(.a? += {one})")),
            inner.clone().prop_map(|one| format!("sort_by({one})")),
            inner.clone().prop_map(|one| format!("group_by({one})")),
            inner.clone().prop_map(|one| format!("any({one})")),
            inner.clone().prop_map(|one| format!("select({one})")),
            inner.prop_map(|one| format!("first({one})")),
        ]
    })
}

fn records() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?[1-9][0-9]{0,24}(\\.[0-9]{1,3})?(e[0-9]{1,2})?",
        "\"[a-z0-9é]{0,6}\"",
    ];
    leaf.prop_recursive(4, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6)
                .prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::vec(("[abk]", inner), 0..4).prop_map(|all| {
                let members = all.into_iter().map(|(name, value)| format!("\"{name}\":{value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever it is, it ends, with an answer that every run of it gives after the same steps.
    #[test]
    fn a_run_ends_and_gives_the_same_each_time(code in programs(), json in records()) {
        let Ok(transform) = Transform::compile(&code) else { return Ok(()) };
        let once = transform.run(&record(&json), &json);
        let left = meter::left();
        prop_assert_eq!(&once, &transform.run(&record(&json), &json));
        prop_assert_eq!(left, meter::left());
        for element in once.into_iter().flatten().flatten() {
            let read: Result<serde_json::Value, _> = serde_json::from_str(&element);
            let beyond = read.is_err_and(|fault| !fault.to_string().starts_with("number out of range"));
            prop_assert!(!beyond || element.len() > 256, "{}", element);
        }
    }

    /// What a program passes on is what was there.
    #[test]
    fn a_record_that_is_passed_on_is_the_same_json(json in records()) {
        let passed = outputs(".", &json);
        let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).ok();
        prop_assert_eq!(value(&passed[0]), value(&json));
    }
}
