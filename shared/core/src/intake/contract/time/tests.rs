//! Times in every format.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn source(format: TimeFormat, zone: Option<&str>) -> TimeSource {
    let document = TimeDocument {
        path: Some("/t".to_owned()),
        header: None,
        key: false,
        first: Vec::new(),
        format,
        zone: zone.map(str::to_owned),
    };
    let mut faults = Faults::default();
    let source = TimeSource::compile(&document, "", &mut faults);
    faults.or(source).expect("a time")
}

fn check(format: TimeFormat, value: &Value, expected: Option<i64>) {
    let read = source(format.clone(), None).read(Raw::Json(value)).map(Timestamp::micros);
    assert_eq!(read, expected, "{format:?} {value}");
}

fn check_local(format: TimeFormat, zone: &str, text: &str, expected: Option<&str>) {
    let read = source(format, Some(zone)).read(Raw::Json(&json!(text)));
    assert_eq!(read, expected.and_then(Timestamp::parse_rfc3339), "{zone} {text}");
}

#[test]
fn the_size_of_a_number_says_its_unit() {
    for (number, micros) in [
        (json!(0), 0),
        (json!(1_700_000_000), 1_700_000_000_000_000),
        (json!(99_999_999_999_u64), 99_999_999_999_000_000),
        (json!(100_000_000_000_u64), 100_000_000_000_000),
        (json!(1_700_000_000_123_u64), 1_700_000_000_123_000),
        (json!(99_999_999_999_999_u64), 99_999_999_999_999_000),
        (json!(100_000_000_000_000_u64), 100_000_000_000_000),
        (json!(1_700_000_000_123_456_u64), 1_700_000_000_123_456),
        (json!(99_999_999_999_999_999_u64), 99_999_999_999_999_999),
        (json!(100_000_000_000_000_000_u64), 100_000_000_000_000),
        (json!(1_700_000_000_123_456_789_u64), 1_700_000_000_123_456),
        (json!(-1_700_000_000_123_456_789_i64), -1_700_000_000_123_457),
        (json!(-1), -1_000_000),
    ] {
        check(TimeFormat::Epoch, &number, Some(micros));
        check(TimeFormat::Any, &number, Some(micros));
        check(TimeFormat::Any, &json!(number.to_string()), Some(micros));
        check(TimeFormat::Rfc3339, &number, None);
    }
}

#[test]
fn fractions_are_exact_and_cut_below_a_microsecond() {
    for (number, micros) in [
        (json!(1_700_000_000.123_456), 1_700_000_000_123_456),
        (json!(1_700_000_000.5), 1_700_000_000_500_000),
        (json!(1_700_000_000_123.456), 1_700_000_000_123_456),
        (json!("1700000000.1234569"), 1_700_000_000_123_456),
        (json!("1700000000123.4569"), 1_700_000_000_123_456),
        (json!("1700000000123456.9"), 1_700_000_000_123_456),
        (json!("-0.0000001"), -1),
        (json!("-1.5"), -1_500_000),
        (json!(1.7e15), 1_700_000_000_000_000),
    ] {
        check(TimeFormat::Any, &number, Some(micros));
    }
}

#[test]
fn text_that_names_no_instant_is_none() {
    for text in [
        "",
        "-",
        ".5",
        "1.",
        "1e9",
        "+1",
        " 1",
        "1_0",
        "0x10",
        "NaN",
        "yesterday",
        "2026-11-21T06:00:00",
        "2026-11-21",
        "99999999999999999999",
    ] {
        check(TimeFormat::Any, &json!(text), None);
    }
    for value in [json!(1e300), json!(true), json!({}), json!([])] {
        check(TimeFormat::Any, &value, None);
    }
}

#[test]
fn each_format_reads_its_own() {
    let text = json!("2026-11-21T08:00:00+02:00");
    check(TimeFormat::Rfc3339, &text, Some(1_795_240_800_000_000));
    check(TimeFormat::Any, &text, Some(1_795_240_800_000_000));
    check(TimeFormat::Epoch, &text, None);
    check(TimeFormat::Rfc3339, &json!("1700000000"), None);
}

#[test]
fn a_header_typed_as_a_time_needs_no_format() {
    let typed = Raw::Plain(HeaderValue::Millis(5));
    for format in [TimeFormat::Rfc3339, TimeFormat::Epoch, TimeFormat::Any] {
        let source = source(format, None);
        assert_eq!(source.read(typed).map(Timestamp::micros), Some(5_000));
        assert_eq!(source.read(Raw::Plain(HeaderValue::Unreadable)), None);
    }
    let long = source(TimeFormat::Any, None).read(Raw::Plain(HeaderValue::Long(1)));
    assert_eq!(long.map(Timestamp::micros), Some(1_000_000));
}

#[test]
fn a_time_without_an_offset_is_local_in_the_zone() {
    let rfc = || TimeFormat::Rfc3339;
    for (zone, text, expected) in [
        ("Europe/Berlin", "2026-11-21T07:00:00", Some("2026-11-21T06:00:00Z")),
        ("Europe/Berlin", "2026-07-21 08:00:00.25", Some("2026-07-21T06:00:00.25Z")),
        ("+05:30", "2026-11-21T11:30:00", Some("2026-11-21T06:00:00Z")),
        ("UTC", "2026-11-21T06:00:00.123456789012", Some("2026-11-21T06:00:00.123456Z")),
        ("Europe/Berlin", "2026-11-21T06:00:00Z", Some("2026-11-21T06:00:00Z")),
        ("Europe/Berlin", "2026-11-21T08:00:00+02:00", Some("2026-11-21T06:00:00Z")),
        ("Europe/Berlin", "2026-11-21T08:00:00+99:00", None),
        ("UTC", "2026-11-21T07:00:00[Europe/Berlin]", None),
        ("Europe/Berlin", "2026-11-21", None),
        ("Europe/Berlin", "2026-02-30T00:00:00", None),
    ] {
        check_local(rfc(), zone, text, expected);
        check_local(TimeFormat::Any, zone, text, expected);
    }
    check(TimeFormat::Rfc3339, &json!("2026-11-21T07:00:00"), None);
}

#[test]
fn an_hour_that_occurs_twice_is_the_first_and_one_that_does_not_occur_is_moved_on() {
    for (text, expected) in [
        ("2026-10-25T01:59:59", "2026-10-24T23:59:59Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00Z"),
        ("2026-03-29T01:59:59", "2026-03-29T00:59:59Z"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
        ("2026-03-29T03:30:00", "2026-03-29T01:30:00Z"),
    ] {
        check_local(TimeFormat::Rfc3339, "Europe/Berlin", text, Some(expected));
    }
}

#[test]
fn a_pattern_reads_what_it_says() {
    let pattern = |text: &str| TimeFormat::Pattern(text.to_owned());
    let utc = "UTC";
    for (format, zone, text, expected) in [
        ("%Y-%m-%d %H:%M:%S", utc, "2026-11-21 06:00:00", Some("2026-11-21T06:00:00Z")),
        ("%d/%m/%Y %I:%M %p", "Europe/Berlin", "21/11/2026 07:00 AM", Some("2026-11-21T06:00:00Z")),
        ("%d.%m.%Y", "Europe/Berlin", "21.11.2026", Some("2026-11-20T23:00:00Z")),
        ("%Y%m%dT%H%M%S%.f", utc, "20261121T060000.5", Some("2026-11-21T06:00:00.5Z")),
        ("%Y-%m-%d %H:%M:%S", utc, "2026-11-21T06:00:00", None),
        ("%Y-%m-%d %H:%M:%S", utc, "21.11.2026", None),
    ] {
        check_local(pattern(format), zone, text, expected);
    }
    let with_offset = pattern("%a %b %d %H:%M:%S %z %Y");
    check(with_offset, &json!("Sat Nov 21 08:00:00 +0200 2026"), Some(1_795_240_800_000_000));
    check(pattern("%s"), &json!("1795240800"), Some(1_795_240_800_000_000));
    check(pattern("%s"), &json!(1_795_240_800), None);
}

#[test]
fn what_stands_for_no_time_says_nothing() {
    for value in [json!(0), json!(0.0), json!("0"), json!("0001-01-01T00:00:00Z")] {
        assert!(is_none(Raw::Json(&value)), "{value}");
    }
    for value in [json!(1), json!("1"), json!("2026-11-21T06:00:00Z"), json!(""), json!([])] {
        assert!(!is_none(Raw::Json(&value)), "{value}");
    }
}

#[test]
fn a_zone_or_a_pattern_that_is_none_is_refused() {
    let faults = |format: TimeFormat, zone: Option<&str>| {
        let document = TimeDocument {
            path: Some("/t".to_owned()),
            header: None,
            key: false,
            first: Vec::new(),
            format,
            zone: zone.map(str::to_owned),
        };
        let mut faults = Faults::default();
        let source = TimeSource::compile(&document, "", &mut faults);
        let faults = faults.or(source).map(|_| ()).err().unwrap_or_default();
        faults.into_iter().map(|fault| fault.path).collect::<Vec<_>>()
    };
    for zone in
        ["", "Berlin", "Europe/Berlim", "2h", "+2", "EST+5", "CET-1CEST,M3.5.0,M10.5.0", "+99:00"]
    {
        assert_eq!(faults(TimeFormat::Any, Some(zone)), ["/zone"], "{zone}");
    }
    for zone in ["Europe/Berlin", "UTC", "+02:00", "-03:30", "EST5EDT", "America/Port-au-Prince"] {
        assert!(faults(TimeFormat::Any, Some(zone)).is_empty(), "{zone}");
    }
    assert_eq!(faults(TimeFormat::Epoch, Some("UTC")), ["/zone"]);
    for pattern in ["", "%", "%Y-%m", "%H:%M:%S", "yesterday", "%E"] {
        let pattern = TimeFormat::Pattern(pattern.to_owned());
        assert_eq!(faults(pattern, Some("UTC")), ["/format/pattern"]);
    }
    let local = || TimeFormat::Pattern("%Y-%m-%d %H:%M:%S".to_owned());
    assert_eq!(faults(local(), None), ["/format/pattern"]);
    assert!(faults(local(), Some("UTC")).is_empty());
}

proptest! {
    #[test]
    fn a_time_that_the_zone_shows_is_read_back(seconds in 0i64..4_000_000_000) {
        let instant = jiff::Timestamp::from_second(seconds).expect("in range");
        for name in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "-03:30"] {
            let zone = zone(name).expect("a zone");
            let local = instant.to_zoned(zone.clone()).datetime();
            let read = source(TimeFormat::Rfc3339, Some(name)).read(Raw::Json(&json!(local.to_string())));
            let read = read.expect("an instant").whole_seconds();
            // Only in an hour that occurs twice it may be another: the first one.
            let again = jiff::Timestamp::from_second(read).expect("in range").to_zoned(zone).datetime();
            prop_assert!(read <= seconds && again == local);
        }
    }


    #[test]
    fn a_number_and_its_text_are_one_instant(seconds in -99_999_999_999i64..99_999_999_999) {
        let (number, text) = (json!(seconds), json!(seconds.to_string()));
        let any = source(TimeFormat::Any, None);
        let read = |value| any.read(Raw::Json(value));
        prop_assert_eq!(read(&number), read(&text));
    }

    #[test]
    fn whatever_the_text_nothing_panics(text in "[-0-9.:T +Z]{0,30}") {
        let _ = source(TimeFormat::Any, Some("Europe/Berlin")).read(Raw::Json(&json!(text)));
    }
}
