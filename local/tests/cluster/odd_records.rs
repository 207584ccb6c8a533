//! Records of every kind through a whole host (promises 3 and 5): each record is applied once, is a
//! duplicate of an applied event, or becomes a dead letter; and nothing is left waiting.

use std::collections::BTreeSet;

use serde_json::json;

use crate::broker::shared;
use crate::foreign::{CLIENTS, Client, Written};
use crate::site::{Counts, KEY, Site};
use crate::topic::{Topic, now};

/// The expected result of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Becomes {
    /// An event of the demo tenant.
    Applied,
    /// An event of the other tenant.
    Others,
    /// A duplicate.
    Duplicate,
    /// A dead letter with this code.
    Letter(&'static str),
}

use Becomes::{Applied, Duplicate, Letter, Others};

const ACME_KEY: &str = "drover-acme-key";
/// Larger than an event may be, and larger than a queue message may be.
const LARGE_BYTES: [usize; 2] = [70_000, 900_000];

/// Records in sending order; the number of a record is the id of its event.
struct Records {
    device: String,
    observed_at: String,
    all: Vec<(Written, Becomes)>,
}

impl Records {
    fn event(&self, id: usize, value: f64) -> String {
        json!({
            "device_id": self.device, "event_id": format!("e-{id}"), "event_type": "temperature",
            "timestamp": self.observed_at, "payload": {"value": value},
        })
        .to_string()
    }

    /// A valid record.
    fn good(&self) -> Written {
        self.good_but_for_its_tenant().with("tenant", "demo")
    }

    fn good_but_for_its_tenant(&self) -> Written {
        Written::of(&self.device, self.event(self.all.len(), 21.5))
    }

    fn add(&mut self, record: Written, becomes: Becomes) {
        self.all.push((record, becomes));
    }
}

fn records(client: Client) -> Vec<(Written, Becomes)> {
    let device = format!("odd-{client:?}");
    let observed_at = now().plus_seconds(-600).to_string();
    let mut records = Records { device, observed_at, all: Vec::new() };
    keys_and_values(&mut records, client);
    headers(&mut records);
    times(&mut records);
    // A batch of only unknown tenants would look like a deployment fault.
    for _ in 0..5 {
        records.add(records.good(), Applied);
    }
    records.all
}

fn keys_and_values(records: &mut Records, client: Client) {
    let first = records.good();
    let of_value =
        |records: &Records, value: &[u8]| Written { value: Some(value.to_vec()), ..records.good() };
    records.add(first.clone(), Applied);
    records.add(first, Duplicate);
    records.add(of_value(records, records.event(0, 99.0).as_bytes()), Letter("payload_mismatch"));
    records.add(Written { value: None, ..records.good() }, Letter("empty_value"));
    if client == Client::Confluent {
        // The other client cannot write such a record.
        records.add(Written { key: None, value: None, ..records.good() }, Letter("empty_value"));
        records.add(Written::default(), Letter("unknown_tenant"));
    }
    records.add(of_value(records, b""), Letter("malformed_json"));
    records.add(of_value(records, b"{"), Letter("malformed_json"));
    records.add(of_value(records, b"\xff\xfe{}"), Letter("malformed_json"));
    records.add(of_value(records, b"null"), Letter("schema_violation"));
    records.add(of_value(records, b"[]"), Letter("schema_violation"));
    records.add(Written { key: None, ..records.good() }, Applied);
    records.add(Written { key: Some(Vec::new()), ..records.good() }, Applied);
    records.add(Written { key: Some((0..=u8::MAX).collect()), ..records.good() }, Applied);
    for bytes in LARGE_BYTES {
        let mut large = records.event(records.all.len(), 21.5);
        large.insert_str(large.len() - 2, &format!(r#","more":"{}""#, "x".repeat(bytes)));
        records.add(of_value(records, large.as_bytes()), Letter("too_large"));
    }
}

fn headers(records: &mut Records) {
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let high_bytes: Vec<u8> = (128..=u8::MAX).collect();
    records.add(records.good().with("bytes", &every_byte).with("high", &high_bytes), Applied);
    records.add(records.good().with("twice", "1").with("twice", "2"), Applied);
    records.add(records.good().with("", "no name").with("empty", ""), Applied);
    records.add(records.good().with("Ünï", "ö"), Applied);
    let mut null = records.good();
    null.headers.push(("null".to_owned(), None));
    records.add(null, Applied);
    let many = (0..1_000).fold(records.good(), |good, at| good.with(&format!("h{at}"), "v"));
    records.add(many, Applied);
    // The last header counts, as with Kafka's own clients.
    records.add(records.good().with("tenant", "acme"), Others);
    records.add(records.good_but_for_its_tenant(), Letter("unknown_tenant"));
    let nameless = records.good_but_for_its_tenant();
    records.add(nameless.clone().with("tenant", ""), Letter("invalid_id"));
    records.add(nameless.clone().with("tenant", &high_bytes), Letter("invalid_id"));
    records.add(nameless.clone().with("tenant", "nobody"), Letter("unknown_tenant"));
    let mut null = nameless;
    null.headers.push(("tenant".to_owned(), None));
    records.add(null, Letter("invalid_id"));
    records.add(records.good().with("content-encoding", "br"), Letter("unsupported_encoding"));
}

fn times(records: &mut Records) {
    // The timestamp of a record counts only if it is plausible.
    let half_an_hour = now().plus_seconds(1_800).micros() / 1_000;
    records.add(Written { timestamp: Some(half_an_hour), ..records.good() }, Applied);
    records.add(Written { timestamp: Some(1), ..records.good() }, Applied);
}

pub(crate) async fn each_record_is_applied_a_duplicate_or_a_letter_for_every_client() {
    let cluster = shared().plain;
    let topic = Topic::new(&cluster, "odd").await;
    let site = Site::start(&cluster, topic.name()).await;
    let mut received = Vec::new();
    for client in CLIENTS {
        let records = records(client);
        let written: Vec<Written> = records.iter().map(|(record, _)| record.clone()).collect();
        let places = client.produce(&cluster, topic.name(), &written);
        received.push((client, records.into_iter().map(|(_, becomes)| becomes).zip(places)));
    }
    let received: Vec<_> = received
        .into_iter()
        .map(|(client, records)| (client, records.collect::<Vec<_>>()))
        .collect();
    let total: usize = received.iter().map(|(_, records)| records.len()).sum();
    let counts = site.has_handled(total).await;

    let letters = site.letters().await;
    let mut odd = Vec::new();
    let mut expected = Counts { applied: 0, duplicate: 0, rejected: 0 };
    for (client, records) in &received {
        let device = format!("odd-{client:?}");
        let mut ids = BTreeSet::new();
        for key in [KEY, ACME_KEY] {
            for (_, id, _) in site.history(&device, key).await {
                assert!(ids.insert((key, id.clone())), "{id} is there twice");
            }
        }
        for (number, (becomes, place)) in records.iter().enumerate() {
            let has = |key| ids.contains(&(key, format!("e-{number}")));
            let found = (has(KEY), has(ACME_KEY), letters.get(place).map(String::as_str));
            let is_as = match becomes {
                Applied => (true, false, None),
                Others => (false, true, None),
                Duplicate => (false, false, None),
                Letter(code) => (false, false, Some(*code)),
            };
            if found != is_as {
                odd.push(format!("{client:?} {number}: {becomes:?}, found {found:?}"));
            }
            match becomes {
                Applied | Others => expected.applied += 1,
                Duplicate => expected.duplicate += 1,
                Letter(_) => expected.rejected += 1,
            }
        }
    }
    assert_eq!(odd, Vec::<String>::new());
    // On a slow machine a lost response makes its event a duplicate.
    let Counts { applied, duplicate, rejected } = counts;
    assert_eq!(
        (applied + duplicate, rejected),
        (expected.applied + expected.duplicate, expected.rejected)
    );
    assert_eq!(u64::try_from(total).unwrap(), applied + duplicate + rejected);
    assert_eq!(letters.len(), usize::try_from(rejected).unwrap());
}
