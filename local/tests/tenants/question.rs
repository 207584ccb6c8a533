//! The tenants, and for every reading route: the request, the part of the response to compare, and
//! the expected value.

use serde_json::{Value, json};

/// A tenant and its markers: a text, and numbers too long to be a part of a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tenant {
    pub(crate) name: &'static str,
    pub(crate) key: &'static str,
    pub(crate) value: f64,
    pub(crate) latitude: f64,
    /// Readings of `device/d-1`.
    pub(crate) readings: i64,
}

pub(crate) const DEMO: Tenant = Tenant {
    name: "demo",
    key: "drover-demo-key",
    value: 7_131_313.25,
    latitude: 71.313_131_3,
    readings: 2,
};
pub(crate) const ACME: Tenant = Tenant {
    name: "acme",
    key: "drover-acme-key",
    value: 6_262_626.25,
    latitude: 62.626_262_6,
    readings: 3,
};

impl Tenant {
    /// The last of the readings, and the mean of the readings up to one of them.
    fn last(self) -> f64 {
        self.reading(self.readings - 1)
    }

    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    pub(crate) fn reading(self, at: i64) -> f64 {
        self.value + 0.5 * at as f64
    }

    /// The readings, and one event for each of the five other subjects.
    pub(crate) fn events(self) -> i64 {
        self.readings + 5
    }

    /// The texts that identify this tenant's data.
    pub(crate) fn marks(self) -> [String; 3] {
        [self.name.to_owned(), self.value.trunc().to_string(), self.latitude.to_string()]
    }
}

/// A request to a route, the part of the response to compare, and the expected value.
pub(crate) struct Question {
    /// The route as in the OpenAPI document.
    pub(crate) route: &'static str,
    /// `{after}` is 15 seconds after the first event; `{letter}`, `{replay}` and `{alert}` are ids of
    /// the tenant.
    pub(crate) target: &'static str,
    pub(crate) shown: fn(&Value) -> Value,
    pub(crate) expected: fn(Tenant) -> Value,
}

pub(crate) const QUESTIONS: &[Question] = &[
    // Posted by this tenant.
    Question {
        route: "/received_alerts",
        target: "/received_alerts",
        shown: |answer| sorted(&answer["alerts"], |one| one["labels"]["value"].clone()),
        expected: |own| json!([own.value]),
    },
    // Contracts are the same for every tenant.
    Question {
        route: "/api/v1/contracts",
        target: "/api/v1/contracts",
        shown: |answer| answer["contracts"][0]["name"].clone(),
        expected: |_| json!("cloudevents"),
    },
    Question {
        route: "/api/v1/contracts/{name}",
        target: "/api/v1/contracts/telemetry",
        shown: |answer| answer["version"].clone(),
        expected: |_| json!(0),
    },
    Question {
        route: "/api/v1/contracts/{name}/versions/{version}",
        target: "/api/v1/contracts/telemetry/versions/0",
        shown: |answer| answer["contract"]["name"].clone(),
        expected: |_| json!("telemetry"),
    },
    Question {
        route: "/api/v1/subjects",
        target: "/api/v1/subjects?limit=4&kind=device",
        shown: |answer| sorted(&answer["subjects"], |one| json!([one["id"], one["event_count"]])),
        expected: |own| in_order(json!([["d-1", own.readings], ["d-2", 1], [own_device(own), 1]])),
    },
    Question {
        route: "/api/v1/subjects",
        target: "/api/v1/subjects?limit=1",
        shown: |answer| json!(answer["subjects"].as_array().map(Vec::len)),
        expected: |_| json!(1),
    },
    Question {
        route: "/api/v1/subjects/{kind}/{id}",
        target: "/api/v1/subjects/device/d-1",
        shown: view,
        expected: |own| {
            let middle = f64::midpoint(own.value, own.last());
            json!([own.readings, own.value, own.last(), middle, own.last()])
        },
    },
    Question {
        route: "/api/v1/subjects/{kind}/{id}",
        target: "/api/v1/subjects/device/d-1?as_of={after}",
        shown: view,
        expected: |own| {
            let second = own.reading(1);
            json!([2, own.value, second, f64::midpoint(own.value, second), second])
        },
    },
    Question {
        route: "/api/v1/subjects/{kind}/{id}",
        target: "/api/v1/subjects/device/d-2",
        shown: |answer| json!([answer["event_count"], answer["location"]["latitude"]]),
        expected: |own| json!([1, own.latitude]),
    },
    Question {
        route: "/api/v1/subjects/{kind}/{id}",
        target: "/api/v1/subjects/learner/l-1",
        shown: |answer| answer["latest"]["lesson_started"]["payload"]["event_data"].clone(),
        expected: |own| json!({"note": own.name}),
    },
    Question {
        route: "/api/v1/events",
        target: "/api/v1/events?device_id=d-1",
        shown: |answer| each(&answer["events"], |one| json!([one["event_id"], one["payload"]])),
        expected: |own| {
            (0..own.readings)
                .map(|at| json!([reading_id(at), {"value": own.reading(at)}]))
                .collect()
        },
    },
    Question {
        route: "/api/v1/events",
        target: "/api/v1/events?device_id=d-1&limit=1",
        shown: |answer| each(&answer["events"], |one| one["payload"]["value"].clone()),
        expected: |own| json!([own.value]),
    },
    Question {
        route: "/api/v1/events",
        target: "/api/v1/events?subject=learner%2Fl-1",
        shown: |answer| each(&answer["events"], |one| one["payload"]["event_data"].clone()),
        expected: |own| json!([{"note": own.name}]),
    },
    Question {
        route: "/api/v1/events",
        target: "/api/v1/events?subject=user%2Fu-1",
        shown: |answer| each(&answer["events"], |one| one["payload"]["message"].clone()),
        expected: |own| json!([own.name]),
    },
    Question {
        route: "/api/v1/events",
        target: "/api/v1/events",
        shown: |answer| sorted(&answer["events"], |one| one["subject"].clone()),
        expected: all_subjects,
    },
    Question {
        route: "/api/v1/metrics/{measure}",
        target: "/api/v1/metrics/temperature?device_id=d-1",
        shown: |answer| json!([answer["summary"]["count"], answer["points"][1]["value"]]),
        expected: |own| json!([own.readings, own.reading(1)]),
    },
    Question {
        route: "/api/v1/metrics/{measure}",
        target: "/api/v1/metrics/temperature?device_id=d-1&window=1d",
        shown: |answer| {
            let (summary, window) = (&answer["summary"], &answer["points"][0]);
            json!([summary["first"], summary["last"], window["min"]])
        },
        expected: |own| json!([own.value, own.last(), own.value]),
    },
    Question {
        route: "/api/v1/metrics/{measure}",
        target: "/api/v1/metrics/location?device_id=d-2",
        shown: |answer| each(&answer["points"], |one| one["latitude"].clone()),
        expected: |own| json!([own.latitude]),
    },
    Question {
        route: "/api/v1/dashboard/devices",
        target: "/api/v1/dashboard/devices",
        shown: |answer| answer["totals"].clone(),
        expected: |_| {
            let by_kind = json!({"device": 3, "learner": 1, "user": 2});
            json!({"subjects": 6, "by_kind": by_kind, "complete": true})
        },
    },
    Question {
        route: "/api/v1/dashboard/metrics",
        target: "/api/v1/dashboard/metrics",
        shown: |answer| {
            json!([answer["events_processed"], answer["events_duplicate"], answer["rejections"]])
        },
        // Only this tenant sent events in the name of the other.
        expected: |own| match own.name {
            "demo" => json!([own.events(), 0, {"tenant_mismatch": 3, "malformed_json": 2}]),
            _ => json!([own.events(), 0, {"malformed_json": 2}]),
        },
    },
    Question {
        route: "/devices",
        target: "/devices",
        shown: |answer| json!([answer["unique_devices"], sorted(&answer["devices"], Value::clone)]),
        expected: |own| json!([3, in_order(json!(["d-1", "d-2", own_device(own)]))]),
    },
    Question {
        route: "/get_events",
        target: "/get_events",
        shown: |answer| {
            json!([answer["event_count"], sorted(&answer["events"], |one| one["subject"].clone())])
        },
        expected: |own| json!([own.events(), all_subjects(own)]),
    },
    Question {
        route: "/api/v1/dead-letters",
        target: "/api/v1/dead-letters?limit=1",
        shown: |answer| {
            let codes = each(&answer["letters"], |one| one["code"].clone());
            json!([answer["total"], answer["counts"], codes])
        },
        expected: |_| json!([2, {"malformed_json": 2}, ["malformed_json"]]),
    },
    Question {
        route: "/api/v1/dead-letters/{id}",
        target: "/api/v1/dead-letters/{letter}",
        shown: |answer| answer["payload"].clone(),
        expected: |own| json!(base64_simd::STANDARD.encode_to_string(broken(own))),
    },
    Question {
        route: "/api/v1/replays",
        target: "/api/v1/replays",
        shown: |answer| each(&answer["replays"], |one| one["examined"].clone()),
        expected: |_| json!([0]),
    },
    Question {
        route: "/api/v1/replays/{id}",
        target: "/api/v1/replays/{replay}",
        shown: |answer| json!([answer["phase"], answer["dry_run"]]),
        expected: |_| json!(["done", true]),
    },
    Question {
        route: "/api/v1/alerts",
        target: "/api/v1/alerts?limit=1",
        shown: |answer| each(&answer["alerts"], |one| one["value"].clone()),
        expected: |own| json!([own.value]),
    },
    Question {
        route: "/api/v1/alerts",
        target: "/api/v1/alerts?subject=device/d-1",
        shown: |answer| each(&answer["alerts"], |one| one["value"].clone()),
        expected: |own| json!([own.value, own.value]),
    },
    Question {
        route: "/api/v1/alerts/{id}",
        target: "/api/v1/alerts/{alert}",
        shown: |answer| json!([answer["subject"], answer["value"]]),
        expected: |own| json!([{"kind": "device", "id": "d-1"}, own.value]),
    },
    Question {
        route: "/api/v1/rules",
        target: "/api/v1/rules",
        shown: |answer| {
            let rule =
                |one: &Value| json!([one["id"], one["rule"]["description"], one["open_alerts"]]);
            json!([each(&answer["rules"], rule), answer["complete"]])
        },
        expected: |own| json!([[["hot", own.name, 2]], true]),
    },
    Question {
        route: "/api/v1/rules/{id}/versions",
        target: "/api/v1/rules/hot/versions",
        shown: |answer| answer["versions"][0]["rule"].clone(),
        expected: hot,
    },
    Question {
        route: "/buffer/stats",
        target: "/buffer/stats",
        shown: Value::clone,
        expected: |_| json!({"waiting": 0, "in_flight": 0, "oldest_age_seconds": null}),
    },
];

fn view(answer: &Value) -> Value {
    let measure = &answer["measures"]["temperature"];
    let latest = &answer["latest"]["temperature"]["payload"]["value"];
    json!([answer["event_count"], measure["min"], measure["last"], measure["mean"], latest])
}

fn each(list: &Value, shown: fn(&Value) -> Value) -> Value {
    list.as_array().unwrap().iter().map(shown).collect()
}

fn sorted(list: &Value, shown: fn(&Value) -> Value) -> Value {
    in_order(each(list, shown))
}

fn in_order(mut list: Value) -> Value {
    list.as_array_mut().unwrap().sort_by_key(Value::to_string);
    list
}

/// The alert rule of a tenant. No reading opens an alert of it.
pub(crate) fn hot(own: Tenant) -> Value {
    json!({"id": "hot", "description": own.name, "contract": "telemetry", "measure": "temperature",
        "when": {"above": own.value + 1000.0}})
}

/// One entry for each event.
fn all_subjects(own: Tenant) -> Value {
    let mut subjects = vec!["device/d-1".to_owned(); usize::try_from(own.readings).unwrap()];
    let others = ["device/d-2", "learner/l-1", "user/u-1"].map(str::to_owned);
    subjects.extend(others);
    subjects.push(format!("device/{}", own_device(own)));
    subjects.push(format!("user/{}", own.name));
    in_order(json!(subjects))
}

/// A text that no parser accepts, with the tenant's markers.
pub(crate) fn broken(own: Tenant) -> String {
    format!("{{{} {}", own.name, own.value)
}

pub(crate) fn own_device(own: Tenant) -> String {
    format!("d-{}", own.name)
}

pub(crate) fn reading_id(at: i64) -> String {
    format!("e-{at}")
}
