//! The repository is consistent with itself.

#![expect(clippy::expect_used, clippy::panic, reason = "test helpers fail like tests")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_opens_with_a_module_comment() {
    let mut files = Vec::new();
    for folder in ["shared", "functions", "local", "tests", "bench"] {
        rust_files(&root().join(folder), &mut files);
    }
    assert!(files.len() > 50, "the folders are elsewhere");
    for file in files {
        let text = fs::read_to_string(&file).expect("a text");
        assert!(text.starts_with("//!"), "{} does not open with //!", file.display());
    }
}

#[test]
fn ci_runs_the_tests_as_the_readme_does() {
    let command = "cargo test --workspace";
    assert!(text("README.md").contains(command));
    assert!(text(".ci/run").contains(command));
}

#[test]
fn workflows_run_what_ci_runs_and_name_every_action_by_its_hash() {
    let mut actions = 0;
    for name in ["ci", "deploy"] {
        let workflow = text(&format!(".github/workflows/{name}.yml"));
        for line in workflow.lines().filter_map(|line| line.split_once("uses: ")) {
            let (action, version) = line.1.split_once(" # v").unwrap_or((line.1, ""));
            if action == "./.github/workflows/ci.yml" {
                continue;
            }
            let hash = action.split_once('@').map_or("", |(_, hash)| hash);
            let is_hash = hash.len() == 40 && hash.bytes().all(|one| one.is_ascii_hexdigit());
            assert!(is_hash && !version.is_empty(), "{name}: {action}");
            actions += 1;
        }
    }
    assert!(actions >= 5, "the workflows are elsewhere");
    assert!(text(".github/workflows/ci.yml").contains("run: .ci/run"));
}

#[test]
fn the_readme_names_every_rejection_code() {
    let readme = text("README.md");
    for code in drover_core::base::error::Code::ALL {
        assert!(readme.contains(&format!("`{code}`")), "{code} is not in the README");
    }
}

#[test]
fn every_variable_that_a_function_needs_is_in_the_readme() {
    let readme = text("README.md");
    let settings = [
        ("shared/aws/src/settings.rs", 4),
        ("functions/ingest/src/config.rs", 3),
        ("functions/notify/src/config.rs", 2),
        ("functions/relay/src/config.rs", 2),
        ("functions/replay/src/config.rs", 3),
    ];
    for (file, needed) in settings {
        let settings = text(file);
        let required = settings.lines().filter(|line| {
            let required = line.contains("text(\"DROVER_") || line.contains("url(\"DROVER_");
            required && !line.contains("DROVER_KAFKA")
        });
        let names = required.map(|line| line.split('"').nth(1).expect("a name"));
        let names: Vec<&str> = names.collect();
        assert_eq!(
            names.len(),
            needed,
            "the code that reads the configuration is elsewhere: {file}: {names:?}"
        );
        for name in names {
            assert!(readme.contains(name), "{name} is not in the README");
        }
    }
}

#[test]
fn a_panic_stays_one_failed_invocation() {
    assert!(text("Cargo.toml").contains("panic = \"unwind\""), "cargo-lambda would use abort");
}
