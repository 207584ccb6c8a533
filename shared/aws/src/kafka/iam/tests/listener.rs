//! A listener like MSK's for IAM, in front of a broker inside the process: TLS, `AWS_MSK_IAM`, then
//! the client's requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use drover_core::base::error::Unavailable;
use krafka::Kafka;
use krafka::auth::TlsConfig;
use krafka::testing::FakeBroker;
use rcgen::CertifiedKey;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::super::MskIam;
use crate::kafka::{KafkaCluster, Security};

/// The broker's host name.
pub(super) const HOST: &str = "localhost";
const SASL_HANDSHAKE: u8 = 17;
const SASL_AUTHENTICATE: u8 = 36;

/// A listener and the authentication payloads it received.
pub(super) struct Listener {
    port: u16,
    authority: String,
    pub(super) payloads: UnboundedReceiver<Value>,
    _broker: FakeBroker,
}

impl Listener {
    /// Starts a listener with sessions of this length.
    pub(super) async fn start(session: Duration) -> Self {
        let broker = FakeBroker::start().await.expect("a free port");
        assert!(broker.create_topic("telemetry", 2));
        let behind = broker.broker_addr(0).expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        broker.with_state(|cluster| {
            cluster.brokers[0].host = HOST.to_owned();
            cluster.brokers[0].port = i32::from(port);
        });
        let (acceptor, authority) = tls();
        let (sent, payloads) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), tcp, session, sent.clone(), behind));
            }
        });
        Self { port, authority, payloads, _broker: broker }
    }

    /// Connects a client that trusts the listener's certificate.
    pub(super) async fn connect(&self, identity: &MskIam) -> Result<Kafka, Unavailable> {
        let cluster = KafkaCluster {
            bootstrap: format!("{HOST}:{}", self.port),
            security: Security::MskIam(identity.clone()),
        };
        let trust = TlsConfig::new().with_ca_cert_pem(self.authority.clone());
        cluster.client_as(cluster.security.auth().with_tls(trust)).await
    }
}

fn tls() -> (TlsAcceptor, String) {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider's own")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a good certificate");
    (TlsAcceptor::from(Arc::new(config)), cert.pem())
}

/// Answers the two SASL requests, then forwards to the broker. A closed connection is no error.
async fn serve(
    acceptor: TlsAcceptor,
    tcp: TcpStream,
    session: Duration,
    sent: UnboundedSender<Value>,
    behind: SocketAddr,
) -> Option<()> {
    let mut client = acceptor.accept(tcp).await.ok()?;
    let (correlation, mechanism) = request(&mut client, SASL_HANDSHAKE).await?;
    assert_eq!(mechanism, b"\0\x0bAWS_MSK_IAM");
    // Error code 0 and one mechanism.
    let known = [&correlation[..], &[0, 0, 0, 0, 0, 1], &mechanism].concat();
    answer(&mut client, &known).await?;
    let (correlation, message) = request(&mut client, SASL_AUTHENTICATE).await?;
    sent.send(serde_json::from_slice(&message[4..]).expect("JSON")).ok()?;
    // Error code 0, no error message, no auth bytes.
    let lifetime = i64::try_from(session.as_millis()).expect("not so long").to_be_bytes();
    let begun = [&correlation[..], &[0, 0, 0xff, 0xff, 0, 0, 0, 0], &lifetime].concat();
    answer(&mut client, &begun).await?;
    let mut broker = TcpStream::connect(behind).await.ok()?;
    copy_bidirectional(&mut client, &mut broker).await.ok().map(drop)
}

/// Reads a request of version 1: its correlation id and body.
async fn request(client: &mut (impl AsyncRead + Unpin), api: u8) -> Option<([u8; 4], Vec<u8>)> {
    let length = client.read_u32().await.ok()?;
    let mut frame = vec![0; usize::try_from(length).ok()?];
    client.read_exact(&mut frame).await.ok()?;
    assert_eq!(frame[..4], [0, api, 0, 1]);
    let name = usize::from(u16::from_be_bytes([frame[8], frame[9]]));
    Some(([frame[4], frame[5], frame[6], frame[7]], frame.split_off(10 + name)))
}

async fn answer(client: &mut (impl AsyncWriteExt + Unpin), body: &[u8]) -> Option<()> {
    client.write_u32(u32::try_from(body.len()).ok()?).await.ok()?;
    client.write_all(body).await.ok()?;
    client.flush().await.ok()
}
