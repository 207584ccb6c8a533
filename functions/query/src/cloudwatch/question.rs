//! The metric queries for a tenant and their ids: 20 of the 500 that a call may contain. Each query
//! costs money.

use aws_sdk_cloudwatch::types::{Dimension, Metric as Stored, MetricDataQuery, MetricStat};
use drover_core::base::error::Code;
use drover_core::base::id::TenantId;
use drover_core::base::metrics::{ERRORS, LAST_MESSAGE, Metric};

/// Seconds per point. Longer periods mean fewer points, but the start of the day is rounded down
/// further.
pub(super) const PERIOD: i32 = 300;
/// Seconds per point of metrics that rates are computed from.
const MINUTE: i32 = 60;

/// The queried sums.
const SUMS: [Metric; 4] =
    [Metric::EventsProcessed, Metric::EventsDuplicate, Metric::EventsLate, Metric::Corrections];

/// One of a tenant's metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    /// The sum of a count.
    Sum(Metric),
    /// The number of rejections with this code.
    Rejections(Code),
    /// The largest `observed_at` that was applied.
    LastMessage,
}

impl Question {
    /// All queries.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let sums = SUMS.into_iter().map(Self::Sum);
        sums.chain(Code::ALL.into_iter().map(Self::Rejections)).chain([Self::LastMessage])
    }

    /// The id of the query and of its result.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Sum(metric) => metric.name(),
            Self::Rejections(code) => code.as_str(),
            Self::LastMessage => LAST_MESSAGE,
        }
    }

    fn query(self, namespace: &str, tenant: &TenantId) -> MetricDataQuery {
        let dimension = |name, value| Dimension::builder().name(name).value(value).build();
        let stored =
            Stored::builder().namespace(namespace).dimensions(dimension("tenant", tenant.as_str()));
        let (stored, period, statistic) = match self {
            Self::Sum(Metric::EventsProcessed) => (stored.metric_name(self.id()), MINUTE, "Sum"),
            Self::Sum(_) => (stored.metric_name(self.id()), PERIOD, "Sum"),
            Self::Rejections(code) => {
                let by_code = stored.dimensions(dimension("code", code.as_str()));
                (by_code.metric_name(ERRORS), PERIOD, "Sum")
            }
            Self::LastMessage => (stored.metric_name(self.id()), PERIOD, "Maximum"),
        };
        let measured = MetricStat::builder().metric(stored.build()).period(period).stat(statistic);
        MetricDataQuery::builder().id(self.id()).metric_stat(measured.build()).build()
    }
}

/// All queries for a tenant.
pub(super) fn questions(namespace: &str, tenant: &TenantId) -> Vec<MetricDataQuery> {
    Question::all().map(|question| question.query(namespace, tenant)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use drover_core::base::metrics::Tally;
    use drover_core::base::metrics::emf::{FOR_OPERATORS, Keeping, lines};
    use drover_core::base::time::Timestamp;
    use serde_json::Value;

    use super::*;

    fn acme() -> TenantId {
        TenantId::parse("acme").expect("a tenant")
    }

    /// Namespace, metric, and its dimensions with their values.
    type MetricKey = (String, String, Vec<(String, String)>);

    fn asked() -> BTreeSet<MetricKey> {
        let place = |query: &MetricDataQuery| {
            let stored = query.metric_stat().expect("a statistic").metric().expect("a metric");
            let text = |text: Option<&str>| text.expect("given").to_owned();
            let dimensions = stored.dimensions().iter();
            let dimensions = dimensions.map(|one| (text(one.name()), text(one.value())));
            (text(stored.namespace()), text(stored.metric_name()), dimensions.collect())
        };
        questions("staging", &acme()).iter().map(place).collect()
    }

    fn written() -> BTreeSet<MetricKey> {
        let mut tally = Tally::default();
        let counts = tally.of(Some(&acme()));
        Metric::ALL.into_iter().for_each(|metric| counts.add(metric));
        Code::ALL.into_iter().for_each(|code| counts.add_error(code));
        counts.last_message = Timestamp::from_millis(1);
        let keeping = Keeping { namespace: "staging".to_owned(), tenants: [acme()].into() };
        let lines = lines(&keeping, "processor", &tally, Timestamp::MIN);
        let places = lines.iter().flat_map(|line| own_places(line));
        places.filter(|(_, name, _)| !FOR_OPERATORS.contains(&name.as_str())).collect()
    }

    /// The metrics that CloudWatch extracts from a line under the dimension `tenant` alone. Metrics
    /// that also have the dimension `function` are for the operator's dashboard.
    fn own_places(line: &str) -> Vec<MetricKey> {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let list = |value: &Value| value.as_array().expect("a list").clone();
        let mut places = Vec::new();
        for directive in list(&line["_aws"]["CloudWatchMetrics"]) {
            let names = list(&directive["Dimensions"][0]).into_iter().map(|name| text(&name));
            let dimensions: Vec<_> =
                names.map(|name| (name.clone(), text(&line[name.as_str()]))).collect();
            let has = |wanted: &str| dimensions.iter().any(|(name, _)| name == wanted);
            if has("tenant") && !has("function") {
                places.extend(list(&directive["Metrics"]).iter().map(|metric| {
                    (text(&directive["Namespace"]), text(&metric["Name"]), dimensions.clone())
                }));
            }
        }
        places
    }

    #[test]
    fn the_queries_cover_exactly_the_metrics_written_for_a_tenant() {
        assert_eq!(asked(), written());
    }

    #[test]
    fn every_query_id_is_unique_and_valid_for_cloudwatch() {
        let ids: BTreeSet<&str> = Question::all().map(Question::id).collect();
        assert_eq!(ids.len(), Question::all().count());
        assert!(Question::all().count() <= 500);
        for id in ids {
            assert!(id.starts_with(|first: char| first.is_ascii_lowercase()), "{id}");
            assert!(id.chars().all(|one| one.is_ascii_alphanumeric() || one == '_'), "{id}");
        }
    }

    #[test]
    fn every_statistic_but_the_newest_time_is_a_sum() {
        for query in questions("staging", &acme()) {
            let measured = query.metric_stat().expect("a statistic");
            let expected = match query.id().expect("an id") {
                "last_message_timestamp_seconds" => ("Maximum", 300),
                "events_processed_total" => ("Sum", 60),
                _ => ("Sum", 300),
            };
            let is = (measured.stat().expect("given"), measured.period().expect("given"));
            assert_eq!(is, expected, "{:?}", query.id());
        }
    }
}
