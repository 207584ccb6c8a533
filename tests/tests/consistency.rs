//! The repository agrees with itself.

#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests fail as tests do")]

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
fn every_file_opens_with_what_it_decides() {
    let mut files = Vec::new();
    for folder in ["shared/src", "functions", "local/src", "local/tests", "tests", "bench"] {
        rust_files(&root().join(folder), &mut files);
    }
    assert!(files.len() > 50, "the folders moved");
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
fn the_readme_names_every_rejection_code() {
    let readme = text("README.md");
    for code in drover_core::error::Code::ALL {
        assert!(readme.contains(&format!("`{code}`")), "{code} is not in the README");
    }
}

#[test]
fn every_variable_of_the_processor_is_in_the_readme_or_has_a_default() {
    let (readme, config) = (text("README.md"), text("functions/processor/src/config.rs"));
    let required = config
        .lines()
        .filter(|line| line.contains("text(\"DROVER_") || line.contains("url(\"DROVER_"));
    let mut count = 0;
    for line in required {
        let name = line.split('"').nth(1).expect("a name");
        assert!(readme.contains(name), "{name} is not in the README");
        count += 1;
    }
    assert_eq!(count, 4, "the reading of the configuration moved");
}

#[test]
fn a_panic_stays_one_failed_invocation() {
    assert!(text("Cargo.toml").contains("panic = \"unwind\""), "cargo-lambda would put abort");
}
