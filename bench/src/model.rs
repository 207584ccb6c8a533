//! The model test of the ledger for as long as wanted: random schedules of writers, readers, carries
//! and faults over the memory store, each held against a naive reference. A case is its seed.

use std::time::{Duration, Instant};

use anyhow::Context;
use drover_core::memory::model_test::{Tally, Violation, run_seed};

use crate::print;

/// What is tried where nothing is said.
const CASES: u64 = 1_000;
/// More violations say nothing new.
const MOST_VIOLATIONS: usize = 5;
/// Between lines of progress.
const PROGRESS: Duration = Duration::from_mins(1);

/// How long a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Cases(u64),
    Time(Duration),
}

impl Bound {
    /// A number of cases, or a duration in `s`, `m` or `h`.
    fn parse(text: &str) -> anyhow::Result<Self> {
        let unit = |suffix, seconds| Some((text.strip_suffix(suffix)?, seconds));
        let (number, seconds) = match unit("s", 1).or(unit("m", 60)).or(unit("h", 3_600)) {
            Some((number, seconds)) => (number, Some(seconds)),
            None => (text, None),
        };
        let number: u64 = number.parse().with_context(|| {
            format!("a number of cases or a duration (90s, 60m, 2h) was expected: given=`{text}`")
        })?;
        Ok(match seconds {
            Some(seconds) => Self::Time(Duration::from_secs(number.saturating_mul(seconds))),
            None => Self::Cases(number),
        })
    }

    fn is_over(self, cases: u64, elapsed: Duration) -> bool {
        match self {
            Self::Cases(most) => cases >= most,
            Self::Time(most) => elapsed >= most,
        }
    }
}

/// `[CASES|DURATION [SEED]]`: the cases of this seed and those after it; none: a random one.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let bound = arguments.next().map_or(Ok(Bound::Cases(CASES)), |text| Bound::parse(&text))?;
    let first = match arguments.next() {
        Some(seed) => seed.parse().with_context(|| format!("not a seed: given=`{seed}`"))?,
        None => fastrand::u64(0..u64::from(u32::MAX)),
    };
    print(&format!("first seed: {first}"));
    let started = Instant::now();
    let (mut tally, mut cases, mut violations, mut shown) =
        (Tally::default(), 0, 0, Duration::ZERO);
    while !bound.is_over(cases, started.elapsed()) && violations < MOST_VIOLATIONS {
        let seed = first.wrapping_add(cases);
        match run_seed(seed) {
            Ok(more) => tally += more,
            Err(violation) => {
                violations += 1;
                print_violation(seed, &violation);
            }
        }
        cases += 1;
        if started.elapsed() >= shown + PROGRESS {
            shown = started.elapsed();
            print(&format!("{} s: {cases} schedules, {violations} failed", shown.as_secs()));
        }
    }
    let Tally { commits, deep_events, carries, carry_parts, answers, .. } = tally;
    let Tally { letters, letters_applied, .. } = tally;
    print(&format!(
        "{cases} schedules of the seeds from {first} in {} s: {commits} commits, {deep_events} deep events, \
         {carries} carries whole and {carry_parts} parts, {answers} answers to readers, {letters} letters replayed \
         days to months late, {letters_applied} of them applied",
        started.elapsed().as_secs()
    ));
    print(&format!("{violations} failed"));
    anyhow::ensure!(
        violations == 0,
        "a promise is broken; repeat a case: drover-bench model 1 SEED"
    );
    Ok(())
}

fn print_violation(seed: u64, violation: &Violation) {
    print(&format!("seed {seed} failed: {}\n{}", violation.reason, violation.script));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_bounded_by_cases_or_by_time() {
        assert_eq!(Bound::parse("12").unwrap(), Bound::Cases(12));
        assert_eq!(Bound::parse("90s").unwrap(), Bound::Time(Duration::from_secs(90)));
        assert_eq!(Bound::parse("60m").unwrap(), Bound::Time(Duration::from_secs(3_600)));
        assert_eq!(Bound::parse("2h").unwrap(), Bound::Time(Duration::from_secs(7_200)));
        for wrong in ["", "m", "-1", "2 h", "1.5h"] {
            Bound::parse(wrong).unwrap_err();
        }
    }
}
