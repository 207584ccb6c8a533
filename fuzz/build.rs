//! Creates seed corpora from the situations in `events/`, so that a fresh clone starts from
//! relevant inputs.
//!
//! `kafka_event` uses the processor's events unchanged. `http_body` uses the values of their
//! records, singly and as batches, the bodies of the requests in `events/ingest`, and two small
//! bodies that decompress to very large ones.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

const EVENTS: &str = "../events";
/// The option bytes after a body of `http_body`: content type, encoding, contract, key.
const OPTIONS: [&[u8]; 6] = [&[0, 0], &[2, 0], &[0, 3], &[0, 4], &[0, 0, 1], &[0, 0, 2, 1]];
/// Option bytes for a compressed body.
const GZIP: &[u8] = &[0, 1];
const ZSTD: &[u8] = &[0, 2];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={EVENTS}");
    println!("cargo::rerun-if-changed=build.rs");
    let kafka = folder("kafka_event")?;
    let http = folder("http_body")?;
    for path in situations("processor")? {
        let (name, event) = (name(&path), fs::read(&path)?);
        fs::write(kafka.join(&name), &event)?;
        bodies(&http, &name, &values(&event))?;
    }
    for path in situations("ingest")? {
        if let Some((body, options)) = body(&fs::read(&path)?) {
            seed(&http, &name(&path), &body, options)?;
        }
    }
    programs(&folder("transform")?)?;
    seed(&http, "bomb-gzip", &gzip_bomb()?, GZIP)?;
    seed(&http, "bomb-zstd", &zstd_bomb(), ZSTD)
}

/// Programs with a record each, of what programs are made of.
fn programs(corpus: &Path) -> io::Result<()> {
    let record = br#"{"id":"d1","at":"2026-11-21T06:00:00Z","items":[{"n":1.50},{"n":12345678901234567890}]}"#;
    let programs = [
        ". as $all | .items[] | {id: $all.id, n: .n}",
        "select(.id) | .items |= map(.n + 1) | del(.at) | with_entries(.key |= ascii_upcase)",
        "[.. | numbers] | sort_by(-(.)) | group_by(. > 2) | .[] | {id: \"\\(.)\", all: add}",
        "try error(\"x\") catch ., (.items[] | .n // empty | tostring | tojson | fromjson)",
        "first(.items[] | select(.n > 1)), limit(2; .items[]), (.id | explode | implode)",
        "if .at | startswith(\"2026\") then $headers, $key, $topic, $received else empty end",
        "[., .] | [., .] | [., .] | flatten | transpose?, unique, (.[0] == .[1])",
        ". as {items: [$one, {n: $two}]} | ($one, $two) as $x | @base64 \"\\($x)\" | @base64d",
    ];
    for (index, program) in programs.iter().enumerate() {
        fs::write(corpus.join(index.to_string()), [program.as_bytes(), &[0xff], record].concat())?;
    }
    Ok(())
}

fn folder(target: &str) -> io::Result<PathBuf> {
    let folder = Path::new("corpus").join(target);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The event files of a function, without the expectations; empty if the function has no folder.
fn situations(function: &str) -> io::Result<Vec<PathBuf>> {
    let folder = Path::new(EVENTS).join(function);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !name(&path).ends_with(".expect.json") {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The values of an event's records.
fn values(event: &[u8]) -> Vec<Vec<u8>> {
    let event: Value = serde_json::from_slice(event).unwrap_or_default();
    let partitions = event["records"].as_object().into_iter().flat_map(|records| records.values());
    let records = partitions.filter_map(Value::as_array).flatten();
    let values = records.filter_map(|record| record["value"].as_str());
    values.filter_map(|value| base64_simd::STANDARD.decode_to_vec(value).ok()).collect()
}

/// The body of a request, if any, and the options closest to its headers.
fn body(request: &[u8]) -> Option<(Vec<u8>, &'static [u8])> {
    let request: Value = serde_json::from_slice(request).ok()?;
    let header = |name: &str| request["headers"][name].as_str().unwrap_or_default();
    let options: &[u8] = match (header("content-encoding"), header("content-type")) {
        ("gzip", _) => GZIP,
        ("zstd", _) => ZSTD,
        (_, "application/x-ndjson") => &[2, 0],
        _ => &[0, 0],
    };
    let body = request["body"].as_str()?;
    if request["isBase64Encoded"] == true {
        return Some((base64_simd::STANDARD.decode_to_vec(body).ok()?, options));
    }
    Some((body.as_bytes().to_vec(), options))
}

/// Seeds each value alone, all values as an array, and all values as lines.
fn bodies(corpus: &Path, name: &str, values: &[Vec<u8>]) -> io::Result<()> {
    let array = [b"[".as_slice(), &values.join(b",".as_slice()), b"]"].concat();
    let together = [array, values.join(b"\n".as_slice())];
    for (index, body) in values.iter().take(3).chain(&together).enumerate() {
        for (options, choices) in OPTIONS.iter().enumerate() {
            seed(corpus, &format!("{name}-{index}-{options}"), body, choices)?;
        }
    }
    Ok(())
}

fn seed(corpus: &Path, name: &str, body: &[u8], options: &[u8]) -> io::Result<()> {
    fs::write(corpus.join(name), [body, &[0xff], options].concat())
}

/// 64 MiB of spaces.
fn gzip_bomb() -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    io::copy(&mut io::repeat(b' ').take(64 << 20), &mut encoder)?;
    encoder.finish()
}

/// A frame (RFC 8878) of 512 blocks, each one byte repeated 128 Ki times.
fn zstd_bomb() -> Vec<u8> {
    const BLOCKS: u32 = 512;
    // The magic number, no content size, a window of 1 MiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50];
    for block in 1..=BLOCKS {
        let header = u32::from(block == BLOCKS) | 1 << 1 | (128 << 10) << 3;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(b' ');
    }
    frame
}
