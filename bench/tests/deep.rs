//! Late events cost the same however late they are, by counts and not by the clock: the bounds of the
//! design, at sizes that a test can have. With `DROVER_TEST_DYNAMODB` they are held to on that DynamoDB.

#![expect(clippy::unwrap_used, reason = "a missing value fails the test with its line")]

use std::process::Command;

/// The numbers behind the first field of each line that has numbers.
fn measured(arguments: &[&str]) -> Vec<Vec<f64>> {
    let program = env!("CARGO_BIN_EXE_drover-bench");
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers = |line: &str| line.split(" | ").skip(1).flat_map(str::parse).collect();
    text.lines().map(numbers).filter(|numbers: &Vec<f64>| !numbers.is_empty()).collect()
}

#[test]
fn a_late_event_costs_the_same_however_late_it_is() {
    let lines = measured(&["deep", "500", "2000", "8000"]);
    let [sizes @ .., newest_first, shuffled] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(sizes.len(), 3);
    for size in sizes {
        let [write, read, carry_write, _, view, _, events, share, _] = size.as_slice() else {
            panic!("{size:?}")
        };
        assert!(*write <= 8.0 && *read <= 6.0, "{size:?}");
        // For all late events together.
        assert!(*carry_write <= 50.0 && *view <= 100.0, "{size:?}");
        assert!(*events >= 1.0 && *share <= 10.0, "{size:?}");
    }
    // DynamoDB Local counts the items of a transaction otherwise: see `differences`.
    let most = if drover_tests::dynamodb::chosen().unwrap().is_some() { 20.0 } else { 10.0 };
    for backlog in [newest_first, shuffled] {
        assert!(backlog.first().is_some_and(|write| *write <= most), "{backlog:?}");
    }
}
