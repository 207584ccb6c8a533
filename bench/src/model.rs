//! The model test of the ledger, for any duration: random schedules of writers, readers, carries and faults
//! on the memory store, each compared with a naive reference. A seed determines a case.

use std::time::{Duration, Instant};

use anyhow::Context;
use drover_core::memory::model_test::{Tally, Violation, run_seed};

use crate::print;

/// The default number of cases.
const CASES: u64 = 1_000;
/// The number of violations after which the run stops.
const MOST_VIOLATIONS: usize = 5;
/// The time between progress lines.
const PROGRESS: Duration = Duration::from_mins(1);

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Cases(u64),
    Time(Duration),
}

impl Bound {
    /// Parses a number of cases, or a duration in `s`, `m` or `h`.
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

/// Arguments: `[CASES|DURATION [SEED]]`. Runs the cases from this seed upwards; the default seed is random.
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
