//! The gallery: every folder of `contracts/` reads its samples as expected, and the commands of its README work
//! as pasted.
//!
//! A sample is `NAME.json`, one record; `NAME.expect.json` has what its contract makes of it (`results`, as
//! `drover contracts try --json` prints them) and how it is `given`: `key`, `topic`, `headers`. Every sample is
//! received at [`RECEIVED`].

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use common::{Process, post_api};
use drover_local::commands::contracts;
use serde_json::Value;

const GALLERY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts");
const RECEIVED: &str = "2026-11-21T00:05:00Z";
const EXPECT: &str = ".expect.json";

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: contracts::Args,
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// One folder for each producer.
fn folders() -> Vec<PathBuf> {
    listed(Path::new(GALLERY)).into_iter().filter(|path| path.is_dir()).collect()
}

/// The samples of a folder, without their ending.
fn samples(folder: &Path) -> Vec<String> {
    let names = listed(folder).iter().map(|path| name(path)).collect::<Vec<_>>();
    let files = names.iter().filter(|name| name.ends_with(".json") && *name != "topics.json");
    let samples = files.filter_map(|name| name.strip_suffix(".json"));
    samples.filter(|name| !name.ends_with(".expect")).map(str::to_owned).collect()
}

async fn try_sample(folder: &Path, sample: &str, given: &Value) -> Value {
    let file = |path: &str| folder.join(path).display().to_string();
    let contract = file(&format!("contracts/{}.json", name(folder)));
    let mut words = vec!["contracts".to_owned(), "try".to_owned(), contract];
    words.push(file(&format!("{sample}.json")));
    words.extend(["--json", "--received", RECEIVED].map(str::to_owned));
    for option in ["key", "topic"] {
        if let Some(text) = given[option].as_str() {
            words.extend([format!("--{option}"), text.to_owned()]);
        }
    }
    for (name, value) in given["headers"].as_object().into_iter().flatten() {
        words.extend(["--header".to_owned(), format!("{name}={}", value.as_str().unwrap())]);
    }
    let shown = contracts::run(&Cli::parse_from(words).args, &mut std::io::empty()).await;
    let shown = shown.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    serde_json::from_str(&shown.text).unwrap()
}

#[tokio::test]
async fn every_sample_of_the_gallery_is_read_as_expected() {
    let folders = folders();
    assert!(folders.len() >= 10, "the gallery is elsewhere");
    let mut differences = Vec::new();
    for folder in folders {
        let samples = samples(&folder);
        assert!(!samples.is_empty(), "{} has no sample", folder.display());
        for sample in samples {
            let expected: Value =
                serde_json::from_str(&read(&folder.join(format!("{sample}{EXPECT}")))).unwrap();
            let about = expected["about"].as_str();
            assert!(about.is_some_and(|about| about.ends_with('.')), "{sample} says nothing");
            let found = try_sample(&folder, &sample, &expected["given"]).await;
            if found["results"] != expected["results"] {
                let found = serde_json::to_string_pretty(&found["results"]).unwrap();
                differences.push(format!("{}/{sample}.json gives\n{found}", folder.display()));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

/// What a reader pastes is what this runs, but for the address of the host.
#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_every_readme_work_as_pasted() {
    let here = tempfile::tempdir().unwrap();
    let host = Process::start(&here.path().join(".drover")).await;
    std::os::unix::fs::symlink(fs::canonicalize(GALLERY).unwrap(), here.path().join("contracts"))
        .unwrap();
    for folder in folders() {
        let text = read(&folder.join("README.md"));
        let commands: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("    ")).collect();
        let [tried, applied, posted] = commands.as_slice() else {
            panic!("{}: a README has three commands", folder.display())
        };
        let folder = name(&folder);
        assert!(tried.starts_with("drover contracts try "), "{tried}");
        assert_eq!(*applied, format!("drover apply contracts/{folder}"));
        pasted(here.path(), tried);
        pasted(here.path(), applied);
        let posted = posted.replace("localhost:8080", &host.addresses.http.to_string());
        let answer = pasted(here.path(), &posted);
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"));
        let expected = accepted_of_the_sample(&posted);
        assert!(expected > 0, "{posted}");
        assert_eq!(answer["accepted"].as_u64(), Some(expected), "{posted}: {answer}");
        assert_eq!(answer["rejected"], 0, "{posted}: {answer}");
    }
}

/// The first element of a pack has values that hold for the others, so a pack that is split loses them.
#[tokio::test(flavor = "multi_thread")]
async fn a_posted_senml_pack_is_read_as_the_same_pack_of_a_topic() {
    let here = tempfile::tempdir().unwrap();
    let host = Process::start(&here.path().join(".drover")).await;
    let folder = Path::new(GALLERY).join("senml");
    pasted(here.path(), &format!("drover apply {}", folder.display()));
    for sample in ["pack", "late"] {
        let json =
            |path: String| -> Value { serde_json::from_str(&read(&folder.join(path))).unwrap() };
        let pack = json(format!("{sample}.json"));
        let expected = events_of(&json(format!("{sample}{EXPECT}")));
        assert_eq!(expected.len(), expected.iter().flatten().count(), "{sample}");
        for query in ["", "?topic=senml"] {
            let path = format!("/api/v1/contracts/senml/check{query}");
            let (status, answer) = post_api(&host.addresses, &path, "drover-demo-key", &pack).await;
            assert_eq!(status, 200, "{answer}");
            // The clock rules of the tenant may refuse the time of a sample, but the event is shown.
            assert_eq!(events_of(&answer), expected, "{path}");
        }
        let path = "/api/v1/events?contract=senml";
        let (_, answer) = post_api(&host.addresses, path, "drover-demo-key", &pack).await;
        let results = answer["results"].as_array().or(answer["errors"].as_array());
        assert_eq!(results.map(Vec::len), Some(expected.len()), "{answer}");
    }
}

/// The event of each result, if the result has one.
fn events_of(answer: &Value) -> Vec<Option<Value>> {
    let results = answer["results"].as_array().unwrap();
    results.iter().map(|result| result.get("event").cloned()).collect()
}

/// How many events the contract makes of the sample that a command posts.
fn accepted_of_the_sample(posted: &str) -> u64 {
    let mut words = posted.split(' ').filter_map(|word| word.strip_prefix("contracts/"));
    let sample = words.next().and_then(|path| path.strip_suffix(".json"));
    let sample = sample.unwrap_or_else(|| panic!("no sample: {posted}"));
    let expected = read(&Path::new(GALLERY).join(format!("{sample}{EXPECT}")));
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let results = expected["results"].as_array().unwrap();
    let accepted = results.iter().filter(|result| result["status"] == "accepted").count();
    u64::try_from(accepted).unwrap()
}

const PAGE: &str = include_str!("../../docs/contracts.md");

#[test]
fn the_examples_of_the_page_about_contracts_work_as_pasted() {
    let blocks = PAGE.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let blocks: Vec<&str> = blocks.collect();
    assert_eq!(blocks.len(), 6, "one example for each pattern");
    for block in blocks {
        let here = tempfile::tempdir().unwrap();
        let text = pasted(here.path(), block);
        assert!(text.contains("observed_at") && !text.contains("ignored"), "{block}\n{text}");
    }
}

#[test]
fn the_page_about_contracts_explains_every_field() {
    let schema = include_str!("../../shared/core/src/intake/document/contract.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    for field in schema["properties"].as_object().unwrap().keys() {
        assert!(PAGE.contains(&format!("\n**`{field}`** — ")), "{field} is not explained");
    }
    for member in
        schema["properties"]["measures"]["items"]["properties"].as_object().unwrap().keys()
    {
        assert!(
            PAGE.contains(&format!("| `{member}` |")),
            "{member} of a measure is not explained"
        );
    }
}

#[test]
fn the_list_of_the_gallery_names_every_folder() {
    let list = read(&Path::new(GALLERY).join("README.md"));
    for folder in folders() {
        let name = name(&folder);
        assert!(list.contains(&format!("[{name}]({name}/README.md)")), "{name} is not in the list");
    }
}

/// Runs a line in a shell that finds the binary, and returns what it prints.
fn pasted(folder: &Path, line: &str) -> String {
    let binaries = Path::new(env!("CARGO_BIN_EXE_drover")).parent().unwrap();
    let shell = format!("PATH={}:$PATH; {line}", binaries.display());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &shell]).current_dir(folder);
    let output = command.output().unwrap();
    let (text, error) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{line}\n{}\n{error}", String::from_utf8_lossy(&text));
    String::from_utf8(text).unwrap()
}
