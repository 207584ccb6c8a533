//! CloudWatch's embedded metric format: one JSON line per tenant and invocation. It must be written
//! directly to standard output: a log formatter would wrap the line, and CloudWatch would not
//! recognize it.
//!
//! The dimensions are the function and, for rejections, the code, and for alerts the severity. Each
//! combination is a metric that costs money, so the tenant is a property, which is free and can be
//! queried in the logs. Only tenants listed in [`Keeping`] have dimensions of their own: for the
//! counts of their dashboard ([`OF_A_TENANT`]) and for their share of each function's records. An
//! array holds at most 100 values. Further values go into further lines that carry nothing else, so
//! that no count is doubled.
//!
//! Limits from
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! We evaluated the library metrique: it neither splits arrays at 100 values nor limits the number
//! of metrics.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::base::id::TenantId;
use crate::base::metrics::{
    AlertMetric, Counts, DURATION, ERRORS, LAST_MESSAGE, Meter, Metric, SKIPPED, TIMERS_BEHIND,
    Tally,
};
use crate::base::severity::Severity;
use crate::base::time::Timestamp;
use crate::base::variables::{Misconfigured, Variables};

const VALUES_PER_LINE: usize = 100;
/// Each listed tenant costs as much as twenty metrics.
const MOST_TENANTS: usize = 50;

/// Counts of a listed tenant under the dimension `tenant` alone, for all functions together.
/// [`ERRORS`] has the dimensions `tenant` and `code`.
pub const OF_A_TENANT: [&str; 5] = [
    Metric::EventsProcessed.name(),
    Metric::EventsDuplicate.name(),
    Metric::EventsLate.name(),
    Metric::Corrections.name(),
    LAST_MESSAGE,
];

/// Further counts of each listed tenant, for the operator: they show which tenant has problems.
pub const FOR_OPERATORS: [&str; 1] = [Metric::RecordsBuffered.name()];
/// The count of a listed tenant under `function` and `tenant`: its share of a function's records.
/// Kafka records have no quota, so this shows which tenant floods a topic.
const SHARED: &str = Metric::MessagesProcessed.name();

/// The CloudWatch namespace, and the tenants with their own dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// `DROVER_METRICS_NAMESPACE`: `Drover` by default. Each deployment in an account needs its own
    /// namespace.
    pub namespace: String,
    /// `DROVER_METRICS_TENANTS`: tenants with their own counts. None by default, at most 50.
    pub tenants: BTreeSet<TenantId>,
}

impl Default for Keeping {
    fn default() -> Self {
        Self { namespace: "Drover".to_owned(), tenants: BTreeSet::new() }
    }
}

impl Keeping {
    /// Reads the variables.
    ///
    /// # Errors
    /// The list contains an invalid tenant, or too many tenants.
    pub fn read<F>(variables: &Variables<F>) -> Result<Self, Misconfigured>
    where
        F: Fn(&str) -> Option<String>,
    {
        const TENANTS: &str = "DROVER_METRICS_TENANTS";
        let listed = variables.optional(TENANTS).unwrap_or_default();
        let mut tenants = BTreeSet::new();
        for name in listed.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let no_tenant = |_| {
                Misconfigured::new(TENANTS, format!("contains an invalid tenant: value=`{name}`"))
            };
            tenants.insert(TenantId::parse(name).map_err(no_tenant)?);
        }
        if tenants.len() > MOST_TENANTS {
            let fault =
                format!("lists more than {MOST_TENANTS} tenants: count=`{}`", tenants.len());
            return Err(Misconfigured::new(TENANTS, fault));
        }
        let namespace = variables.optional("DROVER_METRICS_NAMESPACE");
        Ok(Self { namespace: namespace.unwrap_or(Self::default().namespace), tenants })
    }
}

/// A meter that formats counts as lines and passes each line to a function: on Lambda, to standard
/// output.
pub struct Lines {
    /// Namespace and tenants.
    pub keeping: Keeping,
    /// Writes one line.
    pub write: fn(&str),
}

impl Meter for Lines {
    fn record(&self, function: &'static str, tally: &Tally, now: Timestamp) {
        for line in lines(&self.keeping, function, tally, now) {
            (self.write)(&line);
        }
    }
}

/// All lines of one invocation.
pub fn lines(keeping: &Keeping, function: &str, tally: &Tally, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    for (tenant, counts) in &tally.tenants {
        let line = Line { keeping, function, tenant: tenant.as_ref(), now };
        lines.extend(line.counts(counts));
        let rest = counts.durations.chunks(VALUES_PER_LINE).skip(1);
        lines.extend(rest.map(|values| line.write(&["function"], vec![duration(values)])));
        lines.extend(counts.errors.iter().map(|(code, count)| line.error(code.as_str(), *count)));
        lines.extend(counts.skipped.iter().map(|(field, count)| line.skipped(field, *count)));
        lines.extend(Severity::ALL.iter().filter_map(|severity| line.alerts(*severity, counts)));
    }
    lines
}

/// A metric: name, unit, value.
type Definition = (&'static str, &'static str, Value);

struct Line<'a> {
    keeping: &'a Keeping,
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
        if let Some(until) = counts.swept_until {
            let behind = self.now.whole_seconds().saturating_sub(until.whole_seconds());
            metrics.push((TIMERS_BEHIND, "Seconds", json!(behind)));
        }
        (!metrics.is_empty()).then(|| self.write(&["function"], metrics))
    }

    fn error(&self, code: &str, count: u64) -> String {
        let metrics = vec![(ERRORS, "Count", json!(count))];
        self.labelled(&["function", "code"], ("code", code), metrics)
    }

    /// Under the field alone: it is the contract's, whatever function reads it.
    fn skipped(&self, field: &str, count: u64) -> String {
        self.labelled(&["field"], ("field", field), vec![(SKIPPED, "Count", json!(count))])
    }

    fn alerts(&self, severity: Severity, counts: &Counts) -> Option<String> {
        let definition = |metric: AlertMetric| {
            let count = counts.alerts.get(&(metric, severity))?;
            Some((metric.name(), "Count", json!(count)))
        };
        let metrics: Vec<Definition> =
            AlertMetric::ALL.into_iter().filter_map(definition).collect();
        let label = ("severity", severity.as_str());
        (!metrics.is_empty()).then(|| self.labelled(&["function", "severity"], label, metrics))
    }

    /// A line that also holds the value of a dimension of its own.
    fn labelled(
        &self,
        dimensions: &[&str],
        (name, value): (&str, &str),
        metrics: Vec<Definition>,
    ) -> String {
        let mut line = self.line(dimensions, metrics);
        line.insert(name.into(), json!(value));
        Value::Object(line).to_string()
    }

    fn write(&self, dimensions: &[&str], metrics: Vec<Definition>) -> String {
        Value::Object(self.line(dimensions, metrics)).to_string()
    }

    fn line(&self, dimensions: &[&str], metrics: Vec<Definition>) -> Map<String, Value> {
        let mut directives = vec![self.directive(dimensions, metrics.iter())];
        if self.tenant.is_some_and(|tenant| self.keeping.tenants.contains(tenant)) {
            let is_kept = |name: &str| {
                name == ERRORS || OF_A_TENANT.contains(&name) || FOR_OPERATORS.contains(&name)
            };
            let own = metrics.iter().filter(|(name, ..)| is_kept(name));
            let dimensions: Vec<&str> = dimensions
                .iter()
                .map(|dimension| if *dimension == "function" { "tenant" } else { dimension })
                .collect();
            directives.push(self.directive(&dimensions, own));
            let share = metrics.iter().filter(|(name, ..)| *name == SHARED);
            directives.push(self.directive(&["function", "tenant"], share));
        }
        // CloudWatch rejects a directive without metrics.
        directives.retain(|directive| directive["Metrics"] != json!([]));
        let millis = self.now.micros().div_euclid(1_000);
        let mut line = Map::new();
        line.insert("_aws".into(), json!({"Timestamp": millis, "CloudWatchMetrics": directives}));
        line.insert("function".into(), json!(self.function));
        if let Some(tenant) = self.tenant {
            line.insert("tenant".into(), json!(tenant.as_str()));
        }
        line.extend(metrics.into_iter().map(|(name, _, value)| (name.to_owned(), value)));
        line
    }

    fn directive<'m>(
        &self,
        dimensions: &[&str],
        metrics: impl Iterator<Item = &'m Definition>,
    ) -> Value {
        let names: Vec<Value> =
            metrics.map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        json!({"Namespace": self.keeping.namespace, "Dimensions": [dimensions], "Metrics": names})
    }
}

fn duration(values: &[f64]) -> Definition {
    (DURATION, "Seconds", json!(values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Code;

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
        parsed_for(&[], tally)
    }

    fn parsed_for(tenants: &[&str], tally: &Tally) -> Vec<Value> {
        let now = Timestamp::from_millis(1_789_000_000_123).expect("in range");
        let listed = tenants.join(",");
        let variables = Variables(|name: &str| match name {
            "DROVER_METRICS_NAMESPACE" => Some("staging".to_owned()),
            _ => Some(listed.clone()),
        });
        let keeping = Keeping::read(&variables).expect("tenants");
        let lines = lines(&keeping, "processor", tally, now);
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
        assert_eq!(line["tenant"], "acme", "a property, not a dimension");
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
    fn alerts_are_counted_by_severity() {
        let mut tally = Tally::default();
        let counts = tally.of(None);
        for (metric, severity) in [
            (AlertMetric::Opened, Severity::Critical),
            (AlertMetric::Opened, Severity::Critical),
            (AlertMetric::Retracted, Severity::Critical),
            (AlertMetric::Resolved, Severity::Info),
        ] {
            counts.add_alert(metric, severity);
        }
        let [info, critical] = &parsed(&tally)[..] else { panic!("a line for each severity") };
        for (line, severity, names) in [
            (info, "info", json!(["alerts_resolved_total"])),
            (critical, "critical", json!(["alerts_opened_total", "alerts_retracted_total"])),
        ] {
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(directive["Dimensions"], json!([["function", "severity"]]));
            let found = directive["Metrics"].as_array().expect("definitions").iter();
            assert_eq!(json!(found.map(|one| &one["Name"]).collect::<Vec<_>>()), names);
            assert_eq!(line["severity"], severity);
        }
        assert_eq!(critical["alerts_opened_total"], 2);
    }

    #[test]
    fn a_sweep_writes_how_far_it_is_behind() {
        let mut tally = Tally::default();
        tally.of(None).swept_until = Timestamp::from_millis(1_789_000_000_123 - 61_000);
        let line = &parsed(&tally)[0];
        assert_eq!(line[TIMERS_BEHIND], 61);
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["function"]]));
    }

    #[test]
    fn all_metrics_fit_into_one_directive() {
        let mut names: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        names.extend(AlertMetric::ALL.iter().map(|metric| metric.name()));
        names.extend([ERRORS, SKIPPED, DURATION, LAST_MESSAGE, TIMERS_BEHIND]);
        assert!(names.len() <= 100);
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "every name once");
    }

    #[test]
    fn a_listed_tenant_has_its_dashboards_counts_under_its_own_dimension() {
        let mut tally = tally(150);
        let tenant = TenantId::parse("acme").expect("a tenant");
        tally.of(Some(&tenant)).add(Metric::EventsProcessed);
        for (line, alone) in parsed_for(&["other", "acme"], &tally).iter().zip(parsed(&tally)) {
            let directives = line["_aws"]["CloudWatchMetrics"].as_array().expect("directives");
            assert_eq!(
                directives[0], alone["_aws"]["CloudWatchMetrics"][0],
                "the same directive as without a list"
            );
            assert_eq!(directives[0]["Namespace"], "staging");
            for own in &directives[1..] {
                let (dimensions, metrics) = (&own["Dimensions"][0], &own["Metrics"]);
                match metrics[0]["Name"].as_str().expect("a name") {
                    ERRORS => assert_eq!(*dimensions, json!(["tenant", "code"])),
                    SHARED => assert_eq!(*dimensions, json!(["function", "tenant"])),
                    name => {
                        assert_eq!(
                            (name, metrics.as_array().map(Vec::len)),
                            ("events_processed_total", Some(1))
                        );
                        assert_eq!(*dimensions, json!(["tenant"]));
                    }
                }
            }
            let expected = match (line.get(SHARED), line.get("code")) {
                (Some(_), _) => 3,
                (None, Some(_)) => 2,
                (None, None) => 1,
            };
            assert_eq!(directives.len(), expected, "{line}");
        }
        let strangers = parsed_for(&["other"], &tally);
        assert_eq!(strangers, parsed(&tally), "a tenant that is not listed");
    }

    #[test]
    fn a_list_of_tenants_is_valid_and_bounded() {
        let check = |listed: String, expected: &str| {
            let variables =
                Variables(|name: &str| (name == "DROVER_METRICS_TENANTS").then(|| listed.clone()));
            let read = Keeping::read(&variables).map(|keeping| keeping.tenants.len().to_string());
            assert_eq!(read.unwrap_or_else(|fault| fault.to_string()), expected);
        };
        check(String::new(), "0");
        check(" acme , demo,".to_owned(), "2");
        check("Acme".to_owned(), "DROVER_METRICS_TENANTS contains an invalid tenant: value=`Acme`");
        let many = (0..51).map(|number| format!("t{number}")).collect::<Vec<_>>().join(",");
        check(many, "DROVER_METRICS_TENANTS lists more than 50 tenants: count=`51`");
    }
}
