//! The order in which the events of many subjects arrive. The seed is fixed, so every run gets the
//! same records.

use fastrand::Rng;

use crate::load::{START_MILLIS, Times, lambda_event, record};

/// Milliseconds between two events: 200 events per second.
const STEP_MILLIS: i64 = 5;

/// The minimum number of subjects in a shift.
const SMALLEST_CREW: usize = 10;

/// The order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// One subject in a hundred is active at a time and sends all its events then, interleaved with
    /// the others: devices in shifts.
    Shifts,
    /// Any subject each time: the worst case for a cache.
    Random,
}

impl Pattern {
    pub(crate) const ALL: [Self; 2] = [Self::Shifts, Self::Random];

    /// Whether the argument selects this pattern.
    pub(crate) fn is(self, asked: Option<&str>) -> bool {
        asked.is_none_or(|asked| self.name().ends_with(asked))
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Shifts => "in shifts",
            Self::Random => "at random",
        }
    }
}

/// A sequence of records.
pub(crate) struct Arrivals {
    random: Rng,
    turns: Turns,
    count: i64,
}

enum Turns {
    /// The active subjects with the number of events left for each, and the next new subject.
    Shifts {
        at_work: Vec<(usize, usize)>,
        next: usize,
        each: usize,
    },
    Random {
        subjects: usize,
    },
}

impl Arrivals {
    pub(crate) fn new(pattern: Pattern, events: usize, subjects: usize) -> Self {
        let turns = match pattern {
            Pattern::Shifts => {
                let crew = (subjects / 100).max(SMALLEST_CREW).min(subjects);
                let each = events.div_ceil(subjects).max(1);
                // The first subjects have sent a part before, so that they do not all end together.
                let at_work = (0..crew).map(|subject| (subject, 1 + subject % each)).collect();
                Turns::Shifts { at_work, next: crew, each }
            }
            Pattern::Random => Turns::Random { subjects },
        };
        Self { random: Rng::with_seed(7), turns, count: 0 }
    }

    /// Lambda's event with the next records.
    pub(crate) fn batch(&mut self, size: usize) -> String {
        let records: Vec<_> = (0..size)
            .map_while(|_| {
                let subject = self.turns.next(&mut self.random)?;
                self.count += 1;
                let observed = START_MILLIS + self.count * STEP_MILLIS;
                let received = observed + 150 + self.random.i64(0..400);
                let times = Times { observed, received };
                Some(record(&mut self.random, self.count, subject, times))
            })
            .collect();
        lambda_event(&records)
    }
}

impl Turns {
    fn next(&mut self, random: &mut Rng) -> Option<usize> {
        let (at_work, next, each) = match self {
            Self::Random { subjects } => return Some(random.usize(..*subjects)),
            Self::Shifts { at_work, next, each } => (at_work, next, *each),
        };
        let at = random.usize(..at_work.len().max(1));
        let (subject, left) = at_work.get_mut(at)?;
        let sender = *subject;
        *left -= 1;
        if *left == 0 {
            (*subject, *left) = (*next, each);
            *next += 1;
        }
        Some(sender)
    }
}
