//! Batches of entries: how entries are split into batches, and which entry an answer is about.

use std::collections::HashMap;

use drover_core::base::error::{Reason, Unavailable};

use crate::calls::Failure;
use crate::said::Said;

/// A service's limits for one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchLimits {
    /// The most entries.
    pub(super) entries: usize,
    /// The most bytes of all entries together.
    pub(super) bytes: usize,
}

/// Splits entries into as few batches as the limits allow, in order. An entry above the limit gets a batch of
/// its own, which the service rejects.
pub(super) fn batches<T>(
    entries: &[T],
    limits: BatchLimits,
    bytes: impl Fn(&T) -> usize,
) -> Vec<&[T]> {
    let (mut batches, mut rest) = (Vec::new(), entries);
    while !rest.is_empty() {
        let mut sum = 0_usize;
        let fitting = rest.iter().take(limits.entries).take_while(|entry| {
            sum = sum.saturating_add(bytes(entry));
            sum <= limits.bytes
        });
        let (batch, later) = rest.split_at(fitting.count().max(1));
        batches.push(batch);
        rest = later;
    }
    batches
}

/// One result for each entry, in order. The id of an entry is its index in the batch. `unmentioned` is the
/// result of an entry that the answer leaves out.
pub(super) fn by_index<R>(
    count: usize,
    answered: impl Iterator<Item = (String, R)>,
    unmentioned: impl Fn() -> R,
) -> Vec<R> {
    let mut by_id: HashMap<String, R> = answered.collect();
    let result = |index: usize| by_id.remove(&index.to_string()).unwrap_or_else(&unmentioned);
    (0..count).map(result).collect()
}

/// What a service says about an entry that it did not accept.
pub(super) struct FailedEntry<'a> {
    /// What the call does, such as `sending a message`.
    pub(super) operation: &'a str,
    pub(super) code: &'a str,
    pub(super) said: Option<&'a str>,
    /// Whether the service says that the sender is at fault.
    pub(super) is_sender_fault: bool,
}

impl FailedEntry<'_> {
    /// The failure as the core's error.
    pub(super) fn unavailable(&self) -> Unavailable {
        let Self { operation, code, said, is_sender_fault } = self;
        let reason = match Failure::of_code(code) {
            // The service says who is at fault, even with an unknown code.
            Failure::Unknown if *is_sender_fault => Reason::Bug,
            failure => failure.reason(),
        };
        let said = Said(said.unwrap_or("nothing"));
        Unavailable::new(reason, format!("{operation} failed: code=`{code}` said=`{said}`"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: BatchLimits = BatchLimits { entries: 10, bytes: 1024 * 1024 };

    fn check(sizes: &[usize], expected: &[usize]) {
        let batches = batches(sizes, LIMITS, |size| *size);
        let counts: Vec<usize> = batches.iter().map(|batch| batch.len()).collect();
        assert_eq!(counts, expected, "sizes {sizes:?}");
    }

    #[test]
    fn a_batch_ends_at_its_number_of_entries_or_bytes() {
        check(&[], &[]);
        check(&[1; 10], &[10]);
        check(&[1; 21], &[10, 10, 1]);
        check(&[512 * 1024; 3], &[2, 1]);
        check(&[1, 1024 * 1024, 1], &[1, 1, 1]);
    }

    #[test]
    fn an_entry_over_the_limit_gets_a_batch_of_its_own() {
        check(&[1, 2 * 1024 * 1024, 1], &[1, 1, 1]);
        check(&[2 * 1024 * 1024], &[1]);
    }

    proptest! {
        #[test]
        fn batches_hold_every_entry_in_order_and_each_is_as_full_as_it_can_be(
            sizes in prop::collection::vec(0..600_usize, 0..60),
            entries in 1..12_usize,
            bytes in 0..1_000_usize,
        ) {
            let limits = BatchLimits { entries, bytes };
            let batches = batches(&sizes, limits, |size| *size);
            prop_assert_eq!(&batches.concat(), &sizes);
            let sum = |batch: &[usize]| batch.iter().sum::<usize>();
            for batch in &batches {
                prop_assert!((1..=entries).contains(&batch.len()));
                prop_assert!(batch.len() == 1 || sum(batch) <= bytes);
            }
            for pair in batches.windows(2) {
                let fits = pair[0].len() < entries && sum(pair[0]) + pair[1][0] <= bytes;
                prop_assert!(!fits, "the entry after a batch would have fitted into it");
            }
        }
    }

    #[test]
    fn results_are_in_the_order_of_the_entries_whatever_the_order_of_the_answer() {
        let answered = [("2", "c"), ("0", "a"), ("7", "x")];
        let answered = answered.into_iter().map(|(id, result)| (id.to_owned(), result));
        assert_eq!(by_index(3, answered, || "unmentioned"), ["a", "unmentioned", "c"]);
    }
}
