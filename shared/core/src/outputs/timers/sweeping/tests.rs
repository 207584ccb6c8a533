//! The cursor of the sweep and its lease.

use super::*;

fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(at * 1_000_000).expect("in range")
}

fn taken(stored: Option<&SweepState>, token: &str, now: i64) -> Option<SweepState> {
    SweepState::taken(stored, token.to_owned(), second(now))
}

#[test]
fn the_first_sweep_begins_at_the_newest_minute_that_may_be_swept() {
    let state = taken(None, "a", 600).expect("free");
    assert_eq!((state.next, state.until), (Minute(8), second(660)));
    let begun = SweepState::begin(second(600));
    let state = taken(Some(&begun), "a", 900).expect("free");
    assert_eq!((state.next, state.until), (Minute(8), second(960)));
}

#[test]
fn a_lease_belongs_to_its_holder_until_it_expires_or_is_released() {
    let state = taken(None, "a", 600).expect("free");
    assert_eq!(taken(Some(&state), "b", 659), None);
    assert!(taken(Some(&state), "a", 659).is_some());
    assert!(taken(Some(&state), "b", 660).is_some());
    assert!(taken(Some(&state.released()), "b", 601).is_some());
}

#[test]
fn a_lease_is_renewed_in_its_second_half_and_with_each_finished_minute() {
    let state = taken(None, "a", 600).expect("free");
    assert!(!state.is_half_over(second(629)) && state.is_half_over(second(630)));
    let advanced = state.advanced(second(640));
    assert_eq!((advanced.next, advanced.until), (Minute(9), second(700)));
    assert_eq!(advanced.token, state.token);
}
