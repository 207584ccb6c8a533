//! Alarms, dashboard, exporter and runbook agree with the code: every counted metric is shown,
//! every shown metric is counted, and every alarm refers to its section of the runbook.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "test helpers fail like tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use drover_core::base::error::Code;
use drover_core::base::metrics::emf::{Keeping, lines};
use drover_core::base::metrics::{AlertMetric, Counts, Metric, TIMERS_BEHIND, Tally};
use drover_core::base::severity::Severity;
use drover_core::base::time::Timestamp;
use drover_core::outputs::notifications::told::RETRY_AFTER;
use drover_tests::cloudformation;
use serde_json::{Value, json};

/// The values of the dimension of our metrics, which is a part of their identity in CloudWatch.
const FUNCTIONS: [&str; 6] = ["ingest", "notify", "processor", "query", "relay", "replay"];

fn template() -> Value {
    cloudformation::load("infra/alarms.yaml").expect("a template")
}

/// One of each count.
fn counts() -> Counts {
    let at = Timestamp::from_millis(0);
    let alerts = AlertMetric::ALL
        .into_iter()
        .flat_map(|metric| Severity::ALL.into_iter().map(move |severity| ((metric, severity), 1)));
    // Every field is named, so that a new count breaks this test until it is written.
    Counts {
        counts: Metric::ALL.map(|metric| (metric, 1.0)).into(),
        errors: Code::ALL.map(|code| (code, 1)).into(),
        skipped: [("speed".into(), 1)].into(),
        alerts: alerts.collect(),
        durations: vec![1.0],
        last_message: at,
        swept_until: at,
    }
}

/// The metrics that functions write for CloudWatch, with their dimensions.
fn written() -> BTreeMap<String, Vec<String>> {
    let tally = Tally { tenants: [(None, counts())].into() };
    let now = Timestamp::from_millis(0).expect("in range");
    let mut written = BTreeMap::new();
    for line in lines(&Keeping::default(), "relay", &tally, now) {
        let line: Value = serde_json::from_str(&line).expect("a line is JSON");
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        let dimensions = texts(&directive["Dimensions"][0]);
        for metric in directive["Metrics"].as_array().expect("definitions") {
            let name = metric["Name"].as_str().expect("a name");
            let before = written.insert(name.to_owned(), dimensions.clone());
            assert!(before.is_none_or(|before| before == dimensions), "{name}");
        }
    }
    written
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

fn counted() -> BTreeSet<String> {
    written().into_keys().collect()
}

fn alarms(template: &Value) -> Vec<(&String, &Value)> {
    let resources = template["Resources"].as_object().expect("resources");
    let alarms = resources.iter().filter(|(_, one)| one["Type"] == "AWS::CloudWatch::Alarm");
    alarms.map(|(name, one)| (name, &one["Properties"])).collect()
}

/// The composite alarm that rolls back a release.
fn release(template: &Value) -> &Value {
    let release = &template["Resources"]["Release"];
    assert_eq!(release["Type"], "AWS::CloudWatch::CompositeAlarm");
    &release["Properties"]
}

/// The metrics of an alarm: its own metric, or those of its expression.
fn metrics(alarm: &Value) -> Vec<&Value> {
    match alarm["Metrics"].as_array() {
        Some(queries) => queries
            .iter()
            .filter(|query| query.get("MetricStat").is_some())
            .map(|query| &query["MetricStat"]["Metric"])
            .collect(),
        None => vec![alarm],
    }
}

fn is_ours(metric: &Value) -> bool {
    metric["Namespace"] == json!({"Ref": "Stack"})
}

fn widgets(template: &Value) -> Vec<Value> {
    let body = &template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"];
    let text = body[0].as_str().expect("a text with names to put in");
    let body: Value = serde_json::from_str(text).expect("a dashboard is JSON");
    body["widgets"].as_array().expect("widgets").clone()
}

/// Namespace, name and the remaining fields of every metric that a widget shows.
fn shown(widget: &Value) -> Vec<Vec<String>> {
    let metrics = widget["properties"]["metrics"].as_array();
    let rows = metrics.into_iter().flatten().filter_map(Value::as_array);
    rows.map(|row| row.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect())
        .filter(|row: &Vec<String>| !row.is_empty())
        .collect()
}

/// Our metric that a widget of the dashboard finds by an expression and not by name, and its dimensions.
fn searched(widget: &Value) -> Option<(&str, Vec<&str>)> {
    let expression = widget["properties"]["metrics"][0][0]["expression"].as_str()?;
    let (schema, rest) = expression.split_once("MetricName=\"")?;
    let (_, schema) = schema.split_once("{\"${Stack}\",")?;
    let (dimensions, _) = schema.split_once('}')?;
    Some((rest.split('"').next()?, dimensions.split(',').collect()))
}

fn on_the_dashboard(template: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for widget in widgets(template) {
        names.extend(searched(&widget).map(|(name, _)| name.to_owned()));
        let ours = shown(&widget).into_iter().filter(|row| row[0] == "${Stack}");
        names.extend(ours.map(|row| row[1].clone()));
    }
    names
}

#[test]
fn the_dashboard_shows_exactly_the_counted_metrics() {
    assert_eq!(on_the_dashboard(&template()), counted());
}

#[test]
fn every_alarm_uses_a_metric_that_an_existing_function_writes() {
    let (template, written) = (template(), written());
    let mut checked = 0;
    for (name, alarm) in alarms(&template) {
        for metric in metrics(alarm).into_iter().filter(|metric| is_ours(metric)) {
            let metric_name = metric["MetricName"].as_str().expect("a name");
            assert!(written.contains_key(metric_name), "{name}: no function writes {metric_name}");
            let [dimension] = metric["Dimensions"].as_array().expect("dimensions").as_slice()
            else {
                panic!("{name}: the function is the only dimension");
            };
            assert_eq!(dimension["Name"], "function", "{name}");
            // With other dimensions it is another metric, which has no data.
            assert_eq!(written[metric_name], ["function"], "{name}: {metric_name}");
            let function = dimension["Value"].as_str().expect("a value");
            assert!(FUNCTIONS.contains(&function), "{name}: {function}");
            checked += 1;
        }
    }
    assert!(checked >= 10, "the alarms are elsewhere");
}

#[test]
fn every_widget_names_an_existing_function() {
    for widget in widgets(&template()) {
        for row in shown(&widget).into_iter().filter(|row| row[0] == "${Stack}") {
            assert_eq!(row[2], "function", "{row:?}");
            assert!(FUNCTIONS.contains(&row[3].as_str()), "{row:?}");
        }
    }
}

#[test]
fn every_widget_uses_the_dimensions_that_are_written() {
    let written = written();
    // Listed tenants have dimensions of their own.
    let is_of_tenants = |dimensions: &[&str]| dimensions.contains(&"tenant");
    let mut by_label = 0;
    for widget in widgets(&template()) {
        for row in shown(&widget).into_iter().filter(|row| row[0] == "${Stack}") {
            assert_eq!(written[&row[1]], ["function"], "{row:?}");
        }
        match searched(&widget) {
            Some((name, dimensions)) if !is_of_tenants(&dimensions) => {
                assert_eq!(written[name], dimensions, "{name}");
                by_label += 1;
            }
            Some(_) | None => {}
        }
    }
    assert_eq!(by_label, 2 + AlertMetric::ALL.len(), "codes, fields, and severities of alerts");
}

#[test]
fn no_two_widgets_overlap() {
    let widgets = widgets(&template());
    let number = |widget: &Value, name: &str| widget[name].as_u64().expect("a number");
    let meet = |one: &Value, other: &Value| {
        [("x", "width"), ("y", "height")].iter().all(|(from, length)| {
            let end = |widget| number(widget, from) + number(widget, length);
            number(one, from) < end(other) && number(other, from) < end(one)
        })
    };
    for (at, one) in widgets.iter().enumerate() {
        assert!(number(one, "x") + number(one, "width") <= 24, "{one}");
        let other = widgets.iter().skip(at + 1).find(|other| meet(one, other));
        assert!(other.is_none(), "{one} {other:?}");
    }
}

#[test]
fn every_name_in_the_dashboard_is_substituted() {
    let template = template();
    let body = &template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"];
    let text = body[0].as_str().expect("a text");
    let given = body[1].as_object().expect("names");
    let mut used: BTreeSet<&str> =
        text.split("${").skip(1).filter_map(|rest| rest.split('}').next()).collect();
    assert!(used.remove("Stack") && used.remove("AWS::Region"));
    assert_eq!(used, given.keys().map(String::as_str).collect());
}

#[test]
fn expressions_use_the_metrics_of_their_alarm() {
    let template = template();
    for (name, alarm) in alarms(&template) {
        let Some(queries) = alarm["Metrics"].as_array() else { continue };
        // A query over all tenants names its metric itself.
        let expression = &queries[0]["Expression"];
        let expression = expression.as_str().or_else(|| expression["Fn::Sub"].as_str());
        let expression = expression.expect("the expression is first");
        assert!(queries.len() <= 11, "{name}: CloudWatch accepts ten metrics");
        for query in &queries[1..] {
            let id = query["Id"].as_str().expect("an id");
            let all = expression.contains("METRICS()");
            assert!(all || expression.contains(id), "{name}: {id} is not used");
            assert_eq!(query["ReturnData"], false, "{name}: {id}");
        }
    }
}

#[test]
fn an_alarm_over_listed_tenants_uses_a_counted_metric() {
    let template = template();
    let (_, alarm) = alarms(&template)
        .into_iter()
        .find(|(name, _)| *name == "TenantBuffered")
        .expect("an alarm");
    let query = alarm["Metrics"][0]["Expression"]["Fn::Sub"].as_str().expect("a query");
    let name = query.split(['(', ')']).nth(1).expect("a metric");
    assert!(counted().contains(name), "{name} is not counted");
    // An alarm watches one series.
    assert!(
        query.contains("SCHEMA(\"${Stack}\", tenant)") && query.ends_with("LIMIT 1"),
        "{query}"
    );
}

#[test]
fn every_call_on_the_ledger_is_watched_for_faults_of_dynamodb() {
    let template = template();
    let (_, alarm) =
        alarms(&template).into_iter().find(|(name, _)| *name == "LedgerFails").expect("an alarm");
    let operations: BTreeSet<&str> = metrics(alarm)
        .iter()
        .filter_map(|metric| metric["Dimensions"][1]["Value"].as_str())
        .collect();
    let expected = [
        "BatchExecuteStatement",
        "BatchGetItem",
        "GetItem",
        "PutItem",
        "Query",
        "TransactGetItems",
        "TransactWriteItems",
    ];
    assert_eq!(operations, BTreeSet::from(expected));
}

/// Until buffered records become letters, an operator has days to fix the cause.
#[test]
fn an_alarm_reports_buffered_records_days_before_they_become_letters() {
    const DAY: i64 = 24 * 60 * 60;
    const { assert!(DAY * 3 < drover_replay::limits::BUFFERED_SECONDS) };
    let template = template();
    let all = alarms(&template);
    let alarm = |wanted: &str| {
        let found = all.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, alarm)| *alarm).expect("an alarm")
    };
    let oldest = &template["Parameters"]["OldestMessageSeconds"];
    assert_eq!(alarm("BufferWaits")["Threshold"], json!({"Ref": "OldestMessageSeconds"}));
    for name in ["Default", "MaxValue"] {
        assert!(oldest[name].as_i64().is_some_and(|seconds| seconds <= DAY), "{name}");
    }
    let stays = alarm("BufferStays");
    let periods = stays["EvaluationPeriods"].as_i64().expect("a number");
    let queries = stays["Metrics"].as_array().expect("queries");
    let stats: Vec<_> = queries.iter().filter_map(|query| query.get("MetricStat")).collect();
    assert_eq!(stats.len(), 2, "waiting and in flight");
    for stat in stats {
        assert_eq!(stat["Metric"]["Namespace"], "AWS/SQS");
        assert_eq!(stat["Stat"], "Average", "a record that is received again still counts");
        assert!(periods * stat["Period"].as_i64().expect("a number") <= DAY);
    }
}

#[test]
fn every_call_on_the_outputs_table_is_watched_for_faults_of_dynamodb() {
    let template = template();
    let alarm = &template["Resources"]["OutputsFail"]["Properties"];
    let operations: BTreeSet<&str> = metrics(alarm)
        .iter()
        .filter_map(|metric| metric["Dimensions"][1]["Value"].as_str())
        .collect();
    let expected =
        ["DeleteItem", "GetItem", "PutItem", "Query", "TransactWriteItems", "UpdateItem"];
    assert_eq!(operations, BTreeSet::from(expected));
}

/// What an alarm watches: namespace and metric, the export that names the dimension, statistic and threshold (by
/// default).
fn watches<'a>(alarm: &'a Value, parameters: &Value) -> (&'a str, &'a str, &'a str, &'a str, i64) {
    let part = |name: &str| alarm[name].as_str().unwrap_or("${Stack}");
    let statistic = alarm["ExtendedStatistic"].as_str().unwrap_or(part("Statistic"));
    let dimension = &alarm["Dimensions"][0]["Value"];
    let named = dimension["Fn::ImportValue"]["Fn::Sub"].as_str().or_else(|| dimension.as_str());
    let threshold = &alarm["Threshold"];
    let parameter = threshold["Ref"].as_str().map(|name| &parameters[name]["Default"]);
    let threshold = parameter.unwrap_or(threshold).as_i64().expect("a number");
    (part("Namespace"), part("MetricName"), named.expect("a name"), statistic, threshold)
}

#[test]
fn the_relay_and_notify_are_watched_where_they_exist_and_only_there() {
    const FUNCTION: &str = "${Stack}-RelayFunction";
    const NOTIFY: &str = "${Stack}-NotifyFunction";
    const QUEUE: &str = "${Stack}-RelayFailedQueueName";
    const NOTIFICATIONS: &str = "${StateStack}-NotificationsQueueName";
    const FAILED: &str = "${StateStack}-NotificationsFailedQueueName";
    const VISIBLE: &str = "ApproximateNumberOfMessagesVisible";
    let expected = [
        (
            "NotificationsGivenUp",
            ("${Stack}", Metric::NotificationsGivenUp.name(), "notify", "Sum", 0),
        ),
        (
            "NotificationsFailing",
            ("${Stack}", Metric::NotificationsFailed.name(), "notify", "Sum", 3),
        ),
        ("NotificationsWait", ("AWS/SQS", VISIBLE, NOTIFICATIONS, "Minimum", 0)),
        ("NotificationsFailed", ("AWS/SQS", VISIBLE, FAILED, "Maximum", 0)),
        ("NotifyDuration", ("AWS/Lambda", "Duration", NOTIFY, "p99", 30_000)),
        ("NotifyErrors", ("AWS/Lambda", "Errors", NOTIFY, "Sum", 0)),
        ("NotifyThrottles", ("AWS/Lambda", "Throttles", NOTIFY, "Sum", 0)),
        ("AlertsBehind", ("AWS/Lambda", "IteratorAge", FUNCTION, "Maximum", 5 * 60 * 1000)),
        ("FeedsClosed", ("${Stack}", Metric::FeedRecordsSkipped.name(), "relay", "Sum", 0)),
        ("RelayBehind", ("AWS/Lambda", "IteratorAge", FUNCTION, "Maximum", 30 * 60 * 1000)),
        ("RelayErrors", ("AWS/Lambda", "Errors", FUNCTION, "Sum", 0)),
        ("RelayGap", ("AWS/SQS", VISIBLE, QUEUE, "Maximum", 0)),
        ("RelayGapUndelivered", ("AWS/Lambda", "DestinationDeliveryFailures", FUNCTION, "Sum", 0)),
        ("RelayThrottles", ("AWS/Lambda", "Throttles", FUNCTION, "Sum", 0)),
        ("TimersOverdue", ("${Stack}", TIMERS_BEHIND, "relay", "Maximum", 10 * 60)),
    ];
    let template = template();
    let mut conditional = BTreeSet::new();
    for (name, alarm) in alarms(&template) {
        let is_conditional = template["Resources"][name]["Condition"] == "HasRelay";
        if is_conditional {
            conditional.insert(name.as_str());
        }
        // Without a relay nothing exports these names, and the import would fail.
        let text = alarm.to_string();
        let of_relay = ["Relay", "Notify", "OutputsTable"].iter().any(|part| text.contains(part));
        assert!(!of_relay || is_conditional, "{name}");
    }
    for (name, expected) in expected {
        let alarm = &template["Resources"][name]["Properties"];
        assert_eq!(watches(alarm, &template["Parameters"]), expected, "{name}");
        assert!(conditional.remove(name), "{name}");
    }
    let outputs = BTreeSet::from(["OutputsFail", "OutputsThrottle"]);
    assert_eq!(conditional, outputs);
    assert_eq!(
        template["Conditions"]["HasRelay"],
        json!({"Fn::Equals": [{"Ref": "Relay"}, "true"]})
    );
    let given = &template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][1];
    for name in ["Notify", "Relay", "RelayFailed"] {
        assert_eq!(given[name]["Fn::If"][0], "HasRelay", "{name}");
    }
}

/// A target that is down is noticed by the tries of one notification, long before that is given up.
#[test]
fn a_single_notification_that_fails_for_five_minutes_is_an_alarm() {
    let template = template();
    let alarm = &template["Resources"]["NotificationsFailing"]["Properties"];
    assert_eq!(alarm["ComparisonOperator"], "GreaterThanOrEqualToThreshold");
    let period = alarm["Period"].as_i64().expect("a number");
    let tries = &template["Parameters"]["FailedTriesPerQuarterHour"]["Default"];
    let tries = usize::try_from(tries.as_i64().expect("a number")).expect("a number of tries");
    let seconds: i64 = RETRY_AFTER.iter().take(tries - 1).sum();
    assert!((5 * 60..period).contains(&seconds), "{tries} tries take {seconds} s of {period}");
}

/// An alarm that needs data of every period in 15 minutes does not fire while a message waits for its next try, because
/// such a message is hidden.
#[test]
fn messages_that_are_due_for_fifteen_minutes_are_an_alarm() {
    let template = template();
    let alarm = &template["Resources"]["NotificationsWait"]["Properties"];
    let number = |name: &str| alarm[name].as_i64().expect("a number");
    assert_eq!(number("EvaluationPeriods") * number("Period"), 15 * 60);
    assert!(alarm.get("DatapointsToAlarm").is_none());
}

/// Errors and throttles of the relay do not show that its schedule is gone.
#[test]
fn fifteen_minutes_without_a_sweep_are_an_alarm() {
    let template = template();
    let alarm = &template["Resources"]["TimersOverdue"]["Properties"];
    assert_eq!(alarm["TreatMissingData"], "breaching");
    let number = |name: &str| alarm[name].as_i64().expect("a number");
    assert_eq!(number("EvaluationPeriods") * number("Period"), 15 * 60);
}

/// The anchor that a repository page makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|one| one.is_alphanumeric() || " -_".contains(*one));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn runbook() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/README.md");
    let text = fs::read_to_string(path).expect("a text");
    let headings = text.lines().filter_map(|line| line.strip_prefix("### Runbook: "));
    headings.map(|heading| anchor(&format!("Runbook: {heading}"))).collect()
}

#[test]
fn every_alarm_names_its_section_of_the_runbook_and_every_section_has_an_alarm() {
    let template = template();
    let mut named = BTreeSet::new();
    let release = ("Release".to_owned(), release(&template));
    let all = alarms(&template).into_iter().map(|(name, alarm)| (name.clone(), alarm));
    for (name, alarm) in all.chain([release]) {
        let description = alarm["AlarmDescription"].as_str().expect("a description");
        let (_, section) = description
            .split_once("infra/README.md#")
            .unwrap_or_else(|| panic!("{name} refers to no runbook section"));
        named.insert(section.trim().to_owned());
    }
    assert_eq!(named, runbook());
}

#[test]
fn every_alarm_has_an_action_and_defines_missing_data() {
    let template = template();
    for (name, alarm) in alarms(&template) {
        for actions in ["AlarmActions", "OKActions"] {
            assert_eq!(alarm[actions].as_array().map(Vec::len), Some(1), "{name}: {actions}");
        }
        let missing = match &**name {
            "StreamLag" => "missing",
            "TimersOverdue" => "breaching",
            _ => "notBreaching",
        };
        assert_eq!(alarm["TreatMissingData"], missing, "{name}");
    }
}

#[test]
fn a_release_is_rolled_back_by_existing_alarms_and_not_for_events_of_tenants() {
    let template = template();
    let rule = release(&template)["AlarmRule"].to_string();
    let named: BTreeSet<&str> =
        rule.split("${").skip(1).filter_map(|rest| rest.split('}').next()).collect();
    let watched: Vec<_> =
        alarms(&template).into_iter().filter(|(name, _)| named.contains(name.as_str())).collect();
    assert_eq!(watched.len() + 2, named.len(), "alarms, and two conditions: {named:?}");
    let data = [
        "dead_letters_sent_total",
        "records_buffered_total",
        "corrections_total",
        "notifications_failed_total",
        "notifications_given_up_total",
    ];
    for (name, alarm) in watched {
        for metric in metrics(alarm) {
            let metric = metric["MetricName"].as_str().expect("a name");
            assert!(!data.contains(&metric) && metric != "Throttles", "{name}: {metric}");
        }
    }
    for function in ["Ingest", "Notify", "Processor", "Query", "Relay", "Replay"] {
        assert!(
            named.contains(format!("{function}Errors").as_str()),
            "no alarm watches errors of {function}"
        );
    }
}

#[test]
fn the_exporter_exports_exactly_the_counted_metrics() {
    let exporter = cloudformation::load("infra/cloudwatch-exporter.yml").expect("a configuration");
    let (mut taken, written) = (Vec::new(), written());
    for job in exporter["customNamespace"].as_array().expect("jobs") {
        let dimensions = &job["dimensionNameRequirements"];
        for metric in job["metrics"].as_array().expect("metrics") {
            let name = metric["name"].as_str().expect("a name");
            assert_eq!(Some(&texts(dimensions)), written.get(name), "{name}");
            taken.push(name.to_owned());
        }
    }
    taken.sort_unstable();
    assert_eq!(taken, written.into_keys().collect::<Vec<_>>());
}
