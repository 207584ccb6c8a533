//! A learner's activity in each lesson, by course and lesson.
//!
//! The unit reads entries by type, whatever their contract, if the payload has the ids of a course
//! and a lesson of at most [`limits::LESSON_ID_BYTES`]. Entries are in order, but producers omit
//! some, so each type has a meaning in every state:
//! - Any of the types creates a lesson. A lesson that was never started is open with a stopped
//!   clock.
//! - Started and resumed open a lesson and start its clock; a running clock continues. After
//!   completion they reopen the lesson: it has no completion time until it is completed again, and
//!   its time on task continues to add up. `started_at` is the very first start, and is empty if
//!   the lesson was only resumed.
//! - Paused and completed stop the clock. Neither has an effect after completion, so the first
//!   completion counts until the lesson is reopened.
//! - Assessments and progress count in every state and change no state: full progress is not
//!   completion.
//!
//! At most [`limits::OPEN_LESSONS`] lessons are not completed: an entry that would open one more is
//! counted and has no other effect. If more than [`limits::FINISHED_LESSONS`] lessons are
//! completed, or all lessons together exceed [`limits::LESSONS_BYTES`], the lesson that was
//! completed first is dropped and counted. If a dropped lesson appears again, it starts empty.

mod lesson;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::lesson::{Lesson, State, Step};
use super::payload::Payload;
use super::spec::{Reading, Unit};
use crate::base::limits;
use crate::base::time::Timestamp;

/// Lessons of one learner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lessons {
    /// Sorted by course and lesson.
    known: Vec<Lesson>,
    over: Option<Over>,
}

/// Counts over the limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Over {
    /// Entries that would have opened too many lessons.
    pub(super) open: u64,
    /// Completed lessons that were dropped.
    pub(super) finished: u64,
}

const _: () = assert!(
    (limits::OPEN_LESSONS + 1) * Lesson::LARGEST <= limits::LESSONS_BYTES,
    "all open lessons and a completed lesson must fit"
);

impl Unit for Lessons {
    fn apply(&mut self, reading: &Reading<'_>) {
        let Some(step) = Step::of(&reading.entry.event_type) else { return };
        let Payload(payload) = reading.payload;
        // Several fields are read, so parsing the whole payload pays off.
        let Ok(payload) = serde_json::from_str::<Value>(payload) else { return };
        let id = |name| {
            let id = payload.get(name).and_then(Value::as_str);
            id.filter(|id| id.len() <= limits::LESSON_ID_BYTES)
        };
        if let (Some(course), Some(lesson)) = (id("course_id"), id("lesson_id")) {
            self.take(step, (course, lesson), reading.entry.position.observed_at, &payload);
        }
    }
}

impl Lessons {
    pub(super) const LARGEST: usize = 1 + 3 * super::encoded::VARINT + limits::LESSONS_BYTES;

    /// Counts over the limits.
    pub(super) fn over(&self) -> Over {
        self.over.unwrap_or_default()
    }

    fn take(&mut self, step: Step, key: (&str, &str), at: Timestamp, payload: &Value) {
        let place = self.known.binary_search_by(|lesson| lesson.key().cmp(&key));
        let before = place.ok().and_then(|place| self.known.get(place)).map(|lesson| lesson.state);
        let after = before.unwrap_or_default().next(step, at);
        let opens = before.is_none_or(State::is_completed) && !after.is_completed();
        if opens && self.known.len() - self.finished() >= limits::OPEN_LESSONS {
            self.over.get_or_insert_default().open += 1;
            return;
        }
        let place = place.unwrap_or_else(|place| {
            self.known.insert(place, Lesson::new(key));
            place
        });
        if let Some(lesson) = self.known.get_mut(place) {
            lesson.take(step, at, payload);
        }
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.finished() > limits::FINISHED_LESSONS || self.bytes() > limits::LESSONS_BYTES {
            let Some(oldest) = self.completed_longest_ago() else { return };
            self.known.remove(oldest);
            self.over.get_or_insert_default().finished += 1;
        }
    }

    fn finished(&self) -> usize {
        self.known.iter().filter(|lesson| lesson.state.is_completed()).count()
    }

    fn bytes(&self) -> usize {
        self.known.iter().map(Lesson::size_bound).sum()
    }

    fn completed_longest_ago(&self) -> Option<usize> {
        let known = self.known.iter().enumerate();
        let completed = known.filter_map(|(place, lesson)| Some((lesson.completed_at()?, place)));
        completed.min().map(|(_, place)| place)
    }

    /// A list, sorted by course and lesson.
    pub(super) fn to_json(&self) -> Value {
        self.known.iter().map(Lesson::to_json).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::view::ViewSpec;
    use crate::view::sample::folded;

    fn read(input: &[(&str, &str, i64)]) -> Lessons {
        let lines: Vec<_> = input
            .iter()
            .map(|(step, lesson, at)| (*step, *at, json!({"course_id": "c", "lesson_id": lesson})))
            .collect();
        folded(ViewSpec::default(), &lines).lessons
    }

    fn ids(lessons: &Lessons) -> Vec<&str> {
        lessons.known.iter().map(|lesson| lesson.key().1).collect()
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("l{n:02}")).collect()
    }

    #[test]
    fn an_open_lesson_over_the_limit_is_counted_until_another_is_completed() {
        let names = names(limits::OPEN_LESSONS + 1);
        let mut input: Vec<_> =
            names.iter().zip(0..).map(|(name, at)| ("lesson_started", &**name, at)).collect();
        input.extend([("lesson_paused", "l10", 20), ("lesson_completed", "l00", 21)]);
        let full = read(&input);
        assert_eq!(full.over(), Over { open: 2, finished: 0 });
        assert_eq!(ids(&full), names[..limits::OPEN_LESSONS]);

        input.push(("lesson_started", "l10", 22));
        assert_eq!(ids(&read(&input)), names);
        input.push(("lesson_started", "l00", 23));
        assert_eq!(read(&input).over(), Over { open: 3, finished: 0 });
    }

    #[test]
    fn the_lesson_that_was_completed_first_is_dropped() {
        let names = names(limits::FINISHED_LESSONS + 1);
        let mut input: Vec<_> =
            names.iter().zip(0..).map(|(name, at)| ("lesson_completed", &**name, at)).collect();
        assert_eq!(ids(&read(&input)), names[1..]);

        input.insert(1, ("lesson_started", "l00", 0));
        assert_eq!(read(&input).over(), Over::default());
        input.push(("lesson_completed", "l00", 50));
        let lessons = read(&input);
        assert_eq!(lessons.over(), Over { open: 0, finished: 1 });
        assert!(!ids(&lessons).contains(&"l01"));
    }

    #[test]
    fn long_ids_leave_room_for_fewer_lessons() {
        let names: Vec<_> = (0..limits::FINISHED_LESSONS).map(|n| format!("{n:0>128}")).collect();
        let lines: Vec<_> = names
            .iter()
            .zip(0..)
            .map(|(name, at)| {
                ("lesson_completed", at, json!({"course_id": name, "lesson_id": name}))
            })
            .collect();
        let lessons = folded(ViewSpec::default(), &lines).lessons;
        let kept = limits::LESSONS_BYTES / Lesson::LARGEST;
        assert_eq!(ids(&lessons), names[names.len() - kept..]);
    }

    #[test]
    fn an_entry_without_a_lesson_is_ignored() {
        let long = "x".repeat(limits::LESSON_ID_BYTES + 1);
        let lines = [
            ("lesson_started", 0, json!({"course_id": "c"})),
            ("lesson_started", 1, json!({"course_id": "c", "lesson_id": 7})),
            ("lesson_started", 2, json!({"course_id": "c", "lesson_id": long})),
            ("temperature", 3, json!({"course_id": "c", "lesson_id": "l"})),
        ];
        assert_eq!(folded(ViewSpec::default(), &lines).lessons, Lessons::default());
    }
}
