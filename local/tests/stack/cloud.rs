//! A fake CloudFormation and Lambda with scripted responses, and the environment that directs the
//! binary to them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use drover_local::data_folder::Addresses;
use tokio::net::TcpListener;

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct CloudRequest {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl CloudRequest {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A scripted response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: String,
}

/// A response with a status and a body.
pub(crate) fn said(status: u16, body: impl Into<String>) -> Said {
    Said { status, headers: Vec::new(), body: body.into() }
}

/// The services, and the requests that they received, in order.
pub(crate) struct Cloud {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<CloudRequest>>>,
}

impl Cloud {
    /// Answers until the test's runtime ends.
    pub(crate) async fn start(
        answer: impl Fn(&CloudRequest) -> Said + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let respond = |uri: Uri, headers: HeaderMap, body: Bytes| async move {
            let body = String::from_utf8(body.into()).unwrap();
            let one = CloudRequest { path: uri.path().to_owned(), headers, body };
            let Said { status, headers, body } = answer(&one);
            seen.lock().unwrap().push(one);
            let headers: HeaderMap = headers
                .into_iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect();
            (StatusCode::from_u16(status).unwrap(), headers, body)
        };
        let app = Router::new().fallback(respond);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, requests }
    }

    /// CloudFormation with Drover's app stack, over a host's tables and functions. Every other
    /// request gets this response.
    pub(crate) async fn with_stack(
        otherwise: impl Fn(&CloudRequest) -> Said + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::start(move |requests| match requests.path.as_str() {
            "/" => said(200, stack(&OUTPUTS)),
            _ => otherwise(requests),
        })
        .await
    }

    pub(crate) fn requests(&self) -> Vec<CloudRequest> {
        self.requests.lock().unwrap().clone()
    }

    /// An environment with only this service.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        environment(self.address)
    }

    /// The same environment, with the tables and functions of a host.
    pub(crate) fn environment_over(&self, host: &Addresses) -> Vec<(&'static str, String)> {
        let at = |address| format!("http://{address}");
        let host = [
            ("AWS_ENDPOINT_URL_DYNAMODB", at(host.dynamodb)),
            ("AWS_ENDPOINT_URL_LAMBDA", at(host.lambda)),
        ];
        self.environment().into_iter().chain(host).collect()
    }
}

/// An environment in which this address serves every service.
pub(crate) fn environment(address: SocketAddr) -> Vec<(&'static str, String)> {
    let mut environment = vec![("AWS_ENDPOINT_URL", format!("http://{address}"))];
    let known = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "the-key"),
        ("AWS_SECRET_ACCESS_KEY", "the-secret"),
        ("AWS_SESSION_TOKEN", "the-token"),
    ];
    environment.extend(known.map(|(name, value)| (name, value.to_owned())));
    environment
}

/// The outputs of Drover's app stack, whose tables and functions are a host's.
pub(crate) const OUTPUTS: [(&str, &str); 10] = [
    ("IngestFunction", "ingest"),
    ("ProcessorFunction", "processor"),
    ("QueryFunction", "query"),
    ("ReplayFunction", "replay"),
    ("LedgerTable", "drover-ledger"),
    ("RegistryTable", "drover-registry"),
    ("LettersTable", "drover-letters"),
    ("RequestsTable", "drover-requests"),
    ("DeadLetterQueueUrl", "https://sqs.example/1/letters"),
    ("BufferQueueUrl", "https://sqs.example/1/buffer"),
];

/// A stack in CloudFormation's format.
pub(crate) fn stack(outputs: &[(&str, &str)]) -> String {
    let outputs = outputs.iter().map(|(key, value)| {
        format!(
            "<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue>\
             <ExportName>drover-{key}</ExportName></member>"
        )
    });
    format!(
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
         <DescribeStacksResult><Stacks><member><StackName>drover</StackName>\
         <StackStatus>UPDATE_COMPLETE</StackStatus><Outputs>{}</Outputs></member></Stacks>\
         </DescribeStacksResult></DescribeStacksResponse>",
        outputs.collect::<String>()
    )
}

/// An error in CloudFormation's format.
pub(crate) fn refusal(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
         </Error><RequestId>1</RequestId></ErrorResponse>"
    )
}
