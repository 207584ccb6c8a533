//! Tests of bodies: how they are split, and what is rejected before it costs memory.

use std::io::Write as _;

use proptest::prelude::*;

use super::*;

fn check(body: &str, format: Format, expected: Result<&[&str], &str>) {
    let cut = events(body.as_bytes(), format, Arrays::Split);
    let texts = cut.as_ref().map(|events| {
        let texts = events.texts().iter();
        texts.map(|text| std::str::from_utf8(text).expect("UTF-8")).collect::<Vec<_>>()
    });
    let shown = texts.as_ref().map(Vec::as_slice).map_err(|error| error.code());
    assert_eq!(shown, expected, "{body}");
}

#[test]
fn one_event_a_list_a_batch_and_lines_are_cut_into_events() {
    check(r#" {"a":1} "#, Format::Json, Ok(&[r#"{"a":1}"#]));
    check(r#"[{"a":1}, 2 ]"#, Format::Json, Ok(&[r#"{"a":1}"#, "2"]));
    check(
        r#" {"events" : [{"a":1},{"b":[{}]}]}"#,
        Format::Json,
        Ok(&[r#"{"a":1}"#, r#"{"b":[{}]}"#]),
    );
    check("{\"a\":1}\r\n\n  \nnot JSON\n", Format::Lines, Ok(&[r#"{"a":1}"#, "not JSON"]));
    for record in [r#"{"events":[1],"gateway":"g"}"#, r#"{"gateway":"g","events":[1]}"#] {
        check(record, Format::Json, Ok(&[record]));
    }
    check("\u{feff}[1]", Format::Json, Ok(&["1"]));
    check("\u{feff}1\n", Format::Lines, Ok(&["1"]));
    check("[1", Format::Data, Ok(&["[1"]));
    check("", Format::Data, Ok(&[""]));
    check(r#"{"events":3}"#, Format::Json, Ok(&[r#"{"events":3}"#]));
    check("3", Format::Json, Ok(&["3"]));
    let single = events(b"{}", Format::Json, Arrays::Split).expect("an event");
    assert_eq!(single, Events::single(b"{}"));
    let listed = events(b"[{}]", Format::Json, Arrays::Split).expect("a list of one");
    assert_eq!(listed, Events(Shape::Batch(vec![b"{}"])));
}

#[test]
fn an_array_is_one_event_of_a_contract_that_reads_arrays() {
    let cut = |body: &'static str, format| events(body.as_bytes(), format, Arrays::Record);
    let single = |body: &'static str| Ok(Events::single(body.as_bytes()));
    assert_eq!(cut(" [{\"bn\":\"a\"}, 2] ", Format::Json), single("[{\"bn\":\"a\"}, 2]"));
    assert_eq!(cut("\u{feff}[]", Format::Json), single("[]"));
    assert_eq!(cut("{\"a\":[1]}", Format::Json), single("{\"a\":[1]}"));
    let batch = Ok(Events(Shape::Batch(vec![b"[1,2]", b"[3]"])));
    assert_eq!(cut(r#"{"events":[[1,2],[3]]}"#, Format::Json), batch);
    assert_eq!(cut("[1,2]\n[3]\n", Format::Lines), batch);
    for broken in ["[1,", "[1]]"] {
        assert_eq!(cut(broken, Format::Json).map_err(|error| error.code()), Err("malformed_json"));
    }
}

#[test]
fn a_body_that_is_no_list_of_events_is_refused_as_a_whole() {
    for broken in ["", "{", "[1,", "{\"events\":[1}", "x", "[1]]"] {
        check(broken, Format::Json, Err("malformed_json"));
    }
    let twice = r#"{"events":[],"events":[]}"#;
    check(twice, Format::Json, Ok(&[twice]));
    for empty in ["[]", r#"{"events":[]}"#] {
        check(empty, Format::Json, Err("empty_batch"));
    }
    check(" \n\n", Format::Lines, Err("empty_batch"));
    check(&"[".repeat(100_000), Format::Json, Err("malformed_json"));
}

#[test]
fn a_body_that_is_no_json_is_told_why() {
    let detail = |body: &[u8]| {
        let problem = events(body, Format::Json, Arrays::Split).expect_err("a problem");
        (problem.code(), problem.to_string())
    };
    for (body, code, what) in [
        (&b"[{\"a\":\"\xfc\"}]"[..], "malformed_json", "not UTF-8"),
        (&gzip(b"{}"), "unsupported_encoding", "Content-Encoding"),
        (b"[{\"a\":NaN}]", "malformed_json", "NaN is not JSON"),
        (b"[{\"a\":", "malformed_json", "ends too early"),
    ] {
        let (found, text) = detail(body);
        assert_eq!(found, code);
        assert!(text.contains(what), "{text}");
    }
}

#[test]
fn a_hundred_events_pass_and_one_more_does_not() {
    let list = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    let hundred = list(100);
    let cut = events(hundred.as_bytes(), Format::Json, Arrays::Split).expect("a list");
    assert_eq!(cut.texts().len(), 100);
    check(&list(101), Format::Json, Err("too_large"));
    check(&"1\n".repeat(101), Format::Lines, Err("too_large"));
    // A list whose elements would need 64 MB of memory.
    check(&list(4_000_000), Format::Json, Err("too_large"));
    check(&"1\n".repeat(4_000_000), Format::Lines, Err("too_large"));
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn zstd_of(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 3).expect("memory takes it")
}

fn check_unpacked(encoding: &str, sent: Vec<u8>, expected: Result<&[u8], &str>) {
    let unpacked = Encoding::named(encoding).and_then(|encoding| unpacked(encoding, sent));
    let shown = unpacked.as_deref().map_err(IntakeError::code);
    assert_eq!(shown, expected, "{encoding}");
}

#[test]
fn gzip_and_zstd_are_undone_and_nothing_else_is() {
    check_unpacked("gzip", gzip(b"{}"), Ok(b"{}"));
    check_unpacked("GZIP", [gzip(b"{"), gzip(b"}")].concat(), Ok(b"{}"));
    check_unpacked("zstd", zstd_of(b"{}"), Ok(b"{}"));
    check_unpacked("identity", b"{}".to_vec(), Ok(b"{}"));
    for other in ["br", "deflate", "gzip, gzip", "gzip, zstd"] {
        check_unpacked(other, b"{}".to_vec(), Err("unsupported_encoding"));
    }
    for encoding in ["gzip", "zstd"] {
        check_unpacked(encoding, b"{}".to_vec(), Err("malformed_encoding"));
    }
    let mut cut_off = gzip(b"{\"a\":1}");
    cut_off.truncate(cut_off.len() - 9);
    check_unpacked("gzip", cut_off, Err("malformed_encoding"));
}

/// The texts are a contract with senders: each cause has its own.
#[test]
fn a_body_that_cannot_be_unpacked_is_told_why() {
    let text = |encoding: Encoding, sent: Vec<u8>| {
        unpacked(encoding, sent).expect_err("damaged").to_string()
    };
    let cut = |mut data: Vec<u8>| {
        data.truncate(data.len() - 5);
        data
    };
    let flipped = |mut data: Vec<u8>| {
        let last = data.len() - 1;
        data[last - 4] ^= 0xff;
        data
    };
    let (gzip, zstd) = (gzip(b"{\"a\":1}"), zstd_of(b"{\"a\":1}"));
    let (size, cut_size, cut_zstd) = (gzip.len(), gzip.len() - 5, zstd.len() - 5);
    for (encoding, sent, expected) in [
        (
            Encoding::Gzip,
            b" {\"secret\":1}".to_vec(),
            "the body does not have its declared encoding: wanted gzip, came 13 bytes of text that begins as JSON does".to_owned(),
        ),
        (
            Encoding::Zstd,
            gzip.clone(),
            format!("the body does not have its declared encoding: wanted zstd, came {size} bytes of gzip"),
        ),
        (
            Encoding::Gzip,
            Vec::new(),
            "the body does not have its declared encoding: wanted gzip, came no bytes".to_owned(),
        ),
        (
            Encoding::Gzip,
            cut(gzip.clone()),
            format!("the gzip data of the body end too early: bytes=`{cut_size}`"),
        ),
        (
            Encoding::Gzip,
            flipped(gzip),
            format!("the gzip data of the body are damaged: bytes=`{size}`"),
        ),
        (
            Encoding::Zstd,
            cut(zstd),
            format!("the zstd data of the body end too early: bytes=`{cut_zstd}`"),
        ),
        (
            Encoding::Zstd,
            frame_with_a_huge_window(),
            "the zstd data of the body need a window of more than 8388608 bytes: compress with a smaller window".to_owned(),
        ),
    ] {
        assert_eq!(text(encoding, sent), expected);
    }
}

/// 64 MB of zeros compress to about 64 KB with gzip and 6 KB with zstd.
#[test]
fn a_bomb_is_refused_before_it_has_unpacked() {
    let zeros = vec![0; 64 << 20];
    for (encoding, bomb) in [("gzip", gzip(&zeros)), ("zstd", zstd_of(&zeros))] {
        assert!(bomb.len() < SENT_BYTES);
        check_unpacked(encoding, bomb, Err("too_large"));
    }
    let most = vec![b' '; UNPACKED_BYTES];
    check_unpacked("gzip", gzip(&most), Ok(&most));
    check_unpacked("gzip", gzip(&vec![b' '; UNPACKED_BYTES + 1]), Err("too_large"));
}

/// A zstd frame may require a window of gigabytes.
fn frame_with_a_huge_window() -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
    encoder.window_log(27).expect("within zstd's limits");
    encoder.include_contentsize(false).expect("a switch");
    encoder.write_all(&vec![7; 1 << 20]).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

proptest! {
    #[test]
    fn no_body_is_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let formats = [Format::Json, Format::Lines, Format::Data];
        for (format, arrays) in formats.into_iter().flat_map(|format| {
            [(format, Arrays::Split), (format, Arrays::Record)]
        }) {
            let cut = events(&bytes, format, arrays);
            prop_assert!(cut.is_err() || !cut.expect("checked").texts().is_empty());
        }
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let _ = unpacked(encoding, bytes.clone());
        }
    }

    #[test]
    fn every_list_of_values_is_cut_into_its_values(values in prop::collection::vec("[a-z\\[\\]\"\\\\,{}]{0,5}", 1..20)) {
        let values: Vec<String> = values.into_iter().map(|text| serde_json::Value::from(text).to_string()).collect();
        let body = format!("[{}]", values.join(" , "));
        let cut = events(body.as_bytes(), Format::Json, Arrays::Split).expect("a list");
        let texts: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        prop_assert_eq!(cut.texts(), &texts[..]);
    }
}
