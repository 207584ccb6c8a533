//! One signed request to a service, and its response, limited in time and bytes. This module does
//! not know the content.
//!
//! Only throttled requests are retried: any other request may have been executed.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{Credentials, ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::Mutex;

use super::error::StackError;
use super::service::Service;

/// Longer than the timeout in functions, because a user may be on any network.
pub(super) const CONNECT: Duration = Duration::from_secs(5);

/// Credentials that expire sooner are fetched again, because a request is signed only once.
const FRESH: Duration = Duration::from_mins(2);
/// The maximum attempts of a throttled request, with doubling pauses.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const TOO_MANY_REQUESTS: u16 = 429;
const BAD_REQUEST: u16 = 400;

/// A request, and the limits of its response.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) service: Service,
    /// The path, starting with the slash.
    pub(super) path: String,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    /// The timeout of one attempt.
    pub(super) within: Duration,
    /// The maximum size of the response, in bytes.
    pub(super) largest: usize,
}

/// A complete response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Whether the response has the header `X-Amz-Function-Error`.
    pub(super) function_failed: bool,
    /// The header `X-Amzn-ErrorType`.
    pub(super) error_type: Option<String>,
    pub(super) body: Vec<u8>,
}

/// The client: connections, region and credentials.
pub(super) struct Caller {
    connector: Connector,
    pub(super) region: String,
    sdk: SdkConfig,
    provider: Option<SharedCredentialsProvider>,
    /// Cached, so that a profile's role or program is used once, and not for every call of a run.
    kept: Mutex<Option<Credentials>>,
}

impl Caller {
    /// A client with the settings that the SDK found in the environment.
    ///
    /// # Errors
    /// [`StackError::NoRegion`].
    pub(super) fn new(sdk: &SdkConfig) -> Result<Self, StackError> {
        let region = sdk.region().map(AsRef::as_ref).filter(|region| is_region(region));
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT).build();
        let connector = Connector::builder()
            .connector_settings(settings)
            .tls_provider(Provider::Rustls(CryptoMode::Ring));
        Ok(Self {
            region: region.ok_or(StackError::NoRegion)?.to_owned(),
            connector: connector.build(),
            sdk: sdk.clone(),
            provider: sdk.credentials_provider(),
            kept: Mutex::new(None),
        })
    }

    /// Credentials that stay valid for a while.
    ///
    /// # Errors
    /// [`StackError::NoCredentials`].
    pub(super) async fn credentials(&self) -> Result<Credentials, StackError> {
        let mut kept = self.kept.lock().await;
        let until = now() + FRESH;
        let fresh = |kept: &&Credentials| kept.expiry().is_none_or(|expiry| expiry > until);
        if let Some(kept) = kept.as_ref().filter(fresh) {
            return Ok(kept.clone());
        }
        let provider =
            self.provider.as_ref().ok_or_else(|| StackError::NoCredentials("none".into()))?;
        let given = provider.provide_credentials().await;
        let given = given.map_err(|source| StackError::NoCredentials(source.into()))?;
        Ok(kept.insert(given).clone())
    }

    /// The endpoint of a service.
    pub(super) fn endpoint(&self, service: Service) -> String {
        service.endpoint(&self.sdk, &self.region)
    }

    /// Sends the request, again if it was throttled.
    ///
    /// # Errors
    /// [`StackError`]; an error response of the service is an [`Answer`].
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, StackError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            let answer = self.send_once(call).await?;
            if !is_turned_away(&answer) {
                return Ok(answer);
            }
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause *= 2;
        }
        self.send_once(call).await
    }

    async fn send_once(&self, call: &Call) -> Result<Answer, StackError> {
        let (service, endpoint) = (call.service.name(), self.endpoint(call.service));
        let credentials = self.credentials().await?;
        let request = self.signed(call, &endpoint, credentials).map_err(|source| {
            StackError::NoRequest { service, endpoint: endpoint.clone(), source }
        })?;
        let answered = async {
            let unanswered =
                |source| StackError::NoAnswer { service, endpoint: endpoint.clone(), source };
            let response = self.connector.call(request).await;
            let response = response.map_err(|source| unanswered(source.into()))?;
            read(response, call.largest).await.map_err(|source| {
                if source.is::<LengthLimitError>() {
                    StackError::TooLarge { service, limit: call.largest }
                } else {
                    unanswered(source)
                }
            })
        };
        let too_slow = |_| StackError::TooSlow {
            service,
            endpoint: endpoint.clone(),
            seconds: call.within.as_secs(),
        };
        tokio::time::timeout(call.within, answered).await.map_err(too_slow)?
    }

    fn signed(
        &self,
        call: &Call,
        endpoint: &str,
        credentials: Credentials,
    ) -> Result<HttpRequest, Box<dyn Error + Send + Sync>> {
        let uri = format!("{endpoint}{}", call.path);
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(call.service.word())
            .time(now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let headers = [("content-type", call.content_type)];
        let body = SignableBody::Bytes(&call.body);
        let signable = SignableRequest::new("POST", &uri, headers.into_iter(), body)?;
        let (instructions, _) = sign(signable, &parameters)?.into_parts();

        let mut request = HttpRequest::new(SdkBody::from(call.body.clone()));
        request.set_method("POST")?;
        request.set_uri(uri.as_str())?;
        for (name, value) in headers.into_iter().chain(instructions.headers()) {
            request.headers_mut().try_insert(name.to_owned(), value.to_owned())?;
        }
        Ok(request)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Caller").field("region", &self.region).finish_non_exhaustive()
    }
}

async fn read(
    response: HttpResponse,
    largest: usize,
) -> Result<Answer, Box<dyn Error + Send + Sync>> {
    let (status, headers) = (response.status().as_u16(), response.headers());
    let function_failed = headers.get("x-amz-function-error").is_some();
    let error_type = headers.get("x-amzn-errortype").map(str::to_owned);
    let body = Limited::new(response.into_body(), largest).collect().await?.to_bytes();
    Ok(Answer { status, function_failed, error_type, body: body.into() })
}

/// Whether the request was throttled. Lambda reports that by the status, CloudFormation by a code.
fn is_turned_away(answer: &Answer) -> bool {
    let says = |code: &[u8]| answer.body.windows(code.len()).any(|part| part == code);
    match answer.status {
        TOO_MANY_REQUESTS => true,
        BAD_REQUEST => says(b"<Code>Throttling</Code>"),
        _ => false,
    }
}

/// Validates the region, because it becomes part of host names.
fn is_region(text: &str) -> bool {
    let of_region = |one: u8| one.is_ascii_lowercase() || one.is_ascii_digit() || one == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(of_region)
}

#[expect(clippy::disallowed_methods, reason = "a signature contains the time")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use aws_config::{BehaviorVersion, Region};

    use super::*;

    #[test]
    fn waiting_for_a_response_ends_with_its_timeout() {
        // Connections stay in the listener's backlog and are never accepted.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", silent.local_addr().unwrap());
        let credentials = Credentials::new("key", "secret", None, None, "test");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(&endpoint);
        let caller = Caller::new(&sdk.build()).unwrap();
        let call = Call {
            service: Service::Lambda,
            path: "/".to_owned(),
            content_type: "application/json",
            body: Vec::new(),
            within: Duration::from_millis(100),
            largest: 1,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(caller.send(&call)).unwrap_err().to_string();
        let expected = format!(
            "timeout of Lambda, the function may still run: endpoint=`{endpoint}`, \
             seconds=`0`"
        );
        assert_eq!(error, expected);
    }

    #[test]
    fn a_region_is_a_valid_part_of_a_host_name() {
        for (text, expected) in
            [("eu-central-1", true), ("", false), ("a.example/", false), ("EU", false)]
        {
            assert_eq!(is_region(text), expected, "{text}");
        }
    }
}
