//! Every bound of the crate, in one place (promise 10: whatever arrives, these hold).

use std::time::Duration;

/// The largest record that is taken, in bytes of its value.
pub const RECORD_BYTES: usize = 64 * 1024;
/// The largest envelope of an event that ingest writes: a payload of [`RECORD_BYTES`] and the
/// fields around it.
pub const ENVELOPE_BYTES: usize = RECORD_BYTES + 4096;
/// The longest JSON Pointer that a rejection carries, in bytes: its names are the sender's.
pub const REJECTION_PATH_BYTES: usize = 256;
/// The largest document of the registry, in bytes.
pub const DOCUMENT_BYTES: usize = 256 * 1024;
/// Variants of one contract.
pub const VARIANTS: usize = 4;
/// Places that one source may look at, in turn.
pub const ALTERNATIVES: usize = 4;
/// Members that a contract leaves out of a record's identity.
pub const IDENTITY_EXCEPT: usize = 16;
/// Sources of a natural key.
pub const IDENTITY_SOURCES: usize = 8;
/// Rules of a contract about records that it ignores.
pub const IGNORE_RULES: usize = 8;
/// Kinds of subjects of stored contracts. A listing without a kind goes through all of them.
pub const KINDS: usize = 64;
/// API keys of one tenant.
pub const KEYS: usize = 20;
/// Entries of each kind (tenants, contracts, topics, keys) that a warm registry holds.
pub const REGISTRY_ENTRIES: usize = 1024;
/// The largest view, in bytes as stored before compression.
pub const VIEW_BYTES: usize = 16 * 1024;
/// The largest payload that `latest` keeps; of a larger one it keeps the position only.
pub const LATEST_PAYLOAD_BYTES: usize = 1024;
/// Payload bytes that `latest` keeps in any case. Above that, payloads give way where the view would
/// pass [`VIEW_BYTES`].
pub const LATEST_FREE_BYTES: usize = 2 * 1024;
/// Event types of which a view keeps the latest.
pub const LATEST_TYPES: usize = 10;
/// Measures of one view.
pub const MEASURES: usize = 10;
/// The longest name of a measure, in bytes.
pub const MEASURE_NAME_BYTES: usize = 64;
/// The longest unit of a measure, in bytes.
pub const UNIT_BYTES: usize = 32;
/// Status values whose time one view sums up.
pub const STATUSES: usize = 10;
/// The longest status value, in bytes.
pub const STATUS_BYTES: usize = 64;
/// Lessons of one learner that may be open at once.
pub const OPEN_LESSONS: usize = 10;
/// Finished lessons of one learner that a view keeps; the oldest go into a count.
pub const FINISHED_LESSONS: usize = 30;

/// The sizes that the ledger cuts its items to. A parameter, so that tests reach every branch with
/// few events; everything else uses [`ItemLimits::STANDARD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemLimits {
    /// What one slice may add up to in its head, in bytes before compression; a single record over
    /// it makes a slice of its own.
    pub slice_bytes: usize,
    /// What a head item should cost: one write unit.
    pub head_target_bytes: usize,
    /// Newest entries that stay in the tail when the older ones are frozen, so that events which
    /// are a little late find their place without a correction.
    pub keep_entries: usize,
    /// The same in bytes before compression: large payloads are not kept for this.
    pub keep_bytes: usize,
    /// The most that the entries of a page take, encoded; a larger page is halved until a single
    /// entry is left.
    pub page_bytes: usize,
    /// Pages that one correction reads.
    pub carry_pages: usize,
    /// The most pages that one correction writes. Halves count as pages.
    pub write_pages: usize,
    /// The most bytes of those pages, as DynamoDB counts items.
    pub write_bytes: usize,
}

impl ItemLimits {
    /// What every ledger in use is cut to.
    pub const STANDARD: Self = Self {
        slice_bytes: 64 * 1024,
        head_target_bytes: 1024,
        keep_entries: 4,
        keep_bytes: 2 * 1024,
        page_bytes: 16 * 1024,
        carry_pages: 80,
        write_pages: TRANSACTION_ITEMS - 1,
        write_bytes: 3_000_000,
    };
}

/// The most items of one transaction of DynamoDB: a head and its pages.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
pub const TRANSACTION_ITEMS: usize = 100;
/// The most bytes of the items of one transaction. DynamoDB takes 4 MB.
pub const TRANSACTION_BYTES: usize = 3_500_000;
/// The largest item of DynamoDB, in bytes, names of attributes included.
pub const ITEM_BYTES: usize = 400 * 1024;
const _: () = assert!(ItemLimits::STANDARD.write_bytes + ITEM_BYTES <= TRANSACTION_BYTES);

/// The largest plain size of a head's or page's texts that is unpacked.
pub const UNPACKED_BYTES: usize = 4 * 1024 * 1024;
/// The largest page, in plain bytes of its entries: whatever compresses to nothing is halved by
/// this. A correction adds one slice or record before it halves.
pub const PAGE_PLAIN_BYTES: usize = 256 * 1024;
const _: () = assert!(PAGE_PLAIN_BYTES + VIEW_BYTES + 2 * RECORD_BYTES < UNPACKED_BYTES);
/// How often one commit may lose against other writers before it gives up.
pub const COMMIT_ATTEMPTS: u32 = 12;
/// A transaction's items are taken to be seen whole within this: AWS documents no bound. It is waited
/// for only where pages are missing.
pub const TRANSACTION_SEEN_WITHIN: Duration = Duration::from_secs(1);
/// Subjects of one listing. As many places of the index stay below the megabyte of one answer.
pub const LISTED_SUBJECTS: usize = 1_000;
/// Pages that a reader asks for at once.
pub const READ_PAGES: usize = 100;
/// How often a reader may find that a writer was faster before it gives up.
pub const READ_ATTEMPTS: u32 = 12;
/// Pages outlive their last entry's retention by this, because DynamoDB's TTL deletes late and in
/// no order, and a redelivery must still find its duplicate.
pub const PAGE_GRACE_DAYS: i64 = 15;
/// The longest id of a course or a lesson, in bytes.
pub const LESSON_ID_BYTES: usize = 128;
/// All lessons of a view together, in bytes. Forty with UUIDs for ids stay well below.
pub const LESSONS_BYTES: usize = 7 * 1024;
