//! Kafka clients of other vendors; each call is a Python process:
//! `tests/services/clients/stream.py`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64_simd::STANDARD;
use serde_json::{Value, json};

use crate::services::Services;

/// The clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// Based on librdkafka.
    Confluent,
    /// Pure Python. It does not support null headers, and writes empty headers.
    KafkaPython,
}

/// Both clients.
pub(crate) const CLIENTS: [Client; 2] = [Client::Confluent, Client::KafkaPython];

/// A record that a client writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Written {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    /// `None`: the client's clock.
    pub(crate) timestamp: Option<i64>,
    /// `None`: chosen by the key.
    pub(crate) partition: Option<i32>,
}

/// A record that a client reads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Partition and offset.
pub(crate) type RecordLocation = (i32, i64);

impl Client {
    /// Writes records and returns the location of each.
    pub(crate) fn produce(
        self,
        bootstrap: &str,
        topic: &str,
        records: &[Written],
    ) -> Vec<RecordLocation> {
        self.produce_packed(bootstrap, topic, "none", records)
    }

    /// Like [`Self::produce`], with a codec.
    pub(crate) fn produce_packed(
        self,
        bootstrap: &str,
        topic: &str,
        codec: &str,
        records: &[Written],
    ) -> Vec<RecordLocation> {
        self.write(bootstrap, &["produce", topic, codec], records)
    }

    /// Like [`Self::produce`], in one transaction.
    pub(crate) fn produce_together(
        self,
        bootstrap: &str,
        topic: &str,
        records: &[Written],
    ) -> Vec<RecordLocation> {
        self.write(bootstrap, &["transaction", topic], records)
    }

    fn write(self, bootstrap: &str, words: &[&str], records: &[Written]) -> Vec<RecordLocation> {
        let lines: String = records.iter().map(line).collect();
        let answers = self.run(bootstrap, words, lines);
        assert_eq!(answers.len(), records.len());
        let place = |answer: &Value| (partition(answer), answer["offset"].as_i64().unwrap());
        answers.iter().map(place).collect()
    }

    /// Every record of a topic.
    pub(crate) fn consume(self, bootstrap: &str, topic: &str) -> Vec<Read> {
        let lines = self.run(bootstrap, &["consume", topic], String::new());
        let read = lines.iter().map(|line| Read {
            partition: partition(line),
            offset: line["offset"].as_i64().unwrap(),
            key: unpacked(&line["key"]),
            value: unpacked(&line["value"]),
            headers: headers(&line["headers"]),
        });
        read.collect()
    }

    /// The committed offsets of a group.
    pub(crate) fn committed(self, bootstrap: &str, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        let lines = self.run(bootstrap, &["committed", group, topic], String::new());
        let offsets = lines[0].as_object().unwrap().iter();
        let offset = |(partition, offset): (&String, &Value)| {
            (partition.parse().unwrap(), offset.as_i64().unwrap())
        };
        offsets.map(offset).collect()
    }

    /// Commits offsets for a group.
    pub(crate) fn commit(
        self,
        bootstrap: &str,
        group: &str,
        topic: &str,
        offsets: &BTreeMap<i32, i64>,
    ) {
        self.run(bootstrap, &["commit", group, topic], json!(offsets).to_string());
    }

    fn run(self, bootstrap: &str, words: &[&str], input: String) -> Vec<Value> {
        let name = match self {
            Self::Confluent => "confluent",
            Self::KafkaPython => "kafka-python",
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/services/clients");
        let mut command = Command::new(&Services::needed().python);
        command.arg(script.join("stream.py")).args([name, bootstrap]).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // The process reads its whole input before it writes.
        let fed = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} {words:?}: {said}");
        fed.join().unwrap().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Written {
    /// A record with this text.
    pub(crate) fn of(key: &str, value: impl ToString) -> Self {
        let (key, value) = (Some(key.into()), Some(value.to_string().into_bytes()));
        Self { key, value, ..Self::default() }
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), Some(value.as_ref().to_vec())));
        self
    }
}

fn line(record: &Written) -> String {
    let packed =
        |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| STANDARD.encode_to_string(bytes));
    let headers = record.headers.iter().map(|(name, value)| json!([name, packed(value)]));
    let mut line = json!({
        "key": packed(&record.key), "value": packed(&record.value), "headers": headers.collect::<Vec<_>>(),
    });
    // Absent fields get the client's own defaults.
    if let Some(timestamp) = record.timestamp {
        line["timestamp"] = json!(timestamp);
    }
    if let Some(partition) = record.partition {
        line["partition"] = json!(partition);
    }
    format!("{line}\n")
}

fn partition(line: &Value) -> i32 {
    i32::try_from(line["partition"].as_i64().unwrap()).unwrap()
}

fn unpacked(value: &Value) -> Option<Vec<u8>> {
    value.as_str().map(|text| STANDARD.decode_to_vec(text).unwrap())
}

fn headers(list: &Value) -> Vec<(String, Option<Vec<u8>>)> {
    let header = |one: &Value| (one[0].as_str().unwrap().to_owned(), unpacked(&one[1]));
    list.as_array().unwrap().iter().map(header).collect()
}
