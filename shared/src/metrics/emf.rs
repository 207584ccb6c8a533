//! CloudWatch's embedded metric format: one JSON line per tenant and invocation, to be written
//! straight to standard output (a log formatter would wrap it, and CloudWatch would not see it).
//!
//! Dimensions are the function, and the code for rejections: each combination is a metric that
//! costs money, so the tenant is a property, which is free and can be queried in the logs. An array
//! holds at most 100 values; further ones go into further lines, which carry nothing else, so that
//! no count is doubled.
//!
//! Limits from
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! A library (metrique) was tried: it neither cuts arrays at 100 nor counts metrics.

use serde_json::{Map, Value, json};

use crate::id::TenantId;
use crate::metrics::{Counts, DURATION, ERRORS, LAST_MESSAGE, Meter, Metric, Tally};
use crate::time::Timestamp;

/// The CloudWatch namespace.
pub const NAMESPACE: &str = "Drover";
const VALUES_PER_LINE: usize = 100;

/// Counts as lines, each given to a function that writes it: on Lambda to standard output.
pub struct Lines(pub fn(&str));

impl Meter for Lines {
    fn record(&self, function: &'static str, tally: &Tally, now: Timestamp) {
        for line in lines(function, tally, now) {
            (self.0)(&line);
        }
    }
}

/// Every line of one invocation.
pub fn lines(function: &str, tally: &Tally, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    for (tenant, counts) in &tally.tenants {
        let line = Line { function, tenant: tenant.as_ref(), now };
        lines.extend(line.counts(counts));
        let rest = counts.durations.chunks(VALUES_PER_LINE).skip(1);
        lines.extend(rest.map(|values| line.write(&["function"], vec![duration(values)])));
        lines.extend(counts.errors.iter().map(|(code, count)| line.error(code.as_str(), *count)));
    }
    lines
}

/// A metric: name, unit, value.
type Definition = (&'static str, &'static str, Value);

struct Line<'a> {
    function: &'a str,
    tenant: Option<&'a TenantId>,
    now: Timestamp,
}

impl Line<'_> {
    fn counts(&self, counts: &Counts) -> Option<String> {
        let mut metrics: Vec<Definition> = Vec::new();
        for metric in Metric::ALL {
            let count = counts.get(metric);
            if count > 0.0 {
                metrics.push((metric.name(), "Count", json!(count)));
            }
        }
        if let Some(values) = counts.durations.chunks(VALUES_PER_LINE).next() {
            metrics.push(duration(values));
        }
        if let Some(last) = counts.last_message {
            metrics.push((LAST_MESSAGE, "Seconds", json!(last.whole_seconds())));
        }
        (!metrics.is_empty()).then(|| self.write(&["function"], metrics))
    }

    fn error(&self, code: &str, count: u64) -> String {
        let metrics = vec![(ERRORS, "Count", json!(count))];
        self.write_with(&["function", "code"], metrics, [("code", code)])
    }

    fn write(&self, dimensions: &[&str], metrics: Vec<Definition>) -> String {
        self.write_with(dimensions, metrics, [])
    }

    fn write_with<const N: usize>(
        &self,
        dimensions: &[&str],
        metrics: Vec<Definition>,
        properties: [(&str, &str); N],
    ) -> String {
        let mut line = Map::new();
        let names: Vec<Value> =
            metrics.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        let directive =
            json!({"Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": names});
        let millis = self.now.micros().div_euclid(1_000);
        line.insert("_aws".into(), json!({"Timestamp": millis, "CloudWatchMetrics": [directive]}));
        line.insert("function".into(), json!(self.function));
        if let Some(tenant) = self.tenant {
            line.insert("tenant".into(), json!(tenant.as_str()));
        }
        line.extend(properties.map(|(name, value)| (name.to_owned(), json!(value))));
        line.extend(metrics.into_iter().map(|(name, _, value)| (name.to_owned(), value)));
        Value::Object(line).to_string()
    }
}

fn duration(values: &[f64]) -> Definition {
    (DURATION, "Seconds", json!(values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn tally(records: usize) -> Tally {
        let tenant = TenantId::parse("acme").expect("a tenant");
        let mut tally = Tally::default();
        let counts = tally.of(Some(&tenant));
        for _ in 0..records {
            counts.add(Metric::MessagesProcessed);
            counts.durations.push(0.5);
        }
        counts.add_error(Code::MalformedJson);
        tally
    }

    fn parsed(tally: &Tally) -> Vec<Value> {
        let now = Timestamp::from_millis(1_789_000_000_123).expect("in range");
        let lines = lines("processor", tally, now);
        lines.iter().map(|line| serde_json::from_str(line).expect("one JSON object")).collect()
    }

    #[test]
    fn a_line_names_each_of_its_metrics_and_nothing_else() {
        let line = &parsed(&tally(2))[0];
        assert_eq!(line["_aws"]["Timestamp"], 1_789_000_000_123_i64);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Dimensions"], json!([["function"]]));
        for metric in directive["Metrics"].as_array().expect("definitions") {
            let name = metric["Name"].as_str().expect("a name");
            assert!(line[name].is_number() || line[name].is_array(), "{name}");
        }
        assert_eq!(line["messages_processed_total"], 2.0);
        assert_eq!(line["tenant"], "acme", "a property, no dimension");
        assert!(line.get("events_processed_total").is_none(), "zero is left out");
    }

    #[test]
    fn arrays_end_at_100_values_and_counts_are_not_doubled() {
        let lines = parsed(&tally(250));
        let sizes: Vec<usize> =
            lines.iter().filter_map(|line| line[DURATION].as_array().map(Vec::len)).collect();
        assert_eq!(sizes, [100, 100, 50]);
        let counted = lines.iter().filter(|line| line.get("messages_processed_total").is_some());
        assert_eq!(counted.count(), 1);
    }

    #[test]
    fn rejections_are_counted_by_code() {
        let lines = parsed(&tally(1));
        let error = lines.last().expect("a line");
        let directive = &error["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Dimensions"], json!([["function", "code"]]));
        assert_eq!((&error["code"], &error[ERRORS]), (&json!("malformed_json"), &json!(1)));
    }

    #[test]
    fn the_list_of_metrics_stays_within_one_directive() {
        let mut names: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        names.extend([ERRORS, DURATION, LAST_MESSAGE]);
        assert!(names.len() <= 100);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Metric::ALL.len() + 3, "every name once");
    }
}
