//! All limits of the crate (promise 10: they hold for every input).

use std::time::Duration;

/// Maximum size of an accepted record's value, in bytes.
pub const RECORD_BYTES: usize = 64 * 1024;
/// Maximum size of an event envelope written by ingest: a payload of [`RECORD_BYTES`] and the other
/// fields.
pub const ENVELOPE_BYTES: usize = RECORD_BYTES + 4096;
/// Maximum size of a record that a transform reads, in bytes of its value. Larger values are never
/// parsed.
pub const TRANSFORMED_BYTES: usize = 1024 * 1024;
/// Maximum number of elements of a record.
pub const ELEMENTS: usize = 1_000;
/// Maximum size of all elements of a record, in bytes of their JSON.
pub const ELEMENTS_BYTES: usize = 1024 * 1024;
/// Maximum length of a rejection's JSON Pointer, in bytes. Its names come from the sender.
pub const REJECTION_PATH_BYTES: usize = 256;
/// Maximum length of the name of a person who applied a document, in bytes.
pub const APPLIED_BY_BYTES: usize = 256;
/// Maximum number of stored contracts. Listings read all their names from one document.
pub const CONTRACTS: usize = 1_000;
/// Maximum number of tenants that have feeds and a prefix or a ledger table of their own; the revision document lists them.
pub const OWN_FEEDS: usize = 1_000;
/// Maximum number of tenants and topics that ask for a compatibility of contracts.
pub const COMPATIBILITY_RULES: usize = 1_000;
/// Maximum size of a registry document, in bytes.
pub const DOCUMENT_BYTES: usize = 256 * 1024;
/// Maximum number of variants of a contract.
pub const VARIANTS: usize = 4;
/// Maximum number of alternative paths of a source.
pub const ALTERNATIVES: usize = 4;
/// Maximum number of members that a contract excludes from a record's identity.
pub const IDENTITY_EXCEPT: usize = 16;
/// Maximum number of sources of a natural key.
pub const IDENTITY_SOURCES: usize = 8;
/// Maximum number of a contract's `ignore` rules.
pub const IGNORE_RULES: usize = 8;
/// Maximum number of subject kinds over all stored contracts. A listing without a kind reads all of
/// them.
pub const KINDS: usize = 64;
/// Maximum number of API keys of a tenant.
pub const KEYS: usize = 20;
/// Maximum number of cached entries of each kind (tenants, contracts, topics, keys) in a registry.
pub const REGISTRY_ENTRIES: usize = 1024;
/// Maximum encoded size of a view before compression, in bytes, without the states of alert rules.
pub const VIEW_BYTES: usize = 16 * 1024;
/// Maximum size of a payload in `latest`. For a larger payload `latest` keeps only the position.
pub const LATEST_PAYLOAD_BYTES: usize = 1024;
/// Payload bytes that `latest` always keeps. Payloads above this are dropped if the view would
/// exceed [`VIEW_BYTES`].
pub const LATEST_FREE_BYTES: usize = 2 * 1024;
/// Maximum number of event types in `latest`.
pub const LATEST_TYPES: usize = 10;
/// Maximum number of measures in a view.
pub const MEASURES: usize = 10;
/// Maximum length of a measure's name, in bytes.
pub const MEASURE_NAME_BYTES: usize = 64;
/// Maximum length of a measure's unit, in bytes.
pub const UNIT_BYTES: usize = 32;
/// Maximum number of status values with a duration of their own in a view.
pub const STATUSES: usize = 10;
/// Maximum length of a status value, in bytes.
pub const STATUS_BYTES: usize = 64;
/// Maximum number of open lessons of a learner.
pub const OPEN_LESSONS: usize = 10;
/// Maximum number of completed lessons in a view. Older ones are only counted.
pub const FINISHED_LESSONS: usize = 30;

/// Maximum number of alert rules of a tenant.
pub const RULES: usize = 100;
/// Maximum number of alert rules about one contract.
pub const RULES_OF_CONTRACT: usize = 10;
/// Maximum number of rules of which a subject has a state at one time.
pub const RULE_STATES: usize = 10;
/// Maximum length of the name of an alert rule, in bytes.
pub const RULE_ID_BYTES: usize = 64;
/// Maximum number of a tenant's targets of notifications.
pub const TARGETS: usize = 20;
/// Maximum length of the name of a target, in bytes.
pub const TARGET_ID_BYTES: usize = 64;
/// Maximum number of comparisons in all conditions of an alert rule.
pub const RULE_PARTS: usize = 16;
/// Maximum nesting of `all` and `any` in a condition.
pub const CONDITION_DEPTH: usize = 3;
/// Maximum number of labels of an alert rule.
pub const RULE_LABELS: usize = 20;
/// Maximum number of targets of an alert rule.
pub const RULE_TARGETS: usize = 10;
/// Maximum length of the summary, the description and each label of an alert rule, in bytes.
pub const RULE_TEXT_BYTES: usize = 512;
/// Maximum number of events for which a condition of an alert rule has to hold.
pub const RULE_EVENTS: u32 = 1_000;
/// Maximum number of seconds in an alert rule: 31 days.
pub const RULE_SECONDS: i64 = 31 * 24 * 60 * 60;
/// Seconds from `apply` until a version of rules is in force, so that every environment knows the version then.
pub const RULES_START_SECONDS: i64 = 90;

/// Size limits of the ledger's items. They are a parameter so that tests reach every branch with
/// few events; other code uses [`ItemLimits::STANDARD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemLimits {
    /// Maximum size of a slice in its head, in bytes before compression. A larger record gets a
    /// slice of its own.
    pub slice_bytes: usize,
    /// Target size of a head item: one write unit.
    pub head_target_bytes: usize,
    /// Number of newest entries that stay in the tail when older entries are frozen, so that
    /// slightly late events need no correction.
    pub keep_entries: usize,
    /// The same limit in bytes before compression: large payloads do not stay for this purpose.
    pub keep_bytes: usize,
    /// Maximum encoded size of a page's entries. A larger page is halved until one entry is left.
    /// Late events rewrite whole pages, so pages are small.
    pub page_bytes: usize,
    /// Maximum encoded size of the entries from one keyframe to the next.
    pub frame_bytes: u64,
    /// Number of pages that one read of a fold returns.
    pub read_pages: usize,
    /// Bytes of entries that a reader may have to fold because views are out of date, before a commit
    /// brings the views up to date at once.
    pub stale_bytes: u64,
    /// Maximum number of pages that one transaction writes. Halves count as pages.
    pub write_pages: usize,
    /// Maximum bytes of these pages, as DynamoDB counts items.
    pub write_bytes: usize,
}

impl ItemLimits {
    /// The limits in production.
    pub const STANDARD: Self = Self {
        slice_bytes: 64 * 1024,
        head_target_bytes: 1024,
        keep_entries: 4,
        keep_bytes: 2 * 1024,
        page_bytes: 3 * 1024,
        frame_bytes: 16 * 1024,
        read_pages: FOLD_PAGES,
        stale_bytes: 2 * 1024 * 1024,
        write_pages: TRANSACTION_ITEMS - 1,
        write_bytes: 3_000_000,
    };
}

/// Maximum number of items in a DynamoDB transaction: a head and its pages.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
pub const TRANSACTION_ITEMS: usize = 100;
/// Maximum bytes of a transaction. DynamoDB's limit is 4 MB.
pub const TRANSACTION_BYTES: usize = 3_500_000;
/// Maximum size of a DynamoDB item in bytes, including attribute names.
pub const ITEM_BYTES: usize = 400 * 1024;
const _: () = assert!(ItemLimits::STANDARD.write_bytes + ITEM_BYTES <= TRANSACTION_BYTES);

/// Maximum decompressed size of a head or page.
pub const UNPACKED_BYTES: usize = 4 * 1024 * 1024;
/// Maximum uncompressed size of a page's entries, for entries that compress extremely well. A
/// correction adds one slice or record before it halves a page.
pub const PAGE_PLAIN_BYTES: usize = 256 * 1024;
/// Maximum number of attempts of a commit against other writers.
pub const COMMIT_ATTEMPTS: u32 = 12;
/// Maximum number of subjects of a listing. That many index entries stay below DynamoDB's result
/// page of 1 MB.
pub const LISTED_SUBJECTS: usize = 1_000;
/// Number of pages per read of a bounded part of a history.
pub const READ_PAGES: usize = 100;
/// Number of pages per read where many pages are folded: DynamoDB rounds each read up to 4 KB.
pub const FOLD_PAGES: usize = 500;
/// Maximum number of attempts of a read against concurrent writers.
pub const READ_ATTEMPTS: u32 = 12;
/// Days that a page outlives its last entry's retention: DynamoDB's TTL deletes late and in no
/// order, and a redelivered event must still find its duplicate.
pub const PAGE_GRACE_DAYS: i64 = 15;
/// Keyframes outlive other pages by this many days, so that the pages behind a keyframe are gone before
/// the keyframe is, and retention always leaves a keyframe.
pub const KEYFRAME_GRACE_DAYS: i64 = 6;
/// Maximum time from the first entry of a keyframe to the last entry of a page that is no keyframe.
pub const FRAME_SECONDS: i64 = 5 * 24 * 60 * 60;
/// Views are brought up to date this long before the pages that this needs may expire.
pub const CARRY_BEFORE_SECONDS: i64 = 5 * 24 * 60 * 60;
/// Views are brought up to date when they have been out of date this long.
pub const CARRY_AFTER_SECONDS: i64 = 60 * 60;
/// Maximum size in a head of the positions that its commit inserted into pages, in bytes.
pub const NOTE_BYTES: usize = 8 * 1024;
/// Number of entries of a history that are read at once to tell others of them.
pub const WALK_ENTRIES: usize = 500;
/// The same limit in bytes before compression; the last entry may exceed it.
pub const WALK_BYTES: usize = 256 * 1024;
/// Number of entries that are read at once to find those that a commit inserted into pages: about four pages.
pub const FOUND_ENTRIES: usize = 32;
/// A head that a warm environment has cached for longer is read again before pages are sealed from it.
pub const WARM_HEAD_SECONDS: i64 = 15 * 60;
/// Maximum length of a course or lesson id, in bytes.
pub const LESSON_ID_BYTES: usize = 128;
/// Maximum size of all lessons of a view, in bytes. Forty lessons with UUIDs stay well below.
pub const LESSONS_BYTES: usize = 7 * 1024;

/// Exponential, with full jitter: a random part of 10 ms doubled per attempt, at most 1 s.
pub(crate) fn backoff(attempt: u32, random: u64) -> Duration {
    const FIRST_MICROS: u64 = 10_000;
    const MOST_MICROS: u64 = 1_000_000;
    let ceiling = FIRST_MICROS.saturating_mul(1 << attempt.min(10)).min(MOST_MICROS);
    Duration::from_micros(random % ceiling.max(1))
}
