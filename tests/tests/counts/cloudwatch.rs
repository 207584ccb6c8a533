//! A fake CloudWatch with scripted responses, in the protocol of its clients: CBOR, here as
//! JSON. <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::primitives::DateTime;
use aws_smithy_cbor::data::Type;
use aws_smithy_cbor::{Decoder, Encoder};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// The only supported operation.
const PATH: &str = "/service/GraniteServiceVersion20100801/operation/GetMetricData";

/// A status and a body.
pub(crate) type Said = (u16, Value);

/// The service, and the requests that it received, in order.
pub(crate) struct CloudWatch {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl CloudWatch {
    /// Answers until the test's runtime ends.
    pub(crate) async fn start(
        answer: impl Fn(&Value) -> Said + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let respond = |uri: Uri, headers: HeaderMap, body: Bytes| async move {
            assert_eq!(uri.path(), PATH);
            let signed = headers["authorization"].to_str().expect("a text");
            assert!(signed.contains("/eu-central-1/monitoring/aws4_request"), "{signed}");
            let question = read(&mut Decoder::new(&body));
            let (status, said) = answer(&question);
            seen.lock().expect("no panic").push(question);
            let mut body = Encoder::new(Vec::new());
            write(&mut body, &said);
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [("smithy-protocol", "rpc-v2-cbor")], body.into_writer())
        };
        let app = Router::new().fallback(respond);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Value> {
        self.asked.lock().expect("no panic").clone()
    }
}

/// An error in CloudWatch's format.
pub(crate) fn refusal(status: u16, code: &str) -> Said {
    (status, json!({ "__type": format!("com.amazonaws.cloudwatch#{code}"), "message": "no" }))
}

/// Complete results for every query, with these points by id: seconds since 1970 and a value.
pub(crate) fn results(question: &Value, points: &[(&str, &[(i64, f64)])]) -> Value {
    let queries = question["MetricDataQueries"].as_array().expect("queries");
    let results = queries.iter().map(|query| {
        let given = points.iter().find(|(id, _)| query["Id"] == *id);
        let (begins, values): (Vec<i64>, Vec<f64>) =
            given.map(|(_, points)| points.iter().copied().unzip()).unwrap_or_default();
        json!({ "Id": query["Id"], "Label": query["Id"], "Timestamps": begins, "Values": values,
            "StatusCode": "Complete" })
    });
    results.collect()
}

fn read(from: &mut Decoder<'_>) -> Value {
    match from.datatype().expect("CBOR") {
        Type::Map | Type::MapIndef => {
            let length = from.map().expect("a map");
            let pair = |from: &mut Decoder<'_>| (from.string().expect("a key"), read(from));
            Value::Object(Map::from_iter(repeated(from, length, pair)))
        }
        Type::Array | Type::ArrayIndef => {
            let length = from.list().expect("a list");
            Value::Array(repeated(from, length, read))
        }
        Type::String | Type::StringIndef => json!(from.string().expect("a text")),
        Type::Tag => json!(from.timestamp().expect("an instant").secs()),
        Type::Bool => json!(from.boolean().expect("a truth")),
        _ => json!(from.long().expect("a whole number")),
    }
}

fn repeated<T>(
    from: &mut Decoder<'_>,
    length: Option<u64>,
    one: impl Fn(&mut Decoder<'_>) -> T,
) -> Vec<T> {
    let mut all = Vec::new();
    while length.is_none_or(|length| (all.len() as u64) < length) {
        if length.is_none() && from.datatype().expect("CBOR") == Type::Break {
            from.skip().expect("an end");
            break;
        }
        all.push(one(from));
    }
    all
}

fn write(into: &mut Encoder, value: &Value) {
    match value {
        Value::Object(members) => {
            into.map(members.len());
            for (name, member) in members {
                into.str(name);
                match member {
                    Value::Array(instants) if name == "Timestamps" => {
                        write_instants(into, instants)
                    }
                    member => write(into, member),
                }
            }
        }
        Value::Array(list) => {
            into.array(list.len());
            list.iter().for_each(|one| write(into, one));
        }
        Value::String(text) => {
            into.str(text);
        }
        number => {
            into.double(number.as_f64().expect("a number"));
        }
    }
}

fn write_instants(into: &mut Encoder, instants: &[Value]) {
    into.array(instants.len());
    for instant in instants {
        into.timestamp(&DateTime::from_secs(instant.as_i64().expect("seconds")));
    }
}
