//! The allowed dependencies. `shared/core/src/lib.rs` lists the rooms of the core in reading order,
//! and [`CRATES`] lists the crates; the `use` lines and paths of every file must respect both. Code
//! that only tests use is exempt: a test may use anything.
//!
//! A crate's root is exempt: it may name its files, and they may name it. `mod` and `pub use` are
//! tables of contents too: an item that is used through a re-export counts as used from its own
//! file.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test helpers fail like tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The crates in layers, in reading order. A crate depends only on crates of earlier layers.
const CRATES: [&[&str]; 9] = [
    &["shared/core"],
    &["shared/intake"],
    &["shared/aws", "shared/http"],
    &[
        "functions/ingest",
        "functions/notify",
        "functions/processor",
        "functions/query",
        "functions/relay",
        "functions/replay",
    ],
    &["local/sqs", "local/event-log"],
    &["local/event-source"],
    &["local"],
    &["tests"],
    &["bench"],
];
/// Files outside `shared/aws` and `local` that use AWS types.
const ADAPTERS: [&str; 2] = ["functions/notify/src/sending", "functions/query/src/cloudwatch"];
/// Forbidden prefixes of the core's dependencies.
const IMPURE: [&str; 9] =
    ["aws", "axum", "http", "hyper", "lambda", "reqwest", "tokio", "tower", "async-std"];
/// The maximum rooms of a crate, so that a reader finds their way.
const ROOMS: usize = 13;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Words, `::`, and every other character separately; without comments, strings and characters.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |one: char| one.is_alphanumeric() || one == '_';
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if first == '"' {
            1 + end_of_text(&rest[1..])
        } else if first == '\'' {
            length_of_character(rest)
        } else if is_word(first) {
            let length = rest.find(|one| !is_word(one)).unwrap_or(rest.len());
            found.push(&rest[..length]);
            length
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            if !first.is_whitespace() {
                found.push(&rest[..length]);
            }
            length
        };
        rest = &rest[length..];
    }
    found
}

/// The length of a string up to and including its closing quotation mark.
fn end_of_text(text: &str) -> usize {
    let mut escaped = false;
    for (at, one) in text.char_indices() {
        match one {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// The length of a character literal, or of the quote before a lifetime.
fn length_of_character(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => text[2..].find('\'').map_or(1, |end| end + 3),
        _ => match characters.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
    }
}

/// A file without its test-only parts, and the modules that only tests use.
fn without_tests<'a>(all: &[&'a str]) -> (Vec<&'a str>, Vec<&'a str>) {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut modules, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some(token) = all.get(at) {
        // `pub(crate)` is not a path to a room.
        if *token == "(" && kept.last() == Some(&"pub") && is_visibility(all.get(at + 1)) {
            at = behind(all, at, "(", ")");
            continue;
        }
        if !all[at..].starts_with(&TEST) {
            kept.push(*token);
            at += 1;
            continue;
        }
        let mut item = at + TEST.len();
        while all.get(item) == Some(&"#") {
            item = behind(all, item + 1, "[", "]");
        }
        while matches!(all.get(item), Some(&("pub" | "("))) {
            item = if all[item] == "(" { behind(all, item, "(", ")") } else { item + 1 };
        }
        at = match (all.get(item), all.get(item + 1), all.get(item + 2)) {
            (Some(&"mod"), Some(name), Some(&";")) => {
                modules.push(*name);
                item + 3
            }
            (Some(&"mod"), Some(_), Some(&"{")) => behind(all, item + 2, "{", "}"),
            _ => at + TEST.len(),
        };
    }
    (kept, modules)
}

fn is_visibility(token: Option<&&str>) -> bool {
    matches!(token, Some(&("crate" | "super" | "self" | "in")))
}

/// The position after these brackets.
fn behind(all: &[&str], from: usize, open: &str, close: &str) -> usize {
    let mut depth = 0;
    for (at, token) in all.iter().enumerate().skip(from) {
        if *token == open {
            depth += 1;
        } else if *token == close {
            depth -= 1;
            if depth == 0 {
                return at + 1;
            }
        }
    }
    all.len()
}

/// The paths in a file: re-exported (`pub use`), and others.
#[derive(Default)]
struct Named {
    given_on: Vec<Vec<String>>,
    used: Vec<Vec<String>>,
}

fn named(tokens: &[&str]) -> Named {
    let mut named = Named::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        if *token == "use" {
            let mut leaves = Vec::new();
            let after = leaves_of(tokens, at + 1, &[], &mut leaves);
            let is_given_on = before == Some(&"pub");
            if is_given_on { &mut named.given_on } else { &mut named.used }.extend(leaves);
            at = after;
            continue;
        }
        let is_start = !matches!(before, Some(&("::" | "."))) && is_name(token);
        let mut path = vec![(*token).to_owned()];
        at += 1;
        while is_start
            && tokens.get(at) == Some(&"::")
            && tokens.get(at + 1).is_some_and(|n| is_name(n))
        {
            path.push(tokens[at + 1].to_owned());
            at += 2;
        }
        if path.len() > 1 {
            named.used.push(path);
        }
    }
    named
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The leaves of a `use` tree; returns the position after the tree.
fn leaves_of(
    tokens: &[&str],
    from: usize,
    stem: &[String],
    leaves: &mut Vec<Vec<String>>,
) -> usize {
    let (mut path, mut at) = (stem.to_vec(), from);
    loop {
        match tokens.get(at) {
            Some(&"::") => at += 1,
            Some(&"as") => at += 2,
            Some(&"{") => {
                at += 1;
                while tokens.get(at) != Some(&"}") {
                    at = leaves_of(tokens, at, &path, leaves);
                    at += usize::from(tokens.get(at) == Some(&","));
                }
                return at + 1;
            }
            Some(&"self") if !path.is_empty() => at += 1,
            Some(&name) if is_name(name) || name == "*" => {
                path.push(name.to_owned());
                at += 1;
            }
            _ => {
                leaves.push(path);
                return at;
            }
        }
    }
}

/// A crate's modules with their files, by path; the root has the empty path.
struct Crate {
    files: BTreeMap<Vec<String>, Named>,
}

impl Crate {
    fn read(folder: &Path) -> Self {
        let (mut files, mut of_tests) = (BTreeMap::new(), BTreeSet::new());
        let source = folder.join("src");
        for file in rust_files(&source) {
            let relative = file.strip_prefix(&source).expect("below").with_extension("");
            let names = relative.iter().map(|name| name.to_string_lossy().into_owned());
            let module: Vec<String> = match names.collect::<Vec<_>>() {
                one if one == ["lib"] => Vec::new(),
                other => other,
            };
            let text = text(&file);
            let all = tokens(&text);
            let (kept, modules) = without_tests(&all);
            of_tests
                .extend(modules.iter().map(|name| [&module[..], &[(*name).to_owned()]].concat()));
            files.insert(module, named(&kept));
        }
        files.retain(|module, _| !(1..=module.len()).any(|end| of_tests.contains(&module[..end])));
        Self { files }
    }

    /// Resolves a path in a file: the module, and the item in it; `None` if the path is outside
    /// this crate.
    fn found(&self, module: &[String], path: &[String]) -> Option<(Vec<String>, String)> {
        let first = path.first()?;
        let child = [module, std::slice::from_ref(first)].concat();
        let (mut at, mut rest) = match first.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (module.to_vec(), &path[1..]),
            "super" => (module.to_vec(), path),
            _ if self.files.contains_key(&child) => (module.to_vec(), path),
            _ => return None,
        };
        while rest.first().is_some_and(|one| one == "super") {
            at.pop();
            rest = &rest[1..];
        }
        while let Some((next, later)) = rest.split_first() {
            let below = [&at[..], std::slice::from_ref(next)].concat();
            if !self.files.contains_key(&below) {
                break;
            }
            (at, rest) = (below, later);
        }
        let item = rest.first().cloned().unwrap_or_default();
        let given_on = self.files.get(&at)?.given_on.iter().find(|path| path.last() == Some(&item));
        match given_on {
            // A re-exported item is in another file, unless it is from another crate.
            Some(path) => self.found(&at, path).or(Some((at, item))),
            None => Some((at, item)),
        }
    }

    /// The files that each file needs.
    fn needs(&self) -> BTreeMap<&[String], BTreeSet<Vec<String>>> {
        let of = |(module, named): (&Vec<String>, &Named)| {
            let used = named.used.iter().filter_map(|path| Some(self.found(module, path)?.0));
            used.filter(|needed| needed != module && !needed.is_empty()).collect()
        };
        let files = self.files.iter().filter(|(module, _)| !module.is_empty());
        files.map(|file| (file.0.as_slice(), of(file))).collect()
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|_| panic!("{}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The rooms of the core, as listed in its root: ``//! 1. [`base`] …``.
fn rooms() -> Vec<String> {
    let lines = text(&root().join("shared/core/src/lib.rs"));
    let numbered = lines.lines().filter_map(|line| {
        let (number, rest) = line.strip_prefix("//! ")?.split_once(". ")?;
        number.parse::<usize>().ok()?;
        Some(rest.split('`').nth(1)?.to_owned())
    });
    numbered.collect()
}

#[test]
fn a_room_of_the_core_uses_only_earlier_rooms() {
    let (rooms, core) = (rooms(), Crate::read(&root().join("shared/core")));
    let there: BTreeSet<&String> = core.files.keys().filter_map(|module| module.first()).collect();
    assert_eq!(there, rooms.iter().collect(), "the rooms and their list differ");
    assert!(rooms.len() <= ROOMS, "{} rooms", rooms.len());
    let number = |module: &[String]| rooms.iter().position(|room| Some(room) == module.first());
    for (module, needed) in core.needs() {
        for needed in needed {
            assert!(
                number(&needed) <= number(module),
                "{module:?} uses {needed:?}, which is later in the list"
            );
        }
    }
}

#[test]
fn no_two_files_need_each_other() {
    let mut circles = Vec::new();
    for folder in CRATES.iter().copied().flatten() {
        let read = Crate::read(&root().join(folder));
        let mut needs = read.needs();
        assert!(!needs.is_empty(), "{folder} moved");
        // Removes files that need no others and files that no other needs, until all are removed or
        // the rest is in circles or between two circles.
        loop {
            let (before, left) = (needs.len(), needs.clone());
            let there: BTreeSet<Vec<String>> = left.keys().map(|module| module.to_vec()).collect();
            let needed: BTreeSet<&Vec<String>> = left.values().flatten().collect();
            needs.retain(|module, needs| {
                !needs.is_disjoint(&there) && needed.contains(&module.to_vec())
            });
            if needs.len() == before {
                break;
            }
        }
        let names: Vec<String> = needs.keys().map(|module| module.join("::")).collect();
        if !needs.is_empty() {
            circles.push(format!("{folder}: {names:?}"));
        }
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

/// The names of a crate's dependencies, without those of its tests.
fn dependencies(folder: &str) -> Vec<String> {
    let manifest = text(&root().join(folder).join("Cargo.toml"));
    let mut section = "";
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section == "[dependencies]"
            && line.starts_with(|first: char| first.is_alphabetic())
        {
            let end = line.find(|one: char| !(one.is_alphanumeric() || "-_".contains(one)));
            found.push(line[..end.unwrap_or(line.len())].to_owned());
        }
    }
    assert!(!found.is_empty(), "{folder} has no dependencies");
    found
}

/// A crate's name from its manifest.
fn name(folder: &str) -> String {
    let manifest = text(&root().join(folder).join("Cargo.toml"));
    let name = manifest.lines().find_map(|line| line.strip_prefix("name = \""));
    name.and_then(|name| name.strip_suffix('"')).expect("a name").to_owned()
}

#[test]
fn every_crate_of_the_workspace_has_a_layer() {
    let manifest = text(&root().join("Cargo.toml"));
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ["));
    let members = members.and_then(|line| line.strip_suffix(']')).expect("a list on one line");
    let members: BTreeSet<&str> = members.split(", ").map(|one| one.trim_matches('"')).collect();
    assert_eq!(members, CRATES.iter().copied().flatten().copied().collect());
}

#[test]
fn a_crate_uses_only_crates_of_earlier_layers() {
    for (number, layer) in CRATES.iter().enumerate() {
        let known: Vec<String> =
            CRATES[..number].iter().copied().flatten().map(|one| name(one)).collect();
        let ours: Vec<String> = CRATES.iter().copied().flatten().map(|one| name(one)).collect();
        for folder in *layer {
            for dependency in dependencies(folder).iter().filter(|one| ours.contains(one)) {
                assert!(known.contains(dependency), "{folder} knows {dependency}");
            }
        }
    }
}

#[test]
fn the_core_depends_on_no_crate_of_aws_http_or_an_async_runtime() {
    for dependency in dependencies("shared/core") {
        let is_impure = IMPURE.iter().any(|start| dependency.starts_with(start));
        assert!(!is_impure, "the core depends on {dependency}");
    }
}

#[test]
fn types_of_aws_stay_with_adapters_the_local_host_and_main() {
    let mut adapters = 0;
    for folder in [
        "shared/core",
        "shared/intake",
        "shared/http",
        "functions/ingest",
        "functions/notify",
        "functions/processor",
        "functions/query",
        "functions/replay",
    ] {
        for file in rust_files(&root().join(folder).join("src")) {
            let text = text(&file);
            let names_aws = named(&tokens(&text))
                .used
                .iter()
                .any(|path| path.first().is_some_and(|name| name.starts_with("aws_")));
            let path = file.strip_prefix(root()).expect("below").to_string_lossy().into_owned();
            let is_adapter = ADAPTERS.iter().any(|adapter| path.starts_with(adapter));
            adapters += usize::from(is_adapter && names_aws);
            assert!(
                !names_aws || is_adapter || path.ends_with("/main.rs"),
                "{path} uses types of AWS"
            );
        }
    }
    assert!(adapters > 0, "the adapters are elsewhere");
}
