//! Situations: the files of `events/`, each an event and what is expected of it. `events/README.md`
//! says what an expectation holds.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a fact that does not hold ends its test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use drover_core::base::time::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::processor::Extra;

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../events");
const EXPECT: &str = ".expect.json";
/// What every subject is compared by; other keys are compared where the expectation has them.
const ALWAYS: [&str; 3] = ["history", "event_count", "epoch"];

/// One event and its expectation: of the processor, where nothing else is said.
pub struct Situation<E = Expectation> {
    /// The name of the file, without its ending.
    pub name: String,
    /// The event's own text.
    pub event: String,
    /// What is expected.
    pub expect: E,
}

/// What is expected of an event of the processor.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The situation, in a sentence.
    pub about: String,
    /// What the clock shows.
    pub now: Timestamp,
    /// Situations of the same folder that are delivered first.
    #[serde(default)]
    pub before: Vec<String>,
    /// Documents beside those of `local/config`.
    #[serde(default)]
    pub registry: Extra,
    /// The answer.
    pub response: Option<Value>,
    /// Or the type of the error.
    pub error: Option<String>,
    letters: Vec<Value>,
    buffered: usize,
    /// What is in the ledger afterwards, and nothing else.
    pub subjects: Map<String, Value>,
}

/// The folders of `events/`, one per function.
pub fn functions() -> Vec<String> {
    let folders = listed(Path::new(EVENTS)).into_iter().filter(|path| path.is_dir());
    folders.map(|path| file_name(&path)).collect()
}

/// Files of a function that have no partner: an event without expectation, or the other way round.
pub fn without_partner(function: &str) -> Vec<String> {
    let names: BTreeSet<String> =
        listed(&Path::new(EVENTS).join(function)).iter().map(|path| file_name(path)).collect();
    let partner = |name: &String| match name.strip_suffix(EXPECT) {
        Some(stem) => format!("{stem}.json"),
        None => name.replace(".json", EXPECT),
    };
    let alone = names.iter().filter(|name| !names.contains(&partner(name)));
    alone.map(|name| format!("events/{function}/{name} needs a {}", partner(name))).collect()
}

/// Every situation of a function that expects what the processor's expect.
pub fn all(function: &str) -> Vec<Situation> {
    read_all(function)
}

/// The one of that name.
pub fn situation(function: &str, name: &str) -> Situation {
    read(function, name)
}

/// Every situation of a function.
pub fn read_all<E: DeserializeOwned>(function: &str) -> Vec<Situation<E>> {
    let files = listed(&Path::new(EVENTS).join(function));
    let names = files.iter().map(|path| file_name(path));
    let stems = names.filter_map(|name| Some(name.strip_suffix(EXPECT)?.to_owned()));
    stems.map(|name| read(function, &name)).collect()
}

/// The situation of that name.
pub fn read<E: DeserializeOwned>(function: &str, name: &str) -> Situation<E> {
    let file = |ending: &str| Path::new(EVENTS).join(function).join(format!("{name}{ending}"));
    let read = |path: PathBuf| {
        fs::read_to_string(&path).unwrap_or_else(|fault| unusable(&path, &fault.to_string()))
    };
    let expect = serde_json::from_str(&read(file(EXPECT)))
        .unwrap_or_else(|fault| unusable(&file(EXPECT), &fault.to_string()));
    Situation { name: name.to_owned(), event: read(file(".json")), expect }
}

#[expect(clippy::panic, reason = "a file that cannot be read ends its test, and is named")]
fn unusable<T>(path: &Path, fault: &str) -> T {
    panic!("{}: {fault}", path.display())
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of events");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

impl Expectation {
    /// How an outcome differs from what is expected; `None`: not at all.
    pub fn difference(&self, outcome: &Value) -> Option<String> {
        let mut expected = json!({
            "letters": self.letters, "buffered": self.buffered, "subjects": self.subjects,
        });
        match (&self.response, &self.error) {
            (Some(response), None) => expected["response"] = response.clone(),
            (None, Some(error)) => expected["error"] = json!(error),
            _ => return Some("an expectation has either a response or an error".to_owned()),
        }
        let mut found = outcome.clone();
        for (name, subject) in found["subjects"].as_object_mut().into_iter().flatten() {
            let mut asked = self.subjects.get(name).cloned().unwrap_or_else(|| json!({}));
            for key in ALWAYS {
                asked[key] = Value::Null;
            }
            *subject = only_asked(subject, &asked);
        }
        difference(&expected, &found)
    }
}

/// Of objects the keys that were asked for, at every depth, also in lists as long as they were
/// asked for; everything else whole.
pub(crate) fn only_asked(found: &Value, asked: &Value) -> Value {
    match (found, asked) {
        (Value::Object(found), Value::Object(asked)) => {
            let keys = asked.iter().filter_map(|(key, asked)| Some((key, found.get(key)?, asked)));
            keys.map(|(key, found, asked)| (key.clone(), only_asked(found, asked))).collect()
        }
        (Value::Array(found), Value::Array(asked)) if found.len() == asked.len() => {
            found.iter().zip(asked).map(|(found, asked)| only_asked(found, asked)).collect()
        }
        _ => found.clone(),
    }
}

/// The lines in which two values differ, with a few around them; `None`: in none.
pub fn difference(expected: &Value, found: &Value) -> Option<String> {
    const AROUND: usize = 3;
    if expected == found {
        return None;
    }
    let text = |value| serde_json::to_string_pretty(value).expect("JSON");
    let (expected, found) = (text(expected), text(found));
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let same = |(one, other): &(&&str, &&str)| one == other;
    let first = expected.iter().zip(&found).take_while(same).count();
    let rest = expected.len().min(found.len()) - first;
    let pairs = expected.iter().rev().zip(found.iter().rev());
    let last = pairs.take(rest).take_while(same).count();
    let part = |lines: &[&str], from: usize, to: usize, mark: &str| -> Vec<String> {
        lines.iter().take(to).skip(from).map(|line| format!("{mark} {line}")).collect()
    };
    let end = found.len() - last;
    let shown = [
        part(&found, first.saturating_sub(AROUND), first, " "),
        part(&expected, first, expected.len() - last, "- expected"),
        part(&found, first, end, "+ found   "),
        part(&found, end, end + AROUND, " "),
    ];
    Some(shown.concat().join("\n"))
}
