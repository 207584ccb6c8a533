//! A short form of `drover-bench scale`, which checks counts and not times: the cost of an event in
//! the store does not change over a run, and almost all reads find that a new subject has no head.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a missing value fails the test, with its line"
)]

use std::path::Path;
use std::process::Command;

/// Ten events per subject, as in the long form.
const EVENTS: &str = "1000";
const SUBJECTS: &str = "100";
const POINTS: usize = 100;
const TENTH: usize = POINTS / 10;
const LIGHT: usize = 100 * 1024;
/// The maximum share of buffered records. On a busy machine a call to the store may time out, and the
/// record then goes to the buffer.
const TIMED_OUT: f64 = 0.05;
/// The maximum read units per event, except for new subjects. After a timeout the head is read again.
/// Without a cache, nearly every subject of a batch would cost a read.
const READ_AGAIN: f64 = 0.1;

/// One point of a run; all values except `events` are per event.
struct Point {
    pattern: String,
    events: f64,
    write_units: f64,
    read_units: f64,
    new_subjects: f64,
}

#[test]
fn units_stay_flat_over_a_run_and_almost_only_new_subjects_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("scale.svg");
    let points = measured(&picture);
    for pattern in ["in shifts", "at random"] {
        let run: Vec<&Point> = points.iter().filter(|point| point.pattern == pattern).collect();
        assert_eq!(run.len(), POINTS, "{pattern}");
        let (applied, sent) = (run.last().unwrap().events, EVENTS.parse::<f64>().unwrap());
        assert!(applied >= sent * (1.0 - TIMED_OUT), "{pattern}: {applied} were applied");
        for tenth in run.chunks(TENTH) {
            let again =
                tenth.iter().map(|point| point.read_units - point.new_subjects).sum::<f64>();
            assert!(
                (again / TENTH as f64).abs() < READ_AGAIN,
                "{pattern} at {}: {again}",
                tenth[0].events
            );
        }
    }
    // In the first tenth all active subjects are new.
    let sum = |part: &[Point]| part.iter().map(|point| point.write_units).sum::<f64>();
    let in_shifts = &points[..POINTS];
    let (second, last) = (sum(&in_shifts[TENTH..2 * TENTH]), sum(&in_shifts[POINTS - TENTH..]));
    assert!((0.8..=1.2).contains(&(last / second)), "write units: {second} became {last}");

    let drawn = std::fs::read_to_string(&picture).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.len() < LIGHT, "{} bytes", drawn.len());
    for shown in ["read units per event", "resident memory", "in shifts", "at random"] {
        assert!(drawn.contains(shown), "{shown}");
    }
}

fn measured(picture: &Path) -> Vec<Point> {
    let program = env!("CARGO_BIN_EXE_drover-bench");
    let output = Command::new(program).args(["scale", EVENTS, SUBJECTS]).arg(picture).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = std::fs::read_to_string(picture.with_extension("csv")).unwrap();
    let mut lines = lines.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    lines.map(|line| point(&names, line)).collect()
}

fn point(names: &[&str], line: &str) -> Point {
    let fields: Vec<&str> = line.split(',').collect();
    let field = |name: &str| fields[names.iter().position(|found| *found == name).unwrap()];
    let number = |name: &str| field(name).parse::<f64>().unwrap();
    Point {
        pattern: field("pattern").to_owned(),
        events: number("events"),
        write_units: number("write units/event"),
        read_units: number("read units/event"),
        new_subjects: number("new subjects/event"),
    }
}
