//! Dead letters on the host: records of 1 KB that their contract rejects, written by another
//! producer. Measures the time until all are filed, the time of an `inspect`, and the time of a
//! filtered replay after the contract is widened. Time and memory are those of this machine; write
//! units and requests are counted.
//!
//! `cargo build --release -p drover-local -p drover-bench && target/release/drover-bench letters`

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use drover_tests::chaos::process::{Metrics, Process};
use serde_json::{Value, json};

use crate::print;

const LETTERS: usize = 10_000;
const SUBJECTS: usize = 100;
/// The size of each record, including its filler.
const RECORD_BYTES: usize = 1_024;
const LOOK: Duration = Duration::from_millis(50);
const REPLAY: &str = r#"function="replay""#;

pub(crate) fn run(count: Option<String>) -> anyhow::Result<()> {
    let count = match count {
        Some(text) => {
            text.parse().with_context(|| format!("invalid number of letters: `{text}`"))?
        }
        None => LETTERS,
    };
    tokio::runtime::Runtime::new().context("a runtime")?.block_on(measure(count))
}

async fn measure(count: usize) -> anyhow::Result<()> {
    let program = crate::http::program()?;
    let location = tempfile::tempdir().context("a folder for the host")?;
    let data = location.path().join("data");
    let host = Process::start(&program, &data).await.map_err(|fault| anyhow!(fault))?;
    let drover = |words: &[&str], input: &str| drover(&program, &data, words, input);
    let config = location.path().join("config");
    write(&config, "tenants/letters.json", &json!({"id": "letters"}))?;
    write(&config, "contracts/note.json", &contract("integer"))?;
    let route = json!({"contract": "note", "tenant": {"const": "letters"}});
    write(&config, "topics.json", &json!({"topics": {"notes": route}}))?;
    let folder = config.to_str().context("a folder")?;
    drover(&["apply", folder], "")?;
    let idle = resident(&host)?;

    let lines: Vec<String> = (0..count).map(record).collect();
    let started = Instant::now();
    drover(&["produce", "notes", "-"], &lines.join("\n"))?;
    let produced = started.elapsed();
    let filed = until_filed(&host, count).await?;
    print(&format!(
        "{count} records of {RECORD_BYTES} bytes rejected and filed in {:.1} s (of which {:.1} s until they were in the \
         stream): {:.2} write units and {:.2} read units for each letter; {} SendMessageBatch requests; resident memory \
         of the whole host {} MB before, {} MB after",
        started.elapsed().as_secs_f64(),
        produced.as_secs_f64(),
        filed.sum_of("write_units_total", REPLAY) / count as f64,
        filed.sum_of("read_units_total", REPLAY) / count as f64,
        filed.sum_of("sqs_requests_total", r#"action="SendMessageBatch""#),
        idle / 1_024,
        resident(&host)? / 1_024,
    ));

    let started = Instant::now();
    let inspected: Value = serde_json::from_str(&drover(
        &["replay", "inspect", "--tenant", "letters", "--json"],
        "",
    )?)?;
    let after = metrics(&host).await?;
    let read = |metrics: &Metrics| metrics.sum_of("read_units_total", REPLAY);
    print(&format!(
        "inspect: {} letters counted, complete {}, in {:.2} s and {:.0} read units",
        field(&inspected, "total")?,
        field(&inspected, "complete")?,
        started.elapsed().as_secs_f64(),
        read(&after) - read(&filed)
    ));

    write(&config, "contracts/note.json", &contract("string"))?;
    drover(&["apply", folder], "")?;
    for dry in [true, false] {
        let before = metrics(&host).await?;
        let started = Instant::now();
        let limit = count.to_string();
        let mut words = vec!["replay", "run", "--tenant", "letters", "--code", "schema_violation"];
        words.extend(["--limit", &limit, "--rate", "100000", "--json"]);
        if dry {
            words.push("--dry-run");
        }
        let run: Value = serde_json::from_str(&drover(&words, "")?)?;
        let (took, after) = (started.elapsed().as_secs_f64(), metrics(&host).await?);
        let examined = field(&run, "examined")?.as_f64().context("a count")?;
        let units = |name: &str| {
            (after.sum_of(name, REPLAY) - before.sum_of(name, REPLAY)) / examined.max(1.0)
        };
        print(&format!(
            "{}replay of one code of two: {} letters, {}, in {took:.1} s; {:.2} write units and {:.2} read units for each; \
             resident memory {} MB",
            if dry { "dry " } else { "" },
            examined,
            field(&run, "outcomes")?,
            units("write_units_total"),
            units("read_units_total"),
            resident(&host)? / 1_024,
        ));
    }
    Ok(())
}

fn field<'a>(answer: &'a Value, name: &str) -> anyhow::Result<&'a Value> {
    answer.get(name).with_context(|| format!("no {name} in {answer}"))
}

/// Two of three records have a string where the contract requires a number; one of three lacks its
/// time.
fn record(at: usize) -> String {
    const WORDS: [&str; 8] =
        ["idle", "running", "warning", "hall-3", "quality", "good", "rpm", "bar"];
    let number = i64::try_from(at).unwrap_or(i64::MAX);
    let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs());
    let observed = i64::try_from(now).unwrap_or(0) - 100_000 + number;
    let observed = (!at.is_multiple_of(3)).then_some(observed);
    // A filler that compresses about as well as telemetry.
    let mut random = fastrand::Rng::with_seed(u64::try_from(at).unwrap_or(0));
    let mut filler = String::new();
    loop {
        let mut body = json!({
            "id": format!("s{}", at % SUBJECTS), "event": format!("e{at}"),
            "n": format!("reading {at}"), "filler": filler,
        });
        if let (Some(observed), Some(fields)) = (observed, body.as_object_mut()) {
            fields.insert("at".to_owned(), json!(observed));
        }
        let text = body.to_string();
        if text.len() >= RECORD_BYTES {
            return text;
        }
        let word = random.choice(WORDS).unwrap_or_default();
        filler.push_str(&format!("{word} {} ", random.u16(..)));
    }
}

fn contract(n: &str) -> Value {
    json!({
        "name": "note", "subject": {"kind": "note", "id": {"path": "/id"}}, "event_id": {"path": "/event"},
        "type": {"const": "note"}, "observed_at": {"path": "/at", "format": "epoch"}, "without_time": "reject",
        "payload": {"path": ""},
        "schema": {"if": {"required": ["at"]}, "then": {"properties": {"n": {"type": n}}}},
    })
}

async fn until_filed(host: &Process, count: usize) -> anyhow::Result<Metrics> {
    loop {
        let metrics = metrics(host).await?;
        if metrics.sum("dead_letters_filed_total") >= count as f64 {
            return Ok(metrics);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn metrics(host: &Process) -> anyhow::Result<Metrics> {
    host.metrics().await.context("the host returns no metrics")
}

pub(crate) fn write(folder: &Path, name: &str, document: &Value) -> anyhow::Result<()> {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    Ok(std::fs::write(path, document.to_string())?)
}

pub(crate) fn drover(
    program: &Path,
    data: &Path,
    words: &[&str],
    input: &str,
) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command.args(words).arg("--data").arg(data);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("an input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "drover {words:?} failed: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// `VmRSS` of the host, in KB.
fn resident(host: &Process) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).context("VmRSS")
}
