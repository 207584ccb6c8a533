//! Situations: the files of `events/`, each an event and its expectation. `events/README.md` describes
//! the expectations. A [`Player`] is the function that a situation is played to; [`crate::golden`]
//! plays them.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]
#![expect(async_fn_in_trait, reason = "no test hands a player to another thread")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use drover_core::base::time::Timestamp;
use drover_core::memory::{Call, Fault};
use drover_intake::{AuthMode, LocalKeys};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::gateway::{Answer, Expected};
use crate::processor::{Extra, Host};

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../events");
const EXPECT: &str = ".expect.json";
/// The keys of an expectation that are [`Given`].
const GIVEN: &[&str] = &["about", "now", "before", "registry", "auth", "down"];
/// The keys of an expectation that are [`Expected`] of an HTTP response.
const OF_HTTP: &[&str] = &["status", "headers", "json", "contains"];

/// An event, the conditions under which it is delivered, and the expectation.
pub struct Situation<P: Player> {
    /// The file name without its extension.
    pub name: String,
    /// The text of the event.
    pub event: String,
    /// The conditions.
    pub given: Given,
    /// The expected response, if the event is an HTTP request.
    pub http: Option<Expected>,
    /// The other expectations.
    pub expect: P::Expectation,
}

/// One warm environment of a function that situations are played to.
pub trait Player: Sized {
    /// The folder of `events/` with the function's situations.
    const FOLDER: &'static str;
    /// The folder with the situations that are delivered before.
    const BEFORE: &'static str = Self::FOLDER;
    /// The expectations of a situation besides the HTTP response.
    type Expectation: DeserializeOwned;
    /// The result of an invocation.
    type Answer;

    /// An environment over the ports of a host.
    fn with_auth(host: &Host, auth: Option<&Auth>) -> Self;

    /// The host.
    fn host(&self) -> &Host;

    /// Invokes the function with the JSON that Lambda would send.
    async fn deliver(&self, event: &str) -> Self::Answer;

    /// Delivers an event that precedes the situation's. Returns whether it was handled.
    async fn deliver_before(&self, event: &str) -> bool;

    /// The response as API Gateway receives it, if the event is an HTTP request.
    fn http(answer: &Self::Answer) -> Option<Answer>;

    /// The differences between the expectation and both the result and the ports; `None` if there are none.
    async fn difference(&self, answer: Self::Answer, one: &Situation<Self>) -> Option<String>;

    /// From now on, calls of these parts fail.
    fn fail_parts(&self, down: &[Down]) {
        let down = down.to_vec();
        self.host().memory().fail(move |call| {
            if down.iter().any(|down| down.fails(call)) { Fault::Refused } else { Fault::None }
        });
    }
}

/// The conditions under which an event is delivered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// The situation in one sentence.
    pub about: String,
    /// The time of the clock.
    pub now: Timestamp,
    /// The deliveries that precede the event.
    #[serde(default)]
    pub before: Vec<Before>,
    /// Documents besides those of `local/config`.
    #[serde(default)]
    pub registry: Extra,
    /// How callers authenticate; absent: by API keys.
    pub auth: Option<Auth>,
    /// The parts that fail while the event is handled.
    #[serde(default)]
    pub down: Vec<Down>,
}

/// A delivery that precedes an event.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Before {
    /// The event of a situation, at the time of that situation.
    Situation(String),
    /// Records, as JSON.
    Records {
        /// The topic of the records.
        topic: String,
        /// The header `tenant`.
        tenant: String,
        /// Their values.
        records: Vec<Value>,
    },
}

/// The claims of a token that identify the caller.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    tenant_claim: String,
    scope_claim: String,
    #[serde(default)]
    scope_prefix: String,
}

impl Auth {
    /// Authentication by API keys, unless claims are given.
    pub(crate) fn mode(auth: Option<&Self>) -> AuthMode {
        let Some(auth) = auth else { return AuthMode::Key(LocalKeys::Accepted) };
        let Self { tenant_claim, scope_claim, scope_prefix } = auth.clone();
        AuthMode::Jwt { tenant_claim, scope_claim, scope_prefix }
    }
}

/// A part of the system whose calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Down {
    /// The ledger.
    Ledger,
    /// The letters table.
    Letters,
    /// The event log.
    #[serde(rename = "stream")]
    EventLog,
    /// The buffer queue.
    Buffer,
    /// The dead-letter queue.
    DeadLetters,
    /// The registry.
    Registry,
    /// The table of requests with an idempotency key.
    Requests,
}

impl Down {
    /// Whether a call belongs to this part.
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

/// The folders of `events/`, one for each function.
pub fn functions() -> Vec<String> {
    let folders = listed(Path::new(EVENTS)).into_iter().filter(|path| path.is_dir());
    folders.map(|path| file_name(&path)).collect()
}

/// Files without a partner: an event without an expectation, or an expectation without an event.
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

    /// The situation with this name.
    pub fn named(name: &str) -> Self {
        let Stored { event, given, mut expectation, path } = Stored::read(P::FOLDER, name);
        let http =
            expectation.contains_key("status").then(|| part(&mut expectation, OF_HTTP, &path));
        let expect = parse(expectation, &path);
        Self { name: name.to_owned(), event, given, http, expect }
    }
}

/// An event and its expectation, of which only the part [`Given`] is parsed.
pub(crate) struct Stored {
    pub(crate) event: String,
    pub(crate) given: Given,
    expectation: Map<String, Value>,
    path: PathBuf,
}

impl Stored {
    /// The situation with this name in a folder of `events/`.
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

/// Removes these keys from an expectation and parses them.
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
