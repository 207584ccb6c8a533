//! One lesson of a learner, and the effect of each step. [`lessons`](super) documents the rules.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::limits;
use crate::base::time::Timestamp;
use crate::view::encoded::{VARINT, text};

/// One lesson of a learner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Lesson {
    course: Box<str>,
    lesson: Box<str>,
    pub(super) state: State,
    started_at: Option<Timestamp>,
    seconds: f64,
    attempts: u64,
    best_score: Option<f64>,
    progress: Option<f64>,
}

/// The state of a lesson.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum State {
    Open { running_since: Option<Timestamp> },
    Paused,
    Completed { at: Timestamp },
}

/// What an entry does to a lesson.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Started,
    Paused,
    Resumed,
    Completed,
    AssessmentStarted,
    AssessmentEnded,
    Progress,
}

impl Step {
    pub(super) fn of(event_type: &str) -> Option<Self> {
        Some(match event_type {
            "lesson_started" => Self::Started,
            "lesson_paused" => Self::Paused,
            "lesson_resumed" => Self::Resumed,
            "lesson_completed" => Self::Completed,
            "assessment_started" => Self::AssessmentStarted,
            "assessment_completed" | "assessment_submitted" => Self::AssessmentEnded,
            "progress_updated" => Self::Progress,
            _ => return None,
        })
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Open { running_since: None }
    }
}

impl State {
    pub(super) fn is_completed(self) -> bool {
        matches!(self, Self::Completed { .. })
    }

    pub(super) fn next(self, step: Step, at: Timestamp) -> Self {
        match (step, self) {
            (Step::Started | Step::Resumed, Self::Open { running_since: Some(_) }) => self,
            (Step::Started | Step::Resumed, _) => Self::Open { running_since: Some(at) },
            (Step::Paused | Step::Completed, Self::Completed { .. }) => self,
            (Step::Paused, _) => Self::Paused,
            (Step::Completed, _) => Self::Completed { at },
            (Step::AssessmentStarted | Step::AssessmentEnded | Step::Progress, _) => self,
        }
    }

    fn running_since(self) -> Option<Timestamp> {
        match self {
            Self::Open { running_since } => running_since,
            Self::Paused | Self::Completed { .. } => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Paused => "paused",
            Self::Completed { .. } => "completed",
        }
    }
}

impl Lesson {
    /// Size of everything but the two ids: state, start, seconds, attempts, score and progress.
    const FIXED: usize =
        (2 + VARINT) + (1 + VARINT) + size_of::<f64>() + VARINT + 2 * (1 + size_of::<f64>());
    pub(super) const LARGEST: usize = Self::FIXED + 2 * text(limits::LESSON_ID_BYTES);

    pub(super) fn new((course, lesson): (&str, &str)) -> Self {
        Self {
            course: Box::from(course),
            lesson: Box::from(lesson),
            state: State::default(),
            started_at: None,
            seconds: 0.0,
            attempts: 0,
            best_score: None,
            progress: None,
        }
    }

    pub(super) fn key(&self) -> (&str, &str) {
        (&self.course, &self.lesson)
    }

    /// An upper bound of the encoded size.
    pub(super) fn size_bound(&self) -> usize {
        Self::FIXED + text(self.course.len()) + text(self.lesson.len())
    }

    pub(super) fn completed_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Completed { at } => Some(at),
            State::Open { .. } | State::Paused => None,
        }
    }

    pub(super) fn take(&mut self, step: Step, at: Timestamp, payload: &Value) {
        let detail = |name| payload.get("event_data")?.get(name)?.as_f64();
        self.pass_to(self.state.next(step, at), at);
        match step {
            Step::Started => {
                self.started_at.get_or_insert(at);
            }
            Step::AssessmentStarted => self.attempts += 1,
            Step::AssessmentEnded => {
                let scores = [self.best_score, detail("score")];
                self.best_score = scores.into_iter().flatten().reduce(f64::max);
            }
            Step::Progress => self.progress = detail("progress").or(self.progress),
            Step::Paused | Step::Resumed | Step::Completed => {}
        }
    }

    fn pass_to(&mut self, state: State, at: Timestamp) {
        if let (Some(since), None) = (self.state.running_since(), state.running_since()) {
            self.seconds += at.seconds_since(since);
        }
        self.state = state;
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "course_id": self.course,
            "lesson_id": self.lesson,
            "state": self.state.word(),
            "started_at": self.started_at,
            "running_since": self.state.running_since(),
            "completed_at": self.completed_at(),
            "time_on_task_seconds": self.seconds,
            "attempts": self.attempts,
            "best_score": self.best_score,
            "progress": self.progress,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::view::ViewSpec;
    use crate::view::sample::folded;

    /// `expected` lists only the fields that differ from a new lesson.
    fn check(input: &[(&str, i64, Value)], expected: Value) {
        let lines: Vec<_> = input
            .iter()
            .map(|(step, at, detail)| {
                (*step, *at, json!({"course_id": "c", "lesson_id": "l", "event_data": detail}))
            })
            .collect();
        let mut whole = Lesson::new(("c", "l")).to_json();
        for (name, value) in expected.as_object().expect("an object") {
            whole[name] = value.clone();
        }
        assert_eq!(folded(ViewSpec::default(), &lines).lessons.to_json(), json!([whole]));
    }

    fn step(name: &'static str, at: i64) -> (&'static str, i64, Value) {
        (name, at, json!({}))
    }

    fn instant(seconds: i64) -> Value {
        json!(crate::view::sample::seconds(seconds))
    }

    #[test]
    fn time_on_task_excludes_pauses() {
        check(
            &[
                step("lesson_started", 0),
                step("lesson_paused", 60),
                step("lesson_resumed", 100),
                step("lesson_completed", 130),
            ],
            json!({
                "state": "completed", "started_at": instant(0), "completed_at": instant(130),
                "time_on_task_seconds": 90.0,
            }),
        );
    }

    #[test]
    fn a_completion_without_a_start_has_no_time_on_task() {
        check(
            &[step("lesson_completed", 5)],
            json!({"state": "completed", "completed_at": instant(5)}),
        );
    }

    #[test]
    fn a_second_pause_or_completion_changes_nothing() {
        let paused =
            json!({"state": "paused", "started_at": instant(0), "time_on_task_seconds": 5.0});
        check(
            &[step("lesson_started", 0), step("lesson_paused", 5), step("lesson_paused", 9)],
            paused,
        );
        check(
            &[step("lesson_completed", 5), step("lesson_completed", 8), step("lesson_paused", 9)],
            json!({"state": "completed", "completed_at": instant(5)}),
        );
    }

    #[test]
    fn a_second_start_does_not_reset_the_clock() {
        check(
            &[step("lesson_started", 0), step("lesson_started", 4), step("lesson_paused", 9)],
            json!({"state": "paused", "started_at": instant(0), "time_on_task_seconds": 9.0}),
        );
    }

    #[test]
    fn a_start_after_completion_reopens_the_lesson() {
        check(
            &[step("lesson_started", 0), step("lesson_completed", 4), step("lesson_started", 10)],
            json!({
                "state": "open", "started_at": instant(0), "running_since": instant(10),
                "time_on_task_seconds": 4.0,
            }),
        );
    }

    #[test]
    fn a_resume_without_a_start_only_runs_the_clock() {
        check(
            &[step("lesson_resumed", 3), step("lesson_paused", 5)],
            json!({"state": "paused", "time_on_task_seconds": 2.0}),
        );
    }

    #[test]
    fn the_best_score_and_the_newest_progress_are_kept() {
        check(
            &[
                step("assessment_started", 0),
                ("assessment_submitted", 1, json!({"score": 80})),
                step("assessment_started", 2),
                ("assessment_completed", 3, json!({"score": 70.5})),
                ("assessment_completed", 4, json!({"score": "100"})),
                ("progress_updated", 5, json!({"progress": 90})),
                ("progress_updated", 6, json!({"progress": 45, "score": 99})),
                ("progress_updated", 7, json!({})),
            ],
            json!({"attempts": 2, "best_score": 80.0, "progress": 45.0}),
        );
    }
}
