//! Tests of the notify function over ports in memory.

mod schedules;
mod world;

use drover_core::base::severity::Severity;
use drover_core::outputs::alerts::News;
use drover_core::outputs::alerts::acts::Act;
use drover_core::outputs::notifications::simulated::Simulated;
use drover_core::ports::DeliveryRecords as _;

use self::world::{Answer, OPS, World, second};

const HOUR: i64 = 3_600;

#[test]
fn a_target_is_told_that_an_alert_opens_and_ends() {
    let mut world = World::new();
    world.open();
    world.run();
    assert_eq!(world.news(OPS), [News::Opened]);
    world.resolve();
    world.look();
    world.run();
    assert_eq!(world.news(OPS), [News::Opened, News::Resolved]);
    world.look();
    world.run();
    assert_eq!(world.news(OPS).len(), 2, "nobody is told twice");
}

/// What the documentation says that a notification costs.
#[test]
fn a_notification_costs_two_write_and_three_read_units() {
    let mut world = World::new();
    world.open();
    world.run_until(world::NOW);
    world.pass(10);
    world.resolve();
    let before = world.memory.state().units;
    world.send(world.look_of(OPS));
    world.deliver_once();
    let after = world.memory.state().units;
    assert_eq!(world.news(OPS), [News::Opened, News::Resolved]);
    assert!((after.write - before.write - 2.0).abs() < f64::EPSILON, "{before:?} {after:?}");
    assert!((after.read - before.read - 3.0).abs() < f64::EPSILON, "{before:?} {after:?}");
}

#[test]
fn an_alert_that_is_over_before_anybody_was_told_is_told_to_nobody() {
    let mut world = World::new();
    world.open();
    world.retract();
    world.run();
    assert_eq!(world.news(OPS), []);
}

#[test]
fn news_that_failed_are_tried_at_their_times_and_then_become_a_dead_letter() {
    let mut world = World::new();
    world.answers(OPS, &[Answer::Failed; 8]);
    world.open();
    world.run();
    let tries = world.tries(OPS);
    let gaps: Vec<i64> = tries.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert_eq!(gaps, [5, 300, 1_800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR]);
    assert!(tries.iter().all(|(_, id)| *id == tries[0].1), "one id for all tries");
    let letters = world.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].look.target.as_str(), letters[0].news), (OPS, News::Opened));
    assert_eq!(world.news(OPS), []);
    world.look();
    world.run();
    assert_eq!(world.tries(OPS).len(), 8, "what is given up is not tried again");

    world.send(letters[0].look.clone());
    world.run();
    assert_eq!(world.news(OPS), [News::Opened], "a replay tells it");
}

#[test]
fn an_end_is_told_where_a_try_that_failed_may_have_arrived() {
    let mut world = World::new();
    world.answers(OPS, &[Answer::Lost]);
    world.open();
    world.deliver_once();
    world.pass(1);
    world.resolve();
    world.look();
    world.run();
    assert_eq!(world.news(OPS), [News::Opened, News::Resolved]);
}

#[test]
fn a_target_that_asks_to_wait_is_obeyed() {
    let mut world = World::new();
    world.answers(OPS, &[Answer::Wait(900), Answer::Wait(9_999_999)]);
    world.open();
    world.run();
    let tries = world.tries(OPS);
    let gaps: Vec<i64> = tries.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert_eq!(gaps, [900, 10 * HOUR], "at most ten hours");
}

#[test]
fn a_target_that_is_gone_is_switched_off_until_its_document_changes_or_a_test_arrives() {
    let mut world = World::new();
    world.answers(OPS, &[Answer::Gone]);
    world.open();
    world.run();
    assert_eq!((world.tries(OPS).len(), world.letters().len()), (1, 1));
    world.resolve();
    world.look();
    world.run();
    assert_eq!((world.tries(OPS).len(), world.letters().len()), (1, 2), "its letters wait");
    world.simulate(OPS);
    world.run();
    assert_eq!(world.news(OPS), [News::Opened, News::Resolved], "a test is sent all the same");
    for letter in world.letters() {
        world.send(letter.look);
    }
    world.run();
    assert_eq!(world.news(OPS).len(), 3, "the target is on again");
}

#[test]
fn a_target_that_the_document_does_not_have_gets_a_letter() {
    let mut world = World::new();
    world.open();
    let mut look = world.look_of(OPS);
    look.target = "missing".to_owned();
    world.send(look);
    world.run();
    let letters = world.letters();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].message.contains("has no target with this name"), "{}", letters[0].message);
}

#[test]
fn a_snoozed_or_disabled_alert_is_told_when_its_pause_ends() {
    let mut world = World::new();
    world.open();
    world.act(Act::Disable);
    world.run();
    assert_eq!(world.news(OPS), []);
    world.act(Act::Enable);
    world.look();
    world.run();
    assert_eq!(world.news(OPS), [News::Opened]);
    world.act(Act::Snooze(world.now().plus_seconds(HOUR)));
    world.raise();
    world.look();
    world.run();
    assert_eq!(world.news(OPS), [News::Opened]);
    world.resolve();
    world.look();
    world.run();
    assert_eq!(world.news(OPS), [News::Opened, News::Resolved], "an end is told also in a pause");
}

#[test]
fn an_alert_of_a_backlog_is_recorded_and_told_to_nobody() {
    let mut world = World::new();
    world.open_by_backlog();
    world.look();
    world.run();
    world.resolve();
    world.look();
    world.run();
    assert_eq!(world.news(OPS), []);
    assert!(world.letters().is_empty());
}

#[test]
fn a_target_that_asks_for_digests_gets_one_about_the_alerts_of_a_backlog() {
    let mut world = World::new();
    world.answers("mail", &[Answer::Failed]);
    world.open_by_backlog();
    for _ in 0..2 {
        world.send(world.look_of("mail"));
    }
    world.deliver_once();
    assert_eq!(world.news("mail"), []);
    world.resolve();
    world.send(world.look_of("mail"));
    world.run();
    assert_eq!(world.news("mail"), [News::Digest]);
    let tries = world.tries("mail");
    assert_eq!(tries.len(), 2, "the first one failed");
    assert_eq!(tries[0].0 - world::NOW, 900);
    assert_eq!((tries[1].0 - tries[0].0, &tries[0].1), (5, &tries[1].1));
    let digest = &world.all("mail")[1].summary;
    assert!(
        digest.starts_with("1 alerts opened in events") && digest.ends_with(": hot 1"),
        "{digest}"
    );
    // Other targets, and alerts of what comes now, have no part in it.
    assert_eq!(world.news(OPS), []);
    world.pass(10);
    world.reopen();
    world.send(world.look_of("mail"));
    world.run();
    assert_eq!(world.news("mail"), [News::Digest, News::Opened]);
}

#[test]
fn a_digest_that_a_target_never_takes_becomes_a_letter_and_a_replay_sends_it() {
    let mut world = World::new();
    world.answers("mail", &[Answer::Failed; 8]);
    world.open_by_backlog();
    world.send(world.look_of("mail"));
    world.run();
    assert_eq!((world.news("mail"), world.letters().len()), (vec![], 1));
    let letter = world.letters().remove(0);
    assert_eq!((letter.news, letter.look.digest), (News::Digest, true));
    world.send(letter.look);
    world.run();
    assert_eq!(world.news("mail"), [News::Digest]);
}

#[test]
fn an_opening_that_has_to_be_settled_waits_for_that() {
    let mut world = World::new();
    world.settled_rule();
    world.open();
    world.deliver_once();
    assert_eq!(world.news(OPS), []);
    world.release();
    world.run();
    assert_eq!(world.news(OPS), [News::Opened]);
    assert!(world.tries(OPS)[0].0 < world::NOW + 60, "before the subject counts as silent");
}

#[test]
fn an_opening_of_a_subject_that_fell_silent_counts_as_settled_after_a_time() {
    let mut world = World::new();
    world.settled_rule();
    world.open();
    world.run();
    assert_eq!(world.news(OPS), [News::Opened]);
    let told_at = world.tries(OPS)[0].0 - world::NOW;
    assert!((180..=240).contains(&told_at), "lateness 60 and idle 120 seconds: {told_at}");
}

#[test]
fn an_alertmanager_is_told_again_while_an_alert_fires_and_twice_of_its_end() {
    let mut world = World::new();
    world.open();
    world.run_until(NOW_AND_AN_HOUR);
    let at: Vec<i64> = world.arrivals("am").iter().map(|(at, _)| at - world::NOW).collect();
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] <= 330), "{at:?}");
    assert!((11..=13).contains(&at.len()), "one in five minutes: {at:?}");
    world.resolve();
    world.look();
    world.run();
    let ends = world.arrivals("am").into_iter().filter(|(_, news)| *news == News::Resolved);
    assert_eq!(ends.count(), 2);
    assert_eq!(world.news(OPS), [News::Opened, News::Resolved]);
}

const NOW_AND_AN_HOUR: i64 = world::NOW + HOUR;

#[test]
fn a_rise_is_told_although_the_opening_moved_afterwards() {
    let mut world = World::new();
    world.open();
    world.run();
    world.raise();
    world.shift();
    world.act(Act::Acknowledge);
    world.shift();
    world.look();
    world.look();
    world.run();
    assert_eq!(world.news(OPS), [News::Opened, News::Raised, News::Acknowledged]);
}

/// Of two hundred messages about a target that hangs, the first few are tried and the others wait outside.
#[test]
fn a_target_that_hangs_holds_only_a_few_messages() {
    let world = World::new();
    assert_eq!(world.invoke_while_hanging(200), 4);
    let state = world.memory.state();
    assert_eq!(state.outputs.postponed.len(), 196);
    let mut waits = state.outputs.postponed.iter().map(|(_, seconds)| *seconds);
    assert!(waits.all(|seconds| (20..60).contains(&seconds)));
}

#[test]
fn a_simulated_alert_goes_the_whole_way_and_ends_after_a_minute() {
    let mut world = World::new();
    let id = world.simulate(OPS);
    world.run();
    assert_eq!(world.news(OPS), [News::Opened, News::Resolved]);
    let tries = world.tries(OPS);
    assert_eq!(tries[1].0 - tries[0].0, 60);
    let of = drover_core::outputs::notifications::deliveries::DeliveriesOf::Alert(id);
    let read = futures_util::FutureExt::now_or_never(world.memory.deliveries(&world.scope(), &of));
    let deliveries = read.unwrap().unwrap().answer;
    assert_eq!(deliveries.to_json().unwrap()[0]["transition"], "resolved");
    assert!(deliveries.simulated().unwrap().is_some());
}

#[test]
fn an_alert_that_is_gone_is_withdrawn_where_it_was_told() {
    let mut world = World::new();
    world.open();
    world.run();
    world.forget();
    world.look();
    world.run();
    assert_eq!(world.news(OPS), [News::Opened, News::Retracted]);
}

#[test]
fn the_withdrawal_of_an_alert_that_is_gone_has_one_id_and_is_given_up_like_other_news() {
    let mut world = World::new();
    world.open();
    world.run();
    world.forget();
    world.answers(OPS, &[Answer::Failed; 8]);
    world.look();
    world.run();
    let tries = world.tries(OPS).split_off(1);
    assert_eq!(tries.len(), 8);
    assert!(tries.iter().all(|(_, id)| *id == tries[0].1), "{tries:?}");
    assert_eq!(world.letters().len(), 1);
}

#[test]
fn an_end_that_seemed_to_fail_is_followed_by_an_opening_if_the_alert_fires_again() {
    let mut world = World::new();
    world.open();
    world.run_until(world::NOW);
    world.pass(10);
    world.resolve();
    world.answers(OPS, &[Answer::Lost, Answer::Failed]);
    world.look();
    world.deliver_once();
    world.continue_episode();
    world.look();
    world.run();
    assert_eq!(world.news(OPS), [News::Opened, News::Resolved, News::Opened]);
}

#[test]
fn an_opening_keeps_its_id_while_it_is_tried_and_the_alert_changes() {
    let mut world = World::new();
    world.answers(OPS, &[Answer::Failed; 3]);
    world.open();
    for _ in 0..3 {
        world.deliver_once();
        world.pass(5);
        world.raise();
        world.shift();
        world.look();
    }
    world.run();
    let tries = world.tries(OPS);
    assert_eq!(tries.len(), 4);
    assert!(tries.iter().all(|(_, id)| *id == tries[0].1), "{tries:?}");
    assert_eq!(world.all(OPS)[3].severity, "critical");
}

#[test]
fn a_target_that_was_told_that_an_alert_is_over_is_told_that_it_never_was() {
    let mut world = World::new();
    world.open();
    world.pass(10);
    world.run_until(world::NOW + 10);
    world.resolve();
    world.look();
    world.run_until(world::NOW + 100);
    world.retract();
    world.look();
    world.run();
    assert_eq!(world.news(OPS), [News::Opened, News::Resolved, News::Retracted]);
}

#[test]
fn messages_about_an_alert_that_fires_add_no_repetitions() {
    let mut world = World::new();
    world.open();
    world.run_until(world::NOW + 10);
    for _ in 0..20 {
        world.send(world.look_of("am"));
    }
    world.run_until(NOW_AND_AN_HOUR);
    let repeated = world.arrivals("am").len();
    assert!((11..=13).contains(&repeated), "{repeated}");
    assert_eq!(world.waiting(), 1, "one message goes on");
}

#[test]
fn a_message_about_a_target_that_is_not_known_yet_waits_once() {
    let mut world = World::new();
    world.open();
    let mut look = world.look_of(OPS);
    look.target = "new".to_owned();
    assert_eq!(world.receive_first(&look), 90);
    assert!(world.letters().is_empty());
}

#[test]
fn a_foreign_message_and_a_foreign_event_are_refused() {
    let world = World::new();
    assert_eq!(world.invoke_with("{}"), Ok(1), "an unreadable message comes again");
    let refused = world.invoke_raw(r#"{"Records":[{"eventSource":"aws:s3"}]}"#);
    assert!(refused.unwrap_err().starts_with("this function accepts SQS messages"));
}

#[test]
fn simulated_alerts_have_ids_of_their_own() {
    let new =
        |random| Simulated::new(Severity::Info, "a test".to_owned(), "ann", (second(5), random)).id;
    assert_ne!(new(1), new(2));
    assert_eq!(new(1).first_opened_at(), second(5));
}
