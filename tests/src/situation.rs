//! Situations: the files of `events/`, each an event and what is expected of it. `events/README.md`
//! says what an expectation holds. [`crate::golden`] plays them.

#![expect(clippy::expect_used, reason = "a fact that does not hold ends its test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use drover_core::base::time::Timestamp;
use drover_core::memory::Call;
use drover_intake::{AuthMode, LocalKeys};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::gateway::Expected;
use crate::golden::Player;
use crate::processor::Extra;

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../events");
const EXPECT: &str = ".expect.json";
/// The keys of an expectation that are [`Given`].
const GIVEN: &[&str] = &["about", "now", "before", "registry", "auth", "down"];
/// The keys that are [`Expected`] of the answer to a request.
const OF_HTTP: &[&str] = &["status", "headers", "json", "contains"];

/// One event, what is the case when it comes, and what is expected of the function that gets it.
pub struct Situation<P: Player> {
    /// The name of the file, without its ending.
    pub name: String,
    /// The event's own text.
    pub event: String,
    /// What is the case.
    pub given: Given,
    /// The answer, where it is one to an HTTP request.
    pub http: Option<Expected>,
    /// What else is expected.
    pub expect: P::Expectation,
}

/// What is the case when an event comes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// The situation, in a sentence.
    pub about: String,
    /// What the clock shows.
    pub now: Timestamp,
    /// What is delivered first.
    #[serde(default)]
    pub before: Vec<Before>,
    /// Documents beside those of `local/config`.
    #[serde(default)]
    pub registry: Extra,
    /// How callers prove who they are; absent: by keys.
    pub auth: Option<Auth>,
    /// What fails while the event is handled.
    #[serde(default)]
    pub down: Vec<Down>,
}

/// What is delivered before an event.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Before {
    /// The event of a situation, at the time of that situation.
    Situation(String),
    /// Records, as JSON.
    Records {
        /// Where they come from.
        topic: String,
        /// The header `tenant`.
        tenant: String,
        /// Their values.
        records: Vec<Value>,
    },
}

/// The claims of a token that say who calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    tenant_claim: String,
    scope_claim: String,
    #[serde(default)]
    scope_prefix: String,
}

impl Auth {
    /// By keys, where there is none.
    pub(crate) fn mode(auth: Option<&Self>) -> AuthMode {
        let Some(auth) = auth else { return AuthMode::Key(LocalKeys::Accepted) };
        let Self { tenant_claim, scope_claim, scope_prefix } = auth.clone();
        AuthMode::Jwt { tenant_claim, scope_claim, scope_prefix }
    }
}

/// A part of the system that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Down {
    /// The ledger.
    Ledger,
    /// Where letters are filed.
    Letters,
    /// The stream.
    #[serde(rename = "stream")]
    EventLog,
    /// The buffer queue.
    Buffer,
    /// The dead-letter queue.
    DeadLetters,
    /// The registry.
    Registry,
    /// Where requests under an idempotency key are kept.
    Requests,
}

impl Down {
    /// Whether a call is one to this part.
    pub fn fails(self, call: Call) -> bool {
        match self {
            Self::Ledger => matches!(call, Call::Head | Call::Pages | Call::Seal | Call::Write),
            Self::Letters => matches!(call, Call::File | Call::Mark | Call::Filed),
            Self::EventLog => call == Call::EventLog,
            Self::Buffer => call == Call::Buffer,
            Self::DeadLetters => call == Call::Letter,
            Self::Registry => call == Call::Document,
            Self::Requests => call == Call::Claim,
        }
    }
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

impl<P: Player> Situation<P> {
    /// Every situation of a function.
    pub fn all() -> Vec<Self> {
        let files = listed(&Path::new(EVENTS).join(P::FOLDER));
        let names = files.iter().map(|path| file_name(path));
        let stems = names.filter_map(|name| Some(name.strip_suffix(EXPECT)?.to_owned()));
        stems.map(|name| Self::named(&name)).collect()
    }

    /// The situation of that name.
    pub fn named(name: &str) -> Self {
        let Stored { event, given, mut expectation, path } = Stored::read(P::FOLDER, name);
        let http =
            expectation.contains_key("status").then(|| part(&mut expectation, OF_HTTP, &path));
        let expect = parse(expectation, &path);
        Self { name: name.to_owned(), event, given, http, expect }
    }
}

/// An event and its expectation, of which only what is [`Given`] is known.
pub(crate) struct Stored {
    pub(crate) event: String,
    pub(crate) given: Given,
    expectation: Map<String, Value>,
    path: PathBuf,
}

impl Stored {
    /// The situation of that name in a folder of `events/`.
    pub(crate) fn read(folder: &str, name: &str) -> Self {
        let file = |ending: &str| Path::new(EVENTS).join(folder).join(format!("{name}{ending}"));
        let read = |path: &Path| {
            fs::read_to_string(path).unwrap_or_else(|fault| unusable(path, &fault.to_string()))
        };
        let path = file(EXPECT);
        let mut expectation = serde_json::from_str(&read(&path))
            .unwrap_or_else(|fault| unusable(&path, &fault.to_string()));
        let given = part(&mut expectation, GIVEN, &path);
        Self { event: read(&file(".json")), given, expectation, path }
    }
}

/// Takes these keys out of an expectation.
fn part<T: DeserializeOwned>(all: &mut Map<String, Value>, keys: &[&str], path: &Path) -> T {
    parse(keys.iter().filter_map(|key| all.remove_entry(*key)).collect(), path)
}

fn parse<T: DeserializeOwned>(part: Map<String, Value>, path: &Path) -> T {
    serde_json::from_value(part.into()).unwrap_or_else(|fault| unusable(path, &fault.to_string()))
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

/// Of each of these objects the keys that are asked for, and those that always are.
pub(crate) fn only_asked_or(always: &[&str], found: &Value, asked: &Value) -> Value {
    let with_always = |asked: &Value| {
        let mut asked = asked.as_object().cloned().unwrap_or_default();
        for key in always {
            asked.entry(*key).or_insert(Value::Null);
        }
        Value::Object(asked)
    };
    match found {
        Value::Object(found) => {
            let only = |(name, found): (&String, &Value)| {
                (name.clone(), only_asked(found, &with_always(&asked[name.as_str()])))
            };
            found.iter().map(only).collect()
        }
        _ => only_asked(found, &asked.as_array().into_iter().flatten().map(with_always).collect()),
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
